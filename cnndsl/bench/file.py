"""What an ONNX file says of itself, and the weights in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..record import Record
from .errors import CannotBench, line

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ..ir import Graph

    Arrays = Mapping[str, npt.NDArray[np.generic]]


class End(Record):
    """An input: its name, numpy's name for its type, and its dimensions, the open ones by name or None."""

    name: str
    type: str
    shape: tuple[int | str | None, ...]


class ModelFile(Record):
    """An ONNX file: its inputs, how many nodes it has, the precision of its weights, and its metadata."""

    path: str
    inputs: tuple[End, ...]
    nodes: int
    precision: str
    metadata: Mapping[str, str]

    @property
    def preprocesses(self) -> bool:
        """Whether images go in, and the graph makes them into the network's input."""
        return self.metadata.get("preprocess_in") == "graph"


def read_model(path: str | os.PathLike[str]) -> ModelFile:
    """Read a file's structure; raises CannotBench where there is none or it is not ONNX."""
    proto = _load(path, weights=False)
    kinds = {node.op_type for node in proto.graph.node}
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    return ModelFile(os.fspath(path), _inputs(proto), len(proto.graph.node), _precision(proto, kinds), metadata)


def _inputs(proto: Any) -> tuple[End, ...]:
    """The inputs that are no weights, which old files list among them."""
    from onnx.helper import tensor_dtype_to_np_dtype

    stored = {tensor.name for tensor in proto.graph.initializer}
    found = []
    for value in proto.graph.input:
        if value.name in stored:
            continue
        kind = value.type.tensor_type
        shape = tuple(
            dimension.dim_value if dimension.HasField("dim_value") else dimension.dim_param or None
            for dimension in kind.shape.dim
        )
        found.append(End(value.name, tensor_dtype_to_np_dtype(kind.elem_type).name if kind.elem_type else "", shape))
    return tuple(found)


def _load(path: str | os.PathLike[str], weights: bool) -> Any:
    import onnx

    if not Path(path).is_file():
        what = (
            "is a folder" if Path(path).is_dir() else "is no regular file" if Path(path).exists() else "does not exist"
        )
        raise CannotBench(f"{os.fspath(path)} {what}")
    try:
        proto = onnx.load(os.fspath(path), format="protobuf", load_external_data=weights)
    except Exception as error:  # protobuf's errors have no base of their own
        raise CannotBench(f"{os.fspath(path)} is no ONNX file: {line(error)}") from None
    if not proto.graph.node or not proto.opset_import:  # almost any bytes are an empty message
        raise CannotBench(f"{os.fspath(path)} is no ONNX file: there are no nodes in it")
    return proto


def _precision(proto: Any, kinds: set[str]) -> str:
    """`int8` where values are quantised, `fp16` where most weights are 16-bit floats, else `fp32`."""
    from onnx import TensorProto

    if kinds & {"DequantizeLinear", "QLinearConv", "ConvInteger"}:
        return "int8"
    sizes = {TensorProto.FLOAT: 0, TensorProto.FLOAT16: 0}
    for tensor in proto.graph.initializer:
        if tensor.data_type in sizes:
            sizes[tensor.data_type] += prod(tensor.dims)
    return "fp16" if sizes[TensorProto.FLOAT16] > sizes[TensorProto.FLOAT] else "fp32"


def arrays_in(path: str | os.PathLike[str], graph: Graph) -> Arrays | None:
    """The weights of a graph that lie in a file under its names, as 32-bit floats.

    None where one that the output depends on is not there or has another shape: passes have put it into another. Raises
    CannotBench.
    """
    import numpy as np
    from onnx import numpy_helper

    from ..weights import constant, tensors

    stored = {tensor.name: tensor for tensor in _load(path, weights=True).graph.initializer}
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for index, node, weight in tensors(graph):
        name = f"{node.name}.{weight.name}"
        if name in stored and tuple(stored[name].dims) == weight.shape:
            arrays[name] = numpy_helper.to_array(stored[name]).astype(np.float32)
        elif weight.role == "counter":
            arrays[name] = constant(node.op, weight)
        elif index in graph.live:
            return None
        else:  # of an auxiliary head, which no inference runs
            arrays[name] = np.zeros(weight.shape, np.float32)
    return arrays
