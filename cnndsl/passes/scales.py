"""scales: folds each SCALE into the layer before it, or after it."""

from __future__ import annotations

from ..ops.reshape import Scale
from .affine import fold
from .model import Rewriting


def rewrite(rewriting: Rewriting) -> None:
    """Fold each factor a channel, learned or constant, into neighbouring weights."""
    for index, node in rewriting:
        if isinstance(node.op, Scale):
            fold(rewriting, index)
