"""The parser's tree to the syntax tree: one builder for each rule of the grammar, no recursion.

The trees are walked with a stack, children first, and each is replaced in its parent's list of children by what was
built from it. A bare layer is a token in the parser's tree, because most stages are one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .. import syntax
from ..diagnostics import Diagnostic, Severity
from ..limits import Limits
from ..source import Source, Span
from .expressions import ExpressionBuilder, MisbuiltError
from .lalr import Token, Tree

# Rules that hold a list or stand for brackets, and so do not make the syntax tree deeper.
_FLAT = frozenset(
    {"pipeline", "arguments", "argument", "branches", "list", "range", "dims", "parenthesised", "parameter", "quoted"}
)


class _Arguments(NamedTuple):
    """The built content of `( )` after a layer's name."""

    span: Span
    items: tuple[Any, ...]


class _Branches(NamedTuple):
    """The built content of `[ ]` after a layer's name."""

    span: Span
    stages: tuple[Any, ...]


def build(source: Source, offset: int, root: Any, limits: Limits) -> tuple[syntax.Statement, tuple[Diagnostic, ...]]:
    """The statement that a tree stands for, and what is wrong with it all the same; raises `MisbuiltError`.

    `offset` is where the parsed stretch begins in `source`.
    """
    builder = _Builder(source, offset)
    holder: list[Any] = [root]
    for tree, siblings, index in reversed(_parents_first(builder, holder, limits)):
        siblings[index] = _BUILDERS[tree.data](builder, tree.children)
    built = holder[0]
    if not isinstance(built, _STATEMENTS):
        body = builder.stage(built)
        built = syntax.Net(body.span, None, body)
    return built, tuple(builder.problems)


def _parents_first(builder: _Builder, holder: list[Any], limits: Limits) -> list[tuple[Any, list[Any], int]]:
    """Every tree with its place in its parent's children, parents first; raises where they nest too deep."""
    order: list[tuple[Any, list[Any], int]] = []
    todo: list[tuple[list[Any], int]] = [(holder, 0)]
    while todo:
        children, depth = todo.pop()
        for index, child in enumerate(children):
            if not isinstance(child, Tree):
                continue
            below = depth if child.data in _FLAT else depth + 1
            # The statement itself is one level.
            if below > limits.max_nesting + 1:
                raise MisbuiltError(_too_deep(builder, child, limits))
            order.append((child, children, index))
            todo.append((child.children, below))
    return order


def _too_deep(builder: _Builder, tree: Any, limits: Limits) -> Diagnostic:
    while isinstance(tree, Tree):
        tree = tree.children[0]
    return Diagnostic(
        "CNN005", Severity.ERROR, "this is nested too deep", builder.span_of(tree),
        expected=f"at most {limits.max_nesting} levels", help="use definitions; `--max-nesting` raises the limit",
    )  # fmt: skip


