"""Findings as SARIF 2.1.0, which code scanning services and editors read.

Paths are relative to `%SRCROOT%`, whose place is left to the reader; columns count UTF-16 code units, as is SARIF's default.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from .. import rules
from ..diagnostics import CODES, Diagnostic, Edit, Fix, Severity
from ..source import Source, Span
from ..version import VERSION
from . import details, printable
from .context import Context, relative, uri
from .identity import Identity, identities

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_ROOT: Final = "%SRCROOT%"


def render(findings: Sequence[Diagnostic], context: Context) -> str:
    """A log of one run: the rules that found something, the files that were looked at, the results."""
    from json import dumps

    codes = sorted({finding.code for finding in findings})
    pairs = zip(findings, identities(findings, context), strict=True)
    driver: dict[str, Any] = {"name": "cnndsl", "version": VERSION, "rules": [_rule(code, context) for code in codes]}
    if context.documentation:
        driver["informationUri"] = context.documentation
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True}],
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The folder that the paths are relative to."}}},
        "columnKind": "utf16CodeUnits",
        "artifacts": [_artifact(name, context) for name in context.files],
        "results": [_result(finding, one, codes.index(finding.code), context) for finding, one in pairs],
    }
    return dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(code: str, context: Context) -> dict[str, Any]:
    """What is known of a rule: its name, what it does in a sentence, its page, and where that is on the web."""
    described: dict[str, Any] = {"id": code, "name": CODES[code]}
    rule = rules.rule(code)
    if rule is None:
        return described
    described["shortDescription"] = {"text": rule.summary}
    described["help"] = {"text": rule.page, "markdown": rule.page}
    if context.documentation:
        described["helpUri"] = f"{context.documentation}#{rule.anchor}"
    return described


def _result(finding: Diagnostic, one: Identity, index: int, context: Context) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": _plain("\n".join([printable(finding.message), *details(finding)]))},
        "locations": [_location(finding.span, one.path, context)] if one.path else [],
        "partialFingerprints": {"primaryLocationLineHash": one.fingerprint, "cnndslFinding/v1": one.fingerprint},
    }
    related = [
        {**_location(note.span, "", context), "message": {"text": _plain(printable(note.message))}, "id": number}
        for number, note in enumerate((note for note in finding.notes if note.span is not None), 1)
    ]
    if related:
        result["relatedLocations"] = related
    if finding.fix is not None and finding.fix.edits:
        result["fixes"] = [_fix(finding.fix, context)]
    return result


def _plain(message: str) -> str:
    """A message in which `CONCAT[ a | b ](1)` is no link, as `[text](1)` is in SARIF."""
    return message.replace("](", "] (")


def _location(span: Span | None, path: str, context: Context) -> dict[str, Any]:
    """A stretch of a file; the file alone where there is no stretch."""
    physical: dict[str, Any] = {
        "artifactLocation": _file(span.source.name if span else path, context, shown=span is None)
    }
    if span is not None:
        physical["region"] = _region(span)
    return {"physicalLocation": physical}


def _fix(fix: Fix, context: Context) -> dict[str, Any]:
    def replacement(edit: Edit) -> dict[str, Any]:
        return {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.text}}

    change = {
        "artifactLocation": _file(fix.edits[0].span.source.name, context),
        "replacements": [replacement(edit) for edit in sorted(fix.edits, key=lambda edit: edit.span.start)],
    }
    return {
        "description": {"text": _plain(printable(fix.message))},
        "artifactChanges": [change],
        "properties": {"safe": fix.safe},
    }


def _artifact(name: str, context: Context) -> dict[str, Any]:
    return {"location": _file(name, context), "roles": ["analysisTarget"]}


def _file(name: str, context: Context, *, shown: bool = False) -> dict[str, Any]:
    """A file's place below the root; `shown` says that the name is relative to it already."""
    return {"uri": uri(name if shown else relative(name, context.root)), "uriBaseId": _ROOT}


def _region(span: Span) -> dict[str, int]:
    """Lines and columns from 1, the end exclusive."""
    (line, column), (end_line, end_column) = map(span.source.position, (span.start, span.end))
    return {
        "startLine": line,
        "startColumn": _units(span.source, line, column),
        "endLine": end_line,
        "endColumn": _units(span.source, end_line, end_column),
    }


def _units(source: Source, line: int, column: int) -> int:
    """A column that counts characters, counted in UTF-16 code units."""
    start = source.line_starts[line - 1]
    before = source.text[start : start + column - 1]
    return column + sum(c > "\uffff" for c in before)
