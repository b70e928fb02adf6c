"""bias-before-norm (CNN301)

## What it does
Reports a bias whose every use ends in a norm that takes the mean of each channel away: BN, IN, or GN with one channel a
group. Between them may stand what keeps a constant a constant: pools, UP, SHUFFLE, CONCAT, ADD, a 1x1 convolution and the
like. LN and GN of several channels take away the mean of all of them together, so that a bias before them matters; they
are not reported.

The fix writes `bias=false`. In training the network computes the same function; in evaluation too, once the running mean
has been learned, which holds the bias. The array `bias` disappears from the state dict: a checkpoint that has it no longer
loads as it is. Where a `?`, an `if` or a parameter says whether there is a norm, other members need the bias: then it is an
information, and the fix, where there is one, is not safe. A line of which some uses have no norm is not reported.

## Why is this bad
Adding a number to a channel moves its mean by that number, and the norm takes the mean away: the bias has no effect and no
gradient. The norm's own shift does what it was meant for (Ioffe, Szegedy: Batch Normalization, 2015, section 3.2).

## Example
```
input 3x32x32
CONV3-64 - BN - RELU - GAP - FC-10
```

## Use instead
```
input 3x32x32
CONV3-64(bias=false) - BN - RELU - GAP - FC-10
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..analysis.depth import WEIGHT_LAYERS
from ..diagnostics import Diagnostic, Edit, Fix, Note, Severity
from ..ir import Node
from ..ops.combine import Add, Concat, Mean
from ..ops.conv import Conv
from ..ops.linear import Flatten, Linear
from ..ops.norm import BatchNorm, GroupNorm, InstanceNorm
from ..ops.pool import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from ..ops.reshape import Crop, Pad, Scale, Shuffle, Slice, Upsample
from ..source import Span
from ..syntax import Argument, Boolean
from .stages import called, each, everywhere, place_of
from .subject import Subject

CODE: Final = "CNN301"

CARRYING: Final = (
    MaxPool, GlobalAvgPool, GlobalMaxPool, AdaptiveAvgPool, AdaptiveMaxPool, Upsample, Shuffle, Slice, Crop, Scale,
    Flatten, Linear, Concat, Add, Mean,
)  # fmt: skip
"""What takes a map that differs by a constant a channel to one that does too."""


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a layer."""
    nodes = subject.graph.nodes
    biased = [i for i in subject.of(*WEIGHT_LAYERS) if getattr(nodes[i].op, "bias", False)]
    if not biased or not subject.of(BatchNorm, InstanceNorm, GroupNorm):
        return
    norms = _norms(subject)
    found = [i for i in biased if norms[i]]
    idle = everywhere(subject, found, biased)
    yield from each(subject, ((i, norms[i]) for i in found if i in idle), lambda at: _finding(subject, at[0], at[1]))


def _norms(subject: Subject) -> list[int]:
    """For each node, the first norm that takes a constant in its channels away, where all its uses do; else 0."""
    nodes = subject.graph.nodes
    found = [0] * len(nodes)
    for index in range(len(nodes) - 1, 0, -1):
        if index in subject.ends:
            continue
        first = 0
        for user in subject.users[index]:
            norm = user if _subtracts(nodes[user]) else found[user] if _carries(nodes[user]) else 0
            if not norm:
                first = 0
                break
            first = first or norm
        found[index] = first
    return found


def _subtracts(node: Node) -> bool:
    """Whether a norm takes away the mean of each channel by itself."""
    op = node.op
    return isinstance(op, BatchNorm | InstanceNorm) or (isinstance(op, GroupNorm) and op.groups == node.shape.channels)


def _carries(node: Node) -> bool:
    op = node.op
    if isinstance(op, Conv):
        return not any(map(any, op.pad))
    if isinstance(op, AvgPool):
        return not any(op.pad) or not op.count_include_pad
    if isinstance(op, Pad):
        return op.mode != "constant" or not any(map(any, op.pads))
    return isinstance(op, CARRYING)


def _finding(subject: Subject, index: int, norm: int) -> Diagnostic:
    name, span = called(subject, index), subject.spans[index]
    width = getattr(subject.graph.nodes[index].op, "width", 0)
    needed = _chosen(subject, index, norm)
    return Diagnostic(
        CODE,
        Severity.INFO if needed else Severity.WARNING,
        f"the bias of {name} has no effect: the norm after it takes the mean of each channel away",
        span,
        expected="bias=false",
        found=f"{width:,} biases",
        help="the line needs its bias where the norm is not there: make both depend on one parameter"
        if needed
        else "write bias=false, or say so once for the file in a default statement",
        notes=(Note(f"{subject.graph.nodes[norm].name} takes it away", subject.spans[norm]),),
        fix=_fix(subject, index, norm),
    )


def _chosen(subject: Subject, index: int, norm: int) -> bool:
    """Whether a `param`, a `?` or an `if` says that there is a norm: other members need the bias."""
    place, other = place_of(subject, subject.spans[index]), place_of(subject, subject.spans[norm])
    if place is not None and other is not None:
        return not set(other.conditions) <= set(place.conditions)
    params = () if subject.unit is None else subject.unit.params.values()
    span = subject.spans[norm]
    return any(
        param.span.source is span.source and param.span.start <= span.start and span.end <= param.span.end
        for param in params
    )


def _fix(subject: Subject, index: int, norm: int) -> Fix | None:
    span = subject.spans[index]
    place = place_of(subject, span)
    edit = None if place is None else _without_bias(span, place.layer.arguments)
    written = place_of(subject, subject.spans[norm]) is not None
    return None if edit is None else Fix("write bias=false", (edit,), written and not _chosen(subject, index, norm))


def _without_bias(span: Span, arguments: tuple[Argument, ...] | None) -> Edit | None:
    """The edit that writes `bias=false`; None where the bias is given by a name or by arithmetic."""
    end = Span(span.source, span.end, span.end)
    if arguments is None:
        return Edit(end, "(bias=false)")
    for argument in arguments:
        if argument.name == "bias":
            value = argument.value
            return Edit(value.span, "false") if isinstance(value, Boolean) else None
    inside = Span(span.source, span.end - 1, span.end - 1)
    if not arguments:
        return Edit(inside, "bias=false")
    after = arguments[-1].span.end
    return Edit(Span(span.source, after, after), ", bias=false")
