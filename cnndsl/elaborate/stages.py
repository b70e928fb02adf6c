"""One rule a form of stage: what it makes of the value that comes in."""

from __future__ import annotations

from typing import Final

from ..arithmetic import UNKNOWN, Value, condition, error, evaluate, is_number, shown, whole
from ..ops.parameters import Parameters
from ..record import Record
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
    List,
    Loop,
    Name,
    Pipeline,
    Range,
    Reference,
    Repeat,
    Shaped,
    Stage,
)
from .branches import branching
from .build import MOST_DIAGNOSTICS, NOWHERE, Build, Frame, Jump, Rule
from .calls import call, use_closure
from .layers import apply_builtin
from .names import labels_in
from .resolve import Builtin, Closure, closest, meaning, stage_names, unknown_layer
from .scopes import open_scope
from .units import Definition


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
                "CNN018", f"{stage.name} is {'the number ' * is_number(found)}{shown(found)}, not a stage", stage.name_span,
                frame,
                help="a width follows a layer that takes one and has none yet: CONV3-w",
            )  # fmt: skip
    return NOWHERE


class Folded(Record):
    """A pipeline with the names that are widths taken into their layers."""

    stages: tuple[Stage, ...]


def pipeline(build: Build, stage: Pipeline, x: int, frame: Frame, label: str | None) -> int:
    if label is not None:
        with open_scope(build, frame, label, label, label, labels_in(stage)) as inside:
            inside.repeated = frame.repeated
            return pipeline(build, stage, x, inside, None)
    for part in _folded(build, stage, frame):
        x = build.stage(part, x, frame)
    return x


def _folded(build: Build, stage: Pipeline, frame: Frame) -> tuple[Stage, ...]:
    """The stages of a pipeline, `CONV1-w` made one where `w` is no stage there."""
    candidates = build.folded.get(id(stage))
    if candidates is None:
        stages = stage.stages
        candidates = [
            i
            for i in range(1, len(stages))
            if (bare := _bare(stages[i])) is not None and _takes_width(build, stages[i - 1], bare)
        ]
        build.folded[id(stage)] = candidates
    widths = (
        tuple(i for i in candidates if _is_width(build, stage.stages[i - 1], stage.stages[i], frame))
        if candidates
        else ()
    )
    if not widths:
        return stage.stages
    key = (id(stage), widths)
    known = build.plans.get(key)
    if known is None:
        stages_list: list[Stage] = []
        for i, part in enumerate(stage.stages):
            if i in widths:
                stages_list[-1] = _join(stages_list[-1], part)
            else:
                stages_list.append(part)
        known = build.plans[key] = Folded(tuple(stages_list))
    result: Folded = known
    return result.stages


def _bare(stage: Stage) -> Layer | None:
    """The name that may be a width, perhaps with a stride and arguments, below suffixes: `w`, `w/2(pad=0)`, `w*3`."""
    while isinstance(stage, Repeat | Loop | Choice | Shaped):
        stage = stage.stage
    plain = isinstance(stage, Layer) and stage.kernel is None and stage.width is None
    return stage if plain and isinstance(stage, Layer) and stage.branches is None else None


def _takes_width(build: Build, stage: Stage, bare: Layer) -> bool:
    while isinstance(stage, Labelled):
        stage = stage.stage
    return (
        isinstance(stage, Layer)
        and stage.width is None
        and stage.arguments is None
        and stage.branches is None
        and (stage.stride is None or bare.stride is None)
    )


def _is_width(build: Build, before: Stage, after: Stage, frame: Frame) -> bool:
    while isinstance(before, Labelled):
        before = before.stage
    bare = _bare(after)
    assert isinstance(before, Layer) and bare is not None
    value = meaning(build, bare.name, frame)
    if is_number(value) or value is UNKNOWN:
        return True
    if value is not None:
        return False
    kind = _kind(build, before, frame)
    if kind is None or "width" not in kind.fields:
        return False
    return len(bare.name) < 3 or not _misspelt(build, bare.name.rstrip("0123456789"), frame)


def _misspelt(build: Build, name: str, frame: Frame) -> bool:
    """Whether a name that means nothing looks like a stage's. After as many as are reported it no longer matters."""
    known = build.misspelt.get(name)
    if known is None:
        enough = len(build.misspelt) > 2 * MOST_DIAGNOSTICS
        known = build.misspelt[name] = not enough and closest(name, stage_names(frame)) is not None
    return known


def _kind(build: Build, stage: Layer, frame: Frame) -> type[Parameters] | None:
    found = meaning(build, stage.name, frame)
    return found.kind if isinstance(found, Builtin) else None


