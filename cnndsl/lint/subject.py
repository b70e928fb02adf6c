"""What a rule looks at: a spec that compiles, and what is known of its graph, each computed when first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Final

from ..elaborate import Unit
from ..ir import Graph, Node
from ..limits import Limits
from ..record import Record
from ..source import Span
from ..syntax import Dimensions, File, Statement

if TYPE_CHECKING:
    from ..analysis.costs import Costs
    from ..analysis.memory import Memory
    from ..analysis.receptive import Receptive
    from ..arithmetic import Value
    from ..diagnostics import Diagnostic
    from ..ops.base import Op
    from .stages import Place
    from .windows import Window

DEFAULT_OPSET: Final = 18


class Options(Record):
    """What a project sets: the most that a network may cost (`params`, `macs`, ...) and the opset it is deployed with."""

    budgets: Mapping[str, int] = {}
    opset: int = DEFAULT_OPSET


class Written(Record):
    """A spec as it is written: its syntax and, where its statements could be read, what they declare.

    `settings` are the values that were asked for from outside, `input_shape` the shape in place of the spec's, `whole` is
    whether all members of the family are meant.
    """

    file: File
    unit: Unit | None
    settings: Mapping[str, Value]
    input_shape: Dimensions | None
    whole: bool
    limits: Limits
    options: Options

    @cached_property
    def places(self) -> Mapping[int, Place]:
        """The layers as they are written in this file, by the offset at which each ends."""
        from .stages import places

        return places(self.file)

    def names(self, statement: Statement) -> frozenset[str]:
        """The names that a statement uses."""
        return self._names[statement.span.start]

    @cached_property
    def _names(self) -> Mapping[int, frozenset[str]]:
        from .uses import statement_uses

        return {statement.span.start: frozenset(statement_uses(statement)) for statement in self.file.statements}


class Subject(Written):
    """A spec that compiles. `spans` has the place of each node, in whatever file it was written."""

    graph: Graph
    spans: tuple[Span, ...]

    @cached_property
    def users(self) -> tuple[tuple[int, ...], ...]:
        """For each node, the nodes that take its value, in order."""
        found: list[list[int]] = [[] for _ in self.graph.nodes]
        for index, node in enumerate(self.graph.nodes):
            for source in node.inputs:
                found[source].append(index)
        return tuple(map(tuple, found))

    @cached_property
    def ends(self) -> frozenset[int]:
        """The nodes whose values are results: the output and the side outputs."""
        return frozenset((self.graph.output, *(side.node for side in self.graph.auxiliary)))

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """The windows of the convolutions and pools."""
        from .windows import windows

        return windows(self)

    @cached_property
    def kinds(self) -> Mapping[type[Op], tuple[int, ...]]:
        """The nodes of each class of operation, in order."""
        found: dict[type[Op], list[int]] = {}
        for index, node in enumerate(self.graph.nodes):
            found.setdefault(type(node.op), []).append(index)
        return {kind: tuple(indices) for kind, indices in found.items()}

    @cached_property
    def costs(self) -> Costs:
        """Parameters, MACs and activations of each node and in all."""
        from ..analysis.costs import costs

        return costs(self.graph)

    @cached_property
    def memory(self) -> Memory:
        """Bytes of an inference and of a training step."""
        from ..analysis.memory import memory

        return memory(self.graph, self.costs)

    @cached_property
    def receptive(self) -> tuple[Receptive, ...]:
        """The receptive field of each node."""
        from ..analysis.receptive import receptive

        return receptive(self.graph)

    def of(self, *kinds: type[Op]) -> tuple[int, ...]:
        """The nodes of these classes of operation, in order."""
        found = [index for kind in kinds for index in self.kinds.get(kind, ())]
        return tuple(found if len(kinds) == 1 else sorted(found))

    @cached_property
    def family(self) -> tuple[Diagnostic, ...]:
        """What is wrong with other members of the family, where they are meant."""
        from ..family import lint_family

        if self.unit is None or not self.whole:
            return ()
        return tuple(lint_family(self.file, self.unit, self.limits, self.settings, self.input_shape))

    def only_user(self, index: int) -> Node | None:
        """The one node that takes a value; None where there are several, none, or it is a result."""
        users = self.users[index]
        return self.graph.nodes[users[0]] if len(users) == 1 and index not in self.ends else None
