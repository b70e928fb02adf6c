"""All members of a family at once: what can reach each place in the text, once for each shape that can be there.

A family may have millions of members, but few shapes at any one place. A state is a shape, how often the resolution was
halved (which widths of bare layers depend on), and the values of the parameters that are still needed; what led to it
matters no more, except for the smallest member that does. So the members of `[(CONV-RELU)*N-POOL]*M-(FC-RELU)*K` are
walked in a few hundred steps: a repeat is left after every turn that a member leaves it, and each layer is elaborated once
a state.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate, product
from typing import Final

from ..arithmetic import UNKNOWN, Names, Value, condition, evaluate, whole
from ..diagnostics import Diagnostic
from ..elaborate.widths import folded
from ..record import Record
from ..shape import Channels, Shape
from ..syntax import (
    Choice,
    Conditional,
    Group,
    Labelled,
    Layer,
    List,
    Loop,
    Pipeline,
    Range,
    Reference,
    Repeat,
    Shaped,
    Stage,
)
from .axes import NOTHING, Axis, Uses, words
from .member import Members, Part, Turn

MOST_NODES: Final = 15_000
MOST_STATES: Final = 100_000
"""What a walk may take: nodes elaborated, and states passed on; about half a second each."""

MOST_TURNS: Final = 6
"""Optional stages inside a definition or a branch whose combinations are all tried."""


Bindings = tuple[tuple[int, int], ...]
"""Values of axes: (axis, index), in order."""


class Exhausted(Exception):
    """The walk has taken as much as it may."""


class Found(Record):
    """A member, or all that begin like it: the index of each axis' value, 0 for those not chosen yet, and the
    turns of choices.

    Members are compared by how far they are from the first of every domain with every choice there, in all, then in order.
    """

    rank: int
    indices: tuple[int, ...]
    turns: tuple[Turn, ...] = ()

    def with_index(self, axis: int, index: int) -> Found:
        """The same with another value."""
        indices = (*self.indices[:axis], index, *self.indices[axis + 1 :])
        return Found(self.rank + index - self.indices[axis], indices, self.turns)

    def bound(self, chosen: Bindings) -> Found:
        """The same with more values."""
        indices = list(self.indices)
        for axis, index in chosen:
            indices[axis] = index
        return Found(self.rank + sum(indices) - sum(self.indices), tuple(indices), self.turns)

    def with_turns(self, turns: tuple[Turn, ...]) -> Found:
        """The same with more choices made."""
        absent = sum(1 for _, present in turns if not present)
        return Found(self.rank + absent, self.indices, self.turns + turns)

    @property
    def order(self) -> tuple[int, tuple[int, ...]]:
        """Less for a smaller member."""
        return self.rank, self.indices


Sizes = tuple[Channels, ...]
State = tuple[Sizes, int, Bindings]
"""A shape's dimensions, the halvings before it, and the values of what is still needed."""

Extreme = tuple[int, Found]
"""The most (or least) that a bounded cost comes to on the ways to a state, and for which member."""


class Reach(Record):
    """How a state is reached: the smallest member, and the extremes of the costs that are bounded."""

    smallest: Found
    extremes: tuple[Extreme, ...] = ()

    def mapped(self, change: Callable[[Found], Found]) -> Reach:
        """The same with every member changed."""
        return Reach(change(self.smallest), tuple((cost, change(found)) for cost, found in self.extremes))


States = dict[State, Reach]
Cost = Callable[[Part], int]
Env = Mapping[str, Value]
Count = Callable[[Names], Value]


