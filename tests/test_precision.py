"""FP16: what is written agrees with PyTorch in FP32, the types are those that ONNX infers, and what does not fit is named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from compiling import batch, graph_of, module_of, near, random_arrays, unshrunk
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Builder, conv, resnet
from networks_strategy import specs
from notation import Spec
from onnx.reference import ReferenceEvaluator
from rounding import half, rounded
from test_onnx import CASES, CHANNELS, IR_VERSIONS, OPSET_CASES, SIZES, below, normal, one, session, symbolic
from test_random_valid import watch_norms
from test_verify import sizeless

import cnndsl
from cnndsl import weights
from cnndsl.cli import main
from cnndsl.divergence import Nodes, torch_values
from cnndsl.ir import Graph
from cnndsl.lower.onnx import FP32, Format, precision, to_onnx, unfit, write_onnx
from cnndsl.lower.onnx.half import SMALLEST, Half
from cnndsl.lower.onnx.precision import LARGE_WINDOW, NEEDS, Need, precisions
from cnndsl.lower.onnx.rows import ROWS, TRAINING_ONLY
from cnndsl.lower.torch import to_module
from cnndsl.ops.activation import Activation, Softmax
from cnndsl.ops.base import Op
from cnndsl.ops.combine import Add, Mean
from cnndsl.ops.linear import Flatten, Linear
from cnndsl.ops.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm
from cnndsl.ops.pool import AdaptiveAvgPool, AvgPool, GlobalAvgPool
from cnndsl.ops.reshape import Scale
from cnndsl.shape import Shape
from cnndsl.verify import TOLERANCES, verify

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")

Arrays = dict[str, np.ndarray]
HALF, MIXED = Format("fp16", "fp16"), Format("fp16", "fp32")
FLOAT, FLOAT16 = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
TOLERANCE = 1e-2
"""Of FP16, which has eleven bits, through a network; relative to the largest value."""


def checked(graph: Graph, arrays: Arrays | None, form: Format, opset: int = 18) -> onnx.ModelProto:
    """The model, after ONNX's checker; its strict inference, from the nodes alone, must find our types."""
    model = to_onnx(graph, arrays, form=form, opset=opset)
    onnx.checker.check_model(model, full_check=True)
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]
    inferred = onnx.shape_inference.infer_shapes(bare, check_type=True, strict_mode=True, data_prop=True).graph
    found = {value.name: value.type.tensor_type.elem_type for value in inferred.value_info}
    for value in model.graph.value_info:
        assert found[value.name] == value.type.tensor_type.elem_type, value.name
    ends = FLOAT16 if form.io_type == "fp16" else FLOAT
    assert [value.type.tensor_type.elem_type for value in (model.graph.input[0], *model.graph.output)] == [ends] * 2
    return model


def within(found: np.ndarray, expected: torch.Tensor, lost: float = 0.0) -> bool:
    """To a hundredth of the largest value, and a few times what rounding everything to FP16 loses in PyTorch."""
    if found.shape != expected.shape:
        return False
    if not torch.isfinite(expected).all() or not np.isfinite(lost):
        return True
    apart = float((torch.from_numpy(found.astype(np.float64)) - expected.double()).abs().max())
    return apart <= TOLERANCE * max(1e-2, float(expected.abs().max())) + 8 * lost


# -- networks


@unshrunk
@given(specs(), st.sampled_from([18, 17, 20, 21, 22, 26]), st.sampled_from([HALF, MIXED]))
def test_random_networks_agree_with_pytorch(spec: Spec, opset: int, form: Format) -> None:
    """As ONNX Runtime runs the file, and with every value rounded."""
    graph = graph_of(spec)
    arrays = random_arrays(graph)
    model = checked(graph, arrays, form, opset)
    module = module_of(graph, arrays).double().eval()
    alike = watch_norms(module)
    type_ = np.float16 if form.io_type == "fp16" else np.float32
    for size in (1, 3):
        x = batch(spec, size).numpy().astype(type_)
        with torch.no_grad():
            expected = module(torch.from_numpy(x.astype(np.float64)))
        lost = (
            float((rounded(graph, module, torch.from_numpy(x), half, half) - expected).abs().max())
            if expected.numel()
            else 0.0
        )
        (found,) = session(model).run(None, {"input": x})
        assert found.dtype == type_
        nodes = Nodes(model.SerializeToString(), rounded=True)
        for output in (found, nodes.run(x)[nodes.last]):
            assert any(alike) or within(output, expected, lost), (output, expected)


