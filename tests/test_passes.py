"""Passes change what a network is made of and not what it computes: PyTorch and ONNX Runtime run both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from compiling import graph_of, module_of, near, random_arrays, unshrunk
from hypothesis import assume, example, given
from hypothesis import strategies as st
from layers_strategy import Numbers
from networks_strategy import specs
from notation import Spec
from test_expand import structure

import cnndsl
from cnndsl.backends import Int8
from cnndsl.diagnostics import SpecError
from cnndsl.expand import expand, retraced
from cnndsl.ir import Graph
from cnndsl.lower.onnx import to_onnx
from cnndsl.ops.base import Problem
from cnndsl.passes import ALL, PASSES, Model, optimise
from cnndsl.weights import in_memory, initial

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")

TOLERANCE = 2e-5
"""Of weights rounded to float32 in another order."""


def wild_arrays(graph: Graph) -> dict[str, np.ndarray]:
    """Random weights; running means and shifts far from zero, so that a shift in the wrong place shows."""
    random = np.random.default_rng(1)
    return {
        name: array + random.uniform(-2, 2, array.shape).astype(np.float32)
        if name.rpartition(".")[2] in ("running_mean", "bias")
        else array
        for name, array in random_arrays(graph).items()
    }


def outputs(graph: Graph, arrays: Any, batch: int = 2) -> torch.Tensor:
    """What PyTorch computes in float64 of a random input."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((batch, *graph.input_shape.sizes()), generator=generator, dtype=torch.float64)
    with torch.no_grad():
        found = module_of(graph, in_memory(arrays)).double().eval()(x)
    assert isinstance(found, torch.Tensor)
    return found


