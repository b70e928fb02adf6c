"""From a spec with its contract to labels and probabilities: the graph with the preprocessing in it, and the commands."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import close, picture, saved, truncated
from test_preprocess import contracts, graph_of

import cnndsl
from cnndsl import runner
from cnndsl.cli import main
from cnndsl.extras import GPU_BUILD
from cnndsl.images import handed_in, network_input
from cnndsl.lower.onnx import LoweringError, to_onnx, write_onnx
from cnndsl.preprocess import Preprocess
from cnndsl.verify_images import tolerance, verify_images
from cnndsl.weights import init

SPEC = """input 3x16x16
preprocess resize(20) - crop(16) - normalise(imagenet) - labels("labels.txt")
net Pets = CONV3-8 - RELU - GAP - FC-3
"""
STEPS = 'preprocess resize(20) - crop(16) - normalise(imagenet) - labels("labels.txt")\n'


# -- the graph


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@settings(max_examples=60)
@given(contracts(), st.integers(0, 30), st.integers(0, 30), st.integers(1, 2))
def test_the_graph_makes_what_the_library_makes(contract: Preprocess, taller: int, wider: int, count: int) -> None:
    graph = graph_of(contract)
    size = contract.size or (20, 24)
    extra = (0, 0) if contract.fixed else (taller, wider)
    # odd, where nearest: a position in the middle of two pixels may be either's
    height, width = (n + more | (contract.resize is not None) for n, more in zip(size, extra, strict=True))
    mode, reach = (
        "L" if contract.image == "grey" else "RGB",
        (64, 192) if contract.interpolation == "bicubic" else (0, 256),
    )
    images = [picture(height, width, seed, mode=mode, reach=reach) for seed in range(count)]
    alone = graph.replace(nodes=graph.nodes[:1], output=0, scopes=())
    model = to_onnx(alone, {}, with_preprocess=True)
    found = session(model).run(None, {"input": np.stack([handed_in(contract, image) for image in images])})[0]
    expected = np.stack([network_input(contract, image) for image in images])
    level = np.array(contract.std)[:, None, None] / contract.scale
    largest = np.abs(expected * level).max()  # what float32 is off by, in levels
    assert np.abs((found - expected) * level).max() <= tolerance(contract) + 1e-5 * largest


@pytest.mark.parametrize("opset", [18, 19, 20, 21, 26])
@pytest.mark.parametrize("steps", ["resize(20) - crop(16)", "image(bgr, nchw) - resize(16x16, bicubic)", "crop(16)"])
def test_the_whole_network(opset: int, steps: str) -> None:
    network = cnndsl.load(f"input 3x16x16\npreprocess {steps} - normalise(imagenet)\nCONV3-8 - RELU - GAP - FC-3")
    preprocess = network.graph.preprocess
    assert preprocess is not None
    model = to_onnx(network.graph, init(network.graph, 3), opset=opset, with_preprocess=True)
    image = picture(37, 51)
    found = session(model).run(None, {"input": handed_in(preprocess, image)[None]})[0]
    module = network.torch(seed=3).eval()
    expected = module(torch.from_numpy(network_input(preprocess, image)[None])).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-2)
    assert verify_images(network.graph, opset=opset).agrees


def test_the_ends_of_the_graph() -> None:
    def ends(steps: str, shape: str = "3x16x16") -> tuple[str, list[Any]]:
        graph = cnndsl.load(f"input {shape}\npreprocess {steps}\nID").graph
        value = session(to_onnx(graph, {}, with_preprocess=True)).get_inputs()[0]
        return value.type, value.shape

    assert ends("resize(20) - crop(16)") == ("tensor(uint8)", ["N", "height", "width", 3])
    assert ends("normalise(imagenet)") == ("tensor(uint8)", ["N", 16, 16, 3])
    assert ends("image(grey, nchw, float32) - crop(16)", "1x16x16") == ("tensor(float)", ["N", 1, "height", "width"])
    assert ends("order(grey)", "1x16x?") == ("tensor(uint8)", ["N", 16, "W", 3])


def test_one_pass_over_the_values() -> None:
    graph = cnndsl.load("input 3x16x16\npreprocess normalise(imagenet)\nCONV3-4").graph
    kinds = [node.op_type for node in to_onnx(graph, init(graph), with_preprocess=True).graph.node]
    assert kinds == ["Transpose", "Cast", "Mul", "Add", "Conv"]


def test_what_cannot_be_put_into_a_graph() -> None:
    graph = cnndsl.load("input 3x16x16\npreprocess resize(16x16)\nCONV3-4").graph
    with pytest.raises(LoweringError, match="opset 17 has no resize like Pillow's"):
        to_onnx(graph, init(graph), opset=17, with_preprocess=True)
    with pytest.raises(LoweringError, match="says nothing of images"):
        to_onnx(graph.replace(preprocess=None), init(graph), with_preprocess=True)


@pytest.mark.parametrize(("end", "said"), [("", "scores"), (" - SOFTMAX", "probabilities"), (" - SIGMOID", "probabilities"),
                                           (" - SOFTMAX - DROPOUT", "probabilities")])  # fmt: skip
def test_metadata(end: str, said: str) -> None:
    graph = cnndsl.load(f'input 3x8x8\npreprocess crop(8) - labels("é", "b")\nGAP - FC-2{end}').graph
    assert graph.preprocess is not None
    for inside in (False, True):
        model = to_onnx(graph, init(graph), with_preprocess=inside)
        facts = {entry.key: entry.value for entry in model.metadata_props}
        assert facts["output"] == said
        assert facts["preprocess_in"] == ("graph" if inside else "caller")
        assert json.loads(facts["labels"]) == ["é", "b"]
        assert json.loads(facts["preprocess"]) | {"labels": ["é", "b"]} == graph.preprocess.json()
    plain = to_onnx(graph.replace(preprocess=None), init(graph))
    assert {entry.key for entry in plain.metadata_props} == {"name", "hash", "version", "precision"}


# -- `run`


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model with its contract, and a folder of images, two of which are broken."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.cnn").write_text(SPEC, encoding="utf-8")
    (tmp_path / "labels.txt").write_text("cat\ndog\n=bird, \x9bsmall\n".replace("\x9b", "the "), encoding="utf-8")
    for number, ending in enumerate(["png", "jpg", "gif", "png"]):
        saved(picture(20 + number // 2, 30, number), tmp_path / "images" / f"{number}.{ending}")
    saved(picture(40, 20), tmp_path / "images" / "deep" / "er.webp")
    truncated(saved(picture(40, 40), tmp_path / "images" / "deep" / "cut.jpg"))
    (tmp_path / "images" / "page.png").write_text("<html>", encoding="utf-8")
    (tmp_path / "images" / "notes.txt").write_text("notes", encoding="utf-8")
    assert run("compile", "net.cnn", "--to", "onnx", "--seed", "3") == 0
    return tmp_path


def run(*arguments: object) -> int:
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as ended:
        return int(ended.code or 0)


def by_torch(path: Path, seed: int = 3) -> np.ndarray:
    """The probabilities of an image by PyTorch."""
    from cnndsl.images import read_image

    network = cnndsl.load("net.cnn")
    assert network.graph.preprocess is not None
    x = torch.from_numpy(network_input(network.graph.preprocess, read_image(path))[None])
    made: np.ndarray = network.torch(seed=seed).eval()(x).softmax(1).detach().numpy()[0]
    return made


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


GOOD = ["0.png", "1.jpg", "2.gif", "3.png", "er.webp"]


@pytest.mark.parametrize("batch", [1, 2, 16])
@pytest.mark.parametrize("inside", [False, True])
def test_a_folder(batch: int, inside: bool, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if inside:
        assert run("compile", "net.cnn", "--to", "onnx", "--seed", "3", "--with-preprocess") == 0
    capsys.readouterr()
    assert run("run", "net.onnx", "images", "--format", "csv", "--batch", batch) == 1
    out, err = capsys.readouterr()
    found = rows(out)
    assert [Path(row["image"]).name for row in found[::3]] == GOOD
    labels = ["cat", "dog", "=bird, the small"]
    for row in found:
        probability = by_torch(Path(row["image"]))[int(row["class"])]
        assert float(row["probability"]) == pytest.approx(probability, abs=1e-2 if inside else 1e-5)
        assert row["label"] == labels[int(row["class"])]
    assert [row["rank"] for row in found] == ["1", "2", "3"] * 5
    assert "cnndsl: images/deep/cut.jpg: " in err
    assert "cnndsl: images/page.png: it is no image" in err
    assert "image/s" not in err


@pytest.mark.parametrize(("terminal", "quiet"), [(True, False), (True, True), (False, False)])
@pytest.mark.parametrize("command", [["run", "net.onnx", "images"], ["preprocess", "stats", "images"]])
def test_a_progress_bar_at_a_terminal(
    command: list[str], terminal: bool, quiet: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.StringIO()
    monkeypatch.setattr(written, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", written)
    assert run(*command, *(["--quiet"] if quiet else [])) == 1
    assert ("image/s" in written.getvalue()) == (terminal and not quiet)


def test_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run("run", "net.onnx", "images/0.png", "--top", "2") == 0
    out, err = capsys.readouterr()
    first, *lines = out.splitlines()
    assert first == "images/0.png"
    order = np.argsort(-by_torch(Path("images/0.png")))
    assert [int(line.split()[1]) for line in lines] == order[:2].tolist()
    assert err == ""


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run("run", "net.onnx", "images", "--format", "json", "--quiet") == 1
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert [Path(entry["image"]).name for entry in found if "error" not in entry] == GOOD
    assert sum(prediction["probability"] for prediction in found[0]["predictions"]) == pytest.approx(1)
    assert sorted(Path(entry["image"]).name for entry in found if "error" in entry) == ["cut.jpg", "page.png"]
    assert "image/s" not in err
    assert run("run", "net.onnx", "images/page.png", "images/none", "--format", "json") == 2
    assert "none does not exist" in capsys.readouterr().err
    assert run("run", "net.onnx", "none", "--format", "json") == 2
    assert capsys.readouterr().out == "[]\n"


def test_a_softmax_is_not_taken_twice(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.cnn").write_text(SPEC.rstrip() + " - SOFTMAX\n", encoding="utf-8")
    assert run("compile", "net.cnn", "--to", "onnx", "--seed", "3", "-o", "soft.onnx") == 0
    capsys.readouterr()
    for model in ("net.onnx", "soft.onnx"):
        assert run("run", model, "images/0.png", "--format", "csv") == 0
    first, second = capsys.readouterr().out.split("image,rank,class,label,probability\n")[1:]
    for one, other in zip(first.splitlines(), second.splitlines(), strict=True):
        assert one.rpartition(",")[0] == other.rpartition(",")[0]
        assert float(one.rpartition(",")[2]) == pytest.approx(float(other.rpartition(",")[2]), abs=1e-6)


@pytest.mark.parametrize(("value", "end"), [(np.nan, ""), (np.inf, ""), (-np.inf, ""), (np.nan, " - SOFTMAX")])
def test_what_is_not_finite_is_no_result(
    value: float, end: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("net.cnn").write_text(SPEC.rstrip() + f"{end}\n", encoding="utf-8")
    graph = cnndsl.load("net.cnn").graph
    weights = init(graph, 3)
    weights["fc1.bias"][1] = value
    write_onnx("net.onnx", graph, weights)  # which the command and the library would refuse
    capsys.readouterr()
    for form in ("text", "json", "csv"):
        assert run("run", "net.onnx", "images/0.png", "--format", form) == 2
        out, err = capsys.readouterr()
        assert "nan" not in out.lower() and "0.png" not in out
        assert err.startswith(
            "cnndsl: net.onnx gives values that are infinite or not a number: compile it with --verify"
        )


def without_contract(**changes: str | None) -> None:
    """`bare.onnx`: the model with other metadata; None takes an entry away."""
    model = onnx.load("net.onnx")
    facts: dict[str, str | None] = {entry.key: entry.value for entry in model.metadata_props}
    del model.metadata_props[:]
    for key, value in (facts | changes).items():
        if value is not None:
            model.metadata_props.add(key=key, value=value)
    onnx.save(model, "bare.onnx")


def test_a_contract_from_a_spec(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    without_contract(preprocess=None, labels=None, output=None)
    assert run("run", "bare.onnx", "images/0.png") == 2
    assert "bare.onnx does not say how images become its input" in capsys.readouterr().err
    assert run("run", "net.onnx", "images/0.png") == 0
    expected = capsys.readouterr().out
    assert run("run", "bare.onnx", "images/0.png", "--spec", "net.cnn") == 0
    assert capsys.readouterr().out == expected
    assert run("run", "bare.onnx", "images/0.png", "--spec", SPEC.replace(STEPS, "")) == 2
    err = capsys.readouterr().err
    assert "has no `preprocess` either: write one into it" in err and "cnndsl zoo show NAME > my.cnn" in err
    assert run("run", "bare.onnx", "images/0.png", "--spec", "COVN - RELU", "--input", "3x8x8") == 1


@pytest.mark.parametrize(
    ("shape", "steps", "layers", "message"),
    [
        (
            "3x16x16",
            "crop(16)",
            "CONV3-8 - RELU - GAP - FC-3 - SOFTMAX",
            "and its contract says that it gives probabilities",
        ),
        ("3x16x16", 'crop(16) - labels("a", "b", "c", "d")', "GAP - FC-4", "its contract is for 4 classes"),
        ("3x16x16", "crop(16)", "GAP - FC-7", "gives 3 values an image, and its contract is for 7 classes"),
        ("1x16x16", "crop(16)", "GAP - FC-3", "which its contract does not make"),
        ("3x8x8", "crop(8)", "GAP - FC-3", "takes images of 16x16, its contract makes 8x8"),
    ],
)
def test_the_spec_of_another_network(
    shape: str, steps: str, layers: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = onnx.load("net.onnx")
    model.graph.initializer[-1].raw_data = np.array([-2, 3, 4], np.float32).tobytes()  # scores far from 0 to 1
    onnx.save(model, "net.onnx")
    other = f"input {shape}\npreprocess {steps}\nnet Other = {layers}"
    for facts in ({}, {"preprocess": None, "labels": None, "output": None}):
        without_contract(**facts)
        capsys.readouterr()
        assert run("run", "bare.onnx", "images/0.png", "--spec", other, "--format", "json") == 2
        out, err = capsys.readouterr()
        assert out == "" and "bare.onnx was compiled from another network than Other: name its own spec" in err
    without_contract(preprocess=None, labels=None, output=None, hash=None)  # a file from elsewhere
    assert run("run", "bare.onnx", "images/0.png", "--spec", other) == 2
    assert message in capsys.readouterr().err


def test_the_preprocessing_may_have_come_later(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compile", SPEC.replace(STEPS, ""), "--to", "onnx", "--seed", "3", "-o", "plain.onnx") == 0
    capsys.readouterr()
    assert run("run", "plain.onnx", "images/0.png", "--spec", "net.cnn") == 0
    assert "dog" in capsys.readouterr().out


@pytest.mark.parametrize(
    "changes",
    [
        {"preprocess": "{"}, {"preprocess": "[]"}, {"preprocess": "{}"}, {"preprocess": "[" * 100_000}, {"labels": "3"},
        {"labels": "nonsense"}, {"preprocess_in": "graph"},
    ],
)  # fmt: skip
def test_a_contract_that_is_none(changes: dict[str, str], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    without_contract(**changes)
    capsys.readouterr()
    assert run("run", "bare.onnx", "images/0.png") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(("cnndsl: what bare.onnx says of its preprocessing", "cnndsl: bare.onnx takes tensor(float)"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.onnx", "images"], "none.onnx does not exist"),
        (["images", "images"], "images is a folder"),
        (["net.cnn", "images"], "is no model that ONNX Runtime can run"),
        (["net.onnx", "images", "--top", "0"], "--top must be at least 1"),
        (["net.onnx", "images", "--batch", "-1"], "--batch must be at least 1"),
        (["net.onnx", "images", "--classes", "5"], "--classes is about a spec, and none is read here: see --spec"),
        (["net.onnx", "images", "--set", "N=2"], "--set is about a spec"),
        (["net.onnx", "images", "--input", "3x8x8"], "--input is about a spec"),
        (["net.onnx", "images", "--max-layers", "5"], "--max-layers is about a spec"),
        (["net.onnx", "images", "--provider", "tpu"], "invalid choice"),
        (["net.onnx"], "required"),
    ],
)
def test_what_cannot_be_run(
    arguments: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("run", *arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_provider_that_is_not_installed(provider: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if runner.PROVIDERS[provider][0] in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has it")
    capsys.readouterr()
    assert run("run", "net.onnx", "images", "--provider", provider) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"has no {runner.PROVIDERS[provider][0]}" in err
    assert GPU_BUILD in err


def test_a_provider_that_does_not_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = onnxruntime.InferenceSession
    cuda, cpu = runner.PROVIDERS["cuda"]
    if cuda in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has it")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [cuda, cpu])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda name, options, providers: real(name, options, providers=[cpu])
    )
    assert run("run", "net.onnx", "images", "--provider", "cuda") == 2
    assert "cuda was asked for, and CPUExecutionProvider would run it" in capsys.readouterr().err


def test_networks_that_classify_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("map.cnn").write_text("input 3x?x?\npreprocess resize(16)\nCONV3-4\n", encoding="utf-8")
    assert run("compile", "map.cnn", "--to", "onnx") == 0
    assert run("run", "map.onnx", "images/0.png") == 2
    assert "not one value a class" in capsys.readouterr().err


def test_images_of_the_wrong_size_are_broken(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("fixed.cnn").write_text("input 3x20x30\npreprocess normalise(unit)\nGAP - FC-2\n", encoding="utf-8")
    for inside in ([], ["--with-preprocess"]):
        assert run("compile", "fixed.cnn", "--to", "onnx", *inside) == 0
        capsys.readouterr()
        assert run("run", "fixed.onnx", "images/0.png", "images/3.png", "--quiet", "--format", "csv") == 1
        out, err = capsys.readouterr()
        assert {row["image"] for row in rows(out)} == {"images/0.png"}
        assert "images/3.png: it is 21x30" in err


def test_a_model_of_one_image_at_a_time(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = onnx.load("net.onnx")
    for count, code in ((1, 0), (4, 2)):
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = count
        onnx.save(model, "bare.onnx")
        capsys.readouterr()
        assert run("run", "bare.onnx", "images/0.png", "images/1.jpg", "--quiet") == code
    assert "takes 4 images at a time" in capsys.readouterr().err


def test_names_do_not_drive_the_terminal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    without_contract(labels=json.dumps(["\x1b[31m", "b", "c"]))
    saved(picture(20, 20), folder / "a\x1b[2J.png")
    (folder / "b\x1b[2J.png").write_bytes(b"")
    capsys.readouterr()
    for form in ("text", "json", "csv"):
        assert run("run", "bare.onnx", "a\x1b[2J.png", "b\x1b[2J.png", "--quiet", "--format", form) == 1
        out, err = capsys.readouterr()
        assert "\x1b" not in out + err
        assert form != "csv" or rows(out)[0]["image"] == r"a\x1b[2J.png"
        assert form != "json" or json.loads(out)[0]["image"] == "a\x1b[2J.png"


@pytest.mark.skipif(sys.platform != "linux", reason="names are UTF-8 there")
@pytest.mark.parametrize("external", [False, True])
def test_names_that_are_not_utf_8(external: bool, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = os.fsdecode(b"bad\xff")
    Path(place).mkdir()
    if external:
        graph = cnndsl.load("net.cnn").graph
        write_onnx(Path(place, "net.onnx"), graph, init(graph, 3), external_threshold=100)
        assert len(list(Path(place).iterdir())) == 2
    else:
        shutil.copy("net.onnx", place)
    saved(picture(20, 20), folder / "good.png").rename(Path(place, os.fsdecode(b"\xc3\xa9\xfe.png")))
    truncated(saved(picture(20, 20), folder / "cut.jpg")).rename(Path(place, "cut.jpg"))
    capsys.readouterr()
    for form in ("text", "json", "csv"):
        assert run("run", f"{place}/net.onnx", place, "--format", form, "--quiet") == 1
        out, err = capsys.readouterr()
        assert "bad\ufffd/cut.jpg: " in err
        assert not re.search("[\ud800-\udfff]", out + err) and "udc" not in out
        names = [entry["image"] for entry in json.loads(out)] if form == "json" else out
        assert ("bad\ufffd/é\ufffd.png" if form == "text" else r"bad\xff/é\xfe.png") in names


@pytest.mark.skipif(sys.platform != "linux", reason="the locale says nothing of names there")
def test_names_in_a_locale_of_ascii_alone(folder: Path) -> None:
    shutil.copy("net.onnx", "é.onnx")
    found = subprocess.run(
        [sys.executable, "-m", "cnndsl", "run", "é.onnx", "images/0.png"],
        env=os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert (found.returncode, found.stderr) == (0, "")


def test_a_folder_that_cannot_be_read_is_left_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    close(Path("images/deep"), monkeypatch)
    Path("images/page.png").unlink()
    message = "images/deep cannot be read: Permission denied"
    capsys.readouterr()
    for command in (["run", "net.onnx", "--format", "json"], ["preprocess", "stats", "--json"]):
        assert run(*command, "images", "--quiet") == 1
        out, err = capsys.readouterr()
        assert err == f"cnndsl: {message}\n"
        found = json.loads(out)
        assert found[-1] == {"image": "images/deep", "error": message} if command[0] == "run" else found["images"] == 4
        assert run(*command, "images/deep") == 2
        assert capsys.readouterr().err == f"cnndsl: {message}\n"
    assert run("compile", "net.cnn", "--to", "onnx", "--verify", "--verify-on", "images") == 0
    assert message in capsys.readouterr().out


@pytest.mark.parametrize("command", [["run", "net.onnx", "images"], ["bench", "net.onnx"]])
def test_a_model_that_cannot_be_read(
    command: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "net.onnx")

    capsys.readouterr()
    monkeypatch.setattr(Path, "open", refuse)
    assert run(*command) == 2
    assert capsys.readouterr().err == "cnndsl: net.onnx cannot be read: permission denied\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_what_is_no_regular_file_is_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("images/pipe.png")
    message = "images/pipe.png: it is no regular file"
    capsys.readouterr()
    for command in (["run", "net.onnx"], ["preprocess", "stats"]):
        assert run(*command, "images", "--quiet") == 1
        assert message in capsys.readouterr().err
        assert run(*command, "images/pipe.png") == 2  # and there is nothing else
        assert message in capsys.readouterr().err
    assert run("compile", "net.cnn", "--to", "onnx", "--verify", "--verify-on", "images") == 0
    assert message in capsys.readouterr().out
    for words in (["run", "images/pipe.png", "images"], ["bench", "images/pipe.png"],
                  ["compile", "net.cnn", "--to", "onnx", "--verify", "--verify-on", "images/pipe.png"]):  # fmt: skip
        assert run(*words) == 2
        assert "regular file" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["PIL", "tqdm", "onnxruntime"])
def test_where_an_extra_is_missing(
    module: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [module, *(name for name in sys.modules if name.startswith(f"{module}."))]:
        monkeypatch.setitem(sys.modules, name, None)
    capsys.readouterr()
    assert run("run", "net.onnx", "images/0.png", "images/1.jpg") == 2
    assert "pip install" in capsys.readouterr().err


# -- `compile --with-preprocess`


def test_verified(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run("compile", "net.cnn", "--to", "onnx", "--with-preprocess", "--verify", "-o", "v.onnx") == 0
    out = capsys.readouterr().out
    assert "ONNX Runtime agrees with PyTorch" in out
    assert "the preprocessing in the graph agrees with Pillow's" in out
    assert onnx.load("v.onnx").graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_disagreement_writes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from cnndsl import verify_images as module

    monkeypatch.setattr(module, "LEVELS", {"bilinear": -1})
    assert run("compile", "net.cnn", "--to", "onnx", "--with-preprocess", "--verify", "-o", "v.onnx") == 1
    assert "differs from Pillow's" in capsys.readouterr().err
    assert not Path("v.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["net.cnn", "--to", "onnx", "--opset", "17"], "opset 17"),
        (["zoo:lenet5", "--to", "onnx"], "says nothing of images"),
        (["net.cnn", "--to", "torch"], "--with-preprocess is for --to onnx"),
    ],
)
def test_refused(arguments: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(folder.iterdir())
    assert run("compile", *arguments, "--with-preprocess", "-o", "v.out") == 2
    assert message in capsys.readouterr().err
    assert sorted(folder.iterdir()) == before


# -- `preprocess stats`


def test_stats(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run("preprocess", "stats", "images", "--json") == 1
    out, err = capsys.readouterr()
    assert "cut.jpg" in err
    found = json.loads(out)
    from cnndsl.images import read_image

    paths = [next(Path("images").rglob(name)) for name in GOOD]
    pixels = np.concatenate([np.asarray(read_image(path)).reshape(-1, 3) for path in paths]) / 255
    assert (found["images"], found["pixels"]) == (5, len(pixels))
    np.testing.assert_allclose(found["mean"], pixels.mean(0))
    np.testing.assert_allclose(found["std"], pixels.std(0))
    assert run("preprocess", "stats", "images", "--quiet") == 1
    line = capsys.readouterr().out.splitlines()[-1]
    assert line == found["preprocess"]
    assert cnndsl.load(f"input 3x8x8\n{line}\nID").graph.preprocess is not None


def test_stats_of_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    assert run("preprocess", "stats", "empty") == 2
    assert "empty holds no images" in capsys.readouterr().err
    assert run("preprocess", "stats") == 2
    assert run("preprocess") == 2
    assert run("preprocess", "stats", "images/page.png", "--json") == 2
    assert json.loads(capsys.readouterr().out)["preprocess"] is None
