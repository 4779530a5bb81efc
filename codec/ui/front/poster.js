// In the page's own HTML: Gradio takes a second or more before it draws anything. Until then the original stands there, as
// a part of no layout.
((originals, first, alt) => {
  const asks = new URLSearchParams(location.search), address = originals[asks.get("example") ?? first];
  if (!address || asks.has("own") || asks.has("sub") || asks.has("step") || (asks.get("tab") ?? "compare") !== "compare")
    return;
  const image = Object.assign(new Image(), { id: "poster", alt, src: address });
  image.style = "position: absolute; z-index: 40; top: 17rem; left: 50%; translate: -50%; width: min(92vw, 54rem); " +
    "max-height: 60vh; object-fit: contain; border-radius: 6px; pointer-events: none";
  document.documentElement.append(image); // there is no body yet
  const gone = setInterval(() => {
    const stage = document.querySelector("#comparison .stage"), under = stage?.querySelector(".under");
    const elsewhere = document.querySelector("#tabs") && !stage?.offsetParent;
    if (!elsewhere && !(under?.complete && under.naturalWidth) && performance.now() < 20000) return;
    clearInterval(gone);
    image.remove();
  }, 50);
})