def shaken(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same weights but for their last bits: what they move is the network's own doing."""
    random = np.random.default_rng(2)
    return {
        name: array
        if array.dtype == np.int64
        else (array * (1 + 2e-7 * random.choice([-1, 1], array.shape))).astype("f4")
        for name, array in arrays.items()
    }


def sound(model: Model) -> None:
    """Every node takes its inputs and gives its shape, and every array is there and has its own."""
    assert model.arrays is not None
    expected = set()
    for node in model.graph.nodes[1:]:
        shape = node.op.infer(model.graph.inputs(node))
        assert not isinstance(shape, Problem), shape
        assert shape == node.shape
        for weight in node.op.weights(model.graph.inputs(node)):
            name = f"{node.name}.{weight.name}"
            expected.add(name)
            assert model.arrays[name].shape == weight.shape
    assert set(model.arrays) == expected


def agrees(graph: Graph, names: tuple[str, ...] = ALL) -> Model:
    """The model after the passes, which computes what the graph does."""
    arrays = wild_arrays(graph)
    model = optimise(graph, arrays, names)
    sound(model)
    expected = outputs(graph, arrays)
    moved = float((outputs(graph, shaken(arrays)) - expected).abs().max() / expected.abs().max().clamp(min=1e-3))
    # a norm over values that are nearly equal makes much of a last bit
    assert near(outputs(model.graph, model.arrays), expected, max(TOLERANCE, 100 * moved))
    return model


# Random networks


@unshrunk
@given(specs(), st.lists(st.sampled_from(ALL), min_size=1, unique=True))
def test_random_networks_compute_the_same(spec: Spec, names: list[str]) -> None:
    """After all passes, and after any choice of them."""
    graph = graph_of(spec)
    agrees(graph)
    agrees(graph, tuple(names))


class Neighbours(Numbers):
    """Draws specs in which neighbours can be merged: affine layers, pads and crops between all that takes or refuses them."""

    AFFINE = ("BN", "BN(affine=false, eps=0.01)", "SCALE(0.5)", "SCALE(-2, learned=false)", "SCALE(1, learned=false)")
    NORMS = ("LN", "LN(affine=false)", "IN", "GN(1)", "GN(1, affine=false)")
    OTHERS = ("RELU", "RELU6", "DROPOUT", "DROPPATH", "SHUFFLE(1)", "MAX[ ID ]", "UP(1)", "POOL1", "TANH")

    def __init__(self, draw: Callable[..., Any]) -> None:
        super().__init__(draw)
        self.rank = self.integer(1, 3)
        self.channels = self.of(1, 2, 4, 6)

    def text(self) -> str:
        stages = [self.layer() for _ in range(self.integer(2, 9))]
        at = self.integer(0, len(stages) - 1)
        if self.flag() and " - " not in stages[at]:
            stages[at] = f"mark: {stages[at]}"
            stages.append("CONCAT[ GAP - FLATTEN | @mark - GAP - FLATTEN ]")
        if self.flag():
            stages += [self.of("FLATTEN", "BN"), "BN", "FC-5", self.of(*self.AFFINE), "FC-3", "BN"]
        sizes = [self.channels, *[self.integer(5, 9)] * self.rank]
        return f"input {'x'.join(map(str, sizes))}\n" + " - ".join(stages)

    def layer(self) -> str:
        makers = (
            self.convolution, self.convolution, self.affine, self.affine, self.affine, self.pad, self.crop,
            self.transposed, self.mean, self.norm, self.other, self.branches,
        )  # fmt: skip
        return self.of(*makers)()

    def affine(self) -> str:
        return self.of(*self.AFFINE)

    def norm(self) -> str:
        return self.of(*self.NORMS)

    def other(self) -> str:
        return self.of(*self.OTHERS)

    def switch(self, argument: str) -> str:
        return f"{argument}={self.of('true', 'false')}"

    def margins(self, most: int) -> str:
        return f"({', '.join(str(self.integer(0, most)) for _ in range(2 * self.rank))})"

    def convolution(self) -> str:
        groups = self.of(1, 1, self.channels)
        width = self.channels * self.of(1, 2) if groups == 1 else self.channels
        pad = self.of("", f", pad={self.margins(2)}", ", pad=0")
        return (
            f"CONV{self.of(1, 2, 3, 5)}-{width}/{self.of(1, 1, 2)}"
            f"(dilation={self.of(1, 1, 2)}, groups={groups}, {self.switch('bias')}{pad})"
        )

    def transposed(self) -> str:
        arguments = f"groups={self.of(1, self.channels)}, {self.switch('bias')}"
        return f"UPCONV{self.of(2, 3)}-{self.channels}/{self.of(1, 2)}({arguments})"

    def pad(self) -> str:
        mode = self.of("constant", "constant", "replicate", "reflect")
        return f"PAD({self.margins(2)}, mode={mode}, value={self.of(0, 0, 1.5) if mode == 'constant' else 0})"

    def crop(self) -> str:
        return f"CROP({self.margins(1)})"

    def mean(self) -> str:
        switches = f"{self.switch('count_include_pad')}, {self.switch('ceil')}"
        return f"AVGPOOL3/{self.of(1, 2)}(pad={self.of(0, 1)}, {switches})"

    def branches(self) -> str:
        """A sum, of convolutions that keep the resolution and the channels for the most part."""
        groups = self.of(1, self.channels)
        branches = [self.branch(groups) for _ in range(self.integer(1, 3))]
        branches += self.of([], ["ID"], ["BN"], ["SCALE(2)"], ["RELU"])
        return f"CONV1-{self.channels} - ADD[ {' | '.join(self.draw(st.permutations(branches)))} ]"

    def branch(self, groups: int) -> str:
        arguments = f"groups={groups}, dilation={self.of(1, 1, 2)}, {self.switch('bias')}"
        return f"CONV{self.of(1, 3, 5)}-{self.channels}({arguments}){self.of('', ' - BN', ' - SCALE(3)')}"


@st.composite
def foldable(draw: Callable[..., Any]) -> str:
    return Neighbours(draw).text()


@unshrunk
@given(foldable(), st.sampled_from([one.name for one in PASSES]))
@example("input 2x8x8\nBN - CONV3-4 - BN - SCALE(2) - LN - SCALE(3) - BN", "scales")
@example("input 2x8x8\nPAD(1) - PAD((1, 0, 2, 1)) - CROP(1) - CONV3-4(pad=0) - PAD(1) - AVGPOOL3/1", "pads")
@example("input 4x8x8\nCONV1-4 - ADD[ CONV3-4(groups=4) - BN | CONV1-4(groups=4) - BN | BN ] - RELU", "branches")
def test_neighbours_merge_and_compute_the_same(text: str, name: str) -> None:
    try:
        network = cnndsl.load(text)
    except SpecError:
        assume(False)
    graph = network.graph
    agrees(graph, (name,))
    model = agrees(graph)
    assert len(model.graph.nodes) <= len(graph.nodes)
    # every node that is left is of a pass's making or as it was, and running the passes again finds nothing more
    again = optimise(model.graph, in_memory(model.arrays or {}))
    assert len(again.graph.nodes) <= len(model.graph.nodes)
    written = expand(model.graph, retraced(network.compiled.elaborated.trace, graph, model))
    assert structure(cnndsl.load(written).graph)[:2] == structure(model.graph)[:2], written


@unshrunk
@given(foldable())
def test_onnx_runtime_gives_the_values_that_the_model_names(text: str) -> None:
    """Every value of the network as written that is said to be made still is, by the node that is named."""
    try:
        graph = cnndsl.load(text).graph
    except SpecError:
        assume(False)
    arrays = wild_arrays(graph)
    model = optimise(graph, arrays)
    kept = sorted(name for name in model.values if name != "input" and model.values[name] != "input")
    assume(kept)
    proto = to_onnx(model.graph, model.arrays, of=graph, passes=model.applied)
    plain = to_onnx(graph, arrays)
    x = np.random.default_rng(0).standard_normal((2, *graph.input_shape.sizes()), dtype=np.float32)
    found, expected, moved = (every_value(one, x) for one in (proto, plain, to_onnx(graph, shaken(arrays))))
    for name in kept:
        if name in expected:
            ours, theirs = found[model.values[name]], expected[name]
            own = 100 * np.abs(moved[name] - theirs).max()
            np.testing.assert_allclose(ours, theirs, atol=max(own, 1e-3 * max(1, np.abs(theirs).max())), err_msg=name)


def every_value(proto: onnx.ModelProto, x: np.ndarray) -> dict[str, np.ndarray]:
    """By the name of the node, without any optimisation of the runtime's."""
    onnx.checker.check_model(proto, full_check=True)
    names = {node.output[0]: node.name for node in proto.graph.node}
    for value in names.keys() - {output.name for output in proto.graph.output}:
        proto.graph.output.add(name=value)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given_ = [output.name for output in session.get_outputs()]
    return {names[name]: value for name, value in zip(given_, session.run(given_, {"input": x}), strict=True)}


# What merges and what does not


def kinds(text: str, *names: str) -> list[str]:
    """The operations that are left after the passes, all by default."""
    return [node.op.kind for node in agrees(cnndsl.load(text).graph, names or ALL).graph.nodes[1:]]


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("CONV3-4 - BN - RELU", ["conv", "activation"]),
        ("CONV3-4(bias=false) - DROPOUT - SCALE - BN", ["conv"]),
        ("UPCONV2-4/2(groups=2) - BN", ["conv_transpose"]),
        ("FLATTEN - FC-4 - BN - RELU", ["flatten", "linear", "activation"]),
        ("BN - CONV3-4(pad=0)", ["conv"]),
        ("BN - CONV3-4", ["batch_norm", "conv"]),
        ("SCALE - CONV3-4", ["conv"]),
        ("BN - UPCONV2-4", ["batch_norm", "conv_transpose"]),
        ("BN - ADD[ CONV1-4 | CONV1-4 - RELU ]", ["conv", "conv", "activation", "add"]),
        ("BN - ADD[ CONV1-2 | RELU ]", ["batch_norm", "conv", "activation", "add"]),
        ("CONV3-2 - ADD[ BN | RELU ]", ["conv", "batch_norm", "activation", "add"]),
        ("BN - FC-4", ["flatten", "linear"]),
        ("x: BN - FC-2 - ADD[ ID | @x - FC-2 ]", ["flatten", "linear", "flatten", "linear", "add"]),
        (
            "x: BN - FC-2 - ADD[ ID | @x - FLATTEN - RELU - FC-2 ]",
            ["batch_norm", "flatten", "linear", "flatten", "activation", "linear", "add"],
        ),
        ("BN - FLATTEN - ADD[ ID | RELU ]", ["batch_norm", "flatten", "activation", "add"]),
        ("BN - FLATTEN", ["batch_norm", "flatten"]),
        ("BN - BN - BN", ["batch_norm"]),
        ("LN - SCALE", ["layer_norm"]),
        ("PAD(1) - CONV3-4(pad=0)", ["conv"]),
        ("PAD(1, value=1) - CONV3-4(pad=0)", ["pad", "conv"]),
        ("PAD(1, mode=reflect) - PAD(1, mode=reflect)", ["pad", "pad"]),
        ("PAD(1, mode=replicate) - PAD(1, mode=replicate)", ["pad"]),
        ("PAD(2, mode=reflect) - CROP(1)", ["pad"]),
        ("PAD(1) - CROP(2)", ["crop"]),
        ("PAD((2, 0, 0, 0)) - CROP((0, 2, 0, 0))", ["pad", "crop"]),
        ("PAD(1) - AVGPOOL3/1", ["avg_pool"]),
        ("PAD(1) - AVGPOOL3/1(ceil=true)", ["pad", "avg_pool"]),
        ("PAD(1) - POOL3/1", ["pad", "max_pool"]),
        ("RELU - RELU - DROPPATH", ["activation"]),
        ("ADD[ CONV3-2 | CONV1-2 | ID ] - RELU", ["conv", "activation"]),
        ("ADD[ CONV3-2 - BN | CONV1-2 - BN | BN ]", ["conv"]),
        ("CONV1-4 - ADD[ CONV3-4/2 - BN | CONV1-4/2 - BN ]", ["conv", "conv"]),
        ("ADD[ CONV3-2(dilation=2) | CONV3-2 ]", ["conv", "conv", "add"]),
        ("ADD[ CONV5-2 | CONV3-2(dilation=2) ]", ["conv"]),
        ("ADD[ CONV1x3-2 | CONV3x1-2 ]", ["conv", "conv", "add"]),
        ("ADD[ CONV3-2 | CONV3-2/2 - UP(2) ]", ["conv", "conv", "upsample", "add"]),
        ("ADD[ CONV3-2 - RELU | CONV1-2 ]", ["conv", "activation", "conv", "add"]),
    ],
)
def test_what_is_left(body: str, left: list[str]) -> None:
    assert kinds(f"input 2x8x8\n{body}") == left


