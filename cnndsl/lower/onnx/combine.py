"""Where branches meet."""

from __future__ import annotations

from ...ops.combine import Add, Concat, Max, Mean, Mul
from .emit import Emitter
from .reduce import stretch


def concat(op: Concat, at: Emitter) -> None:
    """Concat along the channels."""
    at.emit("Concat", *at.inputs, axis=1)


def add(op: Add, at: Emitter) -> None:
    """Add of two, Sum of more."""
    at.emit("Add" if len(at.inputs) == 2 else "Sum", *at.inputs)


def mean(op: Mean, at: Emitter) -> None:
    """The sum over the number; ONNX's Mean has no CUDA kernel in ONNX Runtime."""
    total = at.part("sum", "Add" if len(at.inputs) == 2 else "Sum", *at.inputs)
    at.emit("Div", total, at.floats("count", float(len(at.inputs))))


def maximum(op: Max, at: Emitter) -> None:
    """Max of any number."""
    at.emit("Max", *at.inputs)


def multiply(op: Mul, at: Emitter) -> None:
    """A chain of Mul; vectors are stretched over the axes of the others."""
    rank = len(at.shape.spatial)
    factors = [
        value if len(shape.spatial) == rank else stretch(at, value, rank, f"factor{i}", first=2)
        for i, (value, shape) in enumerate(zip(at.inputs, at.shapes, strict=True))
    ]
    if len(factors) == 1:
        at.emit("Identity", factors[0])
        return
    product = factors[0]
    for i, factor in enumerate(factors[1:-1]):
        product = at.part(f"product{i}", "Mul", product, factor)
    at.emit("Mul", product, factors[-1])
