"""The layers of the language and the operations of the IR. Adding one: its family's file, and a row here."""

from __future__ import annotations

from . import activation, combine, conv, linear, norm, pool, regularise, reshape
from .base import Op, Problem, Weight
from .conditions import AtLeast, Condition, Equal
from .parameters import Parameters

_PARAMETERS: tuple[type[Parameters], ...] = (
    conv.ConvParameters,
    conv.DepthwiseParameters,
    conv.SeparableParameters,
    conv.TransposedParameters,
    pool.MaxPoolParameters,
    pool.AvgPoolParameters,
    pool.GlobalAvgParameters,
    pool.GlobalMaxParameters,
    pool.AdaptiveAvgParameters,
    pool.AdaptiveMaxParameters,
    linear.LinearParameters,
    linear.FlattenParameters,
    norm.BatchNormParameters,
    norm.LayerNormParameters,
    norm.InstanceNormParameters,
    norm.GroupNormParameters,
    norm.LocalResponseParameters,
    activation.ReluParameters,
    activation.Relu6Parameters,
    activation.LeakyReluParameters,
    activation.PReluParameters,
    activation.EluParameters,
    activation.SeluParameters,
    activation.CeluParameters,
    activation.GeluParameters,
    activation.SiluParameters,
    activation.MishParameters,
    activation.SigmoidParameters,
    activation.TanhParameters,
    activation.HardSwishParameters,
    activation.HardSigmoidParameters,
    activation.SoftplusParameters,
    activation.MaxoutParameters,
    activation.SoftmaxParameters,
    regularise.DropoutParameters,
    regularise.DropPathParameters,
    reshape.UpParameters,
    reshape.ShuffleParameters,
    reshape.SliceParameters,
    reshape.PadParameters,
    reshape.CropParameters,
    reshape.ScaleParameters,
    reshape.IdentityParameters,
)

_OPS: tuple[type[Op], ...] = (
    combine.Input,
    conv.Conv,
    conv.ConvTranspose,
    pool.MaxPool,
    pool.AvgPool,
    pool.GlobalAvgPool,
    pool.GlobalMaxPool,
    pool.AdaptiveAvgPool,
    pool.AdaptiveMaxPool,
    linear.Flatten,
    linear.Linear,
    norm.BatchNorm,
    norm.LayerNorm,
    norm.InstanceNorm,
    norm.GroupNorm,
    norm.LocalResponseNorm,
    activation.Activation,
    activation.PRelu,
    activation.Maxout,
    activation.Softmax,
    regularise.Dropout,
    regularise.DropPath,
    reshape.Upsample,
    reshape.Shuffle,
    reshape.Slice,
    reshape.Pad,
    reshape.Crop,
    reshape.Scale,
    combine.Concat,
    combine.Add,
    combine.Mul,
    combine.Mean,
    combine.Max,
)

LAYERS: dict[str, type[Parameters]] = {name: parameters for parameters in _PARAMETERS for name in parameters.names}
"""Every layer that a spec may name, by its name in upper case."""

OPS: dict[str, type[Op]] = {op.kind: op for op in _OPS}
"""Every operation of the IR, by its kind."""

BRANCHING = ("CONCAT", "ADD", "MUL", "MEAN", "MAX", "SPLIT", "RES", "AUX")
"""The combinators, which elaboration turns into operations."""

__all__ = [
    "BRANCHING",
    "LAYERS",
    "OPS",
    "AtLeast",
    "Condition",
    "Equal",
    "Op",
    "Parameters",
    "Problem",
    "Weight",
]
