"""batch-norm: folds each BN into the convolution or linear layer before it, or after it where no padding comes between."""

from __future__ import annotations

from ..ops.norm import BatchNorm
from .affine import fold
from .model import Rewriting


def rewrite(rewriting: Rewriting) -> None:
    """Fold each BN, which at inference is one factor and one shift a channel, into neighbouring weights."""
    for index, node in rewriting:
        if isinstance(node.op, BatchNorm):
            fold(rewriting, index)
