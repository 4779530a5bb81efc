// The host's page: make a room, watch it fill, reveal in four steps, count hands, take the results home.
"use strict";

const STEPS = 4;
let room = null; // {code, secret}
let view = "setup";
let step = 0;
let armed = false; // the first press of the space bar asks, the second one reveals

// The address of the page as this browser has it, without "/vote/host".
const page = location.origin + location.pathname.replace(/\/vote\/host\/?$/, "");
const host = (action, more = {}) =>
  ask("api/host", { body: { code: room.code, action, page, ...more }, secret: room.secret });

function problem(error) {
  const line = document.getElementById("problem");
  const text = error instanceof Refusal ? error.message : t("phone.offline");
  if (line) line.textContent = text;
  else show(h("section.card", {}, h("p.problem", { role: "alert" }, text), h("a.main", { href: "host" + location.search }, t("host.start_over"))));
}

// --- making a room ------------------------------------------------------------------------------------------

const uploads = []; // {upload, name, url}

async function setup() {
  view = "setup";
  let offer;
  try {
    offer = await ask("api/setup");
  } catch (error) {
    show(h("section.card", {}, h("p.problem", { id: "problem", role: "alert" })));
    return problem(error);
  }
  const choice = (name, value, text, note, checked) =>
    h("label.choice", {}, h("input", { type: "radio", name, value, checked }), h("span", {}, h("b", {}, text), note && h("small", {}, note)));
  const images = h("div.images", {});
  const draw = () => {
    const before = new Set([...images.querySelectorAll("input:checked")].map((input) => input.value));
    const first = !images.childElementCount;
    images.replaceChildren(
      ...offer.images.map((name, at) => tile(name, name, `${base}thumbnail/${name}.png`, first ? at < 5 : before.has(name))),
      ...uploads.map((each) => tile(each.upload, each.name, each.url, first || before.has(each.upload) || each.fresh)),
    );
    uploads.forEach((each) => (each.fresh = false));
  };
  const tile = (value, name, src, checked) =>
    h("label.tile", {}, h("input", { type: "checkbox", name: "image", value, checked }), h("img", { src, alt: "", width: 96, height: 96 }), h("span", {}, name));
  const file = h("input", { type: "file", accept: "image/*", multiple: true, id: "own", onchange: async () => {
    for (const each of file.files) {
      try {
        const kept = await ask(`api/image?name=${encodeURIComponent(each.name.replace(/\.[^.]*$/, ""))}`, { body: each });
        uploads.push({ ...kept, url: URL.createObjectURL(each), fresh: true });
        document.getElementById("problem").textContent = "";
      } catch (error) {
        problem(error);
      }
    }
    file.value = "";
    draw();
  } });
  const saved = h("input", { type: "file", accept: ".zip,application/zip", id: "saved", onchange: () => {
    if (saved.files.length) begin(form, (options) => ask(`api/set?options=${encodeURIComponent(JSON.stringify(options))}`, { body: saved.files[0] }));
    saved.value = "";
  } });
  const own = h("fieldset", { id: "which" }, h("legend", {}, t("host.images")), images, h("p", {}, h("label.file", {}, t("host.own"), file)));
  const form = h(
    "form.setup",
    {
      onsubmit: (event) => {
        event.preventDefault();
        const data = new FormData(form);
        if (data.get("preset") === "shipped") return begin(form, (options) => ask("api/shipped", { body: options }));
        const chosen = data.getAll("image");
        const names = new Set(uploads.map((each) => each.upload));
        const body = { preset: data.get("preset"), images: chosen.filter((v) => !names.has(v)), uploads: chosen.filter((v) => names.has(v)) };
        begin(form, async (options) => prepared((await ask("api/prepare", { body: { ...body, ...options } })).job));
      },
      onchange: () => (own.hidden = new FormData(form).get("preset") === "shipped"),
    },
    h("h1", {}, t("host.title")),
    h("p.lead", {}, t("host.intro")),
    !offer.lasting && h("p.badge", {}, t("host.memory")),
    h(
      "fieldset",
      {},
      h("legend", {}, t("host.what")),
      offer.shipped && choice("preset", "shipped", t("host.shipped"), t("host.shipped_note"), true),
      offer.presets.map((preset, at) =>
        choice("preset", preset.name, t(`host.preset_${preset.name}`), t("host.pairs", { count: preset.pairs }), !offer.shipped && at === 0),
      ),
    ),
    own,
    h(
      "fieldset",
      {},
      h("legend", {}, t("host.question")),
      choice("question", "closer", t("question.closer"), t("host.closer_note"), true),
      choice("question", "better", t("question.better"), t("host.better_note")),
    ),
    h(
      "fieldset",
      {},
      h("legend", {}, t("host.rules")),
      h("label.choice", {}, h("input", { type: "checkbox", name: "ties" }), h("span", {}, t("host.ties"))),
      h("label.choice", {}, h("input", { type: "checkbox", name: "practice" }), h("span", {}, t("host.practice"))),
      h("label.choice", {}, h("span", {}, t("host.minutes")), h("input", { type: "number", name: "minutes", min: 0, max: 180, value: 0 })),
    ),
    h("p.problem", { id: "problem", role: "alert" }),
    h("div.buttons", {}, h("button.main", { type: "submit" }, t("host.open")), h("label.file.quiet", {}, t("host.load"), saved)),
  );
  draw();
  own.hidden = offer.shipped;
  show(form, languages());
}

