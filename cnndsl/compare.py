"""Networks side by side: what each costs, in a row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .analysis.costs import costs
from .analysis.depth import depth
from .analysis.statistics import aligned, grouped, spoken, statistics
from .compiler import compile_text, read_spec
from .diagnostics import SpecError
from .ir import Graph
from .record import Record

HEADS = ("model", "input", "parameters", "MACs", "activations", "peak memory", "receptive field", "depth")


class Measured(Record):
    """The counts of a network; None for what depends on an open size."""

    input: str
    params: int
    params_without_aux: int
    macs: int | None


class Row(Record):
    """A network as the comparison shows it.

    Parameters and multiply-accumulates are without auxiliary heads, for one sample; activations are values; memory is the
    peak of an inference in bytes, float32; `depth` counts the layers with weights on the longest way.
    """

    name: str
    input: str
    params: int
    macs: int | None
    activations: int | None
    peak_memory: int | None
    receptive_field: Any
    depth: int

    def json(self) -> dict[str, Any]:
        """Plain data; null for what depends on an open size."""
        return {
            "name": self.name,
            "input": self.input,
            "params": self.params,
            "macs": self.macs,
            "activations": self.activations,
            "peak_memory_bytes": self.peak_memory,
            "receptive_field": self.receptive_field,
            "depth": self.depth,
        }


def measured(spec: str) -> Measured:
    """The counts of a spec; raises SpecError and Unreadable as `api.load` does."""
    compiled = compile_text(read_spec(spec))
    if compiled.graph is None:
        raise SpecError(compiled.diagnostics)
    found = costs(compiled.graph)
    return Measured(str(compiled.graph.input_shape), found.params, found.params_without_aux, found.macs)


def compared(graph: Graph, spec: str) -> Row:
    """The row of a graph; `spec` is what it was asked for as, and names it."""
    found = statistics(graph).json()
    return Row(
        _name(graph, spec),
        str(graph.input_shape),
        found["params_without_aux"],
        found["macs"],
        found["activations"],
        found["peak_memory_bytes"],
        found["receptive_field"],
        depth(graph),
    )


def _name(graph: Graph, spec: str) -> str:
    if spec.startswith("zoo:"):
        return spec[4:]
    return Path(spec).stem if spec.endswith(".cnn") else graph.name


def named(rows: Sequence[Row]) -> list[Row]:
    """Rows with names that differ: a second `Net` is `Net (2)`."""
    seen: dict[str, int] = {}
    found = []
    for row in rows:
        seen[row.name] = seen.get(row.name, 0) + 1
        found.append(row if seen[row.name] == 1 else row.replace(name=f"{row.name} ({seen[row.name]})"))
    return found


def cells(row: Row) -> tuple[str, ...]:
    """A row as the table shows it."""
    return (
        row.name,
        row.input,
        grouped(row.params),
        grouped(row.macs),
        grouped(row.activations),
        grouped(row.peak_memory),
        spoken(row.receptive_field),
        str(row.depth),
    )


def table(rows: Sequence[Row]) -> list[str]:
    """The lines of the table."""
    lines = aligned([HEADS, *map(cells, rows)])
    return [line for at, line in enumerate(lines) if at != len(lines) - 2]  # no totals, so no rule above them
