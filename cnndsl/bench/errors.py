"""What stands in the way of a measurement."""

from __future__ import annotations

OUT_OF_MEMORY = (
    "bad_alloc",
    "out of memory",
    "failed to allocate",
    "allocate memory",
    "outofmemory",
    "array is too big",
)
"""How ONNX Runtime, CUDA and PyTorch say it, in lower case; they have no exception in common."""


class CannotBench(ValueError):
    """A model, a provider or a size that does not do; the message says why and what to do."""


class FellBack(CannotBench):
    """Something else ran than what was asked for, or computed something else."""


class OutOfMemory(CannotBench):
    """The batch does not fit."""


def line(error: BaseException) -> str:
    """The first line of a message, or the name of an exception that has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def explained(error: Exception, doing: str) -> CannotBench:
    """An error of ONNX Runtime or PyTorch, whose errors have no base of their own, as one of ours."""
    if isinstance(error, CannotBench):
        return error
    said = f"{type(error).__name__} {error}".lower()
    if isinstance(error, MemoryError) or any(sign in said for sign in OUT_OF_MEMORY):
        return OutOfMemory(f"out of memory {doing}: try a smaller --batch or --size")
    return CannotBench(f"it fails {doing}: {line(error)}")
