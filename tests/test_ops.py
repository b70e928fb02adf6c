"""Layers against PyTorch: what is accepted runs there with that shape, what is refused fails there."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from torch import nn

from cnndsl.diagnostics import CODES
from cnndsl.ops import LAYERS, OPS, Op, Parameters, Problem
from cnndsl.ops.arguments import READERS, UNSURE, validate
from cnndsl.ops.models import TORCH, TYPES, judge, model
from cnndsl.shape import Shape

torch.set_num_threads(1)
Oracle = Callable[[Any, torch.Tensor], torch.Tensor]


# -- PyTorch's side ------------------------------------------------------------------------------------------------


def rank(x: torch.Tensor) -> int:
    return x.dim() - 2


def module(name: str, x: torch.Tensor) -> Any:
    """`Conv` to nn.Conv2d by the input's rank; vectors fail."""
    return getattr(nn, f"{name}{rank(x)}d")


def axes(value: Any, r: int) -> tuple[int, ...]:
    value = (value,) * r if isinstance(value, int) else value
    if len(value) != r:
        raise ValueError("axes")
    return tuple(value)


def pads(p: Any, x: torch.Tensor, default: tuple[int, ...]) -> list[tuple[int, int]]:
    """(before, after) by axis, written anew: from torch's own order and from ceil(n/s)."""
    r = rank(x)
    if p.pad is None:
        return [(d, d) for d in default]
    if p.pad == "same":
        reach = [d * (k - 1) + 1 for k, d in zip(axes(p.kernel, r), axes(getattr(p, "dilation", 1), r), strict=True)]
        strides = axes(p.kernel if p.stride is None else p.stride, r)
        total = [
            max((math.ceil(n / s) - 1) * s + k - n, 0) for n, k, s in zip(x.shape[2:], reach, strides, strict=True)
        ]
        return [(t // 2, t - t // 2) for t in total]
    if isinstance(p.pad, tuple) and len(p.pad) == 2 * r:
        return [(p.pad[2 * i], p.pad[2 * i + 1]) for i in reversed(range(r))]
    return [(n, n) for n in axes(p.pad, r)]


def flat(pads: list[tuple[int, int]]) -> list[int]:
    return [n for pair in reversed(pads) for n in pair]


def even(pads: list[tuple[int, int]]) -> tuple[int, ...]:
    if any(a != b for a, b in pads):
        raise ValueError("PyTorch has no asymmetric padding here")
    return tuple(a for a, _ in pads)


def conv(p: Any, x: torch.Tensor, width: int, groups: int, bias: bool) -> torch.Tensor:
    r = rank(x)
    kernel, dilation = axes(p.kernel, r), axes(p.dilation, r)
    x = F.pad(x, flat(pads(p, x, tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True)))))
    make = module("Conv", x)
    return make(x.shape[1], width, kernel, axes(p.stride, r), 0, dilation, groups, bias)(x)


def depthwise(p: Any, x: torch.Tensor) -> torch.Tensor:
    return conv(p, x, x.shape[1] if p.width is None else p.width, x.shape[1], p.bias)


def separable(p: Any, x: torch.Tensor) -> torch.Tensor:
    y = conv(p, x, x.shape[1], x.shape[1], False)
    return module("Conv", x)(x.shape[1], p.width, 1, bias=p.bias)(y)


def transposed(p: Any, x: torch.Tensor) -> torch.Tensor:
    r = rank(x)
    if p.pad == "same":
        raise ValueError("no such padding")
    kernel, dilation = axes(p.kernel, r), axes(p.dilation, r)
    pad = even(pads(p, x, tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))))
    extra, make = axes(p.output_padding, r), module("ConvTranspose", x)
    return make(x.shape[1], p.width, kernel, axes(p.stride, r), pad, extra, p.groups, p.bias, dilation)(x)


