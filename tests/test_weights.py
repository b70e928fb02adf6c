"""Weights: the distributions of the papers, streams that do not depend on each other, and files that know their graph."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from math import log, sqrt
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import BN, Builder, conv, max_pool, resnet, with_heads, with_references
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch
from torch import nn
from torch.nn import functional as F

import cnndsl
from cnndsl.cli import main
from cnndsl.diagnostics import Severity
from cnndsl.ir import Graph, Origin
from cnndsl.lower.torch import load_arrays, to_module
from cnndsl.ops.activation import Activation, Maxout, PRelu, Softmax
from cnndsl.ops.base import Op
from cnndsl.ops.combine import Add, Concat
from cnndsl.ops.conv import ConvTranspose
from cnndsl.ops.linear import Flatten, Linear
from cnndsl.ops.norm import LayerNorm
from cnndsl.ops.pool import GlobalAvgPool
from cnndsl.ops.regularise import Dropout
from cnndsl.ops.reshape import Scale
from cnndsl.storage import read, save
from cnndsl.weights import GAINS, init


@pytest.mark.parametrize("graph", [resnet((1, 1), 8), with_heads(), with_references()], ids=lambda g: g.name)
def test_names_shapes_and_types_are_the_state_dicts(graph: Graph) -> None:
    state = to_module(graph).state_dict()
    arrays = init(graph)
    assert set(arrays) == set(state)
    for name, array in arrays.items():
        assert (array.shape, str(array.dtype)) == (tuple(state[name].shape), str(state[name].dtype)[6:]), name


def deviation(graph: Graph, name: str) -> float:
    return float(init(graph)[f"{name}.weight"].std())


RECTIFIERS = ["relu", "relu6", "elu", "celu", "gelu", "silu", "mish", "hardswish", "softplus"]


@pytest.mark.parametrize("function", sorted(GAINS))
@pytest.mark.parametrize(
    "between", [{}, {"bn": BN}, {"pool": max_pool(2, 2), "drop": Dropout(0.5), "ln": LayerNorm(1e-6, True)}]
)
def test_deviation_suits_the_activation_that_follows(function: str, between: dict[str, Op]) -> None:
    build = Builder(32, 8, 8)
    build.chain(conv=conv(96), **between, act=Activation(function, 0.2 if function == "leaky_relu" else None))  # type: ignore[arg-type]
    fan_in, fan_out = 32 * 9, 96 * 9
    weight = torch.empty(96, 32, 3, 3)
    if function in RECTIFIERS:
        nn.init.kaiming_normal_(weight)
    elif function == "leaky_relu":
        nn.init.kaiming_normal_(weight, 0.2, nonlinearity="leaky_relu")
    elif function == "selu":
        nn.init.kaiming_normal_(weight, nonlinearity="linear")
    else:
        assert (fan_in, fan_out) == nn.init._calculate_fan_in_and_fan_out(weight)
        nn.init.xavier_normal_(weight)
    assert deviation(build.graph(), "conv") == pytest.approx(float(weight.std()), rel=0.03)


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (PRelu(True, 0.5), sqrt(2 / 1.25 / 1024)),
        (Maxout(2), sqrt(1 / 1024)),
        (Softmax(), sqrt(0.1 / 1024)),
        (Dropout(0.5), sqrt(0.1 / 1024)),
        (Linear(7, True), sqrt(1 / 1024)),
    ],
)
def test_deviation_before_what_is_no_plain_activation(op: Op, expected: float) -> None:
    build = Builder(1024)
    build.chain(fc=Linear(512, True), after=op)
    assert deviation(build.graph(), "fc") == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("meet", [Add(), Concat()])
def test_deviation_looks_through_where_branches_meet(meet: Op) -> None:
    build = Builder(64, 8, 8)
    left, right = build.add("left", conv(64), 0), build.add("right", conv(64), 0)
    build.add("meet", meet, left, right)
    build.chain(bn=BN, relu=Activation("relu"), last=conv(10))
    graph = build.graph()
    for name in ("left", "right"):
        assert deviation(graph, name) == pytest.approx(sqrt(2 / 576), rel=0.02)
    assert deviation(graph, "last") == pytest.approx(sqrt(0.1 / init(graph)["last.weight"][0].size), rel=0.05)


def test_fan_in_of_groups_and_of_transposed_convolutions() -> None:
    build = Builder(256, 4, 4)
    build.chain(deep=conv(256, groups=256), relu1=Activation("relu"))
    build.chain(up=ConvTranspose(128, (2, 2), (2, 2), (0, 0), (0, 0), (1, 1), 1, True), relu2=Activation("relu"))
    graph = build.graph()
    assert deviation(graph, "deep") == pytest.approx(sqrt(2 / 9), rel=0.05)
    # kernel and stride are equal: one tap of every input channel meets in each output
    assert deviation(graph, "up") == pytest.approx(sqrt(2 / 256), rel=0.05)


def test_constants() -> None:
    build = Builder(8, 4, 4)
    build.chain(conv=conv(8), bn=BN, prelu=PRelu(True, 0.3), scale=Scale(1e-6))
    arrays = init(build.graph())
    assert arrays["bn.num_batches_tracked"].dtype == np.int64
    for name, value in {
        "conv.bias": 0, "bn.weight": 1, "bn.bias": 0, "bn.running_mean": 0, "bn.running_var": 1,
        "bn.num_batches_tracked": 0, "prelu.weight": 0.3, "scale.weight": 1e-6,
    }.items():  # fmt: skip
        np.testing.assert_array_equal(arrays[name], np.full_like(arrays[name], value))


def test_numbers_are_normal_and_unlike_each_other() -> None:
    arrays = init(resnet((1, 1), 32))
    weights = {name: a / a.std() for name, a in arrays.items() if a.ndim == 4 and a.size > 4000}
    for name, values in weights.items():
        assert abs(values.mean()) < 4 / sqrt(values.size), name
        assert (values**4).mean() == pytest.approx(3, abs=0.6), name
    first, second = list(weights.values())[:2]
    size = min(first.size, second.size)
    assert abs(np.corrcoef(first.ravel()[:size], second.ravel()[:size])[0, 1]) < 4 / sqrt(size)


@given(st.integers(0, 2**64), st.integers(0, 2**64))
@settings(max_examples=20, deadline=None)
def test_a_seed_gives_the_same_numbers_again_and_another_gives_others(seed: int, other: int) -> None:
    graph = with_references()
    first, again, different = init(graph, seed), init(graph, seed), init(graph, other)
    for name, array in first.items():
        np.testing.assert_array_equal(array, again[name])
        if array.ndim > 1 and seed != other:
            assert not np.array_equal(array, different[name])


def test_a_layer_more_changes_no_other() -> None:
    build = Builder(3, 8, 8)
    build.chain(conv1=conv(8), relu1=Activation("relu"), conv3=conv(8))
    shorter = init(build.graph())
    build = Builder(3, 8, 8)
    build.chain(conv1=conv(8), relu1=Activation("relu"), conv2=conv(8), bn2=BN, conv3=conv(8))
    longer = init(build.graph())
    for name in ("conv1.weight", "conv3.weight"):
        np.testing.assert_array_equal(shorter[name], longer[name])


WIDTH, CLASSES = 512, 10


def six_layers(deviation: float | None) -> tuple[list[float], float]:
    """The lecture's experiment: the deviation of every layer's activations, and the first loss."""
    build = Builder(WIDTH)
    for i in range(1, 7):
        build.chain(**{f"fc{i}": Linear(WIDTH, True), f"relu{i}": Activation("relu")})
    build.add("scores", Linear(CLASSES, True))
    arrays = init(build.graph())
    source = torch.Generator().manual_seed(0)
    x = torch.randn(256, WIDTH, generator=source)
    levels = []
    for i in range(1, 7):
        weight = torch.from_numpy(arrays[f"fc{i}.weight"])
        if deviation is not None:
            weight = weight / weight.std() * deviation
        x = F.relu(F.linear(x, weight, torch.from_numpy(arrays[f"fc{i}.bias"])))
        levels.append(float(x.std()))
    scores = F.linear(x, torch.from_numpy(arrays["scores.weight"]))
    labels = torch.randint(CLASSES, (256,), generator=source)
    return levels, float(F.cross_entropy(scores, labels))


def test_the_lectures_experiment() -> None:
    # the lecture's 0.01 and 0.05 are for 4096 wide; what matters is deviation times the root of the width
    widened = sqrt(4096 / WIDTH)
    small, _ = six_layers(0.01 * widened)
    large, _ = six_layers(0.05 * widened)
    he, loss = six_layers(None)
    assert small[-1] < 0.1 * small[0]
    assert large[-1] > 20 * large[0]
    assert all(0.7 * he[0] < level < 1.4 * he[0] for level in he)
    assert loss == pytest.approx(log(CLASSES), abs=0.15)


def test_the_first_loss_is_ln_c() -> None:
    graph = _digits()
    module = to_module(graph)
    losses = []
    for seed in range(5):
        load_arrays(module, init(graph, seed))
        source = torch.Generator().manual_seed(seed)
        x = torch.randn(64, 3, 32, 32, generator=source)
        labels = torch.randint(CLASSES, (64,), generator=source)
        with torch.no_grad():
            losses.append(float(F.cross_entropy(module.eval()(x), labels)))
    assert np.mean(losses) == pytest.approx(log(CLASSES), abs=0.15)


def _digits() -> Graph:
    build = Builder(3, 32, 32)
    build.chain(
        conv1=conv(16), relu1=Activation("relu"), pool1=max_pool(2, 2), conv2=conv(32), relu2=Activation("relu")
    )
    build.chain(gap=GlobalAvgPool(), flat=Flatten(), fc=Linear(CLASSES, True))
    return build.graph("Digits")


# Files


def placed(graph: Graph) -> Graph:
    nodes = (node.replace(origin=Origin("net.cnn", line, 1)) for line, node in enumerate(graph.nodes, 1))
    return graph.replace(nodes=tuple(nodes))


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    graph = with_heads()
    arrays = init(graph, 5)
    save(tmp_path / "w.safetensors", graph, arrays)
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]
    stored = read(tmp_path / "w.safetensors", graph)
    assert stored.diagnostics == ()
    assert stored.arrays is not None
    assert list(stored.arrays) == list(arrays)
    for name, array in load_file(tmp_path / "w.safetensors").items():
        np.testing.assert_array_equal(array, arrays[name])
        np.testing.assert_array_equal(stored.arrays[name], arrays[name])


def test_the_metadata_say_what_the_file_is_for(tmp_path: Path) -> None:
    graph = with_heads()
    save(tmp_path / "w.safetensors", graph, init(graph))
    content = (tmp_path / "w.safetensors").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert header["__metadata__"]["hash"] == graph.hash()
    assert header["__metadata__"]["name"] == "Heads"
    assert set(header["__metadata__"]) == {"hash", "name", "version"}


def test_a_state_dict_saved_from_pytorch_is_read(tmp_path: Path) -> None:
    graph = resnet((1,), 4, 32, 5)
    module = to_module(graph)
    save_torch(module.state_dict(), tmp_path / "w.safetensors")
    stored = read(tmp_path / "w.safetensors", graph)
    assert stored.arrays is not None
    assert stored.diagnostics == ()
    for name, tensor in module.state_dict().items():
        np.testing.assert_array_equal(stored.arrays[name], tensor.numpy())


PEAK = """
import re, runpy, sys
try:
    runpy.run_module("cnndsl", run_name="__main__")
