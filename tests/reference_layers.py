"""Every layer of the language by torch.nn: the padding and the checks are PyTorch's wherever it has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from reference import Run


class Rule(Exception):
    """A rule of the language that PyTorch does not have."""

    def __init__(self, *codes: str) -> None:
        self.codes = codes
        super().__init__(", ".join(codes))


@dataclass(frozen=True)
class Value:
    """What flows: a batch, the number of stages that halved its resolution, whether its size is known beforehand."""

    x: torch.Tensor
    halved: int = 0
    open: bool = False

    @property
    def rank(self) -> int:
        return self.x.dim() - 2

    @property
    def channels(self) -> int:
        return self.x.shape[1]


def whole(*values: Any) -> None:
    """The rule that sizes are whole numbers from 1."""
    for value in values:
        for number in value if isinstance(value, tuple) else (value,):
            if number < 1:
                raise Rule("CNN012")


def axes(value: Value, size: Any, least: int = 1) -> tuple[int, ...]:
    """One entry an axis."""
    if isinstance(size, int):
        size = (size,) * value.rank
    if any(n < least for n in size):
        raise Rule("CNN012")
    if len(size) != value.rank:
        raise Rule("CNN108", "CNN012", "CNN103")
    return tuple(size)


def on_map(value: Value) -> None:
    """The rule that layers with windows take maps: PyTorch would read a vector as a map without a batch."""
    if value.rank == 0:
        raise Rule("CNN108", "CNN012")


def margins(value: Value, size: Any) -> tuple[int, ...]:
    """Both ends of every axis in the order of F.pad."""
    if isinstance(size, str):
        raise Rule("CNN012")
    if isinstance(size, int):
        size = (size,) * value.rank
    if any(n < 0 for n in size):
        raise Rule("CNN012")
    if len(size) == 2 * value.rank:
        return tuple(size)
    if len(size) != value.rank:
        raise Rule("CNN108", "CNN012")
    return tuple(n for n in reversed(size) for _ in range(2))


def settled(value: Value) -> None:
    """The rule that an open size does not decide how many values a layer takes."""
    if value.rank and value.open:
        raise Rule("CNN106")


def same(value: Value, reach: tuple[int, ...], stride: tuple[int, ...]) -> tuple[int, ...]:
    """TensorFlow's padding for ceil(n/stride) outputs, in the order of F.pad."""
    if set(stride) != {1}:
        settled(value)
    found: list[int] = []
    for n, k, s in zip(value.x.shape[2:], reach, stride, strict=True):
        outputs = (n + s - 1) // s
        total = max(0, (outputs - 1) * s + k - n)
        found = [total // 2, (total + 1) // 2, *found]
    return tuple(found)


def alike(pads: tuple[int, ...]) -> tuple[int, ...] | None:
    """One padding an axis, first axis first, where both ends agree."""
    pairs = [(pads[i], pads[i + 1]) for i in range(len(pads) - 2, -1, -2)]
    return tuple(before for before, _ in pairs) if all(before == after for before, after in pairs) else None


def _halves(value: Value, stride: tuple[int, ...]) -> Value:
    return replace(value, halved=value.halved + (max(stride) >= 2))


def _width(value: Value, a: dict[str, Any]) -> int:
    width = a.get("width", min(512, 64 * 2**value.halved))
    whole(width)
    return int(width)


def _convolve(run: Run, value: Value, a: dict[str, Any], width: int, groups: int, bias: bool) -> Value:
    on_map(value)
    kernel, stride = axes(value, a.get("kernel", 3)), axes(value, a.get("stride", 1))
    dilation = axes(value, a.get("dilation", 1))
    pad = a.get("pad", tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True)))
    cls = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[value.rank - 1]

    def made(padding: Any) -> nn.Module:
        return cls(value.channels, width, kernel, stride, padding, dilation, groups, bias)

    if pad == "same" and set(stride) == {1}:
        return run.module("conv", made("same"), value)
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    pads = same(value, reach, stride) if pad == "same" else margins(value, pad)
    if alike(pads) is not None:
        return _halves(run.module("conv", made(alike(pads)), value), stride)
    return _halves(run.module("conv", made(0), value, lambda x: F.pad(x, pads)), stride)


