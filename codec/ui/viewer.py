"""Two pictures and a divider over synchronised details, all of them the very files that were written.

Gradio's own slider cannot be used by keyboard, has empty alternative texts, and says no place that was clicked.
"""

from pathlib import Path

import gradio as gr
import numpy as np

HERE = Path(__file__).parent
CSS = (HERE / "viewer.css").read_text()
DETAIL = (144, 96)  # pixels of the picture, about what one detail shows
MARKUP = """
<div class="viewer" hidden>
 <div class="stage" tabindex="0" role="group"
  aria-label="Two pictures and a divider; keys 1, 2, 3 move it left, half, right; + and - zoom, f fills the screen;
   arrow keys move the details">
  <img class="under" alt="" draggable="false" hidden>
  <div class="side"><img class="over" alt="" draggable="false" hidden></div>
  <div class="frame"></div><div class="line"></div>
  <span class="tag left"></span><span class="tag right"></span>
 </div>
 <div class="controls">
  <label class="wide">Divider <input class="divider" type="range" min="0" max="100" step="0.5"
   aria-label="Divider, percent from the left"></label>
  <span class="keys">keys 1 2 3, + − 0, f · a click moves the details</span>
  <div class="scales zoom" role="group" aria-label="Zoom of the two pictures">
   <button data-zoom="0.5" title="Smaller (-)" aria-label="Zoom out">−</button>
   <button data-zoom="0" title="The whole picture (0)" aria-label="The whole picture"><output>fit</output></button>
   <button data-zoom="2" title="Larger (+), or turn the wheel with Ctrl" aria-label="Zoom in">+</button>
   <button class="full" title="Fill the screen (f)" aria-label="Fill the screen"><svg viewBox="0 0 12 12"
    width="12" height="12" fill="none" stroke="currentColor" stroke-width="1.6" aria-hidden="true"><path
    d="M1 4V1h3M8 1h3v3M11 8v3H8M4 11H1V8"/></svg></button></div>
  <div class="enlarge">Details <div class="scales details" role="group" aria-label="Enlargement of the details">
   <button data-scale="1" aria-pressed="false">1×</button>
   <button data-scale="2" aria-pressed="true">2×</button>
   <button data-scale="4" aria-pressed="false">4×</button></div></div>
 </div>
 <div class="crops"></div>
</div>
"""


def component(**options) -> gr.HTML:
    """The component; its value comes from `value`. (A subclass would make Gradio write a stub file beside this one.)"""
    script = (HERE / "viewer.js").read_text()
    made = gr.HTML(html_template=MARKUP, js_on_load=script, apply_default_css=False, padding=False, **options)
    made.api_info = lambda: {"type": "object", "description": "pictures, each with its name, numbers and PNG file"}
    return made


def entry(key: str, name: str, remark: str, path: str | Path) -> dict:
    """One picture: its PNG, and what is said about it."""
    file = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
    return {"key": key, "name": name, "remark": remark, "alt": f"{name}: {remark}", "file": file}


def value(
    job_id: str,
    rgb: np.ndarray,
    pictures: list[dict],
    left: str,
    right: str,
    crops: list[str],
    columns: int = 3,
    pick: bool = False,
) -> dict:
    """What the viewer shows. left, right, crops: keys of pictures, which may still be to come.

    job_id: with another one the details go back to the busiest place. pick: a click on a detail shows its picture.
    """
    height, width = rgb.shape[:2]
    return {
        "id": job_id,
        "width": width,
        "height": height,
        "spot": busiest(rgb),
        "pictures": pictures,
        "left": left,
        "right": right,
        "crops": crops,
        "columns": columns,
        "pick": pick,
    }


def busiest(rgb: np.ndarray) -> list[int]:
    """[x, y], the centre of the detail with the most edges in the original; it depends on no codec."""
    step = max(1, max(rgb.shape[:2]) // 1000)
    gray = rgb[::step, ::step].mean(2, dtype=np.float32)
    edges = np.zeros_like(gray)
    edges[:, 1:] += np.abs(np.diff(gray, axis=1))
    edges[1:] += np.abs(np.diff(gray, axis=0))
    # Square root: a few hard edges should not outweigh a whole field of texture.
    total = np.pad(np.sqrt(edges), ((1, 0), (1, 0))).cumsum(0, dtype=np.float64).cumsum(1)
    width, height = (min(max(1, d // step), s) for d, s in zip(DETAIL, gray.shape[::-1], strict=True))
    sums = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    top, left = np.unravel_index(np.argmax(sums[::4, ::4]), sums[::4, ::4].shape)
    return [int(4 * left + width / 2) * step, int(4 * top + height / 2) * step]
