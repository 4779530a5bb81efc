// One comparison on the screen: the original, A and B at one image pixel a device pixel, and what is chosen.
"use strict";

const SIDE = 480; // pixels of an image

// Loads the images of all trials ahead, so that a lost connection does not stop a voter. Keeps them, or they would be dropped.
class Images {
  constructor(trials) {
    this.kept = new Map();
    this.names = trials.flatMap((trial) => [trial.original, trial.left, trial.right]).filter(Boolean);
    this.ahead();
  }

  async ahead() {
    for (const name of this.names) await this.get(name).catch(() => {});
  }

  // An image that is loaded and decoded; tries again until it is.
  get(name) {
    if (!this.kept.has(name)) this.kept.set(name, this.load(name));
    return this.kept.get(name);
  }

  async load(name) {
    for (let wait = 500; ; wait = Math.min(2 * wait, 5000)) {
      const image = new Image();
      image.src = `${base}image/${name}.png`;
      try {
        await image.decode();
        return image.src;
      } catch {
        await pause(wait);
      }
    }
  }
}

// Sizes of the windows on the images, in CSS pixels that are whole device pixels.
function measure(stage) {
  const dpr = window.devicePixelRatio || 1;
  const zoom = stage.classList.contains("twice") ? 2 : 1;
  const wide = stage.clientWidth;
  const three = stage.classList.contains("with-original") && innerWidth >= 900 && innerWidth > innerHeight;
  stage.classList.toggle("row", three);
  const columns = three ? 3 : 2;
  const most = Math.min((SIDE * zoom) / dpr, (wide - 10 * (columns - 1)) / columns);
  const side = (2 * Math.floor((most * dpr) / 2)) / dpr;
  stage.style.setProperty("--window", `${side}px`);
  stage.style.setProperty("--image", `${(SIDE * zoom) / dpr}px`);
  stage.style.setProperty("--shift", `${(side - (SIDE * zoom) / dpr) / 2}px`);
}

// Shows a trial; the promise gives what was chosen: {choice, ms}.
async function compare(images, trial, { question, ties, head }) {
  const waiting = h("p.note", { role: "status" }, t("phone.loading"));
  show(head, waiting);
  const [original, left, right] = await Promise.all(
    [trial.original, trial.left, trial.right].map((name) => name && images.get(name)),
  );
  return new Promise((done) => {
    const started = performance.now();
    let over = false;
    const choose = (choice) => {
      if (over || performance.now() - started < 250) return; // a second tap that was meant for the one before
      over = true;
      removeEventListener("keydown", key);
      removeEventListener("keyup", key);
      removeEventListener("resize", fit);
      done({ choice, ms: Math.round(performance.now() - started) });
    };
    const shot = (src, name, flips) => {
      const box = h("div.shot", {}, h("img", { src, alt: name, draggable: "false" }));
      if (flips && original) {
        box.append(h("img.under", { src: original, alt: "", draggable: "false" }), h("span.flag", { "aria-hidden": "true" }, t("phone.original")));
        box.addEventListener("pointerdown", () => box.classList.add("flipped"));
        for (const end of ["pointerup", "pointerleave", "pointercancel"]) {
          box.addEventListener(end, () => box.classList.remove("flipped"));
        }
        box.addEventListener("contextmenu", (event) => event.preventDefault());
      }
      return box;
    };
    const option = (side, letter, src) =>
      h(
        `div.option.${side}`,
        {},
        shot(src, t("phone.option", { letter }), true),
        h("button.main", { onclick: () => choose(side), "aria-label": t("phone.option", { letter }) }, letter),
      );
    const zoom = h("button.quiet", { "aria-pressed": "false", onclick: () => {
      zoom.setAttribute("aria-pressed", String(stage.classList.toggle("twice")));
      fit();
    } }, t("phone.zoom"));
    const stage = h(
      `div.stage${original ? ".with-original" : ""}`,
      {},
      original && h("div.option.reference", {}, shot(original, t("phone.original"), false), h("p.name", {}, t("phone.original"))),
      option("left", "A", left),
      option("right", "B", right),
    );
    show(
      head,
      h("h1.question", { tabindex: "-1" }, t(`question.${question}`)),
      stage,
      ties && h("button.tie", { onclick: () => choose("tie") }, t("phone.tie")),
      h("p.note.hint", {}, original && h("span.by-touch", {}, t("phone.hold")), h("span.by-key", {}, t(original ? "phone.keys" : "phone.keys_two"))),
      h("div.tools", {}, zoom),
    );
    const fit = () => measure(stage);
    const key = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
      if (event.key.toLowerCase() === "o") {
        stage.classList.toggle("flipped", event.type === "keydown");
        return;
      }
      if (event.type !== "keydown" || event.repeat) return;
      const choice = { a: "left", 1: "left", ArrowLeft: "left", b: "right", 2: "right", ArrowRight: "right", 0: "tie", n: "tie" }[
        event.key.length === 1 ? event.key.toLowerCase() : event.key
      ];
      if (choice && (choice !== "tie" || ties)) choose(choice);
    };
    addEventListener("keydown", key);
    addEventListener("keyup", key);
    addEventListener("resize", fit);
    fit();
    scrollTo(0, 0);
  });
}

// The bar above a trial.
function progress(at, count) {
  const text = t("phone.progress", { at, count });
  announce(text);
  return h(
    "header.progress",
    {},
    h("span", {}, text),
    h("progress", { max: count, value: at - 1, "aria-label": text }),
  );
}
