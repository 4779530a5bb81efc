// Two pictures and a divider over synchronised details. `props.value` is what `viewer.value` makes in Python.
const find = (s) => element.querySelector(s);
const stage = find(".stage"), under = find(".under"), over = find(".over"), frame = find(".frame");
const range = find("input.divider"), crops = find(".crops"), scales = find(".scales.details");
let zoom = 1, pan = [0, 0]; // of the stage: 1 is the whole picture; pan in pixels of the page
let scale = 2, spot = null, shown = null, right = null, sent = null;
// What an address asks for: a zoom, and the centre of what is seen, in shares of the image. It holds until a visitor
// does something.
let asked = element.closest("#comparison") && new URLSearchParams(location.search);
if (!["zoom", "x", "y"].some((key) => asked?.has(key))) asked = null;
for (const event of ["pointerdown", "keydown"])
  document.addEventListener(event, () => { asked = null; }, { capture: true, once: true });
const words = window.codecTexts;
const value = () => (props.value && props.value.pictures ? props.value : null);
// While an image is coded once more, what was made before stays until the new comes.
const waits = () => shown === value().id;
const picture = (key) => value()?.pictures.find((p) => p.key === key);

function put(image, tag, key) {
  let p = picture(key);
  if (!p && waits() && image.dataset.key === key) return;
  p ??= picture("original"); // stands where another is still to come, and says so in its tag
  image.dataset.key = p?.key ?? key;
  image.hidden = !p;
  tag.replaceChildren();
  if (p) {
    if (image.getAttribute("src") !== p.file.url) image.src = p.file.url;
    image.alt = p.alt;
    const name = document.createElement("b");
    name.textContent = p.name;
    tag.append(name, " " + p.remark);
  } else tag.textContent = "…";
  const below = find(`.captions .${tag.classList.contains("left") ? "left" : "right"}`); // for narrow screens
  below.replaceChildren(...[...tag.childNodes].map((node) => node.cloneNode(true)));
}

function divide(percent) {
  percent = Math.min(100, Math.max(0, percent));
  range.value = percent;
  stage.style.setProperty("--at", percent + "%");
  find(".tag.left").classList.toggle("off", percent < 1);
  find(".tag.right").classList.toggle("off", percent > 99);
}

// A picture that fits is shown in whole multiples of its pixels: at 1.1 times every tenth row would stand there twice.
// Where that would cost more than 15 % of the width, it fills the width, smoothed.
function widest() {
  const v = value(), dots = window.devicePixelRatio || 1;
  if (!v) return;
  const room = Math.min(stage.parentElement.clientWidth / v.width, (document.documentElement.classList.contains("lecture") ? 0.8 * innerHeight : Math.min(0.62 * innerHeight, 560)) / v.height);
  const whole = Math.floor(room * dots) / dots, times = whole >= 0.85 * room ? whole : room;
  stage.style.setProperty("--most", times * v.width + "px");
}

// --- zoom: both pictures by the same transform, about a point that stays where it is
const fitting = () => Math.min(stage.clientWidth / value().width, stage.clientHeight / value().height);

function move() {
  const v = value(), w = stage.clientWidth, h = stage.clientHeight;
  if (!v || !w) return;
  const fit = fitting(), size = [v.width * fit * zoom, v.height * fit * zoom];
  const room = [w - size[0], h - size[1]];
  // No further than its edges; where it is smaller than the stage, in the middle.
  pan = pan.map((p, i) => (room[i] >= 0 ? room[i] / 2 : Math.min(0, Math.max(room[i], p))));
  for (const image of [under, over]) Object.assign(image.style, {
    width: size[0] + "px", height: size[1] + "px", transform: `translate(${Math.round(pan[0])}px, ${Math.round(pan[1])}px)`,
  });
  const dots = fit * zoom * (window.devicePixelRatio || 1); // of the screen for a pixel of the picture
  stage.classList.toggle("large", dots >= 3 || (dots > 0.99 && Math.abs(dots - Math.round(dots)) < 0.01));
  stage.classList.toggle("zoomed", zoom > 1);
  find(".zoom output").textContent = zoom > 1 ? Math.round(100 * fit * zoom) + " %" : words.fit;
  frameAt();
}

function zoomBy(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
  const before = zoom;
  if (!value() || !stage.clientWidth) return;
  const pixel = 1 / fitting() / (window.devicePixelRatio || 1); // where a pixel of the picture is one of the screen
  zoom = Math.min(Math.max(1, 16 * pixel), Math.max(1, factor ? zoom * factor : 1));
  if ((before - pixel) * (zoom - pixel) < 0 && pixel > 1 && factor) zoom = pixel;
  pan = [x - ((x - pan[0]) * zoom) / before, y - ((y - pan[1]) * zoom) / before];
  move();
  went();
}

// Where a visitor has gone, for the address: only once they have.
function went() {
  const v = value();
  if (!v) return;
  const k = fitting() * zoom, centre = [stage.clientWidth / 2, stage.clientHeight / 2];
  const [x, y] = zoom > 1 ? centre.map((c, i) => (c - pan[i]) / k) : spot;
  stage.dataset.view = [zoom, x / v.width, y / v.height].join(" ");
}
function goTo(wanted) {
  const v = value(), of = (key, least, most) => Math.min(most, Math.max(least, Number(wanted.get(key)) || least));
  spot = [wanted.has("x") ? of("x", 0, 1) * v.width : spot[0], wanted.has("y") ? of("y", 0, 1) * v.height : spot[1]];
  zoom = of("zoom", 1, 64);
  const k = fitting() * zoom;
  pan = [stage.clientWidth / 2 - spot[0] * k, stage.clientHeight / 2 - spot[1] * k];
  move();
  went();
}

