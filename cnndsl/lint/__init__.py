"""The linter: one rule a file, listed here; what compiling rejects is found before any rule runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from ..diagnostics import Diagnostic, Severity
from ..ir import Graph
from ..source import Span
from ..syntax import Comment
from . import columns_dropped

Rule = Callable[[Graph, tuple[Span, ...]], Iterator[Diagnostic]]

RULES: Final[dict[str, Rule]] = {columns_dropped.CODE: columns_dropped.check}
"""Every rule by its code; the rule's page is its module's docstring."""

_IGNORE = re.compile(r"#\s*cnn:\s*ignore\[([A-Z0-9,\s]*)\]")


def lint_graph(graph: Graph, spans: tuple[Span, ...], comments: Iterable[Comment]) -> tuple[Diagnostic, ...]:
    """The findings of every rule, each place once, less what a comment on the line suppresses."""
    found: dict[tuple[object, ...], Diagnostic] = {}
    for rule in RULES.values():
        for diagnostic in rule(graph, spans):
            span = diagnostic.span
            found.setdefault((diagnostic.code, span and (span.source.name, span.start)), diagnostic)
    ignored = suppressions(comments)
    return tuple(diagnostic for diagnostic in found.values() if not _suppressed(diagnostic, ignored))


def suppressions(comments: Iterable[Comment]) -> dict[tuple[str, int], frozenset[str]]:
    """By file and line, the codes that `# cnn: ignore[CNN130]` names there."""
    return {
        (comment.span.source.name, comment.span.line): frozenset(re.findall(r"CNN\d+", match[1]))
        for comment in comments
        if (match := _IGNORE.search(comment.text))
    }


def _suppressed(diagnostic: Diagnostic, ignored: dict[tuple[str, int], frozenset[str]]) -> bool:
    span = diagnostic.span
    if span is None or diagnostic.severity is Severity.ERROR or not ignored:
        return False
    return diagnostic.code in ignored.get((span.source.name, span.line), ())
