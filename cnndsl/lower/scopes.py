"""The tree of modules behind a graph's dotted names, and how values flow through each, for both PyTorch lowerings.

A scope covers a contiguous run of nodes, so what flows in is what its nodes take from before the run, and what flows
out is what is used after it: a reference to a label may reach into an enclosing scope, so there may be several of each.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..ops.combine import Add, Concat, Input, Max, Mean, Mul
from ..ops.linear import Flatten
from ..ops.reshape import Crop, Slice
from ..record import Record
from ..reserved import KEYWORDS, RESERVED

if TYPE_CHECKING:
    from ..ir import Graph
    from ..ops.base import Op

FUNCTIONAL: Final[tuple[type[Op], ...]] = (Add, Concat, Crop, Flatten, Max, Mean, Mul, Slice)
"""Operations that are one expression in `forward`; the others are modules."""


class Call(Record):
    """A node in its scope; `name` is its attribute there."""

    name: str
    node: int


class Block(Record):
    """A scope: the nodes from `first` up to `last`, exclusive. `inputs` and `outputs` are values, in order of use."""

    name: str
    path: str
    kind: str
    members: tuple[Call | Block, ...]
    first: int
    last: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class Step(Record):
    """One statement of a forward: call `member`, or compute `op`; `side` says that only training needs it.

    Values are numbered within the scope: its inputs, then the results in order. `ranks` are those of the arguments.
    """

    member: str
    op: Op | None
    ranks: tuple[int, ...]
    arguments: tuple[int, ...]
    results: tuple[int, ...]
    side: bool


class Wiring(Record):
    """A scope's forward: hashable, and free of what differs between two instances of one definition.

    Of `outputs`, the first `always` are values in both modes; the root returns only those in evaluation, a nested scope
    returns None for the others.
    """

    inputs: int
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    always: int
    root: bool

    @property
    def branching(self) -> bool:
        """Whether the forward differs between training and evaluation."""
        return self.always < len(self.outputs) or any(step.side for step in self.steps)


class Liveness(Record):
    """Which values the result needs, which only side outputs need, and the last use of each."""

    main: frozenset[int]
    side: frozenset[int]
    last_use: tuple[int, ...]


def attribute(part: str) -> str:
    """The attribute that stands for one part of a dotted name: the part, unless a module cannot have that attribute."""
    if part in RESERVED:
        return f"{part}_"
    if part.isidentifier() and not part.startswith("_"):
        return part
    return "x" + re.sub(r"\W", "_", part)


def key(name: str) -> str:
    """The state-dict key of a dotted name."""
    return ".".join(attribute(part) for part in name.split("."))


def class_name(kind: str) -> str:
    """A class name for a definition, a label or a network: as it stands, or in CapWords."""
    words = re.findall(r"\w+", kind)
    name = (
        "".join(word[:1].upper() + word[1:] for word in "_".join(words).split("_"))
        if kind[:1].islower()
        else "".join(words)
    )
    return name if name.isidentifier() and name not in KEYWORDS else f"Net{name}"


def liveness(graph: Graph) -> Liveness:
    """What each value is needed for. A value that nothing needs (`@label` dropped it) is neither main nor side."""
    main = _behind(graph, (graph.output,))
    side = _behind(graph, tuple(head.node for head in graph.auxiliary)) - main
    last_use = [-1] * len(graph.nodes)
    for index, node in enumerate(graph.nodes):
        if index in main or index in side:
            for value in node.inputs:
                last_use[value] = index
    for value in (graph.output, *(head.node for head in graph.auxiliary)):
        last_use[value] = len(graph.nodes)
    return Liveness(main, side, tuple(last_use))


def _behind(graph: Graph, values: tuple[int, ...]) -> frozenset[int]:
    found: set[int] = set()
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if value not in found:
            found.add(value)
            waiting += graph.nodes[value].inputs
    return frozenset(found)


class _Open:
    """A scope whose end has not been seen yet."""

    def __init__(self, path: str, kind: str, first: int) -> None:
        self.path = path
        self.kind = kind
        self.first = first
        self.members: list[Call | Block] = []
        self.names: set[str] = set()

    def add(self, member: Call | Block, name: str) -> None:
        if member.name in self.names:
            raise ValueError(f"two nodes or scopes of the graph are both named {name}")
        self.names.add(member.name)
        self.members.append(member)


def tree(graph: Graph, live: Liveness) -> Block:
    """The root scope; raises ValueError where a scope's nodes do not lie together or a name is given twice."""
    kinds = {scope.path: scope.kind for scope in graph.scopes}
    stack = [_Open("", graph.name, 0)]

    def close(end: int) -> None:
        done = stack.pop()
        block = _block(graph, live, done, end)
        stack[-1].add(block, done.path)

    for index, node in enumerate(graph.nodes):
        if isinstance(node.op, Input):
            continue
        *parts, last = node.name.split(".")
        shared = 0
        while shared < min(len(parts), len(stack) - 1) and stack[shared + 1].path == ".".join(parts[: shared + 1]):
            shared += 1
        while len(stack) > shared + 1:
            close(index)
        for depth in range(shared, len(parts)):
            path = ".".join(parts[: depth + 1])
            stack.append(_Open(path, kinds.get(path, parts[depth]), index))
        stack[-1].add(Call(attribute(last), index), node.name)
    while len(stack) > 1:
        close(len(graph.nodes))
    return _block(graph, live, stack[0], len(graph.nodes))


def _block(graph: Graph, live: Liveness, scope: _Open, end: int) -> Block:
    inputs = [0]
    outputs = [graph.output, *(head.node for head in graph.auxiliary)]
    if scope.path:
        used = (i for i in range(scope.first, end) if i in live.main or i in live.side)
        inputs = list(dict.fromkeys(v for i in used for v in graph.nodes[i].inputs if v < scope.first))
        leaving = [i for i in range(scope.first, end) if live.last_use[i] >= end]
        outputs = sorted(leaving, key=lambda i: i not in live.main)
    name = attribute(scope.path.rpartition(".")[2]) if scope.path else ""
    return Block(name, scope.path, scope.kind, tuple(scope.members), scope.first, end, tuple(inputs), tuple(outputs))


def wire(graph: Graph, live: Liveness, block: Block) -> Wiring:
    """The forward of one scope. One that only side outputs need is not called in evaluation, so nothing in it asks."""
    local = {value: number for number, value in enumerate(block.inputs)}
    steps: list[Step] = []
    whole = not block.path or any(i in live.main for i in range(block.first, block.last))
    for member in block.members:
        takes, gives, op, within = _interface(graph, member)
        if not any(i in live.main or i in live.side for i in within):
            continue
        for value in gives:
            local[value] = len(local)
        expression = op if isinstance(op, FUNCTIONAL) else None
        ranks = tuple(graph.nodes[value].shape.rank for value in takes) if expression else ()
        side = whole and not any(i in live.main for i in within)
        arguments = tuple(local[value] for value in takes)
        steps.append(Step(member.name, expression, ranks, arguments, tuple(local[v] for v in gives), side))
    always = sum(value in live.main or not whole for value in block.outputs) if block.path else 1
    return Wiring(len(block.inputs), tuple(steps), tuple(local[v] for v in block.outputs), always, not block.path)


def _interface(graph: Graph, member: Call | Block) -> tuple[tuple[int, ...], tuple[int, ...], Op | None, range]:
    """What a member takes and gives, its operation if it is one node, and its nodes."""
    if isinstance(member, Block):
        return member.inputs, member.outputs, None, range(member.first, member.last)
    node = graph.nodes[member.node]
    return node.inputs, (member.node,), node.op, range(member.node, member.node + 1)
