"""The preprocessing in front of a quantised model."""

from __future__ import annotations

from onnx import ModelProto, NodeProto

from .samples import INPUT


def with_images(quantised: ModelProto, images: ModelProto) -> ModelProto:
    """The quantised model behind the preprocessing of `images`, which is the same network in float with it.

    It stays in float: its values are few, and each channel has a scale of its own.
    """
    made = ModelProto()
    made.CopyFrom(quantised)
    graph = made.graph
    steps = [node for node in images.graph.node if _prepares(node.name)]
    given = {value for node in steps for value in node.output}
    entering = next(
        name for node in images.graph.node if not _prepares(node.name) for name in node.input if name in given
    )
    nodes = [*steps, *(_entered(node, entering) for node in quantised.graph.node)]
    del graph.node[:], graph.input[:], made.metadata_props[:]
    graph.node.extend(nodes)
    graph.input.extend(images.graph.input)
    made.metadata_props.extend(images.metadata_props)
    read = {name for node in steps for name in node.input}
    graph.initializer.extend(tensor for tensor in images.graph.initializer if tensor.name in read)
    graph.value_info.extend(info for info in images.graph.value_info if info.name in given)
    return made


def _prepares(name: str) -> bool:
    """Whether a node stands for a part of the input."""
    return name.startswith(f"{INPUT}/")


def _entered(node: NodeProto, entering: str) -> NodeProto:
    """A node that reads what the preprocessing gives in place of the input."""
    made = NodeProto()
    made.CopyFrom(node)
    made.input[:] = [entering if name == INPUT else name for name in node.input]
    return made
