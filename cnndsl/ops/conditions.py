"""Conditions on spatial sizes: judged at once where the sizes are numbers, solved for the symbols otherwise."""

from __future__ import annotations

from ..record import Record
from ..shape import Channels
from .base import Problem


class AtLeast(Record):
    """`size` is at least `least`; `problem` says what is wrong otherwise."""

    size: Channels
    least: int
    problem: Problem

    def violation(self) -> Problem | None:
        """The problem, where no size fulfils the condition: a symbolic size always grows large enough."""
        return self.problem if isinstance(self.size, int) and self.size < self.least else None


class Equal(Record):
    """`left` and `right` are the same size; `problem` says what is wrong otherwise."""

    left: Channels
    right: Channels
    problem: Problem

    def violation(self) -> Problem | None:
        """The problem, where no size fulfils the condition."""
        if self.left == self.right:
            return None
        if isinstance(self.left, int) and isinstance(self.right, int):
            return self.problem
        from ..periodic import meeting

        sizes = meeting(self.left, self.right)
        return self.problem if sizes is None or sizes.empty else None


Condition = AtLeast | Equal
