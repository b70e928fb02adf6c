"""INT8 files: read back with onnx's own helpers, run by ONNX Runtime, measured on digits held out from a training."""

from __future__ import annotations

import json
import logging
import os
import platform
import tempfile
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from compiling import graph_of, module_of, random_arrays
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from networks_strategy import specs
from notation import Spec
from onnx import numpy_helper
from pictures import saved, truncated
from PIL import Image
from rounding import levels, levels_a_channel, rounded
from safetensors.numpy import load_file
from test_random_valid import watch_norms

import cnndsl
from cnndsl import passes
from cnndsl.backends import Disagreement, Int8
from cnndsl.cli import main
from cnndsl.data import digits, held_out
from cnndsl.divergence import session
from cnndsl.lower.onnx import to_onnx
from cnndsl.lower.torch import to_arrays
from cnndsl.quantise import Bounds, LossTooLarge, Samples, UnfitData, int8_support, quantise, read_samples
from cnndsl.quantise.layers import norms_as_convolutions
from cnndsl.quantise.report import Layer
from cnndsl.quantise.selection import fewest_in_float
from cnndsl.storage import save
from cnndsl.train import evaluate_onnx, train
from cnndsl.weights import in_memory

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")

SPEC = """input 1x8x8
preprocess normalise(unit) - labels("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
net Small = CONV3-16 - BN - RELU - ADD[ ID | CONV3-16 - RELU ] - POOL2 - CONV3-32 - RELU - FC-10 - SOFTMAX
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network that was trained on digits, and with those it was not trained on, as arrays and images."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "small.cnn").write_text(SPEC, encoding="utf-8")
    network = cnndsl.load(folder / "small.cnn")
    module = network.torch(seed=0)
    images, labels = digits()
    split = held_out(labels, fraction=0.2, seed=0)
    train(network.graph, module, images[split.training], labels[split.training], epochs=8, lr=0.01, seed=0)
    save(folder / "small.safetensors", network.graph, to_arrays(module))
    np.savez(folder / "held_out.npz", images=images[split.held_out], labels=labels[split.held_out])
    np.save(folder / "unlabelled.npy", images[split.held_out])
    for index in split.held_out[:60]:
        picture = Image.fromarray((images[index, 0] * 255).round().astype(np.uint8))
        saved(picture, folder / "classes" / str(labels[index]) / f"{index}.png")
        saved(picture, folder / "flat" / f"{index}.png")
    return folder


def run(*arguments: object) -> int:
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as ended:
        return int(ended.code or 0)


def compile_int8(folder: Path, target: Path, calibrate: object, *options: object, weights: str = "small") -> int:
    how = ("--to", "onnx", "--precision", "int8", "--weights", folder / f"{weights}.safetensors", *options)
    return run("compile", folder / "small.cnn", *how, "--calibrate", calibrate, "-o", target)


@pytest.fixture(scope="module")
def compiled(trained: Path) -> Path:
    """The INT8 file of the trained network."""
    assert compile_int8(trained, trained / "int8.onnx", trained / "held_out.npz") == 0
    return trained / "int8.onnx"


def float_model(folder: Path, **options: Any) -> onnx.ModelProto:
    """The same network in FP32."""
    network = cnndsl.load(folder / "small.cnn")
    from cnndsl.storage import read

    arrays = read(folder / "small.safetensors", network.graph).arrays
    model = passes.optimise(network.graph, arrays)
    return to_onnx(model.graph, model.arrays, of=network.graph, passes=model.applied, **options)


def arrays_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def facts(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def held(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    data = np.load(folder / "held_out.npz")
    return data["images"], data["labels"]


# -- the file


def test_the_accuracy_is_kept(trained: Path, compiled: Path, tmp_path: Path) -> None:
    onnx.save(float_model(trained), tmp_path / "fp32.onnx")
    fp32, int8 = (evaluate_onnx(path, *held(trained)) for path in (tmp_path / "fp32.onnx", compiled))
    assert fp32 > 0.9
    assert fp32 - int8 <= 0.005
    assert facts(onnx.load(compiled))["float_layers"] == "[]"
    assert compiled.stat().st_size < 0.6 * (tmp_path / "fp32.onnx").stat().st_size


def test_names_ends_and_facts_are_those_of_fp32(trained: Path, compiled: Path) -> None:
    plain, made = float_model(trained), onnx.load(compiled)
    onnx.checker.check_model(made, full_check=True)
    names = {node.name: node for node in made.graph.node}
    assert len(names) == len(made.graph.node)
    for node in plain.graph.node:
        assert names[node.name].op_type == node.op_type
        assert list(names[node.name].output) == list(node.output)
    assert (made.graph.input, made.graph.output) == (plain.graph.input, plain.graph.output)
    assert (made.ir_version, made.producer_name, made.graph.name) == (plain.ir_version, "cnndsl", plain.graph.name)
    assert made.opset_import == plain.opset_import
    added = {"precision": "int8", "float_layers": "[]", "calibrated_on": "256"}
    assert facts(made) == facts(plain) | added
    session = onnxruntime.InferenceSession(compiled, providers=["CPUExecutionProvider"])
    for batch in (1, 5):
        assert session.run(None, {"input": np.zeros((batch, 1, 8, 8), np.float32)})[0].shape == (batch, 10)


def test_weights_have_a_scale_a_channel(trained: Path, compiled: Path) -> None:
    made = onnx.load(compiled)
    arrays, exact = arrays_of(made), arrays_of(float_model(trained))
    makers = {node.output[0]: node for node in made.graph.node}
    weighted = [node for node in made.graph.node if node.op_type in ("Conv", "Gemm")]
    assert len(weighted) == 4
    for node in weighted:
        dequantise = makers[node.input[1]]
        weight, scale, zero = (arrays[name] for name in dequantise.input)
        (axis,) = (part.i for part in dequantise.attribute if part.name == "axis")
        original = exact[f"{node.name}.weight"]
        assert (weight.dtype, axis, scale.shape) == (np.int8, 0, (len(original),))
        assert not zero.any()
        others = tuple(range(1, original.ndim))
        np.testing.assert_allclose(scale, np.abs(original).max(axis=others) / 127, rtol=1e-3)
        wide = scale.reshape(-1, *[1] * len(others))
        assert (np.abs(weight * wide - original) <= wide * 0.5001).all()


def test_onnx_runtime_computes_it_in_int8(compiled: Path, tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(compiled, options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert kinds.count("QLinearConv") == 3
    assert kinds.count("QGemm") == 1
    assert not {"Conv", "Gemm", "Add", "Relu", "FusedConv"} & set(kinds)


@pytest.mark.parametrize("opset", [17, 21, 26])
def test_opsets(opset: int, trained: Path, tmp_path: Path) -> None:
    target = tmp_path / "int8.onnx"
    assert compile_int8(trained, target, trained / "held_out.npz", "--opset", opset) == 0
    made = onnx.load(target)
    onnx.checker.check_model(made, full_check=True)
    assert [entry.version for entry in made.opset_import] == [opset]
    assert evaluate_onnx(target, *held(trained)) > 0.9


def test_a_norm_that_stays_computes_in_int8_too(trained: Path, tmp_path: Path) -> None:
    target = tmp_path / "int8.onnx"
    assert compile_int8(trained, target, trained / "held_out.npz", "--passes", "none", "--verify") == 0
    made = onnx.load(target)
    onnx.checker.check_model(made, full_check=True)
    (norm,) = (node for node in made.graph.node if node.name == "bn1")
    assert norm.op_type == "Conv"
    assert evaluate_onnx(target, *held(trained)) > 0.9


def test_the_preprocessing_in_the_graph(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "int8.onnx"
    assert compile_int8(trained, target, trained / "classes", "--with-preprocess", "--verify") == 0
    assert "the preprocessing in the graph agrees" in capsys.readouterr().out
    made, images = onnx.load(target), float_model(trained, with_preprocess=True)
    onnx.checker.check_model(made, full_check=True)
    assert facts(made)["preprocess_in"] == "graph"
    assert facts(made)["precision"] == "int8"
    assert made.graph.input == images.graph.input
    assert run("run", target, trained / "classes", "--top", 1, "--format", "json", "--quiet") == 0
    found = json.loads(capsys.readouterr().out)
    right = sum(entry["predictions"][0]["label"] == Path(entry["image"]).parent.name for entry in found)
    assert right > 0.9 * len(found) == 54


@settings(max_examples=40)
@given(specs(layers=6), st.sampled_from(["cpu", "tensorrt"]), st.sampled_from([18, 17, 20, 21, 26]), st.booleans())
def test_random_networks(spec: Spec, provider: str, opset: int, optimised: bool) -> None:
    """In ONNX Runtime what PyTorch gives, up to a few times what it loses with every number on 255 levels."""
    graph = graph_of(spec)
    assume(graph.input_shape.fixed)
    model = passes.optimise(graph, random_arrays(graph), passes.ALL if optimised else passes.NONE)
    plain = to_onnx(model.graph, model.arrays, opset=opset)
    random = np.random.default_rng(0)
    samples = Samples(list(random.standard_normal((3, *graph.input_shape.sizes()), dtype=np.float32)))
    try:
        made = quantise(plain, model.graph, samples, int8_support(provider), Bounds(max_error=1e9)).model
    except UnfitData as problem:
        assume("has no layer that could be INT8" not in str(problem) and "not finite" not in str(problem))
        raise
    except LossTooLarge as problem:
        assume("changes the output by inf%" not in str(problem))  # of nothing but zeros
        raise
    onnx.checker.check_model(made, full_check=True)
    assert {node.name for node in plain.graph.node} <= {node.name for node in made.graph.node}
    x = torch.from_numpy(np.stack(samples.inputs))
    module = module_of(model.graph, in_memory(model.arrays)).double().eval()
    alike = watch_norms(module)
    with torch.no_grad():
        expected = module(x.double())
    lost = 0.0
    for count in (127, 119, 103, 89):  # one of them alone may be lucky
        coarse = rounded(model.graph, module, x, partial(levels, count=count), partial(levels_a_channel, count=count))
        lost = max(lost, float((coarse - expected).abs().max()))
    found = torch.from_numpy(session(onnxruntime, made.SerializeToString()).run(None, {"input": x.numpy()})[0])
    assert found.shape == expected.shape
    apart = float((found - expected).abs().max())
    assert any(alike) or apart <= 4 * lost + 0.02 * float(expected.abs().max()), (apart, lost)


@pytest.mark.parametrize("opset", [20, 21, 26])
@pytest.mark.parametrize("beside", ["LN", "GN(2)", "POOL3/1(pad=1) - TANH", "SLICE(0, 4) - GELU"])
def test_signed_bytes_that_float_reads_too(
    beside: str, opset: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """ONNX Runtime's optimiser makes what it then refuses of a pair that other layers read besides those it is for."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((4, 8, 10, 6), dtype=np.float32))
    network, target = f"CONV1-4 - RELU - CONCAT[ {beside} | CONV3-4 ] - GAP - FC-4", tmp_path / "m.onnx"
    how = (
        "--precision",
        "int8",
        "--calibrate",
        tmp_path / "x.npy",
        "--provider",
        "tensorrt",
        "--opset",
        opset,
        "--verify",
    )
    assert run("compile", "--input", "8x10x6", network, "--to", "onnx", "-o", target, "--min-agreement", 0, *how) == 0
    assert "INT8: ONNX Runtime agrees" in capsys.readouterr().out