def conv(run: Run, value: Value, a: dict[str, Any]) -> Value:
    on_map(value)
    groups = a.get("groups", 1)
    whole(groups)
    return _convolve(run, value, a, _width(value, a), groups, a.get("bias", True))


def depthwise(run: Run, value: Value, a: dict[str, Any]) -> Value:
    width = a.get("width", value.channels)
    whole(width)
    return _convolve(run, value, a, width, value.channels, a.get("bias", True))


def separable(run: Run, value: Value, a: dict[str, Any]) -> Value:
    width = _width(value, a)
    value = _convolve(run, value, a, value.channels, value.channels, False)
    cls = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[value.rank - 1]
    return run.module("conv", cls(value.channels, width, 1, bias=a.get("bias", True)), value)


def transposed(run: Run, value: Value, a: dict[str, Any]) -> Value:
    on_map(value)
    kernel, stride = axes(value, a.get("kernel", 2)), axes(value, a.get("stride", 2))
    dilation, extra = axes(value, a.get("dilation", 1)), axes(value, a.get("output_padding", 0), 0)
    groups = a.get("groups", 1)
    whole(groups)
    pad = a.get("pad", tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True)))
    padding = None if pad == "same" else alike(margins(value, pad))
    if padding is None:
        raise Rule("CNN113")
    cls = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[value.rank - 1]
    width, bias = _width(value, a), a.get("bias", True)
    module = cls(value.channels, width, kernel, stride, padding, extra, groups, bias, dilation)
    return run.module("conv_transpose", module, value)


def max_pool(run: Run, value: Value, a: dict[str, Any]) -> Value:
    on_map(value)
    kernel = axes(value, a.get("kernel", 2))
    stride, dilation = axes(value, a.get("stride", kernel)), axes(value, a.get("dilation", 1))
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    pad, ceil = a.get("pad", 0), a.get("ceil", False)
    pads = same(value, reach, stride) if pad == "same" else margins(value, pad)
    cls = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)[value.rank - 1]
    padding = alike(pads)
    if padding is not None:
        return _halves(run.module("max_pool", cls(kernel, stride, padding, dilation, False, ceil), value), stride)
    if any(max(pads[2 * i : 2 * i + 2]) > k // 2 for i, k in enumerate(reversed(kernel))):
        raise Rule("CNN113")

    def padded(x: torch.Tensor) -> torch.Tensor:
        """As many windows as begin in the input or before it, in ceil mode; -inf wherever they reach beyond it."""
        ends = list(pads)
        for i, (k, s) in enumerate(zip(reversed(reach), reversed(stride), strict=True)):
            n = x.shape[-1 - i]
            before, after = pads[2 * i : 2 * i + 2]
            room = n + before + after - k
            windows = room // s + 1
            if ceil and room % s and windows * s < before + n:
                windows += 1
            ends[2 * i + 1] = (windows - 1) * s + k - n - before
        return F.pad(x, ends, value=float("-inf"))

    return _halves(run.module("max_pool", cls(kernel, stride, 0, dilation), value, padded), stride)


def avg_pool(run: Run, value: Value, a: dict[str, Any]) -> Value:
    on_map(value)
    kernel = axes(value, a.get("kernel", 2))
    stride, pad = axes(value, a.get("stride", kernel)), a.get("pad", 0)
    padding = alike(same(value, kernel, stride) if pad == "same" else margins(value, pad))
    if padding is None:
        raise Rule("CNN113")
    cls = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)[value.rank - 1]
    module = cls(kernel, stride, padding, a.get("ceil", False), a.get("count_include_pad", True))
    return _halves(run.module("avg_pool", module, value), stride)


