"""The value of an expression: integers, reals and truth values, bounded, no host code.

A problem is reported once and its value is `UNKNOWN`, which whatever is computed from it becomes too, in silence.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeGuard

from .diagnostics import Diagnostic, Severity
from .record import Record
from .source import Span
from .syntax import (
    Binary,
    Boolean,
    Call,
    Choose,
    Expression,
    Extents,
    List,
    Name,
    Number,
    Range,
    StageValue,
    Tuple,
    Unary,
)

MAX_BITS: Final = 128
"""Longest integer that arithmetic may make; more is CNN028."""


MOST_VALUES: Final = 1000
"""Most values in a tuple."""


class _Unknown:
    """The value of what could not be computed and has been reported already."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()

Value = Any  # int | float | bool | str | tuple | a stage closure | UNKNOWN
Report = Callable[[Diagnostic], None]


class Names(Record):
    """What an expression can see: values by name, and what to do with a name that has none."""

    values: Mapping[str, Value]
    missing: Callable[[Name | Call | StageValue], Value]
    report: Report


def error(code: str, message: str, span: Span | None, **rest: Any) -> Diagnostic:
    """An error diagnostic."""
    return Diagnostic(code, Severity.ERROR, message, span, **rest)


def evaluate(expression: Expression, names: Names) -> Value:
    """The value of `expression`, or UNKNOWN after a report."""
    return _RULES[type(expression)](expression, names)


def is_number(value: Value) -> bool:
    return type(value) is int or type(value) is float


def is_whole(value: Value) -> TypeGuard[int | float]:
    """Whether it is a whole number, written as one or not: 2, 2.0, 2e0."""
    return type(value) is int or (type(value) is float and value.is_integer())