def test_means_that_are_nothing(tmp_path: Path) -> None:
    """All means after an IN are 0 up to rounding, a range that ONNX Runtime's kernel does not take beside the map's."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((4, 3, 8, 8), dtype=np.float32))
    network = "CONV1-8 - IN - MUL[ ID | GAP - CONV1-8 - SIGMOID ]"
    how = ("--precision", "int8", "--calibrate", tmp_path / "x.npy", "--verify", "--max-error", 5)
    assert run("compile", "--input", "3x8x8", network, "--to", "onnx", "-o", tmp_path / "m.onnx", *how) == 0


@pytest.mark.parametrize("affine", [True, False])
def test_a_norm_as_a_convolution_is_the_norm(affine: bool) -> None:
    graph = cnndsl.load(f"CONV3-4 - RELU - BN(affine={str(affine).lower()}) - RELU - FC-2", input="3x8x8").graph
    model = to_onnx(graph, random_arrays(graph))
    made = onnx.ModelProto()
    made.CopyFrom(model)
    norms_as_convolutions(made)
    onnx.checker.check_model(made, full_check=True)
    assert "BatchNormalization" not in {node.op_type for node in made.graph.node}
    x = np.random.default_rng(0).standard_normal((5, 3, 8, 8), dtype=np.float32)
    found, expected = (session(onnxruntime, m.SerializeToString()).run(None, {"input": x})[0] for m in (made, model))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


# -- layers that cost accuracy


@pytest.fixture(scope="module")
def outlier(trained: Path) -> Path:
    """The same function with one channel between two layers a thousand times as large: 256 levels no longer do."""
    network = cnndsl.load(trained / "small.cnn")
    from cnndsl.storage import read

    arrays = dict(read(trained / "small.safetensors", network.graph).arrays or {})
    pooled = np.array(arrays["conv3.bias"])
    pooled[0] *= 1000
    weight, after = np.array(arrays["conv3.weight"]), np.array(arrays["fc1.weight"])
    weight[0] *= 1000
    after[:, :16] /= 1000  # the channel's 4x4 positions
    save(trained / "outlier.safetensors", network.graph, arrays | {
        "conv3.weight": weight, "conv3.bias": pooled, "fc1.weight": after
    })  # fmt: skip
    return trained


def test_sensitive_layers_stay_in_float(outlier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "int8.onnx"
    capsys.readouterr()
    assert compile_int8(outlier, target, outlier / "held_out.npz", "--json", weights="outlier") == 0
    found = json.loads(capsys.readouterr().out)["quantisation"]
    assert found["measurements"][0]["float_layers"] == 0
    assert found["measurements"][0]["lost_points"] > 5
    assert found["lost_points"] <= 0.5
    assert set(found["float_layers"]) == {"conv3", "fc1"}
    by_noise = sorted(found["layers"], key=lambda layer: layer["sqnr_db"])
    assert {layer["name"] for layer in by_noise[:2]} == {"conv3", "fc1"}
    assert evaluate_onnx(target, *held(outlier)) == pytest.approx(found["accuracy_int8"])
    made = onnx.load(target)
    makers = {node.output[0]: node.op_type for node in made.graph.node}
    inputs = {node.name: node.input[1] for node in made.graph.node if node.op_type in ("Conv", "Gemm")}
    kinds = {name: makers.get(weight) for name, weight in inputs.items()}
    assert kinds == {"conv1": "DequantizeLinear", "conv2": "DequantizeLinear", "conv3": None, "fc1": None}
    assert json.loads(facts(made)["float_layers"]) == found["float_layers"]


def test_a_loss_that_is_too_large(outlier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "int8.onnx"
    target.write_bytes(b"before")
    spec = tmp_path / "one.cnn"
    spec.write_text("input 1x8x8\nFC-10", encoding="utf-8")
    random = np.random.default_rng(0)
    images = random.standard_normal((400, 1, 8, 8), dtype=np.float32) * np.where(np.arange(64) == 0, 1e4, 1).reshape(
        8, 8
    )
    np.savez(tmp_path / "wild.npz", images=images.astype(np.float32))
    # one layer, which must be quantised
    options = ("--to", "onnx", "--precision", "int8", "--calibrate", tmp_path / "wild.npz", "-o", target)
    assert run("compile", spec, *options, "--min-agreement", 100) == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split()[::4] == ["fc1", "int8"]
    assert "points of agreement with FP32 with 0 of 1 layers in float" in err
    assert run("compile", spec, *options, "--min-agreement", 100, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["files"] == []
    assert [layer["name"] for layer in found["quantisation"]["layers"]] == ["fc1"]
    assert found["quantisation"]["lost_points"] > found["quantisation"]["allowed_points"] == 0
    assert target.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["int8.onnx", "one.cnn", "wild.npz"]


@given(st.integers(1, 40), st.data())
def test_the_fewest_layers(layers: int, data: st.DataObject) -> None:
    enough, most = data.draw(st.integers(0, layers)), data.draw(st.integers(0, layers - 1))
    order = [f"layer{i}" for i in range(layers)]
    steps = fewest_in_float(order, lambda floating: 0.0 if len(floating) >= enough else 1.0, 0.5, most)
    assert steps[-1].floating == min(enough, most)
    assert (steps[-1].lost <= 0.5) == (enough <= most)
    assert len({step.floating for step in steps}) == len(steps) <= 2 * layers.bit_length() + 2


def compile_on(folder: Path, spec: str, images: np.ndarray, *options: object) -> int:
    """Compile a spec calibrated on inputs without labels."""
    (folder / "one.cnn").write_text(spec, encoding="utf-8")
    np.save(folder / "inputs.npy", images)
    how = ("--to", "onnx", "--precision", "int8", "--calibrate", folder / "inputs.npy", "-o", folder / "int8.onnx")
    return run("compile", folder / "one.cnn", *how, *options)


def test_a_layer_with_weights_stays_in_int8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where only such as have none could stay, nothing that was not measured is told."""
    images = np.random.default_rng(0).standard_normal((64, 3, 16, 16), dtype=np.float32)
    spec = "input 3x16x16\nCONV3-8 - CONV1-3 - ADD[ ID | ID ]"
    assert compile_on(tmp_path, spec, images, "--max-error", 100, "--json") == 0
    layers = json.loads(capsys.readouterr().out)["quantisation"]["layers"]
    _, last, add = sorted(layers, key=lambda layer: layer["sqnr_db"])
    assert add["name"] == "add1"
    # what the sum alone changes would be allowed
    allowed = 100 * 10 ** (-(last["sqnr_db"] + add["sqnr_db"]) / 40)
    assert compile_on(tmp_path, spec, images, "--max-error", allowed, "--json") == 1
    out, err = capsys.readouterr()
    found = json.loads(out)["quantisation"]
    kept = {layer["name"] for layer in found["layers"] if layer["precision"] == "int8"}
    assert kept == {last["name"], "add1"}
    assert found["lost_points"] > allowed
    assert f"INT8 changes the output by {found['lost_points']:.2f}% with 1 of 3 layers in float" in err
    assert f"of the rest only {last['name']} has weights, so it has to stay INT8" in err


