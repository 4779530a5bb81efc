"""Two pictures and a divider over synchronised details, all of them the very files that were written.

Gradio's own slider cannot be used by keyboard, has empty alternative texts, and says no place that was clicked.
"""

from html import escape
from pathlib import Path

import gradio as gr
import numpy as np

from codec.ui.texts import section

HERE = Path(__file__).parent
CSS = (HERE / "viewer.css").read_text(encoding="utf-8")
DETAIL = (144, 96)  # pixels of the picture, about what one detail shows


def component(**options) -> gr.HTML:
    """The component; its value comes from `value`. (A subclass would make Gradio write a stub file beside this one.)"""
    markup, script = ((HERE / f"viewer.{kind}").read_text(encoding="utf-8") for kind in ("html", "js"))
    markup = markup.format(**{key: escape(text) for key, text in section("viewer").items()})
    viewer = gr.HTML(html_template=markup, js_on_load=script, apply_default_css=False, padding=False, **options)
    viewer.api_info = lambda: {"type": "object", "description": "images, each with its name, numbers and PNG file"}
    return viewer


def entry(key: str, name: str, remark: str, path: str | Path) -> dict:
    """One picture: its PNG, and what is said about it."""
    file = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
    return {"key": key, "name": name, "remark": remark, "alt": f"{name}: {remark}", "file": file}


def stored(key: str, name: str, remark: str, url: str) -> dict:
    """The same of a picture that the page has beforehand, by its address relative to the page."""
    return {"key": key, "name": name, "remark": remark, "alt": f"{name}: {remark}", "file": {"url": url}}


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
