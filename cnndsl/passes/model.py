"""What a pass takes and gives: a network at inference with its arrays; and the graph while it is being rewritten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..ir import Graph, Node
from ..ops.base import Op
from ..record import Record

if TYPE_CHECKING:
    from ..weights import Value


class Model(Record):
    """A network at inference and its arrays by state-dict name; None where only its structure is known.

    `values` tells for each node of the network as it was written, by name, which node now makes its value; a node that
    is not in it is made no more, since nothing but what it was merged into needs it. `applied` are the passes so far.
    """

    graph: Graph
    arrays: Mapping[str, Value] | None
    values: Mapping[str, str]
    applied: tuple[str, ...] = ()


def inference(graph: Graph, arrays: Mapping[str, Value] | None) -> Model:
    """The network without what only acts in training: AUX heads, and whatever else the output does not depend on."""
    names = {graph.nodes[index].name: graph.nodes[index].name for index in graph.live}
    return Rewriting(Model(graph, arrays, names)).done()


class Rewriting:
    """A graph that a pass changes node by node. Indices stay; nodes that nothing uses any more are gone at the end.

    Each change says what becomes of the values, so that every value of the network as written can be found again.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.nodes: list[Node] = list(model.graph.nodes)
        self.output = model.graph.output
        self.arrays: dict[str, Value] | None = None if model.arrays is None else dict(model.arrays)
        self.users: list[set[int]] = [set() for _ in self.nodes]
        for index in model.graph.live:
            self._uses(index)
        self._made = {index: [index] for index in model.graph.live}

    def __iter__(self) -> Iterator[tuple[int, Node]]:
        """The nodes that are used, each as it is when its turn comes."""
        for index in range(len(self.nodes)):
            if self.used(index):
                yield index, self.nodes[index]

    def used(self, index: int) -> bool:
        """Whether the output, or a node that is used, takes this node's value."""
        return bool(self.users[index]) or index == self.output

    def sole(self, index: int, user: int) -> bool:
        """Whether one node alone takes a value."""
        return self.users[index] == {user} and index != self.output

    def source(self, index: int) -> int:
        """The first input of a node."""
        return self.nodes[index].inputs[0]

    def put(self, index: int, op: Op, *inputs: int) -> None:
        """Another operation that makes the same value; the inputs stay where none are given."""
        self._rewire(index, self.nodes[index].replace(op=op), inputs)

    def drop(self, index: int) -> None:
        """The node's value is its first input's."""
        self.pass_on(index, self.source(index))

    def absorb(self, index: int, into: int, op: Op) -> None:
        """An earlier node computes, as `op`, what this one did; its own value is made no more."""
        shape = self.nodes[index].shape
        self._made[into] = []
        self.nodes[into] = self.nodes[into].replace(op=op, shape=shape)
        self.pass_on(index, into)

    def lose(self, index: int) -> None:
        """The node is about to make another value than it did."""
        self._made[index] = []

    def pass_on(self, index: int, to: int) -> None:
        """Whatever took the one node's value takes the other's, which is the same."""
        self._made.setdefault(to, []).extend(self._made.pop(index, ()))
        for user in tuple(self.users[index]):
            inputs = tuple(to if i == index else i for i in self.nodes[user].inputs)
            self._rewire(user, self.nodes[user], inputs)
        if index == self.output:
            self.output = to
        if not self.used(index):
            self._release(index)

    def _rewire(self, index: int, node: Node, inputs: tuple[int, ...]) -> None:
        before = self.nodes[index].inputs
        self.nodes[index] = node.replace(inputs=inputs or before)
        self._uses(index)
        for i in set(before) - set(self.nodes[index].inputs):
            self.users[i].discard(index)
            if not self.used(i):
                self._release(i)

    def _uses(self, index: int) -> None:
        for i in self.nodes[index].inputs:
            self.users[i].add(index)

    def _release(self, index: int) -> None:
        """A node that nothing uses uses nothing."""
        waiting = [index]
        while waiting:
            unused = waiting.pop()
            self._made.pop(unused, None)
            for i in self.nodes[unused].inputs:
                self.users[i].discard(unused)
                if not self.used(i):
                    waiting.append(i)

    def done(self, name: str | None = None) -> Model:
        """The model with what is still used, in order; `name` is the pass's."""
        kept = [index for index in range(len(self.nodes)) if index == 0 or self.used(index)]
        place = {index: position for position, index in enumerate(kept)}
        nodes = tuple(_moved(self.nodes[index], place) for index in kept)
        was = self.model.graph
        within = {path for node in nodes for path in _paths(node.name)}
        scopes = tuple(scope for scope in was.scopes if scope.path in within)
        graph = was.replace(nodes=nodes, output=place[self.output], auxiliary=(), scopes=scopes)
        applied = (*self.model.applied, name) if name is not None else self.model.applied
        return Model(graph, self._arrays(graph), self._values(), applied)

    def _arrays(self, graph: Graph) -> dict[str, Value] | None:
        if self.arrays is None:
            return None
        from ..weights import tensors

        names = (f"{node.name}.{weight.name}" for _, node, weight in tensors(graph))
        return {name: self.arrays[name] for name in names if name in self.arrays}

    def _values(self) -> dict[str, str]:
        nodes = self.model.graph.nodes
        now = {nodes[i].name: self.nodes[index].name for index, made in self._made.items() for i in made}
        return {name: now[at] for name, at in self.model.values.items() if at in now}


def _moved(node: Node, place: dict[int, int]) -> Node:
    return node.replace(inputs=tuple(place[i] for i in node.inputs))


def _paths(name: str) -> Iterator[str]:
    """The scopes that a node lies in, from the innermost."""
    while "." in name:
        name = name.rpartition(".")[0]
        yield name
