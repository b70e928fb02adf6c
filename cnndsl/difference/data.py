"""A comparison as plain data, for JSON; `docs/diff.md` describes the form, which `VERSION` numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .. import report
from ..analysis.statistics import sizes
from .checkpoint import values

if TYPE_CHECKING:
    from ..ir import Graph
    from . import Change, Difference, Layer
    from .checkpoint import Array, Checkpoint
    from .entries import Comparison, Entry

VERSION: Final = 1


def plain(found: Comparison) -> dict[str, Any]:
    """Strings, numbers, lists and objects; null for what depends on an open size, and for the side that is not there."""
    return {
        "cnndsl_diff": VERSION,
        "base": found.base,
        "specs": [_entry(entry) for entry in found.entries],
        "exceeded": [
            {"spec": each.spec, "limit": each.limit, "message": each.message, "known": each.told}
            for each in found.exceeded
        ],
    }


def _entry(entry: Entry) -> dict[str, Any]:
    found = entry.difference
    return {
        "before": entry.before,
        "after": entry.after,
        "status": entry.status,
        "problems": {"before": report.json(entry.problems), "after": report.json(entry.problems_now)},
        "input": {"before": _shape(entry.one, 0), "after": _shape(entry.other, 0)},
        "output": {"before": _shape(entry.one), "after": _shape(entry.other)},
        "totals": {
            name: {"before": total.before, "after": total.after, "delta": total.delta, "ratio": total.ratio}
            for name, total in entry.totals.items()
        },
        "layers": [] if found is None else [_change(change) for change in found.changes],
        "output_changed": found is not None and found.output,
        "auxiliary_changed": found is not None and found.auxiliary,
        "weights": None if found is None else _checkpoint(found),
    }


def _shape(graph: Graph | None, index: int | None = None) -> list[int | str] | None:
    return None if graph is None else sizes(graph.nodes[graph.output if index is None else index].shape)


def _change(change: Change) -> dict[str, Any]:
    return {
        "status": change.status,
        "renamed": change.renamed,
        "moved": change.moved,
        "resized": change.resized,
        "rewired": change.rewired,
        "before": _layer(change.before),
        "after": _layer(change.after),
        "arguments": {
            argument.name: {"before": _value(argument.before), "after": _value(argument.after)}
            for argument in change.arguments
        },
    }


def _layer(layer: Layer | None) -> dict[str, Any] | None:
    if layer is None:
        return None
    return {
        "name": layer.name,
        "op": layer.op.kind,
        "inputs": [sizes(shape) for shape in layer.takes],
        "output": sizes(layer.gives),
        "params": layer.params,
        "macs": layer.macs,
        "activations": layer.activations,
        "live": layer.live,
    }


def _value(value: object) -> object:
    return [_value(item) for item in value] if isinstance(value, tuple) else value


def _checkpoint(found: Difference) -> dict[str, Any]:
    checkpoint: Checkpoint = found.checkpoint
    kept, every = values(checkpoint.kept), checkpoint.values
    return {
        "loads": checkpoint.loads,
        "arrays": {"before": len(checkpoint.renames) + len(checkpoint.reshaped) + len(checkpoint.gone),
                   "after": len(checkpoint.renames) + len(checkpoint.reshaped) + len(checkpoint.new)},
        "values": every,
        "kept": {"arrays": len(checkpoint.kept), "values": kept, "share": kept / every if every else None},
        "with_renames": {"arrays": len(checkpoint.renames), "values": kept + values(checkpoint.renamed),
                         "share": (kept + values(checkpoint.renamed)) / every if every else None},
        **{
            group: [_array(array) for array in getattr(checkpoint, group)]
            for group in ("renamed", "reshaped", "gone", "new")
        },
        "misplaced": list(checkpoint.misplaced),
        "refused": list(checkpoint.refused),
    }  # fmt: skip


def _array(array: Array) -> dict[str, Any]:
    return {
        "before": array.before,
        "after": array.after,
        "shape": {side: None if sizes_ is None else list(sizes_) for side, sizes_ in
                  (("before", array.shape), ("after", array.new_shape))},
    }  # fmt: skip
