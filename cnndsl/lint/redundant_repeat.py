"""redundant-repeat (CNN316)

## What it does
Reports repeats that could be one: `X*2 - X*3`, three or more equal stages or groups of stages in a row, and `X*1`. Two
equal groups, as in `CONV3-64 - RELU - CONV3-64 - RELU`, are plain writing and not reported; nor is what holds a label,
whose name would change, or a comment.

## Why is this bad
The number of repetitions is what one wants to see and to change, and a reader must compare the parts to know that they
are alike. The fix keeps the network as it is: its operations, shapes, names and weights.

## Example
```
input 3x32x32
CONV3-64 - RELU - CONV3-64 - RELU - CONV3-64 - RELU - GAP - FC-10
```

## Use instead
```
input 3x32x32
(CONV3-64 - RELU)*3 - GAP - FC-10
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Edit, Fix, Severity
from ..elaborate.names import before_last, last_layers
from ..elaborate.resolve import builtin
from ..source import Span
from ..syntax import (
    Choice,
    Conditional,
    Def,
    File,
    Group,
    Labelled,
    Layer,
    Loop,
    Net,
    Number,
    Pipeline,
    Reference,
    Repeat,
    Shaped,
    Stage,
    StageValue,
    Syntax,
)
from .runs import Run, runs
from .subject import Subject, Written
from .uses import parts

CODE: Final = "CNN316"
FEWEST: Final = 3
"""Equal stages or groups in a row that are worth a repeat."""


_SUFFIXED: Final = (Repeat, Loop, Choice, Shaped)


def check(written: Written) -> Iterator[Diagnostic]:
    """One finding a stretch; in a spec that compiles, or a file of definitions alone."""
    file = written.file
    nets = [statement for statement in file.statements if isinstance(statement, Net)]
    if nets and not isinstance(written, Subject):
        return
    defined = frozenset(written.unit.definitions) if written.unit is not None else frozenset()
    reader = _Reader(file, defined, frozenset(id(layer) for net in nets for layer in _closing(net.body)))
    for statement in file.statements:
        if isinstance(statement, Net):
            yield from reader.findings(statement.body, frozenset())
        elif isinstance(statement, Def):
            yield from reader.findings(statement.body, frozenset(p.name for p in statement.parameters))


def _closing(body: Stage) -> Iterator[Layer]:
    """The layers that mean something else at a network's end, and must stay there: SOFTMAX, and FC without a width."""
    before = before_last(body)
    layers = (*last_layers(body), *(last_layers(before) if before is not None else ()))
    yield from filter(_closes, layers)


def _closes(layer: Layer) -> bool:
    return layer.width is None and layer.name.upper() in ("SOFTMAX", "FC")


