"""The text of a forward: `x` is the stream, and what stays alive beside it gets the next free name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..ops.combine import Add, Concat, Max, Mean, Mul
from ..ops.linear import Flatten
from ..ops.reshape import Crop, Slice
from .scopes import Step, Wiring

if TYPE_CHECKING:
    from ..ops.base import Op

WIDTH: Final = 100
"""The longest line."""

STREAM: Final = ("x", "y", "z", "u", "v", "w")
SIDE: Final = ("aux",)
"""Names of values, and of those that only training has; then `w7`, `aux2` and so on."""

Bounds = Mapping[str, tuple[str, ...]]
"""The numbers in an expression, by its step."""


def forward(wiring: Wiring, bounds: Bounds) -> list[str]:
    """The lines of the method `forward`."""
    names = _names(wiring)
    signature = ["self", *(f"{names[value]}: torch.Tensor" for value in range(wiring.inputs))]
    lines = wrapped("    def forward", signature, f" -> {_result_type(wiring)}:", 4)
    lines += [f"        {name} = None" for name in _absent(wiring, names)]
    folded = len(wiring.outputs) == 1 and bool(wiring.steps) and wiring.steps[-1].results == wiring.outputs
    training = False
    for step in wiring.steps:
        if step.side and not training:
            lines.append("        if self.training:")
        training = step.side
        margin = "            " if training else "        "
        targets = ", ".join(names[value] for value in step.results)
        start = "return " if folded and step is wiring.steps[-1] else f"{targets} = " if targets else ""
        lines += _statement(step, margin + start, [names[value] for value in step.arguments], bounds)
    return lines if folded else lines + _return(wiring, [names[value] for value in wiring.outputs])


def wrapped(head: str, arguments: Sequence[str], tail: str, indent: int) -> list[str]:
    """A call or a signature: on one line, else its arguments on the next, else one on each line."""
    whole = f"{head}({', '.join(arguments)}){tail}"
    if len(whole) <= WIDTH or not arguments:
        return [whole]
    margin = " " * (indent + 4)
    inner = f"{margin}{', '.join(arguments)}"
    body = [inner] if len(inner) <= WIDTH else [f"{margin}{argument}," for argument in arguments]
    return [f"{head}(", *body, f"{' ' * indent}){tail}"]


def _statement(step: Step, start: str, arguments: list[str], bounds: Bounds) -> list[str]:
    indent = len(start) - len(start.lstrip())
    if step.op is None:
        return wrapped(f"{start}self.{step.member}", arguments, "", indent)
    if isinstance(step.op, Concat):
        comma = "," if len(arguments) == 1 else ""
        return wrapped(f"{start}torch.cat", [f"({', '.join(arguments)}{comma})", "1"], "", indent)
    return [start + EXPRESSIONS[type(step.op)](step.op, arguments, step.ranks, bounds.get(step.member, ()))]


def _return(wiring: Wiring, outputs: list[str]) -> list[str]:
    if wiring.root and len(outputs) > 1:
        return ["        if self.training:", f"            return {', '.join(outputs)}", f"        return {outputs[0]}"]
    return [f"        return {', '.join(outputs) or None}"]


def _result_type(wiring: Wiring) -> str:
    if wiring.root:
        return "torch.Tensor | tuple[torch.Tensor, ...]" if len(wiring.outputs) > 1 else "torch.Tensor"
    parts = ["torch.Tensor"] * wiring.always
    parts += ["torch.Tensor | None"] * (len(wiring.outputs) - wiring.always)
    return parts[0] if len(parts) == 1 else f"tuple[{', '.join(parts)}]" if parts else "None"


def _absent(wiring: Wiring, names: Mapping[int, str]) -> list[str]:
    """Names of values which only training makes, but which evaluation mentions."""
    made = {value for step in wiring.steps if step.side for value in step.results}
    mentioned = {value for step in wiring.steps if not step.side for value in step.arguments}
    if not wiring.root:
        mentioned |= set(wiring.outputs)
    return sorted({names[value] for value in mentioned & made})


def _names(wiring: Wiring) -> dict[int, str]:
    """A name for each value; a result takes over that of an argument which is not needed any more."""
    last_use = {value: place for place, step in enumerate(wiring.steps) for value in step.arguments}
    last_use |= dict.fromkeys(wiring.outputs, len(wiring.steps))
    main = _main(wiring)
    names: dict[int, str] = {}
    in_use: set[str] = set()

    def name(value: int, available: list[str]) -> None:
        names[value] = _first(available, STREAM if value in main else SIDE, in_use)
        in_use.add(names[value])

    for value in range(wiring.inputs):
        name(value, [])
    for place, step in enumerate(wiring.steps):
        dying = {value for value in step.arguments if last_use[value] == place}
        for kind in (True, False):
            available = [names[value] for value in sorted(dying) if (value in main) is kind]
            in_use -= set(available)
            for value in step.results:
                if (value in main) is kind:
                    name(value, available)
    return names


def _first(available: list[str], pool: tuple[str, ...], in_use: set[str]) -> str:
    """The first name of the pool among those just given up, else the first that is free."""
    numbered = (f"{pool[-1]}{number}" for number in range(len(pool) + 1, len(pool) + len(in_use) + 2))
    free = [name for name in (*pool, *numbered) if name not in in_use]
    return next((name for name in free if name in available), free[0])


def _main(wiring: Wiring) -> set[int]:
    """The inputs, and the values that the outputs of evaluation need."""
    main = set(wiring.outputs[: wiring.always])
    for step in reversed(wiring.steps):
        if not step.side and main.intersection(step.results):
            main |= set(step.arguments)
    return main | set(range(wiring.inputs))


# Expressions, as torch.py computes them


def _joined(sign: str) -> Callable[..., str]:
    def row(_op: Op, values: list[str], _ranks: tuple[int, ...], _bounds: tuple[str, ...]) -> str:
        return f" {sign} ".join(values)

    return row


def _mean(_op: Mean, values: list[str], _ranks: tuple[int, ...], _bounds: tuple[str, ...]) -> str:
    return f"({' + '.join(values)}) / {len(values)}"


def _max(_op: Max, values: list[str], _ranks: tuple[int, ...], _bounds: tuple[str, ...]) -> str:
    text = values[0]
    for value in values[1:]:
        text = f"torch.maximum({text}, {value})"
    return text


def _mul(_op: Mul, values: list[str], ranks: tuple[int, ...], _bounds: tuple[str, ...]) -> str:
    missing = [max(ranks) - rank for rank in ranks]
    axes = (f"[{', '.join([':', ':', *['None'] * count])}]" if count else "" for count in missing)
    return " * ".join(value + index for value, index in zip(values, axes, strict=True))


def _slice(_op: Slice, values: list[str], _ranks: tuple[int, ...], bounds: tuple[str, ...]) -> str:
    start, stop = bounds
    start = "" if start == "0" else start
    spread = any(not bound.isdecimal() for bound in bounds)
    colon = f"{' ' if start else ''}: " if spread else ":"
    return f"{values[0]}[:, {start}{colon}{stop}]"


def _crop(op: Crop, values: list[str], _ranks: tuple[int, ...], _bounds: tuple[str, ...]) -> str:
    cuts = (f"{before or ''}:{-after or ''}" for before, after in op.crops)
    return f"{values[0]}[:, :, {', '.join(cuts)}]"


def _flatten(_op: Flatten, values: list[str], _ranks: tuple[int, ...], _bounds: tuple[str, ...]) -> str:
    return f"torch.flatten({values[0]}, 1)"


EXPRESSIONS: Final[dict[type[Op], Callable[[Any, list[str], tuple[int, ...], tuple[str, ...]], str]]] = {
    Add: _joined("+"),
    Mul: _mul,
    Mean: _mean,
    Max: _max,
    Flatten: _flatten,
    Slice: _slice,
    Crop: _crop,
}
"""A row for each of `scopes.FUNCTIONAL` but Concat, which may need several lines."""
