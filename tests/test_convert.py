"""Checkpoints of other implementations: matched whatever their order, refused where they do not fit, never executed."""

from __future__ import annotations

import json
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file
from safetensors.torch import save_file
from torch import nn

import cnndsl
from cnndsl.checkpoint import convert, read_checkpoint, read_map
from cnndsl.cli import main
from cnndsl.convert import Match, Misfit, Tensor, match
from cnndsl.diagnostics import SpecError
from cnndsl.ir import Graph
from cnndsl.weights import init

SPEC = """input 3x16x16
def Shortcut(w) = CONV1-w - BN
def Block(w) = RES[ CONV1-w - BN - RELU - CONV3-w - BN - RELU - CONV1-{2*w} - BN | Shortcut(2*w) ] - RELU
CONV3-8 - BN - RELU
  - Block(8) - AUX[ CONV1-8 - GAP - FC-10 ]
  - RES[ CONV1-8 - PRELU - CONV1-16 ]
  - SCALE(0.1) - GAP - FC-10
"""


class Bottleneck(nn.Module):
    """Its shortcut is registered where `first` says; the forward pass is ours."""

    def __init__(self, cin: int, w: int, first: bool) -> None:
        super().__init__()
        if first:
            self.downsample = nn.Sequential(nn.Conv2d(cin, 2 * w, 1), nn.BatchNorm2d(2 * w))
        self.conv1, self.bn1 = nn.Conv2d(cin, w, 1), nn.BatchNorm2d(w)
        self.conv2, self.bn2 = nn.Conv2d(w, w, 3, padding=1), nn.BatchNorm2d(w)
        self.conv3, self.bn3 = nn.Conv2d(w, 2 * w, 1), nn.BatchNorm2d(2 * w)
        if not first:
            self.downsample = nn.Sequential(nn.Conv2d(cin, 2 * w, 1), nn.BatchNorm2d(2 * w))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        return torch.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class Theirs(nn.Module):
    """The network of `SPEC`, with its auxiliary head registered last, and a 1×1 convolution for a classifier."""

    def __init__(self, first: bool = False) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.block = Bottleneck(8, 8, first)
        self.layer_scale = nn.Parameter(torch.rand(16, 1, 1))
        self.squeeze, self.act, self.expand = nn.Conv2d(16, 8, 1), nn.PReLU(), nn.Conv2d(8, 16, 1)
        self.fc = nn.Conv2d(16, 10, 1)
        self.aux = nn.ModuleDict({"conv": nn.Conv2d(16, 8, 1), "fc": nn.Linear(8, 10)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.block(torch.relu(self.bn1(self.conv1(x))))
        x = x + self.expand(self.act(self.squeeze(x)))
        return self.fc((x * self.layer_scale).mean((2, 3), keepdim=True)).flatten(1)


def theirs(first: bool = False) -> Theirs:
    module = Theirs(first)
    with torch.no_grad():
        for value in module.state_dict().values():
            if value.dtype.is_floating_point:
                value.copy_(torch.rand(value.shape) + 0.1)
    return module.eval()


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "ours.cnn"
    path.write_text(SPEC)
    return path


def described(state: dict[str, torch.Tensor]) -> list[Tensor]:
    return [Tensor(name, tuple(value.shape)) for name, value in state.items()]


def outputs_agree(graph: Graph, found: Match, module: nn.Module) -> None:
    """With their weights where the match puts them, ours computes what theirs does."""
    ours = cnndsl.Network(graph, None).torch().eval()  # type: ignore[arg-type]
    state, given = ours.state_dict(), module.state_dict()
    for pair in found.pairs:
        state[pair.ours].copy_(given[pair.theirs].reshape(pair.shape))
    x = torch.randn(2, *graph.input_shape.dimensions)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), module(x), rtol=1e-4, atol=1e-5)


# -- matching


