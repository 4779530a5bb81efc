// Runs from the page's head, before Gradio has mounted anything: so it looks again and again, and is quick about it.
(() => {
  const root = document.documentElement;
  const page = (window.codecPage = {}), words = window.codecTexts;

  function remember(key, value) {
    const url = new URL(location.href);
    if (value === null) url.searchParams.delete(key); else url.searchParams.set(key, value);
    history.replaceState(history.state, "", url);
  }

  // The address follows what is set: `names` are its keys, and "mode" says which of the rates holds.
  page.state = (names, values, modes) => {
    if (!page.opened || !page.coded) return;
    const state = Object.fromEntries(names.map((name, i) => [name, values[i]])), rate = modes[state.mode];
    for (const name of names)
      if (name !== "mode") remember(name, state[name] === null || name in Object.fromEntries(Object.values(modes)
        .filter(other => other !== rate).map(other => [other, 1])) ? null : short(state[name]));
  };
  const short = value => typeof value === "number" ? String(Number(value.toPrecision(6))) : value;

  // A picture of what is compared, with the sizes and the address, and the link to it.
  page.share = async () => {
    const of = selector => document.querySelector(`#comparison ${selector}`), link = location.href;
    const picture = await window.compose({
      left: of(".over"), right: of(".under"), at: of("input.divider").value / 100, title: document.title,
      line: document.querySelector("#verdict").innerText.trim() || document.querySelector("#headline .big").innerText,
      captions: [of(".tag.left").textContent, of(".tag.right").textContent], address: location.host + location.pathname,
    });
    await navigator.clipboard?.writeText(link).catch(() => {});
    const saved = Object.assign(document.createElement("a"), { href: URL.createObjectURL(picture), download: "comparison.png" });
    saved.click();
    setTimeout(() => URL.revokeObjectURL(saved.href), 60000);
    const button = document.querySelector("#share-comparison"), before = button.textContent;
    button.textContent = words.shared;
    setTimeout(() => { button.textContent = before; }, 4000);
  };
  document.addEventListener("change", event => {
    if (event.target.matches?.("#comparison input.divider")) remember("divider", event.target.value);
  }, true);

  // Another language is another page; it opens what this one shows.
  document.addEventListener("click", event => {
    const link = event.target.closest?.("#languages a");
    if (!link) return;
    event.preventDefault();
    remember("lang", link.lang);
    location.reload();
  });

  // --- present: one thing a screen, in large type, without what is set; arrows go on, Esc ends it
  page.lecture = (on = !root.classList.contains("lecture")) => {
    root.classList.toggle("lecture", on);
    remember("lecture", on ? "1" : null);
    remember("present", null);
    document.querySelector("#lecture")?.setAttribute("aria-pressed", on);
    window.dispatchEvent(new Event("resize")); // plots and images take their room anew
  };
  const asked_for = new URLSearchParams(location.search);
  if (["lecture", "present"].some(key => asked_for.get(key) === "1")) root.classList.add("lecture");
  document.addEventListener("keydown", event => {
    if (!root.classList.contains("lecture") || event.ctrlKey || event.metaKey || event.altKey || document.fullscreenElement)
      return;
    if (event.key === "Escape") return page.lecture(false);
    const by = { ArrowRight: 1, ArrowLeft: -1, PageDown: 1, PageUp: -1 }[event.key];
    if (!by || event.target.closest?.("input, textarea, select, .stage, [role=tab], .js-plotly-plot")) return;
    const strips = ["#lesson-steps", "#compare-places", "#bits-places", "#latents-places", "#tabs"];
    for (const strip of strips.map(id => document.querySelector(id)).filter(strip => strip?.offsetParent)) {
      const all = [...strip.querySelectorAll(":scope > .tab-wrapper [role=tab]")];
      const next = all[all.findIndex(tab => tab.getAttribute("aria-selected") === "true") + by];
      if (next) { event.preventDefault(); return next.click(); }
    }
  });
  // Letters and lines of plots grow with the page's.
  function enlarge() {
    const on = root.classList.contains("lecture");
    for (const plot of document.querySelectorAll(".js-plotly-plot")) {
      if (!window.Plotly || !plot.layout || !plot.offsetParent || plot.lectured === (on ? plot.data : false)) continue;
      if (!on && !plot.lectured) continue;
      const size = on ? 20 : 12, times = on ? 1.6 : 1 / 1.6;
      const widths = plot.data.map(trace => (trace.line?.width ?? 2) * (plot.lectured && on ? 1 : times));
      plot.lectured = false;
      window.Plotly.update(plot, { "line.width": widths }, { "font.size": size, "legend.font.size": on ? 16 : 11 })
        .then(() => { plot.lectured = on ? plot.data : false; });
    }
  }

  // Tabs show what the first one makes: one that is opened, by hand or by a link, while that is at work, or a picture
  // on its way to it, waits. Half a second passes before an upload is to be seen, and there are moments of rest until
  // the last run has been called off and the next one begins: so it looks longer where a picture has just come. Where
  // nothing has been made and nothing happens for ten seconds, it goes on, to say so.
  let asked = 0;
  for (const event of ["change", "drop"])
    document.addEventListener(event, e => { if (e.target.closest?.("#upload")) asked = Date.now(); }, true);
  page.made = async () => {
    const busy = "#comparison :is(.translucent, .generating):not(.hide, .hidden, :has(.error))";
    for (let start = Date.now(), quiet = 0; Date.now() - start < 60000;) {
      if (document.querySelector("#upload .uploading")) asked = Date.now();
      quiet = document.querySelector(busy) || Date.now() - asked < 500 ? 0 : quiet + 1;
      const enough = Date.now() - asked < 10000 ? 10 : 2; // looks, 20 in a second
      if (quiet >= (page.coded ? enough : 200)) return;
      await new Promise(done => setTimeout(done, 50));
    }
  };

  // Whoever opens a tab by hand stays there, though a link had another in mind, and the address says so.
  document.addEventListener("click", event => {
    const button = event.isTrusted && event.target.closest?.("[role=tab], .overflow-dropdown button");
    if (button && !button.closest("#lesson-steps")) page.opened = page.chosen = true;
  }, true);

  // Clicking a point of a plot names it in a hidden box, which Python listens to.
  function connectPlot() {
    const plot = document.querySelector("#curves .js-plotly-plot");
    if (!plot?.on || plot.dataset.connected) return;
    plot.dataset.connected = "1";
    plot.on("plotly_click", event => {
      const key = event.points.map(p => p.customdata?.[2]).find(Boolean);
      const box = document.querySelector("#picked-point textarea, #picked-point input");
      if (!key || !box) return;
      box.value = key;
      box.dispatchEvent(new Event("input", { bubbles: true }));
    });
  }

  // A picture in the clipboard is an upload.
  document.addEventListener("paste", event => {
    const file = Array.from(event.clipboardData?.files ?? []).find(f => f.type.startsWith("image/"));
    if (file) give(file);
  });
  function give(file) {
    document.querySelector("#upload button[aria-label='Clear'], #upload button[title='Clear']")?.click();
    setTimeout(() => {
      const input = document.querySelector("#upload input[type=file]"), files = new DataTransfer();
      if (!input) return;
      files.items.add(file);
      input.files = files.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    }, 100);
  }

  // What the page has ready is not what every address asks for: it waits until the page has read its own.
  const hidden = document.createElement("style"), asks = new URLSearchParams(location.search);
  hidden.textContent = "#comparison .viewer > *, #figures, #headline, #verdict { visibility: hidden; }";
  if (["own", "example", "model", "lambda", "bpp", "kb", "left", "right"].some(key => asks.has(key) &&
    asks.get(key) !== window.codecStart[key])) document.head.append(hidden);
  setTimeout(() => hidden.remove(), 30000);
  page.started = () => { if (!asks.has("own")) hidden.remove(); };

  // The photo that was chosen on the first screen. Without one, as after going back and forth, the example is shown.
  if (new URLSearchParams(location.search).get("own")) (async () => {
    await new Promise(done => setTimeout(done)); // the rest of this script
    const file = await window.takeOver().catch(() => null);
    if (!file) { remember("own", null); location.reload(); return; }
    // The photo itself stands in its place from the first moment; a browser that cannot draw it shows the sentence.
    hidden.textContent += `#comparison { min-height: calc(60vh + 3rem); position: relative; }
      #comparison::before, #comparison::after { position: absolute; inset: 0 0 auto 0; }
      #comparison::before { content: ${JSON.stringify(words.own)}; font-size: 1.4rem; font-weight: 700; }
      #comparison::after { content: ""; top: 3rem; height: 60vh;
        background: url("${URL.createObjectURL(file)}") center / contain no-repeat; }`;
    while (!page.coded) await new Promise(done => setTimeout(done, 50)); // until the page has read its address
    page.coded = false;
    remember("own", null);
    give(file);
    document.querySelector("#headline .big").textContent = words.own;
    const before = document.querySelector("#comparison .under").getAttribute("src");
    while (document.querySelector("#comparison .under").getAttribute("src") === before && hidden.isConnected)
      await new Promise(done => setTimeout(done, 50));
    hidden.remove();
  })();

  // A plot for a slide, on white whatever the page's colours are, with where it is from.
  page.savePlot = (selector, filename, format = "png") => {
    const plot = document.querySelector(`${selector} .js-plotly-plot`);
    if (!plot || !window.Plotly) return;
    const white = { paper_bgcolor: "#fff", plot_bgcolor: "#fff", font: { ...plot.layout.font, color: "#222" } };
    const source = { text: `${document.title} · ${location.href}`, showarrow: false, font: { size: 11, color: "#555" },
      xref: "paper", yref: "paper", x: 0, y: 1, xanchor: "left", yanchor: "bottom", yshift: 6 };
    const layout = { ...plot.layout, width: 1200, height: 700, margin: { ...plot.layout.margin, t: 40 }, ...white,
      annotations: [...(plot.layout.annotations ?? []), source] };
    window.Plotly.downloadImage({ data: plot.data, layout }, { format, width: 1200, height: 700, scale: 2, filename });
  };

  // --- places: what a tab, or one below it, shows is filled when it comes to be seen, once the image is made
  const busy = new Set(), never = () => new Promise(() => {});
  page.open = async name => { // goes on where the place `name` is seen; else what would follow never does
    if (busy.has(name)) return never();
    busy.add(name);
    try { await page.made(); } finally { busy.delete(name); }
    if (!document.querySelector(`#door-${name}`)?.offsetParent) return never();
  };
  // On a phone the bar is a line at the foot of the screen, which says what is set and unfolds.
  page.unfold = (on) => {
    const bar = document.querySelector("#bar");
    const open = bar?.toggleAttribute("data-open", on ?? !bar.hasAttribute("data-open"));
    document.querySelector("#bar-line")?.setAttribute("aria-expanded", !!open);
  };
  document.addEventListener("click", event => {
    if (event.target.closest?.("#bar-line")) page.unfold();
    else if (event.target.closest?.("#compress") || !event.target.closest?.("#bar, .options")) page.unfold(false);
    if (event.target.closest?.("#compress") && matchMedia("(max-width: 640px)").matches)
      document.querySelector("#comparison")?.scrollIntoView({ behavior: "smooth", block: "center" });
  });
  function summary() {
    const line = document.querySelector("#bar-line");
    if (!line?.offsetParent) return;
    const of = selector => document.querySelector(selector)?.value;
    const file = document.querySelector("#upload .filename")?.textContent.trim();
    const mode = [...document.querySelectorAll("#mode input")].findIndex(input => input.checked);
    const [id, say] = [["#lambda", v => `λ ${v}`], ["#bpp", v => `${v} bpp`], ["#kilobytes", v => `${v} kB`]][mode] ?? [];
    const rate = of(`${id} input:not([type=range])`);
    const text = [of("#example input") || file, of("#model input"), rate && say(rate)].filter(Boolean).join(" · ");
    if (text && line.textContent !== text) line.textContent = text;
  }

  const waiting = `<div class="big">${words.coding}</div>`; // what the headline says until an image is coded
  const button = interactive => ({ __type__: "update", interactive }); // of a download
  page.another = () => [waiting, "", "", button(false), button(false), button(false)];
  page.ready = count => count === 1 ? button(true) : Array(count).fill(button(true));
  page.gaveUp = said => said === waiting ? "" : said;

  page.again = () => { // another image has been made: what is seen of it is filled again
    page.coded = true;
    for (const button of document.querySelectorAll("[id^=again-]"))
      if (button.closest(".tabitem")?.offsetParent) button.click();
  };

  // Opens the lesson, and in it the step that the address names: ?step=3.
  page.openStep = () => {
    const step = new URLSearchParams(location.search).get("step");
    if (!/^[1-7]$/.test(step || "")) return;
    let tries = 0;
    const open = () => {
      if (++tries > 150) return;
      const steps = document.querySelector("#lesson-steps"), tab = document.querySelector(`#door-step-${step}-button`);
      if (!steps?.offsetParent) document.querySelector(steps ? "#door-lesson-button" : "#door-course-button")?.click();
      else if (tab?.getAttribute("aria-selected") === "true") return;
      else tab?.click();
      setTimeout(open, 200);
    };
    open();
  };

  // Some of Gradio's pictures take no alternative text: they get that of the sentence that has their numbers.
  function describe() {
    for (const source of document.querySelectorAll("[data-alt-for]"))
      for (const image of document.querySelectorAll(`#${source.dataset.altFor} img`))
        if (image.alt !== source.textContent) image.alt = source.textContent;
  }

  // Gradio gives some controls no name that a screen reader could say, and others one that is not what they show.
  function say(element, words) {
    const text = words?.replace(/\s+/g, " ").trim();
    if (text && element.getAttribute("aria-label") !== text) element.setAttribute("aria-label", text);
  }
  function name() {
    for (const e of document.querySelectorAll("#painting canvas")) say(e, words.canvas);
    for (const e of document.querySelectorAll("#painting input[type=file]")) say(e, words.canvas_file);
    for (const e of document.querySelectorAll("input[type=range]:not([aria-label])"))
      say(e, e.closest(".block")?.querySelector("label span, [data-testid=block-info]")?.textContent);
    for (const e of document.querySelectorAll(".thumbnail-item")) say(e, e.querySelector(".caption-label")?.textContent);
    for (const e of document.querySelectorAll(".upload-container")) say(e, e.innerText);
    for (const e of document.querySelectorAll("#method table, #method pre, .figures")) // to scroll it by keyboard
      if (e.scrollWidth > e.clientWidth) e.tabIndex = 0;
    document.querySelectorAll("#examples img").forEach((e, i) => (e.alt ||= words.example.replace("{number}", i + 1)));
    for (const e of document.querySelectorAll("div.empty[aria-label]:not([role])")) e.setAttribute("role", "img");
  }

  // Gradio brings the bar and the column beside the images piece by piece. They are hidden until they have been whole once.
  const pieces = ["#upload", "#example input", "#model input", "#mode input", "#bar :is(#bpp, #by-lambda, #kilobytes) input",
    "#examples .thumbnail-item", ".hint + .hint .prose", "#full-size input", "#refine input", "#about-model .prose", "#everything input"];
  const arriving = setInterval(() => {
    if (!pieces.every(piece => document.querySelector(piece)) && performance.now() < 20000) return;
    root.classList.add("whole");
    clearInterval(arriving);
  }, 50);

  // Plotly names the clip of a curve by the page's whole address, which changes: it would be drawn over the legend then.
  function clip() {
    for (const e of document.querySelectorAll(".js-plotly-plot [clip-path*='//']"))
      e.setAttribute("clip-path", e.getAttribute("clip-path").replace(/^url\(["']?[^#]*(#[^"')]+)["']?\)$/, "url($1)"));
  }

  setInterval(() => {
    connectPlot();
    clip();
    describe();
    name();
    summary();
    enlarge();
    const button = document.querySelector("#lecture"), on = String(root.classList.contains("lecture"));
    if (button && button.getAttribute("aria-pressed") !== on) button.setAttribute("aria-pressed", on);
    const open = document.querySelector("#tabs > .tab-wrapper [role=tab][aria-selected=true]")?.dataset.tabId;
    const now = new URLSearchParams(location.search);
    if (!open || !page.opened) return;
    root.classList.add("drawn");
    const stage = document.querySelector("#comparison .stage");
    if (stage?.offsetParent && page.coded) {
      const view = stage.dataset.view?.split(" ").map(Number);
      ["zoom", "x", "y"].forEach((key, i) => {
        const value = view && (i || view[0] > 1) ? short(Number(view[i].toFixed(4))) : null;
        if (value !== now.get(key)) remember(key, value);
      });
    }
    const strip = document.querySelectorAll(`#${open}-places > .tab-wrapper [role=tab]`);
    const chosen = [...strip].find(b => b.getAttribute("aria-selected") === "true"), sub = chosen?.dataset.tabId;
    if (open !== now.get("tab")) remember("tab", open);
    const wanted = chosen && chosen !== strip[0] ? sub : null;
    if (wanted !== now.get("sub")) remember("sub", wanted);
    const steps = open === "course" && !wanted && document.querySelector("#lesson-steps [role=tab][aria-selected=true]");
    const step = steps ? steps.dataset.tabId : null;
    if (step !== now.get("step")) remember("step", step);
  }, 400);
})();
