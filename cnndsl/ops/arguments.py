"""The arguments of a layer, judged: what is plainly of its kind is taken as it is, the rest goes to pydantic.

Only the pydantic model (`models`, made from the same declaration) may reject; a test holds that whatever is taken here
it takes too, as the same value. Most specs never come to it, which saves the linter the import.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

from ..record import Record
from ..shape import LARGEST_DIMENSION
from .parameters import Parameters

UNSURE: Any = object()
"""What a reader returns for a value that pydantic is to judge."""

Reader = Callable[[object], Any]


class ArgumentProblem(Record):
    """What is wrong with one argument; `argument` is the name as written, `known` whether the layer has it."""

    argument: str
    message: str
    expected: str | None = None
    found: str | None = None
    help: str | None = None
    known: bool = True
    code: str = "CNN012"


def _positive(value: object) -> Any:
    return value if type(value) is int and 1 <= value <= LARGEST_DIMENSION else UNSURE


def _non_negative(value: object) -> Any:
    return value if type(value) is int and 0 <= value <= LARGEST_DIMENSION else UNSURE


def _each(item: Reader) -> Reader:
    def read(value: object) -> Any:
        if type(value) is tuple:
            return value if value and all(item(entry) is not UNSURE for entry in value) else UNSURE
        return item(value)

    return read


def _real(value: object) -> Any:
    if type(value) is int and abs(value) <= LARGEST_DIMENSION:
        return float(value)
    return value if type(value) is float and isfinite(value) else UNSURE


def _within(least: float, most: float, *, but: tuple[float, ...] = ()) -> Reader:
    def read(value: object) -> Any:
        number = _real(value)
        return number if number is not UNSURE and least <= number <= most and number not in but else UNSURE

    return read


def _one_of(*words: str) -> Reader:
    return lambda value: value if type(value) is str and value in words else UNSURE


def _unsure(value: object) -> Any:
    return UNSURE


def _flag(value: object) -> Any:
    return value if type(value) is bool else UNSURE


_LARGEST = float("inf")

READERS: dict[str, Reader] = {
    "Positive": _positive,
    "Width": _positive,
    "NonNegative": _non_negative,
    "Flag": _flag,
    "Real": _real,
    "PositiveReal": _within(0, _LARGEST, but=(0,)),
    "NonZeroReal": _within(-_LARGEST, _LARGEST, but=(0,)),
    "Probability": _within(0, 1),
    "DropRate": _within(0, 1, but=(1,)),
    "Window": _each(_positive),
    "Margins": _each(_non_negative),
    "Padding": lambda value: value if value == "same" and type(value) is str else _each(_non_negative)(value),
    "Approximation": _one_of("none", "tanh"),
    "UpMode": _one_of("nearest", "linear", "bilinear", "trilinear"),
    "PadMode": _one_of("constant", "reflect", "replicate"),
}
"""What is plainly of each kind; a value of another type, or out of range, is for pydantic to judge."""


def kinds(cls: type[Parameters]) -> dict[str, str]:
    """The kind of each argument, by its written name."""
    annotations: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        annotations.update(getattr(base, "__annotations__", {}))
    written = {field: name for name, field in cls.written.items()}
    return {written.get(field, field): annotations[field] for field in cls.fields}


class _Signature(Record):
    """What `validate` knows of a layer: by written name, its field and reader; the fields without a default."""

    readers: dict[str, tuple[str, Reader]]
    required: frozenset[str]


_SIGNATURES: dict[type[Parameters], _Signature] = {}


def _signature(cls: type[Parameters]) -> _Signature:
    found = _SIGNATURES.get(cls)
    if found is None:
        required = frozenset(field for field in cls.fields if not hasattr(cls, field))
        found = _SIGNATURES[cls] = _Signature(_readers(cls), required)
    return found


def _readers(cls: type[Parameters]) -> dict[str, tuple[str, Reader]]:
    return {name: (cls.written.get(name, name), _reader(kind)) for name, kind in kinds(cls).items()}


def _reader(kind: str) -> Reader:
    read = READERS[kind.removesuffix(" | None")]
    if not kind.endswith(" | None"):
        return read
    return lambda value: None if value is None else read(value)


def validate(cls: type[Parameters], given: dict[str, object]) -> Parameters | tuple[ArgumentProblem, ...]:
    """The layer's parameters from the arguments given by their written names, or all that is wrong with them."""
    signature, values = _signature(cls), dict[str, Any]()
    for name, value in given.items():
        field, read = signature.readers.get(name, (name, _unsure))
        values[field] = read(value)
    if UNSURE not in values.values() and signature.required <= values.keys():
        return cls(**values)
    from .models import judge

    return judge(cls, given)
