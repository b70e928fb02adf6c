"""What ONNX Runtime's quantiser leaves brought in order: every name, the ends, the metadata, nodes in a valid order."""

from __future__ import annotations

from typing import Final

from onnx import ModelProto, NodeProto

from .settings import WEIGHTED

_PASSING: Final = frozenset({"Softmax", "Sigmoid", "Flatten", "Reshape", "Squeeze", "Identity"})
"""Operators between the scores and the output."""


def tidy(made: ModelProto, model: ModelProto, *, weighted_only: bool) -> None:
    """Change a quantised model in place; `model` is what it was made of. `weighted_only`: no other layers are quantised."""
    graph = _Graph(made)
    _bare_ends(graph)
    if weighted_only:
        _bare_readers(graph)
    _restore_activations(graph, model)
    _sort(graph)
    _restore_facts(made, model)


class _Graph:
    """A graph with what makes and what reads each value."""

    def __init__(self, model: ModelProto) -> None:
        self.proto = model.graph
        self.nodes: list[NodeProto] = list(model.graph.node)
        self.makers = {value: node for node in self.nodes for value in node.output}

    def readers(self, value: str) -> list[NodeProto]:
        return [node for node in self.nodes if value in node.input]

    def rename_output(self, node: NodeProto, value: str) -> None:
        del self.makers[node.output[0]]
        node.output[0] = value
        self.makers[value] = node

    def add(self, node: NodeProto) -> None:
        self.nodes.append(node)
        self.makers[node.output[0]] = node

    def remove(self, node: NodeProto) -> None:
        self.nodes = [one for one in self.nodes if one is not node]
        if self.makers.get(node.output[0]) is node:
            del self.makers[node.output[0]]


def _bare_ends(graph: _Graph) -> None:
    """Scores, and what is made of them, as they were computed: 256 levels for all of them would tell few classes apart."""
    value = graph.proto.output[0].name
    while True:
        _bare(graph, value)
        maker = graph.makers.get(value)
        if maker is None or maker.op_type not in _PASSING:
            return
        _bare_input(graph, maker)
        value = maker.input[0]


def _bare(graph: _Graph, output: str) -> None:
    """Where the graph's output comes out of a pair of nodes, let it come from what goes in."""
    pair = _pair(graph, output)
    if pair is None:
        return
    quantise, dequantise = pair
    maker = graph.makers[quantise.input[0]]
    graph.remove(dequantise)
    source = quantise.input[0]
    if not graph.readers(quantise.output[0]):
        graph.remove(quantise)
    graph.rename_output(maker, output)
    for reader in graph.readers(source):
        reader.input[:] = [output if name == source else name for name in reader.input]


def _bare_readers(graph: _Graph) -> None:
    """Let what computes in float read its input as it was computed, and leave the pair to the layers that it is for.

    They lose nothing then; and from opset 21 on ONNX Runtime 1.31 refuses what its optimiser makes of such a pair: it copies
    the pair behind a pool or a Transpose with `output_dtype` INT8, and then lets the zero point be unsigned.
    """
    for node in graph.nodes:
        if node.op_type in WEIGHTED or node.op_type == "DequantizeLinear":
            continue
        for place, value in enumerate(node.input):
            pair = _pair(graph, value)
            if pair is not None:
                node.input[place] = pair[0].input[0]
    used = {value for node in graph.nodes for value in node.input} | {output.name for output in graph.proto.output}
    for kind in ("DequantizeLinear", "QuantizeLinear"):
        for node in [one for one in graph.nodes if one.op_type == kind and one.output[0] not in used]:
            graph.remove(node)
        used = {value for node in graph.nodes for value in node.input} | {output.name for output in graph.proto.output}


def _bare_input(graph: _Graph, node: NodeProto) -> None:
    """Let a node read what goes into the pair of nodes before it."""
    pair = _pair(graph, node.input[0])
    if pair is None:
        return
    quantise, dequantise = pair
    node.input[0] = quantise.input[0]
    if not graph.readers(dequantise.output[0]):
        graph.remove(dequantise)
    if not graph.readers(quantise.output[0]):
        graph.remove(quantise)


def _pair(graph: _Graph, value: str) -> tuple[NodeProto, NodeProto] | None:
    """The QuantizeLinear and the DequantizeLinear that a value comes out of."""
    dequantise = graph.makers.get(value)
    if dequantise is None or dequantise.op_type != "DequantizeLinear":
        return None
    quantise = graph.makers.get(dequantise.input[0])
    if quantise is None or quantise.op_type != "QuantizeLinear" or quantise.input[0] not in graph.makers:
        return None
    return quantise, dequantise


def _restore_activations(graph: _Graph, model: ModelProto) -> None:
    """Put back each RELU that the quantiser took for a part of the rounding after it, which it is where it begins at 0.

    ONNX Runtime fuses them when it loads the model; whoever looks for a layer finds it, and other runtimes need them.
    """
    present = {node.name for node in graph.nodes}
    for node in reversed(model.graph.node):
        if node.name in present:
            continue
        maker = graph.makers[node.output[0]]
        graph.rename_output(maker, node.input[0])
        restored = NodeProto()
        restored.CopyFrom(node)
        graph.add(restored)
    have = {tensor.name for tensor in graph.proto.initializer} | graph.makers.keys()
    wanted = {name for node in graph.nodes for name in node.input} - have
    graph.proto.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in wanted)


def _sort(graph: _Graph) -> None:
    """Every node after those that it reads, otherwise in the order in which they are; without recursion."""
    done: set[int] = set()
    ordered: list[NodeProto] = []
    for node in graph.nodes:
        waiting = [(node, False)]
        while waiting:
            one, ready = waiting.pop()
            if id(one) in done:
                continue
            if ready:
                done.add(id(one))
                ordered.append(one)
                continue
            waiting.append((one, True))
            makers = (graph.makers.get(name) for name in reversed(one.input))
            waiting.extend((maker, False) for maker in makers if maker is not None and id(maker) not in done)
    copies = [NodeProto.FromString(node.SerializeToString()) for node in ordered]
    del graph.proto.node[:]
    graph.proto.node.extend(copies)


def _restore_facts(made: ModelProto, model: ModelProto) -> None:
    """Who made the model, what it says of itself, and what it says of the shapes of its values."""
    made.producer_name, made.producer_version = model.producer_name, model.producer_version
    made.ir_version = model.ir_version
    del made.metadata_props[:], made.opset_import[:], made.graph.value_info[:]
    made.metadata_props.extend(model.metadata_props)
    made.opset_import.extend(model.opset_import)
    values = {value for node in made.graph.node for value in node.output}
    made.graph.value_info.extend(info for info in model.graph.value_info if info.name in values)
    read = {name for node in made.graph.node for name in node.input}
    unused = [tensor.name for tensor in made.graph.initializer if tensor.name not in read]
    if unused:
        kept = [tensor for tensor in made.graph.initializer if tensor.name in read]
        del made.graph.initializer[:]
        made.graph.initializer.extend(kept)
