"""Windows and padding: what may be written for them, resolved to one entry an axis."""

from __future__ import annotations

from typing import Literal

from ..shape import Dim, Shape
from .base import Problem

Window = int | tuple[int, ...]
Padding = int | tuple[int, ...] | Literal["same"]
Axes = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]


def spread(x: Shape, argument: str, value: Window) -> Axes | Problem:
    """One entry for each spatial axis of x, from one number for all or one for each."""
    if isinstance(value, int):
        return (value,) * x.rank
    if len(value) == x.rank:
        return value
    return Problem(
        "CNN108",
        f"{argument} has {len(value)} axes, the input {x} has {x.rank}",
        f"one number, or {x.rank}",
        "x".join(map(str, value)),
        argument=argument,
    )


def spread_all(x: Shape, **values: Window) -> tuple[Axes, ...] | Problem:
    """`spread` for several arguments: all of them, or the first problem."""
    resolved = []
    for argument, value in values.items():
        axes = spread(x, argument, value)
        if isinstance(axes, Problem):
            return axes
        resolved.append(axes)
    return tuple(resolved)


def extent(kernel: int, dilation: int) -> int:
    """How far a window reaches: dilation*(kernel-1) + 1."""
    return dilation * (kernel - 1) + 1


def both_ends(x: Shape, argument: str, value: Window) -> Pads | Problem:
    """(before, after) an axis: from one number, one an axis, or two an axis in torch.nn.functional.pad's order.

    That order takes the last axis first: (left, right, top, bottom).
    """
    if isinstance(value, tuple) and len(value) == 2 * x.rank and x.rank:
        return tuple((value[i], value[i + 1]) for i in range(len(value) - 2, -1, -2))
    if isinstance(value, tuple) and len(value) != x.rank:
        return Problem(
            "CNN108",
            f"{argument} has {len(value)} numbers, the input {x} has {x.rank} ax{'i' if x.rank == 1 else 'e'}s",
            f"one number, {x.rank}, or {2 * x.rank} as {ORDERS[x.rank]}",
            f"({', '.join(map(str, value))})",
            argument=argument,
        )
    axes = (value,) * x.rank if isinstance(value, int) else value
    return tuple((n, n) for n in axes)


ORDERS = ("", "(l, r)", "(l, r, t, b)", "(l, r, t, b, front, back)")


def padding(x: Shape, pad: Padding | None, default: Axes, reach: Axes, stride: Axes) -> Pads | Problem:
    """The padding of windows: as written, by default, or with `same` for ceil(n/stride) outputs, any odd one after."""
    if pad is None:
        return tuple((n, n) for n in default)
    if pad != "same":
        return both_ends(x, "pad", pad)
    pads = []
    for n, k, s in zip(x.spatial, reach, stride, strict=True):
        total = same(n, k, s)
        if isinstance(total, Problem):
            return total
        pads.append((total // 2, total - total // 2))
    return tuple(pads)


def same(n: Dim, reach: int, stride: int) -> int | Problem:
    """The padding in all, before and after, that makes ceil(n/stride) outputs."""
    if stride == 1:
        return reach - 1
    if isinstance(n, int):
        return max((-(-n // stride) - 1) * stride + reach - n, 0)
    return Problem(
        "CNN106",
        "pad=same with a stride needs a fixed size",
        "a fixed size, or stride 1",
        str(n),
        f"write the padding out, as pad={(reach - 1) // 2}",
        argument="pad",
    )


def symmetric(name: str, pads: Pads) -> Axes | Problem:
    """One padding for both ends of each axis, for layers that have no other."""
    if all(before == after for before, after in pads):
        return tuple(before for before, _ in pads)
    return Problem(
        "CNN113",
        f"{name} pads both ends of an axis alike",
        "as much before as after",
        ", ".join(f"{before} before and {after} after" for before, after in pads),
        "put a PAD before it",
        argument="pad",
    )
