"""Where to compute: bfloat16, CUDA, and the processor where the GPU's memory does not suffice. And how long it took."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

Result = TypeVar("Result")


class Timer:
    """Milliseconds spent in each named stage."""

    def __init__(self):
        self.ms: dict[str, float] = {}

    @contextlib.contextmanager
    def stage(self, name: str):
        start = time.perf_counter()
        try:
            yield
        finally:
            self.ms[name] = self.ms.get(name, 0.0) + 1e3 * (time.perf_counter() - start)


@contextlib.contextmanager
def threads(count: int | None) -> Iterator[None]:
    """As many threads for torch within; None: as there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def has_bfloat16(device: str | torch.device = "cpu") -> bool:
    """Whether this processor, or any GPU, computes in bfloat16: other processors would only imitate it, slowly."""
    return torch.device(device).type != "cpu" or getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()


def has_gpu() -> bool:
    """Whether there is a GPU to compute on."""
    # On ZeroGPU, CUDA looks available everywhere but is only in a fork of this process that runs one function. What a
    # fork keeps is lost here, it shares the pipes of the processes that read pictures, and it does not wait until a
    # file that it yields has been copied: the page computes on the processor there.
    return torch.cuda.is_available() and not os.environ.get("SPACES_ZERO_GPU")


def where_it_fits(work: Callable[[str], Result]) -> Result:
    """work("cuda") where there is a GPU, and work("cpu") where there is none or its memory does not suffice."""
    return next(each_where_it_fits(lambda device: iter([work(device)])))


def each_where_it_fits(work: Callable[[str], Iterator[Result]]) -> Iterator[Result]:
    """The same for work that yields; it begins anew on the processor where the GPU's memory ends on the way."""
    if has_gpu():
        with contextlib.suppress(torch.cuda.OutOfMemoryError):
            yield from work("cuda")
            return
        torch.cuda.empty_cache()
    yield from work("cpu")
