"""From a model in float and inputs to an INT8 model and what there is to say of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from onnx import ModelProto

from ..ir import Graph
from ..record import Record
from .calibration import ranges
from .hardware import Support
from .labels import class_count, classifies
from .layers import computing, moving, norms_as_convolutions
from .loss import Loss, measure_of
from .preprocessing import with_images
from .qdq import Quantiser
from .report import Report
from .samples import Samples, UnfitData
from .selection import LossTooLarge, Watch, fewest_in_float, sensitivities
from .settings import DEFAULT_BOUNDS, WEIGHTED, Bounds, Measure, scheme


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
    measure = measure_of(graph, samples, bounds)
    allowed = bounds.allowed(measure)
    calibrating, measuring = samples.parts()
    with _scratch() as folder:
        quantiser = _quantiser(model, graph, calibrating, support, folder)
        chosen = Loss(quantiser, graph, measuring, measure)
        sensitive = sensitivities(quantiser, graph, calibrating, watch)
        order = [layer.name for layer in sorted(sensitive, key=lambda layer: layer.sqnr)]
        weighted = _weighted(quantiser.model, quantiser.layers)
        last_weighted = max(i for i, name in enumerate(order) if name in weighted)
        steps = fewest_in_float(order, chosen.lost, allowed, last_weighted)
        if len(chosen.floating) != steps[-1].floating:
            chosen.lost(order[: steps[-1].floating])
        made = quantiser.outside.whole(chosen.model)
    report = Report(
        support=support,
        activations=quantiser.scheme.activations,
        reduced=quantiser.scheme.reduced,
        calibrated_on=len(calibrating),
        measured_on=len(measuring),
        apart=measuring is not samples,
        layers=tuple(layer.replace(floating=layer.name in chosen.floating) for layer in sensitive),
        steps=tuple(steps),
        allowed=allowed,
        agreement=chosen.agreement,
        accuracy=chosen.accuracy,
        skipped=samples.skipped,
        notes=samples.notes,
        classes=class_count(graph, "the data") if classifies(graph) else None,
        error=chosen.error,
        measure=measure,
    )
    if report.lost > allowed + 1e-9:
        raise LossTooLarge(_too_large(report, order[last_weighted]), report)
    _describe(made, report)
    return Quantised(made, report)


def quantise_all(model: ModelProto, graph: Graph, samples: Samples, support: Support) -> ModelProto:
    """What `quantise` makes where every layer may be INT8, without measuring any; raises what it raises of the data."""
    with _scratch() as folder:
        quantiser = _quantiser(model, graph, samples, support, folder)
        return quantiser.outside.whole(quantiser.quantised(quantiser.layers))


def _quantiser(model: ModelProto, graph: Graph, samples: Samples, support: Support, folder: Path) -> Quantiser:
    """What makes models of a network that is calibrated on samples; raises UnfitData where it has nothing to quantise."""
    how = scheme(support)
    draft = ModelProto()
    draft.CopyFrom(model)
    if how.norms_as_convolutions:
        norms_as_convolutions(draft)
    layers = computing(draft, graph, how)
    if not _weighted(draft, layers):
        raise UnfitData(f"{graph.name} has no layer that could be INT8: no convolution and no FC")
    found = ranges(draft, samples, how, folder)
    return Quantiser(draft, layers, moving(draft, graph, how), found, how, folder)


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for what is temporary; where there is no room in it, the OSError says where that is and what names another."""
    with tempfile.TemporaryDirectory(prefix="cnndsl-") as folder:
        try:
            yield Path(folder)
        except OSError as error:
            if not error.strerror or not str(error.filename or folder).startswith(folder):
                raise
            place = f"{tempfile.gettempdir()}, where temporary files go; the variable TMPDIR names another place"
            raise OSError(error.errno, error.strerror, place) from None


def _weighted(model: ModelProto, layers: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """The layers that have weights: a model in which none of them is quantised is no INT8 model."""
    nodes = {node.name for node in model.graph.node if node.op_type in WEIGHTED}
    return frozenset(layer for layer, names in layers.items() if not nodes.isdisjoint(names))


_MEASURED: Final[dict[Measure, tuple[str, str, str]]] = {
    "accuracy": ("INT8 costs {:.2f} points of accuracy", "{:g} are allowed", "--max-drop"),
    "agreement": ("INT8 costs {:.2f} points of agreement with FP32", "{:g} are allowed", "--min-agreement"),
    "error": ("INT8 changes the output by {:.2f}%", "{:g}% is allowed", "--max-error"),
}


def _too_large(report: Report, last: str) -> str:
    """Why there is no model; `last` is the layer with weights that stays in INT8 longest."""
    lost, allowed, option = _MEASURED[report.measure]
    if report.measure == "agreement" and report.classes is None:
        option += ", or --max-error where the channels are no classes"
    return (
        f"{lost.format(report.lost)} with {len(report.floating)} of {len(report.layers)} layers in float, and "
        f"{allowed.format(report.allowed)}; of the rest only {last} has weights, so it has to stay INT8: "
        f"give more calibration data, another {option}, or take --precision fp16"
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
