"""Branching combinators: CONCAT, ADD, MUL, MEAN, MAX, SPLIT, RES, AUX."""

from __future__ import annotations

from typing import Final

from ..arithmetic import UNKNOWN, Value, number, whole
from ..diagnostics import Note
from ..ir import Auxiliary
from ..ops.base import Op, Problem
from ..ops.combine import Add, Concat, Max, Mean, Mul
from ..ops.reshape import Slice
from ..syntax import Argument, Layer, Stage
from .build import NOWHERE, Branches, Build, Frame, Side, Trace
from .scopes import open_scope

MERGES: Final[dict[str, Op]] = {
    "CONCAT": Concat(), "ADD": Add(), "MUL": Mul(), "MEAN": Mean(), "MAX": Max(), "RES": Add(), "SPLIT": Concat(),
}  # fmt: skip
_FEWEST: Final = {"RES": 1, "AUX": 1}
_COUNTS: Final = {"RES": "one or two branches", "AUX": "one branch"}
_MOST: Final = {"RES": 2, "AUX": 1}
AUX_WEIGHT: Final = 0.3
"""The weight of a side output's loss, where none is given (GoogLeNet, Szegedy et al. 2014)."""


def branching(build: Build, layer: Layer, name: str, x: int, frame: Frame, label: str | None) -> int:
    """Elaborate a combinator on value `x`."""
    branches = layer.branches
    example = f"{name}[ a | b ]" if name not in _MOST else f"{name}[ f ]"
    if branches is None:
        return build.error("CNN018", f"{name} needs branches", layer.span, frame, help=f"write {example}")
    if not _FEWEST.get(name, 2) <= len(branches) <= _MOST.get(name, len(branches)):
        message = f"{name} takes {_COUNTS.get(name, 'two or more branches')}"
        return build.error("CNN017", message, layer.span, frame, found=str(len(branches)), help=f"write {example}")
    for field, value in (("kernel", layer.kernel), ("width", layer.width), ("stride", layer.stride)):
        if value is not None:
            return build.error("CNN012", f"{name} takes no {field}", value.span, frame)
    if name == "AUX":
        return _aux(build, layer, branches[0], x, frame, label)
    if name == "SPLIT":
        return _split(build, layer, branches, x, frame, label)
    if layer.arguments:
        return build.error("CNN011", f"{name} takes no arguments", layer.arguments[0].span, frame)
    ends = [build.traced(branch, x, frame) for branch in branches]
    if name == "RES" and len(branches) == 1:
        ends.append((x, []))
    return _merge(build, layer, name, ends, branches, frame, label)


def _merge(
    build: Build,
    layer: Layer,
    name: str,
    ends: list[tuple[int, Trace]],
    branches: tuple[Stage, ...],
    frame: Frame,
    label: str | None,
) -> int:
    values = tuple(value for value, _ in ends)
    if NOWHERE in values:
        return NOWHERE
    op = MERGES[name]
    shape = op.infer(tuple(build.nodes[value].shape for value in values))
    if isinstance(shape, Problem):
        notes = [
            Note(f"this branch gives {build.nodes[value].shape}", branch.span)
            for value, branch in zip(values, branches, strict=False)
        ]
        if len(branches) < len(values):
            notes.append(Note(f"what comes in is {build.nodes[values[-1]].shape}"))
        return build.error(
            shape.code, shape.message.replace(type(op).__name__.upper(), name), layer.name_span, frame,
            expected=shape.expected, found=shape.found, help=_shortcut(build, name, values, branches) or shape.help,
            notes=notes,
            chain=max((build.chain(value) for value in values), key=len),
        )  # fmt: skip
    base = {"RES": "add", "SPLIT": "concat"}.get(name, name.lower())
    node_name = frame.namer.labelled(label, frame.repeated) if label else frame.namer.numbered(base)
    node = build.add(op, values, shape, node_name, layer.span)
    build.trace[-1] = Branches(node, tuple(trace for _, trace in ends))
    return node


