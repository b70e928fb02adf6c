"""Layers that torch.nn lacks. `torch_source` copies the classes that a network uses into the file it writes."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class PadFirst(nn.Module):
    """Pads its input, then does what the class beside it does.

    `pads` is in the order of torch.nn.functional.pad: the last axis first, (before, after) each.
    """

    fill = 0.0

    def __init__(self, *arguments: object, pads: tuple[int, ...], **named: object) -> None:
        super().__init__(*arguments, **named)
        self.pads = pads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        padded: torch.Tensor = super().forward(F.pad(x, self.pads, value=self.fill))
        return padded

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, pads={self.pads}"


class PaddedConv1d(PadFirst, nn.Conv1d):
    """A convolution with different padding at the two ends."""


class PaddedConv2d(PadFirst, nn.Conv2d):
    """A convolution with different padding at the two ends of an axis."""


class PaddedConv3d(PadFirst, nn.Conv3d):
    """A convolution with different padding at the two ends of an axis."""


class PaddedPool(PadFirst):
    """Max pooling with different padding at the two ends of an axis.

    With ceil_mode, no window begins in the padding after the input.
    """

    fill = float("-inf")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = super().forward(x)
        if not self.ceil_mode:
            return y
        rank = x.dim() - 2
        strides = self.stride if isinstance(self.stride, tuple) else (self.stride,) * rank
        for axis, stride in zip(range(2, x.dim()), strides, strict=True):
            before = self.pads[2 * (x.dim() - 1 - axis)]
            windows = (x.shape[axis] + before - 1) // stride + 1
            y = y.narrow(axis, 0, min(windows, y.shape[axis]))
        return y


class PaddedMaxPool1d(PaddedPool, nn.MaxPool1d):
    """1-D."""


class PaddedMaxPool2d(PaddedPool, nn.MaxPool2d):
    """2-D."""


class PaddedMaxPool3d(PaddedPool, nn.MaxPool3d):
    """3-D."""


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels at each position: (N, C, ...) to (N, C, ...)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Scale(nn.Module):
    """One learned factor a channel: (N, C, ...) to (N, C, ...)."""

    def __init__(self, channels: int, init: float = 1.0) -> None:
        super().__init__()
        self.init = init
        self.weight = nn.Parameter(torch.full((channels,), init))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight.reshape(-1, *[1] * (x.dim() - 2))

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, init={self.init}"


class Multiply(nn.Module):
    """A constant factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor

    def extra_repr(self) -> str:
        return f"{self.factor}"


class DropPath(nn.Module):
    """Stochastic depth: in training, drops whole samples and scales the rest by 1/(1-p)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0.0:
            return x
        kept = x.new_empty(x.shape[0], *[1] * (x.dim() - 1)).bernoulli_(1.0 - self.p)
        return x * kept.div_(max(1.0 - self.p, torch.finfo(x.dtype).tiny))

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Maxout(nn.Module):
    """The maximum over `pieces` neighbouring channels: (N, C, ...) to (N, C/pieces, ...)."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.unflatten(x, 1, (-1, self.pieces)).amax(2)

    def extra_repr(self) -> str:
        return f"pieces={self.pieces}"


class Shuffle(nn.Module):
    """Channel shuffle: (groups, C/groups) transposed."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.unflatten(x, 1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


class Pad(nn.Module):
    """torch.nn.functional.pad: `pads` (before, after), the last axis first, the channels last."""

    def __init__(self, pads: tuple[int, ...], mode: str = "constant", value: float = 0.0) -> None:
        super().__init__()
        self.pads = pads
        self.mode = mode
        self.value = value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.pad(x, self.pads, self.mode, self.value if self.mode == "constant" else None)

    def extra_repr(self) -> str:
        return f"{self.pads}, mode={self.mode}, value={self.value}"
