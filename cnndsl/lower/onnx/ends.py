"""What a file's graph takes and gives, read without its arrays, however large they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from onnx import GraphProto, ModelProto, StringStringEntryProto, TensorProto, ValueInfoProto

from ...record import Record


class End(Record):
    """An input or an output: its name, its type by ONNX's name (`FLOAT`), and its sizes, names where they are open."""

    name: str
    type: str
    shape: tuple[int | str, ...]


class Ends(Record):
    """The inputs and outputs of a model, and its metadata."""

    inputs: tuple[End, ...]
    outputs: tuple[End, ...]
    metadata: Mapping[str, str]


def read_ends(path: Path) -> Ends:
    """The ends of an ONNX file; raises OSError, and ValueError where it is none."""
    found: dict[int, list[End]] = {GraphProto.INPUT_FIELD_NUMBER: [], GraphProto.OUTPUT_FIELD_NUMBER: []}
    metadata = {}
    with path.open("rb") as file:
        for field, length in _fields(file, path.stat().st_size):
            if field == ModelProto.METADATA_PROPS_FIELD_NUMBER:
                entry = StringStringEntryProto.FromString(file.read(length))
                metadata[entry.key] = entry.value
            if field != ModelProto.GRAPH_FIELD_NUMBER:
                continue
            for part, size in _fields(file, file.tell() + length):
                if part in found:
                    found[part].append(_end(ValueInfoProto.FromString(file.read(size))))
    inputs, outputs = map(tuple, found.values())
    return Ends(inputs, outputs, metadata)


def _end(info: ValueInfoProto) -> End:
    kind = info.type.tensor_type
    sizes = (size.dim_param or size.dim_value for size in kind.shape.dim)
    return End(info.name, TensorProto.DataType.Name(kind.elem_type), tuple(sizes))


def _fields(file: BinaryIO, end: int) -> Iterator[tuple[int, int]]:
    """The numbers and lengths of a message's fields that have one, each with the file at its beginning.

    https://protobuf.dev/programming-guides/encoding
    """
    while file.tell() < end:
        tag = _varint(file)
        match tag & 7:
            case 2:
                length = _varint(file)
                after = file.tell() + length
                yield tag >> 3, length
                file.seek(after)
            case 0:
                _varint(file)
            case 1 | 5 as kind:
                file.seek(8 if kind == 1 else 4, 1)
            case _:
                raise ValueError(f"{file.name} is no ONNX file")


def _varint(file: BinaryIO) -> int:
    """A whole number, seven bits a byte, the lowest first."""
    number = shift = 0
    while True:
        byte = file.read(1)
        if not byte:
            raise ValueError(f"{file.name} ends too early for an ONNX file")
        number |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:
            return number