def max_pool(p: Any, x: torch.Tensor) -> torch.Tensor:
    r = rank(x)
    kernel, stride = axes(p.kernel, r), axes(p.kernel if p.stride is None else p.stride, r)
    dilation, around = axes(p.dilation, r), pads(p, x, (0,) * r)
    make = module("MaxPool", x)
    if all(a == b for a, b in around):
        return make(kernel, stride, even(around), dilation, ceil_mode=p.ceil)(x)
    make(kernel, stride, [max(pair) for pair in around], dilation)(torch.zeros(1, 1, *[99 // r] * r))  # its limits
    # PyTorch pads both ends alike; what one end has more is put on first. Where that is the far end, its last windows
    # may start in the padding, which the language leaves out, as PyTorch does for padding of its own.
    low = [min(pair) for pair in around]
    wide = F.pad(x, flat([(a - m, b - m) for (a, b), m in zip(around, low, strict=True)]), value=-math.inf)
    y = make(kernel, stride, low, dilation, ceil_mode=p.ceil)(wide)
    for axis, (n, (before, _), s) in enumerate(zip(x.shape[2:], around, stride, strict=True)):
        y = y.narrow(axis + 2, 0, min(y.shape[axis + 2], (n + before - 1) // s + 1))
    return y


def avg_pool(p: Any, x: torch.Tensor) -> torch.Tensor:
    r = rank(x)
    kernel, stride = axes(p.kernel, r), axes(p.kernel if p.stride is None else p.stride, r)
    return module("AvgPool", x)(kernel, stride, even(pads(p, x, (0,) * r)), p.ceil, p.count_include_pad)(x)


def margins(value: Any, x: torch.Tensor) -> list[int]:
    r = rank(x)
    if isinstance(value, tuple) and len(value) == 2 * r and r:
        return list(value)
    return flat([(n, n) for n in axes(value, r)])


def pad(p: Any, x: torch.Tensor) -> torch.Tensor:
    assert rank(x)
    around = margins(p.pad, x)
    before, after = p.channels if isinstance(p.channels, tuple) else (p.channels, p.channels)
    if p.mode == "constant":
        return F.pad(x, (*around, before, after), p.mode, p.value)
    assert not before and not after
    return F.pad(x, around, p.mode)


def crop(p: Any, x: torch.Tensor) -> torch.Tensor:
    assert rank(x)
    around = margins(p.crop, x)
    for i in range(rank(x)):
        before, after = around[2 * i], around[2 * i + 1]
        x = x.narrow(-1 - i, before, x.shape[-1 - i] - before - after)
    if 0 in x.shape:
        raise ValueError("nothing left")
    return x


def cut(p: Any, x: torch.Tensor) -> torch.Tensor:
    stop = x.shape[1] if p.stop is None else p.stop
    if stop <= p.start:
        raise ValueError("nothing left")
    return x.narrow(1, p.start, stop - p.start)


def up(p: Any, x: torch.Tensor) -> torch.Tensor:
    scale = tuple(map(float, axes(p.scale, rank(x))))
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[rank(x)] if p.mode == "linear" else p.mode
    return nn.Upsample(scale_factor=scale, mode=mode)(x)


def group_norm(p: Any, x: torch.Tensor) -> torch.Tensor:
    nn.GroupNorm(p.groups, x.shape[1])(x[:1])  # a batch of one, which PyTorch refuses where a group is one value
    return nn.GroupNorm(p.groups, x.shape[1], p.eps, p.affine)(x)


def layer_norm(p: Any, x: torch.Tensor) -> torch.Tensor:
    return nn.LayerNorm(x.shape[1], p.eps, p.affine)(x.movedim(1, -1)).movedim(-1, 1)


def instance_norm(p: Any, x: torch.Tensor) -> torch.Tensor:
    if not rank(x):
        raise ValueError("PyTorch takes N×C for one C×L without a batch")
    return module("InstanceNorm", x)(x.shape[1], p.eps, affine=p.affine)(x)


def shuffle(p: Any, x: torch.Tensor) -> torch.Tensor:
    return nn.ChannelShuffle(p.groups)(x if rank(x) else x[..., None]).reshape(x.shape)


def simple(make: Callable[[Any, torch.Tensor], nn.Module]) -> Oracle:
    return lambda p, x: make(p, x)(x)


def of_rank(name: str, *, size: bool = False) -> Oracle:
    return lambda p, x: module(name, x)(axes(p.size, rank(x)) if size else 1)(x)


ORACLES: dict[str, Oracle] = {
    "CONV": lambda p, x: conv(p, x, p.width, p.groups, p.bias),
    "DWCONV": depthwise,
    "SEPCONV": separable,
    "UPCONV": transposed,
    "POOL": max_pool,
    "AVGPOOL": avg_pool,
    "GAP": of_rank("AdaptiveAvgPool"),
    "GMP": of_rank("AdaptiveMaxPool"),
    "ADAPTIVEAVGPOOL": of_rank("AdaptiveAvgPool", size=True),
    "ADAPTIVEMAXPOOL": of_rank("AdaptiveMaxPool", size=True),
    "FC": lambda p, x: nn.Linear(math.prod(x.shape[1:]), p.width, p.bias)(x.flatten(1)),
    "FLATTEN": simple(lambda p, x: nn.Flatten()),
    "BN": simple(lambda p, x: getattr(nn, f"BatchNorm{max(rank(x), 1)}d")(x.shape[1], p.eps, p.momentum, p.affine)),
    "LN": layer_norm,
    "IN": instance_norm,
    "GN": group_norm,
    "LRN": simple(lambda p, x: nn.LocalResponseNorm(p.size, p.alpha, p.beta, p.k)),
    "RELU": simple(lambda p, x: nn.ReLU()),
    "RELU6": simple(lambda p, x: nn.ReLU6()),
    "LRELU": simple(lambda p, x: nn.LeakyReLU(p.negative_slope)),
    "PRELU": simple(lambda p, x: nn.PReLU(x.shape[1] if p.per_channel else 1, p.init)),
    "ELU": simple(lambda p, x: nn.ELU(p.alpha)),
    "SELU": simple(lambda p, x: nn.SELU()),
    "CELU": simple(lambda p, x: nn.CELU(p.alpha)),
    "GELU": simple(lambda p, x: nn.GELU(p.approximate)),
    "SILU": simple(lambda p, x: nn.SiLU()),
    "MISH": simple(lambda p, x: nn.Mish()),
    "SIGMOID": simple(lambda p, x: nn.Sigmoid()),
    "TANH": simple(lambda p, x: nn.Tanh()),
    "HSWISH": simple(lambda p, x: nn.Hardswish()),
    "HSIGMOID": simple(lambda p, x: nn.Hardsigmoid()),
    "SOFTPLUS": simple(lambda p, x: nn.Softplus(p.beta)),
    "MAXOUT": lambda p, x: x.unflatten(1, (-1, p.pieces)).amax(2),
    "SOFTMAX": simple(lambda p, x: nn.Softmax(1)),
    "DROPOUT": simple(lambda p, x: nn.Dropout(p.p)),
    "DROPPATH": lambda p, x: x * torch.bernoulli(torch.full((x.shape[0], *[1] * (x.dim() - 1)), 1 - p.p)) / (1 - p.p),
    "UP": up,
    "SHUFFLE": shuffle,
    "SLICE": cut,
    "PAD": pad,
    "CROP": crop,
    "SCALE": lambda p, x: x * torch.ones(x.shape[1], *[1] * rank(x)),
    "ID": simple(lambda p, x: nn.Identity()),
}


# -- our side ------------------------------------------------------------------------------------------------------


def ours(parameters: Parameters, x: Shape) -> tuple[tuple[Op, ...], Shape | Problem]:
    """The layer built and inferred: its operations and the output's shape, or the first problem."""
    built = parameters.build(x)
    if isinstance(built, Problem):
        return (), built
    for op in built:
        found = op.infer((x,))
        if isinstance(found, Problem):
            return built, found
        x = found
    return built, x


def theirs(oracle: Oracle, parameters: Parameters, x: Shape) -> Shape | str:
    """What PyTorch makes of it with a batch of two, or why it does not."""
    try:
        y = oracle(parameters, torch.zeros(2, *x.sizes()))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return Shape(y.shape[1], tuple(y.shape[2:])) if y.numel() else "empty"


small = st.integers(1, 4)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "Positive": small,
    "Width": st.integers(1, 8),
    "NonNegative": st.integers(0, 4),
    "Flag": st.booleans(),
    "Real": st.sampled_from([0.0, 0.1, 1.0, -0.5]),
    "PositiveReal": st.sampled_from([1e-5, 0.1, 1.0]),
    "NonZeroReal": st.sampled_from([0.1, 1.0, -0.5]),
    "Probability": st.sampled_from([0.0, 0.5, 1.0]),
    "DropRate": st.sampled_from([0.0, 0.5, 0.9]),
    "Window": small | st.lists(small, min_size=1, max_size=3).map(tuple),
    "Margins": st.integers(0, 3) | st.lists(st.integers(0, 2), min_size=1, max_size=6).map(tuple),
    "Padding": st.integers(0, 3) | st.lists(st.integers(0, 2), min_size=1, max_size=6).map(tuple) | st.just("same"),
    "Approximation": st.sampled_from(["none", "tanh"]),
    "UpMode": st.sampled_from(["nearest", "linear", "bilinear", "trilinear"]),
    "PadMode": st.sampled_from(["constant", "reflect", "replicate"]),
}
shapes = st.builds(
    Shape, st.integers(1, 8), st.integers(0, 3).flatmap(lambda r: st.tuples(*[st.integers(1, 7 - r)] * r))
)


@st.composite
def layers(draw: st.DrawFn, name: str) -> Parameters:
    cls = LAYERS[name]
    annotations = {k: v for base in cls.__mro__ for k, v in getattr(base, "__annotations__", {}).items()}
    values = {}
    for field in cls.fields:
        kind = annotations[field].removesuffix(" | None")
        if not hasattr(cls, field) or (field == "width" and cls.bare_width) or draw(st.integers(0, 2)) == 0:
            values[field] = draw(VALUES[kind])
    return cls(**values)


@pytest.mark.parametrize("name", ORACLES)
def test_shape_and_limits_are_pytorchs(name: str) -> None:
    heavy = bool({"kernel", "pad", "scale"} & set(LAYERS[name].fields))

    @settings(max_examples=150 if heavy else 12, deadline=None)
    @given(layers(name), shapes)
    def agree(parameters: Parameters, x: Shape) -> None:
        expected, (_, found) = theirs(ORACLES[name], parameters, x), ours(parameters, x)
        if isinstance(found, Problem):
            assert isinstance(expected, str), (found, expected)
            assert found.code in CODES
        else:
            assert found == expected

    agree()


def test_every_layer_and_operation_is_listed() -> None:
    assert {cls.names[0] for cls in LAYERS.values()} == set(ORACLES)
    assert set(READERS) == set(TYPES) == set(VALUES)
    for name in TORCH.values():
        assert any(name in cls.fields for cls in LAYERS.values())
    for kind, op in OPS.items():
        assert op.kind == kind


# -- joins ---------------------------------------------------------------------------------------------------------

JOINS: dict[str, Callable[[list[torch.Tensor]], torch.Tensor]] = {
    "concat": lambda xs: torch.cat(xs, 1),
    "add": lambda xs: sum(xs[1:], xs[0]),
    "mean": lambda xs: torch.stack(xs).mean(0),
    "max": lambda xs: torch.stack(xs).amax(0),
}


def full(x: Shape) -> torch.Tensor:
    return torch.zeros(2, *x.sizes())


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(JOINS)), st.lists(shapes, min_size=2, max_size=3), st.booleans())
def test_joins_are_pytorchs(kind: str, inputs: list[Shape], alike: bool) -> None:
    inputs = [inputs[0], *(Shape(x.channels, inputs[0].spatial) if alike else x for x in inputs[1:])]
    found = OPS[kind]().infer(tuple(inputs))
    try:
        y = JOINS[kind]([full(x) for x in inputs])
        runs = len({x.spatial for x in inputs}) == 1 and (kind == "concat" or len(set(inputs)) == 1)
        expected = Shape(y.shape[1], tuple(y.shape[2:])) if runs else None  # only MUL broadcasts
    except RuntimeError:
        expected = None
    assert expected is None if isinstance(found, Problem) else found == expected


@settings(max_examples=200, deadline=None)
@given(shapes, st.permutations(["map", "vector", "one"]), st.integers(2, 3))
def test_mul_broadcasts_over_positions_alone(x: Shape, forms: list[str], count: int) -> None:
    def shaped(form: str) -> Shape:
        return x if form == "map" else Shape(x.channels, () if form == "vector" else (1,) * x.rank)

    inputs = tuple(shaped(form) for form in forms[:count])
    found = OPS["mul"]().infer(inputs)
    rank = max(y.rank for y in inputs)
    y = torch.zeros(2, *[1] * (rank + 1))
    for one in inputs:
        y = y * full(one).reshape(2, *one.sizes(), *[1] * (rank - one.rank))
    assert found == Shape(y.shape[1], tuple(y.shape[2:]))
    wider = Shape(x.sizes()[0] + 1, inputs[1].spatial)
    assert isinstance(OPS["mul"]().infer((inputs[0], wider)), Problem)


# -- weights and costs ---------------------------------------------------------------------------------------------


def made(run: Callable[[], object]) -> nn.Module:
    """The last module called while this runs."""
    called: list[nn.Module] = []
    handle = nn.modules.module.register_module_forward_hook(lambda m, i, o: called.append(m))
    run()
    handle.remove()
    return called[-1]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["CONV", "DWCONV", "UPCONV", "FC"]).flatmap(layers), shapes)
