"""Channels, norms and groups."""

from __future__ import annotations

from typing import Any

import torch

from .case import Case, chain


def channels_of_next_layer(nn: Any, x: Any, width: int) -> Any:
    return chain(x, nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU())


def channels_after_concat(nn: Any, x: Any, width: int) -> Any:
    a = chain(x, nn.Conv2d(16, 16, 1), nn.ReLU())
    b = chain(x, nn.Conv2d(16, width, 3, padding=1), nn.ReLU())
    return chain(torch.cat([a, b], 1), nn.Conv2d(48, 64, 1), nn.ReLU())


def channels_of_slice(nn: Any, x: Any, end: int) -> Any:
    y = chain(x, nn.Conv2d(3, 32, 3, padding=1), nn.ReLU())
    first = chain(torch.narrow(y, 1, 0, 8), nn.Conv2d(8, 8, 1), nn.ReLU())
    return torch.cat([first, torch.narrow(y, 1, 8, end - 8)], 1)


def channels_split_as_told(nn: Any, x: Any, part: int) -> Any:
    first, second = torch.split(x, [part, 24], 1)
    return torch.cat(
        [chain(first, nn.Conv2d(part, 8, 1), nn.ReLU()), chain(second, nn.Conv2d(24, 16, 1), nn.ReLU())], 1
    )


