"""The table: how each operation of the IR is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ops import activation as act
from ...ops import combine, linear, norm, pool, regularise, reshape
from ...ops import conv as convolution
from ...ops.base import Op
from . import activation as act_rows
from . import combine as combine_rows
from . import conv as conv_rows
from . import norm as norm_rows
from . import pool as pool_rows
from . import reshape as reshape_rows
from .emit import Emitter

Row = Callable[[Any, Emitter], None]

ROWS: dict[type[Op], Row] = {
    convolution.Conv: conv_rows.conv,
    convolution.ConvTranspose: conv_rows.conv_transpose,
    linear.Flatten: conv_rows.flatten,
    linear.Linear: conv_rows.linear,
    norm.BatchNorm: norm_rows.batch_norm,
    norm.LayerNorm: norm_rows.layer_norm,
    norm.InstanceNorm: norm_rows.instance_norm,
    norm.GroupNorm: norm_rows.group_norm,
    norm.LocalResponseNorm: norm_rows.local_response_norm,
    act.Activation: act_rows.activation,
    act.PRelu: act_rows.prelu,
    act.Maxout: act_rows.maxout,
    act.Softmax: act_rows.softmax,
    pool.MaxPool: pool_rows.max_pool,
    pool.AvgPool: pool_rows.avg_pool,
    pool.GlobalAvgPool: pool_rows.global_avg_pool,
    pool.GlobalMaxPool: pool_rows.global_max_pool,
    pool.AdaptiveAvgPool: pool_rows.adaptive_avg_pool,
    pool.AdaptiveMaxPool: pool_rows.adaptive_max_pool,
    combine.Concat: combine_rows.concat,
    combine.Add: combine_rows.add,
    combine.Mul: combine_rows.multiply,
    combine.Mean: combine_rows.mean,
    combine.Max: combine_rows.maximum,
    reshape.Upsample: reshape_rows.upsample,
    reshape.Shuffle: reshape_rows.shuffle,
    reshape.Slice: reshape_rows.slice_channels,
    reshape.Pad: reshape_rows.pad,
    reshape.Crop: reshape_rows.crop,
    reshape.Scale: reshape_rows.scale,
}

TRAINING_ONLY: frozenset[type[Op]] = frozenset({regularise.Dropout, regularise.DropPath})
"""Operations that do nothing at inference, and leave no node: their input is their value."""
