"""What the rules find in a file that the spec uses, where its layers are written."""

from __future__ import annotations

import os.path
from collections.abc import Iterator
from functools import lru_cache

from ..diagnostics import Diagnostic
from ..parser import parse_file
from ..source import Source
from .selection import Selection
from .suppressions import Suppression, suppress, suppressions


def reported(finding: Diagnostic, spec: str, selection: Selection, path: str) -> Iterator[Diagnostic]:
    """The finding, unless the file's own comments or the patterns for its path silence it.

    It has no fix: another spec may need the line as it is. `spec` is the spec's name, `path` where it lies below its
    configuration.
    """
    span = finding.span
    if span is None or not selection.has(finding.code, _path(span.source.name, spec, path)):
        return
    given = _suppressions(span.source) if "cnn:" in span.source.text else ()
    if suppress([finding], given)[0]:
        yield finding.replace(fix=None)


def _path(name: str, spec: str, path: str) -> str:
    """Where a used file lies below the configuration; both names are seen from the same folder."""
    if not path:
        return ""
    beside = os.path.relpath(name, os.path.dirname(spec))  # noqa: PTH120
    return os.path.normpath(os.path.join(os.path.dirname(path), beside)).replace(os.sep, "/")  # noqa: PTH118, PTH120


@lru_cache(maxsize=16)
def _suppressions(source: Source) -> tuple[Suppression, ...]:
    """Those of a file; what is wrong with how they are written is told where the file itself is linted."""
    return tuple(suppressions(parse_file(source)[0])[0])