@given(st.randoms(use_true_random=False), st.booleans(), st.sampled_from(["registered", "shuffled", "sorted"]))
def test_any_order_gives_the_same_network(order: random.Random, first: bool, how: str) -> None:
    graph, module = cnndsl.load(SPEC).graph, theirs(first)
    tensors = described(module.state_dict())
    if how == "shuffled":
        order.shuffle(tensors)
    found = match(graph, tensors, registered=how != "sorted")
    assert isinstance(found, Match), found
    assert not found.missing
    assert not found.unused
    outputs_agree(graph, found, module)


@given(st.lists(st.sampled_from(["CONV3-8 - BN", "CONV1-8", "GN(groups=2)", "PRELU", "SCALE"]), min_size=1, max_size=9))
def test_our_own_arrays_match_themselves(stages: list[str]) -> None:
    graph = cnndsl.load(" - ".join(["CONV3-8", *stages]), input="3x8x8").graph
    tensors = [Tensor(name, array.shape) for name, array in init(graph).items()]
    found = match(graph, tensors, registered=True)
    assert isinstance(found, Match)
    assert [(pair.ours, pair.theirs) for pair in found.pairs] == [(tensor.name, tensor.name) for tensor in tensors]


def test_modules_not_nested_as_ours_match_by_their_numbers() -> None:
    graph = cnndsl.load("(CONV3-8 - BN)*12", input="8x8x8").graph
    names = [f"{kind}.{i}.{role}" for kind, roles in LISTS.items() for i in range(12) for role in roles]
    random.Random(0).shuffle(names)
    shapes = {"convs.weight": (8, 8, 3, 3)}
    tensors = [Tensor(name, shapes.get(f"{name.split('.')[0]}.{name.split('.')[2]}", (8,))) for name in names]
    found = match(graph, tensors, registered=False)
    assert isinstance(found, Match)
    for pair in found.pairs:
        numbers = [
            int("".join(c for c in name.split("running")[0] if c.isdigit())) for name in (pair.ours, pair.theirs)
        ]
        assert numbers[0] == numbers[1] + 1, pair


LISTS = {"convs": ("weight", "bias"), "bns": ("weight", "bias", "running_mean", "running_var")}


def test_names_that_say_nothing_are_ambiguous() -> None:
    graph = cnndsl.load("CONV3-8(bias=false) - CONV3-8(bias=false)", input="8x8x8").graph
    tensors = [Tensor("gamma_ray.weight", (8, 8, 3, 3)), Tensor("alpha_ray.weight", (8, 8, 3, 3))]
    found = match(graph, tensors, registered=False)
    assert isinstance(found, Misfit)
    assert found.ambiguous
    assert "alpha_ray and gamma_ray" in found.message
    in_order = match(graph, tensors, registered=True)
    assert isinstance(in_order, Match)
    assert [pair.theirs for pair in in_order.pairs] == [tensor.name for tensor in tensors]


def test_a_map_comes_first() -> None:
    graph = cnndsl.load("CONV3-8(bias=false) - CONV3-8(bias=false)", input="8x8x8").graph
    tensors = [Tensor("x.weight", (8, 8, 3, 3)), Tensor("y.weight", (8, 8, 3, 3))]
    for given_ in ({"conv1": "y"}, {"conv2.weight": "x.weight"}, {"conv1.weight": "y.weight", "conv2": "x"}):
        found = match(graph, tensors, registered=False, given=given_)
        assert isinstance(found, Match)
        assert [pair.theirs for pair in found.pairs] == ["y.weight", "x.weight"]
    with pytest.raises(ValueError, match=r"the spec has no conv3; closest: conv"):
        match(graph, tensors, registered=False, given={"conv3": "x"})
    with pytest.raises(ValueError, match=r"the checkpoint has no z\.weight; closest"):
        match(graph, tensors, registered=False, given={"conv1.weight": "z.weight"})
    wrong = match(graph, [*tensors, Tensor("z.weight", (9,))], registered=False, given={"conv1.weight": "z.weight"})
    assert isinstance(wrong, Misfit)
    assert (wrong.expected, wrong.found) == ("conv1.weight of 8x8x3x3", "z.weight of 9")