class _Builder(ExpressionBuilder):
    """One method for each rule of the stages and statements."""

    def stage(self, child: Any) -> Any:
        """A stage; a bare layer is still a token."""
        if not isinstance(child, Token):
            return child
        start = self.offset + child.start_pos
        span = Span(self.source, start, start + len(child))
        return syntax.Layer(span, str(child), span, None, False, None, None, None, None, self._tight(start))

    def _tight(self, start: int) -> bool:
        text = self.text
        if start < 2 or text[start - 1] not in "-,>":
            return False
        before = start - 3 if text[start - 1] == ">" else start - 2
        return before >= 0 and not text[before].isspace()

    def stage_value(self, children: list[Any]) -> Any:
        return syntax.StageValue(self.across(children), self.stage(children[1]))

    def layer(self, children: list[Any]) -> Any:
        kernel_first = children[0].type == "EXTENTS"
        kernel = self.extents(children[:1]) if kernel_first else None
        name = children[kernel_first]
        width = stride = arguments = branches = None
        at = kernel_first + 1
        while at < len(children):
            child = children[at]
            if isinstance(child, _Arguments):
                arguments, at = child.items, at + 1
            elif isinstance(child, _Branches):
                branches, at = child.stages, at + 1
            elif child.type == "LBRACE":
                self._check_kernel(name, child, kernel)
                kernel, at = self.operand(children, at)
            elif child.type == "SLASH":
                stride, at = self.operand(children, at + 1)
            else:
                width, at = self.operand(children, at)
        span = self.across(children)
        return syntax.Layer(
            span, str(name), self.span_of(name), kernel, kernel_first, width, stride, arguments, branches,
            self._tight(span.start),
        )  # fmt: skip

    def _check_kernel(self, name: Token, brace: Token, kernel: Any) -> None:
        """A kernel in braces touches its name, and is the only one."""
        if kernel is not None:
            raise self.wrong(self.span_of(brace), f"`{name}` has two kernels", help="keep one of them")
        if brace.start_pos != name.end_pos:
            raise self.wrong(
                self.span_of(brace), "a value in braces stands apart from the layer", "a kernel or a width",
                f"`{name}{{k}}` is a kernel, `{name}-{{w}}` a width",
            )  # fmt: skip

    def arguments(self, children: list[Any]) -> Any:
        return _Arguments(self.across(children), (*children[1:-1],))

    def branches(self, children: list[Any]) -> Any:
        return _Branches(self.across(children), tuple(self.stage(child) for child in children[1:-1]))

    def pipeline(self, children: list[Any]) -> Any:
        return syntax.Pipeline(self.across(children), tuple(self.stage(child) for child in children[::2]))

    def group(self, children: list[Any]) -> Any:
        return syntax.Group(self.across(children), str(children[0]), self.stage(children[1]))

    def repeat(self, children: list[Any]) -> Any:
        stage = self.stage(children[0])
        if isinstance(stage, syntax.Loop) and isinstance(stage.over, syntax.Range):
            raise self.wrong(
                self.span_of(children[1]), "it is not plain what `*` multiplies here",
                "a range in braces, or a loop in parentheses",
                "write `1..{n*2}` for the range, or `(stage for i in 1..n)*2` to repeat the loop",
            )  # fmt: skip
        count, _ = self.operand(children, 2)
        return syntax.Repeat(self.across(children), stage, count)

    def loop(self, children: list[Any]) -> Any:
        targets = tuple(str(token) for token in children[2:-2])
        return syntax.Loop(self.across(children), self.stage(children[0]), targets, children[-1])

    def choice(self, children: list[Any]) -> Any:
        return syntax.Choice(self.across(children), self.stage(children[0]))

    def shaped(self, children: list[Any]) -> Any:
        return syntax.Shaped(self.across(children), self.stage(children[0]), children[2])

    def labelled(self, children: list[Any]) -> Any:
        return syntax.Labelled(
            self.across(children), str(children[0]), self.span_of(children[0]), self.stage(children[2])
        )

    def reference(self, children: list[Any]) -> Any:
        return syntax.Reference(self.across(children), str(children[1]))

    def conditional(self, children: list[Any]) -> Any:
        then, otherwise = self.stage(children[3]), self.stage(children[5])
        return syntax.Conditional(self.across(children), children[1], then, otherwise)

    # -- statements ----------------------------------------------------------------------------------------------------

    def input(self, children: list[Any]) -> Any:
        if len(children) > 2:
            self.problems.append(
                Diagnostic(
                    "CNN025", Severity.ERROR, "a network has one input", self.across(children[3:]),
                    expected="one shape", found=f"{len(children) // 2} shapes",
                    help="several inputs are not supported; stack them along the channels, take them apart by `SLICE`",
                )
            )  # fmt: skip
        return syntax.Input(self.across(children[:2]), children[1])

    def preprocess(self, children: list[Any]) -> Any:
        return syntax.Preprocess(self.across(children), (*children[1::2],))

    def step(self, children: list[Any]) -> Any:
        values = (*children[2:-1],) if len(children) > 1 else None
        return syntax.Step(self.across(children), str(children[0]), self.span_of(children[0]), values)

    def quoted(self, children: list[Any]) -> Any:
        return syntax.Quoted(self.span_of(children[0]), str(children[0])[1:-1])

    def param(self, children: list[Any]) -> Any:
        default = domain = None
        for mark, value in zip(children[2::2], children[3::2], strict=True):
            if mark.type == "IN":
                domain = value
            else:
                default = value
        return syntax.Param(self.across(children), str(children[1]), self.span_of(children[1]), default, domain)

    def default(self, children: list[Any]) -> Any:
        return syntax.Default(self.across(children), self.stage(children[1]))

    def use(self, children: list[Any]) -> Any:
        return syntax.Use(self.across(children), str(children[1])[1:-1])

    def assertion(self, children: list[Any]) -> Any:
        return syntax.Assert(self.across(children), tuple(children[1:]))

    def definition(self, children: list[Any]) -> Any:
        parameters = tuple(child for child in children[2:-1] if isinstance(child, syntax.Parameter))
        body = self.stage(children[-1])
        return syntax.Def(self.across(children), str(children[1]), self.span_of(children[1]), parameters, body)

    def parameter(self, children: list[Any]) -> Any:
        default = children[2] if len(children) == 3 else None
        return syntax.Parameter(self.across(children), str(children[0]), default)

    def net(self, children: list[Any]) -> Any:
        return syntax.Net(self.across(children), str(children[1]), self.stage(children[2]))


_STATEMENTS = (
    syntax.Input, syntax.Preprocess, syntax.Param, syntax.Default, syntax.Use, syntax.Assert, syntax.Def, syntax.Net
)  # fmt: skip

_BUILDERS: dict[str, Callable[[_Builder, list[Any]], Any]] = {
    "number": _Builder.number,
    "extents": _Builder.extents,
    "boolean": _Builder.boolean,
    "name": _Builder.name,
    "call": _Builder.call,
    "parenthesised": _Builder.parenthesised,
    "tuple": _Builder.tuple_,
    "unary": _Builder.unary,
    "binary": _Builder.binary,
    "choose": _Builder.choose,
    "argument": _Builder.argument,
    "stage_value": _Builder.stage_value,
    "list": _Builder.list_,
    "range": _Builder.range_,
    "dims": _Builder.dims,
    "layer": _Builder.layer,
    "arguments": _Builder.arguments,
    "branches": _Builder.branches,
    "pipeline": _Builder.pipeline,
    "group": _Builder.group,
    "repeat": _Builder.repeat,
    "loop": _Builder.loop,
    "choice": _Builder.choice,
    "shaped": _Builder.shaped,
    "labelled": _Builder.labelled,
    "late_label": _Builder.labelled,
    "reference": _Builder.reference,
    "conditional": _Builder.conditional,
    "input": _Builder.input,
    "preprocess": _Builder.preprocess,
    "step": _Builder.step,
    "quoted": _Builder.quoted,
    "param": _Builder.param,
    "default": _Builder.default,
    "use": _Builder.use,
    "assertion": _Builder.assertion,
    "definition": _Builder.definition,
    "parameter": _Builder.parameter,
    "net": _Builder.net,
}
