"""Repetitions: `stage*n` and `stage for ... in ...`, one turn after the other."""

from __future__ import annotations

from typing import Final

from ..arithmetic import UNKNOWN, Value, evaluate, shown, whole
from ..syntax import List, Loop, Range, Repeat, Stage
from .build import NOWHERE, Build, Frame
from .names import labels_in
from .scopes import open_scope

TURN_STEPS: Final = 4
"""What a turn of a loop costs more than a stage does, in steps."""


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
        if bindings:
            build.spend(TURN_STEPS, stage.span)
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
