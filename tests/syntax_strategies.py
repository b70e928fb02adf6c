"""Random syntax trees, as the parser could have made them, for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from cnndsl import syntax
from cnndsl.source import Source, Span

NOWHERE = Span(Source("<random>", ""), 0, 0)

names = st.sampled_from(
    ["CONV", "CONV3x3", "POOL2", "FC", "Block", "w", "n", "cin", "inner", "iffy", "RELU6", "x", "x2", "K"]
)
arguments_names = st.sampled_from(["groups", "pad", "p", "w"])


def number(text: str) -> syntax.Number:
    return syntax.Number(NOWHERE, float(text) if "." in text or "e" in text else int(text), text)


integers = st.integers(0, 4096).map(lambda value: number(str(value)))
numbers = integers | st.sampled_from(["0.5", "1e-5", "2.25"]).map(number)
name_values = names.map(lambda name: syntax.Name(NOWHERE, name))
extents = st.lists(st.integers(1, 11), min_size=2, max_size=3).map(
    lambda values: syntax.Extents(NOWHERE, tuple(values))
)
atoms = numbers | name_values | extents | st.booleans().map(lambda value: syntax.Boolean(NOWHERE, value))


def _compound(inner: st.SearchStrategy) -> st.SearchStrategy:
    operators = st.sampled_from(["+", "-", "*", "/", "//", "%", "^", "<", "<=", ">", ">=", "==", "!=", "and", "or"])
    return st.one_of(
        st.builds(syntax.Binary, st.just(NOWHERE), operators, inner, inner),
        st.builds(syntax.Unary, st.just(NOWHERE), st.sampled_from(["-", "+", "not"]), inner),
        st.builds(syntax.Choose, st.just(NOWHERE), inner, inner, inner),
        st.builds(syntax.Tuple, st.just(NOWHERE), st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(
            syntax.Call,
            st.just(NOWHERE),
            names,
            st.lists(st.builds(syntax.Argument, st.just(NOWHERE), st.none() | arguments_names, inner), max_size=2).map(
                tuple
            ),
        ),
    )


expressions = st.recursive(atoms, _compound, max_leaves=6)
operands = integers | name_values | expressions
dimensions = st.builds(
    syntax.Dimensions, st.just(NOWHERE), st.lists(st.none() | integers | expressions, min_size=1, max_size=4).map(tuple)
)
lists = st.builds(syntax.List, st.just(NOWHERE), st.lists(expressions, min_size=1, max_size=12).map(tuple))
ranges = st.builds(syntax.Range, st.just(NOWHERE), operands, operands)


@st.composite
def layers(draw: st.DrawFn, bodies: st.SearchStrategy | None = None) -> syntax.Layer:
    kernel_first = draw(st.booleans())
    values = expressions if bodies is None else expressions | bodies.map(lambda body: syntax.StageValue(NOWHERE, body))
    argument = st.builds(syntax.Argument, st.just(NOWHERE), st.none() | arguments_names, values)
    branches = st.none() if bodies is None else st.none() | st.lists(bodies, min_size=1, max_size=3).map(tuple)
    return syntax.Layer(
        NOWHERE,
        draw(names),
        NOWHERE,
        draw(extents) if kernel_first else draw(st.none() | expressions),
        kernel_first,
        draw(st.none() | integers | expressions),
        draw(st.none() | operands | extents),
        draw(st.none() | st.lists(argument, max_size=3).map(tuple)),
        draw(branches),
        draw(st.booleans()),
    )


references = names.map(lambda name: syntax.Reference(NOWHERE, name))
bare_layers = names.map(lambda name: syntax.Layer(NOWHERE, name, NOWHERE, tight=True))


@st.composite
def suffixed(draw: st.DrawFn, bodies: st.SearchStrategy) -> syntax.Stage:
    groups = st.builds(syntax.Group, st.just(NOWHERE), st.sampled_from("(["), bodies)
    stage = draw(bare_layers | layers(bodies) | groups | references)
    for kind in draw(st.lists(st.sampled_from("*?=f"), max_size=2)):
        match kind:
            case "*" if not (isinstance(stage, syntax.Loop) and isinstance(stage.over, syntax.Range)):
                stage = syntax.Repeat(NOWHERE, stage, draw(operands))
            case "?":
                stage = syntax.Choice(NOWHERE, stage)
            case "=":
                stage = syntax.Shaped(NOWHERE, stage, draw(dimensions))
            case "f":
                targets = tuple(draw(st.lists(names, min_size=1, max_size=2)))
                stage = syntax.Loop(NOWHERE, stage, targets, draw(lists | ranges))
    return stage


def _bodies(inner: st.SearchStrategy) -> st.SearchStrategy:
    label = st.sampled_from(["left", "down"])
    items = suffixed(inner) | st.builds(syntax.Labelled, st.just(NOWHERE), label, st.just(NOWHERE), suffixed(inner))
    conditionals = st.builds(syntax.Conditional, st.just(NOWHERE), expressions, inner, inner)
    last = items | conditionals | st.builds(syntax.Labelled, st.just(NOWHERE), label, st.just(NOWHERE), conditionals)
    pipelines = st.builds(
        lambda first, end: syntax.Pipeline(NOWHERE, (*first, end)), st.lists(items, min_size=1, max_size=5), last
    )
    return last | pipelines


bodies = st.recursive(bare_layers | layers(), _bodies, max_leaves=8)

defaults = st.none() | expressions
texts = st.sampled_from(["labels.txt", "a # b", "", "it's (one", "\u00e9t\u00e9"]) | st.text(
    st.characters(exclude_characters='"\n', exclude_categories=["C", "Z"]), max_size=40
)
values = st.builds(syntax.Argument, st.just(NOWHERE), st.none() | arguments_names, expressions) | st.builds(
    syntax.Quoted, st.just(NOWHERE), texts
)
step_names = st.sampled_from(["image", "order", "resize", "crop", "normalise", "labels", "warp"])
steps = st.builds(
    syntax.Step, st.just(NOWHERE), step_names, st.just(NOWHERE), st.none() | st.lists(values, max_size=9).map(tuple)
)
parameters = st.builds(syntax.Parameter, st.just(NOWHERE), names, defaults)
statements = st.one_of(
    st.builds(syntax.Input, st.just(NOWHERE), dimensions),
    st.builds(syntax.Preprocess, st.just(NOWHERE), st.lists(steps, min_size=1, max_size=5).map(tuple)),
    st.builds(syntax.Param, st.just(NOWHERE), names, st.just(NOWHERE), defaults, st.none() | lists | ranges),
    st.builds(syntax.Default, st.just(NOWHERE), layers()),
    st.builds(syntax.Use, st.just(NOWHERE), st.sampled_from(["blocks/se.cnn", "zoo:blocks/se", "a # b"])),
    st.builds(syntax.Assert, st.just(NOWHERE), st.lists(expressions, min_size=1, max_size=3).map(tuple)),
    st.builds(
        syntax.Def, st.just(NOWHERE), names, st.just(NOWHERE), st.lists(parameters, max_size=3).map(tuple), bodies
    ),
    st.builds(syntax.Net, st.just(NOWHERE), names, bodies),
)
