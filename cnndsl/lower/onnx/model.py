"""From the graph to a ModelProto, and to a file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from onnx import ModelProto

from ...files import OutputFiles
from ...ir import Graph, Node
from ...ops.activation import Activation, Softmax
from ...ops.combine import Input
from ...version import version
from .emit import BATCH, Draft, Emitter, LoweringError, Value, describe
from .preprocess import describe_image, emit_preprocess
from .rows import ROWS, TRAINING_ONLY
from .tensors import LARGEST_MESSAGE, Stored, embed, externalise, size, stream

IR_VERSIONS = {17: 8, 18: 10, 19: 10, 20: 10, 21: 10, 22: 10, 23: 11, 24: 12, 25: 13, 26: 13}
"""The file format's version for each opset: 8 with opset 17, for old runtimes; then 10 as long as the opset allows it.
ONNX Runtime 1.31 takes none above 13."""

DEFAULT_OPSET = 18
INPUT, OUTPUT = "input", "output"


def to_onnx(
    graph: Graph,
    arrays: Mapping[str, Value] | None = None,
    *,
    opset: int = DEFAULT_OPSET,
    with_preprocess: bool = False,
) -> ModelProto:
    """The network at inference as an ONNX model, N×C×spatial with any batch size N.

    `arrays` are the weights by state-dict name, as `init` or `initial` gives them; without them the weights become inputs
    of the graph beside `input`, as in a structure-only file. The graph's input is `input` and its output `output`; every
    other value has the name of the node that makes it. Sizes that the spec leaves open are dimensions named by their
    expression (`floor(H/2)`). AUX heads, dropout, and all else that the output does not depend on are left out.

    What the spec says of its images stands in the metadata. `with_preprocess` puts it into the graph too, which then takes
    images as they are handed in, N×H×W×C bytes where the spec says nothing else.

    Raises LoweringError for an opset outside 17..26, an array that is missing or misshapen, an operation that ONNX
    cannot express, preprocessing that the spec does not have, and a model over 2 GiB, which only `write_onnx` can store.
    """
    model, stored = _draft(graph, arrays, opset, with_preprocess)
    if size(model, stored) > LARGEST_MESSAGE:
        raise LoweringError("the model is over 2 GiB: write it with write_onnx, which puts its weights beside it")
    embed(model, stored)
    return model


def write_onnx(
    path: str | os.PathLike[str],
    graph: Graph,
    arrays: Mapping[str, Value] | None = None,
    *,
    opset: int = DEFAULT_OPSET,
    with_preprocess: bool = False,
    external_threshold: int = LARGEST_MESSAGE,
) -> tuple[Path, ...]:
    """Write the model that `to_onnx` makes, whole or not at all; returns the files.

    A model of more than `external_threshold` bytes has its weights in `<name>.onnx.data` beside it, and the two appear
    together. Raises OSError, and LoweringError as `to_onnx` does.
    """
    model, stored = _draft(graph, arrays, opset, with_preprocess)
    target = Path(path)
    with OutputFiles() as files:
        if size(model, stored) <= external_threshold:
            stream(files.open(target), model, stored)
            return (target,)
        beside = target.with_name(f"{target.name}.data")
        externalise(model, stored, files.open(beside), beside.name)
        files.open(target).write(model.SerializeToString())
    return (target, beside)


def _draft(
    graph: Graph, arrays: Mapping[str, Value] | None, opset: int, with_preprocess: bool
) -> tuple[ModelProto, Stored]:
    """The model without the bytes of its arrays, and those."""
    if opset not in IR_VERSIONS:
        raise LoweringError(f"opset {opset} is not one of {min(IR_VERSIONS)}..{max(IR_VERSIONS)}")
    model = ModelProto(ir_version=IR_VERSIONS[opset], producer_name="cnndsl", producer_version=version())
    model.opset_import.add(domain="", version=opset)
    if with_preprocess and graph.preprocess is None:
        raise LoweringError("the spec says nothing of images: write `preprocess resize(256) - crop(224)` or the like")
    for key, content in _facts(graph, with_preprocess).items():
        model.metadata_props.add(key=key, value=content)
    draft = Draft(graph, arrays, opset, model.graph)
    _write_nodes(draft, with_preprocess)
    return model, draft.stored


def _facts(graph: Graph, with_preprocess: bool) -> dict[str, str]:
    """What the metadata says: what the network is, how images become its input, what it gives."""
    facts = {"name": graph.name, "hash": graph.hash(), "version": version()}
    if graph.classes is not None:
        facts["classes"] = str(graph.classes)
    if graph.preprocess is not None:
        contract = graph.preprocess.json()
        labels = contract.pop("labels")
        facts["preprocess"] = json.dumps(contract)
        facts["preprocess_in"] = "graph" if with_preprocess else "caller"
        facts["output"] = "probabilities" if gives_probabilities(graph) else "scores"
        if labels is not None:
            facts["labels"] = json.dumps(labels, ensure_ascii=False)
    return facts


def gives_probabilities(graph: Graph) -> bool:
    """Whether the network ends in a SOFTMAX or a SIGMOID, and so gives no scores of which one is still to be taken."""
    last = graph.nodes[graph.output]
    while type(last.op) in TRAINING_ONLY:
        last = graph.nodes[last.inputs[0]]
    return isinstance(last.op, Softmax) or (isinstance(last.op, Activation) and last.op.function == "sigmoid")


def _write_nodes(draft: Draft, with_preprocess: bool) -> None:
    """Every node that the output depends on, in order, with the shapes of the values."""
    graph, proto = draft.graph, draft.proto
    last = graph.output
    while type(graph.nodes[last].op) in TRAINING_ONLY:
        last = graph.nodes[last].inputs[0]
    values: dict[int, str] = {}
    for index in sorted(graph.live):
        node = graph.nodes[index]
        inputs = tuple(values[i] for i in node.inputs)
        if isinstance(node.op, Input):
            values[index] = _write_input(draft, node, with_preprocess)
        elif type(node.op) in TRAINING_ONLY:
            values[index] = inputs[0]
        else:
            value = values[index] = OUTPUT if index == last else _value_name(node.name)
            ROWS[type(node.op)](node.op, Emitter(draft, node, inputs, value))
            described = proto.output if index == last else proto.value_info
            describe(described.add(), value, (BATCH, *node.shape.dimensions))
    if not proto.output:
        proto.node.add(op_type="Identity", name=OUTPUT, input=[values[0]], output=[OUTPUT])
        describe(proto.output.add(), OUTPUT, (BATCH, *graph.nodes[last].shape.dimensions))


def _write_input(draft: Draft, node: Node, with_preprocess: bool) -> str:
    """The graph's input; returns the value that the network begins with."""
    if with_preprocess and draft.graph.preprocess is not None:
        describe_image(draft.proto, INPUT, draft.graph.preprocess, node.shape)
        return emit_preprocess(Emitter(draft, node, (INPUT,), INPUT), draft.graph.preprocess)
    describe(draft.proto.input.add(), INPUT, (BATCH, *node.shape.dimensions))
    return INPUT


def _value_name(name: str) -> str:
    """A node's name, kept apart from the two that the graph's ends have."""
    return f"{name}/value" if name in (INPUT, OUTPUT) else name
