"""A file's model without the numbers of its arrays, however large they are, and what it takes and gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto
from onnx.helper import tensor_dtype_to_np_dtype

from ...record import Record
from .wire import Omitted, without

_NUMBERS: Final = ("RAW", "FLOAT", "DOUBLE", "INT32", "INT64", "UINT64", "STRING")
_OMITTED: Final[Omitted] = {
    ModelProto.GRAPH_FIELD_NUMBER: {
        GraphProto.INITIALIZER_FIELD_NUMBER: {
            getattr(TensorProto, f"{kind}_DATA_FIELD_NUMBER"): None for kind in _NUMBERS
        }
    }
}


class End(Record):
    """An input or an output: its name, numpy's name for its type, and its sizes; open ones by name, None without."""

    name: str
    type: str
    shape: tuple[int | str | None, ...]


class Ends(Record):
    """The inputs and outputs of a model, and its metadata."""

    inputs: tuple[End, ...]
    outputs: tuple[End, ...]
    metadata: Mapping[str, str]


def read_structure(path: Path) -> ModelProto:
    """The model of a file, its initialisers by name, type and shape; raises OSError, and ValueError where it is none."""
    with path.open("rb") as file:
        message = without(file, path.stat().st_size, _OMITTED)
    model = ModelProto()
    try:
        model.ParseFromString(message)
    except DecodeError as error:
        raise ValueError(f"{path} is no ONNX file") from error
    return model


def read_ends(path: Path) -> Ends:
    """The ends of an ONNX file; raises OSError, and ValueError where it is none."""
    return ends_of(read_structure(path))


def ends_of(model: ModelProto) -> Ends:
    """A model's ends; its weights, which old files list among the inputs, are none."""
    stored = {tensor.name for tensor in model.graph.initializer}
    entering = (value for value in model.graph.input if value.name not in stored)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    return Ends(_ends(entering), _ends(model.graph.output), metadata)


def _ends(values: Iterable[ValueInfoProto]) -> tuple[End, ...]:
    found = []
    for value in values:
        kind = value.type.tensor_type
        shape = tuple(
            size.dim_value if size.HasField("dim_value") else size.dim_param or None for size in kind.shape.dim
        )
        found.append(End(value.name, tensor_dtype_to_np_dtype(kind.elem_type).name if kind.elem_type else "", shape))
    return tuple(found)
