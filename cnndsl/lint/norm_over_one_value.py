"""norm-over-one-value (CNN307)

## What it does
Reports BN where a channel has one value a sample: on a map of 1x1, after GAP say, as a warning; on a vector, after FC,
where it is common, as an information. Reports LN over one channel. (IN and GN over one value do not compile.)

## Why is this bad
The statistics of such a BN are over the batch alone. They are noisy for small batches, and a batch of one has none: PyTorch
raises "Expected more than 1 value per channel when training". LN over one channel subtracts the value from itself: the output
does not depend on the input.

## Example
```
input 3x32x32
CONV3-64(bias=false) - GAP - BN - RELU - FC-10
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

from ..diagnostics import Diagnostic, Severity
from ..ops.norm import BatchNorm, LayerNorm
from .stages import each
from .subject import Subject

CODE: Final = "CNN307"


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a norm."""
    nodes = subject.graph.nodes
    single = [(i,) for i in subject.of(BatchNorm) if all(size == 1 for size in nodes[i].shape.spatial)]
    yield from each(subject, single, lambda at: _over_the_batch(subject, *at))
    yield from each(
        subject,
        [(i,) for i in subject.of(LayerNorm) if nodes[i].shape.channels == 1],
        lambda at: _constant(subject, *at),
    )


def _over_the_batch(subject: Subject, index: int) -> Diagnostic:
    shape = subject.graph.nodes[index].shape
    return Diagnostic(
        CODE,
        Severity.WARNING if shape.spatial else Severity.INFO,
        "BN has one value a channel and sample: its statistics are over the batch alone",
        subject.spans[index],
        expected="a map of more than one position",
        found=str(shape),
        help="put BN before the pool that leaves one position"
        if shape.spatial
        else "never train with a batch of one, or use LN",
    )


def _constant(subject: Subject, index: int) -> Diagnostic:
    return Diagnostic(
        CODE,
        Severity.WARNING,
        "LN over one channel gives the same whatever comes in",
        subject.spans[index],
        expected="two channels or more",
        found=str(subject.graph.nodes[index].shape),
        help="use BN or IN, or leave it out",
    )
