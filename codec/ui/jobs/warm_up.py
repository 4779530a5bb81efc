"""The codec run once, before anybody asks for it."""

import numpy as np

from codec import api
from codec.errors import CodecError
from codec.ui.jobs.gpu import where_it_fits


def run() -> None:
    try:
        where_it_fits(once)
    except CodecError as error:  # missing weights: the page itself will say so at the first click
        print(error)


def once(device: str) -> None:
    codec = api.load(device=device)
    codec.decode(api.encode(np.zeros((512, 768, 3), np.uint8), codec=codec)[0].stream)