@pytest.mark.parametrize("opset", range(17, 27))
@pytest.mark.parametrize(
    "function", ["SOFTPLUS", "SOFTPLUS(0.5)", "MISH", "SILU", "GELU", "ELU", "SELU", "SIGMOID", "HSWISH"]
)
def test_activations_of_large_values(function: str, opset: int) -> None:
    """What ONNX Runtime has no FP16 kernel for it computes by the operator's definition, which may overflow on the way."""
    graph = cnndsl.load(function, input="1x1x64").graph
    x = np.linspace(-500, 500, 64, dtype=np.float16).reshape(1, 1, 1, 64)
    with torch.no_grad():
        expected = to_module(graph).eval()(torch.from_numpy(x.astype(np.float32)))
    (found,) = session(to_onnx(graph, {}, form=HALF, opset=opset)).run(None, {"input": x})
    assert within(found, expected)


@unshrunk
@given(specs(), st.sampled_from([HALF, MIXED]))
def test_casts_are_few(spec: Spec, form: Format) -> None:
    """No more than if every operation without a wish of its own had FP16, none in a row, and none twice."""
    graph = graph_of(spec)
    found = precisions(graph, form)
    for index in graph.live - {0}:
        op, shapes = graph.nodes[index].op, graph.inputs(graph.nodes[index])
        asked = NEEDS.get(type(op), Need.EITHER)
        asked = asked if isinstance(asked, Need) else asked(op, shapes[0])
        assert asked is Need.EITHER or found[index] == ("fp32" if asked is Need.SINGLE else "fp16")
    model = to_onnx(graph, random_arrays(graph), form=form)
    makers = {node.output[0]: node.op_type for node in model.graph.node}
    casts = [node for node in model.graph.node if node.op_type == "Cast"]
    assert all(makers.get(node.input[0]) != "Cast" for node in casts)
    assert len({node.input[0] for node in casts}) == len(casts)


CHAINS: dict[str, tuple[dict[str, Op], Format, int]] = {
    "between convolutions": ({"a": conv(4), "b": Activation("relu"), "c": conv(4)}, HALF, 0),
    "ends": ({"a": conv(4), "b": Activation("relu")}, MIXED, 2),
    "softmax last": ({"a": conv(4), "b": Softmax()}, MIXED, 2),
    "norms alone": ({"a": InstanceNorm(1e-5, True), "b": Activation("relu"), "c": LayerNorm(1e-6, True)}, MIXED, 0),
    "an island": ({"a": conv(4), "b": InstanceNorm(1e-5, True), "c": Activation("relu"), "d": conv(4)}, HALF, 2),
    "joined islands": (
        {
            "a": conv(4),
            "b": InstanceNorm(1e-5, True),
            "c": Activation("relu"),
            "d": LayerNorm(1e-6, True),
            "e": conv(4),
        },
        HALF,
        2,
    ),
    "nothing in FP16": ({"a": Activation("relu"), "b": Activation("tanh")}, MIXED, 0),
}


@pytest.mark.parametrize("name", CHAINS)
def test_neighbours_share_an_island(name: str) -> None:
    ops, form, casts = CHAINS[name]
    build = Builder(4, 8, 8)
    build.chain(**ops)
    graph = build.graph()
    model = checked(graph, random_arrays(graph), form)
    assert [node.op_type for node in model.graph.node].count("Cast") == casts


