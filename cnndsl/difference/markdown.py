"""A comparison as Markdown, fit for a comment on a pull request: what counts first, the rest folded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from .. import report
from ..analysis.statistics import grouped
from ..report import printable
from .grouping import groups
from .wording import LABELS, MOST, NOTHING, cells, counts, ends, listed, shares, wiring

if TYPE_CHECKING:
    from . import Difference
    from .checkpoint import Checkpoint
    from .entries import Comparison, Entry

LONGEST: Final = 60_000
"""Characters: services take comments of 65,536."""

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()<>#+!|~@&])")
_MOST_LINES: Final = 30


def render(found: Comparison) -> str:
    """One section a spec; what did not change in a line at the end."""
    if not found.entries:
        return f"No spec differs from {code(found.base or '')}."
    sections = ["\n".join(_entry(entry)) for entry in found.entries if entry.status != "same"]
    over = [f"- **{escaped(each.limit)}**: {escaped(each.spec)}: {escaped(each.message)}" for each in found.exceeded]
    parts = ["\n".join(["**Over the limit**", "", *over])] if over else []
    same = [code(entry.name) for entry in found.entries if entry.status == "same"]
    left = [f"{', '.join(same)}: {NOTHING}"] if same else []
    room = LONGEST - sum(map(len, (*parts, *left)))
    for at, section in enumerate(sections):
        room -= len(section) + 2
        if room < 0:
            parts.append(f"and {len(sections) - at} more specs, which `--format json` has")
            break
        parts.append(section)
    return "\n\n".join([*parts, *left])


def code(text: str) -> str:
    """Text in code marks that hold it whatever it has."""
    shown = printable(text)
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    space = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{ticks}{space}{shown}{space}{ticks}"


def cell(text: str) -> str:
    """The same in a table, which splits at every bar that has no backslash, those in code too."""
    return code(text).replace("|", "\\|")


def escaped(text: str) -> str:
    """Text in which nothing is markup, a mention or a link."""
    return _SPECIAL.sub(r"\\\1", printable(text)).replace("://", ":\u200b//")


def _entry(entry: Entry) -> list[str]:
    net = f"{code(entry.net)} in " if entry.net else ""
    head = f"### {net}{code(entry.name)}: {entry.status}"
    if entry.difference is not None:
        problems = _problems(entry)
        return [head, "", *problems, *([""] if problems else []), *_difference(entry.difference)]
    return [head, "", *_problems(entry), *_costs(entry)]


def _problems(entry: Entry) -> list[str]:
    lines = []
    for side, problems in (("before", entry.problems), ("now", entry.problems_now)):
        shown, left_out = report.foremost(problems)
        lines += [f"- {side}: {escaped(report.concise(problem))}" for problem in shown[:MOST]]
        lines += [f"- {left_out}"] if left_out else []
    return lines


def _costs(entry: Entry) -> Iterable[str]:
    graph = entry.other or entry.one
    if graph is None:
        return
    yield from ("", "|  |  |", "|---|---:|", f"| input | {graph.input_shape} |", f"| output | {graph.output_shape} |")
    for name, total in entry.totals.items():
        yield f"| {LABELS[name]} | {grouped(total.before if entry.other is None else total.after)} |"


def _difference(found: Difference) -> list[str]:
    rows = [row for name, total in found.totals.items() if (row := cells(name, total))[3] or name in ("params", "macs")]
    lines = ["|  | before | after | change |  |", "|---|---:|---:|---:|---:|"]
    lines += [f"| {name} | {one} | {other} |  |  |" for name, one, other in ends(found) if one != other]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", *(f"- {escaped(said)}" for said in (*wiring(found), *shares(found.checkpoint)))]
    return [*lines, *_layers(found), *_checkpoint(found.checkpoint)]


def _layers(found: Difference) -> Iterable[str]:
    shown = groups(found)
    if not shown:
        return
    yield from ("", f"<details><summary>Layers: {counts(found)}</summary>", "")
    yield from ("|  | layer | what changed | layers | parameters | MACs |", "|---|---|---|---:|---:|---:|")
    for group in shown[:MOST]:
        macs = "?" if group.macs is None else f"{group.macs:+,}" if group.macs else ""
        params = f"{group.params:+,}" if group.params else ""
        said = cell(group.said) if group.said else ""
        yield f"| {group.status} | {cell(group.names)} | {said} | {len(group.changes)} | {params} | {macs} |"
    if len(shown) > MOST:
        yield from ("", f"and {len(shown) - MOST:,} more lines, which `--format json` has")
    yield from ("", "</details>")


def _checkpoint(found: Checkpoint) -> Iterable[str]:
    kinds = {"renamed": found.renamed, "reshaped": found.reshaped, "gone": found.gone, "new": found.new}
    if not any(kinds.values()):
        return
    said = ", ".join(f"{len(arrays):,} {kind}" for kind, arrays in kinds.items() if arrays)
    yield from ("", f"<details><summary>Weights: {len(found.kept):,} kept, {said}</summary>", "")
    yield from ("|  | array |", "|---|---|")
    for kind, arrays in kinds.items():
        shown = listed(arrays)
        yield from (f"| {kind} | {cell(line)} |" for line in shown[:_MOST_LINES])
        if len(shown) > _MOST_LINES:
            yield f"| {kind} | and {len(shown) - _MOST_LINES:,} more lines, which `--format json` has |"
    yield from ("", "</details>")
