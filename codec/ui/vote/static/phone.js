// A phone in a room: join, vote, wait. Votes are kept until the server has them.
"use strict";

const CODE = /^[A-HJ-NP-Z2-9]{4}$/;
let code = decodeURIComponent(location.pathname.replace(/\/$/, "").split("/").pop()).toUpperCase();
if (!CODE.test(code)) code = "";

const tokens = {
  get: () => sessionStorage.getItem(`vote.${code}`),
  set: (token) => sessionStorage.setItem(`vote.${code}`, token),
  drop: () => sessionStorage.removeItem(`vote.${code}`),
};

// Votes that the server has not acknowledged yet. They outlive a reload and a lost connection.
const outbox = {
  key: "vote.outbox",
  all: () => JSON.parse(localStorage.getItem(outbox.key) || "[]"),
  save: (votes) => localStorage.setItem(outbox.key, JSON.stringify(votes)),
  add(vote) {
    outbox.save([...outbox.all(), vote]);
    outbox.send();
  },
  waits: () => outbox.all().filter((vote) => vote.code === code).length,
  sending: null,
  send() {
    outbox.sending ??= outbox.work().finally(() => (outbox.sending = null));
    return outbox.sending;
  },
  async work() {
    for (let wait = 500; outbox.all().length; ) {
      const [vote] = outbox.all();
      try {
        await ask("api/vote", { body: vote });
      } catch (error) {
        if (error instanceof Refusal && error.status === 410 && vote.code === code) {
          outbox.save(outbox.all().filter((other) => other.code !== code)); // the room is closed: say so at once
          return location.reload();
        }
        const lasting = error instanceof Refusal && error.status < 500 && error.status !== 429;
        if (!lasting) {
          told();
          await pause(wait);
          wait = Math.min(2 * wait, 5000);
          continue;
        }
      }
      wait = 500;
      outbox.save(outbox.all().filter((other) => other.trial !== vote.trial));
      told();
    }
  },
};

function told() {
  const line = document.getElementById("unsent");
  const count = outbox.waits();
  if (line) line.textContent = count ? t("phone.unsent", { count }) : "";
}

addEventListener("online", () => outbox.send());

function enter(problem = "") {
  const input = h("input", {
    id: "code", name: "code", maxlength: 4, autocomplete: "off", autocapitalize: "characters", spellcheck: "false",
    inputmode: "text", required: true, "aria-describedby": "problem",
  });
  const form = h(
    "form.card",
    { onsubmit: (event) => {
      event.preventDefault();
      const typed = input.value.trim().toUpperCase();
      if (!CODE.test(typed)) {
        document.getElementById("problem").textContent = t("phone.bad_code");
        return;
      }
      location.assign(`${base}${typed}${location.search}`);
    } },
    h("h1", {}, t("phone.title")),
    h("label", { for: "code" }, t("phone.code")),
    input,
    h("p.problem", { id: "problem", role: "alert" }, problem),
    h("button.main", { type: "submit" }, t("phone.join")),
  );
  show(form, h("p.note", {}, h("a", { href: `${base}me${location.search}` }, t("phone.alone"))), languages());
  input.focus();
}

async function start() {
  if (!code) return enter();
  outbox.send();
  let room;
  try {
    room = await ask(`api/room/${code}`);
  } catch (error) {
    if (error instanceof Refusal) return enter(error.message);
    show(h("p.card", { role: "status" }, t("phone.offline")));
    await pause(2000);
    return start();
  }
  if (tokens.get()) {
    try {
      const given = await ask("api/trials", { body: { code, token: tokens.get() } });
      if (!room.open && given.answered.length < given.trials.length) return closed(room);
      return await vote(given);
    } catch (error) {
      if (!(error instanceof Refusal)) {
        await pause(2000);
        return start();
      }
      tokens.drop(); // the votes were cleared, or it was another room with this code
    }
  }
  if (!room.open) return closed(room);
  const button = h("button.main", { onclick: async () => {
    button.disabled = true;
    try {
      await join();
    } catch (error) {
      button.disabled = false;
      document.getElementById("problem").textContent = error instanceof Refusal ? error.message : t("phone.offline");
    }
  } }, t("phone.start"));
  show(
    h(
      "section.card",
      {},
      h("h1", {}, t(`question.${room.question}`)),
      h("p", {}, t(room.question === "closer" ? "phone.task_closer" : "phone.task_better")),
      room.practice && h("p.badge", {}, t("phone.practice")),
      h("p.note", {}, t("phone.consent")),
      h("p.problem", { id: "problem", role: "alert" }),
      button,
    ),
    languages(),
  );
  button.focus();
}

async function join() {
  const given = await ask("api/join", { body: { code } });
  tokens.set(given.token);
  await vote(given);
}

async function vote(given) {
  const images = new Images(given.trials);
  const unsent = outbox.all().map((each) => each.trial);
  const answered = new Set([...given.answered, ...unsent]);
  for (const [at, trial] of given.trials.entries()) {
    if (answered.has(trial.id)) continue;
    const head = progress(at + 1, given.trials.length);
    if (given.practice) head.append(h("span.badge", {}, t("phone.practice")));
    head.append(h("span.unsent", { id: "unsent", role: "status" }));
    const { choice, ms } = await compare(images, trial, { ...given, head });
    outbox.add({ code, token: tokens.get(), trial: trial.id, choice, ms, width: innerWidth, dpr: devicePixelRatio });
    told();
  }
  await done(given);
}

// After the last vote: until a new round begins.
async function done(given) {
  show(
    h(
      "section.card.done",
      { role: "status" },
      h("h1", {}, t(given.practice ? "phone.practised" : "phone.thanks")),
      h("p", {}, t(given.practice ? "phone.practised_more" : "phone.look_up")),
      h("p.unsent", { id: "unsent" }),
      h("div", { id: "next" }),
    ),
  );
  told();
  await nextRound(given.epoch, () => {
    tokens.drop();
    return join();
  });
}

// Waits for a round that begins in this room, or in another one.
async function nextRound(epoch, begin) {
  for (;;) {
    await pause(document.hidden ? 8000 : 3000);
    try {
      const room = await ask(`api/room/${code}`);
      if (room.epoch !== epoch && room.open) return await begin();
      if (room.next) return another(room.next);
    } catch (error) {
      if (error instanceof Refusal && error.status === 404) return enter(error.message);
    }
  }
}

function another(next) {
  document.getElementById("next").replaceChildren(
    h("a.main", { href: `${base}${next}${location.search}` }, t("phone.next", { code: next })),
  );
}

async function closed(room) {
  show(h("section.card", {}, h("h1", {}, t("phone.closed")), h("p", {}, t("phone.look_up")), h("div", { id: "next" })), languages());
  if (room.next) return another(room.next);
  return nextRound(room.epoch, () => location.reload());
}

start();
