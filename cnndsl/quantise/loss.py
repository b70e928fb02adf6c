"""What a network loses in INT8, by the measure that its output and the data allow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..ir import Graph
from .finite import not_finite
from .labels import classifies, scores_classes
from .measuring import Scores, decisions, relative_error, right, run
from .qdq import Quantiser
from .samples import Samples, UnfitData
from .settings import MAX_DROP, Bounds, Measure


def measure_of(graph: Graph, samples: Samples, bounds: Bounds) -> Measure:
    """What is bounded: accuracy with labels; without, agreement where the output has classes, else the output's error.

    A classifier is measured without labels only where a bound for that is given. Raises UnfitData where what the bounds are
    for cannot be measured.
    """
    labelled = samples.labels is not None
    told = bounds.min_agreement is not None or bounds.max_error is not None
    if not labelled and (bounds.max_drop is not None or (classifies(graph) and not told)):
        raise UnfitData(
            "the calibration data has no labels, so the loss of accuracy, which --max-drop bounds, cannot be measured: sort "
            "the images into one subfolder a class, or put `labels` into the .npz file; or bound the difference from FP32 "
            f"with --min-agreement {100 - MAX_DROP:g}"
        )
    for option, given in (("--min-agreement", bounds.min_agreement), ("--max-error", bounds.max_error)):
        if labelled and given is not None:
            raise UnfitData(f"{option} is for calibration data without labels; this has some, so give --max-drop")
    if labelled:
        return "accuracy"
    if scores_classes(graph) and bounds.max_error is None:
        return "agreement"
    if bounds.min_agreement is not None:
        reason = "--max-error is given" if scores_classes(graph) else f"{graph.name} gives no scores of classes"
        raise UnfitData(f"--min-agreement compares classes, and {reason}: --max-error alone bounds the output's error")
    return "error"


class Loss:
    """What is lost, by which layers are in float; keeps the model measured last, and what it was found to do."""

    def __init__(self, quantiser: Quantiser, graph: Graph, samples: Samples, measure: Measure) -> None:
        self.measure = measure
        self._quantiser = quantiser
        self._samples = samples
        self._folder = quantiser.outside.folder
        self._classes = scores_classes(graph)
        self._expected = run(quantiser.outside.model, samples, self._folder)
        if not all(np.isfinite(values).all() for values in self._expected):
            raise UnfitData(not_finite(quantiser.outside.model, samples, self._folder))
        self.model = quantiser.outside.model
        self.floating: frozenset[str] = frozenset()
        self.error = 0.0
        self.agreement: float | None = None
        self.accuracy: tuple[float, float] | None = None

    def lost(self, floating: Sequence[str]) -> float:
        """The points lost with these layers in float; or the error of the output, in percent."""
        self.floating = frozenset(floating)
        self.model = self._quantiser.quantised([name for name in self._quantiser.layers if name not in self.floating])
        found = run(self.model, self._samples, self._folder)
        self.error = relative_error(self._expected, found)
        if self._classes:
            self._compare(found)
        if self.accuracy is not None:
            return 100 * (self.accuracy[0] - self.accuracy[1])
        if self.measure == "agreement" and self.agreement is not None:
            return 100 * (1 - self.agreement)
        return 100 * self.error

    def _compare(self, found: Scores) -> None:
        """Note for how many inputs the same class comes first, and the labelled one."""
        expected, decided = decisions(self._expected), decisions(found)
        self.agreement = float((decided == expected).mean())
        labels = self._samples.labels
        if labels is not None:
            self.accuracy = right(expected, labels), right(decided, labels)
