// Figures for slides: what the page has drawn, as an SVG with its images in it and a line that says where it is from;
// or as a PNG of that. A plot has Plotly's own way (`codecPage.savePlot`).
(() => {
  const MARGIN = 24, GAP = 16, WORD = /[\u2e80-\uffef]|[^\s\u2e80-\uffef]+/g; // a Chinese line may break at any character
  const SKIP = "input, svg, .controls, .icon-button-wrapper, .icon-buttons, .loading, .wrap.default, [hidden]";
  const text = s => s.replace(/[&<>"]/g, c => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
  const number = v => Math.round(10 * v) / 10;
  const place = (x, y, width, height) =>
    `x="${number(x)}" y="${number(y)}" width="${number(width)}" height="${number(height)}"`;

  function words(said, x, y, size, { weight = 400, colour = "#222", width = 0 } = {}) {
    const fit = width ? ` textLength="${number(width)}" lengthAdjust="spacingAndGlyphs"` : "";
    return `<text x="${number(x)}" y="${number(y + 0.35 * size)}" font-size="${size}" font-weight="${weight}"` +
      ` fill="${colour}"${fit}>${text(said)}</text>`;
  }

  function* lines(node, at) { // the text of a node, a piece for each line that the page broke it into
    const range = document.createRange(), style = getComputedStyle(node.parentElement);
    const size = parseFloat(style.fontSize), look = { weight: style.fontWeight, colour: style.color };
    const say = ({ from, to, box, right }) =>
      words(node.data.slice(from, to), box.left + at[0], (box.top + box.bottom) / 2 + at[1], size,
        { ...look, width: right - box.left });
    let line = null;
    for (const word of node.data.matchAll(WORD)) {
      const to = word.index + word[0].length;
      range.setStart(node, word.index);
      range.setEnd(node, to);
      const box = range.getBoundingClientRect();
      if (!box.width) continue;
      if (line && Math.abs(line.box.top - box.top) < 3) Object.assign(line, { to, right: box.right });
      else {
        if (line) yield say(line);
        line = { from: word.index, to, box, right: box.right };
      }
    }
    if (line) yield say(line);
  }

  const images = new Set(); // their addresses
  function image(element, ...box) {
    images.add(element.src);
    const sharp = getComputedStyle(element).imageRendering === "pixelated" ? ' style="image-rendering:pixelated"' : "";
    return `<image ${place(...box)} href="${text(element.src)}"${sharp}/>`;
  }

  function* pair(viewer, box, at) { // both images of a viewer side by side, which on the page share one place
    const over = viewer.querySelector(".over"), under = viewer.querySelector(".under");
    const width = (box.width - GAP) / 2, height = (width * under.naturalHeight) / under.naturalWidth;
    for (const [i, [picture, tag]] of [[over, ".tag.left"], [under, ".tag.right"]].entries()) {
      const x = box.left + at[0] + i * (width + GAP), y = box.top + at[1];
      yield image(picture, x, y, width, height);
      yield words(viewer.querySelector(tag).textContent, x, y + height + 16, 15, { weight: 600 });
    }
  }

  let gradients = 0;
  function* back(style, ...box) { // the background of a box
    const stops = style.backgroundImage.startsWith("linear-gradient") && style.backgroundImage.match(/rgba?\([^)]*\)/g);
    if (stops) {
      const id = `g${++gradients}`, last = stops.length - 1;
      yield `<linearGradient id="${id}">` +
        stops.map((c, i) => `<stop offset="${i / last}" stop-color="${c}"/>`).join("") + "</linearGradient>";
      yield `<rect ${place(...box)} fill="url(#${id})"/>`;
    } else if (!/^(transparent|rgba\(.*, 0\))$/.test(style.backgroundColor))
      yield `<rect ${place(...box)} fill="${style.backgroundColor}"/>`;
  }

  function* pieces(node, at) {
    if (node.nodeType === Node.TEXT_NODE) yield* lines(node, at);
    if (node.nodeType !== Node.ELEMENT_NODE || node.matches(SKIP)) return;
    const style = getComputedStyle(node), box = node.getBoundingClientRect();
    if (style.visibility === "hidden" || style.display === "none" || style.opacity === "0") return;
    const where = [box.left + at[0], box.top + at[1], box.width, box.height];
    if (node.matches(".viewer")) return yield* pair(node, box, at);
    if (node.tagName === "IMG") return yield image(node, ...where);
    if (box.width && box.height) yield* back(style, ...where);
    for (const child of node.childNodes) yield* pieces(child, at);
  }

  function figure(roots, title) {
    const dark = document.body.classList.contains("dark"); // slides are white
    document.body.classList.remove("dark");
    const width = Math.max(640, ...roots.map(root => root.getBoundingClientRect().width));
    let body = words(title, MARGIN, MARGIN + 10, 20, { weight: 700 }), y = 2 * MARGIN + 20;
    for (const root of roots) {
      const box = root.getBoundingClientRect(), viewer = root.querySelector(".viewer:not([hidden])");
      const under = viewer?.querySelector(".under");
      body += [...pieces(root, [MARGIN - box.left, y - box.top])].join("");
      y += GAP + (under ? ((box.width - GAP) / 2) * (under.naturalHeight / under.naturalWidth) + 2 * GAP : box.height);
    }
    body += words(`${document.title} · ${location.href}`, MARGIN, y + GAP, 13, { colour: "#555" });
    document.body.classList.toggle("dark", dark);
    const size = [width + 2 * MARGIN, y + 2 * MARGIN].map(Math.ceil);
    return [`<svg xmlns="http://www.w3.org/2000/svg" width="${size[0]}" height="${size[1]}" ` +
      `viewBox="0 0 ${size.join(" ")}" font-family="system-ui, sans-serif"><title>${text(title)}</title>` +
      `<rect width="100%" height="100%" fill="#fff"/>${body}</svg>`, size];
  }

  async function data(address) {
    const blob = await (await fetch(address)).blob();
    return new Promise(done => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result);
      reader.readAsDataURL(blob);
    });
  }

  async function save(selectors, title, name, format) {
    const roots = selectors.map(s => document.querySelector(s)).filter(root => root?.offsetParent);
    if (!roots.some(root => root.innerText.trim() || root.querySelector("img:not([hidden])"))) return;
    images.clear();
    let [svg, [width, height]] = figure(roots, title);
    for (const address of images) svg = svg.replaceAll(`href="${text(address)}"`, `href="${await data(address)}"`);
    let file = new Blob([svg], { type: "image/svg+xml" });
    if (format === "png") {
      const drawing = Object.assign(new Image(), { src: "data:image/svg+xml," + encodeURIComponent(svg) });
      await drawing.decode();
      const canvas = Object.assign(document.createElement("canvas"), { width: 2 * width, height: 2 * height });
      canvas.getContext("2d").drawImage(drawing, 0, 0, 2 * width, 2 * height);
      file = await new Promise(done => canvas.toBlob(done, "image/png"));
    }
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: `${name}.${format}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  document.addEventListener("click", event => {
    const button = event.target.closest?.(".slides button");
    if (!button) return;
    const { figure: selectors, title, name } = button.parentElement.dataset, format = button.dataset.format;
    const plot = document.querySelector(selectors)?.querySelector(".js-plotly-plot");
    if (plot) window.codecPage.savePlot(selectors, name, format);
    else save(selectors.split(","), title, name, format);
  });
})();
