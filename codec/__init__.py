"""A learned image codec with a shared bitstream and several decoders.

data = codec.compress("photo.png", lmbda=0.0067)     # or bpp=0.3
picture = codec.decompress(data)                     # a PIL.Image
"""

from codec.bitstream import info
from codec.errors import CodecError, ImageError, StreamError, WeightsError

__all__ = ["CodecError", "ImageError", "StreamError", "WeightsError", "compress", "decompress", "info", "load"]


def __getattr__(name: str):
    # torch takes seconds to import; `import codec` and the checks of a bare header need not wait for it.
    if name in ("compress", "decompress", "load"):
        from codec import api

        return getattr(api, name)
    raise AttributeError(f"module 'codec' has no attribute '{name}'")