def test_a_sum_of_islands_saves_a_cast() -> None:
    build = Builder(4, 8, 8)
    start = build.add("first", conv(4))
    left, right = (build.add(name, InstanceNorm(1e-5, True), start) for name in ("left", "right"))
    build.add("sum", Add(), left, right)
    build.chain(last=conv(4))
    graph = build.graph()
    assert precisions(graph, HALF)[4] == "fp32"
    names = [node.name for node in checked(graph, random_arrays(graph), HALF).graph.node]
    assert names == ["first", "first/fp32", "left", "right", "sum", "sum/fp16", "last"]


@pytest.mark.parametrize("member", ["lenet5", "digits", "m3", "resnet20", "shufflenet_v2_x0_5"])
def test_architectures_agree(member: str) -> None:
    graph = cnndsl.load(f"zoo:{member}").graph
    arrays = weights.init(graph)
    whole, half = (to_onnx(graph, arrays, form=form).ByteSize() for form in (FP32, MIXED))
    assert 0.45 < half / whole < 0.65
    result = verify(graph, checked(graph, arrays, MIXED).SerializeToString(), arrays, batches=(2,))
    assert result.agrees, result
    assert result.tolerance == TOLERANCES["fp16"]
    assert result.top1 is not None
    assert result.top1[1] == 2
    assert "the same class first for " in str(result)


def test_open_sizes() -> None:
    graph = sizeless()
    arrays = weights.init(graph)
    assert precisions(graph, MIXED)[[node.name for node in graph.nodes].index("gap")] == "fp32"
    result = verify(graph, checked(graph, arrays, MIXED).SerializeToString(), arrays)
    assert result.agrees, result
    assert len(result.runs) == 6


# -- operations


def test_every_operation_asks_for_a_precision() -> None:
    assert NEEDS.keys() == ROWS.keys()
    assert not NEEDS.keys() & TRAINING_ONLY


@pytest.mark.parametrize("name", CASES)
def test_operation_is_pytorchs(name: str) -> None:
    op, rank, oracle = CASES[name]
    graph = one(op, Shape(CHANNELS, SIZES[rank]))
    arrays = random_arrays(graph)
    x = normal(2, CHANNELS, *SIZES[rank]).astype(np.float16)
    nodes = Nodes(checked(graph, arrays, HALF).SerializeToString(), rounded=True)
    expected = oracle(below(arrays, "layer"), torch.from_numpy(x.astype(np.float32)))
    assert within(nodes.run(x)[nodes.last], expected)


@pytest.mark.parametrize("opset", IR_VERSIONS)
def test_every_opset(opset: int) -> None:
    for name in OPSET_CASES:
        op, rank, oracle = CASES[name]
        for shape in (Shape(CHANNELS, SIZES[rank]), symbolic(rank)):
            if rank and not shape.fixed and name.startswith("adaptive"):
                continue
            graph = one(op, shape)
            arrays = random_arrays(graph)
            x = normal(2, CHANNELS, *SIZES[rank]).astype(np.float16)
            model = checked(graph, arrays, HALF, opset)
            assert (model.opset_import[0].version, model.ir_version) == (opset, IR_VERSIONS[opset])
            expected = oracle(below(arrays, "layer"), torch.from_numpy(x.astype(np.float32)))
            assert within(session(model).run(None, {"input": x})[0], expected), name


def test_an_average_over_many_is_in_fp32() -> None:
    for op, size, asked in (
        (GlobalAvgPool(), 8, Need.EITHER),
        (GlobalAvgPool(), 9, Need.SINGLE),
        (AvgPool((9, 9), (1, 1), (0, 0), False, False), 9, Need.SINGLE),
        (AdaptiveAvgPool((2, 2)), 16, Need.EITHER),
        (AdaptiveAvgPool((2, 2)), 17, Need.SINGLE),
    ):
        assert NEEDS[type(op)](op, Shape(4, (size, size))) is asked  # type: ignore[operator]
    assert LARGE_WINDOW == 64


# -- range