class _Reader:
    """Looks through the stages of a file. What its parts are compared by is their text, blanks apart."""

    def __init__(self, file: File, defined: frozenset[str], closing: frozenset[int]) -> None:
        self.file = file
        self.defined = defined
        self.closing = closing
        self.comments = [comment.span.start for comment in file.comments]
        self.labels_passed = ":" in file.source.text and any(_passes_label(statement) for statement in file.statements)
        self.builtin: dict[str, bool] = {}
        self.texts: dict[str, str] = {}

    def findings(self, body: Stage, bound: frozenset[str]) -> Iterator[Diagnostic]:
        """`bound` are the names that the definition around has given a meaning of their own."""
        waiting: list[tuple[Stage, frozenset[str], bool]] = [(body, bound, False)]
        while waiting:
            stage, bound, labelled = waiting.pop()
            match stage:
                case Layer(branches=branches):
                    waiting += [(branch, bound, False) for branch in branches or ()]
                case Pipeline(stages=stages):
                    waiting += [(part, bound, False) for part in stages if type(part) is not Layer or part.branches]
                    yield from self._pipeline(stages, bound)
                case Repeat(stage=inner):
                    if not labelled and _count(stage) == 1 and self._plain(inner, bound, last=True):
                        yield from self._once(stage)
                    waiting.append((inner, bound, False))
                case Labelled(stage=inner):
                    waiting.append((inner, bound, True))
                case Loop(stage=inner, targets=targets):
                    waiting.append((inner, bound | frozenset(targets), False))
                case Group(stage=inner) | Choice(stage=inner) | Shaped(stage=inner):
                    waiting.append((inner, bound, labelled))
                case Conditional(then=then, otherwise=otherwise):
                    waiting += [(then, bound, False), (otherwise, bound, False)]
                case Reference():
                    pass

    def _pipeline(self, stages: tuple[Stage, ...], bound: frozenset[str]) -> Iterator[Diagnostic]:
        units = self._units(stages, bound)
        if len(units) < 2:
            return
        keys: list[tuple[str, int] | None] = [self._key(unit, bound) for unit in units]
        for run in runs(keys, FEWEST):
            yield from self._finding(units[run.start : run.end], run)

    def _units(self, stages: tuple[Stage, ...], bound: frozenset[str]) -> list[tuple[Stage, ...]]:
        """The stages, each with the name after it that may be its width."""
        units: list[tuple[Stage, ...]] = []
        before: Stage | None = None
        for stage in stages:
            if before is not None and self._may_be_width(before, stage, bound):
                units[-1] = (*units[-1], stage)
            else:
                units.append((stage,))
            before = stage
        return units

    def _may_be_width(self, before: Stage, stage: Stage, bound: frozenset[str]) -> bool:
        while isinstance(before, Labelled):
            before = before.stage
        if not isinstance(before, Layer) or before.width is not None:
            return False
        while isinstance(stage, _SUFFIXED):
            stage = stage.stage
        return isinstance(stage, Layer) and (stage.name in bound or not self._known(stage.name))

    def _known(self, name: str) -> bool:
        """Whether a name is a stage wherever nothing else is bound to it."""
        known = self.builtin.get(name)
        if known is None:
            known = self.builtin[name] = name in self.defined or builtin(name) is not None
        return known

    def _key(self, unit: tuple[Stage, ...], bound: frozenset[str]) -> tuple[str, int] | None:
        """What a unit repeats, and how often; None where it had better stay as it is."""
        first = unit[0]
        if (
            len(unit) == 1 and type(first) is Layer and first.branches is None and not self.labels_passed
        ):  # most are this
            return None if id(first) in self.closing else (self._text(unit), 1)
        base = _base(unit)
        if not all(self._plain(stage, bound) for stage in base):
            return None
        return self._text(base), _count(unit[0]) if base is not unit else 1

    def _text(self, stages: tuple[Stage, ...]) -> str:
        """Without extra blanks. A group around one layer is the layer: `(X)*2` and `X` repeat the same."""
        first = stages[0]
        while len(stages) == 1 and isinstance(first, Group) and isinstance(first.stage, Layer | Group):
            first = first.stage
        raw = first.span.text if len(stages) == 1 else _span(stages).text
        text = self.texts.get(raw)
        if text is None:
            text = self.texts[raw] = " ".join(raw.split())
        return text

    def _plain(self, stage: Stage, bound: frozenset[str], *, last: bool = False) -> bool:
        """Whether a stage is the same repeated or not: no label in it, nor in what is passed to it, and nothing that is
        another thing at the network's end. `last`: where it may come to stand at the end."""
        waiting = [stage]
        while waiting:
            match waiting.pop():
                case Layer() as layer:
                    free = self.labels_passed and (layer.name in bound or not self._known(layer.name))
                    if free or id(layer) in self.closing or (last and _closes(layer)):
                        return False
                    waiting += layer.branches or ()
                case Pipeline(stages=stages):
                    waiting += stages
                case Labelled():
                    return False
                case (
                    Repeat(stage=inner)
                    | Group(stage=inner)
                    | Choice(stage=inner)
                    | Shaped(stage=inner)
                    | Loop(stage=inner)
                ):
                    waiting.append(inner)
                case Conditional(then=then, otherwise=otherwise):
                    waiting += [then, otherwise]
                case Reference():
                    pass
        return True

    def _finding(self, units: list[tuple[Stage, ...]], run: Run) -> Iterator[Diagnostic]:
        whole = units[0][0].span.to(units[-1][-1].span)
        if self._remarked(whole):
            return
        period = units[: run.period]
        base = _base(period[0]) if run.period == 1 else tuple(stage for unit in period for stage in unit)
        text = _span(base).text
        parted = len(base) > 1 or not isinstance(base[0], Layer | Group) or _trailing(base[0])
        repeat = f"{f'({text})' if parted else text}*{run.count}"
        what = "repeats of the same" if run.period == 1 and run.repeated else "equal stages"
        number = len(units) // run.period
        yield Diagnostic(
            CODE,
            Severity.INFO,
            f"{number} {what if run.period == 1 else 'equal groups of stages'} in a row",
            whole,
            found=_short(" ".join(whole.text.split())),
            help=f"write {_short(' '.join(repeat.split()))}",
            fix=Fix("make them one repeat", (Edit(whole, repeat),)),
        )

    def _once(self, stage: Repeat) -> Iterator[Diagnostic]:
        tail = Span(stage.span.source, stage.stage.span.end, stage.span.end)
        if self._remarked(tail):
            return
        yield Diagnostic(
            CODE,
            Severity.INFO,
            "a repeat of one",
            tail,
            help="leave it out",
            fix=Fix("take the repeat out", (Edit(tail, ""),)),
        )

    def _remarked(self, span: Span) -> bool:
        """Whether a comment stands in a stretch: parts that are spoken of one by one are not one."""
        from bisect import bisect_left

        at = bisect_left(self.comments, span.start)
        return at < len(self.comments) and self.comments[at] < span.end


def _base(unit: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """What a unit repeats by a number; itself where it does not."""
    (first, *more) = unit
    return (first.stage,) if not more and isinstance(first, Repeat) and _count(first) else unit


def _count(stage: Stage) -> int:
    """How often a stage is repeated, if that is written as a number; else 0."""
    if isinstance(stage, Repeat) and isinstance(stage.count, Number) and isinstance(stage.count.value, int):
        return stage.count.value
    return 0


def _span(stages: tuple[Stage, ...]) -> Span:
    return stages[0].span.to(stages[-1].span)


def _trailing(stage: Stage) -> bool:
    """Whether a layer ends in what a repeat might seem to belong to: `7x7 conv, 64, /2`."""
    return isinstance(stage, Layer) and stage.arguments is None and stage.branches is None and " " in stage.span.text


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _passes_label(statement: Syntax) -> bool:
    """Whether a stage with a label in it is passed as an argument anywhere in a statement."""
    waiting: list[tuple[object, bool]] = [(statement, False)]
    while waiting:
        piece, passed = waiting.pop()
        if passed and isinstance(piece, Labelled):
            return True
        inside = passed or isinstance(piece, StageValue)
        waiting += [(part, inside) for part in parts(piece)]
    return False
