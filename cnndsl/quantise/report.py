"""What quantising found: how sensitive each layer is, which stay in float, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite, sqrt
from typing import Any

from ..record import Record
from .hardware import Support
from .settings import Measure

ENOUGH = 32
"""Inputs whose ranges are near those of many."""
_MOST_NAMED = 8


class Layer(Record):
    """A layer that may be quantised: its name and operation, how much noise it alone makes, and whether it stays in float.

    `sqnr` is the ratio of the network's scores to what quantising this layer alone changes in them, in decibels.
    """

    name: str
    operation: str
    sqnr: float
    floating: bool = False


class Step(Record):
    """One measurement: how many of the most sensitive layers were in float, and the points lost, or percent of error."""

    floating: int
    lost: float


class Report(Record):
    """Everything there is to say of an INT8 model; accuracies, agreement with FP32 and the output's error as fractions.

    `accuracy` is None without labels, `agreement` where the output has no classes; `measure` is which of them is bounded.
    It is measured on other inputs than ranges were taken from, where they are `apart`, else on those too.
    """

    support: Support
    activations: str
    reduced: bool
    calibrated_on: int
    measured_on: int
    layers: tuple[Layer, ...]
    steps: tuple[Step, ...]
    allowed: float
    agreement: float | None
    accuracy: tuple[float, float] | None = None
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    classes: int | None = None
    error: float = 0.0
    apart: bool = True
    measure: Measure = "agreement"

    @property
    def lost(self) -> float:
        """Points of accuracy or of agreement that are lost; where neither is bounded, the error in percent."""
        if self.measure == "accuracy" and self.accuracy is not None:
            return 100 * (self.accuracy[0] - self.accuracy[1])
        if self.measure == "agreement" and self.agreement is not None:
            return 100 * (1 - self.agreement)
        return 100 * self.error

    @property
    def floating(self) -> tuple[str, ...]:
        """The names of the layers in float."""
        return tuple(layer.name for layer in self.layers if layer.floating)

    def notices(self) -> tuple[str, ...]:
        """What someone should know before the model is used: skipped images, and the warnings."""
        skipped = tuple(f"{reason}; left out" for reason in self.skipped)
        return skipped + tuple(f"warning: {warning}" for warning in self.warnings())

    def warnings(self) -> Iterator[str]:
        """A target without fast INT8, what is odd in the data, too little of it, a network no better than chance."""
        if self.support.warning is not None:
            yield self.support.warning
        yield from self.notes
        if self.calibrated_on < ENOUGH:
            yield f"calibrated on only {_images(self.calibrated_on)}: ranges of {ENOUGH} and more are safer"
        if 2 * len(self.floating) > len(self.layers):
            yield (
                f"only {len(self.layers) - len(self.floating)} of {len(self.layers)} layers are INT8, so that it is hardly "
                "faster than FP32: give more calibration data, or another bound"
            )
        if self.measure != "error" and self.classes and 100 / self.measured_on > self.allowed + 1e-9 > 1e-6:
            yield (
                f"one of the {_images(self.measured_on)} is {100 / self.measured_on:.2g} points, and {self.allowed:g} are "
                "allowed: more images measure finer"
            )
        if self._guesses():
            yield (
                f"FP32 is right for no more images than guessing among {self.classes} classes is, so that the loss of "
                "accuracy says nothing: are the weights and the labels those of this network?"
            )

    def _guesses(self) -> bool:
        """Whether FP32 is not better than chance by two standard deviations of it."""
        if self.accuracy is None or not self.classes:
            return False
        chance = 1 / self.classes
        return self.accuracy[0] <= chance + 2 * sqrt(chance * (1 - chance) / self.measured_on)

    def json(self) -> dict[str, Any]:
        """Plain data."""
        fp32, int8 = self.accuracy or (None, None)
        return {
            "precision": "int8",
            "provider": self.support.provider,
            "fast": self.support.fast,
            "activations": self.activations,
            "weight_bits": 7 if self.reduced else 8,
            "calibrated_on": self.calibrated_on,
            "measured_on": self.measured_on,
            "measured_apart": self.apart,
            "labelled": self.accuracy is not None,
            "accuracy_fp32": fp32,
            "accuracy_int8": int8,
            "agreement": self.agreement,
            "output_error": _finite(self.error),
            "measure": self.measure,
            "lost_points": _finite(self.lost),
            "allowed_points": self.allowed,
            "float_layers": list(self.floating),
            "layers": [
                {
                    "name": layer.name,
                    "operation": layer.operation,
                    "sqnr_db": _finite(layer.sqnr),
                    "precision": "float" if layer.floating else "int8",
                }
                for layer in self.layers
            ],
            "measurements": [{"float_layers": step.floating, "lost_points": _finite(step.lost)} for step in self.steps],
            "skipped_images": list(self.skipped),
            "warnings": list(self.warnings()),
        }

    def lines(self) -> Iterator[str]:
        """For a terminal: a row a layer, the most sensitive first, and what it comes to."""
        widths = [max(len(text) for text in column) for column in zip(*self._rows(), strict=True)]
        for name, operation, sqnr, precision in self._rows():
            yield f"{name:{widths[0]}}  {operation:{widths[1]}}  {sqnr:>{widths[2]}}  {precision}"
        bits = "7 bits" if self.reduced else "int8"
        yield f"calibrated on {_images(self.calibrated_on)}: weights {bits} a channel, activations {self.activations}"
        yield self._cost()
        yield f"{len(self.layers) - len(self.floating)} of {len(self.layers)} layers in INT8{self._kept()}"

    def _rows(self) -> Iterator[tuple[str, str, str, str]]:
        yield "layer", "operation", "SQNR", "precision"
        for layer in sorted(self.layers, key=lambda layer: layer.sqnr):
            said = f"{layer.sqnr:.1f} dB" if isfinite(layer.sqnr) else "exact" if layer.sqnr > 0 else "broken"
            yield layer.name, layer.operation, said, "float" if layer.floating else "int8"

    def _cost(self) -> str:
        measured = f"on {_images(self.measured_on)}{'' if self.apart else ', those of the calibration among them'}"
        if self.measure == "error":
            allowed = f"at most {self.allowed:g}% allowed"
            return f"relative error of the output against FP32 {measured}: {self.error:.2%}, {allowed}"
        if self.accuracy is None:
            return (
                f"no labels, so top-1 agreement with FP32 stands in for accuracy: {self.agreement:.2%} {measured}, "
                f"at least {100 - self.allowed:g}% wanted; relative error of the output {self.error:.2%}"
            )
        fp32, int8 = self.accuracy
        change = f"{self.lost:.2f} points lost" if self.lost >= 0 else f"{-self.lost:.2f} points won"
        return f"accuracy {measured}: FP32 {fp32:.2%}, INT8 {int8:.2%}, {change}, at most {self.allowed:g} allowed"

    def _kept(self) -> str:
        if not self.floating:
            return ""
        more = len(self.floating) - _MOST_NAMED
        return f"; in float: {', '.join(self.floating[:_MOST_NAMED])}{f' and {more} more' if more > 0 else ''}"


def _finite(number: float) -> float | None:
    """A number that JSON has."""
    return number if isfinite(number) else None


def _images(count: int) -> str:
    return f"{count:,} image{'s' * (count != 1)}"
