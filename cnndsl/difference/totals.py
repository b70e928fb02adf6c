"""The costs of two networks, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..analysis.depth import depth
from ..check import METRICS
from ..record import Record

if TYPE_CHECKING:
    from ..analysis.statistics import Statistics

MEASURED: Final = (*METRICS, "depth")
"""What is compared: the metrics of `assert`, and the layers with weights on the longest way to the output."""


class Total(Record):
    """A metric before and after; None where it depends on an open size, and on the side that there is none."""

    before: int | None
    after: int | None

    @property
    def delta(self) -> int | None:
        """After less before; None where one is not known."""
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def ratio(self) -> float | None:
        """The delta by what it was; None where that is not known or 0."""
        return None if self.delta is None or not self.before else self.delta / self.before


Totals = dict[str, Total]


def totals(before: Statistics | None, after: Statistics | None) -> Totals:
    """The metrics of `MEASURED`, by name; memory is in bytes, at batch 1 in float32."""
    nothing: dict[str, int | None] = dict.fromkeys(MEASURED)
    one, other = (nothing if side is None else measured(side) for side in (before, after))
    return {name: Total(one[name], other[name]) for name in MEASURED}


def measured(found: Statistics) -> dict[str, int | None]:
    """The metrics of one network; a receptive field is its smallest axis."""
    sizes = found.receptive[found.graph.output].size
    known = [size for size in sizes if size is not None]
    return {
        "params": found.costs.params,
        "macs": found.costs.macs,
        "flops": found.costs.flops,
        "activations": found.costs.activations,
        "memory": found.memory.inference,
        "training_memory": found.memory.training,
        "receptive_field": min(known, default=None) if len(known) == len(sizes) else None,
        "layers": len(found.graph.nodes) - 1,
        "depth": depth(found.graph),
    }
