"""The command: exit codes, forms of input and output, nothing half-written, and never a traceback."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures import saved
from PIL import Image

from cnndsl.cli import main

SPEC = """# A small network.  # cnn: ignore[CNN135]
input 3x16x16
param N = 2 in 1..3
net Small = (CONV3-8 - RELU)*N - down: POOL? - GAP - FC-classes
"""
GIVEN = ("--classes", "10")


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "net.cnn"
    path.write_text(SPEC)
    return path


def run(*arguments: object) -> int:
    """The exit code."""
    return main([str(argument) for argument in arguments])


def feed(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))


# -- lint ------------------------------------------------------------------------------------------------------------


def test_lint_clean(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lint", spec, *GIVEN) == 0
    assert capsys.readouterr() == ("no findings\n", "")


def test_lint_findings(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lint", spec) == 1
    out, err = capsys.readouterr()
    assert out.startswith(f"{spec}:4:57: error CNN013 classes has no value\n")
    assert out.endswith("1 error\n")
    assert err == ""


def test_lint_forms(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lint", spec, "--format", "concise") == 1
    assert capsys.readouterr().out == f"{spec}:4:57: error CNN013 classes has no value\n"
    assert run("lint", spec, "--format", "json") == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["code"], found["line"], found["column"]) == ("CNN013", 4, 57)
    assert run("lint", spec, "--format", "json", *GIVEN) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_lint_several(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.with_name("other.cnn").write_text("input 3x8x8\nRELUU\n")
    assert run("lint", spec, "other.cnn", *GIVEN) == 1
    assert "RELUU" in capsys.readouterr().out
    assert run("lint", "none.cnn", "other.cnn") == 2
    out, err = capsys.readouterr()
    assert "RELUU" in out
    assert err == "cnndsl: none.cnn does not exist\n"


def test_standard_input(spec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    feed(monkeypatch, SPEC.encode())
    assert run("lint", "-", *GIVEN) == 0
    feed(monkeypatch, b"input 3x8x8\nRELUU")
    assert run("lint", "-") == 1
    assert "<stdin>:2:1" in capsys.readouterr().out
    feed(monkeypatch, b"\xff")
    assert run("lint", "-") == 1
    assert "CNN004" in capsys.readouterr().out


def test_the_notation_itself(capsys: pytest.CaptureFixture[str]) -> None:
    line = "[(CONV-RELU)*N-POOL]*M-(FC-RELU)*K,SOFTMAX"
    assert run("lint", line, "--set", "N=2", "--set", "M=2", "--set", "K=1", "--input", "3x32x32", *GIVEN) == 0
    assert run("lint", line, "--input", "3x32x32") == 1
    out = capsys.readouterr().out
    assert all(f"{name} has no value" in out for name in ("N", "M", "K"))


def test_zoo(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lint", "zoo:lenet5") == 0
    capsys.readouterr()
    assert run("lint", "zoo:lenet") == 2
    err = capsys.readouterr().err
    assert "the zoo has no 'lenet'" in err
    assert "closest: lenet5" in err
    assert run("lint", "zoo:../pyproject") == 2


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("compare alexnet vgg17", "there is no file vgg17; did you mean zoo:vgg1"),
        ("stats resnet50", "there is no file resnet50; did you mean zoo:resnet50?\n"),
        ("lint ResNet-50", "there is no file ResNet-50; did you mean zoo:resnet50?\n"),
        ("expand banana", "there is no file banana, and no layer has that name\n"),
        ("lint zoo:ResNet18", "the zoo has no 'ResNet18'; did you mean zoo:resnet18?\n"),
        ("stats zoo:resnet-18", "the zoo has no 'resnet-18'; did you mean zoo:resnet18?\n"),
        ("stats zoo:VGG17", "the zoo has no 'VGG17'; closest: vgg1"),
        ("stats zoo:", "`zoo:` needs a name, as in zoo:resnet50; "),
        ("zoo show zoo:", "`zoo:` needs a name, as in zoo:resnet50; "),
    ],
)
def test_names_that_are_nothing(command: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*command.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"cnndsl: {said}")


@pytest.mark.parametrize("line", ["conv", "relu6", "CONV-RELU", "conv-relu", "7x7 conv", "act", "conv3x3", "Conv-64"])
def test_a_word_may_be_notation(line: str) -> None:
    assert run("stats", line, "--input", "3x8x8", "--set", "act=GELU") == (0 if line == "act" else 1)
    assert run("stats", line, "--input", "3x8x8") == (2 if line == "act" else 0)


def test_definitions_may_have_any_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lint", "Foo", "--input", "3x8x8") == 1
    assert "CNN010 unknown layer Foo" in capsys.readouterr().out


# -- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--set", "N=9"], 1, "CNN014"),
        (["--set", "M=2"], 1, "CNN015"),
        (["--set", "N"], 2, "is not a setting"),
        (["--set", "=2"], 2, "is not a setting"),
        (["--set", "N="], 2, "is not a setting"),
        (["--set", "N=nan"], 1, "CNN014"),
        (["--set", "down=3"], 1, "CNN014"),
        (["--set", "down=on,off"], 1, "CNN015"),
        (["--set", "down=off"], 0, ""),
        (["--input", "3x16"], 0, ""),
        (["--input", "3x?x?"], 0, ""),
        (["--input", "3×16×16"], 0, ""),
        (["--input", "banana"], 2, "is not a shape"),
        (["--input", "3x16x16x16x16"], 2, "is not a shape"),
        (["--input", "?x3x3"], 1, "CNN012"),
        (["--input", "0x3x3"], 1, "CNN012"),
        (["--input", ""], 2, "is not a shape"),
        (["--classes", "0"], 2, "--classes must be at least 1"),
        (["--classes", "ten"], 2, "invalid int value"),
        (["--classes", "99999999999"], 1, "CNN028"),
        (["--max-layers", "2"], 1, "CNN006"),
        (["--max-layers", "0"], 2, "at least 1"),
        (["--max-bytes", "10"], 1, "CNN003"),
        (["--max-steps", "3"], 1, "CNN008"),
        (["--nonsense"], 2, "unrecognized arguments"),
    ],
)
def test_settings(
    arguments: list[str], code: int, message: str, spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [] if "--classes" in arguments else GIVEN
    assert run("lint", spec, *given, *arguments) == code
    out, err = capsys.readouterr()
    assert message in out + err
    assert (err == "") is (code != 2)


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["compile"], ["fmt"], ["compile", "x.cnn"], ["stats", "a", "b"]]
)
def test_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 2
    assert "--help" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("compile zoo:digits --to onnx --precision int8 --calibrate=", "--calibrate"),
        ("compile zoo:digits --to onnx --verify-on=", "--verify-on"),
        ("compile zoo:digits --to onnx --weights=", "--weights"),
        ("weights convert x.pth --spec zoo:digits -o w.safetensors --map=", "--map"),
    ],
)
def test_an_empty_path_is_not_this_folder(line: str, named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*line.split()) == 2
    assert capsys.readouterr().err == f"cnndsl: {named} names nothing\n"


def test_empty_images_are_not_this_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", "net.onnx", "") == 2
    assert capsys.readouterr().err == "cnndsl: IMAGE names nothing\n"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["compile", "--help"], ["weights", "init", "--help"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 0
    assert "cnndsl" in capsys.readouterr().out


# -- what is printed -------------------------------------------------------------------------------------------------


def test_stats(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("stats", spec, *GIVEN) == 0
    table = capsys.readouterr().out
    assert "receptive field" in table
    assert run("stats", spec, "--json", *GIVEN) == 0
    data = json.loads(capsys.readouterr().out)
    wanted = "name hash input output params macs flops activations peak_memory_bytes receptive_field layers"
    assert set(wanted.split()) <= set(data)
    layer = "name op output params macs activations receptive_field line"
    assert all(set(layer.split()) <= set(row) for row in data["layers"])
    assert (data["name"], data["input"], data["output"]) == ("Small", [3, 16, 16], [10])


@pytest.mark.parametrize("command", ["stats", "expand", "compile --to ir"])
def test_commands_that_need_a_network_say_what_is_wrong(
    command: str, spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *rest = command.split()
    assert run(name, spec, *rest) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "CNN013" in err


def test_stats_json_findings_are_json(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("stats", spec, "--json") == 1
    assert [found["code"] for found in json.loads(capsys.readouterr().out)] == ["CNN013"]


def test_expand_is_a_spec(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("expand", spec, *GIVEN) == 0
    text = capsys.readouterr().out
    spec.write_text(text)
    assert run("lint", spec) == 0


def test_an_expansion_silences_what_the_spec_silences(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("expand", "zoo:squeezenet1_1") == 0
    text = capsys.readouterr().out
    (line,) = (line for line in text.splitlines() if "cnn: ignore" in line)
    assert line.endswith("# stem1.conv1  # cnn: ignore[CNN130]")
    for suppressed, code in ((text, 0), (text.replace("# cnn: ignore[CNN130]", ""), 1)):
        feed(monkeypatch, suppressed.encode())
        run("lint", "-", "--format", "concise")
        assert ("CNN130" in capsys.readouterr().out) is bool(code)


def test_many_findings_are_not_all_printed(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.write_text("input 3x7x7\nnet A = RELU\n" + "  - POOL2 - PAD(2)\n" * 150)
    assert run("lint", spec, "--format", "concise") == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 101
    assert lines[-1].startswith("and ")
    assert run("lint", spec, "--format", "json") == 1
    found = json.loads(capsys.readouterr().out)
    assert sum(finding["code"] == "CNN130" for finding in found) == 150
    assert lines[-1] == f"and {len(found) - 100} more, which the other forms have"
    assert run("lint", spec) == 1
    assert f"\n\nand {len(found) - 100} more" in capsys.readouterr().out
    spec.write_text(f"{spec.read_text()}assert params == 1\n")
    assert run("lint", spec, "--format", "concise") == 1
    assert "error CNN201" in capsys.readouterr().out


def test_assertions_of_shapes_are_for_the_specs_own_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("stats", "zoo:squeezenet1_1", "--input", "3x64x64") == 1
    assert "it is the shape for the spec's own input, 3x224x224" in capsys.readouterr().err
    assert run("stats", "CONV3-4 => 4x9x9", "--input", "3x8x8") == 1
    assert "write => 4x8x8 if that is meant" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "column", "word"),
    [
        ("net Größe = CONV", 5, "Größe"),
        ("def größe(w) = CONV-w", 5, "größe"),
        ("net A = größe: CONV - @größe", 9, "größe"),
        ("net A = CONV - @größe", 17, "größe"),
        ("param 幅 = 3", 7, "幅"),
        ("net A = CONV3-幅 - RELU", 15, "幅"),
        ("net A = CONV(größe=3)", 14, "größe"),
        ("net A = CONV größe", 14, "größe"),
        ("net Gro\u0308sse = CONV", 5, "Gro\u0308sse"),
        ("net 🙂 = CONV", 5, "🙂"),
        ("net 漢字A = CONV", 5, "漢字A"),
    ],
)
def test_names_are_ascii(text: str, column: int, word: str, spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.write_text(f"input 3x8x8\n{text}\n", encoding="utf-8")
    assert run("lint", spec) == 1
    shown = capsys.readouterr().out
    assert shown.startswith(f"{spec}:2:{column}: error CNN001 `{word}` is not a name\n")
    assert "a name of the letters A to Z and a to z, digits and `_`" in shown


def test_marks_stand_below_wide_characters(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.write_text('use "漢字.cnn" # e\u0301\ninput 3x8x8\nnet A = RELU\n', encoding="utf-8")
    assert run("lint", spec) == 1
    assert f' 1 | use "漢字.cnn" # e\u0301\n   | {"^" * 14}\n' in capsys.readouterr().out
    spec.write_text("input 3x8x8\nnet A = RELU - 幅幅 - RELU\n", encoding="utf-8")
    assert run("lint", spec) == 1
    assert f"\n   | {' ' * 15}^^^^\n" in capsys.readouterr().out


def test_fmt(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    formatted = spec.read_text()
    spec.write_text(formatted.replace(" - ", "-"))
    assert run("fmt", spec, "--check") == 1
    assert run("fmt", spec, "--diff") == 1
    assert "-net Small" in capsys.readouterr().out
    assert run("fmt", spec) == 0
    assert run("fmt", spec, "--check") == 0
    assert run("fmt", spec, "--diff") == 0
    spec.write_text("input 3x8x8\nCONV - - RELU")
    assert run("fmt", spec) == 1
    assert spec.read_text() == "input 3x8x8\nCONV - - RELU"
    assert run("fmt", "none.cnn") == 2


def test_fmt_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    feed(monkeypatch, b"CONV-RELU")
    assert run("fmt", "-") == 0
    assert capsys.readouterr().out == "CONV - RELU\n"


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("doctor") in (0, 1)
    assert "torch" in capsys.readouterr().out
    assert run("doctor", "--json") in (0, 1)
    assert json.loads(capsys.readouterr().out)


# -- what is written -------------------------------------------------------------------------------------------------


def test_compile_to_onnx(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compile", spec, "--to", "onnx", *GIVEN) == 0
    assert capsys.readouterr().out == "net.onnx\n"
    onnx.checker.check_model(onnx.load("net.onnx"), full_check=True)
    assert run("compile", spec, "--to", "onnx", "-o", "other.onnx", "--opset", "21", "--seed", "3", *GIVEN) == 0
    assert onnx.load("other.onnx").opset_import[0].version == 21
    assert run("compile", spec, "--to", "onnx", "-o", "bare.onnx", "--no-weights", *GIVEN) == 0
    assert run("compile", spec, "--to", "onnx", "-o", "x.onnx", "--opset", "3", *GIVEN) == 2
    assert not Path("x.onnx").exists()


@pytest.mark.parametrize("to", ["onnx", "triton"])
def test_weights_that_nobody_asked_for_are_told(to: str, spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compile", spec, "--to", to, "-o", to, *GIVEN]
    assert run(*words) == 0
    assert capsys.readouterr().err == "cnndsl: weights drawn with seed 0: --weights FILE gives trained ones\n"
    assert run("weights", "init", spec, "-o", "w.safetensors", *GIVEN) == 0
    for options in (
        ["--seed", "0"],
        ["--weights", "w.safetensors"],
        ["--no-weights"] if to == "onnx" else ["--seed", "1"],
    ):
        assert run(*words, *options) == 0
        assert capsys.readouterr().err == ""


def test_compile_with_weights(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("weights", "init", spec, "--seed", "5", "-o", "w.safetensors", *GIVEN) == 0
    assert run("compile", spec, "--to", "onnx", "--weights", "w.safetensors", "-o", "a.onnx", *GIVEN) == 0
    assert run("compile", spec, "--to", "onnx", "--seed", "5", "-o", "b.onnx", *GIVEN) == 0
    assert Path("a.onnx").read_bytes() == Path("b.onnx").read_bytes()
    assert run("compile", spec, "--to", "onnx", "--weights", "w.safetensors", "-o", "c.onnx", "--classes", "11") == 2
    assert "CNN030" in capsys.readouterr().err
    assert not Path("c.onnx").exists()
    for bad in ("none.safetensors", spec, "."):
        assert run("compile", spec, "--to", "onnx", "--weights", bad, "-o", "c.onnx", *GIVEN) == 2
    assert run("compile", spec, "--to", "onnx", "--weights", "w", "--seed", "5") == 2


def test_compile_to_torch_and_ir(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compile", spec, "--to", "torch", *GIVEN) == 0
    source = capsys.readouterr().out
    compile(source, "net.py", "exec")
    assert run("compile", spec, "--to", "torch", "-o", "net.py", *GIVEN) == 0
    assert capsys.readouterr().out == "net.py\n"
    assert Path("net.py").read_text() == source
    assert run("compile", spec, "--to", "ir", *GIVEN) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "Small"


@pytest.mark.parametrize("to", ["onnx", "torch", "ir"])
@pytest.mark.parametrize("target", ["folder", "out/", "none/out", "", "net.cnn/out", "n\0ul", "x" * 300])
def test_where_nothing_can_be_written(
    to: str, target: str, spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    assert run("compile", spec, "--to", to, "-o", target, *GIVEN) == 2
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder", "net.cnn"]
    assert spec.read_text() == SPEC


@pytest.mark.skipif(sys.platform != "linux", reason="names are UTF-8 there")
@pytest.mark.parametrize("to", ["onnx", "torch"])
def test_names_do_not_drive_the_terminal(to: str, spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"a\x1b[31m\xff\n\xe2\x80\xae.out")
    assert run("compile", spec, "--to", to, "-o", name, *GIVEN) == 0
    assert Path(name).exists()
    assert capsys.readouterr().out == "a\ufffd[31m\ufffd\ufffd\ufffd.out\n"
    assert run("compile", spec, "--to", to, "-o", f"{name}/out", *GIVEN) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and err[:-1].isprintable()


def test_nothing_that_is_read_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("block.cnn").write_text("def Block = CONV3-2 - RELU\n")
    Path("labels.txt").write_text("cat\ndog\n")
    Path("net.cnn").write_text(
        'input 1x8x8\nuse "block.cnn"\npreprocess normalise(unit) - labels("labels.txt")\nBlock - GAP - FC-2\n'
    )
    for number in range(3):
        saved(Image.new("L", (8, 8), 60 * number), Path("images", str(number % 2), f"{number}.png"))
    assert run("weights", "init", "net.cnn", "-o", "w.safetensors") == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    to_onnx = ("compile", "net.cnn", "--to", "onnx", "--weights", "w.safetensors")
    image = Path("images", "1", "1.png")
    for words in (
        *((*to_onnx, "-o", name) for name in ("net.cnn", "block.cnn", "labels.txt", "w.safetensors")),
        (*to_onnx, "--verify-on", "images", "-o", image),
        (*to_onnx, "--precision", "int8", "--calibrate", "images", "-o", image),
        ("compile", "net.cnn", "--to", "torch", "-o", "labels.txt"),
        ("weights", "init", "net.cnn", "-o", "labels.txt"),
        ("weights", "convert", "w.safetensors", "--spec", "net.cnn", "-o", "block.cnn"),
    ):
        assert run(*words) == 2, words
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before, words
    for _ in range(2):  # beside images, and over what it was
        assert run(*to_onnx, "--verify-on", "images", "-o", Path("images", "net.onnx")) == 0


def test_as_a_process(spec: Path) -> None:
    def process(*arguments: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cnndsl", *arguments], capture_output=True, text=True, check=False, input=input
        )

    done = process("lint", "-", *GIVEN, input=SPEC)
    assert (done.returncode, done.stdout, done.stderr) == (0, "no findings\n", "")
    assert process("lint", "RELUU", "--input", "3x8x8").returncode == 1
    assert process("lint", "none.cnn").returncode == 2
    odd = [sys.executable, "-m", "cnndsl", "lint", b"RELU\xff", "--input", "3x8x8"]
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    shown = subprocess.run(odd, capture_output=True, text=True, check=False, env=ascii_only)
    assert (shown.returncode, shown.stderr) == (1, "")
    assert "CNN004" in shown.stdout
    closed = f"{sys.executable} -m cnndsl expand 'RELU*5000' --input 3x8x8 | head -1"
    assert subprocess.run(closed, shell=True, capture_output=True, text=True, check=True).stderr == ""


# -- whatever is typed -----------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    ["lint", "stats", "expand", "fmt", "--check", "--diff", "--json", "--set", "N=2", "N=a,b", "x=on,off", "--input",
     "3x8x8", "3x?x?", "8", "--classes", "3", "-1", "--max-layers", "5", "--format", "concise", "json", "CONV-w - RELU",
     "(CONV-RELU)*N-FC", "down: POOL?", "zoo:lenet5", "zoo:", "zoo:x", "none.cnn", "/", ".", "..", "", " ", "--", "\0",
     "RES[ CONV3-3 ]", "def F = F\nF", "param N = 1\nCONV*N", "--set=w=3", "--input=3x9x9", "CONV3-{N^N}"]
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.sampled_from(["lint", "stats", "expand", "compile"]), st.lists(WORDS | st.text(max_size=12), max_size=6))
def test_any_words(capsys: pytest.CaptureFixture[str], command: str, words: list[str]) -> None:
    to: list[Any] = ["--to", "ir"] if command == "compile" else []
    assert run(command, *to, *(word for word in words if word not in ("-", "-o", "--output"))) in (0, 1, 2)
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
