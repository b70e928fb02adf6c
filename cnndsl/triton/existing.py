"""Settings that are there already, read as Triton reads them, and whether a file's inputs and outputs fit them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from ..lower.onnx.structure import End, Ends
from .settings import TYPES, dimensions

_DATA_TYPES: Final = (
    "INVALID", "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32",
    "FP64", "STRING", "BF16",
)  # fmt: skip
_FORMATS: Final = ("NONE", "NHWC", "NCHW")


def misfit(text: str, ends: Ends, layout: str | None) -> str | None:
    """What of a config.pbtxt a file with these ends contradicts, in words that name the field; None where nothing.

    As ONNX Runtime's backend checks it: names and types are equal, and sizes where the file fixes them; what the settings
    leave out, a server takes from the file.
    """
    kept = _settings()()
    try:
        text_format.Parse(text, kept, allow_unknown_field=True)
    except (text_format.ParseError, ValueError) as error:
        return "what no server can read, at " + " ".join(str(error).split())[:200]
    for kind, settled, own in (("input", kept.input, ends.inputs), ("output", kept.output, ends.outputs)):
        named = {end.name: end for end in own}
        for entry in settled:
            if entry.name not in named:
                return f"{kind} name {entry.name!r}, and the file has {', '.join(map(repr, named))}"
            problem = _difference(
                entry, named.pop(entry.name), kept.max_batch_size, layout if kind == "input" else None
            )
            if problem is not None:
                return f"{kind} {entry.name!r} with {problem}"
        if kind == "input" and settled and named:
            return f"no input {next(iter(named))!r}, which the file has"
    return None


def _difference(entry: Any, end: End, max_batch: int, layout: str | None) -> str | None:
    """Of one input or output."""
    types = {number: f"TYPE_{name}" for number, name in enumerate(_DATA_TYPES)}
    if entry.data_type and types.get(entry.data_type) != TYPES[end.type]:
        return f"data_type {types.get(entry.data_type, entry.data_type)}, and the file has {TYPES[end.type]}"
    dims = entry.reshape.shape if entry.HasField("reshape") else entry.dims
    # where no batch size is set, the server finds out whether there is a batch by the number of sizes
    mine = dimensions(end, max_batch > 0 or len(dims) == len(end.shape) - 1)
    if dims and not _holds(mine, dims):
        return f"dims {list(dims)}, and the file has {mine}"
    if entry.format and layout is not None and _FORMATS[entry.format] != layout.upper():
        return f"format FORMAT_{_FORMATS[entry.format]}, and the file has FORMAT_{layout.upper()}"
    return None


def _holds(mine: Sequence[int], dims: Sequence[int]) -> bool:
    """Whether sizes are among those that a file takes, -1 being any."""
    return len(mine) == len(dims) and all(own in (-1, size) for own, size in zip(mine, dims, strict=True))


@cache
def _settings() -> Any:
    """The class of Triton's `ModelConfig`, as far as it speaks of inputs and outputs.

    https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto
    """
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="settings.proto", package="cnndsl.triton", syntax="proto3")
    for name, values in (
        ("DataType", [f"TYPE_{n}" for n in _DATA_TYPES]),
        ("Format", [f"FORMAT_{n}" for n in _FORMATS]),
    ):
        kind = file.enum_type.add(name=name)
        for number, value in enumerate(values):
            kind.value.add(name=value, number=number)
    messages: dict[str, list[tuple[str, int, str | None, bool]]] = {
        "Reshape": [("shape", field.TYPE_INT64, None, True)],
        "End": [
            ("name", field.TYPE_STRING, None, False),
            ("data_type", field.TYPE_ENUM, "DataType", False),
            ("format", field.TYPE_ENUM, "Format", False),
            ("dims", field.TYPE_INT64, None, True),
            ("reshape", field.TYPE_MESSAGE, "Reshape", False),
        ],
        "Settings": [
            ("max_batch_size", field.TYPE_INT32, None, False),
            ("input", field.TYPE_MESSAGE, "End", True),
            ("output", field.TYPE_MESSAGE, "End", True),
        ],
    }
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for number, (key, kind, of, many) in enumerate(fields, 1):
            label = field.LABEL_REPEATED if many else field.LABEL_OPTIONAL
            type_name = None if of is None else f".cnndsl.triton.{of}"
            message.field.add(name=key, number=number, type=kind, label=label, type_name=type_name)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("cnndsl.triton.Settings"))
