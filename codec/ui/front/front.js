// The first screen: pictures and numbers made beforehand. Nothing here asks the server for any computation.
(() => {
  const { scenes, words, language } = window.front;
  const find = (id) => document.getElementById(id);
  const stage = find("stage"), divider = find("divider"), size = find("size");
  let scene = scenes[0], at = 0, wanted = "";
  const now = () => scene.sizes[at];
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => values[key]);

  function divide(percent) {
    stage.classList.remove("sweep");
    stage.style.setProperty("--at", percent);
    divider.value = percent;
  }

  // Both pictures are shown together, once both are decoded: never one size beside another.
  async function show() {
    const point = now(), key = wanted = point.left + point.right;
    const images = [point.left, point.right].map((src) => Object.assign(new Image(), { src }));
    await Promise.allSettled(images.map((image) => image.decode()));
    if (key !== wanted) return;
    stage.style.setProperty("--focus", scene.focus);
    for (const [id, src, alt] of [["left", point.left, point.left_alt], ["right", point.right, point.right_alt]])
      Object.assign(find(id), { src, alt });
    find("original").removeAttribute("src");
    for (const [id, text] of Object.entries(point.texts)) find(id).innerHTML = text;
    for (const link of document.querySelectorAll("[data-state]")) link.href = point.links[link.dataset.state];
    for (const button of document.querySelectorAll(".thumbs button"))
      button.setAttribute("aria-pressed", button.dataset.scene === scene.name);
    size.value = at;
    size.setAttribute("aria-valuetext", find("size-value").textContent);
  }

  // --- the state is behind the # of the address: the server need not know it, and sends one page to everybody
  function remember() {
    history.replaceState(null, "", `#${scene.name}-${now().percent}-${Math.round(divider.value)}`);
  }
  function recall() {
    const [name, percent, place] = location.hash.slice(1).split("-");
    const known = scenes.find((s) => s.name === name);
    if (!known) return;
    scene = known;
    at = Math.max(0, known.sizes.findIndex((s) => String(s.percent) === percent));
    if (place !== undefined && place >= 0 && place <= 100) divide(place);
    show();
  }
  addEventListener("hashchange", recall);
  for (const link of document.querySelectorAll(".languages a")) // keeps what is shown
    link.addEventListener("click", () => { link.href = link.href.split("#")[0] + location.hash; });

  divider.addEventListener("input", () => divide(divider.value));
  divider.addEventListener("change", remember);
  size.addEventListener("input", () => { at = Number(size.value); show(); remember(); });
  for (const button of document.querySelectorAll(".thumbs button"))
    button.addEventListener("click", () => {
      scene = scenes.find((s) => s.name === button.dataset.scene);
      at = Math.min(at, scene.sizes.length - 1);
      show();
      remember();
    });

  // The original while the button is held, or until it is pressed again by keyboard.
  const hold = find("hold");
  function original(on) {
    const image = find("original");
    if (on && !image.src) Object.assign(image, { src: scene.original, alt: words.original_alt });
    image.hidden = !on;
    hold.setAttribute("aria-pressed", on);
  }
  hold.addEventListener("pointerdown", (e) => { hold.setPointerCapture(e.pointerId); original(true); });
  for (const end of ["pointerup", "pointercancel"]) hold.addEventListener(end, () => original(false));
  hold.addEventListener("click", (e) => { if (!e.detail) original(find("original").hidden); });
  hold.addEventListener("contextmenu", (e) => e.preventDefault());

  // --- one's own photo: it is handed over to the page of the codec inside the browser, which sends it
  const go = () => { location.href = window.front.own; };
  find("own").addEventListener("click", () => find("file").click());
  find("file").addEventListener("change", async () => {
    const file = find("file").files[0];
    if (!file) return;
    try { await window.handOver(file); } finally { go(); }
  });
  document.addEventListener("paste", async (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((f) => f.type.startsWith("image/"));
    if (file) try { await window.handOver(file); } finally { go(); }
  });
  addEventListener("dragover", (e) => e.preventDefault());
  addEventListener("drop", async (event) => {
    event.preventDefault();
    const file = event.dataTransfer?.files[0];
    if (file) try { await window.handOver(file); } finally { go(); }
  });

  // --- share: a picture of both halves with their sizes, and the link
  find("share").addEventListener("click", async () => {
    remember();
    const link = location.href, point = now(), said = find("shared");
    const picture = await window.compose({
      left: find("left"), right: find("right"), at: divider.value / 100, title: document.title, line: find("claim").textContent,
      captions: [find("left-caption").textContent, find("right-caption").textContent], address: location.host + location.pathname,
    });
    const file = new File([picture], `${scene.name}-${point.percent}.png`, { type: "image/png" });
    if (matchMedia("(hover: none)").matches && navigator.canShare?.({ files: [file] })) {
      await navigator.share({ files: [file], text: find("claim").textContent, url: link }).catch(() => {});
      return;
    }
    const copied = await navigator.clipboard?.writeText(link).then(() => true, () => false);
    const saved = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: file.name });
    saved.click();
    setTimeout(() => URL.revokeObjectURL(saved.href), 60000);
    said.textContent = copied ? words.shared : fill(words.shared_by_hand, { link });
  });

  recall();
})();
