"""Numbers, names and arithmetic: the builders of the grammar's expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import syntax
from ..diagnostics import Diagnostic, Severity
from ..source import Source, Span
from .lalr import Token
from .number import NumberTooLargeError, number_value, whole_value


class MisbuiltError(Exception):
    """A statement that the grammar takes and we do not; caught where the statement is parsed."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic
        super().__init__(diagnostic.message)


class ExpressionBuilder:
    """The text that the tokens' positions refer to, and one method for each rule of the expressions."""

    def __init__(self, source: Source, offset: int) -> None:
        self.source = source
        self.text = source.text
        self.offset = offset
        self.problems: list[Diagnostic] = []

    # -- positions and leaves ------------------------------------------------------------------------------------------

    def span_of(self, child: Any) -> Span:
        if isinstance(child, Token):
            start = self.offset + child.start_pos
            return Span(self.source, start, start + len(child))
        span: Span = child.span
        return span

    def across(self, children: list[Any]) -> Span:
        """From the first child to the last."""
        return Span(self.source, self.span_of(children[0]).start, self.span_of(children[-1]).end)

    def wrong(self, span: Span, message: str, expected: str | None = None, help: str | None = None) -> MisbuiltError:
        return MisbuiltError(
            Diagnostic("CNN001", Severity.ERROR, message, span, expected, f"`{span.text[:40]}`", (), help)
        )

    def whole(self, token: Token) -> syntax.Number:
        """An integer; what precedes the digits (a width's joiner) is not part of it."""
        digits = _digits(token)
        span = self.span_of(token)
        span = Span(self.source, span.end - len(digits), span.end)
        return syntax.Number(span, self._checked(whole_value, digits, span), digits)

    def _checked(self, read: Callable[[str], Any], text: str, span: Span) -> Any:
        try:
            return read(text)
        except NumberTooLargeError as problem:
            raise MisbuiltError(
                Diagnostic("CNN028", Severity.ERROR, "the number is too large", span, expected=str(problem))
            ) from None

    def operand(self, children: list[Any], at: int) -> tuple[Any, int]:
        """What stands at `at`: a value in braces, an integer, extents or a name; and where to go on."""
        child = children[at]
        if child.type in ("LBRACE", "WIDTH_LBRACE"):
            return children[at + 1], at + 3
        if child.type == "EXTENTS":
            return self.extents([child]), at + 1
        if child.type == "NAME":
            return self.name([child]), at + 1
        return self.whole(child), at + 1

    # -- expressions ---------------------------------------------------------------------------------------------------

    def number(self, children: list[Any]) -> Any:
        span = self.span_of(children[0])
        text = str(children[0])
        return syntax.Number(span, self._checked(number_value, text, span), text)

    def extents(self, children: list[Any]) -> Any:
        span = self.span_of(children[0])
        values = tuple(self._checked(whole_value, part, span) for part in children[0].split("x"))
        return syntax.Extents(span, values)

    def boolean(self, children: list[Any]) -> Any:
        return syntax.Boolean(self.span_of(children[0]), children[0].type == "TRUE")

    def name(self, children: list[Any]) -> Any:
        return syntax.Name(self.span_of(children[0]), str(children[0]))

    def call(self, children: list[Any]) -> Any:
        return syntax.Call(self.across(children), str(children[0]), tuple(children[2:-1]))

    def parenthesised(self, children: list[Any]) -> Any:
        return children[1].replace(span=self.across(children))

    def tuple_(self, children: list[Any]) -> Any:
        return syntax.Tuple(self.across(children), (*children[1:-1],))

    def unary(self, children: list[Any]) -> Any:
        return syntax.Unary(self.across(children), str(children[0]), children[1])

    def binary(self, children: list[Any]) -> Any:
        left, operator, right = children
        return syntax.Binary(self.across(children), str(operator), left, right)

    def choose(self, children: list[Any]) -> Any:
        return syntax.Choose(self.across(children), children[1], children[3], children[5])

    def argument(self, children: list[Any]) -> Any:
        name = str(children[0]) if len(children) == 3 else None
        return syntax.Argument(self.across(children), name, children[-1])

    def list_(self, children: list[Any]) -> Any:
        return syntax.List(self.across(children), (*children[1:-1],))

    def range_(self, children: list[Any]) -> Any:
        first, after = self.operand(children, 0)
        last, _ = self.operand(children, after + 1)
        return syntax.Range(self.across(children), first, last)

    def dims(self, children: list[Any]) -> Any:
        sizes: list[Any] = []
        at = 0
        while at < len(children):
            if children[at].type == "QMARK":
                sizes.append(None)
                at += 1
            else:
                size, at = self.operand(children, at)
                sizes.append(size)
        return syntax.Dimensions(self.across(children), (*sizes,))


def _digits(token: str) -> str:
    """The digits that end a token."""
    return token[len(token.rstrip("0123456789")) :]
