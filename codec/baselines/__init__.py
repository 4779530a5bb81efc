"""Classical codecs, and what they make of a picture at the size of a stream, or at its quality."""

from codec.baselines.codecs import CODECS, NAMES, decode, encode
from codec.baselines.search import BaselineResult, encode_as_good, encode_at_most

__all__ = ["CODECS", "NAMES", "BaselineResult", "decode", "encode", "encode_as_good", "encode_at_most"]
