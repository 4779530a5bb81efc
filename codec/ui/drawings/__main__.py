"""python -m codec.ui.drawings"""

from PIL import Image

from codec.ui.drawings import DRAWINGS
from codec.ui.examples import FOLDER

if __name__ == "__main__":
    for name, draw in DRAWINGS.items():
        Image.fromarray(draw()).save(FOLDER / f"{name}.png", optimize=True)
