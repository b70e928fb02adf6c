"""A small tree of the language's forms, and its text: what the random tests draw, write down and run.

It shares nothing with the package: `reference` runs it with torch.nn, the package compiles its text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

Scalar = int | float | bool | str


@dataclass(frozen=True)
class Name:
    """A number by its name."""

    name: str


@dataclass(frozen=True)
class Binary:
    """Arithmetic on two numbers."""

    sign: str
    left: Expression
    right: Expression


Expression = Scalar | Name | Binary | tuple["Expression", ...]


@dataclass(frozen=True)
class Layer:
    """A built-in layer; `style` chooses among ways to write the same."""

    name: str
    kernel: Expression | None = None
    width: Expression | None = None
    stride: Expression | None = None
    arguments: tuple[tuple[str, Expression], ...] = ()
    style: int = 0


@dataclass(frozen=True)
class Join:
    """CONCAT, ADD, MUL, MEAN, MAX, RES, SPLIT."""

    name: str
    branches: tuple[Stage, ...]
    sizes: tuple[Expression, ...] = ()


@dataclass(frozen=True)
class Aux:
    """A side output."""

    weight: float
    head: Stage


@dataclass(frozen=True)
class Pipe:
    """Stages in a row."""

    stages: tuple[Stage, ...]
    style: int = 0


@dataclass(frozen=True)
class Repeat:
    """`stage*n`."""

    stage: Stage
    count: Expression


@dataclass(frozen=True)
class Loop:
    """`stage for a, b in [(1, 2), ..]`."""

    stage: Stage
    names: tuple[str, ...]
    turns: tuple[tuple[Expression, ...], ...]


@dataclass(frozen=True)
class Count:
    """`stage for i in first..last`."""

    stage: Stage
    name: str
    first: Expression
    last: Expression


@dataclass(frozen=True)
class If:
    """A choice by arithmetic."""

    left: Expression
    sign: str
    right: Expression
    then: Stage
    otherwise: Stage


@dataclass(frozen=True)
class Use:
    """A definition, or a stage that was passed to one, in its place."""

    name: str
    arguments: tuple[Expression | Stage, ...] = ()


@dataclass(frozen=True)
class Label:
    """`label: stage`."""

    label: str
    stage: Stage


@dataclass(frozen=True)
class Reference:
    """`@label`."""

    label: str


@dataclass(frozen=True)
class Choice:
    """`label: stage?`."""

    label: str
    stage: Stage


@dataclass(frozen=True)
class Shaped:
    """`stage => CxHxW`."""

    stage: Stage
    shape: tuple[int, ...]


STAGES = (Layer, Join, Aux, Pipe, Repeat, Loop, Count, If, Use, Label, Reference, Choice, Shaped)
Stage = Layer | Join | Aux | Pipe | Repeat | Loop | Count | If | Use | Label | Reference | Choice | Shaped


@dataclass(frozen=True)
class Definition:
    """`def name(parameters) = body`; a parameter may have a default."""

    name: str
    parameters: tuple[tuple[str, Expression | None], ...]
    body: Stage


@dataclass(frozen=True)
class Spec:
    """A whole file, and the settings of its choices and parameters.

    `ending` are bare layers that close the network and go by `classes`: FC, SOFTMAX, or both.
    """

    input: tuple[int, ...]
    body: Pipe
    definitions: tuple[Definition, ...] = ()
    parameters: tuple[tuple[str, int], ...] = ()
    defaults: tuple[tuple[str, tuple[tuple[str, Expression], ...]], ...] = ()
    settings: tuple[tuple[str, Any], ...] = ()
    classes: int | None = None
    ending: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"\n{written(self)}with {dict(self.settings)}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What hypothesis shows: the text."""
        printer.text(repr(self))


POSITIONAL = {
    "GN": ("groups",), "LRN": ("size",), "NORM": ("size",), "LRELU": ("negative_slope",), "ELU": ("alpha",),
    "CELU": ("alpha",), "SOFTPLUS": ("beta",), "MAXOUT": ("pieces",), "DROPOUT": ("p",), "DROPPATH": ("p",),
    "UP": ("scale", "mode"), "SHUFFLE": ("groups",), "SLICE": ("from", "to"), "PAD": ("pad", "mode", "value"),
    "CROP": ("crop",), "SCALE": ("init",), "ADAPTIVEAVGPOOL": ("size",), "ADAPTIVEMAXPOOL": ("size",),
}  # fmt: skip


# Text


def written(spec: Spec, dimensions: str | None = None) -> str:
    """The text of a spec; `dimensions` replaces its input's."""
    lines = [f"input {dimensions or _by(spec.input)}"]
    lines += [f"param {name} = {value}" for name, value in spec.parameters]
    if spec.classes is not None:
        lines.append(f"param classes = {spec.classes}")
    lines += [f"default {name}{_arguments(Layer(name, arguments=values))}" for name, values in spec.defaults]
    lines += [_definition(definition) for definition in spec.definitions]
    stages = [*map(_member, spec.body.stages), *spec.ending] or ["ID"]
    lines.append("net Random = " + _joiner(spec.body.style).join(stages))
    return "\n".join(lines) + "\n"


