"""Built-in layers: from what is written to nodes."""

from __future__ import annotations

from typing import Any, Final

from ..arithmetic import UNKNOWN, Value, evaluate
from ..ops.arguments import ArgumentProblem, validate
from ..ops.base import Op, Problem
from ..ops.linear import Flatten, Linear
from ..ops.parameters import Parameters
from ..record import Record
from ..shape import Shape
from ..source import Span
from ..syntax import Boolean, Expression, Extents, Layer, Number
from .build import NOWHERE, Build, Frame
from .resolve import Builtin, Closure
from .scopes import open_scope

BARE_WIDTH: Final = 64
WIDEST_BARE: Final = 512
"""A bare layer has 64 channels, doubled after every stage that halves the resolution, up to 512."""


class Step(Record):
    """An operation that a layer makes, and the shape after it."""

    op: Op
    shape: Shape


class Made(Record):
    """What a layer makes of one input: its operations, and what is wrong."""

    steps: tuple[Step, ...] = ()
    problem: Problem | None = None
    misfits: tuple[ArgumentProblem, ...] = ()
    failed: bool = False


class Plan:
    """What can be said of a written layer before its input is known: which field comes from where."""

    __slots__ = ("dynamic", "given", "kind", "made", "spans", "valid")

    def __init__(self, kind: type[Parameters], given: dict[str, Value]) -> None:
        self.kind = kind
        self.given = given
        self.dynamic: list[tuple[str, Expression]] = []
        self.spans: dict[str, Span] = {}
        self.valid = True
        self.made: dict[Any, Made] = {}


def plan_layer(build: Build, layer: Layer, found: Builtin, frame: Frame) -> Plan:
    """Sort a layer's kernel, width, stride and arguments into fields; what is misplaced is reported here, once."""
    kind = found.kind
    assert kind is not None
    plan = Plan(kind, dict(frame.defaults.get(kind.names[0], {})))
    if found.kernel is not None and "kernel" not in kind.fields:
        plan.valid = False
        build.error("CNN012", f"{kind.names[0]} takes no kernel", layer.name_span, frame, help=_arguments_of(kind))
    elif found.kernel is not None:
        plan.given["kernel"] = _one_or_all(found.kernel)
        plan.spans["kernel"] = layer.name_span
    written: list[tuple[str, Expression, Span]] = [
        (field, value, value.span)
        for field, value in (("kernel", layer.kernel), ("width", layer.width), ("stride", layer.stride))
        if value is not None
    ]
    positional = iter(kind.positional)
    for argument in layer.arguments or ():
        field = argument.name or next(positional, None)
        if field is None:
            plan.valid = False
            most = len(kind.positional)
            build.error(
                "CNN017", f"{layer.name} takes {most or 'no'} unnamed argument{'s' * (most != 1)}", argument.span, frame,
                help=f"a width is written {layer.name}-64" if "width" in kind.fields else _arguments_of(kind),
            )  # fmt: skip
            break
        written.append((field, argument.value, argument.span))
    for field, value, span in written:
        _place(build, plan, layer, field, value, span, frame)
    if layer.branches is not None:
        plan.valid = False
        build.error("CNN018", f"{layer.name} takes no branches", layer.span, frame)
    return plan


def _place(build: Build, plan: Plan, layer: Layer, field: str, value: Expression, span: Span, frame: Frame) -> None:
    if field in ("kernel", "width", "stride") and field not in plan.kind.fields:
        plan.valid = False
        build.error("CNN012", f"{layer.name} takes no {field}", span, frame, help=_arguments_of(plan.kind))
    elif field in plan.spans:
        plan.valid = False
        build.error("CNN012", f"the {field} of {layer.name} is given twice", span, frame)
    else:
        plan.spans[field] = span
        plan.given.pop(field, None)
        if isinstance(value, Number | Boolean):
            plan.given[field] = value.value
        elif isinstance(value, Extents):
            plan.given[field] = value.values
        else:
            plan.dynamic.append((field, value))


def _arguments_of(kind: type[Parameters]) -> str:
    names = list(kind.fields)
    return f"{kind.names[0]} takes {', '.join(names)}" if names else f"{kind.names[0]} takes no arguments"


def _one_or_all(kernel: tuple[int, ...]) -> int | tuple[int, ...]:
    return kernel[0] if len(kernel) == 1 else kernel


def apply_builtin(build: Build, layer: Layer, found: Builtin, x: int, frame: Frame, label: str | None) -> int:
    """Elaborate a built-in layer on value `x`."""
    where = (id(layer), id(frame.defaults), found.name)
    plan = build.plans.get(where)
    if plan is None:
        plan = build.plans[where] = plan_layer(build, layer, found, frame)
        plan.made = build.made.setdefault(_signature(plan), plan.made)
    values = tuple(_plain(evaluate(value, frame.names)) for _, value in plan.dynamic) if plan.dynamic else ()
    if not plan.valid or UNKNOWN in values:
        return NOWHERE
    shape = build.nodes[x].shape if x > NOWHERE else None
    bare = _bare_width(build, plan, layer, x) if "width" in plan.kind.fields else None
    scores = build.classes if id(layer) in build.closing and plan.kind.names[0] == "SOFTMAX" else None
    key = (values, tuple(map(type, values)), shape, bare)  # 1 and true are equal, and not the same argument
    made = plan.made.get(key)
    if made is None:
        made = plan.made[key] = _make(plan, values, shape, bare)
    for misfit in made.misfits:
        _report_argument(build, plan, layer, misfit, frame)
    if made.problem is not None:
        _report(build, plan, layer, made.problem, x, frame)
    if made.failed or x == NOWHERE:
        return NOWHERE
    if scores is not None and shape is not None:
        x = _classifier(build, layer, x, shape, scores, frame)
        if x == NOWHERE:
            return x
        made = Made((Step(made.steps[-1].op, build.nodes[x].shape),))
    return _grow(build, layer, plan.kind, made, x, frame, label)