class Walk:
    """One walk over a spec's network. `costs` are the additive costs to keep, each with the sign of its worse side."""

    def __init__(
        self, members: Members, axes: tuple[Axis, ...], uses: Uses, costs: tuple[tuple[Cost, int], ...]
    ) -> None:
        self.members = members
        self.axes = axes
        self.uses = uses
        self.costs = costs
        self.failures: dict[tuple[object, ...], Found] = {}
        self._numbers = {axis.name: i for i, axis in enumerate(axes)}
        self._leaves: dict[tuple[object, ...], tuple[Leaf, ...]] = {}
        self._assertions: dict[int, Shaped] = {}
        self._references: dict[int, bool] = {}
        self.ends: States = {}
        self._nodes = 0
        self._states = 0

    # -- the whole

    def run(self) -> States:
        """The states after the network; raises Exhausted."""
        body, dimensions = self.members.net.body, self.members.dimensions
        first = Found(0, (0,) * len(self.axes))
        start = Reach(first, tuple((0, first) for _ in self.costs))
        by_channels: dict[object, States] = {}
        if dimensions is None:
            return {}
        for bindings, reach in self._bound(((), start), self.uses.of(dimensions)):
            with self.members.bound(self._values(bindings)):
                build = self.members.build(())
                shape = self.members.start(build)
            if shape is None:
                self._fail(build.diagnostics, reach)
                continue
            states = by_channels.setdefault(shape.channels, {})
            self._merge(states, (shape.dimensions, 0, self._kept(bindings, self.uses.of(body))), reach)
        out: States = {}
        for channels, states in by_channels.items():
            self._join(out, self.stage(body, states, {"cin": channels}, NOTHING), NOTHING)
        return out

    # -- states

    def spend(self) -> None:
        """Count a state; raises Exhausted."""
        self._states += 1
        if self._states > MOST_STATES:
            raise Exhausted

    def _merge(self, states: States, state: State, reach: Reach) -> None:
        self.spend()
        known = states.get(state)
        if known is None:
            states[state] = reach
            return
        smallest = min(known.smallest, reach.smallest, key=lambda found: found.order)
        extremes = tuple(
            max(one, other, key=lambda extreme: sign * extreme[0])
            for one, other, (_, sign) in zip(known.extremes, reach.extremes, self.costs, strict=True)
        )
        states[state] = Reach(smallest, extremes)

    def _join(self, states: States, more: States, needed: frozenset[str]) -> None:
        """Take in more states, with the values that are needed."""
        for (sizes, halvings, bindings), reach in more.items():
            self._merge(states, (sizes, halvings, self._kept(bindings, needed)), reach)

    def _kept(self, bindings: Bindings, needed: frozenset[str]) -> Bindings:
        return tuple(pair for pair in bindings if self.axes[pair[0]].name in needed)

    def _values(self, bindings: Iterable[tuple[int, int]]) -> dict[str, Value]:
        return {self.axes[axis].name: self.axes[axis].values[index] for axis, index in bindings}

    def _open(self, bindings: Bindings, names: frozenset[str]) -> list[int]:
        """The axes among some names that have no value yet."""
        known = {axis for axis, _ in bindings}
        return sorted(self._numbers[name] for name in names if self._numbers[name] not in known)

    def _bound(self, at: tuple[Bindings, Reach], names: frozenset[str]) -> Iterator[tuple[Bindings, Reach]]:
        """The same place once for each value of the axes that have none there."""
        bindings, reach = at
        missing = self._open(bindings, names)
        if not missing:
            yield at
            return
        for indices in product(*(range(len(self.axes[axis].values)) for axis in missing)):
            self.spend()
            chosen = tuple(zip(missing, indices, strict=True))
            yield tuple(sorted((*bindings, *chosen))), reach.mapped(_with_bound(chosen))

    def _grouped(
        self, states: States, names: frozenset[str], after: frozenset[str]
    ) -> Iterator[tuple[Bindings, States]]:
        """The states with every one of the axes bound, by their values."""
        groups: dict[Bindings, States] = {}
        for (sizes, halvings, bindings), reach in states.items():
            for bound, reached in self._bound((bindings, reach), names):
                key = tuple(pair for pair in bound if self.axes[pair[0]].name in names)
                self._merge(groups.setdefault(key, {}), (sizes, halvings, self._kept(bound, after | names)), reached)
        yield from groups.items()

    def _fail(self, diagnostics: Iterable[Diagnostic], *reached: Reach) -> None:
        """Keep the smallest member that each thing is wrong with."""
        for diagnostic in diagnostics:
            span = diagnostic.span
            key = diagnostic.code, span and (span.source.name, span.start)
            for reach in reached:
                known = self.failures.get(key)
                if known is None or reach.smallest.order < known.order:
                    self.failures[key] = reach.smallest

    # -- stages

    def stage(self, stage: Stage, states: States, env: Env, after: frozenset[str], label: str | None = None) -> States:
        """The states after a stage; `env` holds what loops bind, `after` the axes that are needed later."""
        if not states:
            return states
        match stage:
            case Pipeline() if not self._refers(stage):
                return self._pipeline(stage, states, env, after)
            case Group(stage=inner):
                return self.stage(inner, states, env, after, label)
            case Labelled(label=name, stage=inner):
                return self.stage(inner, states, env, after, name)
            case Choice():
                return self._choice(stage, label, states, env, after)
            case Repeat(count=written):

                def count(names: Names) -> Value:
                    return whole(written, names, "a repeat")

                return self._turns(stage, stage.stage, count, lambda turn: env, states, env, after)
            case Loop(over=List()):
                return self._listed(stage, states, env, after)
            case Loop():
                return self._ranged(stage, states, env, after)
            case Conditional():
                return self._conditional(stage, states, env, after)
            case Shaped(stage=inner, shape=shape):
                states = self.stage(inner, states, env, after | self.uses.of(shape), label)
                return self._leaf(self._assertion(stage), states, env, after)
            case _:
                return self._leaf(stage, states, env, after)

    def _refers(self, stage: Stage) -> bool:
        """Whether a stage goes back to a label: then it is taken as one."""
        known = self._references.get(id(stage))
        if known is None:
            known = self._references[id(stage)] = refers(stage)
        return known

    def _assertion(self, stage: Shaped) -> Shaped:
        """The assertion of a shape, alone."""
        known = self._assertions.get(id(stage))
        if known is None:
            nothing = Layer(stage.shape.span, "ID", stage.shape.span)
            known = self._assertions[id(stage)] = Shaped(stage.shape.span, nothing, stage.shape)
        return known

    def _pipeline(self, stage: Pipeline, states: States, env: Env, after: frozenset[str]) -> States:
        parts = folded(build := self.members.build(()), stage, self.members.frame(build, env))
        later = [after]
        for part in reversed(parts[1:]):
            later.append(later[-1] | self.uses.of(part))
        for part, needed in zip(parts, reversed(later), strict=True):
            states = self.stage(part, states, env, needed)
        return states

    def _choice(self, stage: Choice, label: str | None, states: States, env: Env, after: frozenset[str]) -> States:
        self.members.labels.setdefault(id(stage), (stage, label))
        given = self.members.settings.get(label) if label is not None else None
        out: States = {}
        for present in (True, False) if given is None else (bool(given),):
            turn = ((id(stage), present),)
            chosen = {state: reach.mapped(_with_turns(turn)) for state, reach in states.items()}
            self._join(out, self.stage(stage.stage, chosen, env, after) if present else chosen, after)
        return out

    def _conditional(self, stage: Conditional, states: States, env: Env, after: frozenset[str]) -> States:
        out: States = {}
        needed = after | self.uses.of(stage.then) | self.uses.of(stage.otherwise)
        for key, group in self._grouped(states, self.uses.of(stage.condition), needed):
            chosen, problems = self._evaluated(key, env, lambda names: condition(stage.condition, names))
            if chosen is UNKNOWN:
                self._fail(problems, *group.values())
            else:
                self._join(out, self.stage(stage.then if chosen else stage.otherwise, group, env, after), after)
        return out

    def _evaluated(self, key: Bindings, env: Env, compute: Callable[[Names], Value]) -> tuple[Value, list[Diagnostic]]:
        """The value of an expression where axes have some values, and what is wrong with it."""
        with self.members.bound(self._values(key)):
            build = self.members.build(())
            return compute(self.members.frame(build, env).names), build.diagnostics

    # -- leaves

    def _leaf(self, stage: Stage, states: States, env: Env, after: frozenset[str]) -> States:
        """The states after a stage that is elaborated as it is, once for each that comes in."""
        uses = self.uses.of(stage)
        named = frozenset(env) & words(stage)
        bound = tuple((name, env[name]) for name in sorted(named))
        out: States = {}
        for (sizes, halvings, bindings), at in states.items():
            for settled, reach in self._bound((bindings, at), uses):
                key = tuple(pair for pair in settled if self.axes[pair[0]].name in uses)
                for part in self._made(stage, sizes, halvings, key, bound, env):
                    reached = reach.mapped(_with_turns(part.turns)) if part.turns else reach
                    if part.sizes is None:
                        self._fail(part.diagnostics, reached)
                        continue
                    if part.costs:
                        sums = zip(reached.extremes, part.costs, strict=True)
                        reached = Reach(reached.smallest, tuple((cost + more, found) for (cost, found), more in sums))
                    self._merge(out, (part.sizes, part.halvings, self._kept(settled, after)), reached)
        return out

    def _made(
        self, stage: Stage, sizes: Sizes, halvings: int, key: Bindings, bound: tuple[object, ...], env: Env
    ) -> tuple[Leaf, ...]:
        """What a stage makes of a shape, once for each way to make the choices inside it."""
        where = (id(stage), sizes, halvings, key, bound)
        known = self._leaves.get(where)
        if known is None:
            shape = Shape(sizes[0], sizes[1:])  # type: ignore[arg-type]
            with self.members.bound(self._values(key)):
                first = self._elaborated(stage, shape, halvings, env, ())
                asked = len(first.turns)
                ways = product((True, False), repeat=asked) if asked <= MOST_TURNS else ((False,) * asked,)
                others = (self._elaborated(stage, shape, halvings, env, way) for way in ways if not all(way))
                known = self._leaves[where] = (first, *(others if asked else ()))
        return known

    def _elaborated(self, stage: Stage, shape: Shape, halvings: int, env: Env, way: tuple[bool, ...]) -> Leaf:
        part = self.members.part(stage, shape, halvings, env, way)
        self._nodes += len(part.nodes)
        if self._nodes > MOST_NODES:
            raise Exhausted
        if part.end is None:
            return Leaf(None, 0, part.diagnostics, part.turns)
        costs = tuple(cost(part) for cost, _ in self.costs)
        return Leaf(part.nodes[part.end].shape.dimensions, part.halvings, (), part.turns, costs)

    # -- repetitions

    def _listed(self, stage: Loop, states: States, env: Env, after: frozenset[str]) -> States:
        """A loop over a list: one turn after the other, for each way the list can be."""
        assert isinstance(stage.over, List)
        over, out = stage.over, States()
        needed = after | self.uses.of(stage.stage)
        for key, group in self._grouped(states, self.uses.of(over), needed):
            turns, problems = self._evaluated(key, env, lambda names: listed(over, stage.targets, names))
            if turns is None:
                self._fail(problems, *group.values())
                continue
            for turn in turns:
                group = self.stage(stage.stage, group, {**env, **turn}, needed)
            self._join(out, group, after)
        return out

    def _ranged(self, stage: Loop, states: States, env: Env, after: frozenset[str]) -> States:
        """A loop over a range: a repeat whose turns are numbered, for each place where it can start."""
        assert isinstance(stage.over, Range)
        over, target, out = stage.over, stage.targets[0], States()
        numbered = target in words(stage.stage)
        needed = after | self.uses.of(stage.stage) | self.uses.of(over.last)
        for key, group in self._grouped(states, self.uses.of(over.first), needed):
            first, problems = self._evaluated(key, env, lambda names: whole(over.first, names, "a range's start"))
            if first is UNKNOWN:
                self._fail(problems, *group.values())
                continue

            def at(turn: int, first: int = first) -> Env:
                return {**env, target: first + turn} if numbered else env

            def count(names: Names, first: int = first) -> Value:
                last = whole(over.last, names, "a range's end")
                return last if last is UNKNOWN else max(0, last - first + 1)

            left = self._turns(stage, stage.stage, count, at, group, env, after, None if numbered else True)
            self._join(out, left, after)
        return out

    def _turns(
        self, stage: Repeat | Loop, body: Stage, count: Count, at: Callable[[int], Env], states: States, env: Env,
        after: frozenset[str], steady: bool | None = True,
    ) -> States:  # fmt: skip
        """A repetition: after every turn the members leave that have no more. `steady`: all turns are alike.

        An axis that only the count depends on is not bound before its members leave.
        """
        counts = Counts(self, stage, count, env)
        inside = after | self.uses.of(body) | counts.uses
        running: States = {}
        for (sizes, halvings, bindings), reach in states.items():
            missing = self._open(bindings, counts.uses)
            last = len(missing) == 1 and self.axes[missing[0]].name not in self.uses.of(body)
            for bound, reached in ((bindings, reach),) if last else self._bound((bindings, reach), counts.uses):
                self._merge(running, (sizes, halvings, bound), reached)
        out: States = {}
        turn = 0
        while running:
            going = counts.leave(running, turn, after, out)
            running = self.stage(body, going, at(turn), inside)
            turn += 1
            if steady and not self.costs and running.keys() == going.keys() and not _has_choice(body):
                counts.leave(running, turn, after, out, last=True)
                break
        return out


