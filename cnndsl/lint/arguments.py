"""Arguments written into the text of a layer, for fixes."""

from __future__ import annotations

from collections.abc import Iterable

from ..diagnostics import Edit
from ..source import Span
from ..syntax import Argument, Boolean, Expression, Number, Tuple
from .stages import place_of
from .subject import Subject


def with_argument(subject: Subject, span: Span, name: str, value: str) -> Edit | None:
    """The edit that gives a layer a named argument, in place of the one it has.

    None where this file does not write the layer as a stage, and where the argument is a name or arithmetic.
    """
    place = place_of(subject, span)
    if place is None:
        return None
    arguments: tuple[Argument, ...] | None = place.layer.arguments
    if arguments is None:
        return Edit(Span(span.source, span.end, span.end), f"({name}={value})")
    for argument in arguments:
        if argument.name == name:
            return Edit(argument.value.span, value) if _literal(argument.value) else None
    if not arguments:
        return Edit(Span(span.source, span.end - 1, span.end - 1), f"{name}={value}")
    after = arguments[-1].span.end
    return Edit(Span(span.source, after, after), f", {name}={value}")


def _literal(value: Expression) -> bool:
    return isinstance(value, Number | Boolean) or (isinstance(value, Tuple) and all(map(_literal, value.items)))


def alone(subject: Subject, found: Iterable[int], like: Iterable[int]) -> frozenset[int]:
    """Those of some nodes whose text makes no other node of `like`."""
    uses: dict[Span, int] = {}
    for i in like:
        uses[subject.spans[i]] = uses.get(subject.spans[i], 0) + 1
    return frozenset(i for i in found if uses[subject.spans[i]] == 1)
