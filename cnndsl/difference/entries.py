"""What is shown: one entry a spec, with what it was, what it is, and what came between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..record import Record
from .totals import Totals, totals

if TYPE_CHECKING:
    from ..diagnostics import Diagnostic
    from ..ir import Graph
    from . import Difference
    from .thresholds import Exceeded


UNNAMED: Final = "Net"
"""What a network is called that has no name."""


class Entry(Record):
    """A spec on both sides: its names (None where there is no such file), graphs, and what stands in their way.

    `difference` is there where both sides have a graph; one that breaks its own budgets has a graph and problems.
    """

    before: str | None
    after: str | None
    one: Graph | None
    other: Graph | None
    problems: tuple[Diagnostic, ...] = ()
    problems_now: tuple[Diagnostic, ...] = ()
    difference: Difference | None = None

    @property
    def status(self) -> str:
        """`same`, `changed`, `added`, `deleted`, or `broken` where a side that is there does not compile."""
        if (self.before and self.one is None) or (self.after and self.other is None):
            return "broken"
        if self.before is None:
            return "added"
        if self.after is None:
            return "deleted"
        return "same" if self.difference is None or self.difference.same else "changed"

    @property
    def wrong(self) -> bool:
        """Whether there is anything wrong on either side."""
        return bool(self.problems or self.problems_now)

    @property
    def broke(self) -> bool:
        """Whether it compiled before and does not any more."""
        return self.before is not None and not self.problems and bool(self.problems_now)

    @property
    def net(self) -> str:
        """The network's name, or both where they differ; empty where none was given."""
        names = [graph.name for graph in (self.one, self.other) if graph is not None]
        return " -> ".join(dict.fromkeys(name for name in names if name != UNNAMED))

    @property
    def name(self) -> str:
        """The spec, or both where they have different names."""
        names = [name for name in (self.before, self.after) if name is not None]
        return " -> ".join(dict.fromkeys(names))

    @property
    def totals(self) -> Totals:
        """The costs on both sides."""
        if self.difference is not None:
            return self.difference.totals
        from ..analysis.statistics import statistics

        return totals(*(None if graph is None else statistics(graph) for graph in (self.one, self.other)))


class Comparison(Record):
    """All that was compared, in order; `base` is the revision that was compared with, None for two specs."""

    entries: tuple[Entry, ...]
    base: str | None = None
    exceeded: tuple[Exceeded, ...] = ()
