"""A learned image codec with a shared bitstream and several decoders.

data = codec.compress("photo.png", lmbda=0.0067)     # or bpp=0.3
picture = codec.decompress(data)                     # a PIL.Image
"""

import importlib

from codec.errors import CodecError, ImageError, StreamError, WeightsError

__all__ = ["CodecError", "ImageError", "StreamError", "WeightsError", "compress", "decompress", "info", "load"]


def __getattr__(name: str):
    # torch takes seconds to import; `import codec` and the fields of a header need not wait for it.
    if name in ("compress", "decompress", "load", "info"):
        return getattr(importlib.import_module("codec.inside.header" if name == "info" else "codec.api"), name)
    raise AttributeError(f"module 'codec' has no attribute '{name}'")
