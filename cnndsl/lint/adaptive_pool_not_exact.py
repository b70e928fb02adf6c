"""adaptive-pool-not-exact (CNN403)

## What it does
Reports an adaptive pool whose output size does not divide its input's. Its windows overlap, or differ in size, so that no
pooling operator of ONNX is exactly this. We write the same numbers in another way, an average as a product with a matrix
along each axis, a maximum as the gathered windows. Layers that only a side head uses are not looked at.

## Why is this bad
It takes more operators and time than a pool, the matrix is for this one input size, and others do not write it at all:
PyTorch's exporter refuses it. Positions count unequally, too. An output size that divides the input's is one AveragePool.

## Example
```
input 3x28x28
CONV3-64/2 - RELU - ADAPTIVEAVGPOOL(4) - FC-10
```

## Use instead
```
input 3x28x28
CONV3-64/2 - RELU - ADAPTIVEAVGPOOL(7) - FC-10
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Severity
from ..ops.pool import AdaptiveAvgPool, AdaptiveMaxPool
from .subject import Subject

CODE: Final = "CNN403"


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a layer that the output depends on, at sizes that are known."""
    graph = subject.graph
    for index in subject.of(AdaptiveAvgPool, AdaptiveMaxPool):
        node, span = graph.nodes[index], subject.spans[index]
        if not isinstance(node.op, AdaptiveAvgPool | AdaptiveMaxPool) or index not in graph.live:
            continue
        before = graph.inputs(node)[0]
        axes = list(zip(before.spatial, node.op.size, strict=True))
        if any(type(size) is not int and out > 1 for size, out in axes):
            continue  # cannot be written at all: CNN402
        for size, out in [(size, out) for size, out in axes if isinstance(size, int) and size % out][:1]:
            fits = [m for m in range(1, size + 1) if size % m == 0] if size <= 4096 else []
            near = min(fits, key=lambda m: (abs(m - out), m), default=1)
            yield Diagnostic(
                CODE,
                Severity.INFO,
                f"{out} does not divide {size}: this adaptive pool is no pool of ONNX",
                span,
                expected=f"an output size that divides {size}",
                found=f"{before} -> {node.shape}",
                help=f"pool to {near}, or choose the input's size so that {out} divides what comes here",
            )
