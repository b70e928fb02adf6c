"""What becomes of a checkpoint: which arrays of the first network the second takes, and under which name."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from ..lower.scopes import key
from ..record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..ir import Graph

Shapes = dict[str, tuple[int, ...]]


class Array(Record):
    """An array of a state dict: its name and shape before and after; None where there is none."""

    before: str | None
    after: str | None
    shape: tuple[int, ...] | None
    new_shape: tuple[int, ...] | None

    @property
    def size(self) -> int:
        """Its values, as they are now, or as they were where it is gone."""
        return prod(self.shape if self.new_shape is None else self.new_shape)  # type: ignore[arg-type]


class Checkpoint(Record):
    """The arrays of both state dicts, each in one group.

    `kept` belong to the same layer, with the same name and shape; `renamed` have the same shape and another name,
    `reshaped` another shape; `gone` and `new` are on one side alone. Of the names in common, `misplaced` load and belong to
    another layer now, `refused` have another shape, so that `load_state_dict` raises, `strict=False` or not.
    """

    kept: tuple[Array, ...]
    renamed: tuple[Array, ...]
    reshaped: tuple[Array, ...]
    gone: tuple[Array, ...]
    new: tuple[Array, ...]
    misplaced: tuple[str, ...]
    refused: tuple[str, ...]

    @property
    def renames(self) -> dict[str, str]:
        """Under which name the second network takes each array of the first that fits it."""
        return {str(array.before): str(array.after) for array in (*self.kept, *self.renamed)}

    @property
    def loads(self) -> bool:
        """Whether all arrays of the first network load as they are."""
        return not (self.renamed or self.reshaped or self.gone)

    @property
    def values(self) -> int:
        """The values of the second network."""
        return values((*self.kept, *self.renamed, *self.reshaped, *self.new))


def values(arrays: Iterable[Array]) -> int:
    """The values of some arrays."""
    return sum(array.size for array in arrays)


def checkpoint(before: Graph, after: Graph, pairs: Iterable[tuple[int, int]]) -> Checkpoint:
    """Follow the arrays of one network to another, given which nodes are which; names are those of PyTorch's state dict."""
    there = dict(pairs)
    ours, theirs = _arrays(before), _arrays(after)
    groups: dict[str, list[Array]] = {group: [] for group in ("kept", "renamed", "reshaped", "gone", "new")}
    for index, arrays in ours.items():
        others = theirs.get(there.get(index, -1), {})
        for role, (name, shape) in arrays.items():
            name_now, shape_now = others.pop(role, (None, None))
            group = "gone" if name_now is None else "reshaped" if shape != shape_now else "kept"
            group = "renamed" if group == "kept" and name != name_now else group
            groups[group].append(Array(name, name_now, shape, shape_now))
    for arrays in theirs.values():
        groups["new"] += [Array(None, name, None, shape) for name, shape in arrays.values()]
    kept = {array.before for array in groups["kept"]}
    now = dict(array for arrays in _arrays(after).values() for array in arrays.values())
    common = [(name, shape) for arrays in ours.values() for name, shape in arrays.values() if name in now]
    misplaced = tuple(name for name, shape in common if shape == now[name] and name not in kept)
    refused = tuple(name for name, shape in common if shape != now[name])
    every = {group: tuple(arrays) for group, arrays in groups.items()}
    return Checkpoint(**every, misplaced=misplaced, refused=refused)


def _arrays(graph: Graph) -> dict[int, dict[str, tuple[str, tuple[int, ...]]]]:
    """For each node with arrays, their names and shapes by their roles in it."""
    found = {}
    for index, node in enumerate(graph.nodes):
        weights = node.op.weights(graph.inputs(node))
        if weights:
            prefix = key(node.name)
            found[index] = {weight.name: (f"{prefix}.{weight.name}", weight.shape) for weight in weights}
    return found
