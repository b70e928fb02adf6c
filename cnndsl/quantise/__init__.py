"""INT8 models: calibrated on real inputs, QDQ, per channel, with the layers that cost accuracy kept in float."""

from .hardware import Support, int8_support
from .quantising import Quantised, quantise, quantise_all
from .reading import Inputs, read_samples
from .report import Layer, Report, Step
from .samples import Samples, UnfitData
from .selection import LossTooLarge
from .settings import Bounds

__all__ = [
    "Bounds",
    "Inputs",
    "Layer",
    "LossTooLarge",
    "Quantised",
    "Report",
    "Samples",
    "Step",
    "Support",
    "UnfitData",
    "int8_support",
    "quantise",
    "quantise_all",
    "read_samples",
]
