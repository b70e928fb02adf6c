"""Where a model's arrays go: into the message, straight into the file, or into a file beside it."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto

from ...files import reserve
from ...weights import Value, blocks_of
from .wire import LENGTH_DELIMITED, varint

LARGEST_MESSAGE = 2**31 - 1
"""What a protobuf message may weigh, in bytes."""

_MODEL_GRAPH = ModelProto.GRAPH_FIELD_NUMBER << 3 | LENGTH_DELIMITED
_GRAPH_INITIALIZER = GraphProto.INITIALIZER_FIELD_NUMBER << 3 | LENGTH_DELIMITED
_TENSOR_RAW_DATA = TensorProto.RAW_DATA_FIELD_NUMBER << 3 | LENGTH_DELIMITED

_INLINE, _PAGE = 1024, 4096

Stored = list[tuple[str, Value]]

_TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.float16): TensorProto.FLOAT16,
    np.dtype(np.int64): TensorProto.INT64,
}


def size(model: ModelProto, stored: Stored) -> int:
    """The bytes of the message with its arrays, within a few for each."""
    framing = 64
    return int(model.ByteSize()) + sum(array.nbytes + len(name) + framing for name, array in stored)


def embed(model: ModelProto, stored: Stored) -> None:
    """Put the arrays into the message."""
    for name, array in stored:
        tensor = model.graph.initializer.add()
        tensor.CopyFrom(_header(name, array))
        tensor.raw_data = b"".join(block.tobytes() for block in blocks_of(array))


def stream(file: BinaryIO, model: ModelProto, stored: Stored) -> None:
    """Write the message with the arrays as its graph's last fields.

    protobuf would copy every array twice, into the message and into its serialised form. A message is its fields one
    after the other, each a tag, a length and as many bytes, in any order: so the graph is written without arrays, and
    they follow, each from where it lies.
    """
    initialisers = []
    for name, array in stored:
        tensor = _header(name, array).SerializeToString() + bytes((_TENSOR_RAW_DATA,)) + varint(array.nbytes)
        field = bytes((_GRAPH_INITIALIZER,)) + varint(len(tensor) + array.nbytes)
        initialisers.append((field + tensor, array))
    graph = model.graph.SerializeToString()
    length = len(graph) + sum(len(header) + array.nbytes for header, array in initialisers)
    rest = ModelProto()
    rest.CopyFrom(model)
    rest.ClearField("graph")
    start = rest.SerializeToString() + bytes((_MODEL_GRAPH,)) + varint(length)
    reserve(file, len(start) + length)
    file.write(start + graph)
    for header, array in initialisers:
        file.write(header)
        for block in blocks_of(array):
            file.write(block.data)


def externalise(model: ModelProto, stored: Stored, file: BinaryIO, location: str) -> None:
    """Write the arrays to a file beside the model, and where each begins into the message; small ones stay in it."""
    offset = 0
    outside: list[tuple[int, Value]] = []
    for name, array in stored:
        tensor = model.graph.initializer.add()
        tensor.CopyFrom(_header(name, array))
        if array.nbytes < _INLINE:
            tensor.raw_data = b"".join(block.tobytes() for block in blocks_of(array))
            continue
        offset += -offset % _PAGE  # whole pages, so that a runtime can map them into memory
        tensor.data_location = TensorProto.EXTERNAL
        entries = {"location": location, "offset": str(offset), "length": str(array.nbytes)}
        for key, content in entries.items():
            tensor.external_data.add(key=key, value=content)
        outside.append((offset, array))
        offset += array.nbytes
    reserve(file, offset)
    for start, array in outside:
        file.write(bytes(start - file.tell()))
        for block in blocks_of(array):
            file.write(block.data)


def _header(name: str, array: Value) -> TensorProto:
    return TensorProto(name=name, data_type=_TYPES[array.dtype], dims=array.shape)
