"""The file of a system of history: a header with its own check, then segments, each with its own.

offset  size  field
0       3     magic "LIH"
3       1     system: its number in SYSTEMS
4       1     variant of the system's network, by its number
5       4     width and height, 2 bytes each, big-endian
9       2     CRC-16 of the nine bytes before
11      …     segments: 2 or 4 bytes of length, 2 of CRC-16, the bytes themselves

A length below 2^15 takes 2 bytes, a larger one 4, with the highest bit set. A reader may stop after any whole segment,
which makes a stream of several a progressive one.
"""

import binascii
from dataclasses import dataclass

from codec.errors import CodecError, StreamError

MAGIC = b"LIH"
SYSTEMS = ("rnn-2018", "importance-2018", "attention-2021")  # by their number in files
HEADER = 11
MAX_PIXELS = 4_000_000
DAMAGED = "The stream is damaged or cut short"


@dataclass(frozen=True)
class Container:
    """A parsed file; `segments` are those that are whole and pass their check, up to the first that does not."""

    system: str
    variant: int
    width: int
    height: int
    segments: list[bytes]
    cut: bool = False  # whether bytes were left over


def crc(data: bytes) -> bytes:
    return binascii.crc_hqx(data, 0xFFFF).to_bytes(2, "big")


def check_size(width: int, height: int) -> None:
    """Raises CodecError for an image that these systems do not take."""
    if not (width and height) or width * height > MAX_PIXELS or max(width, height) > 0xFFFF:
        raise CodecError(
            f"The systems of history take images of up to {MAX_PIXELS // 10**6} megapixels; scale it down."
        )


def write(system: str, variant: int, width: int, height: int, segments: list[bytes]) -> bytes:
    """The bytes of a file. Raises CodecError for an image that is too large."""
    check_size(width, height)
    head = MAGIC + bytes([SYSTEMS.index(system), variant]) + width.to_bytes(2, "big") + height.to_bytes(2, "big")
    return head + crc(head) + b"".join(framed(segment) for segment in segments)


def framed(segment: bytes) -> bytes:
    length = len(segment)
    size = length.to_bytes(2, "big") if length < 1 << 15 else (length | 1 << 31).to_bytes(4, "big")
    return size + crc(segment) + segment


def is_one(data: bytes) -> bool:
    """Whether bytes begin as such a file does."""
    return data[:3] == MAGIC


def read(data: bytes) -> Container:
    """Parses bytes; nothing is allocated that is larger than they are. Raises StreamError with one sentence."""
    if not is_one(data):
        raise StreamError("This is not a stream of one of the systems of history.")
    if len(data) < HEADER or crc(data[: HEADER - 2]) != data[HEADER - 2 : HEADER]:
        raise StreamError(f"{DAMAGED}: its header does not pass its check.")
    system, variant = data[3], data[4]
    width, height = int.from_bytes(data[5:7], "big"), int.from_bytes(data[7:9], "big")
    if system >= len(SYSTEMS) or not (width and height) or width * height > MAX_PIXELS:
        raise StreamError(f"{DAMAGED}: its header holds values that are never written.")
    segments, position = [], HEADER
    while position < len(data):
        wide = data[position] >> 7
        start = position + (4 if wide else 2)
        length = int.from_bytes(data[position:start], "big") & (0x7FFFFFFF if wide else 0x7FFF)
        segment = data[start + 2 : start + 2 + length]
        if len(segment) < length or start + 2 > len(data) or crc(segment) != data[start : start + 2]:
            break
        segments.append(segment)
        position = start + 2 + length
    return Container(SYSTEMS[system], variant, width, height, segments, position < len(data))