finally:
    with open("/proc/self/status") as status:
        sys.stderr.write(re.search(r"VmHWM:\\s*(\\d+)", status.read())[1])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not say how much memory there was")
def test_weights_are_in_memory_once(tmp_path: Path) -> None:
    spec, weights = "FC-16384(bias=false)", tmp_path / "weights.safetensors"
    assert main(["weights", "init", spec, "--input", "1024", "-o", str(weights)]) == 0
    peaks = []
    for options in ([], ["--weights", str(weights)]):
        arguments = ["compile", spec, "--input", "1024", "--to", "onnx", "-o", str(tmp_path / "m.onnx"), *options]
        done = subprocess.run([sys.executable, "-c", PEAK, *arguments], capture_output=True, text=True, check=True)
        peaks.append(int(done.stderr.split()[-1]) * 1024)
    drawn, stored = peaks
    assert stored - drawn <= 1.2 * weights.stat().st_size


def test_counters_may_be_missing(tmp_path: Path) -> None:
    graph = resnet((1,), 4, 32, 5)
    arrays = init(graph)
    save_file({k: a for k, a in arrays.items() if not k.endswith("tracked")}, tmp_path / "w.safetensors")
    stored = read(tmp_path / "w.safetensors", graph)
    assert stored.arrays is not None
    assert set(stored.arrays) == set(arrays)


