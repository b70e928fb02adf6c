"""What a stage's name stands for: a definition first, then a built-in with a kernel suffix."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import ClassVar, Final

from ..arithmetic import FUNCTIONS, UNKNOWN, Value, error, is_number
from ..ops import BRANCHING, LAYERS
from ..ops.parameters import Parameters
from ..record import Record
from ..syntax import Call, Layer, Name, Stage, StageValue
from .build import Build, Frame
from .units import Definition

WORDS: Final = frozenset(
    ["same", "nearest", "linear", "bilinear", "trilinear", "constant", "reflect", "replicate", "none", "tanh", "erf"]
)
"""Names that are values of arguments."""

MOST_CANDIDATES: Final = 300
"""How many known names a misspelt one is compared with."""

_SUFFIXED = re.compile(r"([A-Za-z_]+?)(\d+(?:x\d+)*)")
_NOT_YET = {
    "ATTENTION": "attention", "MHSA": "attention", "TRANSFORMER": "attention", "SELFATTENTION": "attention",
    "SHARED": "shared weights", "SHARE": "shared weights",
}  # fmt: skip


class Builtin(Record):
    """A built-in layer (`kind`) or branching combinator (`kind` is None) under its upper-case name."""

    name: str
    kind: type[Parameters] | None
    kernel: tuple[int, ...] | None = None


class Closure(Record):
    """A stage passed as an argument, with the place where its names have their meaning."""

    uncompared: ClassVar[frozenset[str]] = frozenset({"frame"})
    stage: Stage
    frame: Frame

    def __str__(self) -> str:
        return self.stage.name if isinstance(self.stage, Layer) else self.stage.span.text


Meaning = Builtin | Definition | Closure


def builtin(name: str) -> Builtin | None:
    """The built-in that a name stands for: `CONV`, `conv3x3`, `POOL2`, `RELU6`, `Concat`."""
    upper = name.upper()
    if upper in LAYERS:
        return Builtin(upper, LAYERS[upper])
    if upper in BRANCHING:
        return Builtin(upper, None)
    match = _SUFFIXED.fullmatch(name)
    if match and match[1].upper() in LAYERS:
        kernel = tuple(int(size) for size in match[2].split("x") if len(size) <= 12)
        return Builtin(match[1].upper(), LAYERS[match[1].upper()], kernel)
    return None


def is_builtin_spelling(name: str) -> bool:
    """Whether a name is a built-in's as everybody writes it, all upper or all lower case; `Conv` may be a definition."""
    found = builtin(name) if name.upper() == name or name.lower() == name else None
    return found is not None and (found.kernel is None or (found.kind is not None and "kernel" in found.kind.fields))


def meaning(build: Build, name: str, frame: Frame) -> Meaning | Value | None:
    """What a name stands for as a stage; a number where it is one; None where it is nothing.

    `Conv` is nothing where it may be a definition that could not be read.
    """
    bound = frame.env.get(name)
    if bound is not None:
        return bound
    definition = frame.unit.definitions.get(name)
    if definition is not None:
        return definition
    if frame.unit.may_declare(name) and not is_builtin_spelling(name):
        return None
    known = build.plans.get(name, UNKNOWN)
    if known is UNKNOWN:
        known = build.plans[name] = builtin(name)
    return known


def missing(build: Build, expression: Name | Call | StageValue, frame: Frame) -> Value:
    """The value of what is no number in scope: a stage to pass on, a word, or nothing, which is reported."""
    if isinstance(expression, StageValue):
        return Closure(expression.stage, frame)
    found = meaning(build, expression.name, frame)
    if isinstance(expression, Call):
        if found is UNKNOWN or (found is None and frame.unit.may_declare(expression.name)):
            return UNKNOWN
        if found is None or is_number(found):
            known = (*FUNCTIONS, *frame.unit.definitions, *LAYERS)
            suggestion = closest(expression.name, known)
            return _report(build, "CNN010", f"unknown function or layer {expression.name}", expression, suggestion)
        layer = Layer(expression.span, expression.name, expression.span, arguments=expression.arguments)
        return Closure(layer, frame)
    if found is not None:
        return (
            found
            if isinstance(found, Closure)
            else Closure(Layer(expression.span, expression.name, expression.span), frame)
        )
    if expression.name in WORDS:
        return expression.name
    return free_name(build, expression.name, expression, frame)