def test_one_output_is_bounded_by_its_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its first class is that of FP32 whatever it computes."""
    images = np.random.default_rng(0).standard_normal((64, 3, 8, 8), dtype=np.float32)
    spec = "input 3x8x8\nCONV3-8 - SCALE(init=1e4) - TANH - CONV3-4 - GAP - FC-1"
    assert compile_on(tmp_path, spec, images, "--json") == 0
    found = json.loads(capsys.readouterr().out)["quantisation"]
    assert (found["measure"], found["agreement"], found["allowed_points"]) == ("error", None, 5)
    assert found["measurements"][0]["lost_points"] > 5  # with all in INT8
    assert found["float_layers"] == ["conv1"]
    cpu = {"providers": ["CPUExecutionProvider"]}
    int8 = onnxruntime.InferenceSession(tmp_path / "int8.onnx", **cpu).run(None, {"input": images})[0]
    assert run("compile", tmp_path / "one.cnn", "--to", "onnx", "-o", tmp_path / "fp32.onnx") == 0
    fp32 = onnxruntime.InferenceSession(tmp_path / "fp32.onnx", **cpu).run(None, {"input": images})[0]
    apart = float(np.linalg.norm(int8 - fp32) / np.linalg.norm(fp32))
    assert found["output_error"] == pytest.approx(apart, rel=1e-3)
    capsys.readouterr()
    assert compile_on(tmp_path, spec, images, "--max-error", 50) == 0
    out = capsys.readouterr().out
    assert "relative error of the output against FP32 on 64 images, those of the calibration among them: " in out
    assert "at most 50% allowed\n4 of 4 layers in INT8" in out
    assert compile_on(tmp_path, spec, images, "--max-error", 0.01) == 1
    assert "INT8 changes the output by " in capsys.readouterr().err


def test_which_bound_is_for_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = np.random.default_rng(0).standard_normal((40, 1, 8, 8), dtype=np.float32)
    assert compile_on(tmp_path, "input 1x8x8\nCONV3-4 - FC-1", images, "--min-agreement", 90) == 2
    assert "--min-agreement compares classes, and " in capsys.readouterr().err
    assert compile_on(tmp_path, "input 1x8x8\nCONV3-4 - FC-2", images, "--min-agreement", 90, "--max-error", 5) == 2
    assert "and --max-error is given" in capsys.readouterr().err
    assert compile_on(tmp_path, "input 1x8x8\nCONV3-4 - FC-2", images, "--max-error", 5) == 0
    assert "relative error of the output against FP32" in capsys.readouterr().out
    np.savez(tmp_path / "labelled.npz", images=images, labels=np.zeros(40, int))
    options = (
        "--to",
        "onnx",
        "--precision",
        "int8",
        "--calibrate",
        tmp_path / "labelled.npz",
        "-o",
        tmp_path / "l.onnx",
    )
    assert run("compile", "CONV3-4 - FC-2", "--input", "1x8x8", *options, "--max-error", 5) == 2
    assert "--max-error is for calibration data without labels" in capsys.readouterr().err
    assert run("compile", "CONV3-4 - FC-1", "--input", "1x8x8", *options) == 2
    assert "has labels, and the network gives 1, not one score a class" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "value", "first"), [("weight", 3e38, "bn1"), ("bias", 3.4e38, "conv2")])
def test_weights_that_give_no_numbers(
    name: str, value: float, first: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first layer that gives none is named, however often it is tried; warnings are errors here."""
    spec = "input 1x8x8\nCONV3-4 - BN - RELU - ADD[ CONV3-4 | CONV3-4 - BN ] - CONV3-4 - GAP - FC-4"
    graph = cnndsl.load(spec).graph
    arrays = random_arrays(graph)
    save(tmp_path / "w.safetensors", graph, arrays | {f"bn1.{name}": np.full(4, value, np.float32)})
    images = np.random.default_rng(0).standard_normal((40, 1, 8, 8), dtype=np.float32)
    weights = ("--weights", tmp_path / "w.safetensors")
    assert compile_on(tmp_path, spec, images, *weights, "--min-agreement", 90) == 2
    assert capsys.readouterr().err == (
        f"cnndsl: the values of {first} are not finite on the calibration data, so they have no range: see the weights\n"
    )