LARGE: dict[str, tuple[Op, float]] = {
    "lrn": (LocalResponseNorm(5, 1e-4, 0.75, 1.0), 2000.0),
    "lrn of an even number": (LocalResponseNorm(4, 1e-4, 0.75, 1.0), 2000.0),
    "global pool": (GlobalAvgPool(), 500.0),
    "layer norm": (LayerNorm(1e-6, True), 3000.0),
    "group norm": (GroupNorm(2, 1e-5, True), 3000.0),
    "instance norm": (InstanceNorm(1e-5, True), 3000.0),
    "batch norm": (BatchNorm(1e-5, 0.1, True), 3000.0),
    "softmax": (Softmax(), 3000.0),
    "mean": (Mean(), 60000.0),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_values_are_right(name: str) -> None:
    """Where FP16 alone would leave its range, as the values themselves do not; in ONNX Runtime and in ONNX's own code."""
    op, size = LARGE[name]
    build = Builder(CHANNELS, 32, 32)
    build.add("layer", op, *((0, 0) if isinstance(op, Mean) else ()))
    graph = build.graph()
    arrays = random_arrays(graph)
    x = (np.abs(normal(2, CHANNELS, 32, 32)).clip(0.5, 1) * size).astype(np.float16)
    model = checked(graph, arrays, HALF)
    with torch.no_grad():
        expected = module_of(graph, arrays).eval()(torch.from_numpy(x.astype(np.float32)))
    nodes = Nodes(model.SerializeToString(), rounded=True)
    assert within(nodes.run(x)[nodes.last], expected)
    if not isinstance(op, LocalResponseNorm | LayerNorm | GroupNorm):  # some of which ONNX's own code has not in FP16
        assert within(ReferenceEvaluator(model).run(None, {"input": x})[0], expected)


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
@pytest.mark.parametrize("name", ["lrn of an even number", "mean"])
def test_without_islands_they_are_not(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "NEEDS", dict.fromkeys(NEEDS, Need.HALF))
    op, size = LARGE[name]
    build = Builder(CHANNELS, 8, 8)
    build.add("layer", op, *((0, 0) if isinstance(op, Mean) else ()))
    graph = build.graph()
    x = np.full((1, CHANNELS, 8, 8), size, np.float16)
    found = ReferenceEvaluator(to_onnx(graph, {}, form=HALF)).run(None, {"input": x})[0]
    expected = module_of(graph, {})(torch.from_numpy(x.astype(np.float32)))
    assert not near(torch.from_numpy(found), expected, TOLERANCE)


def overflowing(factor: float) -> tuple[Graph, Arrays]:
    """A network whose first convolution gives `factor` times more than it should, which the second takes back."""
    build = Builder(3, 8, 8)
    build.chain(conv1=conv(8), relu1=Activation("relu"), conv2=conv(8), relu2=Activation("relu"), gap=GlobalAvgPool())
    build.chain(flat=Flatten(), fc=Linear(5, True))
    graph = build.graph()
    arrays = weights.init(graph)
    return graph, {
        **arrays,
        "conv1.weight": arrays["conv1.weight"] * factor,
        "conv2.weight": arrays["conv2.weight"] / factor,
    }


def test_values_that_leave_the_range_are_found() -> None:
    """ONNX Runtime's CPU provider would not see it: it computes in FP32."""
    graph, arrays = overflowing(30000)
    model = to_onnx(graph, arrays, form=MIXED).SerializeToString()
    x = normal(1, 3, 8, 8)
    assert np.isfinite(session(onnx.load_model_from_string(model)).run(None, {"input": x})[0]).all()
    result = verify(graph, model, arrays)
    assert not result.agrees
    assert result.divergence is not None
    assert result.divergence.node == "conv1"
    assert result.divergence.reached is not None
    assert result.divergence.reached > 65504
    assert str(result).startswith(
        "conv1 (conv) leaves the range of FP16, which ends at 65504: in FP32 its values reach "
    )
    assert result.json()["first_divergence"]["reached"] == result.divergence.reached
    assert verify(graph, to_onnx(graph, arrays).SerializeToString(), arrays).agrees
    kept = Format("fp16", "fp32", frozenset({"conv1", "relu1", "conv2"}))
    assert verify(graph, checked(graph, arrays, kept).SerializeToString(), arrays).agrees


def test_a_value_that_no_output_shows() -> None:
    build = Builder(3, 8, 8)
    build.chain(conv1=conv(8), gate=Activation("sigmoid"), conv2=conv(2))
    graph = build.graph()
    arrays = weights.init(graph)
    arrays["conv1.weight"] = np.abs(arrays["conv1.weight"]) * 1e5
    arrays["conv1.weight"][1:] = 0
    result = verify(graph, to_onnx(graph, arrays, form=MIXED).SerializeToString(), arrays)
    assert result.divergence is not None
    assert result.divergence.node == "conv1"
    assert all(run.difference.within(result.tolerance) for run in result.runs)
    assert not result.agrees


def test_a_damaged_weight_is_found() -> None:
    graph = resnet((1, 1), 8, 32, 10)
    arrays = weights.init(graph)
    model = to_onnx(graph, arrays, form=MIXED)
    tensor = next(held for held in model.graph.initializer if held.name == "stage1.bottleneck1.conv2.weight")
    tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) + np.float16(1), tensor.name))
    result = verify(graph, model.SerializeToString(), arrays)
    assert result.divergence is not None
    assert result.divergence.node == "stage1.bottleneck1.conv2"
    assert result.divergence.reached is None