def test_without_batch_norm_nothing_of_it_is_folded() -> None:
    others = tuple(name for name in ALL if name != "batch-norm")
    assert kinds("input 2x8x8\nCONV3-4 - BN - RELU - DROPOUT", *others) == ["conv", "batch_norm", "activation"]
    assert kinds("input 2x8x8\nDROPOUT - PAD(0)", "initialisers") == ["dropout", "pad"]


def test_the_structure_alone_is_rewritten_where_no_weights_are_needed() -> None:
    graph = cnndsl.load("input 2x8x8\nPAD(1) - CONV3-4(pad=0) - DROPOUT - BN").graph
    model = optimise(graph, None)
    assert model.applied == ("identities", "pads")
    assert [node.op.kind for node in model.graph.nodes[1:]] == ["conv", "batch_norm"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_what_is_no_number_is_left_where_it_is(value: float) -> None:
    """A variance below zero, or none: the weights would all become NaN, not the one channel."""
    graph = cnndsl.load("input 2x8x8\nCONV3-4 - BN").graph
    arrays = wild_arrays(graph)
    arrays["bn1.running_var"][1] = value
    if value == np.inf:
        arrays["bn1.bias"][1] = value
    model = optimise(graph, arrays)
    assert [node.op.kind for node in model.graph.nodes[1:]] == ["conv", "batch_norm"]


def test_what_is_wrong_is_said() -> None:
    graph = cnndsl.load("input 2x8x8\nCONV3-4 - BN").graph
    arrays = wild_arrays(graph)
    with pytest.raises(ValueError, match=r"no pass folding: they are identities, pads"):
        optimise(graph, arrays, ("folding",))
    with pytest.raises(ValueError, match=r"no array bn1\.bias, which bn1 needs"):
        optimise(graph, {name: array for name, array in arrays.items() if name != "bn1.bias"})
    with pytest.raises(ValueError, match=r"conv1\.bias is \(3,\), not \(4,\)"):
        optimise(graph, {**arrays, "conv1.bias": np.zeros(3, np.float32)})


# The zoo


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("resnet18", {"conv": 20, "linear": 1}),
        ("repvgg_a0", {"conv": 22, "linear": 1}),
        ("mobilenet_v2", {"conv": 52, "linear": 1}),
        ("convnext_tiny", {"layer_norm": 23}),
    ],
)
def test_members_of_the_zoo(name: str, left: dict[str, int]) -> None:
    """One convolution for each that the papers count at inference, and no normalisation beside what cannot be folded."""
    graph = cnndsl.load(f"zoo:{name}").graph
    model = optimise(graph, initial(graph))
    sound(model)
    found = Counter(node.op.kind for node in model.graph.nodes)
    assert {kind: found[kind] for kind in left} == left
    assert not found["batch_norm"] and not found["dropout"] and not found["drop_path"] and not found["scale"]


