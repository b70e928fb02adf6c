"""Modules of a checkpoint laid over the layers of a graph: siblings in any order, and what belongs together stays together.

A checkpoint nests its modules, and lists siblings in the order in which they were registered, or by name where the file does
not keep the order; a graph has its layers in the order of use. So the search permutes the children of each module, from
the whole network down, until signatures agree, and among the orders that fit takes the one of least cost: numbered
siblings in order and not torn apart, modules where the graph has definitions, norms with what feeds them, names alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Final

from ..record import Record
from .clues import Clues
from .owners import Owner, Signature, natural, numbered

BEAM: Final = 48
"""Orders that are followed at once."""

BACKWARD, TORN, LATE, SCOPE, UNFED, UNLIKE = 8.0, 3.0, 0.25, 1.0, 2.0, 2.0
"""What it costs: a number before a smaller one; a series left while it goes on; one before another that was registered
first; a module that is no definition of ours; a layer that nothing in its module feeds; a name that says another thing."""

_MASK: Final = 2**64 - 1
_CLOSE: Final = 1e-9


class Module:
    """A module of a checkpoint: `owner` where it holds arrays itself, else `children`."""

    def __init__(self, segment: str, owner: Owner | None = None) -> None:
        self.segment = segment
        self.owner = owner
        self.children: list[Module] = []

    @cached_property
    def owners(self) -> tuple[Owner, ...]:
        """The owners below, depth first."""
        if self.owner is not None:
            return (self.owner,)
        return tuple(owner for child in self.children for owner in child.owners)

    @cached_property
    def size(self) -> int:
        return len(self.owners)

    @cached_property
    def total(self) -> int:
        """A fingerprint of the signatures below, in whatever order."""
        return sum(fingerprint(owner.signature) for owner in self.owners) & _MASK


def fingerprint(signature: Signature) -> int:
    """64 bits for a signature."""
    return int.from_bytes(blake2b(repr(signature).encode(), digest_size=8).digest(), "little")


def tree(owners: Sequence[Owner]) -> Module:
    """The modules by the dots in their names; a module that holds arrays beside its children gets a child for them."""
    root = Module("")
    places: dict[str, Module] = {"": root}
    for owner in owners:
        parts = owner.name.split(".") if owner.name else [""]
        for depth in range(1, len(parts)):
            _grow(places, ".".join(parts[:depth]), ".".join(parts[: depth - 1]))
        place = _grow(places, owner.name, ".".join(parts[:-1])) if owner.name else root
        place.children.append(Module(parts[-1] if owner.name else "", owner))
    return _simple(root)


def _grow(places: dict[str, Module], path: str, above: str) -> Module:
    if path not in places:
        places[path] = Module(path.rpartition(".")[2])
        places[above].children.append(places[path])
    return places[path]


def _simple(module: Module) -> Module:
    """Without modules that hold one owner only."""
    module.children = [_simple(child) for child in module.children]
    if len(module.children) == 1 and module.children[0].owner is not None:
        return Module(module.segment or module.children[0].segment, module.children[0].owner)
    return module


class Laid(Record):
    """A module laid over an interval: its owners in our order, the cost, and two that could as well be exchanged."""

    cost: float
    owners: tuple[Owner, ...]
    tie: tuple[str, str] | None = None


class _State(Record):
    """The beginning of an order of siblings: which are placed, as bits; `order` is a linked list, the latest first."""

    cost: float
    used: int
    order: tuple[object, ...]
    last: int
    laid: tuple[object, ...]
    tie: tuple[str, str] | None


class Search:
    """The layers of a graph, over which modules are laid. `registered` says that siblings come as they were registered."""

    def __init__(self, layers: Sequence[Owner], clues: Clues, *, registered: bool) -> None:
        self.clues = clues
        self.registered = registered
        self.prints = [fingerprint(layer.signature) for layer in layers]
        self.sums = [0]
        for value in self.prints:
            self.sums.append((self.sums[-1] + value) & _MASK)
        self.known: dict[tuple[int, int], Laid | None] = {}

    def lay(self, module: Module, start: int) -> Laid | None:
        """A module over the layers from `start` on; None where it does not fit there."""
        key = (id(module), start)
        if key not in self.known:
            self.known[key] = self._lay(module, start)
        return self.known[key]

    def _lay(self, module: Module, start: int) -> Laid | None:
        end = start + module.size
        if not self._fits(module.total, start, module.size):
            return None
        cost = UNLIKE * self.clues.unlike(module.segment, start, end)
        if module.owner is not None:
            return Laid(cost, (module.owner,))
        if (start, end) not in self.clues.scopes:
            cost += SCOPE
        found = self._ordered(Siblings(module.children), start, end)
        return found and found.replace(cost=found.cost + cost)

    def _fits(self, total: int, start: int, size: int) -> bool:
        end = start + size
        return end < len(self.sums) and (self.sums[end] - self.sums[start]) & _MASK == total

    def _ordered(self, siblings: Siblings, start: int, end: int) -> Laid | None:
        """The cheapest order of siblings, from left to right, following the `BEAM` best beginnings."""
        waiting: dict[int, dict[tuple[int, int], _State]] = {start: {(0, -1): _State(0.0, 0, (), -1, (), None)}}
        for at in range(start, end):
            states = sorted(waiting.pop(at, {}).values(), key=lambda state: state.cost)[:BEAM]
            for state in states:
                for index in self._candidates(siblings, at, state.used):
                    self._extend(siblings, state, index, (start, at, end), waiting)
        ends = sorted(waiting.get(end, {}).values(), key=lambda state: state.cost)
        if not ends:
            return None
        best = ends[0]
        for other in ends[1:2]:
            if best.tie is None and other.cost - best.cost < _CLOSE:
                best = best.replace(tie=siblings.difference(best.order, other.order))
        return Laid(best.cost, _owners(best.laid), best.tie)

    def _candidates(self, siblings: Siblings, at: int, used: int) -> Iterator[int]:
        """The siblings not yet used that fit here; of a series of equals the first."""
        for size in siblings.sizes:
            if at + size >= len(self.sums):
                continue
            total = (self.sums[at + size] - self.sums[at]) & _MASK
            for index in siblings.alike.get((size, total), ()):
                if not used >> index & 1 and not siblings.before_alike[index] & ~used:
                    yield index

    def _extend(
        self,
        siblings: Siblings,
        state: _State,
        index: int,
        place: tuple[int, int, int],
        waiting: dict[int, dict[tuple[int, int], _State]],
    ) -> None:
        start, at, end = place
        child = siblings.modules[index]
        laid = self.lay(child, at)
        if laid is None:
            return
        cost = state.cost + laid.cost + siblings.step(state.used, state.last, index)
        if self.registered and siblings.lower(index) & ~state.used:
            cost += LATE
        if child.owner is not None and at > start and not self.clues.fed_within(at, start, end):
            cost += UNFED
        used = state.used | 1 << index
        new = _State(cost, used, (index, state.order), index, (laid.owners, state.laid), state.tie or laid.tie)
        there = waiting.setdefault(at + child.size, {})
        old = there.get((used, index))
        if old is None or cost < old.cost - _CLOSE:
            there[used, index] = new
        elif cost < old.cost + _CLOSE and old.tie is None:
            there[used, index] = old.replace(tie=siblings.difference(old.order, new.order))


class Siblings:
    """The children of a module with what their names and shapes say of their order; sets of them are bits of a number."""

    def __init__(self, modules: Sequence[Module]) -> None:
        self.modules = modules
        self.numbers = [numbered(module.segment) for module in modules]
        self.series: dict[str, int] = {}
        self.alike: dict[tuple[int, int], list[int]] = {}
        for index, (module, number) in enumerate(zip(modules, self.numbers, strict=True)):
            self.alike.setdefault((module.size, module.total), []).append(index)
            if number is not None:
                self.series[number[0]] = self.series.get(number[0], 0) | 1 << index
        self.sizes = sorted({size for size, _ in self.alike})
        self.before = [self._smaller(index, range(len(modules))) for index in range(len(modules))]
        self.before_alike = [0] * len(modules)
        for group in self.alike.values():
            for index in group:
                self.before_alike[index] = self._smaller(index, group)

    def _smaller(self, index: int, among: Sequence[int]) -> int:
        """Those among others that the series of this one counts before it."""
        mine = self.numbers[index]
        if mine is None:
            return 0
        numbers = ((other, self.numbers[other]) for other in among)
        return sum(1 << other for other, number in numbers if number and number[0] == mine[0] and number[1] < mine[1])

    def number(self, index: int) -> tuple[int, str] | None:
        """The number of one, whatever it counts."""
        found = self.numbers[index]
        return found and found[1]

    def bigger(self, index: int) -> int:
        """Those that the series of this one counts after it."""
        return sum(1 << other for other, smaller in enumerate(self.before) if smaller >> index & 1)

    def lower(self, index: int) -> int:
        """Those registered before."""
        return (1 << index) - 1

    def step(self, used: int, last: int, index: int) -> float:
        """What it costs to place one after another, by their numbers."""
        cost = BACKWARD * (self.before[index] & ~used).bit_count()
        mine, previous = self.numbers[index], self.numbers[last] if last >= 0 else None
        if mine and previous and mine[1] == previous[1]:
            return cost
        for series in self.series.values():
            if used & series and ~used & series and not series >> index & 1:
                cost += TORN
        return cost

    def difference(self, some: tuple[object, ...], other: tuple[object, ...]) -> tuple[str, str] | None:
        """The first two that stand in each other's place in two orders."""
        for mine, yours in zip(_listed(some), _listed(other), strict=False):
            if mine != yours:
                return self.modules[mine].owners[0].name, self.modules[yours].owners[0].name
        return None


def _listed(linked: tuple[object, ...]) -> list[int]:
    found: list[int] = []
    while linked:
        index, linked = linked  # type: ignore[assignment]
        found.append(index)  # type: ignore[arg-type]
    return found[::-1]


def _owners(linked: tuple[object, ...]) -> tuple[Owner, ...]:
    parts: list[tuple[Owner, ...]] = []
    while linked:
        part, linked = linked  # type: ignore[assignment]
        parts.append(part)  # type: ignore[arg-type]
    return tuple(owner for part in reversed(parts) for owner in part)


def by_name(owners: Sequence[Owner]) -> list[Owner]:
    """Owners sorted by name, numbers as numbers."""
    return sorted(owners, key=lambda owner: natural(owner.name))
