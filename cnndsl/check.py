"""What can only be said of the whole graph: the sizes that are valid, and the budgets that a spec asserts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from .arithmetic import UNKNOWN, Names, Value, condition, error, evaluate, is_number, shown
from .diagnostics import Diagnostic
from .elaborate.build import MOST_DIAGNOSTICS
from .elaborate.resolve import closest
from .elaborate.units import Unit
from .ir import Graph
from .source import Span
from .syntax import Assert, Binary, Call, Expression, Name, StageValue

METRICS: Final = ("params", "macs", "flops", "activations", "memory", "training_memory", "receptive_field", "layers")
"""What an `assert` can bound: counts, bytes and, for the receptive field, the smallest axis."""


def check(graph: Graph, spans: tuple[Span, ...], unit: Unit) -> list[Diagnostic]:
    """Diagnostics of a graph that elaborated without errors."""
    found: list[Diagnostic] = []
    if not graph.input_shape.fixed:
        found += _sizes(graph, spans)
    if not found:
        metrics = Metrics(graph, unit.values)
        for statement in unit.asserts:
            if len(found) < MOST_DIAGNOSTICS:
                found += _assertions(statement, metrics)
    return found


def _sizes(graph: Graph, spans: tuple[Span, ...]) -> list[Diagnostic]:
    from .analysis.sizes import valid_sizes

    return [
        error(
            problem.code,
            problem.message,
            spans[node],
            expected=problem.expected,
            found=problem.found,
            help=problem.help,
        )
        for node, problem in valid_sizes(graph).problems
    ]


OPEN: Final = "open"
"""The value of a metric that depends on the size of an open input."""


class Metrics(Mapping[str, Value]):
    """The parameters of a spec and the costs of its graph, each computed when first asked for."""

    def __init__(self, graph: Graph, values: Mapping[str, Value]) -> None:
        self._values = values
        self._graph = graph
        self._known: dict[str, Value] = {}

    def __getitem__(self, name: str) -> Value:
        if name in METRICS:
            if name not in self._known:
                measured = _MEASURES[name](self._graph)
                self._known[name] = OPEN if measured is None else measured
            return self._known[name]
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*METRICS, *self._values])

    def __len__(self) -> int:
        return len(METRICS) + len(self._values)


def _count(name: str) -> Callable[[Graph], Value]:
    def measure(graph: Graph) -> Value:
        from .analysis.costs import costs

        return getattr(costs(graph), name)

    return measure


def _memory(name: str) -> Callable[[Graph], Value]:
    def measure(graph: Graph) -> Value:
        from .analysis.memory import memory

        return getattr(memory(graph), name)

    return measure


def _receptive_field(graph: Graph) -> Value:
    """The smallest axis; None where it is not known."""
    from .analysis.receptive import receptive

    sizes = receptive(graph)[graph.output].size
    known = [size for size in sizes if size is not None]
    return min(known, default=None) if len(known) == len(sizes) else None


_MEASURES: Final[dict[str, Callable[[Graph], Value]]] = {
    **{name: _count(name) for name in ("params", "macs", "flops", "activations")},
    "memory": _memory("inference"),
    "training_memory": _memory("training"),
    "receptive_field": _receptive_field,
    "layers": lambda graph: len(graph.nodes) - 1,
}


def _assertions(statement: Assert, metrics: Metrics) -> list[Diagnostic]:
    found: list[Diagnostic] = []

    def missing(expression: Name | Call | StageValue) -> Value:
        named = isinstance(expression, Name)
        near = closest(expression.name, metrics) if isinstance(expression, Name) else None
        known = f"assert knows {', '.join(METRICS)} and the spec's parameters"
        advice = f"did you mean {near}?" if near else known
        message = f"{expression.span.text[:40]} has no value here" if named else "expected a number"
        found.append(error("CNN013" if named else "CNN019", message, expression.span, help=advice))
        return UNKNOWN

    names = Names(metrics, missing, found.append)
    for wanted in statement.conditions:
        if len(found) >= MOST_DIAGNOSTICS:
            break
        text, still_open = wanted.span.text, _unknown(wanted, metrics)
        if still_open:
            message = f"{still_open} depends on the size of the input, which is open"
            found.append(error("CNN106", message, wanted.span, help="give one: --input 3x224x224"))
        elif condition(wanted, names) is False:
            sides = _found(wanted, names)
            found.append(error("CNN201", "the assertion does not hold", wanted.span, expected=text, found=sides))
    return found


def _unknown(wanted: Expression, metrics: Metrics) -> str | None:
    """A metric in a condition that has no value for symbolic sizes."""
    waiting: list[object] = [wanted]
    while waiting:
        match waiting.pop():
            case Name(name=name) if name in METRICS and metrics[name] is OPEN:
                return name
            case Binary(left=left, right=right):
                waiting += [left, right]
            case _:
                pass
    return None


def _found(wanted: Expression, names: Names) -> str | None:
    """The values of the two sides of a comparison, thousands separated."""
    match wanted:
        case Binary(left=left, right=right):
            sides = [(side, evaluate(side, names)) for side in (left, right) if not _plain(side)]
            return ", ".join(f"{side.span.text} = {_grouped(value)}" for side, value in sides) or None
        case _:
            return None


def _plain(side: Expression) -> bool:
    from .syntax import Number

    return isinstance(side, Number)


def _grouped(value: Value) -> str:
    return f"{value:,}" if is_number(value) else shown(value)
