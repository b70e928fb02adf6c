"""A model with QuantizeLinear and DequantizeLinear around some of its layers, by ONNX Runtime's quantiser."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from onnx import ModelProto, shape_inference

from ..extras import need
from .outside import Outside
from .quiet import quiet
from .settings import WEIGHTED, Scheme
from .tidying import tidy

_INFERRED = ("onnx.infer", "onnxruntime.quant")
"""Tells the quantiser that shapes are inferred, so that it need not write the model to a file and do it."""


class Quantiser:
    """Makes models of one network that differ in the layers that are quantised; `folder` is for what they share."""

    def __init__(
        self,
        model: ModelProto,
        layers: Mapping[str, tuple[str, ...]],
        moving: tuple[str, ...],
        ranges: Any,
        scheme: Scheme,
        folder: Path,
    ) -> None:
        self.model = model
        self.layers = layers
        self._moving = moving
        self._ranges = ranges
        self.scheme = scheme
        inferred = shape_inference.infer_shapes(model)
        inferred.metadata_props.add(key=_INFERRED[0], value=_INFERRED[1])
        self.outside = Outside(inferred, folder)

    def quantised(self, layers: Collection[str]) -> ModelProto:
        """The model with these layers in INT8 and all others in float: names, ends, metadata and opset are the same.

        The weights of the others are outside of it, in the folder. `layers` is not empty.
        """
        tools = need("onnxruntime.quantization", "cpu")
        nodes = [name for layer in layers for name in self.layers[layer]] + list(self._moving)
        chosen = set(nodes)
        read = {name for node in self.model.graph.node if node.name in chosen for name in node.input}
        signed = self.scheme.activations == "int8"
        with quiet():
            quantiser = tools.QDQQuantizer(
                self.outside.with_inside(read),
                True,  # a scale a channel
                self.scheme.reduced,
                tools.QuantType.QInt8,
                tools.QuantType.QInt8 if signed else tools.QuantType.QUInt8,
                self._ranges,
                nodes,
                [],
                sorted(self.scheme.operators),
                dict(self.scheme.options),
            )
            made: ModelProto = quantiser.quantize_model()
        tidy(made, self.model, weighted_only=self.scheme.operators <= WEIGHTED)
        return made
