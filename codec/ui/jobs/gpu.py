"""Where the page computes: on the GPU, and on the processor where there is none or its memory does not suffice."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

Result = TypeVar("Result")


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
