"""pads: merges a PAD or a CROP with what follows it, another of them, a convolution or a mean that pads by itself."""

from __future__ import annotations

from ..ops.base import Op
from ..ops.conv import Conv
from ..ops.pool import AvgPool
from ..ops.reshape import Crop, Pad
from ..ops.windows import Pads
from .model import Rewriting


def rewrite(rewriting: Rewriting) -> None:
    """Merge each PAD or CROP with the one node that takes its value, where one operation can do what both do."""
    for index, node in rewriting:
        if len(node.inputs) != 1:
            continue
        before = node.inputs[0]
        if not rewriting.sole(before, index):
            continue
        op = _both(rewriting.nodes[before].op, node.op)
        if op is not None:
            rewriting.put(index, op, rewriting.source(before))


def _both(first: Op, second: Op) -> Op | None:
    """One operation that does what two do, or None."""
    match first, second:
        case Crop(), Crop():
            return Crop(_sums(first.crops, second.crops))
        case Pad(), Pad():
            return _padded_twice(first, second)
        case Pad(), Crop():
            return _cropped(first, second)
        case Pad(mode="constant", value=0.0, channels=(0, 0)), Conv():
            return second.replace(pad=_sums(first.pads, second.pad))
        case Pad(mode="constant", value=0.0, channels=(0, 0)), AvgPool():
            return _pooled(first, second)
    return None


def _padded_twice(first: Pad, second: Pad) -> Pad | None:
    """Constants of one value add up, and so do copies of the edge; a reflection of a reflection is another."""
    alike = first.mode == second.mode and (first.mode != "constant" or first.value == second.value)
    if not alike or first.mode == "reflect":
        return None
    (channels,) = _sums((first.channels,), (second.channels,))
    return second.replace(pads=_sums(first.pads, second.pads), channels=channels)


def _cropped(pad: Pad, crop: Crop) -> Op | None:
    """What is left of a padding, or what is taken off beyond it; one operation where all ends are of one kind."""
    left = tuple((b - before, a - after) for (b, a), (before, after) in zip(pad.pads, crop.crops, strict=True))
    ends = [end for pair in left for end in pair]
    if all(end >= 0 for end in ends):
        return pad.replace(pads=left)
    if all(end <= 0 for end in ends) and not any(pad.channels):
        return Crop(tuple((-before, -after) for before, after in left))
    return None


def _pooled(pad: Pad, pool: AvgPool) -> AvgPool | None:
    """A mean counts zeros at its edges as it would those of a PAD, up to half its window and at both ends alike.

    What ceiling adds is not counted, and where a window may start depends on the padding: so not with `ceil`. PyTorch
    wants the windows of three axes within the input itself, which the PAD may have made larger.
    """
    if pool.ceil or len(pool.kernel) > 2 or not (pool.count_include_pad or not any(pool.pad)):
        return None
    both = _sums(pad.pads, pool.pads)
    if any(before != after or before > k // 2 for (before, after), k in zip(both, pool.kernel, strict=True)):
        return None
    return pool.replace(pad=tuple(before for before, _ in both), count_include_pad=True)


def _sums(first: Pads, second: Pads) -> Pads:
    return tuple((b + d, a + c) for (b, a), (d, c) in zip(first, second, strict=True))
