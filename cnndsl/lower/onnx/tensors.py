"""Where a model's arrays go: into the message, straight into the file, or into a file beside it."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto

from .emit import Array

LARGEST_MESSAGE = 2**31 - 1
"""What a protobuf message may weigh, in bytes."""

_LENGTH_DELIMITED = 2
_MODEL_GRAPH = ModelProto.GRAPH_FIELD_NUMBER << 3 | _LENGTH_DELIMITED
_GRAPH_INITIALIZER = GraphProto.INITIALIZER_FIELD_NUMBER << 3 | _LENGTH_DELIMITED
_TENSOR_RAW_DATA = TensorProto.RAW_DATA_FIELD_NUMBER << 3 | _LENGTH_DELIMITED

_INLINE, _PAGE = 1024, 4096

Stored = list[tuple[str, Array]]


def size(model: ModelProto, stored: Stored) -> int:
    """The bytes of the message with its arrays, within a few for each."""
    framing = 64
    return int(model.ByteSize()) + sum(array.nbytes + len(name) + framing for name, array in stored)


def embed(model: ModelProto, stored: Stored) -> None:
    """Put the arrays into the message."""
    for name, array in stored:
        tensor = model.graph.initializer.add()
        tensor.CopyFrom(_header(name, array))
        tensor.raw_data = array.tobytes()


def stream(file: BinaryIO, model: ModelProto, stored: Stored) -> None:
    """Write the message with the arrays as its graph's last fields.

    protobuf would copy every array twice, into the message and into its serialised form. A message is its fields one
    after the other, each a tag, a length and as many bytes, in any order: so the graph is written without arrays, and
    they follow, each from where it lies.
    """
    initialisers = []
    for name, array in stored:
        header = _header(name, array).SerializeToString() + bytes((_TENSOR_RAW_DATA,)) + _varint(array.nbytes)
        start = bytes((_GRAPH_INITIALIZER,)) + _varint(len(header) + array.nbytes)
        initialisers.append((start + header, array))
    graph = model.graph.SerializeToString()
    length = len(graph) + sum(len(start) + array.nbytes for start, array in initialisers)
    rest = ModelProto()
    rest.CopyFrom(model)
    rest.ClearField("graph")
    file.write(rest.SerializeToString() + bytes((_MODEL_GRAPH,)) + _varint(length) + graph)
    for start, array in initialisers:
        file.write(start)
        file.write(array.data)


def externalise(model: ModelProto, stored: Stored, file: BinaryIO, location: str) -> None:
    """Write the arrays to a file beside the model, and where each begins into the message; small ones stay in it."""
    for name, array in stored:
        tensor = model.graph.initializer.add()
        tensor.CopyFrom(_header(name, array))
        if array.nbytes < _INLINE:
            tensor.raw_data = array.tobytes()
            continue
        file.write(bytes(-file.tell() % _PAGE))  # whole pages, so that a runtime can map them into memory
        tensor.data_location = TensorProto.EXTERNAL
        entries = {"location": location, "offset": str(file.tell()), "length": str(array.nbytes)}
        for key, content in entries.items():
            tensor.external_data.add(key=key, value=content)
        file.write(array.data)


def _header(name: str, array: Array) -> TensorProto:
    kind = TensorProto.INT64 if array.dtype == np.int64 else TensorProto.FLOAT
    return TensorProto(name=name, data_type=kind, dims=array.shape)


def _varint(number: int) -> bytes:
    """protobuf's whole numbers: seven bits a byte, the lowest first, the eighth says that more follow."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
