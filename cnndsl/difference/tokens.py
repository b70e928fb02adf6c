"""What layers have in common: the classes that alignment compares, and how alike two layers are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..record import Record

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from ..ir import Graph
    from ..ops.base import Op
    from ..shape import Shape

EXACT: Final = 60
"""The same operation on the same shapes."""
CHANNELS: Final = 54
"""The same operation on the same channels, so that weights fit; a map of another size."""
OPERATION: Final = 36
"""The same operation on other channels."""
KIND: Final = 12
"""Another operation of the same kind; an argument that is equal adds up to `ARGUMENTS` more."""
ARGUMENTS: Final = 18
LIKE: Final = 21
"""The least for layers with different names: a kind in common is not enough to be called renamed."""
NAME: Final = 18
FIRM_NAME: Final = 34
"""For the same name in a scope where nothing was renumbered (`firm_scopes`)."""
LAST: Final = 4
"""For the same last part of the name, as `conv1` in two blocks."""
REPLACED: Final = 10
"""For another kind of operation under the same name, which a label gave."""


class Sort(Record):
    """An operation with the shapes that it takes and gives: layers of one sort differ in name and place alone."""

    op: Op
    takes: tuple[Shape, ...]
    gives: Shape

    @property
    def channels(self) -> tuple[object, ...]:
        """The channels that it takes."""
        return tuple((shape.channels, shape.rank) for shape in self.takes)


class Side(Record):
    """The layers of one network, by position: names, their last parts, and numbers of sorts; the input is the first."""

    names: tuple[str, ...]
    lasts: tuple[str, ...]
    sorts: tuple[int, ...]


class Sorts:
    """The sorts of two networks, numbered, and how alike each two are."""

    def __init__(self) -> None:
        self.known: list[Sort] = []
        self._numbers: dict[Sort, int] = {}
        self._likeness: dict[tuple[int, int], int] = {}

    def side(self, graph: Graph) -> Side:
        """The layers of a graph; equal layers in both graphs get the same number."""
        by_identity: dict[tuple[int, ...], int] = {}
        numbers = []
        for node in graph.nodes:
            takes = graph.inputs(node)
            key = (id(node.op), id(node.shape), *map(id, takes))
            if key not in by_identity:
                by_identity[key] = self._number(Sort(node.op, takes, node.shape))
            numbers.append(by_identity[key])
        names = tuple(node.name for node in graph.nodes)
        return Side(names, tuple(name.rpartition(".")[2] for name in names), tuple(numbers))

    def _number(self, sort: Sort) -> int:
        number = self._numbers.setdefault(sort, len(self.known))
        if number == len(self.known):
            self.known.append(sort)
        return number

    def coarser(self) -> list[list[int]]:
        """For each sort a number that it shares with those like it: the sort itself, then ever fewer things in common."""
        return [
            _numbered(self.known),
            _numbered([(sort.op, sort.channels) for sort in self.known]),
            _numbered([sort.op for sort in self.known]),
            _numbered([sort.op.kind for sort in self.known]),
        ]

    def likeness(self, one: int, other: int) -> int:
        """How alike two sorts are, from 0 for nothing in common to `EXACT`."""
        if one == other:
            return EXACT
        key = one, other
        if key not in self._likeness:
            self._likeness[key] = _likeness(self.known[one], self.known[other])
        return self._likeness[key]


def _numbered(keys: Sequence[Hashable]) -> list[int]:
    """Equal keys by equal numbers."""
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def _likeness(one: Sort, other: Sort) -> int:
    if type(one.op) is not type(other.op):
        return 0
    if one.op == other.op:
        return CHANNELS if one.channels == other.channels else OPERATION
    fields = one.op.fields
    equal = sum(1 for field in fields if getattr(one.op, field) == getattr(other.op, field))
    return KIND + ARGUMENTS * equal // max(1, len(fields))


def firm_scopes(one: Side, other: Side) -> frozenset[str]:
    """The scopes that hold the same names in the same order on both sides, as do all around them; the root is ""."""
    members, others = _members(one), _members(other)
    firm: set[str] = set()
    for scope, names in members.items():  # outer scopes come before those in them
        above = scope.rpartition(".")[0]
        if list(others.get(scope, ())) == list(names) and (not scope or above in firm):
            firm.add(scope)
    return frozenset(firm)


def _members(side: Side) -> dict[str, dict[str, None]]:
    """The names in each scope, in order: of layers, and of scopes."""
    found: dict[str, dict[str, None]] = {"": {}}
    for name in side.names:
        path = ""
        for part in name.split("."):
            found.setdefault(path, {})[part] = None
            path = f"{path}.{part}" if path else part
    return found