def shown(value: Value) -> str:
    """A value as the language writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"({', '.join(map(shown, value))})"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _name(expression: Name, names: Names) -> Value:
    value = names.values.get(expression.name, None)
    return names.missing(expression) if value is None else value


def _unary(expression: Unary, names: Names) -> Value:
    value = evaluate(expression.operand, names)
    if value is UNKNOWN:
        return value
    if expression.operator == "not":
        return not value if _truth(value, expression.operand, names) else UNKNOWN
    if not is_number(value):
        return _not_a_number(value, expression.operand.span, names)
    return -value if expression.operator == "-" else value


def _binary(expression: Binary, names: Names) -> Value:
    sign = expression.operator
    if sign in ("and", "or"):
        return _logic(expression, names)
    left, right = evaluate(expression.left, names), evaluate(expression.right, names)
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    if sign in ("==", "!=") and (type(left) is bool or not is_number(left)):
        return (left == right) is (sign == "==")
    for value, side in ((left, expression.left), (right, expression.right)):
        if not is_number(value):
            return _not_a_number(value, side.span, names)
    if sign in _COMPARISONS:
        return _COMPARISONS[sign](left, right)
    return _compute(sign, left, right, expression.span, names)


def _compute(sign: str, left: Any, right: Any, span: Span, names: Names) -> Value:
    if sign in ("/", "//", "%") and right == 0:
        names.report(error("CNN020", "division by zero", span))
        return UNKNOWN
    too_large = sign == "^" and (abs(right) > MAX_BITS or (right < 0 and left == 0))
    try:
        value = None if too_large else _ARITHMETIC[sign](left, right)
    except (OverflowError, ValueError):
        value = None
    if value is None or isinstance(value, complex) or not _in_bounds(value):
        names.report(
            error("CNN028", "the result is too large or not a number", span, found=_abbreviated(left, sign, right))
        )
        return UNKNOWN
    return value


def _in_bounds(value: int | float) -> bool:
    return value.bit_length() <= MAX_BITS if isinstance(value, int) else math.isfinite(value)


def _abbreviated(left: Any, sign: str, right: Any) -> str:
    return f"{shown(left)[:30]} {sign} {shown(right)[:30]}"


def _divide(left: Any, right: Any) -> Any:
    if type(left) is int and type(right) is int and left % right == 0:
        return left // right
    return left / right


def _logic(expression: Binary, names: Names) -> Value:
    left = evaluate(expression.left, names)
    if left is UNKNOWN or not _truth(left, expression.left, names):
        return UNKNOWN
    if left is (expression.operator == "or"):
        return left
    right = evaluate(expression.right, names)
    return right if right is not UNKNOWN and _truth(right, expression.right, names) else UNKNOWN


def _truth(value: Value, expression: Expression, names: Names) -> bool:
    if type(value) is bool:
        return True
    names.report(
        error("CNN019", "expected true or false", expression.span, expected="a comparison", found=shown(value))
    )
    return False


def condition(expression: Expression, names: Names) -> Value:
    """True, False, or UNKNOWN after a report."""
    value = evaluate(expression, names)
    return value if value is UNKNOWN or _truth(value, expression, names) else UNKNOWN


def number(expression: Expression, names: Names) -> Value:
    """An int or a float, or UNKNOWN after a report."""
    value = evaluate(expression, names)
    return value if value is UNKNOWN or is_number(value) else _not_a_number(value, expression.span, names)


def whole(expression: Expression, names: Names, what: str) -> Value:
    """An int (a real that is whole counts), or UNKNOWN after a report; `what` is named in the message."""
    value = number(expression, names)
    if isinstance(value, float):
        if not value.is_integer():
            names.report(
                error("CNN020", f"{what} must be a whole number", expression.span, found=shown(value),
                      help="`//`, floor(), ceil() or round(x, 8) make one")
            )  # fmt: skip
            return UNKNOWN
        return int(value)
    return value


def _not_a_number(value: Value, span: Span, names: Names) -> Value:
    stage = not isinstance(value, bool | str | tuple)
    advice = "a stage to pass on that is more than a name goes in brackets: `[CONV3-64]`" if stage else None
    names.report(error("CNN019", "expected a number", span, found=shown(value), help=advice))
    return UNKNOWN


def _tuple(expression: Tuple, names: Names) -> Value:
    values = tuple(evaluate(item, names) for item in expression.items)
    if any(value is UNKNOWN for value in values):
        return UNKNOWN
    if _leaves(values) > MOST_VALUES:
        names.report(error("CNN028", f"a tuple of more than {MOST_VALUES} values", expression.span))
        return UNKNOWN
    return values


def _leaves(value: Value) -> int:
    """How many plain values a tuple holds; tuples that hold one another many times would grow without end."""
    return sum(map(_leaves, value)) if isinstance(value, tuple) else 1


def _choose(expression: Choose, names: Names) -> Value:
    chosen = condition(expression.condition, names)
    if chosen is UNKNOWN:
        return UNKNOWN
    return evaluate(expression.then if chosen else expression.otherwise, names)


def _call(expression: Call, names: Names) -> Value:
    function = FUNCTIONS.get(expression.name)
    if function is None or expression.name in names.values:
        return names.missing(expression)
    values = [number(argument.value, names) for argument in expression.arguments]
    if any(value is UNKNOWN for value in values):
        return UNKNOWN
    fewest, most, compute = function
    if not fewest <= len(values) <= most or any(argument.name for argument in expression.arguments):
        wanted = f"{fewest}" if fewest == most else f"{fewest} or more" if most > 9 else f"{fewest} to {most}"
        names.report(
            error("CNN017", f"{expression.name} takes {wanted} numbers", expression.span, found=str(len(values)))
        )
        return UNKNOWN
    if expression.name == "round" and len(values) == 2 and values[1] <= 0:
        names.report(error("CNN020", "round needs a positive multiple", expression.span, found=shown(values[1])))
        return UNKNOWN
    try:
        value = compute(*values)
    except (OverflowError, ValueError):
        value = math.inf
    if _in_bounds(value):
        return value
    shown_values = ", ".join(shown(given)[:30] for given in values[:3])
    names.report(error("CNN028", "the result is too large or not a number", expression.span, found=shown_values))
    return UNKNOWN


def round_to_multiple(x: float, multiple: int = 1) -> int:
    """To the nearest multiple, never more than a tenth below `x`.

    MobileNet's rule for widths (Howard et al. 2019; `_make_divisible` in the reference implementations).
    """
    rounded = int(max(multiple, int(x + multiple / 2) // multiple * multiple))
    return rounded + int(multiple) if rounded < 0.9 * x else rounded


FUNCTIONS: Final[dict[str, tuple[int, int, Callable[..., Value]]]] = {
    "min": (1, 1000, min),
    "max": (1, 1000, max),
    "floor": (1, 1, math.floor),
    "ceil": (1, 1, math.ceil),
    "round": (
        1,
        2,
        lambda x, multiple=None: math.floor(x + 0.5) if multiple is None else round_to_multiple(x, multiple),
    ),
}
"""Name, fewest and most arguments, the function."""

_ARITHMETIC: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "//": operator.floordiv,
    "%": operator.mod,
    "^": operator.pow,
}
_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_RULES: Final[dict[type, Callable[[Any, Names], Value]]] = {
    Number: lambda expression, names: expression.value,
    Boolean: lambda expression, names: expression.value,
    Name: _name,
    Unary: _unary,
    Binary: _binary,
    Call: _call,
    Tuple: _tuple,
    Extents: lambda expression, names: expression.values,
    Choose: _choose,
    StageValue: lambda expression, names: names.missing(expression),
}


def in_domain(value: Value, domain: List | Range, names: Names) -> bool | None:
    """Whether a value lies in a domain; None when the domain could not be computed."""
    if isinstance(domain, Range):
        first, last = number(domain.first, names), number(domain.last, names)
        if first is UNKNOWN or last is UNKNOWN:
            return None
        return is_whole(value) and first <= value <= last
    values = [evaluate(item, names) for item in domain.items]
    if any(item is UNKNOWN for item in values):
        return None
    return any(type(value) is type(item) and value == item for item in values) or (
        is_number(value) and any(is_number(item) and item == value for item in values)
    )
