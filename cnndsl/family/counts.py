"""How often repetitions turn, and which members leave after which turn."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING

from ..arithmetic import UNKNOWN, Names, Value
from ..syntax import Loop, Repeat
from .axes import NOTHING
from .states import Bindings, Reach, State, States, with_index

if TYPE_CHECKING:
    from .walk import Walk

Count = Callable[[Names], Value]
Env = Mapping[str, Value]


class Turns:
    """The values of an axis, as indices, by how often their members turn."""

    def __init__(self, at: dict[int, list[int]]) -> None:
        self.at = at
        self._counts = sorted(at)
        self._first = list(accumulate((at[count][0] for count in reversed(self._counts)), min))[::-1]

    def from_(self, turn: int) -> list[int]:
        """Those that turn as often or more."""
        return [index for count in self._counts[bisect_left(self._counts, turn) :] for index in self.at[count]]

    def first_above(self, turn: int) -> int | None:
        """The first of those that turn more often."""
        place = bisect_right(self._counts, turn)
        return self._first[place] if place < len(self._first) else None


class Counts:
    """How often a repetition turns, by the values of the axes that its count depends on."""

    def __init__(self, walk: Walk, stage: Repeat | Loop, count: Count, env: Env) -> None:
        self.walk = walk
        self.stage = stage
        self.count = count
        self.env = env
        self.uses = walk.uses.of(stage.count if isinstance(stage, Repeat) else stage.over)
        self._known: dict[Bindings, int | None] = {}
        self._by_axis: dict[tuple[Bindings, int], Turns] = {}

    def leave(self, running: States, turn: int, after: frozenset[str], out: States, *, last: bool = False) -> States:
        """Put into `out` the states that turn no more after so many turns (`last`: all that are left); the others."""
        space = self.walk.space
        going: States = {}
        for state, reach in running.items():
            sizes, halvings, bindings = state
            missing = space.open(bindings, self.uses)
            if not missing:
                count = self._of(state, bindings, reach)
                if count is not None and (last or count <= turn):
                    space.merge(out, (sizes, halvings, space.kept(bindings, after)), reach)
                elif count is not None:
                    going[state] = reach
                continue
            axis = missing[0]
            turns = self._turns(state, axis, reach)
            leaving = turns.from_(turn) if last else turns.at.get(turn, ())
            for index in leaving if space.axes[axis].name in after else sorted(leaving)[:1]:
                bound = tuple(sorted((*bindings, (axis, index))))
                space.merge(out, (sizes, halvings, space.kept(bound, after)), reach.mapped(with_index(axis, index)))
            staying = None if last else turns.first_above(turn)
            if staying is not None:
                going[state] = reach.mapped(with_index(axis, staying))
        return going

    def _turns(self, state: State, axis: int, reach: Reach) -> Turns:
        """How often the members turn by the values of an axis, where the others are bound."""
        space = self.walk.space
        own = tuple(pair for pair in state[2] if space.axes[pair[0]].name in self.uses)
        known = self._by_axis.get((own, axis))
        if known is None:
            at: dict[int, list[int]] = {}
            for index in range(len(space.axes[axis].values)):
                space.spend()
                bound = tuple(sorted((*own, (axis, index))))
                count = self._of((state[0], state[1], bound), bound, reach.mapped(with_index(axis, index)))
                if count is not None:
                    at.setdefault(count, []).append(index)
            known = self._by_axis[own, axis] = Turns(at)
        return known

    def _of(self, state: State, bindings: Bindings, reach: Reach) -> int | None:
        """The count, None after an error."""
        space = self.walk.space
        own = tuple(pair for pair in bindings if space.axes[pair[0]].name in self.uses)
        if own not in self._known:
            count, problems = self.walk.evaluated(own, self.env, self.count)
            wrong = count is UNKNOWN or not 0 <= count <= self.walk.members.limits.max_layers
            if wrong:
                self.walk.fail(problems, reach)
            if wrong and not problems:  # as a spec with this count would say
                self.walk.leaf(self.stage, {(state[0], state[1], own): reach}, self.env, NOTHING)
            self._known[own] = None if wrong else int(count)
        return self._known[own]
