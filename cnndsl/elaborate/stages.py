"""One rule a form of stage: what it makes of the value that comes in."""

from __future__ import annotations

from typing import Final

from ..arithmetic import UNKNOWN, Value, condition, error, is_number, shown, whole
from ..reserved import RESERVED
from ..shape import LARGEST_DIMENSION, Shape, symbols
from ..symbolic import Symbolic
from ..syntax import (
    Choice,
    Conditional,
    Dimensions,
    Group,
    Labelled,
    Layer,
    Loop,
    Pipeline,
    Reference,
    Repeat,
    Shaped,
)
from .branches import branching
from .build import NOWHERE, Build, Frame, Jump, Rule
from .calls import call, use_closure
from .layers import apply_builtin
from .names import labels_in
from .repeats import loop, repeat
from .resolve import Builtin, Closure, closest, meaning, unknown_layer
from .scopes import open_scope
from .units import Definition
from .widths import folded


def layer(build: Build, stage: Layer, x: int, frame: Frame, label: str | None) -> int:
    found = meaning(build, stage.name, frame)
    match found:
        case Builtin(kind=None, name=name):
            return branching(build, stage, name, x, frame, label)
        case Builtin():
            return apply_builtin(build, stage, found, x, frame, label)
        case Definition():
            return call(build, found, stage, x, frame, label)
        case Closure():
            return use_closure(build, found, stage, x, frame, label)
        case None:
            unknown_layer(build, stage, frame)
        case _ if found is not UNKNOWN:
            build.error(
                "CNN018",
                f"{stage.name} is {'the number ' * is_number(found)}{shown(found)[:40]}, not a stage",
                stage.name_span, frame,
                help="a width follows a layer that takes one and has none yet: CONV3-w",
            )  # fmt: skip
    return NOWHERE


def pipeline(build: Build, stage: Pipeline, x: int, frame: Frame, label: str | None) -> int:
    if label is not None:
        with open_scope(build, frame, label, label, label, labels_in(stage)) as inside:
            inside.repeated = frame.repeated
            return pipeline(build, stage, x, inside, None)
    for part in folded(build, stage, frame):
        x = build.stage(part, x, frame)
    return x


def group(build: Build, stage: Group, x: int, frame: Frame, label: str | None) -> int:
    return build.stage(stage.stage, x, frame, label)


def choice(build: Build, stage: Choice, x: int, frame: Frame, label: str | None) -> int:
    present = build.decide(stage, label) if build.decide else label is None or _chosen(build, stage, label)
    if present:
        return build.stage(stage.stage, x, frame, label)
    return x


def _chosen(build: Build, stage: Choice, label: str) -> bool:
    """Whether an optional stage is there: as `--set label=on|off|on,off,...` says, else yes."""
    turn = build.asked[label] = build.asked.get(label, 0) + 1
    setting = build.settings.get(label, True)
    values = setting if isinstance(setting, tuple) else (setting,)
    if not all(isinstance(value, bool) for value in values):
        build.error(
            "CNN014", f"{label} is a choice", stage.span, expected="on or off, or a list of them", found=shown(setting)
        )
        return True
    if len(values) == 1:
        return bool(values[0])
    return bool(values[turn - 1]) if turn <= len(values) else True


def shaped(build: Build, stage: Shaped, x: int, frame: Frame, label: str | None) -> int:
    x = build.stage(stage.stage, x, frame, label)
    wanted = _wanted(build, stage.shape, frame)
    if x == NOWHERE or wanted is None:
        return x
    found = build.nodes[x].shape
    sizes = (found.channels, *found.spatial)
    if len(sizes) != len(wanted) or any(
        want is not None and want != size for want, size in zip(wanted, sizes, strict=True)
    ):
        build.error(
            "CNN110", "the shape here is not the one asserted", stage.shape.span, frame,
            expected="x".join("?" if want is None else str(want) for want in wanted), found=str(found),
            chain=build.chain(x), help=_advice(build, found),
        )  # fmt: skip
    return x


def _advice(build: Build, found: Shape) -> str:
    if build.own_input is None:
        return f"write => {found} if that is meant"
    return f"it is the shape for the spec's own input, {build.own_input}: leave --input out, or the `=>`"


def _wanted(build: Build, dimensions: Dimensions, frame: Frame) -> list[int | None] | None:
    sizes = [None if size is None else whole(size, frame.names, "a size") for size in dimensions.sizes]
    return None if UNKNOWN in sizes else sizes


def labelled(build: Build, stage: Labelled, x: int, frame: Frame, label: str | None) -> int:
    name = stage.label
    table = frame.labels.find(name)
    if table is not None:
        build.error(
            "CNN021", f"the label {name} is taken", stage.label_span, frame, help="a label is used once where it is seen",
        )  # fmt: skip
    elif name in RESERVED or name in ("input", "output") or name.startswith("_"):
        build.error(
            "CNN016", f"{name} cannot be a label: modules and files use that name themselves", stage.label_span, frame
        )
    value = build.stage(stage.stage, x, frame, name)
    frame.labels.values[name] = value
    frame.labels.spans[name] = stage.label_span
    return value


def reference(build: Build, stage: Reference, x: int, frame: Frame, label: str | None) -> int:
    table = frame.labels.find(stage.label)
    if table is None:
        seen = frame.labels.seen()
        near = closest(stage.label, seen)
        advice = f"did you mean @{near}?" if near else f"seen here: {', '.join(seen)}" if seen else None
        return build.error(
            "CNN022", f"no label {stage.label} is seen here", stage.span, frame,
            help=advice or "a label is seen after its stage, in the definition or repetition that holds it",
        )  # fmt: skip
    target = table.values[stage.label]
    if target > NOWHERE:
        build.trace.append(Jump(target))
    return target


def conditional(build: Build, stage: Conditional, x: int, frame: Frame, label: str | None) -> int:
    chosen = condition(stage.condition, frame.names)
    if chosen is UNKNOWN:
        return NOWHERE
    return build.stage(stage.then if chosen else stage.otherwise, x, frame, label)


def input_shape(build: Build, dimensions: Dimensions, frame: Frame) -> Shape | None:
    """The shape that an `input` statement declares; None after a report."""
    sizes = dimensions.sizes
    if not 1 <= len(sizes) <= 4:
        build.error(
            "CNN012",
            "an input has one to four sizes",
            dimensions.span,
            expected="C, CxL, CxHxW or CxDxHxW",
            found=str(len(sizes)),
        )
        return None
    if sizes[0] is None:
        build.error(
            "CNN012", "the number of channels must be known", dimensions.span, help="only spatial sizes can be `?`"
        )
        return None
    values: list[Value] = [None if size is None else whole(size, frame.names, "a size") for size in sizes]
    for size, value in zip(sizes, values, strict=True):
        if size is not None and value is not UNKNOWN and not 1 <= value <= LARGEST_DIMENSION:
            build.report(error("CNN012", "a size must be from 1 to 2147483647", size.span, found=shown(value)[:40]))
            return None
    if UNKNOWN in values:
        return None
    axes = symbols(len(values) - 1)
    spatial = tuple(Symbolic(axes[i]) if size is None else size for i, size in enumerate(values[1:]))
    return Shape(values[0], spatial)


RULES: Final[dict[type, Rule]] = {
    Layer: layer,
    Pipeline: pipeline,
    Group: group,
    Repeat: repeat,
    Loop: loop,
    Choice: choice,
    Shaped: shaped,
    Labelled: labelled,
    Reference: reference,
    Conditional: conditional,
}