class Leaf(Record):
    """What a stage made of a state: the next one's sizes (None after an error) and halvings, the choices, and the costs."""

    sizes: Sizes | None
    halvings: int
    diagnostics: tuple[Diagnostic, ...]
    turns: tuple[Turn, ...]
    costs: tuple[int, ...] = ()


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
        walk = self.walk
        going: States = {}
        for state, reach in running.items():
            sizes, halvings, bindings = state
            missing = walk._open(bindings, self.uses)
            if not missing:
                count = self._of(state, bindings, reach)
                if count is not None and (last or count <= turn):
                    walk._merge(out, (sizes, halvings, walk._kept(bindings, after)), reach)
                elif count is not None:
                    going[state] = reach
                continue
            axis = missing[0]
            turns = self._turns(state, axis, reach)
            leaving = turns.from_(turn) if last else turns.at.get(turn, ())
            for index in leaving if walk.axes[axis].name in after else sorted(leaving)[:1]:
                bound = tuple(sorted((*bindings, (axis, index))))
                walk._merge(out, (sizes, halvings, walk._kept(bound, after)), reach.mapped(_with_index(axis, index)))
            staying = None if last else turns.first_above(turn)
            if staying is not None:
                going[state] = reach.mapped(_with_index(axis, staying))
        return going

    def _turns(self, state: State, axis: int, reach: Reach) -> Turns:
        """How often the members turn by the values of an axis, where the others are bound."""
        own = tuple(pair for pair in state[2] if self.walk.axes[pair[0]].name in self.uses)
        known = self._by_axis.get((own, axis))
        if known is None:
            at: dict[int, list[int]] = {}
            for index in range(len(self.walk.axes[axis].values)):
                self.walk.spend()
                bound = tuple(sorted((*own, (axis, index))))
                count = self._of((state[0], state[1], bound), bound, reach.mapped(_with_index(axis, index)))
                if count is not None:
                    at.setdefault(count, []).append(index)
            known = self._by_axis[own, axis] = Turns(at)
        return known

    def _of(self, state: State, bindings: Bindings, reach: Reach) -> int | None:
        """The count, None after an error."""
        own = tuple(pair for pair in bindings if self.walk.axes[pair[0]].name in self.uses)
        if own not in self._known:
            count, problems = self.walk._evaluated(own, self.env, self.count)
            wrong = count is UNKNOWN or not 0 <= count <= self.walk.members.limits.max_layers
            if wrong:
                self.walk._fail(problems, reach)
            if wrong and not problems:  # as a spec with this count would say
                self.walk._leaf(self.stage, {(state[0], state[1], own): reach}, self.env, NOTHING)
            self._known[own] = None if wrong else int(count)
        return self._known[own]


