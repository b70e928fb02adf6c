"""What is quantised and how, by what will run it; and how much it may cost."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from ..ops.activation import Activation
from ..ops.base import Op
from ..ops.combine import Add, Concat, Mul
from ..ops.conv import Conv, ConvTranspose
from ..ops.linear import Flatten, Linear
from ..ops.norm import BatchNorm
from ..ops.pool import AdaptiveAvgPool, AvgPool, GlobalAvgPool, MaxPool
from ..ops.reshape import Crop, Shuffle, Slice, Upsample
from ..record import Record
from .hardware import Support

MAX_DROP: Final = 0.5
"""Points of accuracy, or of agreement, that INT8 may lose where nothing else is said."""

MAX_ERROR: Final = 5.0
"""By how many percent INT8 may change an output that has no classes, where nothing else is said."""

Measure: TypeAlias = Literal["accuracy", "agreement", "error"]
"""What is bounded: how often the labelled class comes first, how often FP32's does, or the output's relative error."""

WEIGHTED: Final = frozenset({"Conv", "ConvTranspose", "Gemm"})
"""ONNX operators with weights: a model in which none of them is quantised is no INT8 model."""


class Bounds(Record):
    """What the model may lose: points of accuracy on labelled inputs, percent agreement with FP32 that must be left, or
    percent by which the output may differ from FP32's.

    None stands for what holds where nothing is said: 0.5 points, 99.5 percent, 5 percent. Points of accuracy need labels,
    agreement needs classes.
    """

    max_drop: float | None = None
    min_agreement: float | None = None
    max_error: float | None = None

    def allowed(self, measure: Measure) -> float:
        """How many points may be lost, of accuracy or of agreement; or how large the error may be, in percent."""
        match measure:
            case "accuracy":
                return MAX_DROP if self.max_drop is None else self.max_drop
            case "agreement":
                return MAX_DROP if self.min_agreement is None else 100 - self.min_agreement
            case "error":
                return MAX_ERROR if self.max_error is None else self.max_error


DEFAULT_BOUNDS: Final = Bounds()


class Scheme(Record):
    """How one target wants its numbers; `computing` are ONNX operators by the operation of the IR that is written with them.

    `moving` are those whose output is their input's values, or a choice of them, and so has its input's scale.
    """

    activations: str
    reduced: bool
    computing: dict[type[Op], frozenset[str]]
    moving: dict[type[Op], frozenset[str]]
    options: dict[str, Any]
    norms_as_convolutions: bool
    """A BN that no pass could fold is a convolution of one number a channel; left alone, it would compute in float."""

    @property
    def operators(self) -> frozenset[str]:
        """All ONNX operators that may be quantised."""
        return frozenset().union(*self.computing.values(), *self.moving.values())


_CPU_COMPUTING: Final[dict[type[Op], frozenset[str]]] = {
    Conv: frozenset({"Conv"}),
    Linear: frozenset({"Gemm"}),
    BatchNorm: frozenset({"Conv"}),
    Add: frozenset({"Add"}),
    Mul: frozenset({"Mul"}),
    Concat: frozenset({"Concat"}),
    GlobalAvgPool: frozenset({"GlobalAveragePool"}),
    AdaptiveAvgPool: frozenset({"GlobalAveragePool"}),
    Activation: frozenset({"LeakyRelu", "Sigmoid", "Mul"}),
}
_CPU_MOVING: Final[dict[type[Op], frozenset[str]]] = {
    Activation: frozenset({"Relu", "Clip"}),
    MaxPool: frozenset({"MaxPool"}),
    AvgPool: frozenset({"AveragePool"}),
    AdaptiveAvgPool: frozenset({"AveragePool"}),
    Flatten: frozenset({"Flatten"}),
    Shuffle: frozenset({"Gather"}),
    Slice: frozenset({"Slice"}),
    Crop: frozenset({"Slice"}),
    Upsample: frozenset({"Resize"}),
    Mul: frozenset({"Unsqueeze"}),
}
_GPU_COMPUTING: Final[dict[type[Op], frozenset[str]]] = {
    Conv: frozenset({"Conv"}),
    ConvTranspose: frozenset({"ConvTranspose"}),
    Linear: frozenset({"Gemm"}),
}

QUANTISED_FUNCTIONS: Final = frozenset({"relu", "relu6", "leaky_relu", "sigmoid", "silu"})
"""The activations for which ONNX Runtime has INT8; the others compute in float, and so do their parts."""


def scheme(support: Support) -> Scheme:
    """The scheme for a target, as ONNX Runtime's and TensorRT's documentation has it.

    CPU: bytes without sign for activations on x86, with sign on Arm; weights with sign, of 7 bits where x86 has no VNNI and
    its products would saturate. TensorRT: all with sign and symmetric, biases in float, no pair between a layer and its
    activation, which it fuses.
    """
    if support.provider == "cpu":
        return Scheme("int8" if support.arm else "uint8", support.saturates, _CPU_COMPUTING, _CPU_MOVING, {}, True)
    options = {
        "ActivationSymmetric": True,
        "WeightSymmetric": True,
        "QuantizeBias": False,
        "OpTypesToExcludeOutputQuantization": sorted(WEIGHTED),
    }
    return Scheme("int8", False, _GPU_COMPUTING, {}, options, False)
