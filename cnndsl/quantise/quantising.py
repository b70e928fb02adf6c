"""From a model in float and inputs to an INT8 model and what there is to say of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from onnx import ModelProto

from ..ir import Graph
from ..record import Record
from .calibration import ranges
from .hardware import Support
from .layers import computing, moving, norms_as_convolutions
from .measuring import decisions, right, run
from .preprocessing import with_images
from .qdq import Quantiser
from .report import Layer, Report, Step
from .samples import Samples, UnfitData
from .selection import LossTooLarge, Watch, fewest_in_float, sensitivities
from .settings import DEFAULT_BOUNDS, WEIGHTED, Bounds, scheme


class Quantised(Record):
    """An INT8 model, which takes what `to_onnx` says, and the report on it."""

    model: ModelProto
    report: Report

    def behind(self, images: ModelProto) -> ModelProto:
        """The model with the preprocessing of `images`, the same network in float with it, in front."""
        made = with_images(self.model, images)
        _describe(made, self.report)
        return made


def quantise(
    model: ModelProto,
    graph: Graph,
    samples: Samples,
    support: Support,
    bounds: Bounds = DEFAULT_BOUNDS,
    *,
    watch: Watch = iter,
) -> Quantised:
    """Quantise what `to_onnx` made of `graph`, as many of its layers as the bounds allow; neither is changed.

    Layers are measured one at a time, and those that alone make most noise stay in float, as few of them as it takes.
    `watch` may show progress.

    Raises UnfitData where the samples or the network do not do, LossTooLarge where the bounds cannot be kept,
    MissingExtra, OSError.
    """
    _check_bounds(bounds, samples)
    calibrating, measuring = samples.parts()
    with tempfile.TemporaryDirectory(prefix="cnndsl-") as folder:
        quantiser = _quantiser(model, graph, calibrating, support, Path(folder))
        sensitive = sensitivities(quantiser, graph, calibrating, watch)
        chosen = _chosen(quantiser, sensitive, measuring, bounds)
        made = quantiser.outside.whole(chosen.model)
    report = Report(
        support=support,
        activations=quantiser.scheme.activations,
        reduced=quantiser.scheme.reduced,
        calibrated_on=len(calibrating),
        measured_on=len(measuring),
        layers=tuple(layer.replace(floating=layer.name in chosen.floating) for layer in sensitive),
        steps=tuple(chosen.steps),
        allowed=bounds.points(labelled=samples.labels is not None),
        agreement=chosen.agreement,
        accuracy=chosen.accuracy,
        skipped=samples.skipped,
    )
    _describe(made, report)
    return Quantised(made, report)


def quantise_all(model: ModelProto, graph: Graph, samples: Samples, support: Support) -> ModelProto:
    """What `quantise` makes where every layer may be INT8, without measuring any; raises what it raises of the data."""
    with tempfile.TemporaryDirectory(prefix="cnndsl-") as folder:
        quantiser = _quantiser(model, graph, samples, support, Path(folder))
        return quantiser.outside.whole(quantiser.quantised(quantiser.layers))


def _quantiser(model: ModelProto, graph: Graph, samples: Samples, support: Support, folder: Path) -> Quantiser:
    """What makes models of a network that is calibrated on samples; raises UnfitData where it has nothing to quantise."""
    how = scheme(support)
    draft = ModelProto()
    draft.CopyFrom(model)
    if how.norms_as_convolutions:
        norms_as_convolutions(draft)
    layers = computing(draft, graph, how)
    if not _weighted(draft, layers, layers):
        raise UnfitData(f"{graph.name} has no layer that could be INT8: no convolution and no FC")
    found = ranges(draft, samples, how, folder)
    return Quantiser(draft, layers, moving(draft, graph, how), found, how, folder)


def _check_bounds(bounds: Bounds, samples: Samples) -> None:
    """Raise UnfitData where what is bounded cannot be measured."""
    if samples.labels is None and bounds.max_drop is not None:
        raise UnfitData(
            "--max-drop bounds the loss of accuracy, and the calibration data has no labels: sort the images into one "
            "subfolder a class, or put `labels` into the .npz file; without labels, --min-agreement bounds the difference"
        )
    if samples.labels is not None and bounds.min_agreement is not None:
        raise UnfitData("--min-agreement is for calibration data without labels; this has some, so give --max-drop")


def _chosen(quantiser: Quantiser, sensitive: Sequence[Layer], samples: Samples, bounds: Bounds) -> _Measure:
    """The model with the fewest layers in float, measured; raises LossTooLarge."""
    order = [layer.name for layer in sorted(sensitive, key=lambda layer: layer.sqnr)]
    allowed = bounds.points(labelled=samples.labels is not None)
    measure = _Measure(quantiser, samples)
    measure.steps = fewest_in_float(order, measure.lost, allowed)
    last = measure.steps[-1]
    if len(measure.floating) != last.floating:
        measure.lost(order[: last.floating])
    kept = [name for name in quantiser.layers if name not in measure.floating]
    if last.lost > allowed + 1e-9 or not _weighted(quantiser.model, quantiser.layers, kept):
        raise LossTooLarge(_too_large(last, allowed, len(order), samples.labels is not None))
    return measure


class _Measure:
    """What is lost, by which layers are in float; keeps the model measured last, and what it was found to do."""

    def __init__(self, quantiser: Quantiser, samples: Samples) -> None:
        self._quantiser = quantiser
        self._samples = samples
        self._folder = quantiser.outside.folder
        self._expected = decisions(run(quantiser.outside.model, samples, self._folder))
        self.model = quantiser.outside.model
        self.floating: frozenset[str] = frozenset()
        self.agreement = 1.0
        self.accuracy: tuple[float, float] | None = None
        self.steps: list[Step] = []

    def lost(self, floating: Sequence[str]) -> float:
        """The points lost with these layers in float."""
        self.floating = frozenset(floating)
        self.model = self._quantiser.quantised([name for name in self._quantiser.layers if name not in self.floating])
        decided = decisions(run(self.model, self._samples, self._folder))
        self.agreement = float((decided == self._expected).mean())
        labels = self._samples.labels
        if labels is None:
            return 100 * (1 - self.agreement)
        self.accuracy = right(self._expected, labels), right(decided, labels)
        return 100 * (self.accuracy[0] - self.accuracy[1])


def _weighted(model: ModelProto, layers: Mapping[str, tuple[str, ...]], kept: Iterable[str]) -> bool:
    """Whether any of the layers that are kept has weights."""
    nodes = {name for layer in kept for name in layers[layer]}
    return any(node.name in nodes and node.op_type in WEIGHTED for node in model.graph.node)


def _too_large(last: Step, allowed: float, layers: int, labelled: bool) -> str:
    what, option = ("accuracy", "--max-drop") if labelled else ("agreement with FP32", "--min-agreement")
    return (
        f"INT8 costs {last.lost:.2f} points of {what} with {last.floating} of {layers} layers in float, and {allowed:g} are "
        f"allowed: give more calibration data, another {option}, or take --precision fp16"
    )


def _describe(model: ModelProto, report: Report) -> None:
    """Say in the metadata what was done."""
    facts = {entry.key: entry.value for entry in model.metadata_props}
    facts |= {
        "precision": "int8",
        "float_layers": json.dumps(report.floating),
        "calibrated_on": str(report.calibrated_on),
    }
    del model.metadata_props[:]
    for key, value in facts.items():
        model.metadata_props.add(key=key, value=value)