# -- weights


def test_weights_out_of_range_are_named_and_kept() -> None:
    graph, arrays = overflowing(1)
    arrays["conv2.weight"] = arrays["conv2.weight"] * 1e-8
    arrays["fc.weight"][2, 3] = -70000
    found = unfit(graph, arrays)
    assert [(loss.tensor, loss.node, loss.overflows) for loss in found] == [
        ("conv2.weight", "conv2", False), ("fc.weight", "fc", True),
    ]  # fmt: skip
    assert str(found[1]) == "fc.weight has numbers up to 70000, and FP16 ends at 65504"
    assert str(found[0]).startswith("conv2.weight has numbers up to ")
    types = {tensor.name: tensor.data_type for tensor in checked(graph, arrays, MIXED).graph.initializer}
    assert [types[f"{name}.weight"] for name in ("conv1", "conv2", "fc")] == [FLOAT16, FLOAT, FLOAT]
    assert not unfit(graph, arrays, kept=("conv2", "fc"))


def test_constants_are_weights_too() -> None:
    build = Builder(3, 8, 8)
    build.chain(conv1=conv(8), scale=Scale(1e-7, False), conv2=conv(8))
    graph = build.graph()
    assert [(loss.tensor, loss.node) for loss in unfit(graph, weights.init(graph))] == [("scale/factor", "scale")]


@settings(deadline=None)
@given(
    st.lists(st.floats(width=32, allow_nan=True) | st.floats(-1, 1, width=32), min_size=1, max_size=40),
    st.sampled_from([1.0, 1e-3, 1e-6]),
)
def test_a_loss_is_what_numpy_rounds(numbers: list[float], factor: float) -> None:
    value = np.array(numbers, np.float32) * np.float32(factor)
    finite = value[np.isfinite(value)].astype(np.float64)
    with np.errstate(over="ignore"):
        half = finite.astype(np.float16).astype(np.float64)
    found = precision_loss(value)
    if (np.abs(finite) > 65504).any():
        assert found == np.inf
        return
    size = np.linalg.norm(finite)
    moved = np.linalg.norm(half - finite) / size if size else 0.0
    assert found == pytest.approx(moved if moved > 0.01 else 0.0, rel=1e-6)


def precision_loss(value: np.ndarray) -> float:
    from cnndsl.lower.onnx.half import loss

    found = loss(value, "tensor", "node")
    return 0.0 if found is None else found.moved


