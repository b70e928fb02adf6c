"""open-size-meets-fixed (CNN402)

## What it does
Reports an adaptive pool to more than one value on an axis whose size the input leaves open: `cnndsl compile` refuses to
write it as ONNX. To one value it is a global pool, and every size will do.

## Why is this bad
ONNX has no adaptive pooling. It is written with windows that follow from the size, so the size must be known; in PyTorch
alone the network runs.

## Example
```
input 3x?x?
CONV3-64 - RELU - ADAPTIVEAVGPOOL(6) - FC-10
```

## Use instead
```
input 3x?x?
CONV3-64 - RELU - GAP - FC-10
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Severity
from ..ops.pool import AdaptiveAvgPool, AdaptiveMaxPool
from .subject import Subject

CODE: Final = "CNN402"


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a layer that the output depends on; side heads are not written."""
    graph = subject.graph
    for index in subject.of(AdaptiveAvgPool, AdaptiveMaxPool):
        node, span = graph.nodes[index], subject.spans[index]
        if not isinstance(node.op, AdaptiveAvgPool | AdaptiveMaxPool) or index not in graph.live:
            continue
        before = graph.inputs(node)[0]
        open_ = [
            str(size)
            for size, out in zip(before.spatial, node.op.size, strict=True)
            if type(size) is not int and out > 1
        ]
        if open_:
            one = "GAP" if isinstance(node.op, AdaptiveAvgPool) else "GMP"
            yield Diagnostic(
                CODE,
                Severity.WARNING,
                "this adaptive pool cannot be written as ONNX for an open size",
                span,
                expected="a size that is known, or a pool to 1",
                found=f"{before} -> {node.shape}",
                help=f"pool to 1 ({one}), or give the input a size",
            )
