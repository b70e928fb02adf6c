"""Where a network in float begins to give what is infinite or no number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import ModelProto

from ..divergence import session
from ..extras import need
from .layers import layer_of
from .samples import INPUT, Samples


def not_finite(model: ModelProto, samples: Samples, folder: Path) -> str:
    """Why nothing can be measured on these inputs: the first layer, in the order of the model, that gives no finite numbers.

    It is that of the first input for which there is one. `folder` has the weights that are outside of the model.
    """
    place = _first(model, samples, folder) or "the network"
    return f"the values of {place} are not finite on the calibration data, so they have no range: see the weights"


def _first(model: ModelProto, samples: Samples, folder: Path) -> str | None:
    values = [value for node in model.graph.node for value in node.output if value]
    layers = {value: layer_of(node) for node in model.graph.node for value in node.output}
    draft = ModelProto()
    draft.CopyFrom(model)
    for value in set(values) - {output.name for output in model.graph.output}:
        draft.graph.output.add(name=value)
    runner = session(need("onnxruntime", "cpu"), draft.SerializeToString(), folder)
    for array in samples.inputs:
        for value, found in zip(values, runner.run(values, {INPUT: array[None]}), strict=True):
            if not np.isfinite(found).all():
                return layers[value]
    return None
