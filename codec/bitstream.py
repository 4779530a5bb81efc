"""The container: header fields and payloads <-> bytes. No torch, no weights.

offset  size  field
0       3     magic "LIC"
3       1     format version, 1
4       4     trunk: first bytes of the SHA-256 of its weights file
8       1     suggested decoder, by its number in codec.spec.DECODERS
9       var   width, height: unsigned LEB128, in pixels
        1     kind: 0 uniform, 1 a map, 2 uniform below the ladder (see codec.spec); 4 more with an overlay
        1     (not for a map) the quality index q, 0…255; -q, 1…128, below the ladder
        var   (a map only) length of the map, LEB128, and the map: rows of bytes, one per 64×64
              pixels, delta-coded and deflated
        var   (with an overlay only) its length, LEB128
        var   length of the z payload, LEB128
        4     CRC-32 of everything before and after this field
        …     overlay, z payload, then y payload up to the end
"""

import zlib
from dataclasses import dataclass

import numpy as np

from codec.errors import StreamError
from codec.spec import LOWEST, MAX_PIXELS, MAX_SIDE, NUMBERED, NUMBERS, REGION

MAGIC = b"LIC"
VERSION = 1
OVERLAY = 4  # is added to the kind of a stream with an overlay
DAMAGED = "The stream is damaged or cut short"


@dataclass(frozen=True)
class Stream:
    """The parsed container. `q` is one quality index, or a map (rows, columns) of those of 0…255, one per region."""

    trunk: str  # 8 hexadecimal digits
    decoder: str
    width: int
    height: int
    q: int | np.ndarray
    z: bytes
    y: bytes
    overlay: bytes = b""  # see `codec.screen`

    @property
    def regions(self) -> tuple[int, int]:
        """Rows and columns of 64×64 regions."""
        return -(-self.height // REGION), -(-self.width // REGION)

    def q_map(self) -> np.ndarray:
        """int16 (rows, columns), whichever way q is stored."""
        return np.broadcast_to(np.asarray(self.q, dtype=np.int16), self.regions)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class _Reader:
    def __init__(self, data: bytes):
        self.data, self.position = data, 0

    def take(self, count: int) -> bytes:
        part = self.data[self.position : self.position + count]
        if len(part) < count:
            raise StreamError(f"{DAMAGED}: it ends inside its header.")
        self.position += count
        return part

    def varint(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise StreamError(f"{DAMAGED}: a number in its header is too large.")


def check_size(width: int, height: int) -> None:
    """Raises StreamError unless a picture of this size may be decoded."""
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE and width * height <= MAX_PIXELS):
        raise StreamError(
            f"The stream declares a picture of {width}×{height} pixels; between 1×1 and "
            f"{MAX_PIXELS // 10**6} megapixels with sides up to {MAX_SIDE} can be decoded."
        )


def _header(stream: Stream) -> bytes:
    head = MAGIC + bytes([VERSION]) + bytes.fromhex(stream.trunk) + bytes([NUMBERS[stream.decoder]])
    head += _varint(stream.width) + _varint(stream.height)
    q, more = np.asarray(stream.q, dtype=np.int16).ravel(), OVERLAY * bool(stream.overlay)
    if (q == q[0]).all():
        head += bytes([2 + more, -q[0]] if q[0] < 0 else [more, q[0]])
    elif q.min() < 0:
        raise StreamError("A map of levels holds those of the ladder only, 0 to 255.")
    else:
        packed = zlib.compress(np.diff(q.astype(np.uint8), prepend=np.uint8(0)).tobytes(), 9)
        head += bytes([1 + more]) + _varint(len(packed)) + packed
    return head + (_varint(len(stream.overlay)) if more else b"") + _varint(len(stream.z))


def write(stream: Stream) -> bytes:
    """The bytes of a stream. A map that is the same everywhere is written as a uniform q."""
    head, payload = _header(stream), stream.overlay + stream.z + stream.y
    return head + zlib.crc32(payload, zlib.crc32(head)).to_bytes(4, "little") + payload


def read(data: bytes, check_crc: bool = True) -> Stream:
    """Parses bytes; nothing larger than what the declared, checked size allows is ever allocated.

    Raises StreamError with one sentence for anything that `write` does not produce.
    """
    if not data:
        raise StreamError("The file is empty (0 bytes); choose a stream that was made here.")
    if data[:3] != MAGIC:
        raise StreamError("This is not a compressed stream of this codec.")
    reader = _Reader(data)
    reader.take(3)
    version = reader.take(1)[0]
    if version != VERSION:
        raise StreamError(f"The stream has format version {version}; only version {VERSION} can be read.")
    trunk = reader.take(4).hex()
    decoder = reader.take(1)[0]
    width, height = reader.varint(), reader.varint()
    check_size(width, height)
    rows, columns = -(-height // REGION), -(-width // REGION)
    more, kind = divmod(reader.take(1)[0], OVERLAY)
    q = _read_map(reader, rows, columns) if kind == 1 else reader.take(1)[0] * (-1 if kind == 2 else 1)
    if more > 1 or kind > 2 or decoder not in NUMBERED or (kind == 2 and not LOWEST <= q < 0):
        raise StreamError(f"{DAMAGED}: its header holds values that are never written.")
    overlay_length = reader.varint() if more else 0
    z_length = reader.varint()
    crc = reader.take(4)
    head_end = reader.position
    payload = data[head_end:]
    if check_crc and zlib.crc32(payload, zlib.crc32(data[: head_end - 4])) != int.from_bytes(crc, "little"):
        raise StreamError(f"{DAMAGED}: its checksum does not match.")
    if overlay_length + z_length > len(payload):
        raise StreamError(f"{DAMAGED}: it ends before its payload does.")
    overlay, rest = payload[:overlay_length], payload[overlay_length:]
    return Stream(trunk, NUMBERED[decoder], width, height, q, rest[:z_length], rest[z_length:], overlay)


def _read_map(reader: _Reader, rows: int, columns: int) -> np.ndarray:
    packed = reader.take(reader.varint())
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(packed, rows * columns)
    except zlib.error:
        raw = b""
    if len(raw) != rows * columns or inflater.unconsumed_tail or inflater.unused_data:
        raise StreamError(f"{DAMAGED}: its map of levels cannot be read.")
    return np.cumsum(np.frombuffer(raw, dtype=np.uint8), dtype=np.uint8).reshape(rows, columns)
