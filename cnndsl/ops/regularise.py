"""What only acts in training: DROPOUT, DROPPATH."""

from __future__ import annotations

from typing import ClassVar

from ..shape import Shape
from .base import Op, Problem
from .parameters import DropRate, Parameters, Probability


class Dropout(Op):
    """Zeroes each value with probability p and scales the rest by 1/(1-p)."""

    kind: ClassVar[str] = "dropout"
    layer: ClassVar[str] = "DROPOUT"
    p: float


class DropPath(Op):
    """Drops a whole sample's branch with probability p and scales the rest by 1/(1-p): stochastic depth."""

    kind: ClassVar[str] = "drop_path"
    layer: ClassVar[str] = "DROPPATH"
    p: float


class DropoutParameters(Parameters):
    """DROPOUT(0.5): zeroes values in training."""

    names: ClassVar = ("DROPOUT",)
    positional: ClassVar = ("p",)
    p: Probability = 0.5

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return (Dropout(self.p),)


class DropPathParameters(Parameters):
    """DROPPATH(0.1): drops a branch for a whole sample in training (stochastic depth); p below 1."""

    names: ClassVar = ("DROPPATH",)
    positional: ClassVar = ("p",)
    p: DropRate = 0.1

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return (DropPath(self.p),)