# -- what does not fit


@pytest.mark.parametrize(
    ("name", "shape", "expected", "found"),
    [
        ("block.conv2.weight", (8, 8, 5, 5), "block1.conv2.weight of 8x8x3x3", "block.conv2.weight of 8x8x5x5"),
        ("block.conv2.bias", None, "block1.conv2.bias of 8", "nothing in block.conv2"),
        ("extra.weight", (3, 4), "no more arrays", "extra.weight of 3x4"),
        ("conv1.scale", (), "no more arrays", "conv1.scale of a single number"),
    ],
)
def test_the_first_misfit_is_named(name: str, shape: tuple[int, ...] | None, expected: str, found: str) -> None:
    shapes = {tensor.name: tensor.shape for tensor in described(theirs().state_dict())}
    changed = {key: value for key, value in {**shapes, name: shape}.items() if value is not None}
    misfit = match(cnndsl.load(SPEC).graph, [Tensor(*item) for item in changed.items()], registered=True)
    assert isinstance(misfit, Misfit)
    assert not misfit.ambiguous
    assert (misfit.expected, misfit.found) == (expected, found)


def test_another_architecture_is_refused(spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = nn.Sequential(nn.Conv2d(3, 8, 5), nn.Conv2d(8, 8, 3)).state_dict()
    torch.save(state, tmp_path / "a.pth")
    out = tmp_path / "out.safetensors"
    assert main(["weights", "convert", str(tmp_path / "a.pth"), "--spec", str(spec), "-o", str(out)]) == 1
    told = capsys.readouterr().err
    assert f"{spec}:4:1: error CNN032 conv1.weight is 8x3x3x3, and the checkpoint has 0.weight of 8x3x5x5" in told
    assert "--partial" in told
    assert not out.exists()


# -- in part


def test_another_head_and_no_auxiliary(spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = theirs()
    torch.save(module.state_dict(), tmp_path / "a.pth")
    spec.write_text(SPEC.replace(" - AUX[ CONV1-8 - GAP - FC-10 ]", "").replace("GAP - FC-10", "GAP - FC-3"))
    out = tmp_path / "out.safetensors"
    words = ["weights", "convert", str(tmp_path / "a.pth"), "--spec", str(spec), "-o", str(out)]
    assert main(words) == 1
    assert main([*words, "--partial", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["drawn"] == ["fc1.weight", "fc1.bias"]
    assert set(told["unused"]) == {
        "fc.weight",
        "fc.bias",
        "aux.conv.weight",
        "aux.conv.bias",
        "aux.fc.weight",
        "aux.fc.bias",
    }
    arrays = load_file(out)
    np.testing.assert_array_equal(arrays["scale1.weight"], module.layer_scale.detach().numpy().ravel())
    assert arrays["fc1.weight"].shape == (3, 16)
    assert arrays["fc1.weight"].std() > 0
    assert main(["compile", str(spec), "--to", "onnx", "--weights", str(out), "-o", str(tmp_path / "a.onnx")]) == 0


@pytest.mark.parametrize("registered", [True, False])
@pytest.mark.parametrize(("ours", "other"), [(50, 101), (101, 50)])
def test_the_blocks_that_both_have(ours: int, other: int, registered: bool) -> None:
    """Of a stage with another number of blocks, those at its beginning."""
    graph = cnndsl.load("zoo:resnet50", depth=ours).graph
    tensors = [
        Tensor(name, array.shape) for name, array in init(cnndsl.load("zoo:resnet50", depth=other).graph).items()
    ]
    if not registered:
        tensors.sort(key=lambda tensor: tensor.name)
    found = match(graph, tensors, registered=registered, partial=True)
    assert isinstance(found, Match)
    assert all(pair.ours == pair.theirs for pair in found.pairs)
    left = found.unused if other > ours else found.missing
    assert {name.split(".")[0] for name in left} == {"layer3"}
    assert not (found.missing if other > ours else found.unused)


# -- files


@pytest.mark.parametrize("form", ["plain", "state_dict", "model", "model_state_dict", "parallel", "safetensors"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_files(form: str, dtype: torch.dtype, tmp_path: Path) -> None:
    module = theirs()
    state = {
        name: value.to(dtype) if value.is_floating_point() else value for name, value in module.state_dict().items()
    }
    path = tmp_path / ("a.safetensors" if form == "safetensors" else "a.pth")
    match form:
        case "safetensors":
            save_file(state, path)
        case "plain":
            torch.save(state, path)
        case "parallel":
            torch.save({"epoch": 3, "state_dict": {f"module.{name}": value for name, value in state.items()}}, path)
        case _:
            torch.save({"epoch": 3, form: state, "optimizer": {"lr": 0.1}}, path)
    graph = cnndsl.load(SPEC).graph
    converted = convert(graph, read_checkpoint(path))
    assert {str(array.dtype) for array in converted.arrays.values()} == {"float32", "int64"}
    for pair in converted.match.pairs:
        expected = state[pair.theirs].to(torch.float32).reshape(pair.shape)
        torch.testing.assert_close(
            torch.from_numpy(converted.arrays[pair.ours]).to(torch.float32), expected, rtol=0, atol=0
        )


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("touched"),))


def test_nothing_is_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": theirs().state_dict(), "more": Evil()}, "torch.pth")
    Path("plain.pth").write_bytes(pickle.dumps(Evil()))
    Path("whole.pth").write_bytes(b"")
    torch.save(theirs(), "module.pth")
    Path("junk.bin").write_bytes(b"\x00" * 100)
    Path("short.safetensors").write_bytes(b"\xff" * 20)
    torch.save({"epoch": 3}, "none.pth")
    torch.save(torch.zeros(3), "tensor.pth")
    Path("a.h5").write_bytes(b"")
    for name in ("torch.pth", "plain.pth", "whole.pth", "module.pth", "junk.bin", "short.safetensors", "none.pth",
                 "tensor.pth", "a.h5"):  # fmt: skip
        assert main(["weights", "convert", name, "--spec", SPEC, "-o", "out.safetensors"]) == 1, name
        told = capsys.readouterr().err
        assert f"CNN030 the weights in {name} cannot be used" in told
        assert "weights_only" not in told
    assert main(["weights", "convert", "missing.pth", "--spec", SPEC, "-o", "out.safetensors"]) == 2
    assert not Path("touched").exists()
    assert not Path("out.safetensors").exists()


def test_maps(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"conv1": "features.0", "layer1.fc1.weight": "x"}')
    (tmp_path / "a.toml").write_text('conv1 = "features.0"\nlayer1.fc1.weight = "x"\n')
    assert read_map(tmp_path / "a.json") == read_map(tmp_path / "a.toml")
    for text in ("[1]", '{"a": 1}', "{"):
        (tmp_path / "b.json").write_text(text)
        with pytest.raises(ValueError, match=r"b\.json"):
            read_map(tmp_path / "b.json")


def test_the_table_shows_what_went_where(spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_file(theirs().state_dict(), tmp_path / "a.safetensors")
    out = tmp_path / "out.safetensors"
    assert main(["weights", "convert", str(tmp_path / "a.safetensors"), "--spec", str(spec), "-o", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ours", "theirs", "shape"]
    assert ["block1.shortcut1.conv1.weight", "block.downsample.0.weight", "16x8x1x1"] in [
        line.split() for line in lines
    ]
    assert lines[-1] == str(out)
    assert set(load_file(out)) == set(cnndsl.load(spec).torch().state_dict())


def test_errors_of_the_spec_come_first(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SpecError):
        cnndsl.load("CONVV", input="3x8x8")
    assert main(["weights", "convert", "none.pth", "--spec", "CONVV", "--input", "3x8x8", "-o", "a.safetensors"]) == 1
    assert "CNN010" in capsys.readouterr().err
