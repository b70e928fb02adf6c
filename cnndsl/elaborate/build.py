"""The graph while it grows: nodes, positions, diagnostics, and the limits on all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..arithmetic import UNKNOWN, Names, Value
from ..diagnostics import Diagnostic, Note, Severity
from ..ir import Auxiliary, Node, Origin, Scope
from ..limits import Limits
from ..ops.base import Op
from ..record import Record
from ..shape import Shape
from ..source import Span
from ..syntax import Call, Choice, Name, Stage, StageValue
from .names import Labels, Namer
from .units import Unit

NOWHERE: Final = -1
"""The index of a value that an error has taken away; what follows from it is not reported again."""


class Branches(Record):
    """In a trace: branches that meet in `node`."""

    node: int
    branches: tuple[Trace, ...]


class Jump(Record):
    """In a trace: `@label`, go on from the value of `node`."""

    node: int


class Side(Record):
    """In a trace: an AUX head."""

    weight: float
    trace: Trace


Trace = list["int | Branches | Jump | Side"]
"""What was elaborated, in order: the structure that a graph of nodes does not show, for `expand`."""


class Aborted(Exception):
    """A limit was reached and reported: nothing more is elaborated. Never leaves this package."""


class Frame:
    """Where a stage is elaborated: what its names mean there."""

    __slots__ = ("calls", "defaults", "env", "labels", "namer", "names", "repeated", "unit")

    def __init__(
        self,
        build: Build,
        unit: Unit,
        defaults: Mapping[str, Mapping[str, Value]],
        env: dict[str, Value],
        labels: Labels,
        namer: Namer,
        calls: tuple[tuple[str, Span], ...] = (),
        repeated: bool = False,
    ) -> None:
        self.unit = unit
        self.defaults = defaults
        self.env = env
        self.labels = labels
        self.namer = namer
        self.calls = calls
        self.repeated = repeated
        self.names = Names(env, self._missing(build), build.report)

    def _missing(self, build: Build) -> Callable[[Name | Call | StageValue], Value]:
        return lambda expression: build.missing(expression, self)

    def nested(self, build: Build, **bindings: Value) -> Frame:
        """The same place with labels of its own, numbered names and more bindings: one turn of a repetition."""
        env = {**self.env, **bindings} if bindings else self.env
        return Frame(build, self.unit, self.defaults, env, Labels(self.labels), self.namer, self.calls, True)

    def named(self, build: Build, namer: Namer) -> Frame:
        """The same place, naming its nodes with another namer."""
        return Frame(build, self.unit, self.defaults, self.env, self.labels, namer, self.calls)


Rule = Callable[["Build", Any, int, Frame, "str | None"], int]


class Build:
    """The state of one elaboration."""

    def __init__(
        self, limits: Limits, settings: Mapping[str, Value], rules: Mapping[type, Rule], classes: int | None
    ) -> None:
        self.limits = limits
        self.settings = settings
        self.rules = rules
        self.classes = classes
        self.own_input: str | None = None
        self.missing: Callable[[Name | Call | StageValue, Frame], Value] = lambda expression, frame: UNKNOWN
        self.decide: Callable[[Choice, str | None], bool] | None = None
        self.nodes: list[Node] = []
        self.spans: list[Span] = []
        self.halvings: list[int] = []
        self.auxiliary: list[Auxiliary] = []
        self.scopes: list[Scope] = []
        self.trace: Trace = []
        self.diagnostics: list[Diagnostic] = []
        self.free: set[str] = set()
        self.asked: dict[str, int] = {}
        self.closing: frozenset[int] = frozenset()
        self.plans: dict[Any, Any] = {}
        self.made: dict[Any, Any] = {}
        self.folded: dict[int, Any] = {}
        self.misspelt: dict[str, bool] = {}
        self._reported: set[tuple[Any, ...]] = set()
        self._origins: dict[tuple[int, int], Origin] = {}
        self._steps = 0
        self._depth = 0

    # -- diagnostics

    def report(self, diagnostic: Diagnostic) -> None:
        """Keep a diagnostic; the same code at the same place is said once. The hundredth ends the elaboration."""
        span = diagnostic.span
        key = (diagnostic.code, diagnostic.message if span is None else (span.source.name, span.start, span.end))
        if key in self._reported:
            return
        self._reported.add(key)
        if len(self._reported) < MOST_DIAGNOSTICS:
            self.diagnostics.append(diagnostic)
            return
        more = Note(f"there may be more: only the first {MOST_DIAGNOSTICS} are shown")
        self.diagnostics.append(diagnostic.replace(notes=(*diagnostic.notes, more)))
        raise Aborted

    def error(self, code: str, message: str, span: Span | None, frame: Frame | None = None, **rest: Any) -> int:
        """Report an error, with the calls that led to it; the value is gone."""
        notes = tuple(rest.pop("notes", ()))
        if frame is not None:
            notes += tuple(Note(f"in {name}, used here", at) for name, at in reversed(frame.calls[-3:]))
        self.report(Diagnostic(code, Severity.ERROR, message, span, notes=notes, **rest))
        return NOWHERE

    def abort(self, code: str, message: str, span: Span, option: str | None) -> Aborted:
        """Report that a limit is reached, one that an option raises or none does; to be raised."""
        advice = (
            f"if it is meant, raise the limit with {option}" if option else "nest less: no option raises this limit"
        )
        self.error(code, message, span, help=advice)
        return Aborted()

    def chain(self, x: int) -> tuple[str, ...]:
        """The way of the shapes that led to a value, oldest first, six at most."""
        links: list[str] = []
        while x > NOWHERE and len(links) < 6:
            node = self.nodes[x]
            links.append(f"{node.name} {node.shape}")
            x = node.inputs[0] if node.inputs else NOWHERE
        if x > NOWHERE:
            links[-1] = f"{self.nodes[0].name} {self.nodes[0].shape}"
            links.insert(-1, "...")
        return tuple(reversed(links))

    # -- growing

    def add(self, op: Op, inputs: tuple[int, ...], shape: Shape, name: str, span: Span, halves: bool = False) -> int:
        """Append a node; its index is its value."""
        index = len(self.nodes)
        if index > self.limits.max_layers:
            raise self.abort(
                "CNN006", f"the network has more than {self.limits.max_layers:,} layers", span, "--max-layers"
            )
        self.nodes.append(Node(name, op, inputs, shape, self.origin(span)))
        self.spans.append(span)
        before = max([self.halvings[i] for i in inputs]) if inputs else 0
        self.halvings.append(before + halves)
        self.trace.append(index)
        return index

    def origin(self, span: Span) -> Origin:
        key = (id(span.source), span.start)
        origin = self._origins.get(key)
        if origin is None:
            origin = self._origins[key] = Origin(span.source.name, *span.source.position(span.start))
        return origin

    def spend(self, steps: int, span: Span) -> None:
        """Count work against its limit: a step is some microseconds, and what takes longer counts as several."""
        self._steps += steps
        if self._steps > self.limits.max_steps:
            raise self.abort(
                "CNN008", f"expansion takes more than {self.limits.max_steps:,} steps", span, "--max-steps"
            )

    def stage(self, stage: Stage, x: int, frame: Frame, label: str | None = None) -> int:
        """Elaborate a stage on value `x`; the value it leaves. Arithmetic in it takes time by its length."""
        self._steps += 1 + (stage.span.end - stage.span.start) // CHARACTERS_PER_STEP
        if self._steps > self.limits.max_steps:
            self.spend(0, stage.span)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self.abort("CNN007", f"stages nest more than {MAX_DEPTH} deep", stage.span, None)
        value = self.rules[type(stage)](self, stage, x, frame, label)
        self._depth -= 1
        return value

    def traced(self, stage: Stage, x: int, frame: Frame) -> tuple[int, Trace]:
        """Elaborate a branch with a trace of its own."""
        outer, self.trace = self.trace, []
        value = self.stage(stage, x, frame)
        inner, self.trace = self.trace, outer
        return value, inner


CHARACTERS_PER_STEP: Final = 32
"""The length of a text whose evaluation takes about as long as a step."""

MOST_DIAGNOSTICS: Final = 100
"""After so many, the rest of a spec is not looked at."""

MAX_DEPTH: Final = 1500
"""Stages within stages, through definitions too: what Python's stack, raised for the purpose, holds with ease."""