def _shortcut(build: Build, name: str, values: tuple[int, ...], branches: tuple[Stage, ...]) -> str | None:
    """The shortcut that would make a RES without one meet, where a 1x1 convolution does."""
    if name != "RES" or len(branches) != 1:
        return None
    made, came = (build.nodes[value].shape for value in values)
    if made.rank != came.rank or not made.rank or not isinstance(made.channels, int):
        return "the branch must keep the shape, or the shortcut be a branch of its own: RES[ f | shortcut ]"
    strides = {
        -(-n // m) for m, n in zip(made.spatial, came.spatial, strict=True) if isinstance(m, int) and isinstance(n, int)
    }
    stride = strides.pop() if len(strides) == 1 else 1
    fits = all(
        isinstance(n, int) and (n - 1) // stride + 1 == m for m, n in zip(made.spatial, came.spatial, strict=True)
    )
    if not fits and made.spatial != came.spatial:
        return "the branch must keep the resolution, or the shortcut reduce it too: RES[ f | shortcut ]"
    return (
        f"give it a shortcut that does the same: RES[ f | CONV1-{made.channels}{f'/{stride}' if stride > 1 else ''} ]"
    )


def _split(build: Build, layer: Layer, branches: tuple[Stage, ...], x: int, frame: Frame, label: str | None) -> int:
    sizes = [_size(build, argument, frame) for argument in layer.arguments or ()]
    if UNKNOWN in sizes:
        return NOWHERE
    if sizes and len(sizes) != len(branches):
        return build.error(
            "CNN017", f"SPLIT has {len(sizes)} sizes for {len(branches)} branches", layer.span, frame,
            help="give one size a branch, or none for equal parts",
        )  # fmt: skip
    starts = _parts(build, layer, [int(size) for size in sizes], len(branches), x, frame) if x > NOWHERE else None
    ends: list[tuple[int, Trace]] = []
    for position, branch in enumerate(branches):
        outer, build.trace = build.trace, []
        part = NOWHERE if starts is None else _slice(build, layer, x, starts[position], starts[position + 1], frame)
        value = build.stage(branch, part, frame)
        inner, build.trace = build.trace, outer
        ends.append((value, inner))
    return _merge(build, layer, "SPLIT", ends, branches, frame, label)


def _size(build: Build, argument: Argument, frame: Frame) -> Value:
    if argument.name is not None:
        build.error(
            "CNN011", "SPLIT takes sizes without names", argument.span, frame, help="write SPLIT(256, 64)[ a | b ]"
        )
        return UNKNOWN
    size = whole(argument.value, frame.names, "a part of SPLIT")
    if size is not UNKNOWN and size < 1:
        build.error("CNN012", "a part of SPLIT must have a channel", argument.span, frame, found=str(size))
        return UNKNOWN
    return size


def _parts(build: Build, layer: Layer, sizes: list[int], count: int, x: int, frame: Frame) -> list[int] | None:
    """Where the parts begin, and the end; None after a report."""
    channels = build.nodes[x].shape.channels
    if not isinstance(channels, int):
        build.error("CNN106", "SPLIT needs a fixed number of channels", layer.name_span, frame, chain=build.chain(x))
        return None
    if not sizes and channels % count == 0:
        sizes = [channels // count] * count
    if sum(sizes) != channels:
        what = f"{' + '.join(map(str, sizes))} = {sum(sizes)}" if sizes else f"{count} equal parts"
        build.error(
            "CNN109", f"{channels} channels do not split into {what}", layer.name_span, frame, chain=build.chain(x),
            help="give the sizes, as in SPLIT(256, 64)[ a | b ], that add up to the channels that come in",
        )  # fmt: skip
        return None
    starts = [0]
    for size in sizes:
        starts.append(starts[-1] + size)
    return starts


def _slice(build: Build, layer: Layer, x: int, start: int, stop: int, frame: Frame) -> int:
    op = Slice(start, stop)
    shape = op.infer((build.nodes[x].shape,))
    assert not isinstance(shape, Problem)
    return build.add(op, (x,), shape, frame.namer.numbered("slice"), layer.span)


def _aux(build: Build, layer: Layer, head: Stage, x: int, frame: Frame, label: str | None) -> int:
    weight: object = AUX_WEIGHT
    for argument in layer.arguments or ():
        if argument.name not in (None, "weight"):
            build.error("CNN011", f"AUX has no argument {argument.name}", argument.span, frame, help="AUX takes weight")
            return x
        weight = number(argument.value, frame.names)
    if isinstance(weight, int | float) and weight < 0:
        build.error("CNN012", "the weight of AUX must not be negative", layer.span, frame, found=str(weight))
    with open_scope(build, frame, label, "head", "AUX") as inside:
        end, trace = build.traced(head, x, inside)
    if end > NOWHERE and isinstance(weight, int | float):
        if end == x:
            build.error(
                "CNN012", "AUX needs a head of its own", layer.span, frame, help="write AUX(weight=0.3)[ GAP - FC-10 ]"
            )
        build.auxiliary.append(Auxiliary(end, float(weight)))
        build.trace.append(Side(float(weight), trace))
    return x
