"""Sizes that vanish, ceil mode, and what is flattened for a classifier."""

from __future__ import annotations

from typing import Any

from torch import cat

from .case import Case, chain


def size_kernel_exceeds_map(nn: Any, x: Any, kernel: int) -> Any:
    return chain(x, nn.Conv2d(3, 16, kernel), nn.ReLU())


def size_halved_too_often(nn: Any, x: Any, times: int) -> Any:
    for turn in range(times):
        x = chain(x, nn.Conv2d(16 if turn else 3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    return x


def size_pool_exceeds_map(nn: Any, x: Any, kernel: int) -> Any:
    return chain(x, nn.MaxPool2d(2), nn.MaxPool2d(kernel), nn.Flatten(), nn.Linear(8, 10))


def size_dilated(nn: Any, x: Any, dilation: int) -> Any:
    return chain(x, nn.Conv2d(8, 16, 3, dilation=dilation), nn.ReLU())


def size_of_crop(nn: Any, x: Any, crop: int) -> Any:
    return chain(x, nn.ReLU(), nn.ZeroPad2d(-crop))


def size_without_padding(nn: Any, x: Any, times: int) -> Any:
    for turn in range(times):
        x = chain(x, nn.Conv2d(16 if turn else 3, 16, 3), nn.ReLU())
    return x


def size_of_last_pool(nn: Any, x: Any, _: int) -> Any:
    for turn in range(4):
        x = chain(x, nn.Conv2d(16 if turn else 3, 16, 3, stride=2, padding=1), nn.ReLU())
    return chain(x, nn.AvgPool2d(7), nn.Flatten(), nn.Linear(16, 10))


def size_of_signal(nn: Any, x: Any, _: int) -> Any:
    return chain(x, nn.Conv1d(1, 16, 80, stride=4), nn.ReLU(), nn.MaxPool1d(3), nn.Conv1d(16, 32, 4), nn.ReLU())


def size_of_depth(nn: Any, x: Any, kernel: Any) -> Any:
    return chain(x, nn.Conv3d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2), nn.MaxPool3d(2), nn.MaxPool3d(kernel))


def size_of_pool_padding(nn: Any, x: Any, padding: int) -> Any:
    return chain(x, nn.ReLU(), nn.MaxPool2d(2, padding=padding))


def size_of_transposed(nn: Any, x: Any, padding: int) -> Any:
    return chain(x, nn.AdaptiveAvgPool2d(1), nn.ConvTranspose2d(16, 8, 2, stride=2, padding=padding), nn.ReLU())


def size_of_output_padding(nn: Any, x: Any, more: int) -> Any:
    return chain(x, nn.ConvTranspose2d(16, 8, 3, stride=2, padding=1, output_padding=more), nn.ReLU())


def size_of_reflection(nn: Any, x: Any, padding: int) -> Any:
    return chain(x, nn.ReLU(), nn.ReflectionPad2d(padding))


def ceil_on_residual(nn: Any, x: Any, ceil: bool) -> Any:
    y = nn.Conv2d(16, 16, 3, stride=2, padding=1)(x)
    return nn.ReLU()(y + nn.MaxPool2d(3, stride=2, ceil_mode=ceil)(x))


def ceil_in_inception(nn: Any, x: Any, ceil: bool) -> Any:
    y = chain(x, nn.Conv2d(16, 24, 3, stride=2, padding=1), nn.ReLU())
    return cat([y, nn.MaxPool2d(3, stride=2, ceil_mode=ceil)(x)], 1)


def ceil_in_decoder(nn: Any, x: Any, ceil: bool) -> Any:
    y = chain(x, nn.MaxPool2d(2, ceil_mode=ceil), nn.ConvTranspose2d(8, 8, 2, stride=2), nn.ReLU())
    return cat([x, nn.ZeroPad2d((0, -1, 0, -1))(y)], 1)


def ceil_before_classifier(nn: Any, x: Any, ceil: bool) -> Any:
    return chain(x, nn.MaxPool2d(3, stride=2, ceil_mode=ceil), nn.Flatten(), nn.Linear(1568, 10))


def ceil_on_shortcut(nn: Any, x: Any, ceil: bool) -> Any:
    y = chain(x, nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32))
    shortcut = chain(x, nn.AvgPool2d(2, ceil_mode=ceil), nn.Conv2d(16, 32, 1, bias=False), nn.BatchNorm2d(32))
    return nn.ReLU()(y + shortcut)


