"""Stages and expressions on one line, in the canonical form. Recursive: the parser bounds how deep a tree is."""

from __future__ import annotations

import re

from .. import syntax

# How tightly an operator binds; an atom binds tighter than all of them.
_BINDING = {
    "or": 1, "and": 2, "not": 3, "<": 4, "<=": 4, ">": 4, ">=": 4, "==": 4, "!=": 4,
    "+": 5, "-": 5, "*": 6, "/": 6, "//": 6, "%": 6, "^": 8,
}  # fmt: skip
_COMPARISON, _SIGN, _POWER, _ATOM = 4, 7, 8, 9
_SPACED = frozenset({"or", "and", "<", "<=", ">", ">=", "==", "!="})
_KERNEL = re.compile(r"[0-9]+(?:x[0-9]+)*\Z")


def format_expression(expression: syntax.Expression) -> str:
    """An expression as it is written in parentheses or braces: `4*w`, `s == 1 and cin == 4*w`."""
    return _expression(expression, 0)


def _expression(node: syntax.Expression, binding: int) -> str:
    """The text of `node`, in parentheses where it binds less tightly than `binding`."""
    match node:
        case syntax.Number():
            return node.text
        case syntax.Boolean():
            return "true" if node.value else "false"
        case syntax.Name():
            return node.name
        case syntax.Extents():
            return _extents(node)
        case syntax.Call():
            return f"{node.name}({_arguments(node.arguments)})"
        case syntax.Tuple():
            return _tuple(node)
        case syntax.StageValue():
            return f"[{format_stage(node.stage)}]"
        case syntax.Unary() | syntax.Binary() | syntax.Choose():
            own, text = _operation(node)
            return text if own >= binding else f"({text})"


def _operation(node: syntax.Unary | syntax.Binary | syntax.Choose) -> tuple[int, str]:
    """How tightly an operation binds, and its text."""
    match node:
        case syntax.Choose():
            return 0, f"{condition(node)}{_expression(node.then, 0)} else {_expression(node.otherwise, 0)}"
        case syntax.Unary(operator="not"):
            return _BINDING["not"], f"not {_expression(node.operand, _BINDING['not'])}"
        case syntax.Unary():
            return _SIGN, node.operator + _expression(node.operand, _SIGN)
        case syntax.Binary():
            own = _BINDING[node.operator]
            left, right = own, own + 1
            if own == _COMPARISON:
                left = own + 1
            elif own == _POWER:
                left, right = _ATOM, _SIGN
            sign = f" {node.operator} " if node.operator in _SPACED else node.operator
            return own, _expression(node.left, left) + sign + _expression(node.right, right)


def condition(node: syntax.Choose | syntax.Conditional) -> str:
    """`if c then `."""
    return f"if {_expression(node.condition, 1)} then "


def _extents(node: syntax.Extents) -> str:
    return "x".join(map(str, node.values))


def _tuple(node: syntax.Tuple) -> str:
    """Tuples of plain values are written close, `(64,3,1)`."""
    parts = [format_expression(item) for item in node.items]
    if len(parts) == 1:
        return f"({parts[0]},)"
    plain = all(isinstance(item, syntax.Number | syntax.Name | syntax.Boolean) for item in node.items)
    return f"({(',' if plain else ', ').join(parts)})"


def _arguments(arguments: tuple[syntax.Argument, ...]) -> str:
    return ", ".join(
        ("" if argument.name is None else f"{argument.name}=") + format_expression(argument.value)
        for argument in arguments
    )


def value(node: syntax.Argument | syntax.Quoted) -> str:
    """One of the values of a step: `256`, `mean=(1,2,3)`, `"labels.txt"`."""
    return f'"{node.text}"' if isinstance(node, syntax.Quoted) else _arguments((node,))


def step(node: syntax.Step) -> str:
    """A step of a `preprocess` statement on one line."""
    return node.name if node.values is None else f"{node.name}({', '.join(map(value, node.values))})"


def operand(node: syntax.Expression, *, bare_name: bool = True) -> str:
    """A value among stages: an integer, extents or a name as it is, anything else in braces."""
    match node:
        case syntax.Number() if node.text.isdigit():
            return node.text
        case syntax.Name() if bare_name:
            return node.name
        case _:
            return f"{{{format_expression(node)}}}"


def dimensions(node: syntax.Dimensions) -> str:
    """`64x56x56`, `3x?x?`, `{4*w}x56x56`."""
    return "x".join("?" if size is None else operand(size, bare_name=False) for size in node.sizes)


def domain(node: syntax.List | syntax.Range) -> str:
    """`[64, 128]` or `1..n`."""
    if isinstance(node, syntax.Range):
        return f"{operand(node.first)}..{operand(node.last)}"
    return f"[{', '.join(map(format_expression, node.items))}]"


