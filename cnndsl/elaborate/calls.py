"""Definitions in use: their parameters bound, their body elaborated in a scope of its own."""

from __future__ import annotations

from typing import Final

from ..arithmetic import UNKNOWN, Value, evaluate, shown
from ..syntax import Argument, Layer
from .build import CHARACTERS_PER_STEP, NOWHERE, Aborted, Build, Frame
from .layers import apply_builtin
from .names import Labels, labels_in
from .resolve import Builtin, Closure, meaning
from .scopes import open_scope
from .units import Definition

CALL_STEPS: Final = 5
"""What the use of a definition costs more than a stage does, in steps."""


def call(build: Build, definition: Definition, layer: Layer, x: int, frame: Frame, label: str | None) -> int:
    """Elaborate a use of a definition on value `x`."""
    syntax = definition.syntax
    for field, value in (("kernel", layer.kernel), ("width", layer.width), ("stride", layer.stride)):
        if value is not None:
            build.error(
                "CNN018", f"{syntax.name} is a definition and takes no {field}", value.span, frame,
                help=f"give its parameters in parentheses: {signature(definition)}",
            )  # fmt: skip
            return NOWHERE
    if layer.branches is not None:
        return build.error("CNN018", f"{syntax.name} is a definition and takes no branches", layer.span, frame)
    if len(frame.calls) >= build.limits.max_recursion:
        build.error(
            "CNN007", f"{syntax.name} is used inside itself more than {build.limits.max_recursion} deep", layer.span,
            help="recursion must end: choose with `if`; if it is meant, raise the limit with --max-recursion",
        )  # fmt: skip
        raise Aborted
    heading = (syntax.body.span.start - syntax.span.start) // CHARACTERS_PER_STEP
    build.spend(CALL_STEPS + heading + len(definition.unit.values) // 10, layer.span)
    env = dict(definition.unit.values)
    if build.classes is not None:
        env.setdefault("classes", build.classes)
    env["cin"] = build.nodes[x].shape.channels if x > NOWHERE else UNKNOWN
    calls = (*frame.calls, (syntax.name, layer.name_span))
    inside = Frame(build, definition.unit, definition.defaults, env, Labels(), frame.namer, calls)
    if not _bind(build, definition, layer, frame, inside):
        return NOWHERE
    inside.repeated = frame.repeated
    with open_scope(
        build, frame, label, syntax.name.lower().strip("_") or "part", syntax.name, labels_in(syntax.body)
    ) as scope:
        inside.namer = scope.namer
        inside.repeated = False
        return build.stage(syntax.body, x, inside)


def signature(definition: Definition) -> str:
    """`Block(w, s=1)`."""
    parameters = ", ".join(
        parameter.name if parameter.default is None else f"{parameter.name}={parameter.default.span.text}"
        for parameter in definition.syntax.parameters
    )
    return f"{definition.syntax.name}({parameters})" if parameters else definition.syntax.name


def _bind(build: Build, definition: Definition, layer: Layer, frame: Frame, inside: Frame) -> bool:
    """Evaluate the arguments where they are written, and the defaults where the definition is."""
    parameters = definition.syntax.parameters
    given = _match(build, definition, layer, frame)
    if given is None:
        return False
    for parameter in parameters:
        if parameter.name in given:
            value: Value = evaluate(given[parameter.name].value, frame.names)
        elif parameter.default is not None:
            value = evaluate(parameter.default, inside.names)
        else:
            build.error(
                "CNN017", f"{definition.syntax.name} needs a value for {parameter.name}", layer.span, frame,
                help=f"it is defined as {signature(definition)}",
            )  # fmt: skip
            return False
        inside.env[parameter.name] = value
    return True


def _match(build: Build, definition: Definition, layer: Layer, frame: Frame) -> dict[str, Argument] | None:
    names = [parameter.name for parameter in definition.syntax.parameters]
    given: dict[str, Argument] = {}
    for position, argument in enumerate(layer.arguments or ()):
        name = argument.name or (names[position] if position < len(names) else None)
        if name is None or name not in names or name in given:
            what = (
                f"no parameter {argument.name}" if argument.name else f"{len(names)} parameter{'s' * (len(names) != 1)}"
            )
            message = f"{definition.syntax.name} has {what}" if name not in given else f"{name} is given twice"
            build.error("CNN017", message, argument.span, frame, help=f"it is defined as {signature(definition)}")
            return None
        given[name] = argument
    return given


def use_closure(build: Build, closure: Closure, layer: Layer, x: int, frame: Frame, label: str | None) -> int:
    """Elaborate a stage that was passed as an argument: `B(HSWISH)`, with arguments of its own if it is used with some.

    Its names mean what they meant where it was written; its nodes are named where it is used.
    """
    extras = (layer.kernel, layer.width, layer.stride, layer.arguments, layer.branches)
    written = closure.frame
    if all(extra is None for extra in extras):
        place = Frame(
            build, written.unit, written.defaults, written.env, Labels(written.labels), frame.namer, frame.calls,
            frame.repeated,
        )  # fmt: skip
        return build.stage(closure.stage, x, place, label)
    if isinstance(closure.stage, Layer) and closure.stage.arguments is None:
        match meaning(build, closure.stage.name, written):
            case Definition() as definition:
                return call(build, definition, layer, x, frame, label)
            case Builtin(kind=kind) as found if kind is not None:
                return apply_builtin(build, layer, found, x, frame, label)
            case _:
                pass
    return build.error(
        "CNN018", f"{layer.name} stands for a whole stage and takes nothing more", layer.span, frame,
        found=shown(closure.stage.span.text[:60]),
    )  # fmt: skip