def test_weights_are_converted_as_they_are_drawn(tmp_path: Path) -> None:
    graph = resnet((1,), 16, 32, 5)
    drawn = weights.initial(graph, 3)
    arrays = weights.in_memory(drawn)
    largest = max(drawn.values(), key=lambda value: value.nbytes)
    assert not isinstance(largest, np.ndarray)
    half = Half(largest.shape, largest)
    np.testing.assert_array_equal(half.array(), weights.whole(largest).astype(np.float16))
    assert (half.nbytes, half.dtype) == (largest.nbytes // 2, np.float16)
    files = write_onnx(tmp_path / "net.onnx", graph, drawn, form=MIXED)
    model = to_onnx(graph, arrays, form=MIXED)
    assert onnx.load(files[0]) == model
    for tensor in model.graph.initializer:
        if tensor.data_type == FLOAT16:
            np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor), arrays[tensor.name].astype(np.float16))
    beside = write_onnx(tmp_path / "two.onnx", graph, drawn, form=MIXED, external_threshold=1000)
    onnx.checker.check_model(beside[0], full_check=True)
    x = normal(2, 3, 32, 32)
    whole = session(model).run(None, {"input": x})[0]
    np.testing.assert_array_equal(session(beside[0]).run(None, {"input": x})[0], whole)
    assert verify(graph, beside[0], arrays).agrees


def test_without_weights_the_inputs_have_the_types() -> None:
    graph, arrays = overflowing(1)
    model = checked(graph, None, MIXED)
    fed: dict[str, np.ndarray] = {"input": normal(2, 3, 8, 8)}
    for value in model.graph.input[1:]:
        assert value.type.tensor_type.elem_type == FLOAT16
        fed[value.name] = arrays[value.name].astype(np.float16)
    whole = session(to_onnx(graph, arrays, form=MIXED)).run(None, {"input": fed["input"]})[0]
    np.testing.assert_array_equal(session(model).run(None, fed)[0], whole)


def test_padding_is_nearly_zero_in_fp16_too() -> None:
    graph = cnndsl.load("CONV3-4 - PAD(pad=1) - POOL", input="2x8x8").graph
    arrays = weights.init(graph)
    tensors = {tensor.name: tensor for tensor in checked(graph, arrays, HALF).graph.initializer}
    assert onnx.numpy_helper.to_array(tensors["pad1/value"]) == np.float16(SMALLEST) > 0


# -- images, and the command


def test_images_in() -> None:
    graph = cnndsl.load("zoo:digits").graph
    arrays = weights.init(graph)
    images = np.random.default_rng(0).integers(0, 255, (4, 20, 16, 1), np.uint8)
    outputs = []
    for form in (FP32, MIXED, HALF):
        model = to_onnx(graph, arrays, form=form, with_preprocess=True)
        onnx.checker.check_model(model, full_check=True)
        assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
        outputs.append(session(model).run(None, {"input": images})[0])
    assert [output.dtype for output in outputs] == [np.float32, np.float32, np.float16]
    assert all(within(output, torch.from_numpy(outputs[0])) for output in outputs[1:])