class Flat:
    """Prints stages on one line and remembers them, because layout asks for the same stage again and again.

    The names of built-in layers (upper case) and of the file's definitions are stages for certain; any other name that
    follows a layer without a blank may be its width, and stays where it is.
    """

    def __init__(self, built_in: frozenset[str], defined: frozenset[str]) -> None:
        self._built_in = built_in
        self._defined = defined
        self._known: dict[int, tuple[syntax.Stage, str]] = {}

    def stage(self, node: syntax.Stage) -> str:
        """The text of a stage on one line."""
        known = self._known.get(id(node))
        if known is None:
            known = self._known[id(node)] = node, self._text(node)
        return known[1]

    def _text(self, node: syntax.Stage) -> str:
        match node:
            case syntax.Layer(branches=None):
                return head(node)
            case syntax.Layer():
                return f"{head(node)}[ {' | '.join(map(self.stage, node.branches or ()))} ]"
            case syntax.Pipeline():
                return " - ".join(map(self.glued, self.units(node)))
            case syntax.Group():
                closing = ")" if node.bracket == "(" else "]"
                return f"{node.bracket}{self.stage(node.stage)}{closing}"
            case syntax.Repeat() | syntax.Choice() | syntax.Shaped() | syntax.Loop():
                return self.stage(node.stage) + suffix(node)
            case syntax.Labelled():
                return f"{node.label}: {self.stage(node.stage)}"
            case syntax.Reference():
                return f"@{node.label}"
            case syntax.Conditional():
                return f"{condition(node)}{self.stage(node.then)} else {self.stage(node.otherwise)}"

    def units(self, pipeline: syntax.Pipeline) -> list[tuple[syntax.Stage, ...]]:
        """The stages of a pipeline, a layer and the name that may be its width together."""
        units: list[tuple[syntax.Stage, ...]] = []
        for stage in pipeline.stages:
            if units and len(units[-1]) == 1 and self._may_be_width(units[-1][0], stage):
                units[-1] = (units[-1][0], stage)
            else:
                units.append((stage,))
        return units

    def glued(self, unit: tuple[syntax.Stage, ...]) -> str:
        """The text of one of `units`."""
        return "-".join(map(self.stage, unit))

    def _may_be_width(self, layer: syntax.Stage, stage: syntax.Stage) -> bool:
        while isinstance(stage, syntax.Repeat | syntax.Choice | syntax.Shaped | syntax.Loop):
            stage = stage.stage
        if not isinstance(stage, syntax.Layer) or not isinstance(layer, syntax.Layer) or not stage.tight:
            return False
        takes = (layer.width, layer.stride, layer.arguments, layer.branches) == (None, None, None, None)
        bare = (stage.kernel, stage.width, stage.branches) == (None, None, None)
        return takes and bare and not self._is_stage(stage.name)

    def _is_stage(self, name: str) -> bool:
        upper = name.upper()
        return name in self._defined or upper in self._built_in or _without_kernel(upper) in self._built_in


def _without_kernel(name: str) -> str:
    found = _KERNEL.search(name)
    return name[: found.start()] if found else name


def head(node: syntax.Layer) -> str:
    """A layer without its branches; `7x7 conv, 64, /2` keeps the commas that it is written with on whiteboards."""
    text = node.name
    first = node.kernel_first and isinstance(node.kernel, syntax.Extents)
    if node.kernel is not None:
        kernel = format_expression(node.kernel)
        text = f"{kernel} {text}" if first else f"{text}{{{kernel}}}"
    if node.width is not None:
        text += f"{', ' if first else '-'}{operand(node.width, bare_name=False)}"
    if node.stride is not None:
        stride = _extents(node.stride) if isinstance(node.stride, syntax.Extents) else operand(node.stride)
        text += f"{', ' if first else ''}/{stride}"
    if node.arguments is not None:
        text += f"({_arguments(node.arguments)})"
    return text


def suffix(node: syntax.Repeat | syntax.Choice | syntax.Shaped | syntax.Loop) -> str:
    """What follows the stage: `*3`, `?`, ` => 64x56x56`, ` for i in 1..n`."""
    match node:
        case syntax.Repeat():
            return f"*{operand(node.count)}"
        case syntax.Choice():
            return "?"
        case syntax.Shaped():
            return f" => {dimensions(node.shape)}"
        case syntax.Loop():
            return f" for {', '.join(node.targets)} in {domain(node.over)}"


def format_stage(stage: syntax.Stage) -> str:
    """A stage on one line: `RES[ CONV3-64 - RELU | ID ]*2`."""
    return Flat(built_in_layers(), frozenset()).stage(stage)


def built_in_layers() -> frozenset[str]:
    """The names of the layers and combinators that the language has, in upper case."""
    from ..ops import LAYERS

    return frozenset(LAYERS) | {"CONCAT", "ADD", "MUL", "MEAN", "MAX", "SPLIT", "RES", "AUX"}
