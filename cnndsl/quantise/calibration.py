"""The range of every value on real inputs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from onnx import ModelProto, save_model

from ..extras import need
from .finite import not_finite
from .quiet import quiet
from .samples import INPUT, Array, Samples, UnfitData
from .settings import Scheme

_MEANS: Final = 128
"""How many times the range of a map may be that of its mean."""


def ranges(model: ModelProto, samples: Samples, scheme: Scheme, folder: Path) -> Any:
    """The smallest and the largest number of each value that the scheme quantises; ONNX Runtime's `TensorsData`.

    ONNX Runtime writes the model with its additions into `folder`. Raises UnfitData where the network gives no finite
    numbers, or does not take the inputs; MissingExtra, OSError.
    """
    tools, runtime = need("onnxruntime.quantization", "cpu"), need("onnxruntime", "cpu")
    plain, augmented = folder / "model.onnx", folder / "calibrated.onnx"
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    with quiet():
        save_model(model, plain)
        calibrator = tools.MinMaxCalibrater(plain, sorted(scheme.operators), augmented_model_path=str(augmented))
        calibrator.augment_graph()
        # a session of our own: the calibrator's says on standard error what goes wrong, and computes everything plainly
        calibrator.infer_session = runtime.InferenceSession(str(augmented), options, providers=["CPUExecutionProvider"])
        try:
            for batch in samples.batches():
                calibrator.collect_data(_Reader(iter([{INPUT: batch}])))
        except Exception as error:  # ONNX Runtime's errors have no base of their own
            raise UnfitData(f"the network does not take the calibration data: {str(error).splitlines()[0]}") from None
        found = calibrator.compute_data()
    if not all(np.isfinite(data.range_value).all() for _, data in found.items()):
        raise UnfitData(not_finite(model, samples, folder))
    _share_ranges(model, found)
    _widen_means(model, found)
    return found


def _share_ranges(model: ModelProto, found: Any) -> None:
    """Give what is concatenated the range of the whole, which it gets anyway; then it need only be copied."""
    for node in reversed(model.graph.node):
        if node.op_type != "Concat" or node.output[0] not in found.data:
            continue
        for name in node.input:
            if name in found.data:
                found.data[name] = found.data[node.output[0]]


def _widen_means(model: ModelProto, found: Any) -> None:
    """Let the mean of a map have a range of some of the map's: below a level of it a mean is no more than noise.

    After an INSTANCENORM, say, all means are 0, and ONNX Runtime's kernel fails from 256 levels to a level on.
    """
    for node in model.graph.node:
        if node.op_type != "GlobalAveragePool" or not {node.input[0], node.output[0]} <= found.data.keys():
            continue
        mean = found.data[node.output[0]]
        missing = _width(found.data[node.input[0]]) / _MEANS - _width(mean)
        if missing > 0:
            mean.highest = mean.highest + missing.astype(mean.highest.dtype)


def _width(data: Any) -> Any:
    """Of the range of a value, with the 0 that is always in it."""
    return np.maximum(data.highest, 0) - np.minimum(data.lowest, 0)


class _Reader:
    """What the calibrator draws inputs from."""

    def __init__(self, feeds: Iterator[dict[str, Array]]) -> None:
        self._feeds = feeds

    def get_next(self) -> dict[str, Array] | None:
        return next(self._feeds, None)
