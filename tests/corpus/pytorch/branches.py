"""Residuals, concatenations, and the parity of what a skip goes around."""

from __future__ import annotations

from typing import Any

import torch
from torch import cat

from .case import Case, chain


def residual_of_other_width(nn: Any, x: Any, width: int) -> Any:
    return nn.ReLU()(x + nn.Conv2d(64, width, 3, padding=1)(x))


def residual_with_stride(nn: Any, x: Any, stride: int) -> Any:
    return nn.ReLU()(x + nn.Conv2d(64, 64, 3, stride=stride, padding=1)(x))


def residual_projection_width(nn: Any, x: Any, times: int) -> Any:
    y = chain(
        x, nn.Conv2d(64, 64, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Conv2d(64, 256, 1, bias=False), nn.BatchNorm2d(256),
    )  # fmt: skip
    return nn.ReLU()(y + chain(x, nn.Conv2d(64, times * 64, 1, bias=False), nn.BatchNorm2d(times * 64)))


def _basic(nn: Any, x: Any, channels: int, width: int, stride: int = 1) -> Any:
    return chain(
        x, nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
    )  # fmt: skip


def residual_projection_stride(nn: Any, x: Any, stride: int) -> Any:
    shortcut = chain(x, nn.Conv2d(64, 128, 1, stride=stride, bias=False), nn.BatchNorm2d(128))
    return nn.ReLU()(_basic(nn, x, 64, 128, 2) + shortcut)


def residual_in_second_stage(nn: Any, x: Any, width: int) -> Any:
    x = chain(x, nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
    x = nn.ReLU()(x + _basic(nn, x, 64, 64))
    return nn.ReLU()(x + _basic(nn, x, 64, width))


def residual_without_padding(nn: Any, x: Any, padding: int) -> Any:
    return nn.ReLU()(x + nn.Conv2d(32, 32, 3, padding=padding)(x))


def residual_pooled(nn: Any, x: Any, padding: int) -> Any:
    return nn.ReLU()(nn.MaxPool2d(3, stride=1, padding=padding)(x) + x)


def residual_gate_width(nn: Any, x: Any, width: int) -> Any:
    gate = chain(
        x, nn.AdaptiveAvgPool2d(1), nn.Conv2d(64, 4, 1), nn.ReLU(), nn.Conv2d(4, width, 1), nn.Sigmoid()
    )  # fmt: skip
    return x * gate


def residual_maximum(nn: Any, x: Any, width: int) -> Any:
    y = torch.maximum(nn.Conv2d(3, width, 3, padding=1)(x), nn.Conv2d(3, 32, 5, padding=2)(x))
    return nn.ReLU()(y)


def _pool(nn: Any, halves: bool) -> Any:
    return nn.MaxPool2d(2) if halves else nn.MaxPool2d(3, stride=1, padding=1)


def residual_of_label(nn: Any, x: Any, halves: bool) -> Any:
    start = chain(x, nn.Conv2d(3, 16, 3, padding=1), nn.ReLU())
    return chain(start, _pool(nn, halves), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()) + start


def concat_with_stride(nn: Any, x: Any, stride: int) -> Any:
    a = chain(x, nn.Conv2d(32, 16, 1), nn.ReLU())
    b = chain(x, nn.Conv2d(32, 8, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=stride, padding=1), nn.ReLU())
    c = chain(x, nn.MaxPool2d(3, stride=1, padding=1), nn.Conv2d(32, 8, 1), nn.ReLU())
    return cat([a, b, c], 1)


def concat_pool_without_padding(nn: Any, x: Any, padding: int) -> Any:
    a = chain(x, nn.Conv2d(32, 16, 1), nn.ReLU())
    return cat([a, chain(x, nn.MaxPool2d(3, stride=1, padding=padding), nn.Conv2d(32, 8, 1), nn.ReLU())], 1)


def concat_of_even_kernel(nn: Any, x: Any, kernel: int) -> Any:
    a = chain(x, nn.Conv2d(3, 16, 3, padding=1), nn.ReLU())
    return cat([a, chain(x, nn.Conv2d(3, 16, kernel, padding=(kernel - 1) // 2), nn.ReLU())], 1)


def concat_in_unet(nn: Any, x: Any, _: int) -> Any:
    one = chain(x, nn.Conv2d(1, 8, 3, padding=1), nn.ReLU())
    two = chain(one, nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU())
    three = chain(two, nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU())
    inner = cat([two, chain(three, nn.ConvTranspose2d(32, 16, 2, stride=2), nn.ReLU())], 1)
    inner = chain(inner, nn.Conv2d(32, 16, 3, padding=1), nn.ReLU())
    outer = cat([one, chain(inner, nn.ConvTranspose2d(16, 8, 2, stride=2), nn.ReLU())], 1)
    return chain(outer, nn.Conv2d(16, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 1))


def concat_in_dense_block(nn: Any, x: Any, stride: int) -> Any:
    y = cat([x, chain(x, nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 8, 3, padding=1))], 1)
    return cat([y, chain(y, nn.BatchNorm2d(24), nn.ReLU(), nn.Conv2d(24, 8, 3, stride=stride, padding=1))], 1)


def concat_of_vector_and_map(nn: Any, x: Any, flat: bool) -> Any:
    mean = nn.AdaptiveAvgPool2d(1)(x)
    return cat([nn.Flatten()(mean) if flat else mean, nn.AdaptiveMaxPool2d(1)(x)], 1)


def concat_of_label(nn: Any, x: Any, halves: bool) -> Any:
    start = chain(x, nn.Conv2d(3, 16, 3, padding=1), nn.ReLU())
    return cat([chain(start, _pool(nn, halves), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU()), start], 1)


def parity_of_upsampling(nn: Any, x: Any, _: int) -> Any:
    return x + chain(x, nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2))


def parity_of_transposed(nn: Any, x: Any, more: int) -> Any:
    y = chain(x, nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU())
    return x + nn.ConvTranspose2d(16, 8, 3, stride=2, padding=1, output_padding=more)(y)


def parity_of_pool_and_convolution(nn: Any, x: Any, _: int) -> Any:
    return cat([nn.MaxPool2d(2)(x), chain(x, nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU())], 1)


def parity_of_shortcut(nn: Any, x: Any, _: int) -> Any:
    return nn.ReLU()(chain(x, nn.AvgPool2d(2), nn.Conv2d(8, 16, 1)) + nn.Conv2d(8, 16, 1, stride=2)(x))


def parity_in_pyramid(nn: Any, x: Any, _: int) -> Any:
    x = chain(x, nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.ReLU())
    fine = chain(x, nn.Conv2d(16, 16, 3, stride=2, padding=1), nn.ReLU())
    coarse = chain(fine, nn.Conv2d(16, 16, 3, stride=2, padding=1), nn.ReLU())
    return nn.Conv2d(16, 16, 1)(nn.Upsample(scale_factor=2)(coarse)) + fine


def parity_of_axes(nn: Any, x: Any, stride: Any) -> Any:
    y = nn.Conv2d(8, 16, 3, stride=(1, 2), padding=1)(x)
    return nn.ReLU()(y + nn.Conv2d(8, 16, 1, stride=stride)(x))


def parity_of_any_size(nn: Any, x: Any, padded: bool) -> Any:
    y = chain(x, nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.ReLU(), nn.ConvTranspose2d(8, 8, 2, stride=2))
    y = nn.ZeroPad2d((1, 0, 1, 0))(y) if padded else y
    return chain(x, nn.MaxPool2d(2), nn.ConvTranspose2d(8, 8, 2, stride=2)) + y


def parity_of_no_size(nn: Any, x: Any, padded: bool) -> Any:
    x = nn.ReLU()(x + chain(x, nn.MaxPool1d(2), nn.ConvTranspose1d(8, 8, 2, stride=2)))
    y = chain(x, nn.MaxPool1d(2), nn.ConvTranspose1d(8, 8, 2, stride=2))
    return x + (nn.ZeroPad1d((1, 0))(y) if padded else y)


CASES = (
    Case(residual_of_other_width, ("64x8x8",), 32, 64),
    Case(residual_with_stride, ("64x8x8",), 2, 1),
    Case(residual_projection_width, ("64x8x8",), 2, 4),
    Case(residual_projection_stride, ("64x8x8",), 1, 2),
    Case(residual_in_second_stage, ("3x16x16",), 128, 64),
    Case(residual_without_padding, ("32x8x8",), 0, 1),
    Case(residual_pooled, ("16x8x8",), 0, 1),
    Case(residual_gate_width, ("64x8x8",), 32, 64),
    Case(residual_maximum, ("3x8x8",), 24, 32),
    Case(residual_of_label, ("3x8x8",), True, False),
    Case(concat_with_stride, ("32x16x16",), 2, 1),
    Case(concat_pool_without_padding, ("32x16x16",), 0, 1),
    Case(concat_of_even_kernel, ("3x16x16",), 4, 5),
    Case(concat_in_unet, ("1x{}x{}",), 30, 32),
    Case(concat_in_dense_block, ("16x8x8",), 2, 1),
    Case(concat_of_vector_and_map, ("16x8x8",), True, False),
    Case(concat_of_label, ("3x16x16",), True, False),
    Case(parity_of_upsampling, ("8x{}x{}",), 33, 32),
    Case(parity_of_transposed, ("8x32x32",), 0, 1),
    Case(parity_of_pool_and_convolution, ("8x{}x{}",), 15, 16),
    Case(parity_of_shortcut, ("8x{}x{}",), 7, 8),
    Case(parity_in_pyramid, ("3x{}x{}",), 100, 96),
    Case(parity_of_axes, ("8x16x16",), (2, 1), (1, 2)),
    Case(parity_of_any_size, ("8x16x16", "8x17x17"), True, False),
    Case(parity_of_no_size, ("8x16", "8x17"), True, False),
)
