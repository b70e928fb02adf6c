"""Findings as workflow commands, which GitHub Actions shows as annotations beside the lines of a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..diagnostics import Diagnostic, Severity
from . import details, printable
from .context import Context

_COMMANDS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def render(findings: Sequence[Diagnostic], context: Context) -> str:
    """One command a finding: `::warning title=...,file=...,line=...::message`."""
    return "\n".join(_command(finding, context) for finding in findings)


def _command(finding: Diagnostic, context: Context) -> str:
    properties = {"title": f"{finding.code} {finding.name}", **_place(finding, context)}
    written = ",".join(f"{name}={printable(str(value)).translate(_PROPERTY)}" for name, value in properties.items())
    said = "\n".join([printable(finding.message), *details(finding)])
    return f"::{_COMMANDS[finding.severity]} {written}::{said.translate(_DATA)}"


def _place(finding: Diagnostic, context: Context) -> dict[str, object]:
    """File, line and columns; GitHub wants columns only where a stretch is within one line."""
    path = context.path(finding)
    if finding.span is None:
        return {} if path is None else {"file": path}
    source = finding.span.source
    (line, column), (end_line, end_column) = source.position(finding.span.start), source.position(finding.span.end)
    place: dict[str, object] = {"file": path, "line": line, "endLine": end_line}
    return {**place, "col": column, "endColumn": end_column} if line == end_line else place
