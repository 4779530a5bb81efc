"""Strangers' pictures are read in processes of their own: a crash in a C library ends one of those, not the page.

The parent sends a path or the bytes; the child answers with the size that the header declares, then with the pixels, or
with the sentence of an ImageError. A message is its length (4 bytes), JSON, and as many raw bytes as the JSON says:
nothing that comes from a child can run anything in the parent. A child imports numpy, Pillow and `codec.pictures.load`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from codec.errors import ImageError
from codec.pictures.files import DAMAGED, MAX_PIXELS, NO_MEMORY, check_size, pillow_errors
from codec.pictures.load import LoadedImage, decoded, opened
from codec.pictures.sources import read_path

CHILDREN = 2
MEMORY = 4_000_000_000  # bytes of address space a child may have
HEADER_SECONDS = 5.0  # by the clock, for a refusal; as many again for the pixels, and
SECONDS_PER_MEGAPIXEL = 1.0
TURN_SECONDS = 120.0  # to wait for a child that is free
MAX_READS = 1000  # then a child is replaced: nothing that a C library loses adds up
MAX_MESSAGE = 1_000_000
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")  # no secrets of the host's
PROGRAM = "from codec.pictures.sandbox import serve; serve()"

CRASHED = "The program that was reading this image broke down over it; try another copy, or save it as PNG first."
TOO_SLOW = "This image takes too long to read; save it as PNG, or scale it down first."
BUSY = "Too many images are being read at the moment; please try again in a minute."


class Died(Exception):
    """The child has ended, or says what it can not mean. Holds the sentence for whoever waits for the picture."""


# --- both ends ----------------------------------------------------------------------------------------------


def send(stream: BinaryIO, message: dict, data: Any = b"") -> None:
    text = json.dumps(message).encode()
    for part in (struct.pack("<I", len(text)) + text, data):
        view = memoryview(part).cast("B")
        while len(view):  # a raw stream may take less than all
            view = view[stream.write(view) :]


def receive(stream: BinaryIO) -> dict:
    """The JSON of the next message; its raw bytes are still to be read. Raises EOFError, ValueError."""
    (length,) = struct.unpack("<I", fill(stream, bytearray(4)))
    if length > MAX_MESSAGE:
        raise ValueError(f"a message of {length} bytes")
    message = json.loads(fill(stream, bytearray(length)))
    if not isinstance(message, dict):
        raise ValueError("a message without fields")
    return message


def fill(stream: BinaryIO, buffer):
    """`buffer`, filled from the stream to its end. Raises EOFError."""
    view = memoryview(buffer).cast("B")
    while len(view):
        count = stream.readinto(view)
        if not count:
            raise EOFError
        view = view[count:]
    return buffer


# --- the child ----------------------------------------------------------------------------------------------


def serve() -> None:
    """Reads pictures until its standard input ends."""
    requests, answers = os.fdopen(os.dup(0), "rb", 0), os.fdopen(os.dup(1), "wb", 0)
    os.dup2(2, 1)  # what a library prints is no answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, with whom this ends
    warnings.simplefilter("ignore")
    limit_resources()
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            request = receive(requests)
            data = bytes(fill(requests, bytearray(request.get("bytes", 0))))
            try:
                answer, pixels = read(request, data, lambda size: send(answers, {"size": size}))
            except ImageError as error:
                answer, pixels = {"error": str(error)}, b""
            except MemoryError:
                answer, pixels = {"error": NO_MEMORY}, b""
            send(answers, answer, pixels)
            del data, pixels  # not to be held until the next request


def limit_resources() -> None:
    """Memory, core dumps, open files; each where the platform has such a limit."""
    with contextlib.suppress(ImportError):
        import resource

        limits = {"RLIMIT_AS": MEMORY, "RLIMIT_CORE": 0, "RLIMIT_NOFILE": 64}
        for name, limit in limits.items():
            with contextlib.suppress(AttributeError, ValueError, OSError):
                kind = getattr(resource, name)
                hard = resource.getrlimit(kind)[1]
                limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
                resource.setrlimit(kind, (limit, limit))


def read(request: dict, data: bytes, declare) -> tuple[dict, np.ndarray]:
    """The answer to a request and its pixels; `declare` is told the size before they are decoded."""
    data = data if "bytes" in request else read_path(request["path"])
    limit, most = request["max_pixels"], request.get("most")
    image = opened(data, limit, most)
    check_size(*image.size, limit)
    declare(image.size)
    if request["what"] == "opacity":
        with pillow_errors(DAMAGED):
            opacity = np.asarray(image.convert("RGBA").getchannel("A"))
        return {"shape": opacity.shape}, np.ascontiguousarray(opacity)
    loaded = decoded(image, data, limit, most)
    return {"shape": loaded.rgb.shape, "notes": loaded.notes, "format": loaded.format}, loaded.rgb


# --- the parent ---------------------------------------------------------------------------------------------


class Child:
    """A process that reads one picture at a time."""

    def __init__(self, program: str = PROGRAM):
        path = [str(Path(__file__).parents[1]), *filter(None, sys.path)]
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(path)
        # One arena and no idle threads: both take address space for nothing.
        environment |= {"MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", program],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        self.reads = 0

    def alive(self) -> bool:
        return self.process.poll() is None and self.reads < MAX_READS

    def ask(self, request: dict, data: bytes = b"") -> tuple[dict, np.ndarray]:
        """The answer and its pixels, uint8 of the shape it names. Raises ImageError as the child did, Died."""
        self.reads += 1
        try:
            with self.deadline(HEADER_SECONDS + (10 if self.reads == 1 else 0)):  # the first waits for its imports
                send(self.process.stdin, request, data)
                answer = receive(self.process.stdout)
            if "size" in answer:
                megapixels = math.prod(sizes(answer["size"], (2,), request["max_pixels"])) / 1e6
                with self.deadline(HEADER_SECONDS + SECONDS_PER_MEGAPIXEL * megapixels):
                    answer = receive(self.process.stdout)
                    if "shape" in answer:
                        pixels = np.empty(sizes(answer["shape"], (2, 3), request["max_pixels"]), np.uint8)
                        return answer, fill(self.process.stdout, pixels)
            if not isinstance(answer.get("error"), str):
                raise ValueError("no answer")
        except (EOFError, OSError, ValueError, RecursionError) as error:
            raise Died(CRASHED) from error
        raise ImageError(answer["error"])

    @contextlib.contextmanager
    def deadline(self, seconds: float):
        """Kills the child, and says so, where what is done here takes longer."""
        passed = threading.Event()

        def kill():
            passed.set()
            self.reads = MAX_READS  # it is not to be used again, even if it was answering just now
            self.process.kill()

        timer = threading.Timer(seconds, kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        except Exception as error:
            if passed.is_set():
                raise Died(TOO_SLOW) from error
            raise
        finally:
            timer.cancel()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                stream.close()


def sizes(answer: Any, dimensions: tuple[int, ...], max_pixels: int) -> tuple[int, ...]:
    """Height, width and perhaps 3 (or width and height), checked. Raises ValueError."""
    whole = isinstance(answer, list) and all(isinstance(n, int) and n > 0 for n in answer)
    if not whole or len(answer) not in dimensions or answer[2:] not in ([], [3]) or answer[0] * answer[1] > max_pixels:
        raise ValueError(f"a picture of {answer}")
    return tuple(answer)


class Readers:
    """At most `count` children; they are started when first needed, and replaced when they end."""

    def __init__(self, count: int = CHILDREN, program: str = PROGRAM):
        self.program = program
        self.free: queue.LifoQueue[Child | None] = queue.LifoQueue()
        self.children: set[Child] = set()
        for _ in range(count):
            self.free.put(None)

    def ask(
        self, what: str, source: str | os.PathLike | bytes, max_pixels: int, most: int | None = None
    ) -> tuple[dict, np.ndarray]:
        is_data = isinstance(source, bytes)
        request = {"what": what, "max_pixels": max_pixels, "most": most}
        request |= {"bytes": len(source)} if is_data else {"path": os.fsdecode(source)}
        try:
            child = self.free.get(timeout=TURN_SECONDS)
        except queue.Empty:
            raise ImageError(BUSY) from None
        try:
            child = self.usable(child)
            return child.ask(request, source if is_data else b"")
        except ImageError:
            raise
        except BaseException as error:  # it may be in the middle of an answer
            self.end(child)
            child = None
            if isinstance(error, Died):
                raise ImageError(str(error)) from error
            raise
        finally:
            self.free.put(child)

    def usable(self, child: Child | None) -> Child:
        if child is None or not child.alive():
            self.end(child)
            try:
                child = Child(self.program)
            except OSError as error:  # no more processes, no memory for one
                raise ImageError(BUSY) from error
            self.children.add(child)
        return child

    def end(self, child: Child | None) -> None:
        if child is not None:
            self.children.discard(child)
            child.end()

    def start(self) -> None:
        """Starts those that are idle and not there yet, so that nobody waits for their imports."""
        taken = []
        with contextlib.suppress(queue.Empty):
            while True:
                taken.append(self.free.get_nowait())
        for child in taken:
            with contextlib.suppress(ImageError):
                child = self.usable(child)
            self.free.put(child)

    def close(self) -> None:
        for child in list(self.children):
            self.end(child)


READERS = Readers()
atexit.register(lambda: READERS.close())


def read_picture(
    source: str | os.PathLike | bytes, *, max_pixels: int = MAX_PIXELS, most: int | None = None
) -> LoadedImage:
    """As `codec.pictures.load.load_image` of a path or bytes, in another process. Raises ImageError.

    most: the most pixels that the picture is scaled down to, and a JPEG may have more than `max_pixels`.
    """
    answer, rgb = READERS.ask("rgb", source, max_pixels, most)
    return LoadedImage(rgb, tuple(map(str, answer.get("notes", ()))), str(answer.get("format", "")))


def read_opacity(source: str | os.PathLike | bytes) -> np.ndarray:
    """uint8 height × width: the alpha of a picture as its file has it, 255 where it has none. Raises ImageError."""
    return READERS.ask("opacity", source, MAX_PIXELS)[1]
