"""Which nodes of a model may be quantised, and which of them go together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper

from ..ir import Graph, Node
from ..ops.activation import Activation
from ..ops.base import Op
from .settings import QUANTISED_FUNCTIONS, Scheme


def computing(model: ModelProto, graph: Graph, scheme: Scheme) -> dict[str, tuple[str, ...]]:
    """The nodes that may be quantised of each layer that computes, by the layer's name, in order."""
    return _nodes(model, graph, scheme.computing)


def moving(model: ModelProto, graph: Graph, scheme: Scheme) -> tuple[str, ...]:
    """The nodes that are quantised where their input is, whatever its layer."""
    return tuple(name for names in _nodes(model, graph, scheme.moving).values() for name in names)


def _nodes(model: ModelProto, graph: Graph, operators: Mapping[type[Op], frozenset[str]]) -> dict[str, tuple[str, ...]]:
    layers = {node.name: operators.get(type(node.op), frozenset()) for node in graph.nodes if _has_int8(node)}
    found: dict[str, tuple[str, ...]] = {}
    for node in model.graph.node:
        layer = layer_of(node)
        if node.op_type in layers.get(layer, ()):
            found[layer] = (*found.get(layer, ()), node.name)
    return found


def _has_int8(node: Node) -> bool:
    return not isinstance(node.op, Activation) or node.op.function in QUANTISED_FUNCTIONS


def layer_of(node: NodeProto) -> str:
    """The node of the IR that an ONNX node stands for, alone or with others: `name` or `name/part`."""
    name: str = node.name
    return name.partition("/")[0]


def norms_as_convolutions(model: ModelProto) -> None:
    """Write each BatchNormalization of maps as a convolution of one number a channel, in place.

    ONNX Runtime has no INT8 for the one, and would leave the order of the axes that its convolutions have on either side.
    """
    ranks = {info.name: len(info.type.tensor_type.shape.dim) for info in model.graph.value_info}
    arrays = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        rank = ranks.get(node.output[0], 0)
        if node.op_type != "BatchNormalization" or rank < 3 or not set(node.input[1:]) <= arrays.keys():
            continue
        weight, bias, mean, variance = (
            numpy_helper.to_array(arrays[name]).astype(np.float64) for name in node.input[1:]
        )
        epsilon = next((part.f for part in node.attribute if part.name == "epsilon"), 1e-5)
        names = [f"{node.name}/conv.weight", f"{node.name}/conv.bias"]
        with np.errstate(all="ignore"):  # infinite or NaN, as at run time
            factor = weight / np.sqrt(variance + epsilon)
            values = [factor.reshape(-1, 1, *[1] * (rank - 2)), bias - mean * factor]
            model.graph.initializer.extend(
                numpy_helper.from_array(value.astype(np.float32), name)
                for name, value in zip(names, values, strict=True)
            )
        source = node.input[0]
        node.op_type = "Conv"
        del node.input[:], node.attribute[:]
        node.input.extend([source, *names])
        node.attribute.append(helper.make_attribute("group", len(factor)))
    _drop_unused(model)


def _drop_unused(model: ModelProto) -> None:
    """Take out the initialisers that no node reads any more."""
    read = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in read]
    if len(kept) != len(model.graph.initializer):
        del model.graph.initializer[:]
        model.graph.initializer.extend(kept)
