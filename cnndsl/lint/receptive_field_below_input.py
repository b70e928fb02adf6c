"""receptive-field-below-input (CNN135)

## What it does
Reports a network whose last map, the one that is averaged or flattened for the classifier, sees less than the whole input,
where nothing after it joins what the positions saw: a pool over all positions, or one linear layer, adds them up. Silent
with hidden linear layers after the map (AlexNet, VGG), after global operations before it (squeeze-and-excitation), and
for inputs of open size.

## Why is this bad
The answer is a sum of what small patches look like: no feature depends on two things that are further apart than the
field. One more stride or pool early in the network, or a few more layers, widen it.

## Example
```
input 3x64x64
CONV3-32 - RELU - POOL2 - CONV3-64 - RELU - GAP - FC-10
```

## Use instead
```
input 3x64x64
(CONV3-w - RELU)*2 - POOL2 for w in [32, 64, 128, 256]
- GAP - FC-10
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Severity
from ..ops.conv import Conv
from ..ops.linear import Flatten, Linear
from ..ops.pool import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from ..ops.windows import extent
from ..shape import AXES
from . import anchors
from .subject import Subject

CODE: Final = "CNN135"

_WHOLE: Final = (Flatten, AvgPool, GlobalAvgPool, GlobalMaxPool, AdaptiveAvgPool, AdaptiveMaxPool)
_WINDOWS: Final = (Conv, MaxPool, AvgPool)


def check(subject: Subject) -> Iterator[Diagnostic]:
    """One finding a network: the axis that is seen least."""
    graph = subject.graph
    joining = _joining(subject)
    if joining is None or not graph.input_shape.fixed:
        return
    last = graph.nodes[joining].inputs[0]
    sizes = graph.input_shape.spatial
    if _covers(subject, last):
        return
    for axis, (field, size) in enumerate(zip(subject.receptive[last].size, sizes, strict=True)):
        if field is not None and isinstance(size, int) and 1 < field < size:
            letter = AXES[len(sizes)][axis]
            yield Diagnostic(
                CODE,
                Severity.INFO,
                f"the last map sees {field} of the input's {size} along {letter}, and the classifier adds its positions up",
                anchors.layer(subject, joining),
                expected=f"a receptive field of {size} or more in the last map, {graph.nodes[last].shape}",
                found=f"a receptive field of {field}",
                help="reduce the resolution earlier, or add layers",
            )
            return


def _joining(subject: Subject) -> int | None:
    """The node that makes a vector, or one position, of the last map; None where linear layers follow before the last."""
    nodes = subject.graph.nodes
    index, linear = subject.graph.output, 0
    while index:
        node = nodes[index]
        if any(n != 1 for n in node.shape.spatial):
            return None
        before = nodes[node.inputs[0]].shape.spatial
        if any(n != 1 for n in before):
            return index if isinstance(node.op, _WHOLE) else None
        linear += isinstance(node.op, Linear) or (isinstance(node.op, Conv) and node.op.kernel == (1,) * len(before))
        if linear > 1:
            return None
        index = node.inputs[0]
    return None


def _covers(subject: Subject, index: int) -> bool:
    """Whether one path of windows to a node alone covers the input, which spares the fields of the whole graph."""
    nodes = subject.graph.nodes
    path = []
    while index:
        if isinstance(nodes[index].op, _WINDOWS):
            path.append(index)
        elif nodes[index].shape.spatial != nodes[nodes[index].inputs[0]].shape.spatial:
            return False
        index = nodes[index].inputs[0]
    sizes = subject.graph.input_shape.spatial
    field, step = [1] * len(sizes), [1] * len(sizes)
    for i in reversed(path):
        op = nodes[i].op
        assert isinstance(op, _WINDOWS)
        dilation = (1,) * len(sizes) if isinstance(op, AvgPool) else op.dilation
        for axis, (k, s, d) in enumerate(zip(op.kernel, op.stride, dilation, strict=True)):
            field[axis] += (extent(k, d) - 1) * step[axis]
            step[axis] *= s
    return all(isinstance(n, int) and seen >= n for seen, n in zip(field, sizes, strict=True))