def metadata(path: Path) -> Mapping[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def test_compile_in_fp16(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, half = tmp_path / "whole.onnx", tmp_path / "half.onnx"
    assert main(["compile", "zoo:lenet5", "--to", "onnx", "-o", str(whole)]) == 0
    options = ["--precision", "fp16", "--verify", "--io-type", "fp16"]
    assert main(["compile", "zoo:lenet5", "--to", "onnx", "-o", str(half), *options]) == 0
    out = capsys.readouterr().out
    assert "ONNX Runtime agrees with PyTorch on inputs of 1x1x32x32, 3x1x32x32: relative error" in out
    assert "the same class first for" in out
    assert (metadata(whole)["precision"], metadata(half)["precision"]) == ("fp32", "fp16")
    assert 0.45 < half.stat().st_size / whole.stat().st_size < 0.6
    assert onnx.load(half).graph.input[0].type.tensor_type.elem_type == FLOAT16


def test_what_does_not_fit_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line, target = "CONV3-8 - RELU - SCALE(init=1e6) - CONV3-8", tmp_path / "net.onnx"
    given_ = ["compile", "--to", "onnx", "--input", "3x8x8", line, "-o", str(target), "--precision", "fp16"]
    assert main([*given_, "--passes", "none"]) == 0
    err = capsys.readouterr().err
    assert err.startswith("warning CNN036 FP16 cannot hold the weights of 1 layer, kept in FP32\n")
    assert "scale1.weight has numbers up to 1e+06, and FP16 ends at 65504" in err
    target.unlink()
    assert main([*given_, "--passes", "none", "--verify"]) == 1
    assert "leaves the range of FP16" in capsys.readouterr().err
    assert not target.exists()
    assert main([*given_, "--passes", "none", "--verify", "--keep-fp32", "scale1,conv2"]) == 0
    assert "CNN036" not in capsys.readouterr().err


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_tolerance_is_that_of_the_coarsest_type(
    precision: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "net.onnx"
    options = ("--precision", precision, "--io-type", "fp16", "--verify")
    assert main(["compile", "zoo:digits", "--to", "onnx", "-o", str(target), *options]) == 0
    assert "agrees with PyTorch" in capsys.readouterr().out
    graph = cnndsl.load("zoo:digits").graph
    arrays = dict(weights.in_memory(weights.initial(graph, 0)))
    assert verify(graph, target, arrays).tolerance == 1e-2
    name = next(iter(arrays))
    arrays[name] = arrays[name] * 1.1
    assert not verify(graph, target, arrays).agrees


def test_verified_on_real_inputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "net.onnx"
    arguments = ["compile", "zoo:digits", "--to", "onnx", "-o", str(target), "--precision", "fp16", "--verify-on"]
    assert main([*arguments, "digits"]) == 0
    assert "agrees with PyTorch on inputs of 16x1x8x8: relative error" in capsys.readouterr().out
    target.unlink()
    assert main([*arguments, "nowhere"]) == 2
    assert "nowhere does not exist" in capsys.readouterr().err
    np.save(tmp_path / "wrong.npy", np.zeros((2, 3, 8, 8), np.float32))
    assert main([*arguments, str(tmp_path / "wrong.npy")]) == 2
    assert "3x8x8, and the network takes 1x8x8" in capsys.readouterr().err
    assert not target.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--keep-fp32", "conv1"], "--keep-fp32 is for --precision fp16"),
        (["--precision", "fp16", "--keep-fp32", "conv1,none.*"], "--keep-fp32: no node is called none.*"),
        (["--precision", "half"], "invalid choice: 'half'"),
    ],
)
def test_wrong_options(options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "net.onnx"
    try:
        code = main(["compile", "zoo:lenet5", "--to", "onnx", "-o", str(target), *options])
    except SystemExit as left:
        code = int(str(left.code))
    assert code == 2
    assert said in capsys.readouterr().err
    assert not target.exists()


def test_a_module_has_no_precision(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "zoo:lenet5", "--to", "torch", "--precision", "fp16"]) == 2
    assert "--precision is for --to onnx" in capsys.readouterr().err


def test_the_library_warns(tmp_path: Path) -> None:
    net = cnndsl.load("CONV3-8 - RELU - SCALE(init=1e-7)", input="3x8x8")
    with pytest.warns(UserWarning, match=r"kept in FP32: scale1\.weight has numbers up to 1e-07"):
        net.onnx(tmp_path / "net.onnx", precision="fp16")
    assert metadata(tmp_path / "net.onnx")["precision"] == "fp16"


def test_values_come_one_by_one() -> None:
    graph, arrays = overflowing(1)
    found = torch_values(graph, module_of(graph, arrays).eval(), normal(1, 3, 8, 8))
    assert [node.name for node, _ in found] == [node.name for node in graph.nodes[1:]]
