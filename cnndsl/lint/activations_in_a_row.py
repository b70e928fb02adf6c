"""activations-in-a-row (CNN302)

## What it does
Reports an activation that follows another with no layer with weights between, and one that changes nothing because what
comes in is already in the range that it leaves alone: RELU after POOL after RELU. A function that feeds a MUL is a gate
(MISH written out is `MUL[ ID | SOFTPLUS - TANH ]`) and is only reported where it changes nothing.

The fix takes the one without effect out: the network computes the same function. Where both have one (TANH after RELU), the
fix is not safe: it takes the first out before SIGMOID, SOFTMAX and TANH, which fix the range, else the second.

## Why is this bad
RELU of RELU is RELU. Two different ones in a row saturate twice, and mostly one of them was meant for another place.

## Example
```
input 3x32x32
CONV3-16 - RELU - RELU - CONV3-32 - RELU - GAP - FC-10
```

## Use instead
```
input 3x32x32
CONV3-16 - RELU - CONV3-32 - RELU - GAP - FC-10
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Fix, Severity
from ..ops.activation import Activation, Maxout, PRelu, Softmax
from ..ops.base import Op
from ..ops.combine import Mul
from ..ops.linear import Flatten
from ..ops.pool import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from ..ops.regularise import Dropout, DropPath
from ..ops.reshape import Crop, Shuffle, Slice, Upsample
from .paths import ACTIVATIONS
from .stages import called, each, everywhere, without
from .subject import Subject

CODE: Final = "CNN302"

POSITIVE: Final = ("relu", "relu6", "sigmoid", "hardsigmoid", "softplus")
"""The functions that give nothing below 0."""

UP_TO_ONE: Final = ("sigmoid", "hardsigmoid")
KEEP_POSITIVE: Final = ("relu", "leaky_relu", "elu", "celu")
"""The functions that leave what is not below 0 as it is."""

KEEP_SIGN: Final = ("leaky_relu", "elu", "celu")
RANGED: Final = ("sigmoid", "hardsigmoid", "tanh")
DROPPING: Final = (Dropout, DropPath)
CLOSE: Final = (*DROPPING, Flatten)
"""What may stand between two activations in a row."""

POOLING: Final = (
    *CLOSE, MaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, AdaptiveAvgPool, AdaptiveMaxPool, Upsample, Shuffle, Slice,
    Crop,
)  # fmt: skip
"""What keeps values that are not below 0 so."""


class Link:
    """From which activation a value comes, with nothing but `POOLING` between; `close` and `dropped` say with what."""

    __slots__ = ("close", "dropped", "first")

    def __init__(self, first: int, close: bool = True, dropped: bool = False) -> None:
        self.first = first
        self.close = close
        self.dropped = dropped


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a pair: at the second, or at the first where that is the one without effect."""
    if len(subject.of(*ACTIVATIONS)) < 2:
        return
    rows: dict[int, tuple[int, int, int]] = {}
    for link, second in _pairs(subject):
        for idle in _idle(subject, link, second):
            rows.setdefault(idle or _unwanted(subject, link.first, second), (link.first, second, idle))
    mendable = everywhere(subject, rows, subject.of(*ACTIVATIONS))
    yield from each(subject, rows.values(), lambda at: _finding(subject, at[0], at[1], at[2], mendable))


def _pairs(subject: Subject) -> Iterator[tuple[Link, int]]:
    links: list[Link | None] = []
    for index, node in enumerate(subject.graph.nodes):
        before = links[node.inputs[0]] if node.inputs else None
        if isinstance(node.op, ACTIVATIONS):
            if before is not None:
                yield before, index
            links.append(Link(index))
        elif before is not None and isinstance(node.op, POOLING):
            dropping, near = isinstance(node.op, DROPPING), isinstance(node.op, CLOSE)
            links.append(Link(before.first, before.close and near, before.dropped or dropping))
        else:
            links.append(None)


def _idle(subject: Subject, link: Link, second: int) -> Iterator[int]:
    """The activation of a pair that has no effect, 0 where both have one; nothing where the pair is in order."""
    nodes = subject.graph.nodes
    f, g = nodes[link.first].op, nodes[second].op
    if _keeps(f, g, link.dropped):
        yield second
    elif not link.close or any(isinstance(nodes[user].op, Mul) for user in subject.users[second]):
        return
    elif _covers(f, g) and len(subject.users[link.first]) == 1 and link.first not in subject.ends:
        yield link.first
    elif not (second in subject.ends and _ranged(g)):  # that is CNN308's: an activation after the classifier
        yield 0


def _keeps(f: Op, g: Op, dropped: bool) -> bool:
    """Whether g(f(x)) = f(x)."""
    function = f.function if isinstance(f, Activation) else ""
    if not (isinstance(f, Softmax) or function in POSITIVE):
        return False
    if isinstance(g, Activation) and g.function == "relu6":
        return not dropped and (isinstance(f, Softmax) or function == "relu6" or function in UP_TO_ONE)
    return isinstance(g, PRelu) or (isinstance(g, Activation) and g.function in KEEP_POSITIVE)


def _covers(f: Op, g: Op) -> bool:
    """Whether g(f(x)) = g(x)."""
    if not isinstance(f, Activation) or not isinstance(g, Activation) or g.function not in ("relu", "relu6"):
        return False
    return (g.function == "relu6" and f.function == "relu") or (
        f.function in KEEP_SIGN and f.alpha is not None and f.alpha >= 0
    )


def _ranged(op: Op) -> bool:
    return isinstance(op, Softmax) or (isinstance(op, Activation) and op.function in RANGED)


def _unwanted(subject: Subject, first: int, second: int) -> int:
    return first if _ranged(subject.graph.nodes[second].op) else second


def _finding(subject: Subject, first: int, second: int, idle: int, mendable: frozenset[int]) -> Diagnostic:
    f, g = called(subject, first), called(subject, second)
    out = idle or _unwanted(subject, first, second)
    op = subject.graph.nodes[out].op
    edit = None if out not in mendable or isinstance(op, Maxout) else without(subject, subject.spans[out])
    safe = bool(idle) and not isinstance(op, PRelu)
    name = f if f != g and out == first else g if f != g else "the second"
    return Diagnostic(
        CODE,
        Severity.WARNING,
        f"{g} after {f}: {f'{name} changes nothing' if idle else 'two activations in a row'}",
        subject.spans[idle or second],
        expected="one activation between two layers with weights",
        found=f"{f}, then {g}",
        help=f"leave {name} out" if idle else "leave one of them out, or put a layer with weights between them",
        fix=None if edit is None else Fix(f"leave {name} out", (edit,), safe),
    )
