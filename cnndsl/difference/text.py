"""A comparison as text for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from .. import report
from ..analysis.statistics import grouped
from ..report import printable
from .grouping import Group, groups
from .wording import LABELS, MOST, NOTHING, SIGNS, cells, counts, ends, listed, shares, wiring

if TYPE_CHECKING:
    from . import Difference
    from .checkpoint import Array, Checkpoint
    from .entries import Comparison, Entry

_COLOURS: Final = {"added": "32", "removed": "31", "changed": "33", "renamed": "36", "moved": "36", "resized": "2"}
_STATUSES: Final = {"added": "32", "deleted": "31", "changed": "33", "broken": "31", "same": "2"}

Paint = Callable[[str, str], str]


def render(found: Comparison, *, colour: bool = False) -> str:
    """Every spec that changed with what changed; those that did not in a line."""
    paint: Paint = partial(_painted, colour)
    if not found.entries:
        return f"no spec differs from {found.base}"
    parts = ["\n".join(_entry(entry, paint)) for entry in found.entries if entry.status != "same"]
    same = [entry for entry in found.entries if entry.status == "same"]
    if same:
        parts.append("\n".join(f"{printable(entry.name)}: {NOTHING}" for entry in same))
    return "\n\n".join(parts)


def _painted(colour: bool, text: str, code: str) -> str:
    return f"\033[{code}m{text}\033[0m" if colour else text


def _entry(entry: Entry, paint: Paint) -> list[str]:
    net = f" ({printable(entry.net)})" if entry.net else ""
    head = paint(f"{printable(entry.name)}{net}: {entry.status}", f"1;{_STATUSES[entry.status]}")
    if entry.difference is not None:
        return [head, *_problems(entry), *_difference(entry.difference, paint)]
    return [head, *_problems(entry), *_costs(entry)]


def _problems(entry: Entry) -> list[str]:
    """The diagnostics of both sides, in short."""
    lines = []
    for side, problems in (("before", entry.problems), ("now", entry.problems_now)):
        shown, left_out = report.foremost(problems)
        lines += [f"  {side}: {report.concise(problem)}" for problem in shown]
        lines += [f"  {left_out}"] if left_out else []
    return lines


def _costs(entry: Entry) -> list[str]:
    """What a spec costs that is there on one side."""
    graph = entry.other or entry.one
    if graph is None:
        return []
    totals = {name: total.before if entry.other is None else total.after for name, total in entry.totals.items()}
    costs = [f"{grouped(totals[name])} {LABELS[name]}" for name in ("params", "macs", "layers")]
    return [f"  {graph.input_shape} -> {graph.output_shape}, {', '.join(costs)}"]


def _difference(found: Difference, paint: Paint) -> list[str]:
    lines = [f"  {name} {one} -> {other}" for name, one, other in ends(found) if one != other]
    lines += _table(found, paint)
    lines += [f"  {said}" for said in wiring(found)]
    shown = groups(found)
    if shown:
        lines += ["", f"  layers: {counts(found)}", *_layers(shown[:MOST], paint)]
        lines += [f"    and {len(shown) - MOST:,} more lines, which --format json has"] if len(shown) > MOST else []
    return [*lines, "", "  weights of a checkpoint", *_checkpoint(found.checkpoint)]


def _table(found: Difference, paint: Paint) -> list[str]:
    rows = [("", "before", "after", "change", ""), *(cells(name, total) for name, total in found.totals.items())]
    widths = [max(len(row[at]) for row in rows) for at in range(5)]
    lines = []
    for row in rows:
        padded = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        code = {"+": "33", "-": "32"}.get(row[3][:1])
        lines.append("  " + (paint("  ".join(padded).rstrip(), code) if code else "  ".join(padded).rstrip()))
    return lines


def _layers(shown: Sequence[Group], paint: Paint) -> Iterable[str]:
    name_width = min(44, max(len(group.names) for group in shown))
    said_width = min(48, max(len(group.said) for group in shown))
    for group in shown:
        costs = [f"{group.params:+,} parameters"] if group.params else []
        costs += [f"{group.macs:+,} MACs"] if group.macs else []
        alike = f"({len(group.changes)} layers)" if len(group.changes) > 1 else ""
        note = "  ".join(filter(None, (alike, *costs)))
        text = f"{SIGNS[group.status]} {group.names:{name_width}}  {group.said:{said_width}}  {note}".rstrip()
        yield f"    {paint(text, _COLOURS[group.status])}"


def _checkpoint(found: Checkpoint) -> list[str]:
    lines = [f"    {said}" for said in shares(found)]
    for title, arrays in (
        ("renamed", found.renamed),
        ("reshaped", found.reshaped),
        ("gone", found.gone),
        ("new", found.new),
    ):
        lines += _arrays(title, arrays)
    return lines


def _arrays(title: str, arrays: Sequence[Array]) -> list[str]:
    """The arrays of one kind, the first of many."""
    if not arrays:
        return []
    shown = listed(arrays)
    lines = [f"    {title}: {len(arrays):,} {'array' if len(arrays) == 1 else 'arrays'}"]
    lines += [f"      {line}" for line in shown[:FEW]]
    return lines + ([f"      and {len(shown) - FEW:,} more lines, which --format json has"] if len(shown) > FEW else [])


FEW: Final = 8
"""Lines of arrays of a kind."""
