"""From the graph to a ModelProto, and to a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from onnx import ModelProto

from ...files import OutputFiles
from ...ir import Graph
from ...ops.combine import Input
from ...version import version
from .emit import BATCH, Draft, Emitter, LoweringError, Value, describe
from .rows import ROWS, TRAINING_ONLY
from .tensors import LARGEST_MESSAGE, Stored, embed, externalise, size, stream

IR_VERSIONS = {17: 8, 18: 10, 19: 10, 20: 10, 21: 10, 22: 10, 23: 11, 24: 12, 25: 13, 26: 13}
"""The file format's version for each opset: 8 with opset 17, for old runtimes; then 10 as long as the opset allows it.
ONNX Runtime 1.31 takes none above 13."""

DEFAULT_OPSET = 18
INPUT, OUTPUT = "input", "output"


def to_onnx(graph: Graph, arrays: Mapping[str, Value] | None = None, *, opset: int = DEFAULT_OPSET) -> ModelProto:
    """The network at inference as an ONNX model, N×C×spatial with any batch size N.

    `arrays` are the weights by state-dict name, as `init` or `initial` gives them; without them the weights become inputs
    of the graph beside `input`, as in a structure-only file. The graph's input is `input` and its output `output`; every
    other value has the name of the node that makes it. Sizes that the spec leaves open are dimensions named by their
    expression (`floor(H/2)`). AUX heads, dropout, and all else that the output does not depend on are left out.

    Raises LoweringError for an opset outside 17..26, an array that is missing or misshapen, an operation that ONNX
    cannot express, and a model over 2 GiB, which only `write_onnx` can store.
    """
    model, stored = _draft(graph, arrays, opset)
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
    external_threshold: int = LARGEST_MESSAGE,
) -> tuple[Path, ...]:
    """Write the model that `to_onnx` makes, whole or not at all; returns the files.

    A model of more than `external_threshold` bytes has its weights in `<name>.onnx.data` beside it, and the two appear
    together. Raises OSError, and LoweringError as `to_onnx` does.
    """
    model, stored = _draft(graph, arrays, opset)
    target = Path(path)
    with OutputFiles() as files:
        if size(model, stored) <= external_threshold:
            stream(files.open(target), model, stored)
            return (target,)
        beside = target.with_name(f"{target.name}.data")
        externalise(model, stored, files.open(beside), beside.name)
        files.open(target).write(model.SerializeToString())
    return (target, beside)


def _draft(graph: Graph, arrays: Mapping[str, Value] | None, opset: int) -> tuple[ModelProto, Stored]:
    """The model without the bytes of its arrays, and those."""
    if opset not in IR_VERSIONS:
        raise LoweringError(f"opset {opset} is not one of {min(IR_VERSIONS)}..{max(IR_VERSIONS)}")
    model = ModelProto(ir_version=IR_VERSIONS[opset], producer_name="cnndsl", producer_version=version())
    model.opset_import.add(domain="", version=opset)
    facts = {"name": graph.name, "hash": graph.hash(), "version": version()}
    if graph.classes is not None:
        facts["classes"] = str(graph.classes)
    for key, content in facts.items():
        model.metadata_props.add(key=key, value=content)
    draft = Draft(graph, arrays, opset, model.graph)
    _write_nodes(draft)
    return model, draft.stored


def _write_nodes(draft: Draft) -> None:
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
            values[index] = INPUT
            describe(proto.input.add(), INPUT, (BATCH, *node.shape.dimensions))
        elif type(node.op) in TRAINING_ONLY:
            values[index] = inputs[0]
        else:
            value = values[index] = OUTPUT if index == last else _value_name(node.name)
            ROWS[type(node.op)](node.op, Emitter(draft, node, inputs, value))
            described = proto.output if index == last else proto.value_info
            describe(described.add(), value, (BATCH, *node.shape.dimensions))
    if not proto.output:
        proto.node.add(op_type="Identity", name=OUTPUT, input=[INPUT], output=[OUTPUT])
        describe(proto.output.add(), OUTPUT, (BATCH, *graph.nodes[last].shape.dimensions))


def _value_name(name: str) -> str:
    """A node's name, kept apart from the two that the graph's ends have."""
    return f"{name}/value" if name in (INPUT, OUTPUT) else name
