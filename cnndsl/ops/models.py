"""The pydantic models of the layers' arguments: the judge of what `arguments` does not take at sight.

Each is made when first needed from the layer's declaration, whose annotations name the types below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    create_model,
)

from ..shape import LARGEST_DIMENSION
from .arguments import ArgumentProblem, kinds
from .parameters import Approximation, PadMode, Parameters, UpMode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails


def _whole(value: object) -> object:
    """Arithmetic may give 32.0 where 32 is meant; the rest is for the strict type."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _not_zero(value: float) -> float:
    if value == 0:
        raise ValueError("zero")
    return value


def _form(value: object) -> str:
    if isinstance(value, str):
        return "word"
    return "each" if isinstance(value, tuple) else "one"


_EACH = Field(min_length=1)
Positive = Annotated[int, Field(strict=True, ge=1, le=LARGEST_DIMENSION), BeforeValidator(_whole)]
NonNegative = Annotated[int, Field(strict=True, ge=0, le=LARGEST_DIMENSION), BeforeValidator(_whole)]
Flag = Annotated[bool, Field(strict=True)]
Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Window = Annotated[
    Annotated[Positive, Tag("one")] | Annotated[tuple[Positive, ...], _EACH, Tag("each")], Discriminator(_form)
]
Margins = Annotated[
    Annotated[NonNegative, Tag("one")] | Annotated[tuple[NonNegative, ...], _EACH, Tag("each")], Discriminator(_form)
]
Padding = Annotated[
    Annotated[NonNegative, Tag("one")]
    | Annotated[tuple[NonNegative, ...], _EACH, Tag("each")]
    | Annotated[Literal["same"], Tag("word")],
    Discriminator(_form),
]

TYPES: dict[str, tuple[Any, str]] = {
    "Positive": (Positive, "a whole number from 1"),
    "Width": (Positive, "a whole number from 1"),
    "NonNegative": (NonNegative, "a whole number from 0"),
    "Flag": (Flag, "true or false"),
    "Real": (Real, "a number"),
    "PositiveReal": (Annotated[Real, Field(gt=0)], "a number above 0"),
    "NonZeroReal": (Annotated[Real, AfterValidator(_not_zero)], "a number other than 0"),
    "Probability": (Annotated[Real, Field(ge=0, le=1)], "a number from 0 to 1"),
    "DropRate": (Annotated[Real, Field(ge=0, lt=1)], "a number from 0 to below 1"),
    "Window": (Window, "a whole number from 1, or one an axis"),
    "Margins": (Margins, "a whole number from 0, or one an axis"),
    "Padding": (Padding, "a whole number from 0, one an axis, (l, r, t, b), or same"),
    "Approximation": (Approximation, "none or tanh"),
    "UpMode": (UpMode, "nearest, linear, bilinear or trilinear"),
    "PadMode": (PadMode, "constant, reflect or replicate"),
}
"""Each kind's type, and in words what it takes."""


MOST_PROBLEMS = 100
"""How many misfits of one layer are put in words."""

_MODELS: dict[type[Parameters], type[BaseModel]] = {}


def model(cls: type[Parameters]) -> type[BaseModel]:
    """The pydantic model of a layer's arguments, by their written names."""
    if cls not in _MODELS:
        _MODELS[cls] = _made(cls)
    return _MODELS[cls]


def _made(cls: type[Parameters]) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for name, kind in kinds(cls).items():
        type_ = TYPES[kind.removesuffix(" | None")][0]
        default = getattr(cls, cls.written.get(name, name), ...)
        fields[name] = (type_ | None if kind.endswith(" | None") else type_, default)
    config = ConfigDict(extra="forbid", frozen=True)
    return create_model(cls.__name__, __config__=config, **fields)


def judge(cls: type[Parameters], given: Mapping[str, object]) -> Parameters | tuple[ArgumentProblem, ...]:
    """The parameters, or what is wrong with each argument that is not in order."""
    try:
        judged = model(cls).model_validate(dict(given))
    except ValidationError as error:
        first = error.errors(include_url=False)[:MOST_PROBLEMS]
        worded = {str(detail["loc"][0]): _worded(cls, detail, given) for detail in reversed(first)}
        return tuple(reversed(worded.values()))
    return cls(**{cls.written.get(name, name): getattr(judged, name) for name in given})


def _worded(cls: type[Parameters], detail: ErrorDetails, given: Mapping[str, object]) -> ArgumentProblem:
    name, layer = str(detail["loc"][0]), cls.names[0]
    if detail["type"] == "extra_forbidden":
        return _unknown(cls, name)
    expected = TYPES[kinds(cls)[name].removesuffix(" | None")][1]
    if detail["type"] == "missing":
        example = f"{layer}(2)" if name in cls.positional else f"{layer}({name}=2)"
        return ArgumentProblem(name, f"{layer} needs {name}", expected, None, f"write it, as in {example}")
    found = spoken(given[name])
    if detail.get("ctx", {}).get("le") == LARGEST_DIMENSION:
        return ArgumentProblem(name, f"{name} is too large", f"at most {LARGEST_DIMENSION}", found, code="CNN028")
    return ArgumentProblem(name, f"{name} of {layer} must be {expected}", expected, found)


def _unknown(cls: type[Parameters], name: str) -> ArgumentProblem:
    from difflib import get_close_matches

    layer, names = cls.names[0], list(kinds(cls))
    close = get_close_matches(name.lower(), names, n=1) or get_close_matches(TORCH.get(name.lower(), ""), names, n=1)
    takes = f"one of {', '.join(names)}" if names else "no arguments"
    help_ = f"did you mean {close[0]}?" if close else None
    return ArgumentProblem(name, f"{layer} has no argument {name}", takes, name, help_, known=False, code="CNN011")


TORCH = {
    "padding": "pad",
    "ceil_mode": "ceil",
    "kernel_size": "kernel",
    "out_channels": "width",
    "out_features": "width",
    "elementwise_affine": "affine",
    "num_groups": "groups",
    "upscale_factor": "scale",
    "scale_factor": "scale",
    "output_size": "size",
    "approx": "approximate",
}
"""PyTorch's names that the language spells otherwise."""


def spoken(value: object) -> str:
    """A value as a spec writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"({', '.join(map(spoken, value))})"
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
