"""Which sizes of a symbolic input are valid: exactly those for which every node is, solved from the nodes' conditions.

A size never falls as its symbol grows, so that a window fits from some size on; and where branches meet, the difference of
their sizes is periodic in the symbol, or leaves zero for good (`periodic`). The answer is a minimum with a period and
residues, or a finite list, for each symbol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..ops.base import Problem
from ..ops.conditions import AtLeast, Condition
from ..periodic import Sizes, at_least, meeting
from ..record import Record
from ..symbolic import Product, Symbolic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..ir import Graph


class Demand(Record):
    """What one node demands of one symbol; `meets` where branches must agree there."""

    node: int
    symbol: str
    sizes: Sizes
    meets: bool


class ValidSizes(Record):
    """The valid sizes of each symbol, what demands them, and what only concerns symbols together.

    `demands` are those that narrow the answer, in the order of their nodes; `together` are conditions on products of sizes
    (two values or more for an instance norm); `problems` say at which node no size is left.
    """

    graph: Graph
    symbols: dict[str, Sizes]
    demands: tuple[Demand, ...]
    together: tuple[AtLeast, ...]
    problems: tuple[tuple[int, Problem], ...]

    def accepts(self, values: Mapping[str, int]) -> bool:
        """Whether the network is valid for these sizes."""
        return (
            not self.problems
            and all(values[symbol] in sizes for symbol, sizes in self.symbols.items())
            and all(not isinstance(c.size, int) and c.size.evaluate(values) >= c.least for c in self.together)
        )

    def lines(self) -> tuple[str, ...]:
        """The answer in words: `H and W >= 29 (pool5)`, `H a multiple of 16, or the branches at add3 do not meet`."""
        shared: dict[tuple[Sizes, str], list[str]] = {}
        for symbol, sizes in self.symbols.items():
            if sizes != Sizes():
                shared.setdefault((sizes, self.reason(symbol)), []).append(symbol)
        words = (
            worded(" and ".join(symbols), sizes, several=len(symbols) > 1) + reason
            for (sizes, reason), symbols in shared.items()
        )
        return (*words, *(f"{c.size} >= {c.least}".removeprefix("1*") for c in self.together))

    def reason(self, symbol: str) -> str:
        """Which nodes demand it: those where branches meet, else the last that needs so large an input."""
        mine = [demand for demand in self.demands if demand.symbol == symbol]
        joins = [self.graph.nodes[demand.node].name for demand in mine if demand.meets]
        if not joins:
            return f" ({self.graph.nodes[mine[-1].node].name})"
        more = f" and {len(joins) - 3} more" if len(joins) > 3 else ""
        return f", or the branches at {', '.join(joins[:3])}{more} do not meet"


def valid_sizes(graph: Graph) -> ValidSizes:
    """The sizes of the input's symbols for which every node is valid."""
    symbols = {n.symbol: Sizes() for n in graph.nodes[0].shape.spatial if isinstance(n, Symbolic)}
    demands: list[Demand] = []
    together: dict[AtLeast, None] = {}
    problems: list[tuple[int, Problem]] = []
    applied: set[tuple[str, Sizes]] = set()
    for node, condition in conditions(graph):
        if isinstance(condition, AtLeast) and isinstance(condition.size, Product):
            if condition.size.factor < condition.least:
                together[condition] = None
            continue
        demand = solved(node, condition)
        if isinstance(demand, Problem):
            problems.append((node, demand))
            continue
        if (demand.symbol, demand.sizes) in applied:
            continue
        applied.add((demand.symbol, demand.sizes))
        left = symbols[demand.symbol].intersect(demand.sizes)
        if left is None or left.empty:
            problems.append((node, nothing_left(graph, demand, left, demands)))
        elif left != symbols[demand.symbol]:
            symbols[demand.symbol] = left
            demands.append(demand)
    return ValidSizes(graph, symbols, tuple(demands), tuple(together), tuple(problems))


def conditions(graph: Graph) -> Iterator[tuple[int, Condition]]:
    """The conditions on symbolic sizes, each once, with the first node that has it."""
    known: set[tuple[int, ...]] = set()
    for index, node in enumerate(graph.nodes[1:], 1):
        inputs = graph.inputs(node)
        key = (id(node.op), *map(id, inputs))
        if key in known or all(x.fixed for x in inputs):
            continue
        known.add(key)
        for condition in node.op.conditions(inputs):
            if isinstance(condition, AtLeast):
                if not isinstance(condition.size, int):
                    yield index, condition
            elif condition.left != condition.right:
                yield index, condition


def solved(node: int, condition: Condition) -> Demand | Problem:
    """The sizes of the one symbol of a condition that fulfil it."""
    if isinstance(condition, AtLeast):
        assert isinstance(condition.size, Symbolic)
        return Demand(node, condition.size.symbol, at_least(condition.size, condition.least), False)
    sizes = meeting(condition.left, condition.right)
    one = condition.left if isinstance(condition.left, Symbolic) else condition.right
    if sizes is None:
        return endless(f"{condition.left} = {condition.right}")
    if sizes.empty or not isinstance(one, Symbolic):
        return condition.problem
    return Demand(node, one.symbol, sizes, True)


def endless(what: str) -> Problem:
    """The problem that the valid sizes repeat too rarely to be listed."""
    return Problem(
        "CNN112",
        "the valid sizes are too far apart to work out",
        found=what,
        help="give the input a fixed size, or use smaller strides between the branches",
    )


def nothing_left(graph: Graph, demand: Demand, left: Sizes | None, before: list[Demand]) -> Problem:
    """The problem that no size fulfils this demand and those before it."""
    if left is None:
        return endless(worded(demand.symbol, demand.sizes))
    others = [worded(d.symbol, d.sizes) + f" ({graph.nodes[d.node].name})" for d in before if d.symbol == demand.symbol]
    return Problem(
        "CNN112",
        f"no {demand.symbol} is valid",
        f"{worded(demand.symbol, demand.sizes)} here",
        ", ".join(others[-3:]) or None,
        "the branches that meet here never have the same size" if demand.meets else None,
    )


def worded(symbol: str, sizes: Sizes, *, several: bool = False) -> str:
    """Sizes in words: `H >= 32`, `H a multiple of 16`, `H odd`, `H % 4 = 1 or 2, at least 9`, `H = 7`."""
    if sizes.finite is not None:
        return f"{symbol} = {listed(sizes.finite)}"
    if sizes.period == 1:
        return f"{symbol} >= {sizes.minimum}"
    first = min(r or sizes.period for r in sizes.residues)
    least = f", at least {sizes.minimum}" if sizes.minimum > first else ""
    if sizes.residues == (0,):
        multiple = f"multiples of {sizes.period}" if several else f"a multiple of {sizes.period}"
        return f"{symbol} {'even' if sizes.period == 2 else multiple}{least}"
    if sizes.period == 2:
        return f"{symbol} odd{least}"
    return f"{symbol} % {sizes.period} = {listed(sizes.residues)}{least}"


def listed(numbers: tuple[int, ...]) -> str:
    """Numbers as a choice, cut off after a few."""
    shown = [str(n) for n in numbers[:12]]
    if len(numbers) > 12:
        return f"{', '.join(shown)}, ..."
    return " or ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]
