"""From the graph to a ModelProto, and to a file."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path

from onnx import GraphProto, ModelProto

from ...files import OutputFiles
from ...ir import Graph, Node
from ...ops.activation import Activation, Softmax
from ...ops.combine import Input
from ...passes import initialisers
from ...version import version
from ...weights import Value
from .emit import BATCH, Draft, Emitter, LoweringError, describe
from .half import Half, Loss, Precision, loss
from .precision import FP32, Format, precisions, widest_half
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
    form: Format = FP32,
    of: Graph | None = None,
    passes: tuple[str, ...] = (),
) -> ModelProto:
    """The network at inference as an ONNX model, N×C×spatial with any batch size N.

    `arrays` are the weights by state-dict name, as `init` or `initial` gives them; without them the weights become inputs
    of the graph beside `input`, as in a structure-only file. The graph's input is `input` and its output `output`; every
    other value has the name of the node that makes it. Sizes that the spec leaves open are dimensions named by their
    expression (`floor(H/2)`). AUX heads, dropout, and all else that the output does not depend on are left out.

    What the spec says of its images stands in the metadata. `with_preprocess` puts it into the graph too, which then takes
    images as they are handed in, N×H×W×C bytes where the spec says nothing else.

    `form` says in which precision it computes, and which its input and output have. In FP16 what needs the range stays in
    FP32, with casts between; so do nodes whose weights FP16 cannot hold, which `unfit` tells.

    Where `graph` is what `passes` made of a network, `of` is that network, which the metadata speaks of.

    Raises LoweringError for an opset outside 17..26, an array that is missing or misshapen, an operation that ONNX
    cannot express, preprocessing that the spec does not have, and a model over 2 GiB, which only `write_onnx` can store.
    """
    model, stored = _draft(graph, arrays, opset, with_preprocess, form, of or graph, passes)
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
    form: Format = FP32,
    of: Graph | None = None,
    passes: tuple[str, ...] = (),
    external_threshold: int = LARGEST_MESSAGE,
) -> tuple[Path, ...]:
    """Write the model that `to_onnx` makes, whole or not at all; returns the files.

    A model of more than `external_threshold` bytes has its weights in `<name>.onnx.data` beside it, and the two appear
    together. Raises OSError, and LoweringError as `to_onnx` does.
    """
    model, stored = _draft(graph, arrays, opset, with_preprocess, form, of or graph, passes)
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
    graph: Graph,
    arrays: Mapping[str, Value] | None,
    opset: int,
    with_preprocess: bool,
    form: Format,
    of: Graph,
    passes: tuple[str, ...],
) -> tuple[ModelProto, Stored]:
    """The model without the bytes of its arrays, and those."""
    if opset not in IR_VERSIONS:
        raise LoweringError(f"opset {opset} is not one of {min(IR_VERSIONS)}..{max(IR_VERSIONS)}")
    model = ModelProto(ir_version=IR_VERSIONS[opset], producer_name="cnndsl", producer_version=version())
    model.opset_import.add(domain="", version=opset)
    if with_preprocess and graph.preprocess is None:
        raise LoweringError("the spec says nothing of images: write `preprocess resize(256) - crop(224)` or the like")
    if form.precision == "fp16" and form.kept is None:
        form = form.replace(kept=frozenset(lost.node for lost in unfit(graph, arrays, opset)))
    for key, content in _facts(of, with_preprocess, form.precision, passes).items():
        model.metadata_props.add(key=key, value=content)
    draft = Draft(graph, arrays, opset, model.graph, share=initialisers.NAME in passes)
    types = precisions(graph, form, "fp32" if with_preprocess else form.io_type)
    _write_nodes(draft, types, form.io_type, with_preprocess)
    return model, draft.stored


def unfit(
    graph: Graph, arrays: Mapping[str, Value] | None, opset: int = DEFAULT_OPSET, kept: Collection[str] = ()
) -> tuple[Loss, ...]:
    """The weights and constants that FP16 cannot hold, of all that may be written in it; none of the nodes `kept`.

    A node whose weights are among them has to stay in FP32. Raises LoweringError as `to_onnx` does.
    """
    if arrays is None:
        return ()
    draft = Draft(graph, arrays, opset, GraphProto())
    _write_nodes(draft, widest_half(graph, frozenset(kept)), "fp16", with_preprocess=False)
    halves = [(name, _owner(name), array.value) for name, array in draft.stored if isinstance(array, Half)]
    found = (loss(value, name, node) for name, node, value in halves)
    return tuple(lost for lost in found if lost is not None)


def _owner(tensor: str) -> str:
    """The node of a weight, `node.weight`, or of a constant, `node/part`."""
    return tensor.partition("/")[0] if "/" in tensor else tensor.rpartition(".")[0]


def _facts(graph: Graph, with_preprocess: bool, precision: Precision, passes: tuple[str, ...]) -> dict[str, str]:
    """What the metadata says: what the network is, how images become its input, what it gives."""
    facts = {"name": graph.name, "hash": graph.hash(), "version": version(), "precision": precision}
    if passes:
        facts["passes"] = ",".join(passes)
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


def _write_nodes(draft: Draft, types: Mapping[int, Precision], output: Precision, with_preprocess: bool) -> None:
    """Every node that the output depends on, in order, with the shapes and types of the values; casts where they differ."""
    graph, proto = draft.graph, draft.proto
    last = graph.output
    while type(graph.nodes[last].op) in TRAINING_ONLY:
        last = graph.nodes[last].inputs[0]
    values: dict[int, str] = {}
    for index in sorted(graph.live):
        node = graph.nodes[index]
        precision = types[index]
        if isinstance(node.op, Input):
            values[index] = _write_input(draft, node, precision, with_preprocess)
        elif type(node.op) in TRAINING_ONLY:
            values[index] = values[node.inputs[0]]
        else:
            inputs = (values[i] if types[i] == precision else draft.cast(values[i], precision) for i in node.inputs)
            value = OUTPUT if index == last and precision == output else _value_name(node.name)
            ROWS[type(node.op)](node.op, Emitter(draft, node, tuple(inputs), value, precision))
            values[index] = value
            if value != OUTPUT:
                describe(proto.value_info.add(), value, (BATCH, *node.shape.dimensions), precision)
    if types[last] != output:
        draft.cast(values[last], output, OUTPUT)
    elif values[last] != OUTPUT:
        proto.node.add(op_type="Identity", name=OUTPUT, input=[values[last]], output=[OUTPUT])
    describe(proto.output.add(), OUTPUT, (BATCH, *graph.nodes[last].shape.dimensions), output)


def _write_input(draft: Draft, node: Node, precision: Precision, with_preprocess: bool) -> str:
    """The graph's input; returns the value that the network begins with."""
    if with_preprocess and draft.graph.preprocess is not None:
        describe_image(draft.proto, INPUT, draft.graph.preprocess, node.shape)
        return emit_preprocess(Emitter(draft, node, (INPUT,), INPUT), draft.graph.preprocess)
    describe(draft.proto.input.add(), INPUT, (BATCH, *node.shape.dimensions), precision)
    return INPUT


def _value_name(name: str) -> str:
    """A node's name, kept apart from the two that the graph's ends have."""
    return f"{name}/value" if name in (INPUT, OUTPUT) else name