# -- what is said


def test_the_report(compiled: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compile_int8(trained, tmp_path / "int8.onnx", trained / "held_out.npz", "--verify") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["layer", "operation", "SQNR", "precision"]
    names = [line.split()[0] for line in lines[1:6]]
    assert sorted(names) == ["add1", "conv1", "conv2", "conv3", "fc1"]
    ratios = [float(line.split()[2]) for line in lines[1:6]]
    assert ratios == sorted(ratios)
    assert lines[6].startswith("calibrated on 256 images: weights int8 a channel, activations ")
    assert lines[7].startswith("accuracy on 359 images, those of the calibration among them: FP32 9")
    assert lines[8] == "5 of 5 layers in INT8"
    assert lines[9].startswith("FP32: ONNX Runtime agrees with PyTorch on inputs of 1x1x8x8")
    assert lines[10].startswith("INT8: ONNX Runtime agrees with PyTorch on inputs of 16x1x8x8")


@pytest.mark.parametrize(("count", "apart"), [(300, False), (512, True)])
def test_the_report_says_what_is_measured_on(
    count: int, apart: bool, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, labels = digits()
    np.savez(tmp_path / "some.npz", images=images[:count], labels=labels[:count])
    assert compile_int8(trained, tmp_path / "int8.onnx", tmp_path / "some.npz", "--max-drop", 5) == 0
    said = "accuracy on 256 images: FP32" if apart else "on 300 images, those of the calibration among them: FP32"
    assert said in capsys.readouterr().out
    assert compile_int8(trained, tmp_path / "int8.onnx", tmp_path / "some.npz", "--max-drop", 5, "--json") == 0
    found = json.loads(capsys.readouterr().out)["quantisation"]
    assert (found["calibrated_on"], found["measured_on"], found["measured_apart"]) == (
        256,
        min(count, 300) - 44 * apart,
        apart,
    )


@pytest.mark.filterwarnings("ignore:.*INT8 (will not be|is) faster:UserWarning")
@pytest.mark.parametrize("form", ["path", "arrays", "bounded"])
def test_the_library_writes_what_the_command_does(form: str, trained: Path, compiled: Path, tmp_path: Path) -> None:
    path = trained / "held_out.npz"
    calibrate: Any = {"path": path, "arrays": held(trained), "bounded": Int8(str(path), max_drop=50)}[form]
    network = cnndsl.load(trained / "small.cnn")
    weights = load_file(trained / "small.safetensors")
    report = network.onnx(tmp_path / "int8.onnx", weights, precision="int8", calibrate=calibrate)
    assert (tmp_path / "int8.onnx").read_bytes() == compiled.read_bytes()
    assert report is not None
    assert report.allowed == (50 if form == "bounded" else 0.5)


def test_a_loss_that_is_too_large_for_the_library(trained: Path, tmp_path: Path) -> None:
    how = Int8(held(trained)[0][:40], max_error=0)
    with pytest.raises(Disagreement, match="INT8 changes the output by") as raised:
        cnndsl.load(trained / "small.cnn").onnx(tmp_path / "int8.onnx", precision="int8", calibrate=how)
    assert raised.value.found is not None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("source", ["unlabelled.npy", "flat"])
def test_without_labels(source: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "int8.onnx"
    assert compile_int8(trained, target, trained / source, "--min-agreement", 95) == 0
    out = capsys.readouterr().out
    assert "no labels, so top-1 agreement with FP32 stands in for accuracy: " in out
    assert "at least 95% wanted" in out
    for bound in ((), ("--max-drop", 1)):
        assert compile_int8(trained, tmp_path / "other.onnx", trained / source, *bound) == 2
        assert "the calibration data has no labels, so the loss of accuracy" in capsys.readouterr().err
    assert not (tmp_path / "other.onnx").exists()


def test_broken_images_among_good_ones(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images, labels = digits()
    for index in range(40):
        picture = Image.fromarray((images[index, 0] * 255).astype(np.uint8))
        saved(picture, tmp_path / "images" / str(labels[index]) / f"{index}.png")
    truncated(saved(picture, tmp_path / "images" / "3" / "cut.png"))
    (tmp_path / "images" / "4" / "page.jpg").write_text("<html>", encoding="utf-8")
    saved(picture.resize((9, 9)), tmp_path / "images" / "5" / "large.png")
    capsys.readouterr()
    assert compile_int8(trained, tmp_path / "int8.onnx", tmp_path / "images", "--max-drop", 5) == 0
    out, err = capsys.readouterr()
    assert "accuracy on 40 images" in out
    assert [Path(line.split(": ")[1]).name for line in err.splitlines()] == ["cut.png", "page.jpg", "large.png"]
    assert err.count("; left out") == 3


def test_nothing_of_the_quantiser_is_heard(trained: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    handlers, disabled = list(logging.getLogger().handlers), logging.root.manager.disable
    assert compile_int8(trained, tmp_path / "int8.onnx", trained / "held_out.npz") == 0
    assert capfd.readouterr().err == ""
    assert (logging.getLogger().handlers, logging.root.manager.disable) == (handlers, disabled)
    assert [path.name for path in tmp_path.iterdir()] == ["int8.onnx"]


# -- targets


@pytest.mark.parametrize(
    ("flags", "fast", "said"),
    [
        ("flags\t\t: fpu avx2 avx512_vnni", True, None),
        ("flags\t\t: fpu avx2 avx_vnni", True, None),
        (
            "flags\t\t: fpu avx2 avx512f",
            False,
            "INT8 will not be faster than FP32: this processor has no VNNI and no AMX",
        ),
        ("model name : unknown", None, "whether INT8 is faster than FP32 is not known"),
    ],
)
def test_processors(
    flags: str, fast: bool | None, said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    (tmp_path / "cpuinfo").write_text(f"processor : 0\n{flags}\n\nprocessor : 1\n", encoding="utf-8")
    support = int8_support("cpu", tmp_path / "cpuinfo")
    assert support.fast is fast
    assert (support.warning or "").startswith(said or "")
    assert bool(support.warning) == (said is not None)
    assert support.saturates == (not fast)
    assert int8_support("cpu", tmp_path / "none").fast is None


def test_arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    (tmp_path / "cpuinfo").write_text("Features : fp asimd asimddp\n", encoding="utf-8")
    support = int8_support("cpu", tmp_path / "cpuinfo")
    assert (support.fast, support.saturates, support.arm) == (True, False, True)


def test_weights_of_seven_bits_where_products_saturate(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("flags : avx2\n", encoding="utf-8")
    support = int8_support("cpu", tmp_path / "cpuinfo").replace(arm=False)
    made = quantise(
        float_model(trained),
        optimised(trained),
        read_samples(str(trained / "held_out.npz"), optimised(trained)),
        support,
    )
    weights = [array for name, array in arrays_of(made.model).items() if name.endswith(".weight_quantized")]
    assert len(weights) == 4
    assert max(np.abs(array.astype(int)).max() for array in weights) <= 64
    assert made.report.json()["weight_bits"] == 7


def optimised(folder: Path) -> Any:
    network = cnndsl.load(folder / "small.cnn")
    from cnndsl.storage import read

    return passes.optimise(network.graph, read(folder / "small.safetensors", network.graph).arrays).graph


def test_tensorrt(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "int8.onnx"
    assert compile_int8(trained, target, trained / "held_out.npz", "--provider", "tensorrt") == 0
    assert capsys.readouterr().err == ""
    made = onnx.load(target)
    arrays = arrays_of(made)
    zeros = [array for name, array in arrays.items() if name.endswith("zero_point")]
    assert zeros
    assert all(array.dtype == np.int8 and not array.any() for array in zeros)
    assert {array.dtype for name, array in arrays.items() if name.endswith(".bias")} == {np.dtype(np.float32)}
    makers = {node.output[0]: node.op_type for node in made.graph.node}
    assert {makers[node.input[0]] for node in made.graph.node if node.op_type == "Relu"} == {"Conv"}
    assert evaluate_onnx(target, *held(trained)) > 0.9


def test_a_server_is_given_what_its_accelerator_takes(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    how = ("--precision", "int8", "--weights", trained / "small.safetensors", "--calibrate", trained / "held_out.npz")
    words = ("compile", trained / "small.cnn", "--to", "triton", "-o", tmp_path, *how, "--accelerator", "tensorrt")
    assert run(*words) == 0
    arrays = arrays_of(onnx.load(tmp_path / "small" / "1" / "model.onnx"))
    zeros = [array for name, array in arrays.items() if name.endswith("zero_point")]
    assert zeros and all(array.dtype == np.int8 and not array.any() for array in zeros)
    assert run(*words, "--provider", "cpu") == 2
    assert "--provider cpu makes an INT8 model for that" in capsys.readouterr().err


def test_cuda_has_no_fast_int8(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compile_int8(trained, tmp_path / "int8.onnx", trained / "held_out.npz", "--provider", "cuda") == 0
    assert "warning: INT8 will not be faster than FP32: the CUDA provider computes in float" in capsys.readouterr().err


# -- data


def test_classes_are_those_of_the_folders(trained: Path, tmp_path: Path) -> None:
    graph = cnndsl.load(trained / "small.cnn").graph
    assert graph.preprocess is not None
    labelled = read_samples(str(trained / "classes"), graph)
    assert labelled.labels is not None
    flat = read_samples(str(trained / "flat"), graph)
    assert (len(labelled), len(flat), flat.labels) == (60, 60, None)
    named = graph.replace(preprocess=graph.preprocess.replace(labels=tuple("9876543210")))
    again = read_samples(str(trained / "classes"), named)
    assert again.labels is not None
    np.testing.assert_array_equal(again.labels, 9 - labelled.labels)
    indexed = graph.replace(preprocess=graph.preprocess.replace(labels=None))
    np.testing.assert_array_equal(read_samples(str(trained / "classes"), indexed).labels, labelled.labels)


def test_folders_stand_for_classes_in_the_order_of_their_names(trained: Path, tmp_path: Path) -> None:
    graph = cnndsl.load("input 1x8x8\npreprocess normalise(unit)\nFC-2").graph
    for name in ("n02", "n01"):
        saved(Image.new("L", (8, 8)), tmp_path / name / "deep" / "image.png")
    assert read_samples(str(tmp_path), graph).labels == pytest.approx([0, 1])
    assert graph.preprocess is not None
    assert read_samples(str(tmp_path), graph).notes == ()
    named = graph.replace(preprocess=graph.preprocess.replace(labels=("cat", "dog")))
    (note,) = read_samples(str(tmp_path), named).notes
    assert note.endswith("in the order of their names: n01 is cat, n02 is dog")
    saved(Image.new("L", (8, 8)), tmp_path / "n03" / "image.png")
    with pytest.raises(UnfitData, match="3 subfolders for 2 classes, and n01 is none of their labels"):
        read_samples(str(tmp_path), graph)
    assert len(read_samples(str(tmp_path), graph, labelled=False)) == 3


def test_folders_are_called_nearly_as_the_labels_are(tmp_path: Path) -> None:
    graph = cnndsl.load("input 1x8x8\npreprocess normalise(unit)\nFC-3").graph
    assert graph.preprocess is not None
    graph = graph.replace(preprocess=graph.preprocess.replace(labels=("red circle", "Blue-Square", "a")))
    for name in ("blue_square", "RED_circle"):
        saved(Image.new("L", (8, 8)), tmp_path / name / "image.png")
    found = read_samples(str(tmp_path), graph)
    assert (found.notes, list(found.labels if found.labels is not None else ())) == ((), [0, 1])
    saved(Image.new("L", (8, 8)), tmp_path / "other" / "image.png")
    with pytest.raises(UnfitData, match="other is none of their labels"):
        read_samples(str(tmp_path), graph)
    saved(Image.new("L", (8, 8)), tmp_path / "loose.png")
    found = read_samples(str(tmp_path), graph)
    assert found.labels is None
    assert "loose.png lies beside the subfolders" in found.notes[0]


def test_accuracy_no_better_than_chance_is_told(trained: Path) -> None:
    graph = optimised(trained)
    samples = read_samples(str(trained / "held_out.npz"), graph)
    assert samples.labels is not None
    wrong = samples.replace(labels=(samples.labels + 1) % 10)
    plain = float_model(trained)
    for data, guesses in ((samples, False), (wrong, True)):
        report = quantise(plain, graph, data, int8_support("cpu"), Bounds(100)).report
        assert any("guessing among 10 classes" in notice for notice in report.notices()) == guesses


def test_bytes_go_through_the_contract(tmp_path: Path) -> None:
    graph = cnndsl.load(
        "input 3x4x4\npreprocess image(bgr) - order(rgb) - resize(4x4) - normalise(imagenet)\nFC-2"
    ).graph
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (3, 6, 6, 3), np.uint8)
    np.save(tmp_path / "bytes.npy", pixels)
    for number, image in enumerate(pixels):
        saved(Image.fromarray(image[:, :, ::-1].copy()), tmp_path / "images" / f"{number}.png")
    found, expected = (read_samples(str(tmp_path / name), graph) for name in ("bytes.npy", "images"))
    np.testing.assert_array_equal(np.stack(found.inputs), np.stack(expected.inputs))


def test_open_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "open.cnn"
    spec.write_text("input 3x?x?\npreprocess resize(12)\nCONV3-4 - RELU - GAP - FC-2", encoding="utf-8")
    random = np.random.default_rng(0)
    for number, size in enumerate([(12, 16), (16, 12), (20, 20)]):
        saved(Image.fromarray(random.integers(0, 256, (*size, 3), np.uint8)), tmp_path / "images" / f"{number}.png")
    target = tmp_path / "int8.onnx"
    options = ("--precision", "int8", "--calibrate", tmp_path / "images", "--min-agreement", 0)
    assert run("compile", spec, "--to", "onnx", "-o", target, *options) == 0
    assert "warning: calibrated on only 3 images" in capsys.readouterr().err
    onnx.checker.check_model(onnx.load(target), full_check=True)


def test_sizes_that_are_not_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "open.cnn"
    spec.write_text(
        "input 1x?x?\npreprocess resize(8) - normalise(unit)\nCONCAT[ ID | POOL2 - UP(scale=2) ] - CONV3-2",
        encoding="utf-8",
    )
    saved(Image.new("L", (8, 8)), tmp_path / "images" / "0.png")
    saved(Image.new("L", (8, 9)), tmp_path / "images" / "1.png")
    np.save(tmp_path / "odd.npy", np.zeros((3, 1, 8, 9), np.float32))
    np.save(tmp_path / "bytes.npy", np.zeros((3, 8, 9, 1), np.uint8))
    quantised = ("--precision", "int8", "--calibrate")
    np.save(tmp_path / "even.npy", np.random.default_rng(0).standard_normal((40, 1, 8, 8), dtype=np.float32))
    valid = "and the network takes 1xHxW, valid sizes: H and W even, or the branches at concat1 do not meet"
    cases = {
        "images": f"{tmp_path / 'images' / '1.png'}: as an input it is 1x9x8, {valid}. Let `preprocess`",
        "odd.npy": f"each input in {tmp_path / 'odd.npy'} is 1x8x9, {valid}",
        "bytes.npy": f"each input that `preprocess` makes of {tmp_path / 'bytes.npy'} is 1x8x9, {valid}. Let",
    }
    for name, message in cases.items():
        for options in (
            ("--verify-on", tmp_path / name),
            ("--precision", "fp16", "--verify-on", tmp_path / name),
            (*quantised, tmp_path / name),
            (*quantised, tmp_path / "even.npy", "--min-agreement", 0, "--verify-on", tmp_path / name),
        ):
            assert run("compile", spec, "--to", "onnx", "-o", tmp_path / "out.onnx", *options) == 2
            err = capsys.readouterr().err
            assert err.startswith(f"cnndsl: {message}")
            assert err.count("\n") == 1
    assert not (tmp_path / "out.onnx").exists()


IMAGES = np.zeros((6, 1, 8, 8), np.float32)
LABELS = np.zeros(6, np.int64)
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "shape": (
        {"images": np.zeros((6, 3, 8, 8), np.float32)},
        "each input in data.npz is 3x8x8, and the network takes 1x8x8",
    ),
    "rank": ({"images": np.zeros((6, 64), np.float32)}, "each input in data.npz is 64, and the network takes 1x8x8"),
    "none": ({"images": np.zeros((0, 1, 8, 8), np.float32)}, "data.npz holds 0x1x8x8 numbers, not N inputs of 1x8x8"),
    "names": ({"a": IMAGES, "b": IMAGES}, "data.npz holds a, b; it must hold `images`"),
    "integers": ({"images": IMAGES.astype(np.int32)}, "data.npz holds int32; inputs are floats, images bytes"),
    "bytes": (
        {"images": np.zeros((6, 8, 8, 3), np.uint8)},
        "data.npz holds bytes of 6x8x8x3; the spec's images are NxHxWx1",
    ),
    "size": ({"images": np.zeros((6, 9, 9, 1), np.uint8)}, "an image in data.npz does not do: it is 9x9"),
    "not a number": ({"images": IMAGES + np.nan}, "data.npz holds numbers that are not finite"),
    "too few labels": ({"images": IMAGES, "labels": LABELS[:4]}, "data.npz holds 6 inputs and labels of 4"),
    "one-hot": ({"images": IMAGES, "labels": np.eye(10)[LABELS]}, "data.npz holds 6 inputs and labels of 6x10"),
    "real labels": ({"images": IMAGES, "labels": LABELS * 0.5}, "the labels in data.npz are float64; whole numbers"),
    "classes": (
        {"images": IMAGES, "labels": LABELS + 10},
        "the labels in data.npz go from 10 to 10; the network has 10",
    ),
    "objects": (
        {"images": np.array([None] * 6)},
        "data.npz is no file of arrays that NumPy reads: its arrays are of Python",
    ),
    "one number": ({"images": np.float32(1)}, "data.npz holds a single number, not N inputs of 1x8x8"),
}


@pytest.mark.parametrize("case", WRONG)
def test_arrays_that_do_not_do(
    case: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays, message = WRONG[case]
    monkeypatch.chdir(tmp_path)
    np.savez("data.npz", **arrays)
    refuses("data.npz", message, trained, capsys)


def refuses(calibrate: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str], *options: object) -> None:
    """The command says so, ends with 2, and leaves everything as it was."""
    Path("int8.onnx").write_bytes(b"before")
    before = sorted(Path().rglob("*"))
    capsys.readouterr()
    assert compile_int8(folder, Path("int8.onnx"), calibrate, *options) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1
    assert Path("int8.onnx").read_bytes() == b"before"
    assert sorted(Path().rglob("*")) == before


def test_what_is_no_data(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    refuses("nowhere", "nowhere does not exist: give a folder of images", trained, capsys)
    Path("empty").mkdir()
    refuses("empty", "empty holds no images", trained, capsys)
    Path("broken").mkdir()
    Path("broken/page.png").write_text("<html>", encoding="utf-8")
    refuses(
        "broken",
        "none of the 1 images in broken can be used; the first: broken/page.png: it is no image",
        trained,
        capsys,
    )
    for content in (b"images", b"\x89PNG\r\n\x1a\n"):
        Path("text.npz").write_bytes(content)
        refuses("text.npz", "text.npz is no file of arrays that NumPy reads: it is neither .npz nor", trained, capsys)
    with zipfile.ZipFile("text.npz", "w") as archive:
        archive.writestr("images", "text")
    refuses("text.npz", "text.npz: images is no array that NumPy saved", trained, capsys)
    Path("text.npz").write_bytes(b"PK\x03\x04" + bytes(100))
    refuses("text.npz", "text.npz is no file of arrays that NumPy reads", trained, capsys)
    Path("text.npz").write_bytes(b"")
    refuses("text.npz", "text.npz is no file of arrays that NumPy reads", trained, capsys)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_not_waited_for(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.npz")
    refuses("pipe.npz", "pipe.npz is neither a folder nor a regular file", trained, capsys)
    assert run("compile", trained / "small.cnn", "--to", "onnx", "-o", "k.onnx", "--verify-on", "pipe.npz") == 2
    assert "pipe.npz is neither a folder nor a regular file" in capsys.readouterr().err


def test_images_need_a_contract(tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "bare.cnn"
    spec.write_text("input 1x8x8\nCONV3-4 - FC-10", encoding="utf-8")
    options = ("--to", "onnx", "--precision", "int8", "-o", tmp_path / "int8.onnx", "--calibrate")
    assert run("compile", spec, *options, trained / "flat") == 2
    assert "the spec does not say how the images in" in capsys.readouterr().err
    np.save(tmp_path / "bytes.npy", np.zeros((4, 8, 8, 1), np.uint8))
    assert run("compile", spec, *options, tmp_path / "bytes.npy") == 2
    assert "holds bytes, and the spec has no `preprocess`" in capsys.readouterr().err
    assert not (tmp_path / "int8.onnx").exists()


def test_labels_are_for_classifiers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "map.cnn"
    spec.write_text("input 1x8x8\nCONV3-4 - RELU - CONV1-2", encoding="utf-8")
    random = np.random.default_rng(0)
    images = random.standard_normal((40, 1, 8, 8), dtype=np.float32)
    np.savez(tmp_path / "labelled.npz", images=images, labels=np.zeros(40, int))
    np.save(tmp_path / "plain.npy", images)
    options = (
        "--to",
        "onnx",
        "--precision",
        "int8",
        "-o",
        tmp_path / "int8.onnx",
        "--min-agreement",
        90,
        "--calibrate",
    )
    assert run("compile", spec, *options, tmp_path / "labelled.npz") == 2
    assert "has labels, and the network gives 2x8x8, not one score a class" in capsys.readouterr().err
    assert run("compile", spec, *options, tmp_path / "plain.npy") == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_a_full_disk(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compile_int8(trained, Path("/dev/full"), trained / "held_out.npz") == 2
    assert "No space left on device" in capsys.readouterr().err


def test_no_room_for_temporary_files(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cnndsl.quantise.calibration.save_model", full)
    message = f"No space left on device: {tempfile.gettempdir()}, where temporary files go; the variable TMPDIR"
    refuses(str(trained / "held_out.npz"), message, trained, capsys)


def test_places_that_cannot_be_written(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compile_int8(trained, tmp_path, trained / "held_out.npz") == 2
    assert "is a folder" in capsys.readouterr().err
    assert compile_int8(trained, tmp_path / "none" / "int8.onnx", trained / "held_out.npz") == 2
    assert "there is no folder" in capsys.readouterr().err
    assert compile_int8(trained, trained / "held_out.npz", trained / "held_out.npz") == 2
    assert "is read here" in capsys.readouterr().err
    kept = str(trained / "held_out.npz")
    assert main(["compile", "zoo:digits", "--to", "onnx", "-o", kept, "--verify-on", kept]) == 2
    assert "is read here" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--precision", "int8"], "--precision int8 needs real inputs"),
        (["--precision", "int8", "--calibrate", "digits", "--no-weights"], "--precision int8 needs weights"),
        (["--precision", "int8", "--calibrate", "digits", "--io-type", "fp16"], "--io-type is for"),
        (
            ["--precision", "int8", "--calibrate", "digits", "--max-drop", "-1"],
            "--max-drop goes from 0 to 100, -1 does not",
        ),
        (["--precision", "int8", "--calibrate", "digits", "--max-drop", "nan"], "--max-drop goes from 0 to 100"),
        (
            ["--precision", "int8", "--calibrate", "digits", "--min-agreement", "101"],
            "--min-agreement goes from 0 to 100",
        ),
        (
            ["--precision", "int8", "--calibrate", "digits", "--min-agreement", "99"],
            "this has some, so give --max-drop",
        ),
        (["--precision", "int8", "--calibrate", "digits", "--json", "-o", "-"], "both write to standard output"),
        (["--calibrate", "digits"], "--calibrate is for --precision int8"),
        (["--precision", "fp16", "--max-drop", "1"], "--max-drop is for --precision int8"),
        (["--json"], "--json is for --precision int8"),
        (["--provider", "cuda"], "--provider is for --precision int8"),
        (["--precision", "int8", "--calibrate", "digits", "--provider", "tpu"], "invalid choice"),
    ],
)
def test_options(
    options: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("compile", "zoo:digits", "--to", "onnx", *options) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_network_without_layers_for_int8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "data.npy", IMAGES)
    options = (
        "--to",
        "onnx",
        "--precision",
        "int8",
        "-o",
        tmp_path / "int8.onnx",
        "--calibrate",
        tmp_path / "data.npy",
    )
    assert run("compile", "POOL2 - RELU", "--input", "1x8x8", *options) == 2
    assert "has no layer that could be INT8" in capsys.readouterr().err


def test_a_report_on_what_is_broken_or_exact() -> None:
    from cnndsl.quantise.hardware import Support
    from cnndsl.quantise.report import Report

    layers = (Layer("a", "conv", float("inf")), Layer("b", "conv", float("-inf"), True))
    report = Report(Support("cpu", True, ""), "uint8", False, 1, 1, layers, (), 0.5, 1.0)
    assert [line.split() for line in report.lines()][1:3] == [
        ["b", "conv", "broken", "float"],
        ["a", "conv", "exact", "int8"],
    ]
    json.dumps(report.json(), allow_nan=False)


def test_few_layers_and_coarse_measures_are_told() -> None:
    from cnndsl.quantise.hardware import Support
    from cnndsl.quantise.quantising import _too_large
    from cnndsl.quantise.report import Report

    layers = tuple(Layer(f"conv{i}", "conv", 30.0, floating=i > 0) for i in range(5))
    report = Report(Support("cpu", True, ""), "uint8", False, 40, 40, layers, (), 0.5, 1.0, classes=10)
    few, coarse = report.warnings()
    assert few.startswith("only 1 of 5 layers are INT8, so that it is hardly faster than FP32")
    assert coarse == "one of the 40 images is 2.5 points, and 0.5 are allowed: more images measure finer"
    assert not list(report.replace(classes=None, layers=layers[:1]).warnings())  # a map has many positions
    assert "another --min-agreement, or --max-error where" in _too_large(report.replace(classes=None), "conv0")
    assert "another --min-agreement, or take" in _too_large(report, "conv0")
