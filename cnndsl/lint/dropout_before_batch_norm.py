"""dropout-before-batch-norm (CNN306)

## What it does
Reports DROPOUT whose values reach a BN: at once, or through convolutions, linear layers, activations, pools and CONCAT. After
the last BN, and behind an ADD or MUL, it is not reported.

## Why is this bad
Dropping values with rate p and scaling the rest by 1/(1-p) keeps the mean and raises the variance: of values with mean 0 by
1/(1-p). BN learns that variance in training, and in evaluation, where nothing is dropped, divides by one that is too large
(Li, Chen, Hu, Yang: Understanding the Disharmony between Dropout and Batch Normalization by Variance Shift, 2018).

## Example
```
input 3x32x32
CONV3-32(bias=false) - BN - RELU - DROPOUT(0.3) - CONV3-64(bias=false) - BN - RELU - GAP - FC-10
```

## Use instead
```
input 3x32x32
CONV3-32(bias=false) - BN - RELU - CONV3-64(bias=false) - BN - RELU - GAP - DROPOUT(0.3) - FC-10
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..analysis.depth import WEIGHT_LAYERS
from ..diagnostics import Diagnostic, Note, Severity
from ..ops.activation import Activation, Maxout, PRelu
from ..ops.combine import Concat
from ..ops.linear import Flatten
from ..ops.norm import BatchNorm
from ..ops.pool import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from ..ops.regularise import Dropout
from ..ops.reshape import Crop, Pad, Scale, Shuffle, Slice, Upsample
from .stages import each
from .subject import Subject

CODE: Final = "CNN306"

PASSING: Final = (
    *WEIGHT_LAYERS, Activation, PRelu, Maxout, Concat, Flatten, MaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool,
    AdaptiveAvgPool, AdaptiveMaxPool, Dropout, Scale, Shuffle, Slice, Crop, Pad, Upsample,
)  # fmt: skip
"""What the larger variance goes through."""


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a DROPOUT."""
    nodes = subject.graph.nodes
    rates = {i: op.p for i in subject.of(Dropout) if isinstance(op := nodes[i].op, Dropout) and 0 < op.p < 1}
    norms = _next_norm(subject) if rates and subject.of(BatchNorm) else []
    found = [(index, norms[index]) for index in rates if norms and norms[index]]
    yield from each(subject, found, lambda at: _finding(subject, at[0], at[1], rates[at[0]]))


def _next_norm(subject: Subject) -> list[int]:
    """For each node, the first BN that its value reaches; 0 for none."""
    nodes = subject.graph.nodes
    found = [0] * len(nodes)
    for index in range(len(nodes) - 1, 0, -1):
        op = nodes[index].op
        here = index if isinstance(op, BatchNorm) else found[index] if isinstance(op, PASSING) else 0
        for source in nodes[index].inputs if here else ():
            found[source] = here
    return found


def _finding(subject: Subject, index: int, norm: int, p: float) -> Diagnostic:
    return Diagnostic(
        CODE,
        Severity.WARNING,
        "DROPOUT before BN, which learns another variance in training than there is in evaluation",
        subject.spans[index],
        expected="DROPOUT after the last BN",
        found=f"p={p:g}: {1 / (1 - p):.2f} times the variance in training, for values of mean 0",
        help="move it behind the last BN, before the classifier, or leave it out",
        notes=(Note(f"{subject.graph.nodes[norm].name} is reached", subject.spans[norm]),),
    )
