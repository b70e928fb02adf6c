"""A spec written out: every default, repeat and definition, one stage a line with its shape.

The text is a spec again: it compiles to a graph with the same operations, wiring and shapes. Names differ, since the
definitions that gave them are gone; each line's comment tells the node it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .elaborate import Branches, Jump, Side, Trace
from .ir import Graph
from .ops.base import Op
from .passes import Model
from .preprocess import Preprocess, writable
from .shape import Shape


def expand(graph: Graph, trace: Trace) -> str:
    """The text of a graph; `trace` is the structure that elaboration kept of it."""
    writer = _Writer(graph, trace)
    head = f"# {graph.name}, written out\ninput {_dimensions(graph.input_shape)}\n"
    if graph.preprocess is not None:
        head += _contract(graph.preprocess)
    if graph.classes is not None:
        head += f"param classes = {graph.classes}\n"
    return head + f"net {graph.name} =\n" + "\n".join(writer.lines()) + "\n"


def _contract(preprocess: Preprocess) -> str:
    """The statement, one step a line; labels that cannot stand in a spec are left out, which is said."""
    text = "preprocess " + "\n  - ".join(preprocess.steps()) + "\n"
    labels = preprocess.labels
    return text if labels is None or writable(labels) else f"# its labels stand in a file\n{text}"


def retraced(trace: Trace, graph: Graph, model: Model) -> Trace:
    """The structure of what passes made of a graph, from the structure of the graph; nodes that are gone are left out."""
    return _Retracing(graph, model).items(trace)


class _Retracing:
    def __init__(self, graph: Graph, model: Model) -> None:
        self.graph = graph
        self.values = model.values
        self.places = {node.name: index for index, node in enumerate(model.graph.nodes)}

    def items(self, trace: Trace) -> Trace:
        """What is left of a pipeline."""
        found: Trace = []
        for item in trace:
            match item:
                case int():
                    place = self.places.get(self.graph.nodes[item].name)
                    found += [] if place is None else [place]
                case Jump(node=node):
                    found.append(Jump(self.place(node)))
                case Branches():
                    found += self.branches(item)
                case Side():
                    pass
        return found

    def branches(self, item: Branches) -> Trace:
        """The branches; where they have become one, that: the one in which its node is, for the others are part of it."""
        branches = tuple(self.items(branch) for branch in item.branches)
        name = self.graph.nodes[item.node].name
        if name in self.places:
            return [Branches(self.places[name], branches)]
        merged = self.places.get(self.values.get(name, ""))
        return next((branch for branch in branches if merged in branch), branches[0])

    def place(self, node: int) -> int:
        """The node that now makes a node's value, or what that was made of."""
        while True:
            name = self.graph.nodes[node].name
            place = self.places.get(self.values.get(name, name))
            if place is not None:
                return place
            node = self.graph.nodes[node].inputs[0]


class _Writer:
    def __init__(self, graph: Graph, trace: Trace) -> None:
        self.graph = graph
        self.trace = trace
        taken: set[str] = set()
        self.labels = {node: self._label(node, taken) for node in sorted(_targets(trace))}

    def _label(self, node: int, taken: set[str]) -> str:
        """A label that is like the node's name: `a.b` and `a_b` get two."""
        label = "at_" + self.graph.nodes[node].name.replace(".", "_")
        while label in taken:
            label += "_"
        taken.add(label)
        return label

    def lines(self) -> Iterator[str]:
        first = [f"{self.labels[0]}: ID"] if 0 in self.labels else []
        yield from self._sequence(self.trace, 1, first)

    def _sequence(self, trace: Trace, depth: int, before: list[str]) -> Iterator[str]:
        """A pipeline, one stage a line; `before` are stages that stand first in it."""
        indent, empty = "  " * depth, not trace and not before
        for position, text in enumerate(before or (["ID"] if empty else [])):
            yield f"{indent}{'- ' if position else '  '}{text}"
        for position, item in enumerate(trace, start=len(before)):
            joiner = f"{indent}{'- ' if position else '  '}"
            match item:
                case int():
                    yield joiner + self._stage(item)
                case Jump(node=node):
                    yield f"{joiner}@{self.labels[node]}"
                case Side(weight=weight, trace=inner):
                    yield f"{joiner}AUX(weight={weight!r})["
                    yield from self._sequence(inner, depth + 2, [])
                    yield f"{indent}  ]"
                case Branches():
                    yield from self._branches(item, depth, joiner)

    def _branches(self, item: Branches, depth: int, joiner: str) -> Iterator[str]:
        node = self.graph.nodes[item.node]
        label = f"{self.labels[item.node]}: " if item.node in self.labels else ""
        yield f"{joiner}{label}{node.op.layer}["
        for position, branch in enumerate(item.branches):
            if position:
                yield "  " * (depth + 1) + "|"
            yield from self._sequence(branch, depth + 2, [])
        yield "  " * (depth + 1) + f"]  => {_dimensions(node.shape)}  # {node.name}"

    def _stage(self, index: int) -> str:
        node = self.graph.nodes[index]
        label = f"{self.labels[index]}: " if index in self.labels else ""
        return f"{label}{spelling(node.op)}  => {_dimensions(node.shape)}  # {node.name}"


def _targets(trace: Trace) -> set[int]:
    """The nodes that a reference goes back to."""
    found: set[int] = set()
    waiting: list[Any] = list(trace)
    while waiting:
        match waiting.pop():
            case Jump(node=node):
                found.add(node)
            case Branches(branches=branches):
                waiting += [item for branch in branches for item in branch]
            case Side(trace=inner):
                waiting += inner
            case _:
                pass
    return found


def spelling(op: Op) -> str:
    """An operation as a layer of the language with every argument: `CONV3x3-64/1x1(pad=(1, 1, 1, 1), ...)`."""
    name, arguments = op.written()
    kernel, width, stride = (arguments.pop(field, None) for field in ("kernel", "width", "stride"))
    text = name + ("" if kernel is None else _extents(kernel))
    text += "" if width is None else f"-{width}"
    text += "" if stride is None else f"/{_extents(stride)}"
    given = ", ".join(f"{argument}={_value(value)}" for argument, value in arguments.items())
    return f"{text}({given})" if given else text


def _extents(sizes: object) -> str:
    return "x".join(map(str, sizes)) if isinstance(sizes, tuple) else str(sizes)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if (
        isinstance(value, tuple) and value and isinstance(value[0], tuple)
    ):  # pads: the last axis first, as torch's F.pad
        return _value(tuple(size for pair in reversed(value) for size in pair))
    if isinstance(value, tuple):
        return f"({', '.join(map(_value, value))})" if len(value) != 1 else _value(value[0])
    return repr(value) if isinstance(value, float) else str(value)


def _dimensions(shape: Shape) -> str:
    return "x".join(str(size) if isinstance(size, int) else "?" for size in shape.dimensions)
