"""What a browser draws of a picture: a second reader of every format, and none of ours."""

import base64

import numpy as np

SCRIPT = """async (files) => {
  const found = [];
  for (const [kind, data] of files) {
    const image = new Image();
    image.src = `data:${kind};base64,${data}`;
    try { await image.decode(); } catch (error) { found.push(null); continue; }
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const pen = canvas.getContext("2d", {colorSpace: "srgb", willReadFrequently: true});
    pen.fillStyle = "white";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(image, 0, 0);
    const pixels = pen.getImageData(0, 0, canvas.width, canvas.height).data;
    let text = "";
    for (let i = 0; i < pixels.length; i += 8192) text += String.fromCharCode(...pixels.subarray(i, i + 8192));
    found.push([canvas.height, canvas.width, btoa(text)]);
  }
  return found;
}"""


def drawings(browser, kind, files):
    """The pictures of files (a list of bytes) on white in sRGB, uint8 (H, W, 3); None for those it does not show."""
    page = browser.new_page()
    try:
        page.goto("about:blank")
        found = page.evaluate(SCRIPT, [[kind, base64.b64encode(data).decode()] for data in files])
    finally:
        page.close()
    return [
        item and np.frombuffer(base64.b64decode(item[2]), np.uint8).reshape(item[0], item[1], 4)[..., :3]
        for item in found
    ]
