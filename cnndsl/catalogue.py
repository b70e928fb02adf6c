"""The rules as they are shown: a page, a table, JSON, and all of them as one document, docs/rules.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from .diagnostics import Diagnostic, Severity
from .rules import FAMILIES, SECTIONS, Block, Rule

_WIDEST: Final = 90
_INTRODUCTION: Final = """\
# Rules

Every code that `cnndsl` reports: what compiling rejects, and what the linter's rules find in a network that compiles. The
pages are those that `cnndsl rule CODE` prints; this file is made of them by `make docs`. How findings are shown, silenced and
kept is in [diagnostics.md](diagnostics.md).
"""


class Facts(NamedTuple):
    """What a rule's example shows: how much its finding weighs, and whether it has a fix (`safe`, `unsafe` or none)."""

    severity: Severity
    fix: str | None


def page(rule: Rule, level: int = 1) -> str:
    """A rule's page under a title, which is a heading of a level."""
    marks = "#" * level
    body = re.sub(r"^## ", f"#{marks} ", rule.page, flags=re.MULTILINE)
    return f"{marks} {rule.code} {rule.name}\n\n{_told(facts(rule))}\n\n{body}\n"


def table(rules: Iterable[Rule]) -> str:
    """A line a rule: code, name, severity, fix and what it does."""
    rows = [("code", "name", "severity", "fix", "")]
    for rule in rules:
        known = facts(rule)
        rows.append((rule.code, rule.name, known.severity.value, known.fix or "", _first(rule.summary)))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4])).rstrip()
        for row in rows
    )


def document(rules: Sequence[Rule]) -> str:
    """Every page as one Markdown document: the table, then the pages by family."""
    parts = [_INTRODUCTION, _index(rules)]
    for prefix, title in FAMILIES.items():
        pages = [page(rule, 3) for rule in rules if rule.code.startswith(prefix)]
        parts += [f"## {title}\n", *pages] if pages else []
    return "\n".join(parts)


@cache
def facts(rule: Rule) -> Facts:
    """What the example of a rule's page shows. A console example says it; a spec is linted."""
    own = [finding for block in rule.examples("Example") for finding in check(rule, block) if finding.code == rule.code]
    if own:
        fixes = [finding.fix for finding in own if finding.fix is not None]
        return Facts(own[0].severity, None if not fixes else "safe" if fixes[0].safe else "unsafe")
    said = re.search(rf"\b({'|'.join(Severity)}) {rule.code}\b", rule.section("Example"))
    return Facts(Severity(said[1]) if said else Severity.ERROR, None)


def check(rule: Rule, block: Block) -> tuple[Diagnostic, ...]:
    """What linting finds in an example, configured as the page says (``With `opset = 20`:``); nothing in other blocks."""
    if block.language:
        return ()
    from .api import findings
    from .compiler import NOTATION, Text, compile_text
    from .lint import EVERYTHING, Options, Selection
    from .source import Source

    selection = EVERYTHING if rule.code.startswith("CNN9") else Selection((rule.code,))  # CNN9 is about the others
    compiled = compile_text(Text(Source(NOTATION, block.text)), first_members=True)
    return findings(compiled, selection, Options(**_configured(rule)))


def _configured(rule: Rule) -> dict[str, Any]:
    said = re.search(r"^With `([^`]+)`:$", rule.page, re.MULTILINE)
    if said is None:
        return {}
    from tomllib import loads

    return loads(said[1])


def _told(known: Facts) -> str:
    fixes = {None: "", "safe": ", fixable with `--fix`", "unsafe": ", fixable with `--unsafe-fixes`"}
    return f"{known.severity.value.capitalize()}{fixes[known.fix]}."


def _first(summary: str) -> str:
    """A summary as a table has it: what is reported, without the stop and marks for code, cut where it gets long."""
    said = summary.removeprefix("Reports ").rstrip(".").replace("`", "").partition(": ")[0]
    return said if len(said) <= _WIDEST else said[: said.rfind(" ", 0, _WIDEST)].rstrip(",") + " ..."


def _index(rules: Iterable[Rule]) -> str:
    rows = ["| code | name | severity | fix | |", "|---|---|---|---|---|"]
    for rule in rules:
        known = facts(rule)
        summary = rule.summary.removeprefix("Reports ").rstrip(".").replace("|", "\\|")
        cells = f"[{rule.code}](#{rule.anchor})", rule.name, known.severity.value, known.fix or "", summary
        rows.append(f"| {' | '.join(cells)} |".replace("|  |", "| |"))
    return "\n".join(rows) + "\n"


def data(rule: Rule) -> dict[str, Any]:
    """A rule as plain data."""
    known = facts(rule)
    return {
        "code": rule.code,
        "name": rule.name,
        "severity": known.severity.value,
        "fix": known.fix,
        "summary": rule.summary,
        "sections": {title: rule.section(title) for title in SECTIONS},
    }
