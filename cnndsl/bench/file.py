"""What an ONNX file says of itself, and the weights in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contents import unusable
from ..lower.onnx.structure import End, ends_of, read_structure
from ..record import Record
from .errors import CannotBench, line

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from onnx import ModelProto

    from ..ir import Graph

    Arrays = Mapping[str, npt.NDArray[np.generic]]


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
    proto = _load(path, read_structure)
    kinds, ends = {node.op_type for node in proto.graph.node}, ends_of(proto)
    return ModelFile(os.fspath(path), ends.inputs, len(proto.graph.node), _precision(proto, kinds), ends.metadata)


def _load(path: str | os.PathLike[str], read: Callable[[Path], ModelProto]) -> ModelProto:
    problem = unusable(path)
    if problem is not None:
        raise CannotBench(f"{os.fspath(path)} {problem}")
    try:
        proto = read(Path(path))
    except Exception as error:  # protobuf's errors have no base of their own
        said = line(error)
        named = said.startswith(str(Path(path)))
        raise CannotBench(said if named else f"{os.fspath(path)} is no ONNX file: {said}") from None
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
    import onnx
    from onnx import numpy_helper

    from ..weights import constant, tensors

    stored = {tensor.name: tensor for tensor in _load(path, onnx.load).graph.initializer}
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