def _definition(definition: Definition) -> str:
    parameters = ", ".join(
        name if default is None else f"{name}={_expression(default)}" for name, default in definition.parameters
    )
    head = f"def {definition.name}({parameters})" if parameters else f"def {definition.name}"
    return f"{head} = {text(definition.body)}"


def _by(sizes: tuple[Any, ...]) -> str:
    return "x".join(map(str, sizes))


def _joiner(style: int) -> str:
    return (" - ", ", ", " -> ", " -\n    ")[style % 4]


def text(stage: Stage) -> str:
    """A stage as the language writes it."""
    match stage:
        case Layer():
            return _layer(stage)
        case Join(name=name, branches=branches, sizes=sizes):
            told = f"({', '.join(map(_expression, sizes))})" if sizes else ""
            return f"{name}{told}[ {' | '.join(map(text, branches))} ]"
        case Aux(weight=weight, head=head):
            return f"AUX(weight={weight})[ {text(head)} ]"
        case Pipe(stages=stages, style=style):
            return _joiner(style).join(map(_member, stages)) if stages else "ID"
        case Repeat(stage=inner, count=count):
            return f"{_atom(inner)}*{_operand(count)}"
        case Loop(stage=inner, names=names, turns=turns):
            return f"{_atom(inner)} for {', '.join(names)} in [{', '.join(map(_turn, turns))}]"
        case Count(stage=inner, name=name, first=first, last=last):
            return f"{_atom(inner)} for {name} in {_operand(first)}..{_operand(last)}"
        case If():
            test = f"{_expression(stage.left)} {stage.sign} {_expression(stage.right)}"
            return f"if {test} then {text(stage.then)} else {text(stage.otherwise)}"
        case Use(name=name, arguments=arguments):
            return f"{name}({', '.join(map(_argument, arguments))})" if arguments else name
        case Label(label=label, stage=inner):
            return f"{label}: {_atom(inner)}"
        case Reference(label=label):
            return f"@{label}"
        case Choice(label=label, stage=inner):
            return f"{label}: {_atom(inner)}?"
        case Shaped(stage=inner, shape=shape):
            return f"{_atom(inner)} => {_by(shape)}"


def _member(stage: Stage) -> str:
    return f"({text(stage)})" if isinstance(stage, Pipe | If) else text(stage)


def _atom(stage: Stage) -> str:
    return text(stage) if isinstance(stage, Layer | Join | Aux | Use | Reference) else f"({text(stage)})"


def _turn(values: tuple[Expression, ...]) -> str:
    return _expression(values[0]) if len(values) == 1 else f"({', '.join(map(_expression, values))})"


def _argument(value: Expression | Stage) -> str:
    return _passed(value) if isinstance(value, STAGES) else _expression(value)


def _passed(stage: Stage) -> str:
    plain = isinstance(stage, Layer) and (stage.kernel, stage.width, stage.stride) == (None, None, None)
    return text(stage) if plain else f"[{text(stage)}]"


def _expression(value: Expression) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case Name(name=name):
            return name
        case Binary(sign=sign, left=left, right=right):
            return f"({_expression(left)} {sign} {_expression(right)})"
        case tuple():
            return f"({', '.join(map(_expression, value))})"
        case _:
            return str(value)


def _operand(value: Expression) -> str:
    return _expression(value) if isinstance(value, int | Name) else f"{{{_expression(value)}}}"


def _layer(layer: Layer) -> str:
    name = layer.name if layer.style & 1 else layer.name.lower()
    match layer.kernel:
        case None:
            head = name
        case int() as kernel:
            head = f"{name}{kernel}" if layer.style & 2 else f"{name}{{{kernel}}}"
        case tuple() as kernel if len(kernel) > 1:
            head = f"{name}{_by(kernel)}" if layer.style & 2 else f"{_by(kernel)} {name}"
        case tuple() as kernel:
            head = f"{name}{kernel[0]}"
        case kernel:
            head = f"{name}{{{_expression(kernel)}}}"
    if isinstance(layer.width, int):
        head += ("-", ", ", " ", " - ")[layer.style >> 2 & 3] + str(layer.width)
    elif layer.width is not None:
        head += f"-{_operand(layer.width)}"
    if layer.stride is not None:
        head += ", /" if layer.style & 16 else "/"
        head += _by(layer.stride) if isinstance(layer.stride, tuple) else _operand(layer.stride)
    return head + _arguments(layer)


def _arguments(layer: Layer) -> str:
    parts = []
    positional = POSITIONAL.get(layer.name, ()) if layer.style & 32 else ()
    unnamed = True
    for place, (name, value) in enumerate(layer.arguments):
        unnamed = unnamed and positional[place : place + 1] == (name,)
        parts.append(_expression(value) if unnamed else f"{name}={_expression(value)}")
    return f"({', '.join(parts)})" if parts else ""


# Walking and changing


def parts(stage: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every dataclass below a tree with the way to it: fields and places."""
    if isinstance(stage, tuple):
        for place, item in enumerate(stage):
            yield from parts(item, (*path, place))
    elif hasattr(stage, "__dataclass_fields__"):
        yield path, stage
        for field in fields(stage):
            yield from parts(getattr(stage, field.name), (*path, field.name))


def put(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The tree with another part at the end of a way."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(tree, tuple):
        return (*tree[:step], put(tree[step], rest, value), *tree[step + 1 :])
    return replace(tree, **{step: put(getattr(tree, step), rest, value)})
