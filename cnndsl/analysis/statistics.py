"""What a network costs, layer by layer and in all: as JSON and as the lectures' table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..record import Record
from .costs import Costs, costs
from .memory import FLOAT, Memory, memory
from .receptive import Receptive, receptive
from .sizes import valid_sizes

if TYPE_CHECKING:
    from fractions import Fraction

    from ..ir import Graph
    from ..shape import Shape


class Statistics(Record):
    """Costs, memory and receptive fields of a graph, one entry a node."""

    graph: Graph
    costs: Costs
    memory: Memory
    receptive: tuple[Receptive, ...]

    def json(self) -> dict[str, Any]:
        """Plain data: totals, and `layers` with one entry for each operation; null for what depends on an open size.

        Sizes are C×spatial; memory is bytes at batch 1 in float32; `receptive_field` and `stride` are numbers where all
        axes agree and lists otherwise. `valid_sizes` says in words which sizes of an open input are valid.
        """
        graph, total = self.graph, self.costs
        return {
            "name": graph.name,
            "hash": graph.hash(),
            "input": sizes(graph.nodes[0].shape),
            "output": sizes(graph.nodes[graph.output].shape),
            "params": total.params,
            "params_without_aux": total.params_without_aux,
            "macs": total.macs,
            "flops": total.flops,
            "activations": total.activations,
            "peak_memory_bytes": self.memory.inference,
            "training_memory_bytes": self.memory.training,
            "receptive_field": same(self.receptive[graph.output].size),
            "valid_sizes": None if graph.nodes[0].shape.fixed else list(valid_sizes(graph).lines()),
            "layers": [self.layer(index) for index in range(1, len(graph.nodes))],
        }

    def layer(self, index: int) -> dict[str, Any]:
        """One node as plain data."""
        node, cost, seen = self.graph.nodes[index], self.costs.nodes[index], self.receptive[index]
        return {
            "name": node.name,
            "op": node.op.kind,
            "output": sizes(node.shape),
            "params": cost.params,
            "macs": cost.macs,
            "flops": cost.flops,
            "activations": cost.activations,
            "receptive_field": same(seen.size),
            "stride": same(tuple(map(number, seen.stride))),
            "line": node.origin.line if node.origin else None,
        }

    def table(self) -> str:
        """The lectures' table: layer, output, memory, parameters, MACs, receptive field; a row of totals."""
        graph, total = self.graph, self.costs
        live = graph.live
        rows: list[tuple[str, ...]] = [HEADS, ("input", str(graph.nodes[0].shape), "", "", "", "")]
        for index, node in enumerate(graph.nodes[1:], 1):
            cost = self.costs.nodes[index]
            name = node.name if index in live else f"{node.name} *"
            made = None if cost.activations is None else FLOAT * cost.activations
            field = spoken(same(self.receptive[index].size))
            rows.append((name, str(node.shape), grouped(made), grouped(cost.params), grouped(cost.macs), field))
        made = None if total.activations is None else FLOAT * total.activations
        field = spoken(same(self.receptive[graph.output].size))
        rows.append(("total", "", grouped(made), grouped(total.params), grouped(total.macs), field))
        notes = [f"peak memory {grouped(self.memory.inference)} bytes, training {grouped(self.memory.training)} bytes"]
        if len(live) < len(graph.nodes):
            notes.append(f"* in training only; {grouped(total.params_without_aux)} parameters without it")
        if not graph.nodes[0].shape.fixed:
            notes.append(f"valid sizes: {'; '.join(valid_sizes(graph).lines()) or 'all'}")
        return "\n".join((*aligned(rows), *notes))


HEADS = ("layer", "output", "memory (bytes)", "parameters", "MACs", "receptive field")


def statistics(graph: Graph) -> Statistics:
    """The statistics of a graph, in time linear in its nodes."""
    found = costs(graph)
    return Statistics(graph, found, memory(graph, found), receptive(graph))


def sizes(shape: Shape) -> list[int | str]:
    """The dimensions as plain data: symbolic ones as text."""
    return [size if isinstance(size, int) else str(size) for size in shape.dimensions]


def same(values: tuple[Any, ...]) -> Any:
    """The one value of all axes, or the list of them; None where there are no axes."""
    if not values:
        return None
    return values[0] if all(value == values[0] for value in values) else list(values)


def number(value: Fraction | None) -> int | float | None:
    """A stride as plain data; below 1 after upsampling."""
    if value is None:
        return None
    return value.numerator if value.denominator == 1 else float(value)


def grouped(value: int | None) -> str:
    """A number with its thousands apart; `?` where it depends on an open size."""
    return "?" if value is None else f"{value:,}"


def spoken(field: Any) -> str:
    """A receptive field as the table shows it."""
    if isinstance(field, list):
        return "x".join("?" if size is None else f"{size}" for size in field)
    return "" if field is None else f"{field}"


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows as text: names to the left, numbers to the right, a rule below the heads and above the totals."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return [lines[0], rule, *lines[1:-1], rule, lines[-1]]