def adaptive(kind: str, classes: tuple[Any, ...], fixed: int | None = None) -> Callable[..., Value]:
    def layer(run: Run, value: Value, a: dict[str, Any]) -> Value:
        on_map(value)
        size = axes(value, fixed or a["size"])
        return replace(run.module(kind, classes[value.rank - 1](size), value), open=False)

    return layer


def linear(run: Run, value: Value, a: dict[str, Any]) -> Value:
    width = _width(value, a)
    settled(value)
    if value.rank:
        value = run.event("flatten", value, value.x.flatten(1))
    return run.module("linear", nn.Linear(value.channels, width, a.get("bias", True)), value)


def flatten(run: Run, value: Value, a: dict[str, Any]) -> Value:
    settled(value)
    return run.event("flatten", value, value.x.flatten(1))


def batch_norm(run: Run, value: Value, a: dict[str, Any]) -> Value:
    cls = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[value.rank]
    module = cls(value.channels, a.get("eps", 1e-5), a.get("momentum", 0.1), a.get("affine", True))
    return run.module("batch_norm", module, value)


def layer_norm(run: Run, value: Value, a: dict[str, Any]) -> Value:
    module = nn.LayerNorm(value.channels, a.get("eps", 1e-5), a.get("affine", True))
    after = run.module("layer_norm", module, value, lambda x: x.movedim(1, -1))
    run.events[-1] = replace(run.events[-1], shape=tuple(value.x.shape[1:]))
    return replace(after, x=after.x.movedim(-1, 1))


def instance_norm(run: Run, value: Value, a: dict[str, Any]) -> Value:
    if value.rank == 0:
        raise Rule("CNN107")
    cls = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)[value.rank - 1]
    module = cls(value.channels, a.get("eps", 1e-5), affine=a.get("affine", False))
    return run.module("instance_norm", module, value)


def group_norm(run: Run, value: Value, a: dict[str, Any]) -> Value:
    whole(a.get("groups", 32))
    module = nn.GroupNorm(a.get("groups", 32), value.channels, a.get("eps", 1e-5), a.get("affine", True))
    return run.module("group_norm", module, value)


def local_response_norm(run: Run, value: Value, a: dict[str, Any]) -> Value:
    on_map(value)
    whole(a.get("size", 5))
    if isinstance(a.get("size"), tuple):
        raise Rule("CNN012")
    module = nn.LocalResponseNorm(a.get("size", 5), a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("k", 2.0))
    return run.module("local_response_norm", module, value)


def activation(cls: Any, *names: str) -> Callable[..., Value]:
    def layer(run: Run, value: Value, a: dict[str, Any]) -> Value:
        return run.module("activation", cls(**{name: a[name] for name in names if name in a}), value)

    return layer


def prelu(run: Run, value: Value, a: dict[str, Any]) -> Value:
    slopes = value.channels if a.get("per_channel", False) else 1
    return run.module("prelu", nn.PReLU(slopes, a.get("init", 0.25)), value)


def maxout(run: Run, value: Value, a: dict[str, Any]) -> Value:
    pieces = a.get("pieces", 2)
    whole(pieces)
    return run.event("maxout", value, value.x.unflatten(1, (-1, pieces)).amax(2))


def drop_path(run: Run, value: Value, a: dict[str, Any]) -> Value:
    if not 0 <= a.get("p", 0.1) < 1:
        raise Rule("CNN012")
    return run.event("drop_path", value, value.x)


def upsample(run: Run, value: Value, a: dict[str, Any]) -> Value:
    on_map(value)
    scale, mode = axes(value, a.get("scale", 2)), a.get("mode", "nearest")
    if mode == "linear":
        mode = ("linear", "bilinear", "trilinear")[value.rank - 1]
    return run.module("upsample", nn.Upsample(scale_factor=tuple(map(float, scale)), mode=mode), value)


def shuffle(run: Run, value: Value, a: dict[str, Any]) -> Value:
    groups = a.get("groups", 2)
    whole(groups)
    if value.rank:
        return run.module("shuffle", nn.ChannelShuffle(groups), value)
    return run.event("shuffle", value, nn.ChannelShuffle(groups)(value.x[..., None])[..., 0])


