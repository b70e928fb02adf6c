"""All members of a family at once: what can reach each place in the text, once for each shape that can be there.

A family may have millions of members, but few shapes at any one place. A state is a shape, how often the resolution was
halved (which widths of bare layers depend on), and the values of the parameters that are still needed; what led to it
matters no more, except for the smallest member that does. So the members of `[(CONV-RELU)*N-POOL]*M-(FC-RELU)*K` are
walked in a few hundred steps: a repeat is left after every turn that a member leaves it, and each layer is elaborated once
a state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Final

from ..arithmetic import UNKNOWN, Names, Value, condition, evaluate, whole
from ..diagnostics import Diagnostic
from ..elaborate.widths import folded
from ..record import Record
from ..shape import Shape
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
from .counts import Count, Counts, Env
from .member import Members, Part, Turn
from .states import Bindings, Exhausted, Found, Reach, Sizes, Space, States, with_turns

MOST_NODES: Final = 15_000
"""Nodes that a walk may elaborate, in about half a second."""

MOST_TURNS: Final = 6
"""Optional stages inside a definition or a branch whose combinations are all tried."""


Cost = Callable[[Part], int]


class Walk:
    """One walk over a spec's network. `costs` are the additive costs to keep, each with the sign of its worse side."""

    def __init__(
        self, members: Members, axes: tuple[Axis, ...], uses: Uses, costs: tuple[tuple[Cost, int], ...]
    ) -> None:
        self.members = members
        self.space = Space(axes, tuple(sign for _, sign in costs))
        self.uses = uses
        self.costs = costs
        self.failures: dict[tuple[object, ...], Found] = {}
        self._leaves: dict[tuple[object, ...], tuple[Leaf, ...]] = {}
        self._assertions: dict[int, Shaped] = {}
        self._references: dict[int, bool] = {}
        self.ends: States = {}
        self._nodes = 0

    # -- the whole

    def run(self) -> States:
        """The states after the network; raises Exhausted."""
        body, dimensions = self.members.net.body, self.members.dimensions
        first = Found(0, (0,) * len(self.space.axes))
        start = Reach(first, tuple((0, first) for _ in self.costs))
        by_channels: dict[object, States] = {}
        if dimensions is None:
            return {}
        for bindings, reach in self.space.bound(((), start), self.uses.of(dimensions)):
            with self.members.bound(self.space.values(bindings)):
                build = self.members.build(())
                shape = self.members.start(build)
            if shape is None:
                self.fail(build.diagnostics, reach)
                continue
            states = by_channels.setdefault(shape.channels, {})
            self.space.merge(states, (shape.dimensions, 0, self.space.kept(bindings, self.uses.of(body))), reach)
        out: States = {}
        for channels, states in by_channels.items():
            self.space.join(out, self.stage(body, states, {"cin": channels}, NOTHING), NOTHING)
        return out

    def fail(self, diagnostics: Iterable[Diagnostic], *reached: Reach) -> None:
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
                return self.leaf(self._assertion(stage), states, env, after)
            case _:
                return self.leaf(stage, states, env, after)

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
            chosen = {state: reach.mapped(with_turns(turn)) for state, reach in states.items()}
            self.space.join(out, self.stage(stage.stage, chosen, env, after) if present else chosen, after)
        return out

    def _conditional(self, stage: Conditional, states: States, env: Env, after: frozenset[str]) -> States:
        out: States = {}
        needed = after | self.uses.of(stage.then) | self.uses.of(stage.otherwise)
        for key, group in self.space.grouped(states, self.uses.of(stage.condition), needed):
            chosen, problems = self.evaluated(key, env, lambda names: condition(stage.condition, names))
            if chosen is UNKNOWN:
                self.fail(problems, *group.values())
            else:
                self.space.join(out, self.stage(stage.then if chosen else stage.otherwise, group, env, after), after)
        return out

    def evaluated(self, key: Bindings, env: Env, compute: Callable[[Names], Value]) -> tuple[Value, list[Diagnostic]]:
        """The value of an expression where axes have some values, and what is wrong with it."""
        with self.members.bound(self.space.values(key)):
            build = self.members.build(())
            return compute(self.members.frame(build, env).names), build.diagnostics

    # -- leaves

    def leaf(self, stage: Stage, states: States, env: Env, after: frozenset[str]) -> States:
        """The states after a stage that is elaborated as it is, once for each that comes in."""
        uses = self.uses.of(stage)
        named = frozenset(env) & words(stage)
        bound = tuple((name, env[name]) for name in sorted(named))
        out: States = {}
        for (sizes, halvings, bindings), at in states.items():
            for settled, reach in self.space.bound((bindings, at), uses):
                key = tuple(pair for pair in settled if self.space.axes[pair[0]].name in uses)
                for part in self._made(stage, sizes, halvings, key, bound, env):
                    reached = reach.mapped(with_turns(part.turns)) if part.turns else reach
                    if part.sizes is None:
                        self.fail(part.diagnostics, reached)
                        continue
                    if part.costs:
                        sums = zip(reached.extremes, part.costs, strict=True)
                        reached = Reach(reached.smallest, tuple((cost + more, found) for (cost, found), more in sums))
                    self.space.merge(out, (part.sizes, part.halvings, self.space.kept(settled, after)), reached)
        return out

    def _made(
        self, stage: Stage, sizes: Sizes, halvings: int, key: Bindings, bound: tuple[object, ...], env: Env
    ) -> tuple[Leaf, ...]:
        """What a stage makes of a shape, once for each way to make the choices inside it."""
        where = (id(stage), sizes, halvings, key, bound)
        known = self._leaves.get(where)
        if known is None:
            shape = Shape(sizes[0], sizes[1:])  # type: ignore[arg-type]
            with self.members.bound(self.space.values(key)):
                first = self._elaborated(stage, shape, halvings, env, ())
                asked = len(first.turns)
                if asked > MOST_TURNS:
                    raise Exhausted
                ways = product((True, False), repeat=asked)
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
        for key, group in self.space.grouped(states, self.uses.of(over), needed):
            turns, problems = self.evaluated(key, env, lambda names: listed(over, stage.targets, names))
            if turns is None:
                self.fail(problems, *group.values())
                continue
            for turn in turns:
                group = self.stage(stage.stage, group, {**env, **turn}, needed)
            self.space.join(out, group, after)
        return out

    def _ranged(self, stage: Loop, states: States, env: Env, after: frozenset[str]) -> States:
        """A loop over a range: a repeat whose turns are numbered, for each place where it can start."""
        assert isinstance(stage.over, Range)
        over, target, out = stage.over, stage.targets[0], States()
        numbered = target in words(stage.stage)
        needed = after | self.uses.of(stage.stage) | self.uses.of(over.last)
        for key, group in self.space.grouped(states, self.uses.of(over.first), needed):
            first, problems = self.evaluated(key, env, lambda names: whole(over.first, names, "a range's start"))
            if first is UNKNOWN:
                self.fail(problems, *group.values())
                continue

            def at(turn: int, first: int = first) -> Env:
                return {**env, target: first + turn} if numbered else env

            def count(names: Names, first: int = first) -> Value:
                last = whole(over.last, names, "a range's end")
                return last if last is UNKNOWN else max(0, last - first + 1)

            left = self._turns(stage, stage.stage, count, at, group, env, after, not numbered)
            self.space.join(out, left, after)
        return out

    def _turns(
        self, stage: Repeat | Loop, body: Stage, count: Count, at: Callable[[int], Env], states: States, env: Env,
        after: frozenset[str], steady: bool = True,
    ) -> States:  # fmt: skip
        """A repetition: after every turn the members leave that have no more. `steady`: all turns are alike.

        An axis that only the count depends on is not bound before its members leave.
        """
        counts = Counts(self, stage, count, env)
        inside = after | self.uses.of(body) | counts.uses
        running: States = {}
        for (sizes, halvings, bindings), reach in states.items():
            missing = self.space.open(bindings, counts.uses)
            last = len(missing) == 1 and self.space.axes[missing[0]].name not in self.uses.of(body)
            for bound, reached in ((bindings, reach),) if last else self.space.bound((bindings, reach), counts.uses):
                self.space.merge(running, (sizes, halvings, bound), reached)
        out: States = {}
        turn = 0
        while running:
            going = counts.leave(running, turn, after, out)
            running = self.stage(body, going, at(turn), inside)
            turn += 1
            if steady and not self.costs and running.keys() == going.keys() and _turned(running) == _turned(going):
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


def _turned(states: States) -> int:
    """The most choices that were made on the way to one of the states."""
    return max((len(reach.smallest.turns) for reach in states.values()), default=0)