def channels_split_in_three(nn: Any, x: Any, width: int) -> Any:
    y = chain(x, nn.Conv2d(3, width, 3, padding=1), nn.ReLU())
    parts = torch.unbind(torch.unflatten(y, 1, (3, -1)), 1)
    branches = [
        chain(part, nn.Conv2d(width // 3, 8, kernel, padding=kernel // 2), nn.ReLU())
        for part, kernel in zip(parts, (1, 3, 5), strict=True)
    ]
    return torch.cat(branches, 1)


def channels_shuffled(nn: Any, x: Any, groups: int) -> Any:
    return chain(x, nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.ChannelShuffle(groups))


def channels_of_maxout(nn: Any, x: Any, width: int) -> Any:
    return torch.amax(torch.unflatten(nn.Conv2d(3, width, 3, padding=1)(x), 1, (-1, 3)), 2)


def channels_of_transposed(nn: Any, x: Any, width: int) -> Any:
    return chain(x, nn.ConvTranspose2d(64, width, 2, stride=2), nn.ReLU(), nn.Conv2d(32, 1, 1))


def channels_of_one_dimension(nn: Any, x: Any, width: int) -> Any:
    return chain(
        x, nn.Conv1d(1, width, 9, stride=4, padding=4), nn.ReLU(), nn.Conv1d(32, 64, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


def channels_of_volume(nn: Any, x: Any, width: int) -> Any:
    return chain(
        x, nn.Conv3d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2), nn.Conv3d(16, 16, 3, padding=1), nn.ReLU()
    )


def norm_of_other_width(nn: Any, x: Any, width: int) -> Any:
    return chain(x, nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU())


def norm_after_concat(nn: Any, x: Any, width: int) -> Any:
    a, b = nn.Conv2d(16, 16, 1, bias=False)(x), nn.Conv2d(16, width, 3, padding=1, bias=False)(x)
    return chain(torch.cat([a, b], 1), nn.BatchNorm2d(48), nn.ReLU())


def norm_in_groups(nn: Any, x: Any, groups: int) -> Any:
    return chain(x, nn.Conv2d(3, 32, 3, padding=1), nn.GroupNorm(groups, 32), nn.ReLU())


def norm_in_default_groups(nn: Any, x: Any, width: int) -> Any:
    return chain(x, nn.Conv2d(3, width, 3, padding=1), nn.GroupNorm(32, width), nn.ReLU())


def norm_of_one_value(nn: Any, x: Any, size: int) -> Any:
    return chain(
        x, nn.AdaptiveAvgPool2d(size), nn.InstanceNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(16 * size * size, 10)
    )


def norm_of_one_value_a_group(nn: Any, x: Any, groups: int) -> Any:
    return chain(
        x, nn.AdaptiveAvgPool2d(1), nn.GroupNorm(groups, 32), nn.ReLU(), nn.Flatten(), nn.Linear(32, 10)
    )  # fmt: skip


def norm_of_vector(nn: Any, x: Any, width: int) -> Any:
    return chain(x, nn.Flatten(), nn.Linear(192, width), nn.LayerNorm(64), nn.ReLU(), nn.Linear(64, 10))


def norm_of_one_dimension(nn: Any, x: Any, width: int) -> Any:
    return chain(x, nn.Conv1d(8, width, 5, padding=2, bias=False), nn.BatchNorm1d(32), nn.ReLU())


def groups_of_input(nn: Any, x: Any, groups: int) -> Any:
    return chain(x, nn.Conv2d(32, 48, 3, padding=1, groups=groups), nn.ReLU())


def groups_of_output(nn: Any, x: Any, width: int) -> Any:
    return chain(x, nn.Conv2d(32, width, 3, padding=1, groups=4), nn.ReLU())


def groups_depthwise(nn: Any, x: Any, width: int) -> Any:
    return chain(x, nn.Conv2d(32, width, 3, padding=1, groups=32), nn.ReLU())


def groups_transposed(nn: Any, x: Any, width: int) -> Any:
    return chain(x, nn.ConvTranspose2d(32, width, 2, stride=2, groups=4), nn.ReLU())


def groups_after_concat(nn: Any, x: Any, width: int) -> Any:
    a = chain(x, nn.Conv2d(8, width, 1), nn.ReLU())
    b = chain(x, nn.Conv2d(8, 16, 3, padding=1), nn.ReLU())
    return chain(torch.cat([a, b], 1), nn.Conv2d(width + 16, 64, 3, padding=1, groups=16), nn.ReLU())


def groups_in_definition(nn: Any, x: Any, width: int) -> Any:
    y = chain(
        x, nn.Conv2d(64, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1, groups=32, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
        nn.Conv2d(width, 64, 1, bias=False), nn.BatchNorm2d(64),
    )  # fmt: skip
    return nn.ReLU()(x + y)


CASES = (
    Case(channels_of_next_layer, ("3x32x32",), 32, 64),
    Case(channels_after_concat, ("16x16x16",), 24, 32),
    Case(channels_of_slice, ("3x16x16",), 40, 32),
    Case(channels_split_as_told, ("32x8x8",), 16, 8),
    Case(channels_split_in_three, ("3x8x8",), 32, 33),
    Case(channels_shuffled, ("3x8x8",), 3, 4),
    Case(channels_of_maxout, ("3x8x8",), 50, 48),
    Case(channels_of_transposed, ("64x8x8",), 16, 32),
    Case(channels_of_one_dimension, ("1x1024",), 16, 32),
    Case(channels_of_volume, ("1x8x16x16",), 8, 16),
    Case(norm_of_other_width, ("3x16x16",), 32, 64),
    Case(norm_after_concat, ("16x16x16",), 48, 32),
    Case(norm_in_groups, ("3x16x16",), 12, 8),
    Case(norm_in_default_groups, ("3x16x16",), 48, 64),
    Case(norm_of_one_value, ("16x8x8",), 1, 2),
    Case(norm_of_one_value_a_group, ("32x8x8",), 32, 16),
    Case(norm_of_vector, ("3x8x8",), 128, 64),
    Case(norm_of_one_dimension, ("8x64",), 16, 32),
    Case(groups_of_input, ("32x16x16",), 3, 4),
    Case(groups_of_output, ("32x16x16",), 30, 32),
    Case(groups_depthwise, ("32x16x16",), 40, 64),
    Case(groups_transposed, ("32x16x16",), 18, 16),
    Case(groups_after_concat, ("8x16x16",), 24, 32),
    Case(groups_in_definition, ("64x16x16",), 100, 128),
)