def _plain(value: Value) -> Value:
    """A layer's name as a word: `approximate=tanh` means the word although TANH is a layer."""
    return value.stage.name.lower() if isinstance(value, Closure) and isinstance(value.stage, Layer) else value


def _bare_width(build: Build, plan: Plan, layer: Layer, x: int) -> int | None:
    """The width of a layer that names none: the number of classes for the last FC, else by the resolution."""
    kind = plan.kind
    if "width" in plan.given or any(field == "width" for field, _ in plan.dynamic) or not kind.bare_width:
        return None
    if build.classes is not None and kind.names[0] == "FC" and id(layer) in build.closing:
        return build.classes
    return min(WIDEST_BARE, BARE_WIDTH << min(build.halvings[x], 8)) if x > NOWHERE else BARE_WIDTH


def _signature(plan: Plan) -> tuple[object, ...]:
    """What two written layers must have in common to make the same of the same input."""
    given = tuple((field, type(value), value) for field, value in plan.given.items())
    return (plan.kind, given, tuple(field for field, _ in plan.dynamic))


def _make(plan: Plan, values: tuple[Value, ...], shape: Shape | None, bare: int | None) -> Made:
    given = dict(plan.given)
    given.update(zip((field for field, _ in plan.dynamic), values, strict=True))
    if bare is not None:
        given["width"] = bare
    parameters = validate(plan.kind, given)
    if isinstance(parameters, tuple):
        return Made(misfits=parameters, failed=True)
    if shape is None:
        return Made()
    ops = parameters.build(shape)
    if isinstance(ops, Problem):
        return Made(problem=ops, failed=True)
    steps: list[Step] = []
    problem: Problem | None = None
    for op in ops:
        inferred = op.infer((shape,))
        if isinstance(inferred, Problem):
            problem = inferred
            if inferred.shape is None:
                return Made(tuple(steps), problem, failed=True)
            inferred = inferred.shape
        shape = inferred
        steps.append(Step(op, shape))
    return Made(tuple(steps), problem)


def _report_argument(build: Build, plan: Plan, layer: Layer, problem: ArgumentProblem, frame: Frame) -> None:
    span = plan.spans.get(problem.argument, layer.span)
    for argument in layer.arguments or ():
        if argument.name == problem.argument:
            span = argument.span
    build.error(
        problem.code, problem.message, span, frame,
        expected=problem.expected, found=problem.found, help=problem.help,
    )  # fmt: skip


def _report(build: Build, plan: Plan, layer: Layer, problem: Problem, x: int, frame: Frame) -> None:
    span = plan.spans.get(problem.argument, layer.span) if problem.argument else layer.span
    build.error(
        problem.code, problem.message, span, frame,
        expected=problem.expected, found=problem.found, help=problem.help, chain=build.chain(x),
    )  # fmt: skip


def _classifier(build: Build, layer: Layer, x: int, shape: Shape, classes: int, frame: Frame) -> int:
    """The linear layer that a closing SOFTMAX brings along where the scores are not there yet."""
    scores_already = shape.channels == classes and all(size == 1 for size in shape.spatial)
    if shape.spatial:
        x = _flatten(build, layer, x, frame)
    if x == NOWHERE or scores_already:
        return x
    op = Linear(classes, True)
    after = op.infer((build.nodes[x].shape,))
    if isinstance(after, Problem):
        return build.error(after.code, after.message, layer.span, frame, help=after.help, chain=build.chain(x))
    return build.add(op, (x,), after, frame.namer.numbered("fc"), layer.span)


def _flatten(build: Build, layer: Layer, x: int, frame: Frame) -> int:
    flat = Flatten().infer((build.nodes[x].shape,))
    if isinstance(flat, Problem):
        return build.error(flat.code, flat.message, layer.span, frame, help=flat.help, chain=build.chain(x))
    return build.add(Flatten(), (x,), flat, frame.namer.numbered("flatten"), layer.span)


def _grow(
    build: Build, layer: Layer, kind: type[Parameters], made: Made, x: int, frame: Frame, label: str | None
) -> int:
    base = kind.names[0].lower()
    steps = made.steps
    if not steps:
        return x
    if len(steps) > 1 and kind.parts:
        with open_scope(build, frame, label, base, kind.names[0]) as inner:
            for part, step in zip(kind.parts, steps, strict=True):
                x = build.add(step.op, (x,), step.shape, inner.namer.prefix + part, layer.span, _halves(step.op))
        return x
    for step in steps[:-1]:
        x = build.add(step.op, (x,), step.shape, frame.namer.numbered("flatten"), layer.span)
    last = steps[-1]
    name = frame.namer.labelled(label, frame.repeated) if label else frame.namer.numbered(base)
    return build.add(last.op, (x,), last.shape, name, layer.span, _halves(last.op))


def _halves(op: Op) -> bool:
    stride = getattr(op, "stride", None)
    return stride is not None and op.kind != "conv_transpose" and max(stride) >= 2