async function begin(form, make) {
  const data = new FormData(form);
  const options = {
    question: data.get("question"),
    ties: data.has("ties"),
    practice: data.has("practice"),
    minutes: Number(data.get("minutes")) || 0,
  };
  const button = form.querySelector("button.main");
  button.disabled = true;
  try {
    enterRoom(await make(options));
  } catch (error) {
    button.disabled = false;
    problem(error);
  }
}

// Waits for a set; the room when it is there.
async function prepared(job) {
  const bar = h("progress", { "aria-label": t("host.preparing") });
  const line = h("p", { role: "status" }, t("host.preparing"));
  const button = document.querySelector("button.main");
  button.after(h("div.preparing", {}, bar, line));
  try {
    for (;;) {
      const state = await ask("api/job", { body: { job } }).catch((error) => {
        if (error instanceof Refusal) throw error;
        return null;
      });
      if (state?.error) throw new Refusal(state.error, 400);
      if (state?.result) return state.result;
      if (state) {
        bar.max = state.total;
        if (state.done) bar.value = state.done;
        line.textContent = t("host.prepared", state);
      }
      await pause(1000);
    }
  } finally {
    document.querySelector(".preparing")?.remove();
  }
}

function enterRoom(given) {
  uploads.length = 0; // the server has dropped them, too
  room = given;
  history.replaceState(null, "", `#${room.code}.${room.secret}`);
  waitingRoom();
}

// --- the room -----------------------------------------------------------------------------------------------

let polling = 0;

async function waitingRoom() {
  view = "room";
  step = 0;
  armed = false;
  const turn = ++polling;
  let state;
  try {
    state = await host("state");
  } catch (error) {
    return problem(error);
  }
  if (state.revealed) return reveal(state.revealed);
  const counts = h("p.counts", { role: "status" });
  const bar = h("progress", { "aria-label": t("host.votes") });
  const clock = h("p.note", {});
  const button = h("button.main.reveal", { onclick: () => ready(button) }, t("host.reveal"));
  const draw = (now) => {
    counts.textContent = t("host.counts", now);
    bar.max = Math.max(1, now.expected);
    bar.value = now.votes;
    clock.textContent =
      now.seconds_left === null ? "" : t("host.clock", { minutes: Math.floor(now.seconds_left / 60), seconds: String(now.seconds_left % 60).padStart(2, "0") });
  };
  draw(state);
  show(
    h(
      "section.room",
      {},
      h("img.qr", { src: state.qr, alt: t("host.qr"), width: 400, height: 400 }),
      h(
        "div.join",
        {},
        h("p.lead", {}, t(`question.${state.question}`)),
        h("p.address", {}, state.address.slice(0, -4)),
        h("p.code", { "aria-label": state.code.split("").join(" ") }, state.code),
        state.practice && h("p.badge", {}, t("phone.practice")),
        !state.reachable && h("p.problem", {}, t("host.unreachable")),
        counts,
        bar,
        clock,
        h("div.buttons", {}, state.practice ? h("button.main", { onclick: () => act("clear") }, t("host.end_practice")) : button, h("button.quiet", { onclick: () => hands() }, t("host.hands"))),
      ),
    ),
    h("p.problem", { id: "problem", role: "alert" }),
    more(state),
  );
  while (turn === polling && view === "room") {
    await pause(2000);
    if (turn !== polling || view !== "room") return;
    try {
      draw(await host("state"));
      document.getElementById("problem").textContent = "";
    } catch (error) {
      problem(error);
      if (error instanceof Refusal && error.status === 403) return;
    }
  }
}

