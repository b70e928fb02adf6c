"""ONNX: every operation in ONNX Runtime against PyTorch's own functions; ONNX's checker and strict shape inference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from networks import Builder, resnet, with_heads, with_references
from torch import Tensor
from torch.nn import functional as F

from cnndsl import weights
from cnndsl.ir import Graph, Node
from cnndsl.lower.onnx import IR_VERSIONS, LoweringError, to_onnx, write_onnx
from cnndsl.lower.onnx.rows import ROWS, TRAINING_ONLY
from cnndsl.ops import OPS
from cnndsl.ops.activation import Activation, Maxout, PRelu, Softmax
from cnndsl.ops.base import Op, Problem
from cnndsl.ops.combine import Add, Concat, Input, Max, Mean, Mul
from cnndsl.ops.conv import Conv, ConvTranspose
from cnndsl.ops.linear import Flatten, Linear
from cnndsl.ops.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm
from cnndsl.ops.pool import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from cnndsl.ops.regularise import Dropout, DropPath
from cnndsl.ops.reshape import Crop, Pad, Scale, Shuffle, Slice, Upsample
from cnndsl.shape import Shape
from cnndsl.symbolic import Symbolic

Weights = Mapping[str, Tensor]
Oracle = Callable[..., Tensor]
Arrays = dict[str, np.ndarray]

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
UPCONV = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
MAXPOOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVGPOOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
ADAPTIVE_AVG = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
ADAPTIVE_MAX = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}
LINEAR_MODE = {1: "linear", 2: "bilinear", 3: "trilinear"}
SIZES = {0: (), 1: (11,), 2: (8, 7), 3: (5, 6, 4)}
CHANNELS = 6


def torch_pads(pads: tuple[tuple[int, int], ...]) -> list[int]:
    """The padding in the order of torch.nn.functional.pad: the last axis first."""
    return [n for pair in reversed(pads) for n in pair]


def conv_oracle(op: Conv, rank: int) -> Oracle:
    def oracle(w: Weights, x: Tensor) -> Tensor:
        padded = F.pad(x, torch_pads(op.pad))
        return CONV[rank](padded, w["weight"], w.get("bias"), op.stride, 0, op.dilation, op.groups)

    return oracle


def upconv_oracle(op: ConvTranspose, rank: int) -> Oracle:
    return lambda w, x: UPCONV[rank](
        x, w["weight"], w.get("bias"), op.stride, op.pad, op.output_padding, op.groups, op.dilation
    )


def batch_norm(w: Weights, x: Tensor) -> Tensor:
    return F.batch_norm(x, w["running_mean"], w["running_var"], w.get("weight"), w.get("bias"), eps=1e-3)


def channel_norm(w: Weights, x: Tensor) -> Tensor:
    last = x.movedim(1, -1)
    return F.layer_norm(last, last.shape[-1:], w.get("weight"), w.get("bias"), 1e-6).movedim(-1, 1)


def stretched(value: Tensor, x: Tensor) -> Tensor:
    return value.reshape(-1, *[1] * (x.ndim - 2))


def shuffled(x: Tensor, groups: int) -> Tensor:
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


ACTIVATIONS: dict[str, tuple[Activation, Callable[[Tensor], Tensor]]] = {
    "relu": (Activation("relu"), F.relu),
    "relu6": (Activation("relu6"), F.relu6),
    "leaky_relu": (Activation("leaky_relu", 0.2), lambda x: F.leaky_relu(x, 0.2)),
    "elu": (Activation("elu", 0.7), lambda x: F.elu(x, 0.7)),
    "selu": (Activation("selu"), F.selu),
    "celu": (Activation("celu", 0.6), lambda x: F.celu(x, 0.6)),
    "gelu": (Activation("gelu"), F.gelu),
    "gelu_tanh": (Activation("gelu", None, True), lambda x: F.gelu(x, approximate="tanh")),
    "silu": (Activation("silu"), F.silu),
    "mish": (Activation("mish"), F.mish),
    "sigmoid": (Activation("sigmoid"), torch.sigmoid),
    "tanh": (Activation("tanh"), torch.tanh),
    "hardswish": (Activation("hardswish"), F.hardswish),
    "hardsigmoid": (Activation("hardsigmoid"), F.hardsigmoid),
    "softplus": (Activation("softplus", 1.0), F.softplus),
    "softplus_beta": (Activation("softplus", 3.0), lambda x: F.softplus(x, 3.0)),
}


def vanishing(rank: int, *, bias: bool) -> ConvTranspose:
    """Padded by as much as there is: before the output padding nothing is left."""
    ones, size = (1,) * rank, SIZES[rank]
    return ConvTranspose(6, ones, ones, size, tuple(2 * n for n in size), tuple(2 * n + 1 for n in size), 1, bias)


def cases() -> dict[str, tuple[Op, int, Oracle]]:
    """Operations of one input, with the rank of the input and PyTorch's reading of them."""
    found: dict[str, tuple[Op, int, Oracle]] = {}

    def add(name: str, rank: int, op: Op, oracle: Oracle) -> None:
        found[f"{name}-{rank}d"] = (op, rank, oracle)

    for rank in (1, 2, 3):
        axes = range(rank)
        ones = (1,) * rank
        convs = {
            "conv": Conv(5, (3,) * rank, ones, ((1, 1),) * rank, ones, 1, True),
            "conv_rectangular": Conv(
                4,
                tuple(1 + i for i in axes),
                tuple(1 + i for i in axes),
                tuple((i, 1) for i in axes),
                (2,) * rank,
                2,
                False,
            ),
            "depthwise": Conv(12, (3,) * rank, (2,) * rank, ((1, 1),) * rank, ones, 6, True),
        }
        for name, conv in convs.items():
            add(name, rank, conv, conv_oracle(conv, rank))
        upconvs = {
            "upconv": ConvTranspose(4, (2,) * rank, (2,) * rank, (0,) * rank, (0,) * rank, ones, 1, True),
            "upconv_padded": ConvTranspose(
                4, (3,) * rank, (2,) * rank, (1,) * rank, tuple(i % 2 for i in range(1, rank + 1)), ones, 2, False
            ),
            "upconv_dilated": ConvTranspose(
                6, (3,) * rank, (3,) * rank, (1,) * rank, (2,) * rank, (2,) * rank, 3, True
            ),
            "upconv_output_padding_of_dilation": ConvTranspose(
                6, (3,) * rank, ones, (1,) * rank, ones, (2,) * rank, 1, True
            ),
            "upconv_that_vanishes": vanishing(rank, bias=False),
            "upconv_that_vanishes_biased": vanishing(rank, bias=True),
        }
        for name, upconv in upconvs.items():
            add(name, rank, upconv, upconv_oracle(upconv, rank))
        add("global_avg", rank, GlobalAvgPool(), lambda w, x, r=rank: ADAPTIVE_AVG[r](x, 1))
        add("global_max", rank, GlobalMaxPool(), lambda w, x, r=rank: ADAPTIVE_MAX[r](x, 1))
        for size in {(1,) * rank, SIZES[rank], (2,) * rank, (3,) * rank, (1, 2, 3)[:rank], (9, 4, 1)[:rank]}:
            text = "x".join(map(str, size))
            add(f"adaptive_avg_{text}", rank, AdaptiveAvgPool(size), lambda w, x, r=rank, s=size: ADAPTIVE_AVG[r](x, s))
            add(f"adaptive_max_{text}", rank, AdaptiveMaxPool(size), lambda w, x, r=rank, s=size: ADAPTIVE_MAX[r](x, s))
        add(
            "lrn",
            rank,
            LocalResponseNorm(5, 1e-2, 0.75, 2.0),
            lambda w, x: F.local_response_norm(x, 5, 1e-2, 0.75, 2.0),
        )
        add(
            "lrn_even",
            rank,
            LocalResponseNorm(4, 0.5, 0.6, 1.0),
            lambda w, x: F.local_response_norm(x, 4, 0.5, 0.6, 1.0),
        )
        add(
            "instance",
            rank,
            InstanceNorm(1e-4, True),
            lambda w, x: F.instance_norm(x, None, None, w["weight"], w["bias"], eps=1e-4),
        )
        add("instance_plain", rank, InstanceNorm(1e-5, False), lambda w, x: F.instance_norm(x))
        scale = tuple(2 + i for i in axes)
        add(
            "up_nearest",
            rank,
            Upsample(scale, "nearest"),
            lambda w, x, s=scale: F.interpolate(x, scale_factor=tuple(map(float, s))),
        )
        add(
            "up_linear",
            rank,
            Upsample(scale, "linear"),
            lambda w, x, s=scale, r=rank: F.interpolate(x, scale_factor=tuple(map(float, s)), mode=LINEAR_MODE[r]),
        )
        pads = tuple((1 + i, 2) for i in axes)
        for mode in ("constant", "reflect", "replicate"):
            value = 0.5 if mode == "constant" else 0.0
            add(
                f"pad_{mode}",
                rank,
                Pad(pads, mode, value),
                lambda w, x, m=mode, v=value, p=pads: F.pad(x, torch_pads(p), m, v),
            )
        crops = tuple((1, i) for i in axes)
        add("crop", rank, Crop(crops), lambda w, x, c=crops: F.pad(x, [-n for n in torch_pads(c)]))
    for rank in (0, 1, 2, 3):
        for name, (op, function) in ACTIVATIONS.items():
            if rank in (0, 2):
                add(name, rank, op, lambda w, x, f=function: f(x))
        add("batch", rank, BatchNorm(1e-3, 0.1, True), batch_norm)
        add("batch_plain", rank, BatchNorm(1e-3, 0.1, False), batch_norm)
        add("layer", rank, LayerNorm(1e-6, True), channel_norm)
        add("layer_plain", rank, LayerNorm(1e-6, False), channel_norm)
        add("group", rank, GroupNorm(3, 1e-4, True), lambda w, x: F.group_norm(x, 3, w["weight"], w["bias"], 1e-4))
        add("group_plain", rank, GroupNorm(2, 1e-5, False), lambda w, x: F.group_norm(x, 2))
        add("prelu", rank, PRelu(False, 0.25), lambda w, x: F.prelu(x, w["weight"]))
        add("prelu_each", rank, PRelu(True, 0.1), lambda w, x: F.prelu(x, w["weight"]))
        add("maxout2", rank, Maxout(2), lambda w, x: x.unflatten(1, (-1, 2)).amax(2))
        add("maxout3", rank, Maxout(3), lambda w, x: x.unflatten(1, (-1, 3)).amax(2))
        add("softmax", rank, Softmax(), lambda w, x: F.softmax(x, 1))
        add("slice", rank, Slice(1, 5), lambda w, x: x[:, 1:5])
        add("shuffle", rank, Shuffle(3), lambda w, x: shuffled(x, 3))
        add("scale", rank, Scale(0.1), lambda w, x: x * stretched(w["weight"], x))
        add("scale_constant", rank, Scale(0.17, False), lambda w, x: x * 0.17)
        add("flatten", rank, Flatten(), lambda w, x: x.flatten(1))
        add("dropout", rank, Dropout(0.5), lambda w, x: x)
        add("drop_path", rank, DropPath(0.5), lambda w, x: x)
    add("linear", 0, Linear(4, True), lambda w, x: F.linear(x, w["weight"], w["bias"]))
    add("linear_plain", 0, Linear(4, False), lambda w, x: F.linear(x, w["weight"]))
    return found


