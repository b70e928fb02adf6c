"""What changed between two networks: layer by layer, in all, and for a checkpoint of the first.

`difference` is pure: two graphs to a frozen result. `text`, `markdown` and `data` show it; `specs` compiles what is
compared, `repository` finds it in git, and `thresholds` says what may not grow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ..analysis.statistics import Statistics, statistics
from ..record import Record
from .alignment import Alignment, align
from .checkpoint import Checkpoint, checkpoint
from .totals import Totals, totals

if TYPE_CHECKING:
    from ..ir import Graph
    from ..ops.base import Op
    from ..shape import Shape

STATUSES: Final = ("added", "removed", "changed", "renamed", "moved", "resized", "same")
"""What a layer is said to be: the first that fits. `resized` is one of which only the sizes differ."""


class Layer(Record):
    """A layer of one network: `takes` and `gives` are shapes without the batch.

    MACs and activations are those of an inference, so 0 where the output does not depend on the layer (`live` is false),
    and None where they depend on an open size: they sum up to the network's.
    """

    name: str
    op: Op
    takes: tuple[Shape, ...]
    gives: Shape
    params: int
    macs: int | None
    activations: int | None
    live: bool


class Argument(Record):
    """An argument that differs; `layer` is the operation itself. None where the other operation has no such argument."""

    name: str
    before: object
    after: object


class Change(Record):
    """A layer before and after; None on the side where there is none.

    `moved` layers stand elsewhere in the order; `rewired` ones take other layers' values.
    """

    before: Layer | None
    after: Layer | None
    arguments: tuple[Argument, ...] = ()
    moved: bool = False
    rewired: bool = False

    @property
    def layer(self) -> Layer:
        """The layer as it is now, or as it was where it is gone."""
        found = self.after or self.before
        assert found is not None
        return found

    @property
    def renamed(self) -> bool:
        """Whether it has another name."""
        return self.before is not None and self.after is not None and self.before.name != self.after.name

    @property
    def resized(self) -> bool:
        """Whether it takes or gives other shapes."""
        before, after = self.before, self.after
        return before is not None and after is not None and (before.takes, before.gives) != (after.takes, after.gives)

    @property
    def switched(self) -> bool:
        """Whether the output depends on it on one side only."""
        return self.before is not None and self.after is not None and self.before.live != self.after.live

    @property
    def status(self) -> str:
        """One of `STATUSES`."""
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        if self.arguments or self.rewired or self.switched:
            return "changed"
        flags = {"renamed": self.renamed, "moved": self.moved, "resized": self.resized}
        return next((status for status, flag in flags.items() if flag), "same")


class Difference(Record):
    """Two networks and what changed from one to the other; `layers` has all of them, in the order of the second.

    `output` says whether the result is taken from another layer, `auxiliary` whether the side outputs differ.
    """

    before: Graph
    after: Graph
    layers: tuple[Change, ...]
    totals: Totals
    checkpoint: Checkpoint
    output: bool = False
    auxiliary: bool = False

    @property
    def changes(self) -> tuple[Change, ...]:
        """The layers that are not the same."""
        return tuple(change for change in self.layers if change.status != "same")

    @property
    def same(self) -> bool:
        """Whether both are one network: equal layers, wiring, shapes and names."""
        shapes = self.before.input_shape == self.after.input_shape
        return shapes and not (self.output or self.auxiliary or self.changes)


def difference(before: Graph, after: Graph) -> Difference:
    """Compare two graphs, in about linear time."""
    found = align(before, after)
    one = statistics(before)
    other = one if after is before else statistics(after)
    return Difference(
        before,
        after,
        tuple(_changes(one, other, found)),
        totals(one, other),
        checkpoint(before, after, found.pairs),
        _output_differs(before, after, dict(found.pairs)),
        _heads_differ(before, after, dict(found.pairs)),
    )


def _changes(one: Statistics, other: Statistics, found: Alignment) -> Iterator[Change]:
    """Every layer, those that are gone where they stood."""
    before, after = one.graph, other.graph
    there = dict(found.pairs)
    here = {j: i for i, j in found.pairs}
    gone = iter(sorted(set(range(1, len(before.nodes))) - there.keys()))
    waiting = next(gone, None)
    for j in range(1, len(after.nodes)):
        i = here.get(j)
        while waiting is not None and i is not None and i not in found.moved and waiting < i:
            yield Change(_layer(one, waiting), None)
            waiting = next(gone, None)
        if i is None:
            yield Change(None, _layer(other, j))
        else:
            rewired = _wiring(before, i, there, there) != _wiring(after, j, here, None)
            arguments = _arguments(before.nodes[i].op, after.nodes[j].op)
            yield Change(_layer(one, i), _layer(other, j), arguments, i in found.moved, rewired)
    while waiting is not None:
        yield Change(_layer(one, waiting), None)
        waiting = next(gone, None)


def _layer(found: Statistics, index: int) -> Layer:
    graph, cost, live = found.graph, found.costs.nodes[index], index in found.graph.live
    node = graph.nodes[index]
    macs, made = (cost.macs, cost.activations) if live else (0, 0)
    return Layer(node.name, node.op, graph.inputs(node), node.shape, cost.params, macs, made, live)


def _wiring(graph: Graph, index: int, paired: dict[int, int], names: dict[int, int] | None) -> tuple[int, ...]:
    """What a layer takes, as indices of the second network; what came or went between is looked through."""
    sources = (_behind(graph, i, paired) for i in graph.nodes[index].inputs)
    return tuple(source if names is None else names[source] for source in sources)


def _behind(graph: Graph, index: int, paired: dict[int, int]) -> int:
    """The value itself where it is on both sides, else the one that it was made from."""
    while index not in paired:
        index = graph.nodes[index].inputs[0]
    return index


def _arguments(before: Op, after: Op) -> tuple[Argument, ...]:
    """What differs between two operations, by the names that a spec gives it."""
    if before == after:
        return ()
    (word, one), (other_word, other) = before.written(), after.written()
    found = [Argument("layer", word, other_word)] if word != other_word else []
    found += [
        Argument(name, one.get(name), other.get(name))
        for name in {**one, **other}
        if one.get(name) != other.get(name) or (name in one) != (name in other)
    ]
    return tuple(found) or (Argument("layer", str(before), str(after)),)


def _output_differs(before: Graph, after: Graph, there: dict[int, int]) -> bool:
    return there.get(before.output, after.output) != after.output and after.output in there.values()


def _heads_differ(before: Graph, after: Graph, there: dict[int, int]) -> bool:
    """Whether the side outputs differ: their layers, or their weights in the loss."""
    ours = [(there.get(side.node), side.weight) for side in before.auxiliary]
    return ours != [(side.node, side.weight) for side in after.auxiliary]