function ready(button) {
  if (!armed) {
    armed = true;
    button.textContent = t("host.sure");
    return;
  }
  reveal(1);
}

// What one needs more rarely.
function more(state) {
  const pool = h("input", { type: "file", accept: ".zip,application/zip", onchange: async () => {
    try {
      const added = await ask(`api/earlier?code=${room.code}`, { body: pool.files[0], secret: room.secret });
      document.getElementById("problem").textContent = t("host.added", added);
    } catch (error) {
      problem(error);
    }
    pool.value = "";
  } });
  return h(
    "details.more",
    {},
    h("summary", {}, t("host.more")),
    h(
      "div.buttons",
      {},
      h("button.quiet", { onclick: () => save("save", `set-${room.code}.zip`) }, t("host.save_set")),
      h("button.quiet", { onclick: () => next() }, t("host.next")),
      h("button.quiet", { onclick: () => next(state.question === "closer" ? "better" : "closer") }, t("host.next_other")),
      h("label.file.quiet", {}, t("host.earlier"), pool),
      twice("clear", t("host.clear"), () => act("clear")),
      twice("delete", t("host.delete"), async () => {
        await host("delete");
        history.replaceState(null, "", location.pathname + location.search);
        room = null;
        setup();
      }),
    ),
    h("p.note", {}, t(state.lasting ? "host.kept" : "host.memory")),
  );
}

// A button that asks before it does what cannot be undone.
function twice(name, text, work) {
  const button = h("button.quiet", { "data-action": name, onclick: () => {
    if (button.dataset.sure) return work().catch(problem);
    button.dataset.sure = "yes";
    button.textContent = t("host.sure_short", { what: text });
    return null;
  } }, text);
  return button;
}

async function act(action) {
  try {
    await host(action);
    waitingRoom();
  } catch (error) {
    problem(error);
  }
}

async function next(question) {
  try {
    const state = await host("state");
    enterRoom(await host("next", question ? { question, ties: state.ties } : {}));
  } catch (error) {
    problem(error);
  }
}

async function save(what, name) {
  try {
    download(await ask(`api/${what}`, { body: { code: room.code }, secret: room.secret, raw: true }), name);
  } catch (error) {
    problem(error);
  }
}

// --- the reveal ---------------------------------------------------------------------------------------------

async function reveal(number) {
  let result;
  try {
    result = await host("reveal", { step: number });
  } catch (error) {
    return problem(error);
  }
  if (!result.svg) {
    armed = false;
    document.getElementById("problem").textContent = result.title;
    document.querySelector(".reveal").textContent = t("host.reveal");
    return;
  }
  view = "reveal";
  polling++;
  step = number;
  const svg = document.importNode(new DOMParser().parseFromString(result.svg, "image/svg+xml").documentElement, true);
  svg.removeAttribute("width");
  svg.removeAttribute("height");
  const [head, ...rows] = result.table;
  const title = h("h1", { tabindex: "-1" }, result.title);
  show(
    h(
      "section.revealed",
      { "data-step": step },
      h("header.progress", {}, h("span", {}, t("host.step", { at: step, count: STEPS })), h("nav.buttons", {},
        h("button.quiet", { disabled: step === 1, onclick: () => reveal(step - 1) }, t("host.back")),
        h("button.main", { disabled: step === STEPS, onclick: () => reveal(step + 1) }, t("host.forward")))),
      title,
      h("ul.sentences", {}, result.sentences.map((sentence) => h("li", {}, sentence))),
      h("figure", {}, svg),
      h("details", {}, h("summary", {}, t("host.table")), h("div.scroll", {}, h("table", {}, h("thead", {}, h("tr", {}, head.map((cell) => h("th", { scope: "col" }, cell)))), h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, at) => h(at ? "td" : "th", at ? {} : { scope: "row" }, cell)))))))),
      h("p.problem", { id: "problem", role: "alert" }),
      h(
        "div.buttons",
        {},
        h("button.quiet", { onclick: () => download(new Blob([result.file], { type: "image/svg+xml" }), `vote-${step}.svg`) }, t("host.svg")),
        h("button.quiet", { onclick: () => png(result.file, `vote-${step}.png`) }, t("host.png")),
        h("button.quiet", { disabled: step < 2, onclick: () => save("export", `vote-${room.code}.zip`) }, t("host.export")),
      ),
    ),
    more(await host("state").catch(() => ({ question: "closer", lasting: true }))),
  );
  title.focus({ preventScroll: true });
  scrollTo(0, 0);
}