def channel_slice(run: Run, value: Value, a: dict[str, Any]) -> Value:
    start, stop = a["from"], a.get("to", value.channels)
    if stop < 1:
        raise Rule("CNN012")
    return run.event("slice", value, torch.narrow(value.x, 1, start, stop - start))


def pad(run: Run, value: Value, a: dict[str, Any]) -> Value:
    on_map(value)
    mode = a.get("mode", "constant")
    fill = a.get("value", 0.0) if mode == "constant" else None
    ends = a.get("channels", 0)
    channels = ends if isinstance(ends, tuple) else (ends, ends)
    if len(channels) != 2 or (any(channels) and mode != "constant"):
        raise Rule("CNN108")
    pads = (*margins(value, a["pad"]), *(channels if any(channels) else ()))
    return run.event("pad", value, F.pad(value.x, pads, mode, fill))


def crop(run: Run, value: Value, a: dict[str, Any]) -> Value:
    on_map(value)
    crops, x = margins(value, a["crop"]), value.x
    for i in range(value.rank):
        before, after = crops[2 * i : 2 * i + 2]
        x = torch.narrow(x, x.dim() - 1 - i, before, x.shape[-1 - i] - before - after)
    return run.event("crop", value, x)


class Scale(nn.Module):
    """One factor a channel, constant where it is not learned."""

    def __init__(self, channels: int, init: float, learned: bool) -> None:
        super().__init__()
        factors = torch.full((channels,), init)
        self.weight = nn.Parameter(factors) if learned else factors

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("nc...,c->nc...", x, self.weight)


ALIASES = {"MAXPOOL": "POOL", "SWISH": "SILU", "NORM": "LRN"}

LAYERS: dict[str, Callable[[Run, Value, dict[str, Any]], Value]] = {
    "CONV": conv,
    "DWCONV": depthwise,
    "SEPCONV": separable,
    "UPCONV": transposed,
    "POOL": max_pool,
    "AVGPOOL": avg_pool,
    "GAP": adaptive("global_avg_pool", (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d), 1),
    "GMP": adaptive("global_max_pool", (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d), 1),
    "ADAPTIVEAVGPOOL": adaptive(
        "adaptive_avg_pool", (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
    ),
    "ADAPTIVEMAXPOOL": adaptive(
        "adaptive_max_pool", (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
    ),
    "FC": linear,
    "FLATTEN": flatten,
    "BN": batch_norm,
    "LN": layer_norm,
    "IN": instance_norm,
    "GN": group_norm,
    "LRN": local_response_norm,
    "RELU": activation(nn.ReLU),
    "RELU6": activation(nn.ReLU6),
    "LRELU": activation(nn.LeakyReLU, "negative_slope"),
    "PRELU": prelu,
    "ELU": activation(nn.ELU, "alpha"),
    "SELU": activation(nn.SELU),
    "CELU": activation(nn.CELU, "alpha"),
    "GELU": activation(nn.GELU, "approximate"),
    "SILU": activation(nn.SiLU),
    "MISH": activation(nn.Mish),
    "SIGMOID": activation(nn.Sigmoid),
    "TANH": activation(nn.Tanh),
    "HSWISH": activation(nn.Hardswish),
    "HSIGMOID": activation(nn.Hardsigmoid),
    "SOFTPLUS": activation(nn.Softplus, "beta"),
    "MAXOUT": maxout,
    "SOFTMAX": lambda run, value, a: run.module("softmax", nn.Softmax(1), value),
    "DROPOUT": lambda run, value, a: run.module("dropout", nn.Dropout(a.get("p", 0.5)), value),
    "DROPPATH": drop_path,
    "UP": upsample,
    "SHUFFLE": shuffle,
    "SLICE": channel_slice,
    "PAD": pad,
    "CROP": crop,
    "SCALE": lambda run, value, a: run.module(
        "scale", Scale(value.channels, a.get("init", 1e-6), a.get("learned", True)), value
    ),
    "ID": lambda run, value, a: value,
}
