"""Who owns arrays: the layers of a graph, and the modules of another implementation's checkpoint."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

from ..ir import Graph
from ..record import Record

Shape: TypeAlias = tuple[int, ...]
Signature: TypeAlias = tuple[tuple[str, Shape], ...]

COUNTER = "num_batches_tracked"
ROLES = {
    "weight": "weight", "kernel": "weight", "gamma": "weight",
    "bias": "bias", "beta": "bias",
    "running_mean": "running_mean", "moving_mean": "running_mean",
    "running_var": "running_var", "moving_variance": "running_var", "moving_var": "running_var",
    COUNTER: COUNTER,
}  # fmt: skip
"""What the arrays of one layer are called elsewhere, and here."""


class Tensor(Record):
    """An array as a checkpoint describes it."""

    name: str
    shape: Shape
    dtype: str = "float32"


class Owner(Record):
    """What owns arrays together: `arrays` by role. `node` is the layer's index where the owner is one of ours."""

    name: str
    arrays: tuple[tuple[str, Tensor], ...]
    node: int | None = None

    @property
    def signature(self) -> Signature:
        """Roles and shapes without the trailing ones: a 1×1 convolution has a linear layer's. Counters do not count."""
        return tuple(sorted((role, trimmed(array.shape)) for role, array in self.arrays if role != COUNTER))


def trimmed(shape: Shape) -> Shape:
    """A shape without the ones at its end."""
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def ours(graph: Graph, without: frozenset[str] = frozenset()) -> tuple[Owner, ...]:
    """The layers of a graph that own arrays, in its order; `without` are arrays that are spoken for."""
    found = []
    for index, node in enumerate(graph.nodes):
        arrays = tuple(
            (weight.name, Tensor(f"{node.name}.{weight.name}", weight.shape))
            for weight in node.op.weights(graph.inputs(node))
            if f"{node.name}.{weight.name}" not in without
        )
        if any(role != COUNTER for role, _ in arrays):
            found.append(Owner(node.name, arrays, index))
    return tuple(found)


def theirs(tensors: Iterable[Tensor]) -> tuple[Owner, ...]:
    """The modules of a checkpoint that own arrays, in the order of their first array.

    Arrays with the same name up to the last dot belong together; what is none of a layer's usual arrays (a layer scale that
    a block holds itself) is an owner of its own.
    """
    grouped: dict[str, dict[str, Tensor]] = {}
    for tensor in tensors:
        prefix, _, last = tensor.name.rpartition(".")
        role = ROLES.get(last)
        if role is None or role in grouped.get(prefix, {}):
            grouped[tensor.name] = {"weight": tensor}
        else:
            grouped.setdefault(prefix, {})[role] = tensor
    return tuple(
        Owner(name, tuple(arrays.items()))
        for name, arrays in grouped.items()
        if any(role != COUNTER for role in arrays)
    )


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts names with their numbers as numbers: `layer.2` before `layer.10`."""
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)|\.", name) if part)


def numbered(segment: str) -> tuple[str, tuple[int, str]] | None:
    """A name that counts, as what it counts and its number: `conv2`, `3`, `branch3x3dbl_3a`, `b`; None for others.

    A kernel at the end (`branch1x1`) counts nothing.
    """
    if len(segment) == 1 and segment.isalpha():
        return "", (0, segment)
    found = re.fullmatch(r"(.*?)(\d{1,9})([a-z]?)", segment)
    if found and re.search(r"\dx$", found[1]):
        return None
    return (found[1], (int(found[2]), found[3])) if found else None


def pattern(name: str) -> str:
    """A name with its numbers masked."""
    return re.sub(r"\d+", "#", name)