async function png(svg, name) {
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = h("canvas", { width: 2 * image.naturalWidth, height: 2 * image.naturalHeight });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => download(blob, name));
}

// --- raised hands -------------------------------------------------------------------------------------------

async function hands(at = 0) {
  view = "hands";
  polling++;
  let list;
  try {
    list = (await host("hands")).hands;
  } catch (error) {
    return problem(error);
  }
  const unit = list[at];
  const shot = (name, label) => h("figure", {}, h("img.one", { src: `${base}image/${name}.png`, alt: label }), h("figcaption", {}, label));
  const inputs = ["left", "neither", "right"].map((side, place) =>
    h("label", {}, t(side === "neither" ? "phone.tie" : "phone.option", { letter: side === "left" ? "A" : "B" }),
      h("input", { type: "number", name: side, min: 0, max: 500, value: unit.counted ? unit.counts[[0, 2, 1][place]] : "", required: true, inputmode: "numeric" })),
  );
  const state = await host("state");
  const form = h(
    "form.hands",
    { onsubmit: async (event) => {
      event.preventDefault();
      const data = new FormData(form);
      const counts = Object.fromEntries(["left", "neither", "right"].map((side) => [side, Number(data.get(side))]));
      try {
        await host("hands", { at, ...counts });
        if (at + 1 < list.length) hands(at + 1);
        else waitingRoom();
      } catch (error) {
        problem(error);
      }
    } },
    h("header.progress", {}, h("span", {}, t("phone.progress", { at: at + 1, count: list.length })), h("nav.buttons", {},
      h("button.quiet", { type: "button", disabled: at === 0, onclick: () => hands(at - 1) }, t("host.back")),
      h("button.quiet", { type: "button", onclick: () => waitingRoom() }, t("host.to_room")))),
    h("h1.question", {}, t(`question.${state.question}`)),
    h("div.three", {}, shot(unit.left, t("phone.option", { letter: "A" })), unit.original && shot(unit.original, t("phone.original")), shot(unit.right, t("phone.option", { letter: "B" }))),
    h("div.buttons", {}, inputs, h("button.main", {}, t(at + 1 < list.length ? "host.forward" : "host.hands_done"))),
    h("p.note", {}, t("host.hands_note")),
    h("p.problem", { id: "problem", role: "alert" }),
  );
  for (const image of form.querySelectorAll("img.one")) image.style.width = `${480 / devicePixelRatio}px`;
  show(form);
  form.querySelector("input").focus();
}

// Space and the keys of presenters' remotes go on; none of them takes a key from what is being typed.
addEventListener("keydown", (event) => {
  if (event.target.closest("input, textarea, select, summary") || event.ctrlKey || event.metaKey || event.altKey) return;
  const onward = [" ", "ArrowRight", "PageDown"].includes(event.key);
  if (event.key === " " && event.target.closest("button, a")) return;
  if (view === "room" && onward && event.key !== "ArrowRight") {
    const button = document.querySelector(".reveal");
    if (!button) return;
    event.preventDefault();
    ready(button);
  } else if (view === "reveal") {
    const to = onward ? step + 1 : ["ArrowLeft", "PageUp"].includes(event.key) ? step - 1 : 0;
    if (to >= 1 && to <= STEPS) {
      event.preventDefault();
      reveal(to);
    }
  }
});

const fragment = /^#([A-Z2-9]{4})\.([\w-]+)$/.exec(location.hash);
if (fragment) enterRoom({ code: fragment[1], secret: fragment[2] });
else setup();
