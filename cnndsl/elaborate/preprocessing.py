"""The `preprocess` statement: its steps read, and compared with the network that they lead to."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from ..arithmetic import UNKNOWN, Value, evaluate, is_number, shown
from ..diagnostics import Note
from ..preprocess import (
    BYTE,
    INTERPOLATIONS,
    LARGEST_CONSTANT,
    LAYOUTS,
    NORMALISATIONS,
    ORDERS,
    TYPES,
    Normalisation,
    Preprocess,
    Size,
    channels_of,
    order_of,
    reachable,
)
from ..record import Record
from ..shape import LARGEST_DIMENSION, Shape
from ..source import Span
from ..syntax import Argument, Expression, Name, Quoted, Step
from ..syntax import Preprocess as Statement
from .build import Build
from .fitting import fits
from .labels import class_labels
from .resolve import closest
from .statements import Loader
from .units import Unit

SIZE: Final = "a height and a width in pixels, as 224 or 224x200"
NUMBERS: Final = "a number, or one a channel"
NUMBER: Final = "a number above 0"

STEPS: Final[Mapping[str, Mapping[str, str | tuple[str, ...]]]] = {
    "image": {"order": ORDERS, "layout": LAYOUTS, "type": TYPES},
    "order": {"order": ORDERS},
    "resize": {"size": SIZE, "interpolation": INTERPOLATIONS},
    "crop": {"size": SIZE},
    "normalise": {"name": tuple(NORMALISATIONS), "mean": NUMBERS, "std": NUMBERS, "scale": NUMBER},
    "labels": {},
}
"""The steps in their order; of each, the values it takes: one of some words, or what the text says."""

_ELSEWHERE: Final = {
    "normalize": "normalise", "mean": "normalise", "std": "normalise", "centercrop": "crop", "center_crop": "crop",
    "centrecrop": "crop", "centre_crop": "crop", "grayscale": "order", "greyscale": "order", "grey": "order",
    "gray": "order", "rgb": "order", "bgr": "order", "scale": "resize", "classes": "labels", "totensor": "normalise",
    "to_tensor": "normalise",
}  # fmt: skip


class _Read(Record):
    """A step whose values are known: each with the place it stands at."""

    step: Step
    values: Mapping[str, Value]
    spans: Mapping[str, Span]


def contract(build: Build, loader: Loader, unit: Unit, statement: Statement, output: int) -> Preprocess | None:
    """What the statement of a file says; None where something is wrong, which is reported.

    `output` is the network's last value, NOWHERE where there is none; what only follows from that is not compared.
    """
    known = len(build.diagnostics)
    steps = _steps(build, loader, unit, statement)
    labels = class_labels(build, loader, unit, steps["labels"].step) if "labels" in steps else None
    if len(build.diagnostics) > known:
        return None
    entering = build.nodes[0].shape if build.nodes else None
    made = _made(build, statement, steps, entering)
    if made is None or entering is None:
        return None
    made = made.replace(labels=labels)
    spans = {name: read.step.span for name, read in steps.items()}
    return made if fits(build, made, statement, spans, output) else None


def _steps(build: Build, loader: Loader, unit: Unit, statement: Statement) -> dict[str, _Read]:
    """The steps by name; what is wrong with one by itself is reported."""
    found: dict[str, _Read] = {}
    for step in statement.steps:
        if step.name not in STEPS:
            near = _ELSEWHERE.get(step.name.lower()) or closest(step.name, STEPS)
            build.error(
                "CNN034", f"unknown step {step.name}", step.name_span, expected=", ".join(STEPS), found=step.name,
                help=f"did you mean {near}?" if near else None,
            )  # fmt: skip
            continue
        if found and not _follows(build, step, list(found.values())[-1].step):
            continue
        values, spans = ({}, {}) if step.name == "labels" else _values(build, loader, unit, step)
        found[step.name] = _Read(step, values, spans)
    return found


def _follows(build: Build, step: Step, last: Step) -> bool:
    """Whether a step may come after the one before it."""
    order = list(STEPS)
    if order.index(step.name) > order.index(last.name):
        return True
    message = f"{step.name} stands twice" if step.name == last.name else f"{step.name} comes before {last.name}"
    build.error(
        "CNN034", message, step.name_span, expected=f"the order {', '.join(order)}, each once",
        notes=[Note(f"{last.name} is here", last.name_span)],
    )  # fmt: skip
    return False


def _values(build: Build, loader: Loader, unit: Unit, step: Step) -> tuple[dict[str, Value], dict[str, Span]]:
    """The values of a step by name, with their places."""
    values: dict[str, Value] = {}
    spans: dict[str, Span] = {}
    for item in step.values or ():
        name = _slot(build, unit, step, item, values)
        if name is None or isinstance(item, Quoted):
            continue
        value = _value(build, loader, unit, step, name, item.value)
        if value is not UNKNOWN:
            values[name], spans[name] = value, item.span
    return values, spans


def _slot(build: Build, unit: Unit, step: Step, item: Argument | Quoted, given: Mapping[str, Value]) -> str | None:
    """Which value of a step an item is: by its name, by its word, else the first that is left."""
    known = STEPS[step.name]
    expected = ", ".join(known)
    if isinstance(item, Quoted):
        build.error("CNN034", f"{step.name} takes no text", item.span, expected=expected, found=item.span.text[:40])
        return None
    left = [name for name in known if name not in given]
    if item.name is None:
        word = item.value.name if isinstance(item.value, Name) and item.value.name not in unit.values else None
        name = next((name for name in left if word in known[name]), None) if word is not None else None
        fallback = [name for name in left if isinstance(known[name], str)] if word is None else left
        name = name or next(iter(fallback or left), None)
        if name is None:
            build.error("CNN034", f"{step.name} has all its values", item.span, found=item.span.text[:40])
        return name
    if item.name not in known or item.name in given:
        near = closest(item.name, known)
        message = f"{step.name} has no value {item.name}" if item.name not in known else f"{item.name} is given twice"
        build.error(
            "CNN034", message, item.span, expected=expected,
            help=f"did you mean {near}?" if near and near != item.name else None,
        )  # fmt: skip
        return None
    return item.name


def _value(build: Build, loader: Loader, unit: Unit, step: Step, name: str, written: Expression) -> Value:
    """A value that is of the kind it must be, else UNKNOWN."""
    kind = STEPS[step.name][name]
    word = written.name if isinstance(written, Name) and written.name not in unit.values else None
    if isinstance(kind, tuple):
        value = word if word is not None else evaluate(written, loader.frame(unit).names)
        if value in kind or value is UNKNOWN:
            return value
        near = closest(str(value), kind)
        return _invalid(
            build, step, name, written.span, ", ".join(kind), value, f"did you mean {near}?" if near else None
        )
    words = [other for others in STEPS[step.name].values() if isinstance(others, tuple) for other in others]
    near = closest(word, words) if word is not None else None
    if near is not None:
        return _invalid(
            build, step, name, written.span, f"{kind}, or {', '.join(words)}", word, f"did you mean {near}?"
        )
    value = evaluate(written, loader.frame(unit).names)
    if value is UNKNOWN:
        return value
    checked = _CHECKS[kind](value)
    return _invalid(build, step, name, written.span, kind, value) if checked is None else checked


def _invalid(
    build: Build, step: Step, name: str, span: Span, expected: str, found: Value, advice: str | None = None
) -> Any:
    build.error(
        "CNN034", f"{name} of {step.name} cannot be {shown(found)[:40]}", span, expected=expected,
        found=shown(found)[:80], help=advice,
    )  # fmt: skip
    return UNKNOWN


def _size(value: Value) -> int | Size | None:
    numbers = value if isinstance(value, tuple) else (value,)
    whole = [int(n) for n in numbers if is_number(n) and n == int(n) and 1 <= n <= LARGEST_DIMENSION]
    if len(whole) != len(numbers):
        return None
    return (whole[0], whole[1]) if len(whole) == 2 else whole[0] if not isinstance(value, tuple) else None


def _numbers(value: Value) -> tuple[float, ...] | None:
    numbers = value if isinstance(value, tuple) else (value,)
    return tuple(map(float, numbers)) if numbers and all(map(is_number, numbers)) else None


def _above_zero(value: Value) -> float | None:
    return float(value) if is_number(value) and value > 0 and isfinite(value) else None


_CHECKS: Final = {SIZE: _size, NUMBERS: _numbers, NUMBER: _above_zero}


def _made(build: Build, statement: Statement, steps: Mapping[str, _Read], entering: Shape | None) -> Preprocess | None:
    """The record of steps that are right by themselves; `entering` says how many channels there are by default."""
    usual = order_of(entering.channels) if entering is not None else None
    order = _given(steps, "order", "order", _given(steps, "image", "order", None) or usual)
    if order is None:
        found = None if entering is None else f"an input of {entering}"
        build.error("CNN114", "images have one channel or three", statement.span, found=found)
        return None
    image = _given(steps, "image", "order", None) or ("grey" if order == "grey" and "order" not in steps else "rgb")
    if not reachable(image, order):
        span = steps["order"].step.span if "order" in steps else statement.span
        build.error(
            "CNN114", f"grey images have no channels {order}", span, help="leave out `order`, or read rgb images"
        )
        return None
    normalisation = _normalisation(build, steps.get("normalise"), order)
    if normalisation is None:
        return None
    crop = _given(steps, "crop", "size", None)
    if any("size" not in steps[name].values for name in ("resize", "crop") if name in steps):
        name = next(name for name in ("resize", "crop") if name in steps and "size" not in steps[name].values)
        build.error("CNN034", f"{name} needs a size", steps[name].step.span, expected=SIZE, help=f"write {name}(224)")
        return None
    return Preprocess(
        image, order, normalisation.mean, normalisation.std, normalisation.scale,
        _given(steps, "resize", "size", None), _given(steps, "resize", "interpolation", "bilinear"),
        (crop, crop) if isinstance(crop, int) else crop,
        _given(steps, "image", "layout", "nhwc"), _given(steps, "image", "type", "uint8"),
    )  # fmt: skip


def _given(steps: Mapping[str, _Read], step: str, name: str, otherwise: Any) -> Any:
    return steps[step].values.get(name, otherwise) if step in steps else otherwise


def _normalisation(build: Build, read: _Read | None, order: str) -> Normalisation | None:
    """What is done to each channel, one number each."""
    channels = channels_of(order)
    if read is None:
        return Normalisation((0.0,) * channels, (1.0,) * channels, BYTE)
    values, spans = dict(read.values), read.spans
    named = values.pop("name", None)
    if named is not None and values:
        other = next(iter(values))
        build.error("CNN034", f"{named} has its own {other}", spans[other], help=f"leave out {named} or {other}")
        return None
    base = NORMALISATIONS[named] if named is not None else Normalisation()
    found = {}
    for name in ("mean", "std"):
        numbers = values.get(name, getattr(base, name))
        if len(numbers) not in (1, channels):
            what = (
                f"{named} has {len(numbers)} channels" if named is not None else f"{name} has {len(numbers)} channels"
            )
            build.error(
                "CNN114", what, spans.get(name) or spans["name"], expected=f"{channels}, as {order} images have",
                found=str(len(numbers)),
            )  # fmt: skip
            return None
        numbers = numbers * channels if len(numbers) == 1 else numbers
        found[name] = numbers[::-1] if named is not None and order == "bgr" else numbers
    made = Normalisation(found["mean"], found["std"], values.get("scale", base.scale))
    least = 1 / LARGEST_CONSTANT
    if min(*made.std, made.scale) < least or max(*made.std, *map(abs, made.mean), made.scale) > LARGEST_CONSTANT:
        build.error(
            "CNN034", "these are no constants to normalise with", read.step.span,
            expected=f"a std and a scale above {least:g}, and nothing beyond {LARGEST_CONSTANT:g}",
        )  # fmt: skip
        return None
    return made