CASES = cases()


def random_arrays(graph: Graph, seed: int = 0) -> Arrays:
    """Weights and statistics that leave nothing at a value which would hide a mistake."""
    source = np.random.default_rng(seed)
    arrays: Arrays = {}
    for _, node, weight in weights.tensors(graph):
        drawn = source.normal(0, 1 / max(weight.fan_in, 1) ** 0.5, weight.shape)
        if weight.role == "variance":
            drawn = source.uniform(0.5, 2, weight.shape)
        arrays[f"{node.name}.{weight.name}"] = drawn.astype(np.int64 if weight.role == "counter" else np.float32)
    return arrays


def one(op: Op, shape: Shape) -> Graph:
    """The graph of one operation."""
    output = op.infer((shape,))
    assert not isinstance(output, Problem), output
    return Graph("One", (Node("input", Input(), (), shape), Node("layer", op, (0,), output)), 1)


def below(arrays: Arrays, name: str) -> dict[str, Tensor]:
    """The tensors of one node by their last name."""
    start = f"{name}."
    return {key[len(start) :]: torch.from_numpy(array) for key, array in arrays.items() if key.startswith(start)}


def session(model: onnx.ModelProto | Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def normal(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def assert_close(found: np.ndarray, expected: Tensor) -> None:
    wanted = expected.numpy()
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def checked(graph: Graph, arrays: Arrays | None, opset: int = 18) -> onnx.ModelProto:
    """The model, after ONNX's checker; its strict inference, from the nodes alone, must find our shapes."""
    model = to_onnx(graph, arrays, opset=opset)
    onnx.checker.check_model(model, full_check=True)
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]
    for dimension in bare.graph.output[0].type.tensor_type.shape.dim[1:]:
        dimension.Clear()
    inferred = onnx.shape_inference.infer_shapes(bare, check_type=True, strict_mode=True, data_prop=True)
    theirs = {value.name: value for value in [*inferred.graph.value_info, *inferred.graph.output]}
    for value in [*model.graph.value_info, *model.graph.output]:
        ours = [d.dim_value for d in value.type.tensor_type.shape.dim]
        found = [d.dim_value for d in theirs[value.name].type.tensor_type.shape.dim]
        assert found == [n if m else 0 for n, m in zip(ours, found, strict=True)] or found == ours, value.name
        if graph.nodes[0].shape.fixed:
            assert found == ours, value.name
    return model


@pytest.mark.parametrize("name", CASES)
def test_operation_is_pytorchs(name: str) -> None:
    op, rank, oracle = CASES[name]
    graph = one(op, Shape(CHANNELS, SIZES[rank]))
    arrays = random_arrays(graph)
    runner = session(checked(graph, arrays))
    for batch in (1, 3):
        x = normal(batch, CHANNELS, *SIZES[rank]) * 3
        expected = oracle(below(arrays, "layer"), torch.from_numpy(x))
        assert tuple(expected.shape[1:]) == graph.nodes[1].shape.dimensions
        assert_close(runner.run(None, {"input": x})[0], expected)


def symbolic(rank: int) -> Shape:
    return Shape(CHANNELS, tuple(Symbolic(name) for name in ("", "L", "HW", "DHW")[rank]))


FIXED_ONLY = ("adaptive", "linear-", "linear_plain")


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[1] and not name.startswith(FIXED_ONLY)])
def test_operation_takes_any_size_where_the_input_is_symbolic(name: str) -> None:
    op, rank, oracle = CASES[name]
    graph = one(op, symbolic(rank))
    arrays = random_arrays(graph)
    runner = session(checked(graph, arrays))
    for sizes in (SIZES[rank], (9, 12, 7)[:rank], (6, 5, 8)[:rank]):
        x = normal(2, CHANNELS, *sizes)
        expected = oracle(below(arrays, "layer"), torch.from_numpy(x))
        shape = graph.nodes[1].shape.evaluate(dict(zip(("", "L", "HW", "DHW")[rank], sizes, strict=True)))
        assert tuple(expected.shape[1:]) == shape.dimensions
        assert_close(runner.run(None, {"input": x})[0], expected)


