"""Models run on inputs: what they decide, and how far their scores are apart."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, log10
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto

from ..divergence import session
from ..extras import need
from .samples import INPUT, Labels, Samples, UnfitData

Scores = list[npt.NDArray[np.float32]]


def run(model: ModelProto, samples: Samples, folder: Path, output: str | None = None) -> Scores:
    """The outputs of a model, or another of its values, a batch each; `folder` has the weights that are outside of it.

    Raises UnfitData where the model fails.
    """
    draft = model
    if output is not None:
        draft = ModelProto()
        draft.CopyFrom(model)
        draft.graph.output.add(name=output)
    try:
        made = session(need("onnxruntime", "cpu"), draft.SerializeToString(), folder)
        names = [output] if output is not None else None
        return [made.run(names, {INPUT: batch})[0] for batch in samples.batches()]
    except Exception as error:  # ONNX Runtime's errors have no base of their own
        raise UnfitData(f"ONNX Runtime does not run the network on this data: {str(error).splitlines()[0]}") from None


def decisions(outputs: Scores) -> npt.NDArray[np.int64]:
    """The class of each input, or of each position, that has the highest score."""
    return np.concatenate([values.argmax(axis=1).ravel() for values in outputs])


def right(decided: npt.NDArray[np.int64], labels: Labels) -> float:
    """The fraction of inputs that are decided as labelled."""
    return float((decided == labels).mean())


def sqnr(expected: Scores, found: Scores) -> float:
    """The power of what is expected over that of the difference, in decibels; infinite where there is none."""
    signal = sum(float(np.square(values, dtype=np.float64).sum()) for values in expected)
    pairs: Iterator[tuple[Any, Any]] = zip(expected, found, strict=True)
    noise = sum(float(np.square(theirs.astype(np.float64) - ours).sum()) for ours, theirs in pairs)
    if noise == 0:
        return inf
    if not np.isfinite(noise) or signal == 0:
        return -inf
    return 10 * log10(signal / noise)


def relative_error(expected: Scores, found: Scores) -> float:
    """The Euclidean norm of the difference over that of what is expected, of all inputs together."""
    ratio = sqnr(expected, found)
    return inf if ratio == -inf else 10 ** (-ratio / 20)
