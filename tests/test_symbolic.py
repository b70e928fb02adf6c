"""Symbolic sizes against arithmetic and against inference with numbers, size by size."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from cnndsl.analysis.sizes import valid_sizes
from cnndsl.ir import Graph, Node
from cnndsl.ops import LAYERS, OPS, Op, Problem
from cnndsl.periodic import Sizes, at_least, meeting, rhythm
from cnndsl.shape import Shape
from cnndsl.symbolic import Product, Symbolic, parse_dimension, product

steps = st.lists(
    st.tuples(st.just("+"), st.integers(-9, 9)) | st.tuples(st.sampled_from("*/"), st.integers(1, 6)), max_size=6
)


def follow(size: Any, way: list[tuple[str, int]]) -> Any:
    for sign, number in way:
        size = size + number if sign == "+" else size * number if sign == "*" else size // number
    return size


@given(steps, st.integers(0, 500))
def test_expressions_are_exact(way: list[tuple[str, int]], n: int) -> None:
    assert follow(Symbolic("H"), way).evaluate({"H": n}) == follow(n, way)


@given(steps, steps)
def test_text_reads_back(way: list[tuple[str, int]], other: list[tuple[str, int]]) -> None:
    height, width = follow(Symbolic("H"), way), follow(Symbolic("W"), other)
    assert parse_dimension(str(height)) == height
    area = product((3, height, width))
    assert isinstance(area, Product)
    assert parse_dimension(str(area)) == area


@pytest.mark.parametrize(
    "text",
    ["", "H +", "floor(H)", "floor(H/0)", "(H", "H H", "H/2", "h", "H + W", "0*H", "H - H", "floor(H*W/2)", "2**3",
     "(" * 5000, "1" * 5000 + "*H", "H*-1", "floor(H/W)", "H\0"],
)  # fmt: skip
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="size"):
        parse_dimension(text)


def test_chains_of_strides_stay_short() -> None:
    size: Any = Symbolic("H")
    for _ in range(5):
        size = (size + 2 - 3) // 2 + 1
    assert str(size) == "floor((H + 31)/32)"
    assert str(size * 2 - 1) == "2*floor((H + 31)/32) - 1"
    assert (Symbolic("H") * 6 + 4) // 2 == Symbolic("H") * 3 + 2


@given(steps, st.integers(-20, 60))
def test_at_least_is_a_threshold(way: list[tuple[str, int]], least: int) -> None:
    size = follow(Symbolic("H"), way)
    sizes = at_least(size, least)
    assert all((n in sizes) == (size.evaluate({"H": n}) >= least) for n in range(1, 300))


@settings(deadline=None)
@given(steps, steps, st.booleans())
def test_meeting_is_exact(way: list[tuple[str, int]], other: list[tuple[str, int]], number: bool) -> None:
    left, right = follow(Symbolic("H"), way), 7 if number else follow(Symbolic("H"), other)
    sizes = meeting(left, right)
    if sizes is None:
        assert number or rhythm(left)[0] * rhythm(right)[0] > 1000
        return
    for n in range(1, 300):
        assert (n in sizes) == (left.evaluate({"H": n}) == (7 if number else right.evaluate({"H": n})))


def periodic(least: int, period: int, residues: set[int]) -> Sizes:
    return Sizes(least, period, tuple(sorted({r % period for r in residues})))


sets = st.builds(periodic, st.integers(1, 30), st.integers(1, 12), st.sets(st.integers(0, 11), min_size=1)) | st.sets(
    st.integers(1, 60)
).map(lambda found: Sizes(finite=tuple(sorted(found))))


@given(sets, sets)
def test_intersection_is_exact(one: Sizes, two: Sizes) -> None:
    both = one.intersect(two)
    assert both is not None
    assert [n for n in range(1, 400) if n in both] == [n for n in range(1, 400) if n in one and n in two]
    assert both.empty or (both.finite or [both.minimum])[0] in both


# -- networks ------------------------------------------------------------------------------------------------------

CHOICES: list[tuple[str, dict[str, list[Any]]]] = [
    ("CONV", {"kernel": [1, 2, 3, 5], "stride": [1, 2, 3], "pad": [None, 0, 1], "dilation": [1, 2]}),
    ("POOL", {"kernel": [2, 3], "stride": [1, 2, 3], "pad": [0, 1], "ceil": [False, True]}),
    ("POOL", {"kernel": [2, 3], "pad": [(0, 1), (1, 0)], "ceil": [False, True]}),
    ("AVGPOOL", {"kernel": [2, 4], "ceil": [False, True]}),
    ("UPCONV", {"kernel": [2, 3, 4], "stride": [1, 2, 3], "pad": [None, 0, 1]}),
    ("UP", {"scale": [2, 3]}),
    ("CROP", {"crop": [(0, 1), (1, 1)]}),
    ("PAD", {"pad": [(0, 1), 1], "mode": ["constant", "reflect"]}),
    ("ADAPTIVEAVGPOOL", {"size": [1, 4]}),
    ("IN", {}),
    ("RELU", {}),
]


@st.composite
def networks(draw: st.DrawFn) -> list[tuple[Op, tuple[int, ...]]]:
    """Operations with their inputs, on one axis with two channels throughout; some joins never meet."""
    made: list[tuple[Op, tuple[int, ...]]] = []
    for _ in range(draw(st.integers(1, 9))):
        recent = st.integers(max(0, len(made) - 3), len(made))
        if made and draw(st.integers(0, 3)) == 0:
            made.append((OPS[draw(st.sampled_from(["add", "mean"]))](), (draw(recent), draw(recent))))
            continue
        name, choices = draw(st.sampled_from(CHOICES))
        values = {key: draw(st.sampled_from(options)) for key, options in choices.items()}
        if "width" in LAYERS[name].fields:
            values["width"] = 2
        built = LAYERS[name](**values).build(Shape(2, (Symbolic("L"),)))
        assert not isinstance(built, Problem)
        made.append((built[0], (draw(recent),)))
    return made


def shapes(made: list[tuple[Op, tuple[int, ...]]], size: Any) -> list[Shape | Problem]:
    """The shapes of a network for one size, to the first problem."""
    found: list[Shape | Problem] = [Shape(2, (size,))]
    for op, inputs in made:
        given_ = tuple(x for i in inputs if isinstance(x := found[i], Shape))
        found.append(op.infer(given_))
        if isinstance(found[-1], Problem):
            break
    return found


@settings(max_examples=250, deadline=None)
@given(networks())
def test_valid_sizes_are_those_that_infer(made: list[tuple[Op, tuple[int, ...]]]) -> None:
    symbolic = shapes(made, Symbolic("L"))
    numbers = {n: shapes(made, n) for n in range(1, 121)}
    runs = {n for n, found in numbers.items() if len(found) > len(made) and isinstance(found[-1], Shape)}
    if isinstance(symbolic[-1], Problem):
        assert not runs
        return
    nodes = [Node("input", OPS["input"](), (), Shape(2, (Symbolic("L"),)))]
    for (op, inputs), shape in zip(made, symbolic[1:], strict=True):
        assert isinstance(shape, Shape)
        nodes.append(Node(f"n{len(nodes)}", op, inputs, shape))
    answer = valid_sizes(Graph("g", tuple(nodes), len(nodes) - 1))
    if any(problem.message.startswith("the valid sizes are too far") for _, problem in answer.problems):
        return
    assert {n for n in numbers if answer.accepts({"L": n})} == runs
    assert bool(answer.lines()) == (answer.symbols["L"] != Sizes())
    for n in runs:
        assert [shape.evaluate({"L": n}) for shape in symbolic if isinstance(shape, Shape)] == numbers[n]


def unet(depth: int) -> Graph:
    """A U-Net of pools and transposed convolutions, on H and W."""
    nodes = [Node("input", OPS["input"](), (), Shape(4, (Symbolic("H"), Symbolic("W"))))]

    def add(name: str, op: Op, *inputs: int) -> int:
        shape = op.infer(tuple(nodes[i].shape for i in inputs))
        assert isinstance(shape, Shape)
        nodes.append(Node(name, op, inputs, shape))
        return len(nodes) - 1

    def layer(name: str, x: int, **values: Any) -> int:
        built = LAYERS[name](**values).build(nodes[x].shape)
        assert not isinstance(built, Problem)
        return add(f"{name.lower()}{len(nodes)}", built[0], x)

    def down(x: int, depth: int) -> int:
        if not depth:
            return layer("CONV", x, width=4)
        return add(f"join{depth}", OPS["add"](), x, layer("UPCONV", down(layer("POOL", x), depth - 1), width=4))

    return Graph("unet", tuple(nodes), down(0, depth)).replace(nodes=tuple(nodes))


def test_a_unet_wants_multiples() -> None:
    answer = valid_sizes(unet(4))
    assert answer.symbols == {"H": Sizes(16, 16), "W": Sizes(16, 16)}
    (line,) = answer.lines()
    assert line.startswith("H and W multiples of 16, or the branches at join")
    assert str(unet(4).nodes[-1].shape) == "4xHxW"


def test_expressions_stay_bounded() -> None:
    """Strides that never cancel would nest without end, and powers of a stride outgrow any input."""
    for up, down in ((2, 3), (1, 2**20)):
        x: Shape | Problem = Shape(2, (Symbolic("L"),))
        for _ in range(40):
            for name, values in (("UP", {"scale": up}), ("CONV", {"width": 2, "kernel": 1, "stride": down})):
                assert isinstance(x, Shape)
                built = LAYERS[name](**values).build(x)
                assert not isinstance(built, Problem)
                x = built[0].infer((x,))
                if isinstance(x, Problem):
                    break
            if isinstance(x, Problem):
                break
            assert parse_dimension(str(x.spatial[0])) == x.spatial[0]
        assert isinstance(x, Problem) and x.code == "CNN028"