OPSET_CASES = [
    *(f"{name}-2d" for name in ACTIVATIONS),
    *("conv-2d", "upconv_padded-2d", "linear-0d", "flatten-2d", "batch-2d", "layer-2d", "layer-0d", "instance-2d"),
    *("group-2d", "group_plain-0d", "lrn-2d", "lrn_even-1d", "prelu_each-2d", "maxout2-2d", "softmax-2d"),
    *("global_avg-2d", "global_max-2d", "adaptive_avg_1x2-2d", "adaptive_max_1x2-2d", "adaptive_max_3x3-2d"),
    *("up_nearest-2d", "up_linear-2d", "pad_constant-2d", "pad_reflect-2d", "pad_replicate-1d", "crop-2d"),
    *("slice-2d", "shuffle-2d", "scale-2d"),
]


@pytest.mark.parametrize("opset", IR_VERSIONS)
def test_every_opset(opset: int) -> None:
    for name in OPSET_CASES:
        op, rank, oracle = CASES[name]
        graph = one(op, Shape(CHANNELS, SIZES[rank]))
        arrays = random_arrays(graph)
        x = normal(2, CHANNELS, *SIZES[rank])
        model = checked(graph, arrays, opset)
        assert (model.opset_import[0].version, model.ir_version) == (opset, IR_VERSIONS[opset])
        assert_close(session(model).run(None, {"input": x})[0], oracle(below(arrays, "layer"), torch.from_numpy(x)))