def test_weights_of_another_version_are_taken_with_a_warning(tmp_path: Path) -> None:
    graph = _digits()
    changed = graph.replace(
        nodes=tuple(n.replace(op=Activation("gelu")) if n.name == "relu1" else n for n in graph.nodes)
    )
    save(tmp_path / "w.safetensors", graph, init(graph))
    stored = read(tmp_path / "w.safetensors", changed)
    assert stored.arrays is not None
    assert [(d.code, d.severity) for d in stored.diagnostics] == [("CNN031", Severity.WARNING)]
    assert graph.hash() in str(stored.diagnostics[0].found)


def wrong(arrays: dict[str, np.ndarray], kind: str) -> dict[str, np.ndarray]:
    match kind:
        case "shape":
            return {**arrays, "conv2.weight": np.zeros((32, 16, 5, 5), np.float32), "fc.bias": np.zeros(3, np.float32)}
        case "missing":
            return {name: a for name, a in arrays.items() if not name.startswith("conv2.")}
        case "extra":
            return {**arrays, "conv9.weight": np.zeros(1, np.float32)}
    return {**arrays, "conv2.weight": arrays["conv2.weight"].astype(np.float16)}


@pytest.mark.parametrize(
    ("kind", "words", "advice"),
    [
        ("shape", r"its array conv2\.weight is 32x16x5x5, the spec's is 32x16x3x3 \(net\.cnn:5\)", "--set, --classes"),
        (
            "missing",
            r"it has no array conv2\.weight of 32x16x3x3, which the spec needs \(net\.cnn:5\)",
            "or match them: ",
        ),
        ("extra", r"it has an array conv9\.weight, which the spec has no layer for", "or match them: "),
        ("type", r"its array conv2\.weight holds F16 numbers, not F32 \(net\.cnn:5\)", "convert them: "),
    ],
)
def test_a_misfit_names_the_first_array(tmp_path: Path, kind: str, words: str, advice: str) -> None:
    graph = placed(_digits())
    save(tmp_path / "w.safetensors", graph, wrong(init(graph), kind))
    stored = read(tmp_path / "w.safetensors", graph)
    assert stored.arrays is None
    assert [(d.code, d.severity) for d in stored.diagnostics] == [("CNN030", Severity.ERROR)]
    assert re.search(words, stored.diagnostics[0].message)
    assert advice in str(stored.diagnostics[0].help)
    assert f"cnndsl weights convert {tmp_path / 'w.safetensors'} --spec SPEC -o" in str(stored.diagnostics[0].help)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("conv2.weight", np.nan, r"conv2\.weight holds infinite numbers or NaN"),
        ("fc1.bias", -np.inf, r"fc1\.bias holds infinite numbers or NaN"),
        ("bn1.running_var", -0.5, r"bn1\.running_var holds variances below 0"),
    ],
)
def test_weights_that_give_nothing_but_nan(tmp_path: Path, name: str, value: float, words: str) -> None:
    graph = cnndsl.load("CONV3-8 - BN - CONV3-4 - GAP - FC-2", input="3x8x8").graph
    arrays = init(graph)
    arrays[name].reshape(-1)[-1] = value
    save(tmp_path / "w.safetensors", graph, arrays)
    (found,) = read(tmp_path / "w.safetensors", graph).diagnostics
    assert found.code == "CNN030"
    assert re.search(words, found.message)


class Trap:
    """What must never be unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, ("unpickled", "w")


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"\xff" * 8, pickle.dumps(Trap()), b"{}"])
def test_what_is_no_safetensors_file_is_said_and_never_unpickled(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.safetensors").write_bytes(content)
    stored = read(tmp_path / "w.safetensors", _digits())
    assert stored.arrays is None
    assert stored.diagnostics[0].code == "CNN030"
    assert str(stored.diagnostics[0].help).startswith(
        "convert it first" if content[:1] == b"\x80" else "get the file again"
    )
    assert not (tmp_path / "unpickled").exists()


def test_no_file_is_said(tmp_path: Path) -> None:
    stored = read(tmp_path / "none.safetensors", _digits())
    assert stored.arrays is None
    assert "cannot be read" in stored.diagnostics[0].message