def test_weights_and_macs_are_pytorchs(parameters: Any, x: Shape) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    built, found = ours(parameters, x)
    if isinstance(found, Problem):
        return
    inputs, counted = x, 0
    for op in built:
        output = op.infer((inputs,))
        assert isinstance(output, Shape)
        counted += op.macs((inputs,), output)
        inputs, last = output, inputs
    with FlopCounterMode(display=False) as counter:
        last_module = made(lambda: ORACLES[parameters.names[0]](parameters, torch.zeros(1, *x.sizes())))
    assert counter.get_total_flops() == 2 * counted
    state = {name: tuple(value.shape) for name, value in last_module.state_dict().items()}
    assert {w.name: w.shape for w in built[-1].weights((last,))} == state


@pytest.mark.parametrize("name", ["BN", "LN", "IN", "GN", "PRELU"])
def test_weights_of_norms_are_pytorchs(name: str) -> None:
    x = Shape(8, (5, 5))
    for given_ in ({}, {"affine": True}, {"affine": False}, {"per_channel": True}):
        if not given_.keys() <= set(LAYERS[name].fields):
            continue
        given_ = given_ | ({"groups": 4} if name == "GN" else {})
        parameters = LAYERS[name](**given_)
        theirs = made(functools.partial(ORACLES[name], parameters, full(x)))
        weights = ours(parameters, x)[0][0].weights((x,))
        assert {w.name: w.shape for w in weights} == {k: tuple(v.shape) for k, v in theirs.state_dict().items()}
        assert [w.name for w in weights] == list(theirs.state_dict())
        assert {w.name for w in weights if w.trained} == {k for k, _ in theirs.named_parameters()}