def pools(rank: int) -> st.SearchStrategy[MaxPool | AvgPool]:
    """Pools with every argument free within PyTorch's limits."""
    axes = lambda numbers: st.tuples(*[numbers] * rank)  # noqa: E731
    kernels, strides = axes(st.integers(1, 4)), axes(st.integers(1, 5))
    pads = axes(st.integers(0, 3))
    maximum = st.builds(
        lambda k, s, p, d, ceil: MaxPool(k, s, tuple((n, n) for n in p), d, ceil),
        kernels, strides, pads, axes(st.integers(1, 3)), st.booleans(),
    )  # fmt: skip
    average = st.builds(AvgPool, kernels, strides, pads, st.booleans(), st.booleans())
    return st.one_of(maximum, average)


def pool_oracle(op: MaxPool | AvgPool, x: Tensor) -> Tensor:
    rank = len(op.kernel)
    if isinstance(op, MaxPool):
        return MAXPOOL[rank](x, op.kernel, op.stride, tuple(p for p, _ in op.pad), op.dilation, op.ceil)
    return AVGPOOL[rank](x, op.kernel, op.stride, op.pad, op.ceil, op.count_include_pad)


@given(st.data(), st.integers(1, 3), st.sampled_from([17, 18, 19, 22, 26]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_pools_have_pytorchs_windows(data: st.DataObject, rank: int, opset: int, unknown: bool) -> None:
    op = data.draw(pools(rank))
    sizes = data.draw(st.tuples(*[st.integers(1, 10)] * rank))
    fixed = Shape(CHANNELS, sizes)
    assume(not isinstance(op.infer((fixed,)), Problem))
    graph = one(op, symbolic(rank) if unknown else fixed)
    x = normal(1, CHANNELS, *sizes)
    found = session(checked(graph, {}, opset)).run(None, {"input": x})[0]
    # a dilated window may step over every value: the maximum of nothing is -inf, or ONNX Runtime's lowest number
    lowest = torch.finfo(torch.float32).min
    assert_close(found.clip(min=lowest), pool_oracle(op, torch.from_numpy(x)).clamp(min=lowest))


@pytest.mark.parametrize("pads", [((1, 0), (0, 1)), ((0, 2), (2, 0))])
@pytest.mark.parametrize("ceil", [False, True])
def test_max_pool_padded_unevenly(pads: tuple[tuple[int, int], ...], ceil: bool) -> None:
    op = MaxPool((4, 4), (3, 2), pads, (1, 1), ceil)
    graph = one(op, Shape(CHANNELS, (9, 10)))
    x = normal(2, CHANNELS, 9, 10)
    padded = F.pad(torch.from_numpy(x), torch_pads(pads), value=-torch.inf)
    expected = F.max_pool2d(padded, 4, (3, 2), ceil_mode=ceil)
    height, width = graph.nodes[1].shape.sizes()[1:]
    found = session(checked(graph, {})).run(None, {"input": x})[0]
    assert_close(found, expected[:, :, :height, :width])


COMBINE: dict[str, tuple[Op, int, Callable[..., Tensor]]] = {
    "add": (Add(), 2, lambda a, b: a + b),
    "add3": (Add(), 3, lambda a, b, c: a + b + c),
    "mul": (Mul(), 2, lambda a, b: a * b),
    "mul3": (Mul(), 3, lambda a, b, c: a * b * c),
    "mean": (Mean(), 2, lambda a, b: (a + b) / 2),
    "mean3": (Mean(), 3, lambda a, b, c: (a + b + c) / 3),
    "max": (Max(), 2, torch.maximum),
    "max3": (Max(), 3, lambda a, b, c: torch.maximum(torch.maximum(a, b), c)),
    "concat": (Concat(), 2, lambda a, b: torch.cat((a, b), 1)),
    "concat3": (Concat(), 3, lambda a, b, c: torch.cat((a, b, c), 1)),
}


@pytest.mark.parametrize("opset", [17, 18, 26])
@pytest.mark.parametrize("rank", [0, 1, 2, 3])
@pytest.mark.parametrize("name", COMBINE)
def test_branches_meet(name: str, rank: int, opset: int) -> None:
    op, count, oracle = COMBINE[name]
    build = Builder(CHANNELS, *SIZES[rank])
    branches = [build.add(f, Activation(f), 0) for f in ("tanh", "sigmoid", "relu")[:count]]  # type: ignore[arg-type]
    build.add("meet", op, *branches)
    x = normal(2, CHANNELS, *SIZES[rank])
    tensor = torch.from_numpy(x)
    expected = oracle(*(tensor.tanh(), tensor.sigmoid(), tensor.relu())[:count])
    assert_close(session(checked(build.graph(), {}, opset)).run(None, {"input": x})[0], expected)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_a_vector_multiplies_a_map(flat: bool, first: bool) -> None:
    build = Builder(CHANNELS, 5, 4)
    gate = build.add("pool", GlobalAvgPool())
    if flat:
        gate = build.add("flat", Flatten())
    build.add("gated", Mul(), *((gate, 0) if first else (0, gate)))
    x = normal(2, CHANNELS, 5, 4)
    expected = torch.from_numpy(x) * torch.from_numpy(x).mean((2, 3), keepdim=True)
    assert_close(session(checked(build.graph(), {})).run(None, {"input": x})[0], expected)


def test_every_operation_has_a_row() -> None:
    assert {*ROWS, *TRAINING_ONLY, Input} == set(OPS.values() if isinstance(OPS, dict) else OPS)


@pytest.mark.parametrize("graph", [resnet((1, 1), 4, 32, 5), with_heads(), with_references()], ids=lambda g: g.name)
def test_networks_run_as_in_pytorch(graph: Graph) -> None:
    from cnndsl.lower.torch import load_arrays, to_module

    arrays = random_arrays(graph)
    module = to_module(graph)
    load_arrays(module, arrays)
    runner = session(checked(graph, arrays))
    for batch in (1, 4):
        x = normal(batch, *graph.nodes[0].shape.sizes())
        with torch.no_grad():
            expected = module.eval()(torch.from_numpy(x))
        assert_close(runner.run(None, {"input": x})[0], expected)


def test_names_are_the_specs_and_side_outputs_are_left_out() -> None:
    graph = with_heads()
    model = to_onnx(graph, weights.init(graph))
    kept = [node.name for i, node in enumerate(graph.nodes) if i in graph.live and i]
    assert [node.name for node in model.graph.node] == kept
    assert [node.output[0] for node in model.graph.node] == [*kept[:-1], "output"]
    assert not any(tensor.name.startswith("aux1.") for tensor in model.graph.initializer)
    assert {tensor.name for tensor in model.graph.initializer} < set(weights.init(graph))


def test_metadata_and_versions() -> None:
    graph = resnet((1,), 4, 32, 5).replace(classes=5)
    model = to_onnx(graph, weights.init(graph))
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert (facts["name"], facts["hash"], facts["classes"]) == ("ResNet50", graph.hash(), "5")
    assert (model.producer_name, facts["version"]) == ("cnndsl", model.producer_version)
    assert (model.opset_import[0].version, model.ir_version) == (18, 10)
    found = session(model).get_modelmeta().custom_metadata_map
    assert found == facts


def test_symbolic_sizes_are_named() -> None:
    build = Builder(3)
    build.nodes[0] = Node("input", Input(), (), symbolic(2))
    build.chain(conv=Conv(4, (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 1, True), relu=Activation("relu"))
    graph = build.graph()
    model = checked(graph, random_arrays(graph))
    dimensions = model.graph.output[0].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in dimensions] == ["N", 4, *map(str, graph.nodes[-1].shape.spatial)]
    assert [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == ["N", 6, "H", "W"]


@pytest.mark.parametrize("ops", [{}, {"drop": Dropout(0.5)}])
def test_a_network_that_does_nothing(ops: dict[str, Op]) -> None:
    build = Builder(3, 4)
    build.chain(**ops)
    x = normal(2, 3, 4)
    assert_close(session(checked(build.graph(), {})).run(None, {"input": x})[0], torch.from_numpy(x))


def test_nodes_named_like_the_ends() -> None:
    build = Builder(3, 4)
    build.nodes[0] = build.nodes[0].replace(name="image")
    build.chain(output=Activation("relu"), input=Activation("tanh"), last=Dropout(0.5))
    x = normal(2, 3, 4)
    model = checked(build.graph(), {})
    assert_close(session(model).run(None, {"input": x})[0], torch.from_numpy(x).relu().tanh())


def test_without_weights_they_are_inputs() -> None:
    graph = resnet((1,), 4, 32, 5)
    model = checked(graph, None)
    arrays = random_arrays(graph)
    names = [value.name for value in model.graph.input]
    assert names[0] == "input"
    assert not [tensor for tensor in model.graph.initializer if tensor.name in arrays]
    x = normal(2, 3, 32, 32)
    whole = session(to_onnx(graph, arrays)).run(None, {"input": x})[0]
    fed = session(model).run(None, {"input": x, **{name: arrays[name] for name in names[1:]}})[0]
    np.testing.assert_allclose(fed, whole, rtol=1e-5, atol=1e-6)


def test_the_file_holds_the_same_model(tmp_path: Path) -> None:
    graph = resnet((1,), 4, 32, 5)
    arrays = random_arrays(graph)
    assert write_onnx(tmp_path / "net.onnx", graph, arrays) == (tmp_path / "net.onnx",)
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]
    assert onnx.load(tmp_path / "net.onnx") == to_onnx(graph, arrays)


def test_weights_beside_the_model(tmp_path: Path) -> None:
    graph = resnet((1,), 16, 32, 5)
    arrays = random_arrays(graph)
    files = write_onnx(tmp_path / "net.onnx", graph, arrays, external_threshold=1000)
    assert [path.name for path in files] == ["net.onnx", "net.onnx.data"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.onnx", "net.onnx.data"]
    assert files[0].stat().st_size < files[1].stat().st_size
    onnx.checker.check_model(files[0], full_check=True)
    assert onnx.load(files[0]).graph.node == to_onnx(graph, arrays).graph.node
    x = normal(2, 3, 32, 32)
    whole = session(to_onnx(graph, arrays)).run(None, {"input": x})[0]
    np.testing.assert_array_equal(session(files[0]).run(None, {"input": x})[0], whole)


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    graph = resnet((1,), 4, 32, 5)
    (tmp_path / "net.onnx").write_bytes(b"before")
    (tmp_path / "net.onnx.data").mkdir()
    with pytest.raises(IsADirectoryError):
        write_onnx(tmp_path / "net.onnx", graph, random_arrays(graph), external_threshold=0)
    assert (tmp_path / "net.onnx").read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.onnx", "net.onnx.data"]


def test_what_cannot_be_written_is_said() -> None:
    graph = one(AdaptiveAvgPool((3, 3)), symbolic(2))
    with pytest.raises(LoweringError, match="layer cannot be written as ONNX: an adaptive pool to 3 needs"):
        to_onnx(graph, {})
    plain = one(Linear(4, True), Shape(3))
    arrays = random_arrays(plain)
    with pytest.raises(LoweringError, match=r"opset 16 is not one of 17\.\.26"):
        to_onnx(plain, arrays, opset=16)
    with pytest.raises(LoweringError, match=r"no array layer\.bias"):
        to_onnx(plain, {"layer.weight": arrays["layer.weight"]})
    with pytest.raises(LoweringError, match=r"layer\.bias is 5, not 4"):
        to_onnx(plain, {**arrays, "layer.bias": np.zeros(5, np.float32)})
