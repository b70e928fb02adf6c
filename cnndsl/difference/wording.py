"""Numbers and headings as text and Markdown have them in common."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ..analysis.statistics import grouped
from ..report import printable
from .checkpoint import values
from .grouping import pattern

if TYPE_CHECKING:
    from . import Difference
    from .checkpoint import Array, Checkpoint
    from .totals import Total

LABELS: Final = {
    "params": "parameters",
    "macs": "MACs",
    "flops": "FLOPs",
    "activations": "activations",
    "memory": "peak memory (bytes)",
    "training_memory": "training memory (bytes)",
    "receptive_field": "receptive field",
    "layers": "layers",
    "depth": "depth",
}
SIGNS: Final = {"added": "+", "removed": "-", "changed": "~", "renamed": ">", "moved": "^", "resized": "="}
NOTHING: Final = "no change after expansion"
MOST: Final = 40
"""The groups of layers, and arrays of each kind, that are listed; JSON has all."""


def cells(name: str, total: Total) -> tuple[str, str, str, str, str]:
    """A row of the table: what it is, before, after, the change, and its share."""
    delta, ratio = total.delta, total.ratio
    change = "" if not delta else f"{delta:+,}"
    return LABELS[name], grouped(total.before), grouped(total.after), change, percent(ratio) if delta else ""


def percent(ratio: float | None) -> str:
    """`+8.1%`; empty where it is not known."""
    if ratio is None:
        return ""
    return f"{ratio:+.1%}" if abs(ratio) >= 0.0005 else "below 0.1%"


def ends(found: Difference) -> list[tuple[str, str, str]]:
    """The shapes of input and output."""
    return [
        ("input", str(found.before.input_shape), str(found.after.input_shape)),
        ("output", str(found.before.output_shape), str(found.after.output_shape)),
    ]


def counts(found: Difference) -> str:
    """`3 layers added, 1 changed`."""
    tally: dict[str, int] = {}
    for change in found.changes:
        tally[change.status] = tally.get(change.status, 0) + 1
    parts = [f"{tally[status]} {status}" for status in SIGNS if status in tally]
    return ", ".join(parts)


def wiring(found: Difference) -> list[str]:
    """What changed about the network's outputs, in words."""
    before, after = found.before, found.after
    said = []
    if found.output:
        said.append(f"the output is {after.nodes[after.output].name}, was {before.nodes[before.output].name}")
    if found.auxiliary:
        one, other = (
            ", ".join(f"{graph.nodes[side.node].name} ({side.weight:g})" for side in graph.auxiliary) or "none"
            for graph in (before, after)
        )
        said.append(f"side outputs: {one} -> {other}")
    return said


def shares(found: Checkpoint) -> list[str]:
    """What becomes of a checkpoint, in words: the share of the new network's values that load, and after renames."""
    kept, every = values(found.kept), found.values
    arrays = len(found.kept) + len(found.renamed) + len(found.reshaped) + len(found.new)
    said = [f"{len(found.kept):,} of {arrays:,} arrays load: {kept:,} of {every:,} values{share(kept, every)}"]
    if found.renamed:
        more = kept + values(found.renamed)
        said.append(f"with {len(found.renamed):,} renamed: {more:,} values{share(more, every)}")
    if found.misplaced:
        said.append(f"{len(found.misplaced):,} load by their name into another layer than they were trained for")
    if found.refused:
        said.append(f"{len(found.refused):,} have a name in common and another shape: load_state_dict refuses them")
    return said


def share(part: int, whole: int) -> str:
    """` (53.6%)`; nothing of nothing."""
    return f" ({part / whole:.1%})" if whole else ""


def listed(arrays: Sequence[Array]) -> list[str]:
    """Arrays that read alike in one line: `stage1.conv1..3.weight  64x64x3x3 (3 arrays)`."""
    alike: dict[tuple[str, str], list[str]] = {}
    for array in arrays:
        names, shapes = _read(array)
        alike.setdefault((re.sub(r"\d+", "#", names), shapes), []).append(names)
    lines = []
    for (_, shapes), names_ in alike.items():
        many = f"({len(names_):,} arrays)" if len(names_) > 1 else ""
        lines.append("  ".join(filter(None, (pattern([*dict.fromkeys(names_)]), shapes, many))))
    return lines


def _read(array: Array) -> tuple[str, str]:
    """The names of an array and its shapes; of a renamed one only what differs of the names."""
    shapes = " -> ".join(dict.fromkeys(shape(sizes) for sizes in (array.shape, array.new_shape) if sizes is not None))
    names = [name.split(".") for name in (array.before, array.after) if name is not None]
    if len(names) == 2 and names[0] == names[1]:
        names.pop()
    if len(names) == 2 and array.shape == array.new_shape:
        shapes = ""
        while len(names[0]) > 1 and len(names[1]) > 1 and names[0][-1] == names[1][-1]:
            names = [name[:-1] for name in names]
    return printable(" -> ".join(".".join(name) for name in names)), shapes


def shape(sizes: tuple[int, ...] | None) -> str:
    """An array's shape; a single value is `scalar`."""
    return "" if sizes is None else "x".join(map(str, sizes)) or "scalar"
