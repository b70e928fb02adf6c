"""Findings as JUnit XML: a test suite a file, a test case a finding; a file without findings is a test that passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from ..diagnostics import Diagnostic
from . import concise, details, excerpt, printable
from .context import Context, relative

_NOWHERE: Final = "settings"
"""The suite of findings that are about no file."""


def render(findings: Sequence[Diagnostic], context: Context) -> str:
    """The whole document. What is below the context's `fail_level` passes, with the finding as its output."""
    suites: dict[str, list[Diagnostic]] = {relative(name, context.root): [] for name in context.files}
    for finding in findings:
        suites.setdefault(context.path(finding) or _NOWHERE, []).append(finding)
    body = [line for path, found in suites.items() for line in _suite(path, found, context)]
    cases = sum(max(1, len(found)) for found in suites.values())
    counts = f'tests="{cases}" failures="{_failures(findings, context)}" errors="0"'
    return "\n".join(
        ['<?xml version="1.0" encoding="utf-8"?>', f'<testsuites name="cnndsl" {counts}>', *body, "</testsuites>"]
    )


def _suite(path: str, findings: Sequence[Diagnostic], context: Context) -> list[str]:
    name = _attribute(path)
    counts = f'tests="{max(1, len(findings))}" failures="{_failures(findings, context)}" errors="0" skipped="0"'
    seen: Counter[str] = Counter()
    lines = [f"  <testsuite name={name} {counts}>"]
    if not findings:
        lines.append(f'    <testcase name="lint" classname={name}/>')
    for finding in findings:
        seen[finding.code] += 1
        times = f" ({seen[finding.code]})" * (seen[finding.code] > 1)
        case = _attribute(f"{finding.code} {finding.name}{times}")
        lines += [
            f"    <testcase name={case} classname={name}>",
            f"      {_outcome(finding, context)}",
            "    </testcase>",
        ]
    return [*lines, "  </testsuite>"]


def _outcome(finding: Diagnostic, context: Context) -> str:
    lines = [concise(finding), *(excerpt(finding.span) if finding.span else ()), *details(finding)]
    said = escape("\n".join(lines))
    if not context.fails(finding):
        return f"<system-out>{said}</system-out>"
    return f"<failure message={_attribute(finding.message)} type={quoteattr(finding.severity.value)}>{said}</failure>"


def _failures(findings: Sequence[Diagnostic], context: Context) -> int:
    return sum(map(context.fails, findings))


def _attribute(value: str) -> str:
    """A quoted value; XML knows no control characters, not even escaped."""
    return quoteattr(printable(value))
