"""Random networks as a spec writes them, for hypothesis: every layer, combinator and form, on maps of every rank.

A stage is kept where PyTorch runs it, through `reference`; the compiler has no say in what is valid here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from hypothesis import strategies as st
from layers_strategy import ENDING, EVERYWHERE, FLATTENING, ON_MAPS, Arguments, Numbers
from notation import (
    Aux,
    Binary,
    Choice,
    Count,
    Definition,
    Expression,
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
    parts,
)
from reference import REFUSALS, Frame, Run
from reference_layers import Rule, Value

LARGEST = 3000
"""No value of a network has more numbers, for one sample."""


class Trial(Exception):
    """A stage that does not do here."""


class Drawing(Numbers):
    """Draws one network; `definitions` collects what it defines on the way."""

    def __init__(self, draw: Callable[..., Any], layers: int, symbolic: bool) -> None:
        super().__init__(draw)
        self.left = layers
        self.symbolic = symbolic
        self.labels = 0
        self.defined = 0
        self.definitions: list[Definition] = []
        self.uses: dict[str, tuple[Use, Frame]] = {}
        self.settings: dict[str, Any] = {}
        self.run = Run(Spec((1,), Pipe(())))

    # Layers

    def layer(self, value: Value, frame: Frame) -> Layer:
        """A layer that may do on this value."""
        kind = self.integer(0, 19)
        if kind == 0 and value.rank and (value.open or self.one_in(3)):
            names: tuple[str, ...] = ENDING
        elif kind <= 1 and not (value.rank and value.open) and (not value.rank or self.one_in(2)):
            names = FLATTENING
        else:
            names = ON_MAPS if value.rank and kind < 14 else EVERYWHERE
        return Arguments(self.draw, self.of(*names), value, frame).layer()

    # Stages

    def tried(self, stage: Stage, value: Value, frame: Frame) -> Value:
        """The value after a stage, its labels kept in the frame; raises Trial where it does not do."""
        self.run.definitions = {definition.name: definition for definition in self.definitions}
        self.run.settings = self.settings
        place = frame.copy()
        self.run.events.clear()
        try:
            with torch.no_grad():
                after = self.run.stage(stage, value, place)
        except (*REFUSALS, Rule, ZeroDivisionError, KeyError) as refusal:
            raise Trial from refusal
        if any(torch.Size(event.shape).numel() > LARGEST for event in self.run.events):
            raise Trial
        frame.labels.update(place.labels)
        return after

    def pipe(self, value: Value, frame: Frame, most: int, depth: int, top: bool = False) -> tuple[Pipe, Value]:
        """Some stages in a row."""
        stages: list[Stage] = []
        wanted = self.integer(1, most)
        for _ in range(2 * wanted):
            if self.left <= 0 or len(stages) >= wanted:
                break
            try:
                stage = self.stage(value, frame, depth, top)
                value = self.tried(stage, value, frame)
            except Trial:
                continue
            stages.append(stage)
        return Pipe(tuple(stages), self.integer(0, 3 if top else 2)), value

    def stage(self, value: Value, frame: Frame, depth: int, top: bool) -> Stage:
        """A stage that may do on this value."""
        self.left -= 1
        form = self.integer(0, 19)
        if depth >= 3 or form < 10 or self.left <= 0:
            layer = self.layer(value, frame)
            if top and not self.symbolic and form == 0:
                return Shaped(layer, tuple(self.tried(layer, value, frame.copy()).x.shape[1:]))
            return layer
        forms = (
            self.join, self.join, self.residual, self.gated, self.split, self.repeat, self.choose, self.labelled,
            self.referring, self.definition, self.definition, self.used, self.side,
        )  # fmt: skip
        return self.of(*forms)(value, frame, depth)

    def fitted(self, branch: Pipe, value: Value, target: tuple[int, ...], channels: bool) -> Pipe:
        """A branch with what makes its result the shape that the others have, at least but for its channels."""
        stages = list(branch.stages)
        size = tuple(value.x.shape[2:])
        if size != target[1:]:
            stages.append(Layer("ADAPTIVEAVGPOOL", arguments=(("size", target[1:] if len(target) > 2 else target[1]),)))
        if channels and value.channels != target[0]:
            stages.append(Layer("CONV", 1, target[0]) if len(target) > 1 else Layer("FC", width=target[0]))
        return replace(branch, stages=tuple(stages))

    def branches(self, value: Value, frame: Frame, depth: int, channels: bool) -> tuple[Stage, ...]:
        """Two or three branches that meet."""
        drawn: list[tuple[Pipe, Value]] = []
        for _ in range(self.integer(2, 3)):
            place = frame.copy()
            branch, end = self.pipe(value, place, 2, depth + 1)
            if drawn and end.rank != drawn[0][1].rank:
                branch, end = Pipe(()), value
            if drawn and end.rank != drawn[0][1].rank:
                raise Trial
            drawn.append((branch, end))
        target = tuple(drawn[self.integer(0, len(drawn) - 1)][1].x.shape[1:])
        return tuple(self.fitted(branch, end, target, channels) for branch, end in drawn)

    def join(self, value: Value, frame: Frame, depth: int) -> Stage:
        name = self.of("CONCAT", "CONCAT", "ADD", "MEAN", "MAX", "MUL", "RES")
        branches = self.branches(value, frame, depth, name != "CONCAT")
        return Join(name, branches[:2] if name == "RES" else branches)

    def residual(self, value: Value, frame: Frame, depth: int) -> Stage:
        branch, end = self.pipe(value, frame.copy(), 3, depth + 1)
        if end.rank != value.rank:
            raise Trial
        return Join("RES", (self.fitted(branch, end, tuple(value.x.shape[1:]), True),))

    def gated(self, value: Value, frame: Frame, depth: int) -> Stage:
        """Squeeze and excitation."""
        if not value.rank:
            raise Trial
        width = self.spelled(value.channels, frame)
        gate = self.of(
            (Layer("GAP"), Layer("CONV", 1, width), Layer("SIGMOID")),
            (Layer("GMP"), Layer("FC", width=width), Layer("TANH")),
            (Layer("GAP"), Layer("FLATTEN"), Layer("FC", width=2), Layer("FC", width=width)),
        )
        branches: list[Stage] = [Layer("ID"), Pipe(gate)]
        if self.one_in(3):
            branches.append(Layer("SIGMOID"))
        return Join("MUL", tuple(self.draw(st.permutations(branches))))

    def split(self, value: Value, frame: Frame, depth: int) -> Stage:
        count = self.integer(2, 3)
        if value.channels < count:
            raise Trial
        even = value.channels % count == 0 and self.flag()
        sizes = [value.channels // count] * count
        if not even:
            cuts = sorted(self.draw(st.permutations(range(1, value.channels)))[: count - 1])
            sizes = [b - a for a, b in zip([0, *cuts], [*cuts, value.channels], strict=True)]
        pieces = torch.split(value.x, sizes, 1)
        drawn = [self.pipe(replace(value, x=piece), frame.copy(), 2, depth + 1) for piece in pieces]
        if any(end.rank != value.rank for _, end in drawn):
            raise Trial
        target = tuple(drawn[0][1].x.shape[1:])
        told = () if even else tuple(self.spelled(size, frame) for size in sizes)
        return Join("SPLIT", tuple(self.fitted(branch, end, target, False) for branch, end in drawn), told)

    def repeat(self, value: Value, frame: Frame, depth: int) -> Stage:
        count = self.integer(0, 3)
        form = self.integer(0, 2)
        if form == 0:
            body, _ = self.pipe(value, frame.nested(), 2, depth + 1)
            return Repeat(body, self.spelled(count, frame))
        if form == 1:
            body, _ = self.pipe(value, frame.nested(i=2), 2, depth + 1)
            return Count(body, "i", self.spelled(2, frame), self.spelled(count, frame))
        pairs = [(self.integer(1, 6), self.integer(1, 3)) for _ in range(max(count, 1))]
        if self.flag():
            body, _ = self.pipe(value, frame.nested(v=pairs[0][0], u=pairs[0][1]), 2, depth + 1)
            return Loop(body, ("v", "u"), tuple((self.spelled(v, frame), u) for v, u in pairs))
        body, _ = self.pipe(value, frame.nested(v=pairs[0][0]), 2, depth + 1)
        return Loop(body, ("v",), tuple((self.spelled(v, frame),) for v, _ in pairs))

    def choose(self, value: Value, frame: Frame, depth: int) -> Stage:
        left, right = self.spelled(self.integer(0, 4), frame), self.spelled(self.integer(0, 4), frame)
        then, _ = self.pipe(value, frame.copy(), 2, depth + 1)
        otherwise, _ = self.pipe(value, frame.copy(), 2, depth + 1)
        return If(left, self.of("==", "!=", "<", "<=", ">", ">="), right, then, otherwise)

    def label(self) -> str:
        self.labels += 1
        return f"label{self.labels}"

    def labelled(self, value: Value, frame: Frame, depth: int) -> Stage:
        label = self.label()
        stage = self.stage(value, frame.copy(), depth + 1, False)
        if isinstance(stage, Label | Choice | Reference | If):
            stage = Pipe((stage,))
        if self.one_in(3):
            self.settings[label] = self.flag()
            return Choice(label, stage)
        return Label(label, stage)

    def referring(self, value: Value, frame: Frame, depth: int) -> Stage:
        """Something with an earlier value."""
        seen = frame.seen()
        if not seen:
            return self.labelled(value, frame, depth)
        label = self.of(*seen)
        if self.one_in(4):
            return Reference(label)
        found = frame.find(label)
        if found is None or found.rank != value.rank:
            raise Trial
        back, end = self.pipe(found, frame.copy(), 1, depth + 1)
        if end.rank != value.rank:
            raise Trial
        name = self.of("CONCAT", "ADD")
        back = replace(back, stages=(Reference(label), *back.stages))
        return Join(name, (Layer("ID"), self.fitted(back, end, tuple(value.x.shape[1:]), name == "ADD")))

    def definition(self, value: Value, frame: Frame, depth: int) -> Stage:
        """A definition, made for its first use."""
        self.defined += 1
        name = f"Def{self.defined}"
        numbers = {f"p{i}": self.integer(1, 6) for i in range(self.integer(0, 2))}
        inside = Frame({**self.run.frame(value.channels).names, **numbers})
        given: list[Expression | Stage] = [self.spelled(n, frame) for n in numbers.values()]
        parameters: list[tuple[str, Expression | None]] = [(parameter, None) for parameter in numbers]
        form = self.integer(0, 3)
        if form == 0:
            passed = self.of(
                Layer("RELU", style=1), Layer("LRELU", arguments=(("negative_slope", 0.1),), style=1), None
            )
            passed = passed or self.pipe(value, frame.copy(), 2, depth + 1)[0]
            parameters.append(("Body", None))
            given.append(passed)
            inside.names["Body"] = (passed, frame)
        body, _ = self.pipe(value, inside, 3, depth + 1)
        if form == 0:
            body = replace(body, stages=(*body.stages, Use("Body")))
        if form == 1 and parameters:
            parameters[-1] = (parameters[-1][0], numbers[parameters[-1][0]])
            given.pop()
        if form == 2:
            parameters = [("depth", None), *parameters]
            given = [self.integer(0, 2), *given]
            again = Use(name, (Binary("-", Name("depth"), 1), *(Name(p) for p, _ in parameters[1:])))
            stages = (*body.stages, again) if self.flag() else (again, *body.stages)
            base = self.layer(value, inside)
            body = Pipe((If(Name("depth"), "<=", 0, base, Pipe(stages)),))
        use = Use(name, tuple(given))
        self.definitions.append(Definition(name, tuple(parameters), body))
        try:
            self.tried(use, value, frame.copy())
        except Trial:
            self.definitions.pop()
            raise
        self.uses[name] = (use, frame)
        return use

    def used(self, value: Value, frame: Frame, depth: int) -> Stage:
        """A definition once more, on other numbers."""
        if not self.uses:
            return self.definition(value, frame, depth)
        use, _ = self.uses[self.of(*self.uses)]
        given = tuple(
            argument if isinstance(argument, Layer | Pipe) else self.spelled(self.integer(0, 4), frame)
            for argument in use.arguments
        )
        return replace(use, arguments=given)

    def side(self, value: Value, frame: Frame, depth: int) -> Stage:
        head, _ = self.pipe(value, frame.copy(), 2, depth + 1)
        closing = Layer("RELU") if value.open else Layer("FC", width=3)
        return Aux(self.of(0.3, 1), replace(head, stages=(*head.stages, closing)))


@st.composite
def specs(draw: Callable[..., Any], symbolic: bool = False, shaped: bool = True, layers: int = 10) -> Spec:
    """A network that PyTorch runs for one sample; `symbolic` ones would also run at other sizes."""
    drawing = Drawing(draw, drawing_size(draw, layers), symbolic or not shaped)
    rank = draw(st.sampled_from((2, 1, 2, 3, 1, 2, 3, 2) if symbolic or draw(st.integers(0, 9)) else (0,)))
    spatial = [draw(st.integers(1, (1, 14, 10, 6)[rank])) for _ in range(rank)]
    if symbolic or draw(st.integers(0, 2)):
        spatial = [n + 3 for n in spatial]
    size = (draw(st.integers(1, 6)), *spatial)
    parameters = tuple((name, draw(st.integers(1, 6))) for name in draw(st.sampled_from([(), ("w",), ("w", "n")])))
    defaults = draw(
        st.sampled_from(
            [(), (), (("CONV", (("bias", False),)),), (("POOL", (("ceil", True),)), ("BN", (("eps", 0.001),)))]
        )
    )
    start = Spec(size, Pipe(()), (), parameters, defaults)
    drawing.run = Run(start)
    generator = torch.Generator().manual_seed(1)
    value = Value(torch.randn((1, *size), generator=generator), open=symbolic)
    body, end = drawing.pipe(value, drawing.run.frame(size[0]), draw(st.integers(1, layers)), 0, top=True)
    classes, ending = None, ()
    if not end.open and draw(st.integers(0, 3)) == 0:
        classes = draw(st.integers(1, 5))
        ending = draw(st.sampled_from([("FC",), ("FC", "SOFTMAX"), ("SOFTMAX",)]))
    settings = {**drawing.settings}
    if parameters and draw(st.booleans()):
        settings[parameters[0][0]] = parameters[0][1]
        parameters = ((parameters[0][0], 9), *parameters[1:])
    whole = replace(
        start, body=body, definitions=tuple(drawing.definitions), parameters=parameters, classes=classes, ending=ending,
        settings=tuple(settings.items()),
    )  # fmt: skip
    return without_idle_settings(whole)


def drawing_size(draw: Callable[..., Any], layers: int) -> int:
    """How many stages a network may have, written ones: small ones first, for shrinking."""
    return int(draw(st.integers(1, 4 * layers)))


def without_idle_settings(spec: Spec) -> Spec:
    """The spec without settings of choices that are gone, which the compiler would report."""
    choices = {part.label for _, part in parts((spec.body, spec.definitions)) if isinstance(part, Choice)}
    known = choices | {name for name, _ in spec.parameters}
    return replace(spec, settings=tuple(pair for pair in spec.settings if pair[0] in known))