# -- arguments -----------------------------------------------------------------------------------------------------

anything = (
    st.integers(-(2**33), 2**33)
    | st.integers(-2, 5)
    | st.floats()
    | st.floats(-2, 2)
    | st.booleans()
    | st.none()
    | st.sampled_from(["same", "nearest", "tanh", "reflect", "", "1", "none", "bilinear"])
    | st.lists(st.integers(-1, 4) | st.floats(0, 3) | st.booleans(), max_size=4).map(tuple)
    | st.sampled_from([2.0, 3.0, (), (1, 2.0), float("nan"), float("inf"), True])
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(READERS)), anything)
def test_what_is_taken_at_sight_pydantic_takes_as_the_same_value(kind: str, value: object) -> None:
    from pydantic import TypeAdapter, ValidationError

    taken = READERS[kind](value)
    if taken is UNSURE:
        return
    try:
        judged = TypeAdapter(TYPES[kind][0]).validate_python(value)
    except ValidationError:
        pytest.fail(f"{kind} takes {value!r} at sight, pydantic does not")
    assert judged == taken and type(judged) is type(taken)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(LAYERS)), st.data())
def test_arguments_are_judged_by_the_model(name: str, data: st.DataObject) -> None:
    from pydantic import ValidationError

    cls = LAYERS[name]
    written = {field: shown for shown, field in cls.written.items()}
    names = [written.get(field, field) for field in cls.fields]
    values = data.draw(st.dictionaries(st.sampled_from([*names, "padding", "group"]), anything, max_size=4))
    found = validate(cls, values)
    try:
        model(cls).model_validate(values)
        assert isinstance(found, Parameters)
        assert found == judge(cls, values)
        hash(found)
    except ValidationError as error:
        assert isinstance(found, tuple)
        assert {p.argument for p in found} == {str(e["loc"][0]) for e in error.errors()}
        assert all(p.known == (p.argument in names) and p.code in CODES for p in found)


