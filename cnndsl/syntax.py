"""The syntax tree: frozen, a span on every node, nothing resolved.

A name is kept as it is written: whether `w` in `CONV1-w` is a width or a stage is for elaboration to say. Equality ignores
spans, so that two texts mean the same syntax when their trees are equal.
"""

from __future__ import annotations

from typing import ClassVar

from .record import Record
from .source import Source, Span


class Syntax(Record):
    uncompared: ClassVar[frozenset[str]] = frozenset({"span"})
    span: Span


# -- arithmetic ------------------------------------------------------------------------------------------------------


class Number(Syntax):
    """`3`, `0.5`, `1e-5`; with a unit in budgets: `25.6M` is 25,600,000, `100MB` is 100,000,000, `1MiB` is 1,048,576."""

    value: int | float
    text: str


class Boolean(Syntax):
    value: bool


class Name(Syntax):
    """A name in an expression: a number, a parameter, a definition or a layer, which elaboration decides."""

    name: str


class Unary(Syntax):
    """`-a`, `+a` or `not a`."""

    operator: str
    operand: Expression


class Binary(Syntax):
    """`+ - * / // % ^`, comparisons, `and`, `or`."""

    operator: str
    left: Expression
    right: Expression


class Call(Syntax):
    """`min(a, b)`, or a layer or definition with arguments passed on: `B(LRELU(0.1))`."""

    name: str
    arguments: tuple[Argument, ...]


class Tuple(Syntax):
    """`(1, 2)`; `[a, b]` is a `List`."""

    items: tuple[Expression, ...]


class Extents(Syntax):
    """`3x3`, `1x7`, `3x3x3`, as a kernel, a stride or a value."""

    values: tuple[int, ...]


class StageValue(Syntax):
    """`[CONV3-64 - BN]` as an argument: a stage passed to a definition."""

    stage: Stage


class Choose(Syntax):
    """`if c then a else b` among numbers."""

    condition: Expression
    then: Expression
    otherwise: Expression


Expression = Number | Boolean | Name | Unary | Binary | Call | Tuple | Extents | StageValue | Choose


class Argument(Syntax):
    """One of `(groups=32, 7)`: with a name or by position."""

    name: str | None
    value: Expression


class List(Syntax):
    """`[64, 128]` or `[(64, 3), (128, 4)]`: what a loop runs over, or a domain."""

    items: tuple[Expression, ...]


class Range(Syntax):
    """`1..n`, both ends included."""

    first: Expression
    last: Expression


class Dimensions(Syntax):
    """`3x224x224`, `3x?x?`, `{4*w}x56x56`, `10`; None is a `?`."""

    sizes: tuple[Expression | None, ...]


# -- stages ----------------------------------------------------------------------------------------------------------


class Layer(Syntax):
    """`[kernel] NAME[kernel] [width] [stride] [(arguments)] [[branches]]`; also the use of a definition or a bare name.

    A kernel written as a suffix of the name (`CONV3x3`, `POOL2`) is still part of `name`; `kernel` holds `CONV{k}` and the
    `7x7` of `7x7 conv`, in which case `kernel_first` is true. `name_span` covers the name alone.
    `tight` tells that the joiner before this stage had no blank on either side (`FC-C`), which only the formatter reads.
    """

    uncompared: ClassVar[frozenset[str]] = frozenset({"span", "name_span", "tight"})
    name: str
    name_span: Span
    kernel: Expression | None = None
    kernel_first: bool = False
    width: Expression | None = None
    stride: Expression | None = None
    arguments: tuple[Argument, ...] | None = None
    branches: tuple[Stage, ...] | None = None
    tight: bool = False


class Pipeline(Syntax):
    """Stages joined by `-`, `,` or `->`; always two or more."""

    stages: tuple[Stage, ...]


class Group(Syntax):
    """`( )` or `[ ]` around a stage; `bracket` is the opening one."""

    uncompared: ClassVar[frozenset[str]] = frozenset({"span", "bracket"})
    bracket: str
    stage: Stage


class Repeat(Syntax):
    """`stage*n`."""

    stage: Stage
    count: Expression


class Loop(Syntax):
    """`stage for w, n in [(64, 3), (128, 4)]` or `stage for i in 1..n`."""

    stage: Stage
    targets: tuple[str, ...]
    over: List | Range


class Choice(Syntax):
    """`stage?`: may be absent."""

    stage: Stage


class Shaped(Syntax):
    """`stage => 96x55x55`: the shape here, checked."""

    stage: Stage
    shape: Dimensions


class Labelled(Syntax):
    """`label: stage`; binds looser than the suffixes `*n`, `?`, `for` and `=>`."""

    uncompared: ClassVar[frozenset[str]] = frozenset({"span", "label_span"})
    label: str
    label_span: Span
    stage: Stage


class Reference(Syntax):
    """`@label`: forget what comes in and go on from that value."""

    label: str


class Conditional(Syntax):
    """`if c then a else b` among stages; each side reaches as far as it can."""

    condition: Expression
    then: Stage
    otherwise: Stage


Stage = Layer | Pipeline | Group | Repeat | Loop | Choice | Shaped | Labelled | Reference | Conditional


# -- statements ------------------------------------------------------------------------------------------------------


class Input(Syntax):
    """`input 3x224x224`."""

    shape: Dimensions


class Quoted(Syntax):
    """`"labels.txt"` among the values of a step."""

    text: str


class Step(Syntax):
    """`resize(256, bicubic)`: one step of a `preprocess` statement; without parentheses the values are None."""

    uncompared: ClassVar[frozenset[str]] = frozenset({"span", "name_span"})
    name: str
    name_span: Span
    values: tuple[Argument | Quoted, ...] | None = None


class Preprocess(Syntax):
    """`preprocess resize(256) - crop(224) - normalise(imagenet)`: how an image becomes the network's input."""

    steps: tuple[Step, ...]


class Param(Syntax):
    """`param N = 2 in 1..5`; default and domain may each be missing, not both."""

    uncompared: ClassVar[frozenset[str]] = frozenset({"span", "name_span"})
    name: str
    name_span: Span
    default: Expression | None
    domain: List | Range | None


class Default(Syntax):
    """`default CONV(bias=false)`, `default CONV3-32`."""

    layer: Layer


class Use(Syntax):
    """`use "blocks/se.cnn"`."""

    path: str


class Assert(Syntax):
    """`assert params <= 25.6M, macs <= 4.2G`."""

    conditions: tuple[Expression, ...]


class Parameter(Syntax):
    """One of a definition's parameters: `s=1`."""

    name: str
    default: Expression | None


class Def(Syntax):
    """`def Block(w, s=1) = ...`; `def SE = ...` has no parameters."""

    uncompared: ClassVar[frozenset[str]] = frozenset({"span", "name_span"})
    name: str
    name_span: Span
    parameters: tuple[Parameter, ...]
    body: Stage


class Net(Syntax):
    """`net NAME = ...`; a bare expression has the name None."""

    name: str | None
    body: Stage


Statement = Input | Preprocess | Param | Default | Use | Assert | Def | Net


class Comment(Syntax):
    """From `#` to the end of the line; `own_line` when nothing stands before it."""

    text: str
    own_line: bool


class File(Record):
    """A whole text: its statements in order, and its comments, which mean nothing but are kept.

    `lost` are the names that statements declare which could not be read.
    """

    uncompared: ClassVar[frozenset[str]] = frozenset({"source", "comments", "lost"})
    source: Source
    statements: tuple[Statement, ...]
    comments: tuple[Comment, ...] = ()
    lost: frozenset[str] = frozenset()