def test_a_file_shares_what_is_equal_and_says_what_was_done(tmp_path: Path) -> None:
    network = cnndsl.load("input 2x8x8\n(CONV3-2 - RELU)*3 - GAP - FC-2")
    network.onnx(tmp_path / "a.onnx")
    network.onnx(tmp_path / "b.onnx", passes=())
    ours, plain = onnx.load(tmp_path / "a.onnx"), onnx.load(tmp_path / "b.onnx")
    facts = {entry.key: entry.value for entry in ours.metadata_props}
    assert facts["passes"] == ",".join(ALL)
    assert facts["hash"] == network.graph.hash()
    assert "passes" not in {entry.key for entry in plain.metadata_props}
    names = [tensor.name for tensor in ours.graph.initializer]
    assert len(names) == len(plain.graph.initializer) - 3  # the biases, all zero: two of conv1's, one of fc's
    assert [node.input[2] for node in ours.graph.node if node.op_type in ("Conv", "Gemm")] == ["conv1.bias"] * 4
    x = np.random.default_rng(0).standard_normal((3, 2, 8, 8), dtype=np.float32)
    results = [
        onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"input": x})[0] for model in (ours, plain)
    ]
    np.testing.assert_allclose(*results, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int4"}, "precision is 'int4'; write 'fp32', 'fp16' or 'int8'"),
        ({"io_type": "fp8"}, "io_type is 'fp8'"),
        ({"precision": "int8"}, "needs real inputs to find the ranges of its values: calibrate="),
        ({"precision": "int8", "calibrate": "digits", "io_type": "fp16"}, "an INT8 model takes and gives FP32"),
        ({"precision": "fp16", "calibrate": "digits"}, "calibrate is for precision 'int8'"),
        ({"precision": "int8", "calibrate": np.ones((4, 2, 9, 9))}, "each input in `calibrate` is 2x9x9"),
        (
            {"precision": "int8", "calibrate": Int8("digits", provider="gpu")},
            "provider is 'gpu'; write cpu, cuda, tensor",
        ),
        ({"precision": "int8", "calibrate": Int8("digits", max_drop=-1)}, "max_drop goes from 0 to 100, -1 does not"),
        ({"precision": "int8", "calibrate": Int8("digits", max_error=np.nan)}, "max_error goes from 0 to 100, nan"),
        (
            {"weights": {"conv1.weight": np.full((2, 2, 3, 3), np.nan)}},
            "array conv1.weight holds infinite numbers or NaN",
        ),
        ({"seed": "x"}, "seed is 'x'"),
        ({"passes": "folding"}, "there is no pass folding"),
        ({"weights": {"conv1.weight": 3}}, "there is no array conv1.bias|is \\(\\), not"),
    ],
)
def test_the_library_refuses_what_it_does_not_know(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        cnndsl.load("input 2x8x8\nCONV3-2 - GAP - FC-2").onnx(tmp_path / "a.onnx", **options)
    assert not list(tmp_path.iterdir())


def test_a_state_dict_will_do(tmp_path: Path) -> None:
    network = cnndsl.load("input 2x8x8\nCONV3-2 - BN - GAP - FC-2")
    module = network.torch(seed=3).eval()
    network.onnx(tmp_path / "a.onnx", module.state_dict(), passes="none")
    network.onnx(tmp_path / "b.onnx", seed=3, passes=())
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
