"""One member of a family, or a part of one, elaborated as every spec is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from ..arithmetic import Value, evaluate
from ..diagnostics import Diagnostic
from ..elaborate.build import NOWHERE, Aborted, Build, Frame
from ..elaborate.names import Labels, Namer, labels_in
from ..elaborate.resolve import missing
from ..elaborate.stages import RULES, input_shape
from ..elaborate.units import Defaults, Unit
from ..ir import Graph, Node
from ..limits import Limits
from ..ops.combine import Input
from ..record import Record
from ..shape import Shape
from ..source import Span
from ..syntax import Choice, Dimensions, Expression, Net, Stage

Turn = tuple[int, bool]
"""An optional stage, by identity, and whether it was there."""

Decide = Callable[[Choice, "str | None"], bool]


class Part(Record):
    """What a stage made of a value: the nodes, the first of them the value; which of them is the result, None after an
    error; how often the resolution was halved; and the optional stages that were met, in order."""

    nodes: tuple[Node, ...]
    end: int | None
    halvings: int
    diagnostics: tuple[Diagnostic, ...]
    turns: tuple[Turn, ...]


class Members:
    """Elaborates members of one spec.

    `derived` are the parameters that are made of others; `labels` grows to all optional stages met, with their
    labels, and `elaborated` counts the nodes of whole members.
    """

    def __init__(
        self,
        unit: Unit,
        limits: Limits,
        settings: Mapping[str, Value],
        given: Dimensions | None,
        closing: frozenset[int],
    ) -> None:
        self.unit = unit
        self.limits = limits
        self.settings = settings
        self.dimensions = given or (unit.input.shape if unit.input else None)
        self.closing = closing
        self.derived: Sequence[tuple[str, Expression]] = ()
        self.labels: dict[int, tuple[Choice, str | None]] = {}
        self.elaborated = 0
        self._shared = Build(limits, settings, RULES, None)

    @property
    def net(self) -> Net:
        """The network's statement."""
        return self.unit.nets[0][0]

    @property
    def defaults(self) -> Defaults:
        """The defaults in force there."""
        return self.unit.nets[0][1]

    def build(self, turns: Sequence[bool], taken: list[Turn] | None = None) -> Build:
        """An elaboration that shares what the others know of the text; choices are there but for what `turns` says."""
        build = Build(self.limits, self.settings, RULES, None)
        build.missing = lambda expression, frame: missing(build, expression, frame)
        build.closing = self.closing
        classes = self.unit.values.get("classes")
        build.classes = classes if isinstance(classes, int) else None
        build.plans, build.made, build.folded = self._shared.plans, self._shared.made, self._shared.folded
        listed = [] if taken is None else taken

        def decide(choice: Choice, label: str | None) -> bool:
            self.labels.setdefault(id(choice), (choice, label))
            free = len(listed) < len(turns) and label not in self.settings
            present = turns[len(listed)] if free else self._set(label)
            listed.append((id(choice), present))
            return present

        build.decide = decide
        return build

    def _set(self, label: str | None) -> bool:
        value = self.settings.get(label, True) if label is not None else True
        return bool(value)

    def frame(self, build: Build, env: Mapping[str, Value]) -> Frame:
        """Where the network's stages are elaborated."""
        body = self.net.body
        values = {**self.unit.values, **env}
        return Frame(build, self.unit, self.defaults, values, Labels(), Namer("", labels_in(body)))

    @contextmanager
    def bound(self, values: Mapping[str, Value]) -> Iterator[None]:
        """The spec's parameters with these values, and those made of them."""
        own = self.unit.values
        before = dict(own)
        own.update(values)
        try:
            for name, expression in self.derived:
                own[name] = evaluate(expression, self.frame(self.build(()), {}).names)
            yield
        finally:
            own.clear()
            own.update(before)

    def start(self, build: Build) -> Shape | None:
        """The input's shape; parameters are bound."""
        if self.dimensions is None:
            return None
        return input_shape(build, self.dimensions, self.frame(build, {}))

    def part(self, stage: Stage, shape: Shape, halvings: int, env: Mapping[str, Value], turns: Sequence[bool]) -> Part:
        """Elaborate a stage on a value of some shape; parameters are bound."""
        taken: list[Turn] = []
        build = self.build(turns, taken)
        nowhere = Span(self.unit.source, 0, 0)
        build.nodes, build.spans, build.halvings = [Node("input", Input(), (), shape)], [nowhere], [halvings]
        try:
            x = build.stage(stage, 0, self.frame(build, env))
        except (Aborted, RecursionError):
            x = NOWHERE
        failed = x == NOWHERE or bool(build.diagnostics)
        end, halvings = (None, 0) if failed else (x, build.halvings[x])
        return Part(tuple(build.nodes), end, halvings, tuple(build.diagnostics), tuple(taken))

    def whole(self, turns: Mapping[int, Sequence[bool]]) -> tuple[Graph | None, tuple[Diagnostic, ...], Build]:
        """Elaborate the network; parameters are bound, and `turns` says for each choice which of its turns are there."""
        build = self.build(())
        asked: dict[int, int] = {}

        def decide(choice: Choice, label: str | None) -> bool:
            turn = asked[id(choice)] = asked.get(id(choice), -1) + 1
            known = turns.get(id(choice), ())
            return known[turn] if turn < len(known) else self._set(label)

        build.decide = decide
        try:
            shape = self.start(build)
            if shape is None:
                return None, tuple(build.diagnostics), build
            span = self.unit.input.span if self.unit.input else Span(self.unit.source, 0, 0)
            x = build.add(Input(), (), shape, "input", span)
            build.trace.clear()
            x = build.stage(self.net.body, x, self.frame(build, {"cin": shape.channels}))
        except (Aborted, RecursionError):
            x = NOWHERE
        self.elaborated += len(build.nodes)
        if x == NOWHERE or build.diagnostics:
            return None, tuple(build.diagnostics), build
        auxiliary, scopes = tuple(build.auxiliary), tuple(build.scopes)
        return Graph(self.net.name or "Net", tuple(build.nodes), x, auxiliary, scopes, build.classes), (), build
