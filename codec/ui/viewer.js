// Two pictures and a divider over synchronised details. `props.value` is what `viewer.value` makes in Python.
const find = (s) => element.querySelector(s);
const stage = find(".stage"), under = find(".under"), over = find(".over"), frame = find(".frame");
const range = find("input.divider"), crops = find(".crops"), scales = find(".scales");
let scale = 2, spot = null, shown = null, right = null, sent = null;
const value = () => (props.value && props.value.pictures ? props.value : null);
const picture = (key) => value()?.pictures.find((p) => p.key === key);

function put(image, tag, key) {
  const p = picture(key);
  image.hidden = !p;
  tag.replaceChildren();
  if (p) {
    if (image.getAttribute("src") !== p.file.url) image.src = p.file.url;
    image.alt = p.alt;
    const name = document.createElement("b");
    name.textContent = p.name;
    tag.append(name, " " + p.remark);
  } else tag.textContent = "…";
}

function divide(percent) {
  percent = Math.min(100, Math.max(0, percent));
  range.value = percent;
  stage.style.setProperty("--at", percent + "%");
  find(".tag.left").classList.toggle("off", percent < 1);
  find(".tag.right").classList.toggle("off", percent > 99);
}

function place() { // the details, and the frame that says where they are
  const v = value();
  if (!v || !spot) return;
  const first = crops.querySelector(".window");
  if (!first || !first.clientWidth) return;
  const w = Math.min(v.width, first.clientWidth / scale), h = Math.min(v.height, first.clientHeight / scale);
  const left = Math.round(Math.min(Math.max(0, spot[0] - w / 2), v.width - w));
  const top = Math.round(Math.min(Math.max(0, spot[1] - h / 2), v.height - h));
  for (const img of crops.querySelectorAll("img")) {
    img.style.width = v.width * scale + "px";
    img.style.transform = `translate(${-left * scale}px, ${-top * scale}px)`;
  }
  Object.assign(frame.style, {
    left: (100 * left) / v.width + "%", top: (100 * top) / v.height + "%",
    width: (100 * w) / v.width + "%", height: (100 * h) / v.height + "%",
  });
  crops.dataset.left = left;
  crops.dataset.top = top;
}

function detail(key, p, pick) {
  const figure = document.createElement("figure"), caption = document.createElement("figcaption");
  const hole = document.createElement(pick && p ? "button" : "div");
  hole.className = "window";
  figure.append(hole, caption);
  if (!p) {
    hole.textContent = "…";
    return figure;
  }
  const img = document.createElement("img"), name = document.createElement("b");
  img.src = p.file.url;
  img.alt = "A detail of: " + p.alt;
  img.draggable = false;
  hole.append(img);
  if (pick) {
    hole.title = `Show ${p.name} right of the divider`;
    hole.onclick = () => { right = key; show(); };
  }
  name.textContent = p.name;
  caption.append(name, " " + p.remark);
  return figure;
}

function details() {
  const v = value(), old = new Map(Array.from(crops.children, (f) => [f.dataset.shown, f]));
  crops.style.setProperty("--columns", v.columns);
  // What has not changed stays, so that nothing flickers while slow numbers come in.
  const figures = v.crops.map((key) => {
    const p = picture(key), said = [key, p?.file.url, p?.name, p?.remark].join("|");
    const figure = old.get(said) ?? detail(key, p, v.pick);
    figure.dataset.shown = said;
    if (v.pick) figure.firstChild.setAttribute("aria-pressed", key === right);
    return figure;
  });
  if (figures.some((f, i) => f !== crops.children[i]) || figures.length !== crops.children.length)
    crops.replaceChildren(...figures);
  place();
}

function show() {
  const v = value();
  element.querySelector(".viewer").hidden = !v;
  if (!v) return;
  if (sent !== v.right || shown !== v.id) sent = right = v.right;
  stage.style.setProperty("--ratio", v.width / v.height);
  put(over, find(".tag.left"), v.left);
  put(under, find(".tag.right"), right);
  if (shown !== v.id) {
    shown = v.id;
    spot = v.spot;
  }
  details();
  stage.classList.toggle("large", stage.clientWidth >= v.width);
}

function at(event) {
  const box = stage.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}
let press = null;
stage.addEventListener("pointerdown", (e) => {
  if (e.button) return;
  press = { x: e.clientX, moved: false };
  stage.setPointerCapture(e.pointerId);
});
stage.addEventListener("pointermove", (e) => {
  if (!press) return;
  press.moved ||= Math.abs(e.clientX - press.x) > 4;
  if (press.moved) divide(100 * at(e)[0]);
});
stage.addEventListener("pointercancel", () => { press = null; });
stage.addEventListener("pointerup", (e) => {
  const v = value(), click = press && !press.moved;
  press = null;
  if (!click || !v) return;
  const [x, y] = at(e);
  spot = [x * v.width, y * v.height];
  place();
});
stage.addEventListener("keydown", (e) => {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key], v = value();
  if (!step || !v) return;
  e.preventDefault();
  const by = e.shiftKey ? 64 : 16;
  spot = [Math.min(v.width, Math.max(0, spot[0] + by * step[0])), Math.min(v.height, Math.max(0, spot[1] + by * step[1]))];
  place();
});
range.addEventListener("input", () => divide(Number(range.value)));
for (const button of scales.children) {
  button.onclick = () => {
    scale = Number(button.dataset.scale);
    for (const other of scales.children) other.setAttribute("aria-pressed", other === button);
    place();
  };
}

function keys(e) {
  if (!element.isConnected) return document.removeEventListener("keydown", keys);
  const typing = e.target.closest?.("textarea, select, [contenteditable], input:not([type=radio], [type=checkbox], [type=range])");
  const to = { 1: 0, 2: 50, 3: 100 }[e.key];
  if (to === undefined || typing || e.ctrlKey || e.metaKey || e.altKey || !stage.offsetParent) return;
  divide(to);
}
document.addEventListener("keydown", keys);
new ResizeObserver(() => { place(); const v = value(); if (v) stage.classList.toggle("large", stage.clientWidth >= v.width); }).observe(element);
watch("value", show);
divide(50);
show();
