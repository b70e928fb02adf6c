"""Syntax to graph: names, parameters, definitions, repeats and defaults resolved, shapes inferred on the way."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..arithmetic import Value
from ..diagnostics import Diagnostic, Note
from ..ir import Graph
from ..limits import DEFAULT_LIMITS, Limits
from ..ops.combine import Input as InputOp
from ..record import Record
from ..shape import Shape
from ..source import Source, Span
from ..syntax import Dimensions, File, Layer, Stage
from .build import MAX_DEPTH, NOWHERE, Aborted, Branches, Build, Frame, Jump, Side, Trace
from .names import Labels, Namer, before_last, labels_in, last_layers
from .resolve import builtin, closest, missing
from .stages import RULES, input_shape
from .statements import Loader, Parse
from .units import Library, Missing, Unit, project_root

__all__ = [
    "Branches", "Elaborated", "Jump", "Library", "Missing", "Request", "Side", "Trace", "Unit", "closing", "deep_stack",
    "elaborate", "project_root",
]  # fmt: skip


class Request(Record):
    """What is asked of a spec from outside.

    `settings` are the values of parameters, free names and choices; `input` replaces the spec's; `classes` is
    the setting of that name; `path` is the spec's own, None for text without a place. With `first_members` a parameter
    without a default takes the first value of its domain, as the linter wants it.
    """

    settings: Mapping[str, Value]
    input: Dimensions | None = None
    path: Path | None = None
    limits: Limits = DEFAULT_LIMITS
    first_members: bool = False


class Elaborated(Record):
    """A graph, or None where an error stands in its way; every diagnostic; and what later stages point back to.

    `spans` has one entry a node; `trace` is the structure for `expand`; `unit` is the file, with its assertions.
    """

    graph: Graph | None
    diagnostics: tuple[Diagnostic, ...]
    spans: tuple[Span, ...]
    trace: Trace
    unit: Unit | None = None


def elaborate(
    file: File, request: Request, library: Library, parse: Parse, read: Callable[[Path], Source | Missing]
) -> Elaborated:
    """The network that a file describes; `parse` and `read` serve `use`."""
    build = Build(request.limits, request.settings, RULES, None)
    build.missing = lambda expression, frame: missing(build, expression, frame)
    unit = None
    graph = None
    with deep_stack():
        try:
            loader = Loader(build, library, parse, read, request.first_members)
            if request.path is not None:
                loader.units[request.path.resolve()] = None
            unit = loader.unit(file, request.path, main=True)
            graph = _network(build, loader, unit, request)
        except Aborted:
            graph = None
        except RecursionError:
            advice = "use definitions, or set --max-nesting lower"
            build.error("CNN005", "this is nested too deep", Span(file.source, 0, 0), help=advice)
    ordered = tuple(sorted(build.diagnostics, key=_place))
    return Elaborated(graph, ordered, tuple(build.spans), build.trace, unit)


def _place(diagnostic: Diagnostic) -> tuple[str, int, str]:
    span = diagnostic.span
    return ("", -1, diagnostic.code) if span is None else (span.source.name, span.start, diagnostic.code)


@contextmanager
def deep_stack() -> Iterator[None]:
    """Room for `MAX_DEPTH` stages within stages, six calls each; Python's own frames need no C stack."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 8 * MAX_DEPTH))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _network(build: Build, loader: Loader, unit: Unit, request: Request) -> Graph | None:
    if len(unit.nets) != 1:
        _no_single_net(build, unit)
        return None
    net, defaults = unit.nets[0]
    classes = unit.values.get("classes")
    build.classes = classes if isinstance(classes, int) else None
    frame = Frame(build, unit, defaults, dict(unit.values), Labels(), Namer("", labels_in(net.body)))
    x = _input(build, loader, unit, request)
    if x > NOWHERE:
        frame.env["cin"] = build.nodes[x].shape.channels
    build.closing = closing(net.body)
    x = build.stage(net.body, x, frame)
    _unused_settings(build, unit, frame)
    preprocess = None
    if unit.preprocess is not None:
        from .preprocessing import contract

        preprocess = contract(build, loader, unit, unit.preprocess, x)
    if x == NOWHERE or build.diagnostics:
        return None
    name = net.name or "Net"
    return Graph(
        name, tuple(build.nodes), x, tuple(build.auxiliary), tuple(build.scopes), build.classes, preprocess
    )  # fmt: skip


def _no_single_net(build: Build, unit: Unit) -> None:
    if not unit.nets:
        start = Span(unit.source, 0, 0)
        build.error(
            "CNN024",
            "there is no network here",
            start,
            help="write `net Name = CONV3-64 - RELU - ...`, or the stages alone",
        )
        return
    second, first = unit.nets[1][0], unit.nets[0][0]
    build.error(
        "CNN024", "a file holds one network", second.span, notes=[Note("the first is here", first.span)],
        help="use `def` for its parts; a line goes on where it ends, or the next begins, with a joiner",
    )  # fmt: skip


def closing(body: Stage) -> frozenset[int]:
    """The layers, by identity, that end the network: the last, and an FC before a last SOFTMAX."""
    last = last_layers(body)
    found = {id(layer) for layer in last}
    if any(_names(layer, "SOFTMAX") for layer in last):
        before = before_last(body)
        found |= {id(layer) for layer in last_layers(before) if _names(layer, "FC")} if before is not None else set()
    return frozenset(found)


def _names(layer: Layer, name: str) -> bool:
    known = builtin(layer.name)
    return known is not None and known.name == name


def _input(build: Build, loader: Loader, unit: Unit, request: Request) -> int:
    dimensions = request.input or (unit.input.shape if unit.input else None)
    if dimensions is None:
        build.error(
            "CNN026", "the input's shape is not known", Span(unit.source, 0, 0),
            help="write `input 3x32x32` in the spec, or give --input 3x32x32",
        )  # fmt: skip
        return NOWHERE
    if request.input and unit.input and request.input != unit.input.shape:
        build.own_input = unit.input.shape.span.text
    shape: Shape | None = input_shape(build, dimensions, loader.frame(unit))
    if shape is None:
        return NOWHERE
    x = build.add(InputOp(), (), shape, "input", unit.input.span if unit.input else Span(unit.source, 0, 0))
    build.trace.clear()
    return x


def _unused_settings(build: Build, unit: Unit, frame: Frame) -> None:
    """Report what was set and is neither a parameter, nor a free name that the spec uses, nor a choice."""
    words = set(re.findall(r"\w+", unit.source.text))
    for name, value in build.settings.items():
        turns = build.asked.get(name)
        if isinstance(value, tuple) and turns is not None and len(value) not in (1, turns):
            build.error("CNN015", f"{name} is set {len(value)} times and asked {turns} time{'s' * (turns != 1)}", None)
        if name in unit.params or turns is not None or name == "classes" or name in words or unit.incomplete:
            continue
        near = closest(name, [*unit.params, *build.asked])
        known = ", ".join([*unit.params, *build.asked])
        build.error(
            "CNN015", f"the spec has no parameter, free name or choice {name}", None,
            help=f"did you mean {near}?" if near else f"it has {known}" if known else None,
        )  # fmt: skip