def free_name(build: Build, name: str, at: Name | Layer, frame: Frame) -> Value:
    """Report, once, a name that has no value."""
    if name in build.free or frame.unit.may_declare(name):
        return UNKNOWN
    build.free.add(name)
    if name == "classes":
        advice = "give the number: `--classes 10`, or `param classes = 10` in the spec"
    else:
        words = WORDS if isinstance(at, Name) and len(name) > 3 else ()
        near = closest(name, (known for known in (*frame.env, *frame.unit.definitions, *words) if known != name))
        advice = (
            f"did you mean {near}?" if near else f"give it one: `--set {name}=2`, or `param {name} = 2` in the spec"
        )
    build.report(error("CNN013", f"{name} has no value", at.span, help=advice))
    return UNKNOWN


def _report(build: Build, code: str, message: str, at: Name | Call, suggestion: str | None) -> Value:
    build.report(error(code, message, at.span, help=f"did you mean {suggestion}?" if suggestion else None))
    return UNKNOWN


_ELSEWHERE: Final = {
    "BATCHNORM": "BN", "LAYERNORM": "LN", "INSTANCENORM": "IN", "GROUPNORM": "GN", "LOCALRESPONSENORM": "LRN",
    "LINEAR": "FC", "DENSE": "FC", "FULLYCONNECTED": "FC", "IDENTITY": "ID", "SKIP": "RES", "RESIDUAL": "RES",
    "CONVTRANSPOSE": "UPCONV", "TRANSPOSEDCONV": "UPCONV", "DECONV": "UPCONV", "UPSAMPLE": "UP", "UPSAMPLING": "UP",
    "INTERPOLATE": "UP", "GLOBALAVGPOOL": "GAP", "GLOBALAVERAGEPOOL": "GAP", "GLOBALMAXPOOL": "GMP",
    "AVERAGEPOOL": "AVGPOOL", "DEPTHWISE": "DWCONV", "DEPTHWISECONV": "DWCONV", "SEPARABLECONV": "SEPCONV",
    "LEAKYRELU": "LRELU", "HARDSWISH": "HSWISH", "HARDSIGMOID": "HSIGMOID", "CONCATENATE": "CONCAT", "CAT": "CONCAT",
    "CONVOLUTION": "CONV", "CHANNELSHUFFLE": "SHUFFLE", "PIXELSHUFFLE": "UP", "ZEROPAD": "PAD", "LAYERSCALE": "SCALE",
}  # fmt: skip
"""What other languages and frameworks call a layer."""


def _by_another_name(name: str) -> str | None:
    """The layer that a name stands for elsewhere: `BatchNorm2d`, `Conv2D`, `Linear`, `max_pool`."""
    plain = re.sub(r"[123]D$", "", name.upper().replace("_", ""))
    if plain in _ELSEWHERE:
        return _ELSEWHERE[plain]
    return plain if plain != name.upper() and (plain in LAYERS or plain in BRANCHING) else None


def unknown_layer(build: Build, layer: Layer, frame: Frame) -> None:
    """Report a stage whose name is nothing."""
    if frame.unit.may_declare(layer.name):
        return
    subject = _NOT_YET.get(layer.name.upper())
    if subject:
        build.error("CNN025", f"{subject}: not in the language", layer.name_span, frame)
        return
    match = _SUFFIXED.fullmatch(layer.name)
    stem, suffix = (match[1], match[2]) if match else (layer.name, "")
    near = (
        closest(layer.name, frame.unit.definitions)
        or _by_another_name(layer.name)
        or closest(stem.upper(), [*LAYERS, *BRANCHING])
    )
    if near is None:
        near = closest(layer.name, [*frame.unit.definitions, *frame.env])
        suffix = ""
    takes_kernel = near in LAYERS and "kernel" in LAYERS[near].fields
    shown = f"{near}{suffix if takes_kernel else ''}" if near else None
    build.error(
        "CNN010", f"unknown layer {layer.name}", layer.name_span, frame, found=layer.name,
        help=f"did you mean {shown}?" if shown else f"define it with `def`; built in are {', '.join([*LAYERS, *BRANCHING])}",
    )  # fmt: skip


def stage_names(frame: Frame) -> list[str]:
    """Every name that could have been meant as a stage here."""
    upper = [*LAYERS, *BRANCHING]
    return [*upper, *(name.lower() for name in upper), *frame.unit.definitions]


def closest(name: str, known: Iterable[object]) -> str | None:
    """The known name most like `name`, if one is like it; a spec with thousands of names is not searched to the end."""
    import difflib

    close = (candidate for candidate in map(str, known) if abs(len(candidate) - len(name)) <= len(name) // 2 + 1)
    names = list(islice(close, MOST_CANDIDATES))
    exact = [candidate for candidate in names if candidate.lower() == name.lower()]
    near = exact or difflib.get_close_matches(name[:60], names, 1, 0.6)
    return near[0] if near else None
