"""Weights outside a model, in one file that many models share: each then takes no time to copy and to load."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

import numpy as np
from onnx import ModelProto, TensorProto, numpy_helper

WEIGHTS: Final = "weights.bin"
_SMALL: Final = 1024
_PAGE: Final = 4096


class Outside:
    """The large initialisers of a model, written once to `weights.bin` in a folder. Raises OSError."""

    def __init__(self, model: ModelProto, folder: Path) -> None:
        self.folder = folder
        self._inside: dict[str, TensorProto] = {}
        self.model = ModelProto()
        self.model.CopyFrom(model)
        with (folder / WEIGHTS).open("wb") as file:
            for tensor, whole in zip(self.model.graph.initializer, model.graph.initializer, strict=True):
                content = numpy_helper.to_array(whole).astype(numpy_type(whole), copy=False).tobytes()
                if len(content) < _SMALL:
                    continue
                self._inside[tensor.name] = whole
                file.write(bytes(-file.tell() % _PAGE))  # whole pages, so that ONNX Runtime maps them
                _refer(tensor, file.tell(), len(content))
                file.write(content)

    def with_inside(self, names: Collection[str]) -> ModelProto:
        """The model with these of its initialisers in itself."""
        made = ModelProto()
        made.CopyFrom(self.model)
        self._embed(made, frozenset(names))
        return made

    def whole(self, model: ModelProto) -> ModelProto:
        """A model made of such a one with everything in itself."""
        made = ModelProto()
        made.CopyFrom(model)
        self._embed(made, self._inside.keys())
        return made

    def _embed(self, model: ModelProto, names: Collection[str]) -> None:
        for tensor in model.graph.initializer:
            if tensor.data_location == TensorProto.EXTERNAL and tensor.name in names:
                tensor.CopyFrom(self._inside[tensor.name])


def numpy_type(tensor: TensorProto) -> np.dtype[np.generic]:
    """The type of a tensor's numbers, little-endian, as files have them."""
    return numpy_helper.to_array(TensorProto(data_type=tensor.data_type, dims=(0,), raw_data=b"")).dtype.newbyteorder(
        "<"
    )


def _refer(tensor: TensorProto, offset: int, length: int) -> None:
    """Let a tensor's numbers be elsewhere."""
    name, kind, sizes = tensor.name, tensor.data_type, list(tensor.dims)
    tensor.Clear()
    tensor.name, tensor.data_type = name, kind
    tensor.dims.extend(sizes)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", WEIGHTS), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
