"""A GPU that is only pretended: tensors that say they are on CUDA, compute on the processor, and mix with no others.

It finds what a machine without a GPU does not: a tensor made on one device and used with one of another, and one that
is handed to numpy without having been fetched.
"""

import contextlib

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

#: Operations that take tensors of both: copies, and the indices of an indexing.
CROSSING = ("_to_copy", "copy_", "index")


class OnGpu(torch.Tensor):
    """A tensor whose values are those of `inner`."""

    @staticmethod
    def __new__(cls, inner: torch.Tensor):
        shape = {"strides": inner.stride(), "storage_offset": inner.storage_offset(), "dtype": inner.dtype}
        made = torch.Tensor._make_wrapper_subclass(cls, inner.size(), **shape, device="meta")  # which every torch has
        made.inner = inner
        return made

    device = property(lambda self: torch.device("cuda", 0))

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return compute(func, args, kwargs or {})


def fetched(value):
    return value.inner if isinstance(value, OnGpu) else value


def compute(func, args: tuple, kwargs: dict):
    """The operation on the processor; its result is on the GPU where its tensors are, or where it is asked for."""
    tensors = []
    tree_map(lambda v: tensors.append(v) if isinstance(v, torch.Tensor) else None, (args, kwargs))
    ours = [t for t in tensors if isinstance(t, OnGpu)]
    if ours and any(t.dim() for t in tensors if not isinstance(t, OnGpu)) and not any(c in str(func) for c in CROSSING):
        raise RuntimeError(f"Expected all tensors of {func} to be on the same device")
    on_gpu = bool(ours)
    if kwargs.get("device") is not None:
        on_gpu = torch.device(kwargs["device"]).type != "cpu"
        kwargs = {**kwargs, "device": torch.device("cpu")}
    elif "copy_" in str(func):
        on_gpu = isinstance(args[0], OnGpu)
    result = func(*tree_map(fetched, args), **tree_map(fetched, kwargs))
    return tree_map(lambda v: OnGpu(v) if on_gpu and isinstance(v, torch.Tensor) else v, result)


class Operations(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return compute(func, args, kwargs or {})


class Moves(TorchFunctionMode):
    """`to` and `cpu` ask for the device's own code before an operation could be caught."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func not in (torch.Tensor.to, torch.Tensor.cpu):
            return func(*args, **kwargs)
        tensor, *rest = args
        rest += ["cpu"] if func is torch.Tensor.cpu else [kwargs.pop("device", None)]
        device = next((torch.device(v) for v in rest if isinstance(v, (str, torch.device))), tensor.device)
        moved = fetched(tensor).detach().to("cpu", *(v for v in rest if isinstance(v, torch.dtype)), **kwargs)
        return moved if device.type == "cpu" else OnGpu(moved)


@contextlib.contextmanager
def pretended(monkeypatch):
    """For as long as this lasts, in this thread, there is a GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "_lazy_init", lambda: None)
    for name in ("__enter__", "__exit__"):  # a tensor of inference mode can not be of a class of our own
        monkeypatch.setattr(torch.inference_mode, name, lambda *_: None)
    with Moves(), Operations():
        yield