const fullscreen = () => (document.fullscreenElement ? document.exitFullscreen() : stage.requestFullscreen?.());

function frameAt() { // where the details are
  const v = value(), f = frame.spot;
  if (!v || !f) return;
  const k = under.offsetWidth / v.width || over.offsetWidth / v.width;
  Object.assign(frame.style, {
    left: pan[0] + f[0] * k + "px", top: pan[1] + f[1] * k + "px", width: f[2] * k + "px", height: f[3] * k + "px",
  });
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
  frame.spot = [left, top, w, h];
  frameAt();
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
  img.alt = words.detail.replace("{name}", p.alt);
  img.draggable = false;
  hole.append(img);
  if (pick) {
    hole.title = words.show.replace("{name}", p.name);
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
    const before = p || !waits() ? null : [...crops.children].find((f) => f.dataset.key === key);
    if (before) return before;
    const figure = old.get(said) ?? detail(key, p, v.pick);
    Object.assign(figure.dataset, { shown: said, key });
    if (v.pick && p) figure.firstChild.setAttribute("aria-pressed", key === right);
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
  widest();
  put(over, find(".tag.left"), v.left);
  put(under, find(".tag.right"), right);
  if (shown !== v.id) {
    spot = v.spot;
    zoom = 1;
    delete stage.dataset.view;
    if (asked && stage.clientWidth) goTo(asked);
  }
  move();
  details();
  shown = v.id;
}

function at(event) { // in pixels of the stage
  const box = stage.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}
let press = null;
const fingers = new Map(); // two of them pinch
const spread = () => {
  const [a, b] = [...fingers.values()];
  return { far: Math.hypot(a[0] - b[0], a[1] - b[1]), x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2 };
};
stage.addEventListener("pointerdown", (e) => {
  if (e.button) return;
  fingers.set(e.pointerId, at(e));
  // Near the divider one takes hold of it, elsewhere of the picture once there is more of it than is shown.
  const divides = zoom === 1 || Math.abs(at(e)[0] - (stage.clientWidth * range.value) / 100) < 24;
  press = { x: e.clientX, y: e.clientY, pan, divides, moved: fingers.size > 1 };
  stage.setPointerCapture(e.pointerId);
});
stage.addEventListener("pointermove", (e) => {
  if (!press) return;
  if (fingers.size === 2) {
    const before = spread();
    fingers.set(e.pointerId, at(e));
    const now = spread();
    pan = [pan[0] + now.x - before.x, pan[1] + now.y - before.y];
    return zoomBy(now.far / Math.max(1, before.far), now.x, now.y);
  }
  const [dx, dy] = [e.clientX - press.x, e.clientY - press.y];
  press.moved ||= Math.abs(dx) > 4 || Math.abs(dy) > 4;
  if (press.moved && press.divides) divide((100 * at(e)[0]) / stage.clientWidth);
  else if (press.moved) { pan = [press.pan[0] + dx, press.pan[1] + dy]; move(); }
});
stage.addEventListener("pointercancel", (e) => { fingers.delete(e.pointerId); press = null; });
stage.addEventListener("pointerup", (e) => {
  const v = value(), click = press && !press.moved, [x, y] = at(e);
  if (press?.moved && !press.divides) went();
  fingers.delete(e.pointerId);
  press = null;
  const k = under.offsetWidth / (v?.width ?? 1) || over.offsetWidth / (v?.width ?? 1);
  if (!click || !v || !k) return;
  spot = [Math.min(v.width, Math.max(0, (x - pan[0]) / k)), Math.min(v.height, Math.max(0, (y - pan[1]) / k))];
  place();
  went();
});
// The page goes on scrolling below the pointer unless the picture fills the screen, is zoomed, or Ctrl is held.
stage.addEventListener("wheel", (e) => {
  if (!(e.ctrlKey || zoom > 1 || document.fullscreenElement)) return;
  e.preventDefault();
  zoomBy(Math.exp(-e.deltaY / 300), ...at(e));
}, { passive: false });
for (const button of element.querySelectorAll("[data-zoom]")) button.onclick = () => zoomBy(Number(button.dataset.zoom));
find(".full").onclick = fullscreen;
stage.addEventListener("keydown", (e) => {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key], v = value();
  if (!step || !v) return;
  e.preventDefault();
  const by = e.shiftKey ? 64 : 16;
  spot = [Math.min(v.width, Math.max(0, spot[0] + by * step[0])), Math.min(v.height, Math.max(0, spot[1] + by * step[1]))];
  place();
  went();
});
range.addEventListener("input", () => divide(Number(range.value)));
stage.addEventListener("pointerup", () => range.dispatchEvent(new Event("change", { bubbles: true })));
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
  const to = { 1: 0, 2: 50, 3: 100 }[e.key], meant = document.querySelector(".viewer:is(:hover, :focus-within) .stage");
  if (meant && meant !== stage) return; // of several on the page, the one that is pointed at
  if (typing || e.ctrlKey || e.metaKey || e.altKey || !(stage.offsetParent || document.fullscreenElement === stage)) return;
  if (to !== undefined) divide(to);
  else if (e.key === "f") fullscreen();
  else if (e.key === "+" || e.key === "=") zoomBy(2);
  else if (e.key === "-") zoomBy(0.5);
  else if (e.key === "0") zoomBy(0);
}
document.addEventListener("keydown", keys);
const resized = new ResizeObserver(() => {
  widest();
  if (asked && value() && stage.clientWidth) goTo(asked);
  move();
  place();
});
resized.observe(element);
resized.observe(stage);
watch("value", show);
divide(Number(element.closest("#comparison") && (new URLSearchParams(location.search).get("divider") ?? 50)) || 50);
show();
