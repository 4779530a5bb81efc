// A PNG for sharing: both pictures at the divider, their sizes, one line, and the address.
window.compose = async ({ left, right, at, title, line, captions, address }) => {
  const width = 1200, ratio = right.naturalHeight / right.naturalWidth;
  const tall = Math.min(1000, Math.round(width * ratio)), bar = 150;
  const canvas = Object.assign(document.createElement("canvas"), { width, height: tall + bar });
  const g = canvas.getContext("2d");
  g.fillStyle = "#fff";
  g.fillRect(0, 0, width, tall + bar);
  const times = Math.max(width / right.naturalWidth, tall / right.naturalHeight);
  const size = [right.naturalWidth * times, right.naturalHeight * times];
  const corner = [(width - size[0]) / 2, (tall - size[1]) / 2];
  const part = (image, from, to) => {
    g.save();
    g.beginPath();
    g.rect(from, 0, to - from, tall);
    g.clip();
    g.drawImage(image, ...corner, ...size);
    g.restore();
  };
  part(left, 0, width * at);
  part(right, width * at, width);
  g.fillStyle = "#fff";
  g.fillRect(width * at - 2, 0, 4, tall);
  const write = (text, x, y, font, color, align = "left") => {
    Object.assign(g, { font: `${font} system-ui, sans-serif`, fillStyle: color, textAlign: align });
    g.fillText(text, x, y, width - 48);
  };
  write(captions[0], 24, tall + 36, "600 26px", "#0f172a");
  write(captions[1], width - 24, tall + 36, "600 26px", "#0f172a", "right");
  write(line, 24, tall + 84, "600 30px", "#0f172a");
  write(`${title} · ${address}`, 24, tall + 126, "22px", "#475569");
  return new Promise((done) => canvas.toBlob(done, "image/png"));
};
