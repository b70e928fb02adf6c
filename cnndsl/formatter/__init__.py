"""The canonical form of a text: what `cnndsl fmt` prints. Its meaning and its comments are unchanged."""

from __future__ import annotations

from itertools import pairwise

from .. import syntax
from ..source import Span
from .comments import Attached, attach
from .flat import Flat, built_in_layers, dimensions, format_expression, format_stage
from .layout import Layout

__all__ = ["format_expression", "format_file", "format_stage"]


def format_file(file: syntax.File) -> str:
    """The canonical text of a file that was read without errors; formatting it again changes nothing."""
    defined = frozenset(statement.name for statement in file.statements if isinstance(statement, syntax.Def))
    flat = Flat(built_in_layers(), defined)
    inner, outer = _sorted_comments(file)
    pieces: list[tuple[Span, str]] = [
        (statement.span, _statement(statement, flat, inner.get(index, [])))
        for index, statement in enumerate(file.statements)
    ]
    pieces += [(comment.span, comment.text) for comment in outer]
    pieces.sort(key=lambda piece: piece[0].start)
    return _put_together(file, pieces, frozenset(comment.span.start for comment in outer if not comment.own_line))


def _sorted_comments(file: syntax.File) -> tuple[dict[int, list[syntax.Comment]], list[syntax.Comment]]:
    """The comments inside of each statement, and those between statements."""
    inner: dict[int, list[syntax.Comment]] = {}
    outer: list[syntax.Comment] = []
    index = 0
    for comment in file.comments:
        while index < len(file.statements) and file.statements[index].span.end <= comment.span.start:
            index += 1
        if index < len(file.statements) and file.statements[index].span.start <= comment.span.start:
            inner.setdefault(index, []).append(comment)
        else:
            outer.append(comment)
    return inner, outer


def _put_together(file: syntax.File, pieces: list[tuple[Span, str]], trailing: frozenset[int]) -> str:
    """Statements and comments in their order; at most one blank line is kept between two of them."""
    if not pieces:
        return ""
    text = file.source.text
    parts = [pieces[0][1]]
    for (before, _), (span, piece) in pairwise(pieces):
        if span.start in trailing:
            parts.append(f"  {piece}")
            continue
        blank = text.count("\n", before.end, span.start) > 1
        parts.append(("\n\n" if blank else "\n") + piece)
    return "".join(parts) + "\n"


def _statement(statement: syntax.Statement, flat: Flat, comments: list[syntax.Comment]) -> str:
    attached = attach(statement, comments)
    if attached is None:
        return "\n".join(line.rstrip() for line in statement.span.text.splitlines())
    return "\n".join(_lines(statement, flat, attached))


def _lines(statement: syntax.Statement, flat: Flat, attached: Attached) -> list[str]:
    layout = Layout(flat, attached)
    match statement:
        case syntax.Input():
            return [f"input {dimensions(statement.shape)}"]
        case syntax.Preprocess():
            return layout.steps(statement, "preprocess ")
        case syntax.Param():
            return _param(statement, layout)
        case syntax.Default():
            return [f"default {flat.stage(statement.layer)}"]
        case syntax.Use():
            return [f'use "{statement.path}"']
        case syntax.Assert():
            return [f"assert {', '.join(map(format_expression, statement.conditions))}"]
        case syntax.Def():
            return layout.body(statement, f"def {statement.name}{_parameters(statement)} = ")
        case syntax.Net(name=None):
            return layout.stage(statement.body, 0, "")
        case syntax.Net():
            return layout.body(statement, f"net {statement.name} = ")


def _param(statement: syntax.Param, layout: Layout) -> list[str]:
    before = f"param {statement.name}"
    if statement.default is not None:
        before += f" = {format_expression(statement.default)}"
    if statement.domain is None:
        return [before]
    before += " in "
    lines = layout.values(statement.domain, len(before), "")
    return [before + lines[0], *lines[1:]]


def _parameters(statement: syntax.Def) -> str:
    if not statement.parameters:
        return ""
    parts = (
        parameter.name if parameter.default is None else f"{parameter.name}={format_expression(parameter.default)}"
        for parameter in statement.parameters
    )
    return f"({', '.join(parts)})"
