"""How to compute: bfloat16 and threads. And how long it took."""

import contextlib
import time
from collections.abc import Iterator

import torch


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
    """Context manager: torch computes with this number of threads, or with as many as before for None."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def has_bfloat16(device: str | torch.device = "cpu") -> bool:
    """Whether the device computes in bfloat16. Every GPU does; many processors only imitate it, slowly."""
    return torch.device(device).type != "cpu" or getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
