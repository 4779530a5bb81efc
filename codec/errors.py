"""The exceptions a caller may see. Each message is one sentence for the person at the screen."""


class CodecError(ValueError):
    """Base of every error this package raises on purpose; `str(error)` is fit to be shown as it is."""


class ImageError(CodecError):
    """The input is not an image that can be used: unreadable, truncated, or beyond the limits."""


class StreamError(CodecError):
    """The bytes are not a stream this codec can decode: foreign, damaged, or beyond the limits."""


class WeightsError(CodecError):
    """The weights that are needed are missing or damaged."""
