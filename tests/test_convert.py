"""Checkpoints of other implementations: matched whatever their order, refused where they do not fit, never executed."""

from __future__ import annotations

import json
import pickle
import random
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import WithoutNumbers, reference
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
from cnndsl.zoo import members

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
    with pytest.raises(ValueError, match=r"the spec has no conv2\.wieght; closest: conv2\.weight"):
        match(graph, tensors, registered=False, given={"conv2.wieght": "x"})
    with pytest.raises(ValueError, match=r"x\.weight is one array of the checkpoint"):
        match(graph, tensors, registered=False, given={"conv2": "x.weight"})
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
    assert main(["weights", "convert", str(tmp_path / "a.pth"), "--spec", str(spec), "-o", str(out)]) == 2
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
    assert main(words) == 2
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


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_a_head_of_other_classes(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, theirs, out = tmp_path / "net.cnn", tmp_path / f"a.{ending}", tmp_path / "out.safetensors"
    spec.write_text("input 3x8x8\nparam classes = 1000\nstem: CONV3-8 - GAP - FC-classes")
    state = cnndsl.load(spec, classes=4).torch().state_dict()
    torch.save(state, theirs) if ending == "pth" else save_file(state, theirs)
    words = ["weights", "convert", str(theirs), "--spec", str(spec), "-o", str(out)]
    assert main(words) == 2
    told = capsys.readouterr().err
    assert "fc1.weight is 1000x8, and the checkpoint has fc1.weight of 4x8" in told
    assert "--classes 4, or convert what fits with --partial" in told
    assert main([*words, "--classes", "4"]) == 0


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


# -- where something is missing, against the state dicts of torchvision

ABSENT = {
    "layer1.0.conv2.weight": "layer1.basic1.conv2",
    "layer1.0.conv1.": "layer1.basic1.conv1",
    "layer1.0.bn1.": "layer1.basic1.bn1",
    "layer1.0.": "layer1.basic1",
    "layer1.1.": "layer1.basic2",
    "layer2.0.downsample.0.": "layer2.basic1.projected1.conv1",
    "layer3.1.conv1.": "layer3.basic2.conv1",
    "layer4.": "layer4",
}
"""Beginnings of names in torchvision's ResNet-18, and of those in ours."""


@cache
def shapes_of(name: str) -> dict[str, torch.Tensor]:
    """The state dict of a member's reference, without the numbers in it."""
    with WithoutNumbers():
        return dict(reference(members()[name]).state_dict())


@cache
def graph_of(name: str) -> Graph:
    return cnndsl.load(f"zoo:{name}").graph


def truth(name: str) -> dict[str, str]:
    """What goes where when all is there, which `test_transplant` proves."""
    found = match(graph_of(name), described(shapes_of(name)), registered=True)
    assert isinstance(found, Match)
    return {pair.ours: pair.theirs for pair in found.pairs}


def partly(name: str, kept: dict[str, torch.Tensor], registered: bool) -> Match | Misfit:
    tensors = described(kept)
    return match(
        graph_of(name),
        tensors if registered else sorted(tensors, key=lambda tensor: tensor.name),
        registered=registered,
        partial=True,
    )


def without(name: str, *beginnings: str) -> dict[str, torch.Tensor]:
    return {key: value for key, value in shapes_of(name).items() if not key.startswith(beginnings)}


@pytest.mark.parametrize("registered", [True, False])
@pytest.mark.parametrize("absent", ABSENT)
def test_what_is_missing_is_drawn_and_nothing_else(absent: str, registered: bool) -> None:
    found = partly("resnet18", without("resnet18", absent), registered)
    assert isinstance(found, Match), found
    assert all(truth("resnet18")[pair.ours] == pair.theirs for pair in found.pairs)
    places = {name for name in truth("resnet18") if not name.endswith("num_batches_tracked")}
    assert set(found.missing) == {name for name in places if name.startswith(f"{ABSENT[absent]}.")}
    assert not found.unused


@pytest.mark.parametrize("absent", ABSENT)
def test_what_is_missing_is_named(absent: str) -> None:
    misfit = match(graph_of("resnet18"), described(without("resnet18", absent)), registered=True)
    assert isinstance(misfit, Misfit)
    assert misfit.message.startswith(f"{ABSENT[absent]}.")
    assert misfit.found == "no array left"
    assert misfit.node is not None
    assert ABSENT[absent].startswith(graph_of("resnet18").nodes[misfit.node].name) or graph_of("resnet18").nodes[
        misfit.node
    ].name.startswith(ABSENT[absent])


@pytest.mark.parametrize("registered", [True, False])
def test_an_array_of_another_shape_is_drawn(registered: bool) -> None:
    changed = {**shapes_of("resnet18"), "layer3.0.downsample.1.running_mean": torch.zeros(128)}
    found = partly("resnet18", changed, registered)
    assert isinstance(found, Match)
    assert found.missing == ("layer3.basic1.projected1.bn1.running_mean",)
    assert found.unused == ("layer3.0.downsample.1.running_mean",)
    assert all(truth("resnet18")[pair.ours] == pair.theirs for pair in found.pairs)
    misfit = match(graph_of("resnet18"), described(changed), registered=True)
    assert isinstance(misfit, Misfit)
    assert misfit.expected == "layer3.basic1.projected1.bn1.running_mean of 256"
    assert misfit.found == "layer3.0.downsample.1.running_mean of 128"


@pytest.mark.parametrize("registered", [True, False])
def test_stages_of_another_depth_match_from_their_beginning(registered: bool) -> None:
    found = partly("resnet34", shapes_of("resnet18"), registered)
    assert isinstance(found, Match)
    assert not found.unused
    blocks = {
        (pair.ours.split(".")[0], int(pair.ours.split(".")[1].removeprefix("basic")) - 1): tuple(
            pair.theirs.split(".")[:2]
        )
        for pair in found.pairs
        if pair.ours.startswith("layer")
    }
    assert blocks == {(f"layer{i}", j): (f"layer{i}", str(j)) for i in range(1, 5) for j in range(2)}


@pytest.mark.parametrize(
    "name",
    ["vgg11", "googlenet", "mobilenet_v2", "densenet121", "shufflenet_v2_x0_5", "inception_v3", "regnet_y_400mf"],
)
def test_nothing_is_ever_shifted(name: str) -> None:
    """Whatever module is taken away: what is taken is right, or it is refused because the names do not tell."""
    order = random.Random(3)
    modules = sorted({key[:at] for key in shapes_of(name) for at, sign in enumerate(key, 1) if sign == "."})
    right = truth(name)
    refused = 0
    for absent in order.sample(modules, 10):
        for registered in (True, False):
            found = partly(name, without(name, absent), registered)
            if isinstance(found, Misfit):
                assert found.ambiguous, (absent, found)
                refused += 1
                continue
            assert {pair.ours: pair.theirs for pair in found.pairs}.items() <= right.items(), absent
    assert refused <= 6


def test_names_that_do_not_tell_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = {name: torch.rand(8, 8, 3, 3) for name in ("tic.weight", "toc.weight")}
    torch.save(state, tmp_path / "a.pth")
    words = ["weights", "convert", str(tmp_path / "a.pth"), "--spec", "(CONV3-8(bias=false))*3", "--input", "8x8x8"]
    words += ["-o", str(tmp_path / "a.safetensors")]
    assert main([*words, "--partial"]) == 2
    told = capsys.readouterr().err
    assert "CNN033" in told
    assert "tic fits conv1 and conv2 equally well" in told or "toc fits conv2 and conv3 equally well" in told
    assert "--map" in told
    assert not (tmp_path / "a.safetensors").exists()
    assert main(words) == 2
    assert "the spec has 3 layers with weight 8x8x3x3, and the checkpoint has 2" in capsys.readouterr().err
    (tmp_path / "map.json").write_text('{"conv1": "toc", "conv3": "tic"}')
    assert main([*words, "--partial", "--map", str(tmp_path / "map.json")]) == 0
    arrays = load_file(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(arrays["conv1.weight"], state["toc.weight"].numpy())
    np.testing.assert_array_equal(arrays["conv3.weight"], state["tic.weight"].numpy())


def test_a_partial_conversion_says_how_much_it_took(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(
        {name: torch.rand(value.shape) for name, value in without("resnet18", "fc.").items()}, tmp_path / "a.pth"
    )
    words = [
        "weights",
        "convert",
        str(tmp_path / "a.pth"),
        "--partial",
        "-o",
        str(tmp_path / "a.safetensors"),
        "--spec",
    ]
    assert main([*words, "zoo:resnet18"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == "120 of 122 arrays taken, 2 drawn with seed 0"
    drawn = [line.split() for line in lines if "(drawn)" in line]
    assert drawn == [["fc1.weight", "(drawn)", "1000x512"], ["fc1.bias", "(drawn)", "1000"]]
    assert main([*words, "zoo:alexnet"]) == 2
    assert "CNN032 nothing in the checkpoint fits: conv1.weight is 64x3x11x11" in capsys.readouterr().err


@pytest.mark.parametrize("other", ["resnet50", "mobilenet_v2", "vgg16_bn"])
def test_the_weights_of_another_architecture_are_refused_in_part_too(other: str) -> None:
    found = partly(other, shapes_of("resnet18"), True)
    assert isinstance(found, Misfit)
    assert "--map" in (found.advice or "")


# -- numbers


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.bool])
def test_weights_of_another_kind_are_refused(
    dtype: torch.dtype, ending: str, spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = theirs().state_dict()
    state["block.conv2.weight"] = torch.ones(8, 8, 3, 3, dtype=dtype)
    path, out = tmp_path / f"a.{ending}", tmp_path / "out.safetensors"
    (torch.save if ending == "pth" else save_file)(state, path)
    assert main(["weights", "convert", str(path), "--spec", str(spec), "-o", str(out)]) == 2
    kind = str(dtype).removeprefix("torch.")
    assert f"CNN032 block.conv2.weight holds {kind} numbers, and block1.conv2.weight" in capsys.readouterr().err
    assert not out.exists()


def test_infinite_numbers_are_pointed_out(spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = theirs().state_dict()
    for name, value in (("block.conv2.weight", torch.nan), ("fc.bias", torch.inf)):
        state[name].view(-1)[0] = value
    torch.save(state, tmp_path / "a.pth")
    out = str(tmp_path / "out.safetensors")
    assert main(["weights", "convert", str(tmp_path / "a.pth"), "--spec", str(spec), "-o", out]) == 0
    told = capsys.readouterr().err
    assert told == "cnndsl: warning: 2 arrays hold infinite numbers or NaN: block.conv2.weight, fc.bias\n"


def test_the_summary_says_what_was_rounded(spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = {name: value.half() for name, value in theirs().state_dict().items() if value.is_floating_point()}
    torch.save(state, tmp_path / "a.pth")
    out = str(tmp_path / "out.safetensors")
    assert main(["weights", "convert", str(tmp_path / "a.pth"), "--spec", str(spec), "-o", out]) == 0
    summary = capsys.readouterr().out.splitlines()[-2]
    assert summary == f"{len(state)} of {len(state)} arrays taken, {len(state)} of float16 as float32"


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
        assert main(["weights", "convert", name, "--spec", SPEC, "-o", "out.safetensors"]) == 2, name
        told = capsys.readouterr().err
        assert f"CNN030 the weights in {name} cannot be used" in told
        assert "weights_only" not in told
    assert main(["weights", "convert", "missing.pth", "--spec", SPEC, "-o", "out.safetensors"]) == 2
    assert not Path("touched").exists()
    assert not Path("out.safetensors").exists()


TELLING = [
    ("empty.pth", b"", "it seems to be empty"),
    ("text.pth", b"101\n\x1b[31mnot weights", "it seems to be a text"),
    ("page.bin", b"<!DOCTYPE html><html></html>", "a web page"),
    ("lfs.pt", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    ("keras.pth", b"\x89HDF\r\n\x1a\n" + bytes(64), "an HDF5 file"),
    ("cut.pth", b"PK\x03\x04" + bytes(64), "a zip archive that is damaged or cut short"),
    ("noise.bin", bytes(range(100, 256)), "of no known kind"),
    ("a.h5", b"\x89HDF\r\n\x1a\n" + bytes(64), "its name ends in .h5"),
    ("cut.safetensors", b"\xff\x01" + bytes(6) + b'{"a":', "a safetensors file that is damaged"),
]  # fmt: skip


def refusal(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said of a file that cannot be read."""
    assert main(["weights", "convert", str(path), "--spec", SPEC, "-o", str(path.parent / "out.safetensors")]) == 2
    told = capsys.readouterr().err
    assert f"CNN030 the weights in {path} cannot be used" in told
    assert "\x1b" not in told
    for inside in ("miniz", "PytorchStreamReader", "weights_only", "Unpickl", "header too"):
        assert inside not in told
    return told


@pytest.mark.parametrize(("name", "content", "telling"), TELLING, ids=[row[0] for row in TELLING])
def test_files_that_are_no_checkpoints_are_recognised(
    name: str, content: bytes, telling: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    told = refusal(tmp_path / name, capsys)
    assert telling in told
    assert ("get the file again if it is damaged" in told) == (name != "a.h5")


@pytest.mark.parametrize("zipped", [True, False])
def test_what_others_write_is_recognised(zipped: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module, path = theirs(), tmp_path / "a.pth"
    torch.save(module, path, _use_new_zipfile_serialization=zipped)
    assert "it holds a test_convert.Theirs: a whole module" in refusal(path, capsys)
    torch.save(nn.Sequential(nn.Linear(2, 3)), path, _use_new_zipfile_serialization=zipped)
    assert "torch.nn.modules.container.Sequential" in refusal(path, capsys)
    save_file(module.state_dict(), path)
    assert "let its name end in .safetensors" in refusal(path, capsys)
    cnndsl.load(SPEC).onnx(tmp_path / "a.onnx")
    path.write_bytes((tmp_path / "a.onnx").read_bytes())
    assert "an ONNX model" in refusal(path, capsys)
    torch.save({"model": {"net": module.state_dict()}}, path, _use_new_zipfile_serialization=zipped)
    assert "there is no state dict in it, alone or under state_dict, model" in refusal(path, capsys)
    torch.save({"state_dict": module.state_dict(), "loss": torch.rand(())}, path)
    assert {tensor.name for tensor in read_checkpoint(path).tensors} == set(module.state_dict())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_program_is_recognised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.jit.script(nn.Sequential(nn.Linear(2, 3))).save(str(tmp_path / "a.pt"))
    assert "it is a TorchScript archive" in refusal(tmp_path / "a.pt", capsys)


def test_a_damaged_checkpoint_is_told_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(theirs().state_dict(), tmp_path / "a.pth")
    content = bytearray((tmp_path / "a.pth").read_bytes())
    content[100:1000:7] = bytes(len(content[100:1000:7]))
    (tmp_path / "a.pth").write_bytes(content)
    assert "damaged" in refusal(tmp_path / "a.pth", capsys)


def test_a_pickled_checkpoint_is_to_be_converted(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(theirs().state_dict(), tmp_path / "a.pth")
    words = ["compile", str(spec), "--to", "onnx", "--weights", str(tmp_path / "a.pth"), "-o", str(tmp_path / "a.onnx")]
    assert main(words) == 2
    told = capsys.readouterr().err
    assert "a checkpoint that torch.save pickled" in told
    assert f"cnndsl weights convert {tmp_path / 'a.pth'} --spec SPEC" in told


@pytest.mark.parametrize("ending", ["pth", "pt", "bin", "h5"])
def test_outputs_are_named_as_what_they_are(
    ending: str, spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(theirs().state_dict(), tmp_path / "a.pth")
    for words in (["convert", str(tmp_path / "a.pth"), "--spec", str(spec)], ["init", str(spec)]):
        assert main(["weights", *words, "-o", str(tmp_path / f"out.{ending}")]) == 2
        assert f"name the file {tmp_path / 'out.safetensors'}" in capsys.readouterr().err
        assert not (tmp_path / f"out.{ending}").exists()


@pytest.mark.parametrize("part", [0.01, 0.1, 0.5, 0.9, 0.99])
def test_a_pickle_that_was_cut_off_is_no_mystery(tmp_path: Path, part: float) -> None:
    path = tmp_path / "cut.pth"
    torch.save(theirs().state_dict(), path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(SpecError, match=r"cut\.pth cannot be used"):
        read_checkpoint(path)


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
