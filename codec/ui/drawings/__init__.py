"""Draws the examples that are shipped in `pictures/`: python -m codec.ui.drawings writes them again.

They are ours, given away under CC0 1.0, and were never in a lossy file.
"""

from codec.ui.drawings import graphics, still_life, views

DRAWINGS = {
    "foliage": views.foliage,
    "architecture": views.architecture,
    "night": views.night,
    "product": still_life.product,
    "landscape": views.mountains,
    "text": graphics.text_page,
    "comic": graphics.comic,
    "chart": graphics.chart,
}
