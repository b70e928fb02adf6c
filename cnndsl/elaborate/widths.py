"""Widths by name: whether the `w` of `CONV1-w` is a number, which only the place can tell, and the two made one layer."""

from __future__ import annotations

from ..arithmetic import UNKNOWN, is_number
from ..ops.parameters import Parameters
from ..record import Record
from ..syntax import Choice, Labelled, Layer, Loop, Name, Pipeline, Repeat, Shaped, Stage
from .build import MOST_DIAGNOSTICS, Build, Frame
from .resolve import Builtin, closest, meaning, stage_names


class Folded(Record):
    """A pipeline with the names that are widths taken into their layers."""

    stages: tuple[Stage, ...]


def folded(build: Build, stage: Pipeline, frame: Frame) -> tuple[Stage, ...]:
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
        taken = frozenset(widths)
        for i, part in enumerate(stage.stages):
            if i in taken:
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
    if any(bare.name in targets for targets in _targets(after)):
        return True
    kind = _kind(build, before, frame)
    if kind is None or "width" not in kind.fields:
        return False
    stem = bare.name.rstrip("0123456789_")
    if frame.unit.may_declare(bare.name):
        return len(stem) < 3 and stem.islower()  # else rather a definition
    return len(stem) < 3 or not _misspelt(build, stem, frame)


def _targets(stage: Stage) -> list[tuple[str, ...]]:
    """The names that loops around a bare name bind: `CONV1-w for w in [8, 16]`."""
    found: list[tuple[str, ...]] = []
    while isinstance(stage, Repeat | Loop | Choice | Shaped):
        if isinstance(stage, Loop):
            found.append(stage.targets)
        stage = stage.stage
    return found


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