def test_problems_of_arguments_say_what_to_write() -> None:
    def only(name: str, **given: object) -> Any:
        found = validate(LAYERS[name], given)
        assert isinstance(found, tuple) and len(found) == 1
        return found[0]

    unknown = only("CONV", group=2)
    assert (unknown.known, unknown.help, unknown.code) == (False, "did you mean groups?", "CNN011")
    assert only("CONV", padding=1).help == "did you mean pad?"
    assert only("RELU", inplace=True).expected == "no arguments"
    assert only("CONV", bias=1).message == "bias of CONV must be true or false"
    assert only("CONV", groups=2**40).code == "CNN028"
    assert only("SLICE").message == "SLICE needs from"
    assert validate(LAYERS["CONV"], {"width": 32.0}) == LAYERS["CONV"](width=32)


def test_messages_name_both_numbers() -> None:
    def problem(name: str, x: Shape, **given: object) -> Problem:
        found = ours(LAYERS[name](**given), x)[1]
        assert isinstance(found, Problem)
        return found

    window = problem("CONV", Shape(3, (7, 7)), kernel=11, width=8, pad=0)
    assert (window.code, window.message) == ("CNN104", "window 11 is larger than the padded input 7")
    assert problem("CONV", Shape(3, (7, 7)), width=8, groups=2).code == "CNN103"
    assert problem("CONV", Shape(3), width=8).code == "CNN108"
    assert problem("IN", Shape(3, (1, 1))).code == "CNN107"
    assert problem("SLICE", Shape(3, (7, 7)), start=2, stop=4).code == "CNN111"
    assert problem("CROP", Shape(3, (3, 3)), crop=2).code == "CNN105"
    assert problem("UPCONV", Shape(3, (3, 3)), width=3, output_padding=2).code == "CNN113"
    assert problem("PAD", Shape(3, (3, 3)), pad=3, mode="reflect").code == "CNN113"
    assert problem("PAD", Shape(3, (3, 3)), pad=0, mode="reflect", channels=1).code == "CNN108"
    assert problem("PAD", Shape(3, (3, 3)), pad=0, channels=(0, 1, 0)).code == "CNN108"
    assert problem("FC", Shape(2**20, (2**10,)), width=2**31 - 1).code == "CNN028"
    assert problem("PAD", Shape(2**12, (3, 3)), pad=2**20).code == "CNN028"
    concat = OPS["concat"]().infer((Shape(64, (56, 56)), Shape(64, (28, 28))))
    assert isinstance(concat, Problem) and concat.code == "CNN102"
    assert "64x56x56" in concat.message and "64x28x28" in concat.message
