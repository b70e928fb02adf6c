"""Writing ONNX nodes: the graph being built, and the place in it of one node of the IR."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto

from ...ir import Graph, Node
from ...ops.base import Weight
from ...ops.conv import Conv
from ...passes.initialisers import sharing
from ...shape import Channels, Shape
from ...weights import Array, Drawn, Value
from .half import SMALLEST, Half, Precision

BATCH = "N"

NEARLY_ZERO: dict[Precision, float] = {"fp32": float(np.finfo(np.float32).tiny), "fp16": SMALLEST}
"""What is padded in place of 0 where a pool may follow: 1.2e-38, 6e-8 in FP16.

ONNX Runtime's optimiser (PadFusion, still in 1.31) makes zeros before a MaxPool the pool's own padding, which never
wins: the maximum of negative values comes out negative. It sees the MaxPool behind whatever else does nothing, a crop of
0 for one. It fuses no other value; a Pad with axes it leaves alone too, but its transpose optimiser breaks that.
"""

Attribute: TypeAlias = int | float | str | Sequence[int]


ELEMENTS: dict[Precision, TensorProto.DataType] = {"fp32": TensorProto.FLOAT, "fp16": TensorProto.FLOAT16}
"""What ONNX calls the types."""


class LoweringError(ValueError):
    """The network has something that cannot be written as ONNX; the message names the node and says why."""


class Draft:
    """An ONNX graph being built, and the arrays that its tensors will hold."""

    def __init__(
        self, graph: Graph, arrays: Mapping[str, Value] | None, opset: int, proto: GraphProto, *, share: bool = False
    ) -> None:
        self.graph = graph
        self.arrays = arrays
        self.opset = opset
        self.proto = proto
        proto.name = graph.name
        self.stored: list[tuple[str, Value]] = []
        self.beyond_convolutions = _beyond_convolutions(graph)
        self._earlier = {precision: sharing() for precision in ELEMENTS} if share else {}
        self._casts: set[str] = set()

    def store(self, name: str, array: Value, precision: Precision = "fp32") -> str:
        """An initialiser, put in when the model is complete; or the name of an equal one, where they are shared."""
        earlier = self._earlier[precision](name, array) if self._earlier else None
        if earlier is not None:
            return earlier
        self.stored.append((name, array if precision == "fp32" else Half(array.shape, array)))
        return name

    def cast(self, value: str, precision: Precision, output: str | None = None) -> str:
        """A value in another precision, made once; `output` is its name where it is not `value/precision`."""
        name = f"{value}/{precision}"
        if name not in self._casts:
            self._casts.add(name)
            node = self.proto.node.add(op_type="Cast", name=name, input=[value], output=[output or name])
            _attribute(node, "to", int(ELEMENTS[precision]))
        return name

    def parameter(self, node: Node, weight: Weight, precision: Precision) -> str:
        """The array of a weight as an initialiser, or as an input of the graph where there are no arrays."""
        name = f"{node.name}.{weight.name}"
        if self.arrays is None:
            describe(self.proto.input.add(), name, weight.shape, precision)
            return name
        array = self.arrays.get(name)
        if array is None:
            raise LoweringError(f"there is no array {name}, which {node.name} needs")
        if array.shape != weight.shape:
            raise LoweringError(f"the array {name} is {_times(array.shape)}, not {_times(weight.shape)}")
        exact = array if isinstance(array, Drawn) else np.asarray(array, np.float32, order="C")
        return self.store(name, exact, precision)


def _beyond_convolutions(graph: Graph) -> frozenset[str]:
    """The nodes whose value something other than a convolution takes."""
    return frozenset(
        graph.nodes[value].name for node in graph.nodes if not isinstance(node.op, Conv) for value in node.inputs
    )


class Emitter:
    """Where one node of the IR is written.

    The ONNX node that makes the value has the node's own name, and so has its value; what else is needed, nodes,
    values and constants, is `name/part`. Inputs, constants and value have the node's precision.
    """

    def __init__(
        self, draft: Draft, node: Node, inputs: tuple[str, ...], output: str, precision: Precision = "fp32"
    ) -> None:
        self.draft = draft
        self.node = node
        self.name = node.name
        self.inputs = inputs
        self.output = output
        self.precision: Precision = precision
        self.shapes: tuple[Shape, ...] = draft.graph.inputs(node)
        self.shape: Shape = node.shape
        self.opset = draft.opset
        self._weights: dict[str, Weight] | None = None

    @property
    def input(self) -> str:
        """The first input's value."""
        return self.inputs[0]

    @property
    def rank(self) -> int:
        """The number of spatial axes of the first input."""
        return len(self.shapes[0].spatial)

    def emit(self, operator: str, *inputs: str, **attributes: Attribute) -> None:
        """The node that makes the value."""
        self._add(self.name, self.output, operator, inputs, attributes)

    def part(self, part: str, operator: str, *inputs: str, **attributes: Attribute) -> str:
        """A node on the way to it; returns the name of its value."""
        name = f"{self.name}/{part}"
        self._add(name, name, operator, inputs, attributes)
        return name

    def _add(
        self, name: str, value: str, operator: str, inputs: Iterable[str], attributes: Mapping[str, Attribute]
    ) -> None:
        node = self.draft.proto.node.add()
        node.op_type, node.name = operator, name
        node.input.extend(inputs)
        node.output.append(value)
        for key, content in attributes.items():
            _attribute(node, key, content)

    def weight(self, name: str) -> str | None:
        """The value that holds a weight of this node; None where it has none of that name."""
        if self._weights is None:
            self._weights = {weight.name: weight for weight in self.node.op.weights(self.shapes)}
        weight = self._weights.get(name)
        return None if weight is None else self.draft.parameter(self.node, weight, self.precision)

    def floats(self, part: str, values: Array | float, precision: Precision | None = None) -> str:
        """A constant of floats, `name/part`, in the node's precision if no other is given."""
        exact = np.asarray(values, np.float32, order="C")
        return self.draft.store(f"{self.name}/{part}", exact, precision or self.precision)

    @property
    def nearly_zero(self) -> float:
        """`NEARLY_ZERO` in the node's precision."""
        return NEARLY_ZERO[self.precision]

    def integers(self, part: str, values: Sequence[int] | Array) -> str:
        """A constant of 64-bit integers, `name/part`."""
        return self.draft.store(f"{self.name}/{part}", np.asarray(values, np.int64, order="C"))

    def refuse(self, reason: str) -> LoweringError:
        """The error to raise where this node cannot be written."""
        where = f" ({self.node.origin.file}:{self.node.origin.line})" if self.node.origin else ""
        return LoweringError(f"{self.name}{where} cannot be written as ONNX: {reason}")


def describe(info: ValueInfoProto, name: str, sizes: Iterable[Channels | str], precision: Precision = "fp32") -> None:
    """Fill in the name and type of a float value; what is not a number becomes a dimension of that name."""
    info.name = name
    kind = info.type.tensor_type
    kind.elem_type = ELEMENTS[precision]
    dimensions = kind.shape.dim
    for size in sizes:
        if isinstance(size, int):
            dimensions.add().dim_value = size
        else:
            dimensions.add().dim_param = str(size)


def _attribute(node: NodeProto, key: str, content: Attribute) -> None:
    attribute = node.attribute.add()
    attribute.name = key
    if isinstance(content, int):
        attribute.type, attribute.i = AttributeProto.INT, content
    elif isinstance(content, float):
        attribute.type, attribute.f = AttributeProto.FLOAT, content
    elif isinstance(content, str):
        attribute.type, attribute.s = AttributeProto.STRING, content.encode()
    else:
        attribute.type = AttributeProto.INTS
        attribute.ints.extend(content)


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"
