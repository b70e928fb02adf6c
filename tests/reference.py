"""The language run by torch.nn, stage by stage as it is written: what the compiler is compared with.

Nothing of the package is used. What PyTorch cannot do, PyTorch refuses; where the language has a rule of its own, `Rule`
carries the code that the compiler must report.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from notation import (
    STAGES,
    Aux,
    Binary,
    Choice,
    Count,
    Definition,
    If,
    Join,
    Label,
    Layer,
    Loop,
    Name,
    Pipe,
    Reference,
    Repeat,
    Shaped,
    Spec,
    Stage,
    Use,
)
from reference_layers import ALIASES, LAYERS, Rule, Value
from torch import nn

REFUSALS = (RuntimeError, ValueError, IndexError)
"""What PyTorch raises for a network that cannot be."""


@dataclass
class Frame:
    """What names mean in a place: numbers and stages that were passed, and labels; `outer` are what they are nested in."""

    names: dict[str, Any]
    labels: dict[str, Value] = field(default_factory=dict)
    outer: Frame | None = None

    def find(self, label: str) -> Value | None:
        """The value with this label."""
        return self.labels.get(label) or (self.outer.find(label) if self.outer else None)

    def seen(self) -> list[str]:
        """The labels that can be referred to."""
        return [*self.labels, *(self.outer.seen() if self.outer else ())]

    def nested(self, **names: Any) -> Frame:
        """One turn of a repetition."""
        return Frame({**self.names, **names}, {}, self)

    def copy(self) -> Frame:
        """The same place, for a trial."""
        return Frame(self.names, dict(self.labels), self.outer)


@dataclass(frozen=True)
class Event:
    """One operation as it ran: its kind in the graph, the shape of its result without the batch, its module."""

    kind: str
    shape: tuple[int, ...]
    module: nn.Module | None = None


class Run:
    """One execution. `state` gives the weights of the operation with a number; without it they are PyTorch's own."""

    def __init__(
        self, spec: Spec, *, training: bool = False, state: Callable[[int], Mapping[str, Any]] | None = None
    ) -> None:
        self.spec = spec
        self.definitions = {definition.name: definition for definition in spec.definitions}
        self.defaults = {name: dict(values) for name, values in spec.defaults}
        self.settings = dict(spec.settings)
        self.asked: dict[str, int] = {}
        self.training = training
        self.state = state
        self.events: list[Event] = []
        self.sides: list[torch.Tensor] = []

    def frame(self, channels: int) -> Frame:
        """The outermost place."""
        names = {name: self.settings.get(name, value) for name, value in self.spec.parameters}
        return Frame({**names, "cin": channels})

    def network(self, x: torch.Tensor) -> torch.Tensor:
        """The output for a batch; `sides` are the side outputs."""
        value = self.stage(self.spec.body, Value(x), self.frame(x.shape[1]))
        for name in self.spec.ending:
            value = self.ending(name, value)
        return value.x

    def ending(self, name: str, value: Value) -> Value:
        """A bare layer that goes by the number of classes."""
        classes = self.spec.classes
        there = value.channels == classes and value.x[0].numel() == classes
        if value.rank:
            value = self.event("flatten", value, value.x.flatten(1))
        if name == "FC" or not there:
            value = self.module("linear", nn.Linear(value.channels, classes or 0), value)
        return value if name == "FC" else self.module("softmax", nn.Softmax(1), value)

    # Stages

    def stage(self, stage: Stage, value: Value, frame: Frame) -> Value:
        """The value after a stage."""
        match stage:
            case Layer():
                return self.layer(stage, value, frame)
            case Join():
                return self.join(stage, value, frame)
            case Aux(head=head):
                side = self.stage(head, value, frame.copy())
                if side is value:
                    raise Rule("CNN012")
                self.sides.append(side.x)
                return value
            case Pipe(stages=stages):
                for inner in stages:
                    value = self.stage(inner, value, frame)
                return value
            case Repeat(stage=inner, count=count):
                turns: list[dict[str, Any]] = [{}] * self.number(count, frame)
                return self.turns(inner, turns, value, frame)
            case Loop(stage=inner, names=names, turns=written):
                bound = [dict(zip(names, self.value(turn, frame), strict=True)) for turn in written]
                return self.turns(inner, bound, value, frame)
            case Count(stage=inner, name=name, first=first, last=last):
                span = range(self.number(first, frame), self.number(last, frame) + 1)
                return self.turns(inner, [{name: i} for i in span], value, frame)
            case If(left=left, sign=sign, right=right):
                holds = SIGNS[sign](self.value(left, frame), self.value(right, frame))
                return self.stage(stage.then if holds else stage.otherwise, value, frame)
            case Use():
                return self.use(stage, value, frame)
            case Label(label=label, stage=inner):
                value = self.stage(inner, value, frame)
                frame.labels[label] = value
                return value
            case Choice(label=label, stage=inner):
                turn = self.asked[label] = self.asked.get(label, 0) + 1
                given = self.settings.get(label, True)
                there = given[turn - 1] if isinstance(given, tuple) else given
                value = self.stage(inner, value, frame) if there else value
                frame.labels[label] = value
                return value
            case Reference(label=label):
                found = frame.find(label)
                if found is None:
                    raise Rule("CNN022")
                return found
            case Shaped(stage=inner, shape=shape):
                value = self.stage(inner, value, frame)
                if tuple(value.x.shape[1:]) != shape:
                    raise Rule("CNN110")
                return value

    def turns(self, stage: Stage, turns: list[dict[str, Any]], value: Value, frame: Frame) -> Value:
        for bindings in turns:
            value = self.stage(stage, value, frame.nested(**bindings))
        return value

    def use(self, use: Use, value: Value, frame: Frame) -> Value:
        """A definition's body with its parameters bound, or a stage that was passed, in its own place."""
        bound = frame.names.get(use.name)
        if bound is not None:
            stage, place = bound
            return self.stage(stage, value, place.nested())
        definition: Definition = self.definitions[use.name]
        names = {**self.frame(value.channels).names, "cin": value.channels}
        inside = Frame(names)
        for place, (name, default) in enumerate(definition.parameters):
            given = use.arguments[place] if place < len(use.arguments) else None
            if isinstance(given, Use) and given.name in frame.names:
                names[name] = frame.names[given.name]
            elif isinstance(given, STAGES):
                names[name] = (given, frame)
            else:
                names[name] = self.value(given, frame) if given is not None else self.value(default, inside)
        return self.stage(definition.body, value, inside)

    def join(self, join: Join, value: Value, frame: Frame) -> Value:
        if join.name == "SPLIT":
            return self.split(join, value, frame)
        ends = [self.stage(branch, value, frame) for branch in join.branches]
        if join.name == "RES" and len(ends) == 1:
            ends.append(value)
        kind = "add" if join.name == "RES" else join.name.lower()
        return self.merge(kind, ends)

    def merge(self, kind: str, ends: list[Value]) -> Value:
        xs = [end.x for end in ends]
        y = MERGES[kind](broadcast(xs) if kind == "mul" else xs)
        merged = Value(y, max(end.halved for end in ends), any(end.open for end in ends))
        return self.event(kind, merged, y)

    def split(self, join: Join, value: Value, frame: Frame) -> Value:
        sizes = [self.number(size, frame) for size in join.sizes]
        if any(size < 1 for size in sizes):
            raise Rule("CNN012")
        if not sizes:
            sizes = [value.x.unflatten(1, (len(join.branches), -1)).shape[2]] * len(join.branches)
        pieces = torch.split(value.x, sizes, 1)
        if len(pieces) != len(join.branches):
            raise Rule("CNN017")
        ends = []
        for branch, piece in zip(join.branches, pieces, strict=True):
            part = self.event("slice", value, piece)
            ends.append(self.stage(branch, part, frame))
        return self.merge("concat", ends)

    # Layers

    def layer(self, layer: Layer, value: Value, frame: Frame) -> Value:
        name = ALIASES.get(layer.name, layer.name)
        given = dict(self.defaults.get(name, {}))
        given.update({argument: self.value(written, frame) for argument, written in layer.arguments})
        for argument in ("kernel", "width", "stride"):
            written = getattr(layer, argument)
            if written is not None:
                given[argument] = self.value(written, frame)
        return LAYERS[name](self, value, given)

    def module(self, kind: str, module: nn.Module, value: Value, first: Callable[..., Any] | None = None) -> Value:
        """One module's result, after `first` was done to what comes in."""
        module.train(self.training)
        if self.state is not None:
            module.to(value.x.dtype).load_state_dict(self.state(len(self.events)))
        return self.event(kind, value, module(first(value.x) if first else value.x), module)

    def event(self, kind: str, before: Value, y: torch.Tensor, module: nn.Module | None = None) -> Value:
        if y.numel() == 0:
            raise Rule("CNN105", "CNN111", "CNN104")
        self.events.append(Event(kind, tuple(y.shape[1:]), module))
        return replace(before, x=y)

    # Arithmetic

    def value(self, written: Any, frame: Frame) -> Any:
        """The value of an expression."""
        match written:
            case Name(name=name):
                return frame.names[name]
            case Binary(sign=sign, left=left, right=right):
                return SIGNS[sign](self.value(left, frame), self.value(right, frame))
            case tuple():
                return tuple(self.value(item, frame) for item in written)
            case _:
                return written

    def number(self, written: Any, frame: Frame) -> int:
        """A whole number that is not negative."""
        value = self.value(written, frame)
        if value < 0:
            raise Rule("CNN012")
        return int(value)


SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "//": operator.floordiv, "%": operator.mod,
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
MERGES: dict[str, Callable[[list[torch.Tensor]], torch.Tensor]] = {
    "concat": lambda xs: torch.cat(xs, 1),
    "add": lambda xs: torch.stack(xs).sum(0),
    "mul": lambda xs: torch.stack(xs).prod(0),
    "mean": lambda xs: torch.stack(xs).mean(0),
    "max": lambda xs: torch.stack(xs).amax(0),
}
"""Stacking takes no two shapes for one, as adding would."""


def broadcast(xs: list[torch.Tensor]) -> list[torch.Tensor]:
    """Vectors of C and maps of C×1×1 spread over the largest map among the branches."""
    whole = max(xs, key=lambda x: (x[0].numel() // max(1, x.shape[1]), x.dim()))
    gates = [x.dim() == 2 or x[0, 0].numel() == 1 for x in xs]
    sizes = whole.shape[2:]
    return [
        x.reshape(*x.shape[:2], *[1] * len(sizes)).expand(-1, -1, *sizes) if gate else x
        for x, gate in zip(xs, gates, strict=True)
    ]
