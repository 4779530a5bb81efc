"""How a file is written whole or not at all."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from codec.errors import CodecError
from codec.paths import printable


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Context manager: a temporary path in the same folder, renamed to `path` at the end.

    A reader finds the old file or the whole new one, never a half. When anything fails the temporary file is
    removed. A file that exists keeps its permissions, a link stays a link.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield temporary
        if target.is_file():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def atomic_write(path: str | os.PathLike, data: bytes) -> None:
    """Writes `data` to `path` by `replacing`. Raises CodecError where writing fails."""
    try:
        if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
            Path(path).write_bytes(data)  # /dev/null, a pipe: a rename would replace the device
            return
        with replacing(path) as temporary, open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # else a crash soon after the rename could leave an empty file
    except (OSError, ValueError) as error:  # a ValueError is a NUL byte in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise CodecError(f"The file '{printable(path)}' could not be written: {reason}.") from error
