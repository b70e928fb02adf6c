"""model-above-two-gibibytes (CNN405)

## What it does
Reports a network whose weights take more than 2 GiB, four bytes each. The side heads, which are left out of a file for
inference, do not count.

## Why is this bad
An ONNX file is one protobuf message, which ends at 2 GiB. Beyond it the weights are written to a second file beside it,
`NAME.onnx.data`: the two must be moved and loaded together, and not every tool reads such models.

## Example
```
input 512x14x14
FC-8192 - RELU - FC-10
```

## Use instead
```
input 512x14x14
GAP - FC-8192 - RELU - FC-10
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Severity
from .subject import Subject

CODE: Final = "CNN405"
BYTES: Final = 4
"""Of a 32-bit float."""
LARGEST_MESSAGE: Final = 2**31 - 1
"""What a protobuf message may weigh."""


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding, at the layer with most weights."""
    costs, live = subject.costs, subject.graph.live
    size = BYTES * (costs.params_without_aux + costs.buffers)
    if size <= LARGEST_MESSAGE:
        return
    largest = max(live, key=lambda i: (costs.nodes[i].params, -i))
    share = BYTES * costs.nodes[largest].params
    yield Diagnostic(
        CODE,
        Severity.INFO,
        f"the weights take {size / 2**30:.2f} GiB: in ONNX they go to a second file",
        subject.spans[largest],
        expected="at most 2 GiB",
        found=f"{size:,} bytes, {share:,} of them here",
        help="keep NAME.onnx and NAME.onnx.data together",
    )
