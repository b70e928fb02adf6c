"""Names: of nodes, from definitions, labels and counters; and of labels, with where each can be seen."""

from __future__ import annotations

from ..source import Span
from ..syntax import Choice, Conditional, Group, Labelled, Layer, Loop, Pipeline, Repeat, Shaped, Stage


class Namer:
    """Gives unique names below one prefix: `conv1`, `conv2`, or a label as it stands."""

    __slots__ = ("counts", "prefix", "reserved", "taken")

    def __init__(self, prefix: str, reserved: frozenset[str]) -> None:
        self.prefix = prefix
        self.reserved = reserved
        self.counts: dict[str, int] = {}
        self.taken: set[str] = set()

    def numbered(self, base: str) -> str:
        """`base1`, `base2`, ... skipping what labels take."""
        while True:
            count = self.counts.get(base, 0) + 1
            self.counts[base] = count
            name = numbered(base, count)
            if name not in self.reserved and name not in self.taken:
                self.taken.add(name)
                return self.prefix + name

    def give_back(self, base: str) -> None:
        """Undo the last `numbered(base)`: nothing took the name."""
        self.taken.discard(numbered(base, self.counts[base]))
        self.counts[base] -= 1

    def labelled(self, label: str, repeated: bool) -> str:
        """The label; numbered where it stands in a repetition, so that each has its own."""
        if repeated or label in self.taken:
            return self.numbered(label)
        self.taken.add(label)
        return self.prefix + label


def numbered(base: str, count: int) -> str:
    """`conv1`; `relu6_1`, where the digit is the name's own."""
    return f"{base}_{count}" if base[-1].isdigit() else f"{base}{count}"


class Labels:
    """The labels of one definition or repetition, and those of what it is nested in."""

    __slots__ = ("outer", "spans", "values")

    def __init__(self, outer: Labels | None = None) -> None:
        self.outer = outer
        self.values: dict[str, int] = {}
        self.spans: dict[str, Span] = {}

    def find(self, label: str) -> Labels | None:
        """The table that holds a label which is seen from here."""
        table: Labels | None = self
        while table is not None and label not in table.values:
            table = table.outer
        return table

    def seen(self) -> list[str]:
        """All labels that can be referred to from here."""
        own = list(self.values)
        return own if self.outer is None else own + self.outer.seen()


def labels_in(stage: Stage) -> frozenset[str]:
    """The labels written in a stage, at any depth; definitions that it uses are not looked into."""
    found: set[str] = set()
    waiting: list[Stage] = [stage]
    while waiting:
        match waiting.pop():
            case Pipeline(stages=stages):
                waiting.extend(stages)
            case Layer(branches=branches):
                waiting.extend(branches or ())
            case Labelled(label=label, stage=inner):
                found.add(label)
                waiting.append(inner)
            case (
                Group(stage=inner) | Repeat(stage=inner) | Loop(stage=inner) | Choice(stage=inner) | Shaped(stage=inner)
            ):
                waiting.append(inner)
            case Conditional(then=then, otherwise=otherwise):
                waiting += [then, otherwise]
            case _:
                pass
    return frozenset(found)


def last_layers(stage: Stage) -> tuple[Layer, ...]:
    """The layers that may come last in a stage as it is written, innermost groups opened, repeats not."""
    found: list[Layer] = []
    waiting: list[Stage] = [stage]
    while waiting:
        match waiting.pop():
            case Pipeline(stages=stages):
                waiting.append(stages[-1])
            case Group(stage=inner) | Labelled(stage=inner) | Shaped(stage=inner) | Choice(stage=inner):
                waiting.append(inner)
            case Conditional(then=then, otherwise=otherwise):
                waiting += [then, otherwise]
            case Layer() as layer:
                found.append(layer)
            case _:
                pass
    return tuple(found)


def before_last(stage: Stage) -> Stage | None:
    """The stage before the last one of a pipeline, groups opened."""
    while isinstance(stage, Group | Labelled | Shaped):
        stage = stage.stage
    return stage.stages[-2] if isinstance(stage, Pipeline) else None
