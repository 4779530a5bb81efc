// "Can you tell?": the trials for one person, and what the answers say.
"use strict";

function intro() {
  const button = h("button.main", { onclick: () => run() }, t("phone.start"));
  show(
    h(
      "section.card",
      {},
      h("h1", {}, t("me.title")),
      h("p", {}, t("me.intro")),
      h("p.note", {}, t("me.consent")),
      h("p.problem", { id: "problem", role: "alert" }),
      button,
    ),
    h("p.note", {}, h("a", { href: `${base}host${location.search}` }, t("me.class"))),
    languages(),
  );
}

async function run() {
  try {
    const given = await ask("api/me");
    const images = new Images(given.trials);
    const choices = [];
    for (const [at, trial] of given.trials.entries()) {
      choices.push((await compare(images, trial, { ...given, head: progress(at + 1, given.trials.length) })).choice);
    }
    result(await ask("api/me", { body: { number: given.number, choices } }));
  } catch (error) {
    intro();
    document.getElementById("problem").textContent = error instanceof Refusal ? error.message : t("phone.offline");
  }
}

function bar(measure, count) {
  return h(
    "li",
    {},
    h("span.name", {}, measure.name),
    h("meter", { min: 0, max: count, value: measure.agreed, "aria-label": measure.name }),
    h("span.figure", {}, t("me.of", { agreed: measure.agreed, count })),
  );
}

function result(score) {
  const psnr = score.measures.find((measure) => measure.key === "psnr");
  const sentence = t("me.headline", { agreed: psnr.agreed, count: score.count });
  const generative = score.generative_of
    ? t("me.generative", { count: score.generative, of: score.generative_of })
    : "";
  const address = location.origin + location.pathname;
  const shared = [sentence, generative, t("me.dare")].filter(Boolean).join(" ");
  const share = h("button.main", { onclick: async () => {
    try {
      if (navigator.share) await navigator.share({ text: shared, url: address });
      else {
        await navigator.clipboard.writeText(`${shared} ${address}`);
        share.textContent = t("me.copied");
      }
    } catch {
      prompt(t("me.copy"), `${shared} ${address}`);
    }
  } }, t("me.share"));
  show(
    h(
      "section.card",
      {},
      h("h1", { tabindex: "-1" }, sentence),
      h("p", {}, t("me.explain")),
      h("ol.measures", {}, score.measures.map((measure) => bar(measure, score.count))),
      generative && h("p", {}, generative),
      h("p", {}, t(score.looked ? "me.looked" : "me.missed")),
      h("p", {}, t(score.same ? "me.same" : "me.different")),
      h("div.buttons", {}, share, h("button.quiet", { onclick: () => run() }, t("me.again"))),
      h(
        "details",
        {},
        h("summary", {}, t("me.answers")),
        h(
          "ol.answers",
          {},
          score.answers.map((answer) =>
            h("li", {}, t("me.answer", answer), answer.bytes ? ` (${t("chart.bytes", { bytes: answer.bytes })})` : "",
              answer.kind === "repeat" ? ` – ${t("me.repeat")}` : answer.kind === "catch" ? ` – ${t("me.check")}` : ""),
          ),
        ),
      ),
    ),
    h("p.note", {}, h("a", { href: `${base}host${location.search}` }, t("me.class"))),
    languages(),
  );
  app.querySelector("h1").focus();
}

intro();