def listed(over: List, targets: tuple[str, ...], names: Names) -> list[dict[str, Value]] | None:
    """What a loop over a list binds in each turn; None where that cannot be."""
    turns = []
    for item in over.items:
        value = evaluate(item, names)
        values = value if isinstance(value, tuple) and len(targets) > 1 else (value,)
        if value is UNKNOWN or len(values) != len(targets):
            return None
        turns.append(dict(zip(targets, values, strict=True)))
    return turns


def parts(stage: Stage) -> Iterator[Stage]:
    """A stage and all in it; definitions that it uses are not looked into."""
    waiting = [stage]
    while waiting:
        yield (found := waiting.pop())
        match found:
            case Pipeline(stages=stages):
                waiting.extend(stages)
            case Layer(branches=branches):
                waiting.extend(branches or ())
            case Conditional(then=then, otherwise=otherwise):
                waiting += [then, otherwise]
            case Reference():
                pass
            case _:
                waiting.append(found.stage)


def refers(stage: Stage) -> bool:
    """Whether a stage goes back to a label."""
    return any(isinstance(part, Reference) for part in parts(stage))


def _has_choice(stage: Stage) -> bool:
    return any(isinstance(part, Choice) for part in parts(stage))


def _with_turns(turns: tuple[Turn, ...]) -> Callable[[Found], Found]:
    return lambda found: found.with_turns(turns)


def _with_bound(chosen: Bindings) -> Callable[[Found], Found]:
    return lambda found: found.bound(chosen)


def _with_index(axis: int, index: int) -> Callable[[Found], Found]:
    return lambda found: found.with_index(axis, index)