def ceil_in_padding(nn: Any, x: Any, features: int) -> Any:
    return chain(x, nn.MaxPool2d(3, padding=1, ceil_mode=True), nn.Flatten(), nn.Linear(features, 10))


def flatten_of_other_input(nn: Any, x: Any, _: int) -> Any:
    return chain(
        x, nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 10),
    )  # fmt: skip


def flatten_of_other_padding(nn: Any, x: Any, padding: int) -> Any:
    return chain(
        x, nn.Conv2d(3, 8, 5, padding=padding), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(288, 10)
    )  # fmt: skip


def flatten_of_other_width(nn: Any, x: Any, width: int) -> Any:
    return chain(
        x, nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10)
    )


def flatten_of_other_stride(nn: Any, x: Any, stride: int) -> Any:
    return chain(x, nn.Conv2d(3, 32, 3, stride=stride, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(2048, 10))


def flatten_of_small_pool(nn: Any, x: Any, kernel: int) -> Any:
    return chain(x, nn.AvgPool2d(kernel), nn.Flatten(), nn.Linear(64, 10))


def flatten_of_open_size(nn: Any, x: Any, pooled: bool) -> Any:
    """The linear layer is made for the first size, as `LazyLinear` makes it."""
    y = chain(x, nn.Conv2d(3, 16, 3, padding=1), nn.ReLU())
    y = nn.AdaptiveAvgPool2d(1)(y) if pooled else nn.MaxPool2d(2)(y)
    return chain(y, nn.Flatten(), nn.Linear(16 if pooled else 16 * 4 * 4, 10))


def flatten_before_convolution(nn: Any, x: Any, flat: bool) -> Any:
    return chain(x, nn.Flatten() if flat else nn.ReLU(), nn.Conv2d(3, 16, 3, padding=1), nn.ReLU())


def flatten_before_pool(nn: Any, x: Any, flat: bool) -> Any:
    y = chain(x, nn.Conv2d(3, 16, 3, padding=1), nn.ReLU())
    y = chain(y, nn.Flatten(), nn.Linear(1024, 64)) if flat else nn.Conv2d(16, 64, 1)(y)
    return chain(y, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1024, 10))


def flatten_between_linear(nn: Any, x: Any, width: int) -> Any:
    return chain(x, nn.Flatten(), nn.Linear(192, width), nn.ReLU(), nn.Linear(84, 10))


CASES = (
    Case(size_kernel_exceeds_map, ("3x5x5",), 7, 5),
    Case(size_halved_too_often, ("3x32x32",), 6, 5),
    Case(size_pool_exceeds_map, ("8x4x4",), 3, 2),
    Case(size_dilated, ("8x8x8",), 4, 3),
    Case(size_of_crop, ("8x8x8",), 5, 3),
    Case(size_without_padding, ("3x16x16",), 8, 7),
    Case(size_of_last_pool, ("3x{}x{}",), 96, 112),
    Case(size_of_signal, ("1x{}",), 100, 160),
    Case(size_of_depth, ("1x4x16x16",), 2, (1, 2, 2)),
    Case(size_of_pool_padding, ("8x8x8",), 2, 1),
    Case(size_of_transposed, ("16x4x4",), 1, 0),
    Case(size_of_output_padding, ("16x8x8",), 2, 1),
    Case(size_of_reflection, ("8x8x8",), 8, 7),
    Case(ceil_on_residual, ("16x32x32",), False, True),
    Case(ceil_in_inception, ("16x28x28",), False, True),
    Case(ceil_in_decoder, ("8x33x33",), False, True),
    Case(ceil_before_classifier, ("8x28x28",), False, True),
    Case(ceil_on_shortcut, ("16x7x7",), False, True),
    Case(ceil_in_padding, ("8x5x5",), 72, 32),
    Case(flatten_of_other_input, ("1x{}x{}",), 28, 32),
    Case(flatten_of_other_padding, ("3x16x16",), 2, 0),
    Case(flatten_of_other_width, ("3x16x16",), 64, 128),
    Case(flatten_of_other_stride, ("3x16x16",), 1, 2),
    Case(flatten_of_small_pool, ("64x8x8",), 2, 8),
    Case(flatten_of_open_size, ("3x8x8", "3x12x12"), False, True),
    Case(flatten_before_convolution, ("3x8x8",), True, False),
    Case(flatten_before_pool, ("3x8x8",), True, False),
    Case(flatten_between_linear, ("3x8x8",), 120, 84),
)
