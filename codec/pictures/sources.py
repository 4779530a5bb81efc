"""Whatever a caller gives as a picture or a stream, as bytes, within limits."""

from __future__ import annotations

import errno
import os
import stat
from typing import Any

from codec.errors import CodecError, ImageError, StreamError
from codec.paths import printable

MAX_FILE_BYTES = 100_000_000
WANTED = {ImageError: "an image file", StreamError: "a compressed stream"}


def read_source(source: Any, error: type[CodecError]) -> bytes:
    """Bytes as they are, or those of a path or a binary file object. Raises `error` with a sentence."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    if isinstance(source, (str, os.PathLike)):
        return read_path(source, error)
    if hasattr(source, "read"):
        return read_stream(source, error)
    wanted, kind = WANTED[error], type(source).__name__
    raise error(
        f"{wanted.capitalize()} cannot be read from an object of type '{kind}'; pass its bytes, its path or a file."
    )


def read_path(path: str | os.PathLike, error: type[CodecError] = ImageError) -> bytes:
    """The bytes of a file. Raises `error` with a sentence: ImageError where an image was wanted, else StreamError."""
    name, wanted = printable(path), WANTED[error]
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise error(f"'{name}' is a folder; choose {wanted} in it.")
        if not stat.S_ISREG(mode):  # opening a pipe or a device could wait, or read, for ever
            raise error(f"'{name}' is not an ordinary file; choose {wanted}.")
        with open(path, "rb") as file:
            return _read_limited(file, error)
    except (FileNotFoundError, NotADirectoryError):
        raise error(f"There is no file '{name}'.") from None
    except PermissionError:
        raise error(f"The file '{name}' may not be read: permission was denied.") from None
    except OSError as cause:
        if cause.errno == errno.ENAMETOOLONG:
            raise error(f"There is no file '{name[:80]}…'.") from None
        raise error(f"The file '{name}' could not be read: {cause.strerror or cause}.") from cause
    except error:
        raise
    except ValueError:  # a NUL byte in the name
        raise error(f"There is no file '{name}'.") from None


def read_stream(stream: Any, error: type[CodecError] = ImageError) -> bytes:
    """The bytes of a binary file object, as `read_path`."""
    try:
        # As Pillow does: an upload that something else has looked at already may not stand at its start.
        if hasattr(stream, "seek") and getattr(stream, "seekable", lambda: True)():
            stream.seek(0)
        return _read_limited(stream, error)
    except error:
        raise
    except (OSError, ValueError, TypeError) as cause:
        raise error(f"The file could not be read: {cause}.") from cause


def _read_limited(stream: Any, error: type[CodecError]) -> bytes:
    """The rest of a binary stream, refused once it is longer than MAX_FILE_BYTES."""
    blocks, total = [], 0
    while block := stream.read(MAX_FILE_BYTES + 1 - total):
        if not isinstance(block, (bytes, bytearray)):
            raise error("The file was opened as text; open it in binary mode ('rb').")
        blocks.append(block)
        total += len(block)
        check_bytes(total, error)
    return b"".join(blocks)


def check_bytes(count: int, error: type[CodecError] = ImageError) -> None:
    """Raises `error` for a file that is larger than any that is read."""
    if count > MAX_FILE_BYTES:
        raise error(f"The file is larger than the limit of {MAX_FILE_BYTES / 1e6:g} MB; save it smaller first.")