def _join(before: Stage, after: Stage) -> Stage:
    """`before` with the width that `after` names; the suffixes of `after` around it."""
    if isinstance(before, Labelled):
        return before.replace(stage=_join(before.stage, after), span=before.span.to(after.span))
    if not isinstance(after, Layer):
        assert isinstance(after, Repeat | Loop | Choice | Shaped)
        return after.replace(stage=_join(before, after.stage), span=before.span.to(after.span))
    assert isinstance(before, Layer)
    width = Name(after.name_span, after.name)
    return before.replace(
        width=width, stride=after.stride or before.stride, arguments=after.arguments, span=before.span.to(after.span)
    )


def group(build: Build, stage: Group, x: int, frame: Frame, label: str | None) -> int:
    return build.stage(stage.stage, x, frame, label)


def repeat(build: Build, stage: Repeat, x: int, frame: Frame, label: str | None) -> int:
    count = whole(stage.count, frame.names, "a repeat")
    if count is UNKNOWN:
        build.stage(stage.stage, x, frame.nested(build))
        return NOWHERE
    if count < 0:
        return build.error("CNN012", "a repeat cannot be negative", stage.count.span, frame, found=str(count))
    turns: list[dict[str, Value]] = [{}]
    if not _within(build, stage, count):
        return NOWHERE
    return _turns(build, stage.stage, turns * int(count), x, frame, label, stage)


def _within(build: Build, stage: Repeat | Loop, count: int) -> bool:
    if count <= build.limits.max_layers:
        return True
    build.error(
        "CNN006", f"{shown(count)[:40]} repetitions are more than {build.limits.max_layers:,} layers", stage.span,
        help="if it is meant, raise the limit with --max-layers",
    )  # fmt: skip
    return False


def _turns(
    build: Build,
    body: Stage,
    turns: list[dict[str, Value]],
    x: int,
    frame: Frame,
    label: str | None,
    stage: Repeat | Loop,
) -> int:
    """Elaborate `body` once a turn, with the turn's bindings."""
    if label is not None:
        with open_scope(build, frame, label, label, label, labels_in(stage)) as inside:
            return _turns(build, body, turns, x, inside, None, stage)
    shared = None if _has_labels(build, body) or any(turns) else frame.nested(build)
    for bindings in turns:
        x = build.stage(body, x, shared or frame.nested(build, **bindings))
        if x == NOWHERE:
            break
    return x


def _has_labels(build: Build, body: Stage) -> bool:
    key = ("labels", id(body))
    if key not in build.plans:
        build.plans[key] = bool(labels_in(body))
    return bool(build.plans[key])


def loop(build: Build, stage: Loop, x: int, frame: Frame, label: str | None) -> int:
    turns = _bindings(build, stage, frame)
    if turns is None:
        unknown = dict.fromkeys(stage.targets, UNKNOWN)
        build.stage(stage.stage, x, frame.nested(build, **unknown))
        return NOWHERE
    return _turns(build, stage.stage, turns, x, frame, label, stage)


def _bindings(build: Build, stage: Loop, frame: Frame) -> list[dict[str, Value]] | None:
    if isinstance(stage.over, Range):
        first = whole(stage.over.first, frame.names, "a range's start")
        last = whole(stage.over.last, frame.names, "a range's end")
        if first is UNKNOWN or last is UNKNOWN or not _within(build, stage, last - first + 1):
            return None
        if len(stage.targets) != 1:
            build.error("CNN017", "a range binds one name", stage.over.span, frame, found=", ".join(stage.targets))
            return None
        return [{stage.targets[0]: i} for i in range(first, last + 1)]
    return _listed(build, stage, stage.over, frame)


def _listed(build: Build, stage: Loop, over: List, frame: Frame) -> list[dict[str, Value]] | None:
    turns: list[dict[str, Value]] = []
    failed = False
    for item in over.items:
        value = evaluate(item, frame.names)
        values = value if isinstance(value, tuple) and len(stage.targets) > 1 else (value,)
        if value is UNKNOWN:
            failed = True
        elif len(values) != len(stage.targets):
            names = ", ".join(stage.targets)
            build.error(
                "CNN017", f"{len(values)} value{'s' * (len(values) != 1)} for {len(stage.targets)} names", item.span, frame,
                expected=names, found=item.span.text[:60],
            )  # fmt: skip
            failed = True
        else:
            turns.append(dict(zip(stage.targets, values, strict=True)))
    return None if failed else turns


def choice(build: Build, stage: Choice, x: int, frame: Frame, label: str | None) -> int:
    if label is None or _chosen(build, stage, label):
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
            chain=build.chain(x), help=f"write => {found} if that is meant",
        )  # fmt: skip
    return x


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
            help=advice or "a label is seen after it, in the definition or repetition that holds it",
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
