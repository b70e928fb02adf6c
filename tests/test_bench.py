"""bench: what is measured, what is printed, and what is refused. The GPU's providers are played by the CPU."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from documents import ROOT, table
from hypothesis import given
from hypothesis import strategies as st

import cnndsl
from cnndsl import bench
from cnndsl.bench import fresh, measure, sessions
from cnndsl.bench.compared import RESIZED
from cnndsl.bench.errors import CannotBench, OutOfMemory, explained
from cnndsl.bench.measure import SWEEP_SHARE, Row, _settled
from cnndsl.bench.plan import plan_of
from cnndsl.bench.settings import OPTIONS, PROVIDERS, Configuration, fixed
from cnndsl.bench.snippet import snippet
from cnndsl.bench.sweep import GAIN, TOLERANCE
from cnndsl.bench.timing import LEAST, ROUNDS, WARM, Timing, in_turns
from cnndsl.cli import main
from cnndsl.cli.bench import SECONDS, _Bar
from cnndsl.lower.onnx import write_onnx
from cnndsl.lower.onnx.structure import End
from cnndsl.weights import init

SPEC = "input 3x12x12\nnet Small = CONV3-8(bias=false) - BN - RELU - GAP - FC-5"
QUICK = ("--seconds", "0.02", "--no-sweep")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spec, and files compiled from it without passes, so that its weights are in them by name."""
    place = tmp_path_factory.mktemp("bench")
    (place / "small.cnn").write_text(SPEC)
    (place / "open.cnn").write_text(SPEC.replace("3x12x12", "3x?x?").replace("bias=false", "bias=false, pad=0"))
    (place / "images.cnn").write_text(SPEC.replace("\n", "\npreprocess normalise(imagenet)\n", 1))
    (place / "resized.cnn").write_text(SPEC.replace("\n", "\npreprocess resize(14) - crop(12)\n", 1))
    (place / "halves.cnn").write_text("input 3x?x?\nCONCAT[ID | POOL2 - POOL2 - UP(4)] - CONV3-4 - GAP - FC-5")
    for name in ("small", "open", "images", "resized", "halves"):
        graph = cnndsl.load(place / f"{name}.cnn").graph
        inside = name in ("images", "resized")
        write_onnx(place / f"{name}.onnx", graph, init(graph, 7), with_preprocess=inside)
    return place


@pytest.fixture(autouse=True)
def _there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has a process of its own runs in this one: sooner, and with what a test has put in its place."""

    def call(_batch: int | None, function: Any, *arguments: Any, step: Any = None) -> Any:
        return function(*arguments, **({} if step is None else {"step": step}))

    monkeypatch.setattr(measure, "alone", call)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["bench", *words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


# -- what is measured


def test_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, said = run(capsys, "small.onnx", "--batch", "2,1", "--json", "--seconds", "0.02")
    assert (code, said) == (0, "")
    found = json.loads(printed)
    graph = cnndsl.load("small.cnn").graph
    assert (found["name"], found["hash"], found["precision"]) == ("Small", graph.hash(), "fp32")
    assert found["versions"] == {"onnxruntime": onnxruntime.__version__}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = "optimised.onnx"
    onnxruntime.InferenceSession("small.onnx", options, providers=[PROVIDERS["cpu"]])
    nodes = [{"name": node.name, "operator": node.op_type} for node in onnx.load("optimised.onnx").graph.node]
    assert found["nodes"] == {PROVIDERS["cpu"]: nodes}
    operator, most = Counter(node["operator"] for node in nodes).most_common(1)[0]
    _, printed, _ = run(capsys, "small.onnx", "--no-sweep", "--seconds", "0.02")
    assert f"{len(nodes)} on {PROVIDERS['cpu']} ({most} {operator}" in printed
    assert [batch["batch"] for batch in found["batches"]] == [2, 1]
    for batch in found["batches"]:
        assert batch["input"] == [batch["batch"], 3, 12, 12]
        timed = batch["measured"]["best"]
        assert 0 < timed["p50"] <= timed["p95"] <= timed["p99"]
        assert timed["throughput"] == pytest.approx(batch["batch"] / timed["p50"])
        assert batch["fresh_process"]["session_start"] > 0 < batch["fresh_process"]["first_batch"]
        assert batch["fresh_process"]["gpu_memory"] is None
        assert ("defaults" in batch["measured"]) == (batch["options"] != {})
        tried = {name for trial in batch["tried"] for name in trial["options"]}
        assert tried == {option.name for option in OPTIONS["cpu"] if len(option.values) > 1}
        assert not [trial["problem"] for trial in batch["tried"] if trial["problem"]]


def test_memory_is_that_of_a_process_of_its_own() -> None:
    held = np.ones(2**26, np.uint8)  # what this process holds is not the session's
    plan, _ = sessions.examine(bench.read_model("small.onnx"), Configuration("cpu"), 1, None, "engines")
    found = fresh.alone(1, fresh.fresh, plan, Configuration("cpu"), "engines")
    mine = fresh.peak_resident()
    assert found.resident is not None and mine is not None
    assert 10 * 2**20 < found.resident < mine - held.nbytes // 2


@pytest.mark.parametrize("model", ["small", "images", "resized", "open"])
def test_every_kind_of_file(model: str, capsys: pytest.CaptureFixture[str], here: None) -> None:
    size = {"open": ("--size", "9x10"), "resized": ("--size", "20x30")}.get(model, ())
    code, printed, _ = run(capsys, f"{model}.onnx", "--batch", "3", "--json", *QUICK, *size)
    assert code == 0
    shapes = {"small": [3, 3, 12, 12], "images": [3, 12, 12, 3], "resized": [3, 20, 30, 3], "open": [3, 3, 9, 10]}
    assert json.loads(printed)["batches"][0]["input"] == shapes[model]


@pytest.mark.parametrize("sweep", [True, False])
def test_every_step_is_counted(sweep: bool, here: None) -> None:
    file, (start, held) = bench.read_model("small.onnx"), fixed("cpu", ["execution_mode=ORT_SEQUENTIAL"])
    taken: list[None] = []
    bench.bench(file, start, (1, 2), held=held, sweep=sweep, seconds=0.01, step=lambda: taken.append(None))
    assert len(taken) == bench.steps("cpu", 2, held, sweep)


@pytest.mark.parametrize(("terminal", "quiet"), [(True, False), (True, True), (False, False)])
def test_a_progress_bar_at_a_terminal(terminal: bool, quiet: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(written, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", written)
    with _Bar(3, quiet) as bar:
        bar.step()
    assert ("/3" in written.getvalue()) == (terminal and not quiet)


def test_precisions(tmp_path: Path) -> None:
    from onnx import helper, numpy_helper

    def written(dtype: type[np.generic], operator: str) -> str:
        weight = numpy_helper.from_array(np.ones((4, 4), dtype), "w")
        node = helper.make_node(operator, ["x", "w"], ["y"])
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        ends = [helper.make_tensor_value_info(name, kind, ["N", 4]) for name in "xy"]
        model = helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:], [weight]))
        onnx.save(model, tmp_path / "m.onnx")
        return bench.read_model(tmp_path / "m.onnx").precision

    assert written(np.float32, "MatMul") == "fp32"
    assert written(np.float16, "MatMul") == "fp16"
    assert written(np.float32, "DequantizeLinear") == "int8"


# -- timing


@given(st.lists(st.floats(1e-6, 10), min_size=1, max_size=50))
def test_statistics_are_those_of_the_library(runs: list[float]) -> None:
    timing = Timing(tuple(runs))
    assert timing.median == pytest.approx(float(np.median(runs)))
    assert timing.json(4)["p99"] == pytest.approx(float(np.quantile(runs, 0.99)))
    assert timing.mean == pytest.approx(float(np.mean(runs)))
    assert timing.json(4)["throughput"] == pytest.approx(4 / timing.median)


def test_each_has_its_turn_in_every_round_in_another_order() -> None:
    calls: list[str] = []
    names = ("a", "b", "c")
    actions = {name: (lambda name=name: calls.append(name)) for name in names}
    ticks: list[None] = []
    timed = in_turns(actions, 1e-3, rounds=8, tick=lambda: ticks.append(None))
    assert set(timed) == set(names) and len(ticks) == 24
    turns = [name for at, name in enumerate(calls) if at == 0 or calls[at - 1] != name][3:]  # after the warm-up
    assert {name: turns.count(name) >= 4 for name in names} == dict.fromkeys(names, True)
    assert turns != list(names) * (len(turns) // 3)


# -- the snippet


def snippets(printed: str) -> list[str]:
    """The scripts of a printed report, each with the line that says what it is."""
    return printed.partition("\n# the best session")[2].split("\n# the best session")


@pytest.mark.parametrize("model", ["small", "images", "open"])
def test_the_snippet_runs_as_printed(model: str, capsys: pytest.CaptureFixture[str], here: None, folder: Path) -> None:
    size = ("--size", "9x10") if model == "open" else ()
    settings = (
        "--fix",
        "execution_mode=ORT_PARALLEL",
        "--fix",
        "intra_op_num_threads=1",
        "--fix",
        "enable_cpu_mem_arena=False",
    )
    code, printed, _ = run(capsys, f"{model}.onnx", "--batch", "4", *QUICK, *size, *settings)
    assert code == 0
    (text,) = snippets(printed)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"# {text}"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("(4, 5)\n", "")
    assert "ort.ExecutionMode.ORT_PARALLEL" in text and "enable_cpu_mem_arena = False" in text


def test_the_snippet_gives_what_was_timed() -> None:
    configuration, _ = fixed("cpu", ["graph_optimization_level=ORT_ENABLE_BASIC"])
    plan, _ = sessions.examine(bench.read_model("small.onnx"), configuration, 2, None, "engines")
    x = plan.example()
    names: dict[str, Any] = {}
    text = snippet(plan, configuration).replace("np.zeros((batch, 3, 12, 12), np.float32)", "given")
    exec(text, names | {"given": x}, names)  # our own text
    session = sessions.Bound(plan, configuration, "engines", x)
    session.run()
    np.testing.assert_array_equal(names["y"].numpy(), session.outputs()[0])
    plain = onnxruntime.InferenceSession("small.onnx", providers=[PROVIDERS["cpu"]]).run(None, {"input": x})[0]
    np.testing.assert_allclose(session.outputs()[0], plain, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(sys.platform != "linux", reason="names are UTF-8 there")
def test_a_file_whose_name_is_not_utf_8(
    capsys: pytest.CaptureFixture[str], here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = os.fsdecode(b"bad\xff.onnx")
    (tmp_path / name).write_bytes(Path("small.onnx").read_bytes())
    monkeypatch.chdir(tmp_path)
    code, printed, _ = run(capsys, name, *QUICK)
    assert code == 0 and printed.startswith("bad\ufffd.onnx: Small")
    (text,) = snippets(printed)
    exec(f"# {text}", {})
    assert capsys.readouterr().out == "(1, 5)\n"


def test_batches_with_the_same_best_session_have_one_snippet(capsys: pytest.CaptureFixture[str], here: None) -> None:
    _, printed, _ = run(capsys, "small.onnx", "--batch", "1,2,3", *QUICK)
    (text,) = snippets(printed)
    assert text.startswith(" for batch 1, 2 and 3: defaults\n")


# -- the providers of a GPU, played by the CPU


class Options:
    """Session options that remember what was asked of them."""

    def __init__(self) -> None:
        self.__dict__["entries"] = {}
        self.__dict__["real"] = onnxruntime.SessionOptions()

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.real, name, value)

    def add_session_config_entry(self, key: str, value: str) -> None:
        self.entries[key] = value

    def add_free_dimension_override_by_name(self, name: str, size: int) -> None:
        self.real.add_free_dimension_override_by_name(name, size)


class Played:
    """An ONNX Runtime with the providers of a GPU; `lost` are the nodes that they leave to the CPU."""

    ExecutionMode = onnxruntime.ExecutionMode
    SessionOptions = Options
    __version__ = onnxruntime.__version__

    def __init__(self, lost: tuple[str, ...] = (), starts: bool = True, fails: dict[str, str] | None = None) -> None:
        self.lost, self.starts, self.fails = lost, starts, fails or {}
        self.opened: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.OrtValue = SimpleNamespace(ortvalue_from_numpy=self._value, ortvalue_from_shape_and_type=self._empty)

    def get_available_providers(self) -> list[str]:
        return list(PROVIDERS.values())

    def preload_dlls(self) -> None:
        print("what must not be printed")

    @staticmethod
    def _value(array: Any, device: str, number: int) -> Any:
        assert (device, number) == ("cuda", 0)
        return onnxruntime.OrtValue.ortvalue_from_numpy(array, "cpu", 0)

    @staticmethod
    def _empty(shape: Any, kind: Any, device: str, number: int) -> Any:
        assert (device, number) == ("cuda", 0)
        return onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, kind, "cpu", 0)

    def InferenceSession(self, path: str, options: Options, providers: Any, enable_fallback: bool = True) -> Any:  # noqa: N802
        (provider, own), *_ = providers
        self.opened.append((provider, own, options.entries))
        strict = options.entries.get("session.disable_cpu_ep_fallback") == "1"
        if self.lost and strict:
            raise RuntimeError("nodes are assigned to the default CPU EP, but fallback to CPU EP has been disabled")
        for pair in own.items():
            if pair in self.fails.items():
                raise RuntimeError(
                    "CUDA failure 2: out of memory" if pair[1] == "oom" else "not supported\nsecond line"
                )
        session = onnxruntime.InferenceSession(path, options.real, providers=[PROVIDERS["cpu"]])
        return Session(session, provider if self.starts else PROVIDERS["cpu"], self.lost)


class Session:
    """A session of the CPU that says it is on another provider."""

    def __init__(self, session: Any, provider: str, lost: tuple[str, ...]) -> None:
        self.session, self.provider, self.lost = session, provider, lost

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def get_providers(self) -> list[str]:
        return [self.provider, PROVIDERS["cpu"]]

    def end_profiling(self) -> str:
        """The CPU's profile, its nodes on the other provider but for those that are lost."""
        path = Path(self.session.end_profiling())
        events = json.loads(path.read_text())
        for event in events:
            lost = any(event["name"].startswith(name) for name in self.lost)
            if "provider" in event.get("args", {}) and not lost:
                event["args"]["provider"] = self.provider
        path.write_text(json.dumps(events))
        return str(path)


@pytest.fixture
def played(here: None, monkeypatch: pytest.MonkeyPatch) -> Played:
    runtime = Played()
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)  # type: ignore[arg-type]
    return runtime


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_gpu_is_asked_for_strictly(provider: str, played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = run(capsys, "small.onnx", "--provider", provider, "--json", "--seconds", "0.02")
    assert code == 0
    found = json.loads(printed)  # nothing else was printed
    assert set(found["nodes"]) == {PROVIDERS[provider]}
    (first, *others) = played.opened
    assert first[2] == {}
    assert {entry[0] for entry in played.opened} == {PROVIDERS[provider]}
    assert all(entries == {"session.disable_cpu_ep_fallback": "1"} for _, _, entries in others)
    tried = {name for _, own, _ in others for name in own}
    assert {option.name for option in OPTIONS[provider]} <= tried
    if provider == "tensorrt":
        assert all(own["trt_engine_cache_enable"] == "1" for _, own, _ in others)


def test_the_snippet_of_a_gpu_runs_with_what_was_timed(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ("--fix", "prefer_nhwc=1", "--fix", "enable_cuda_graph=1", "--fix", "cudnn_conv_algo_search=heuristic")
    code, printed, _ = run(capsys, "small.onnx", "--provider", "cuda", "--batch", "2", *QUICK, *settings)
    assert code == 0
    # a CUDA graph is captured from bound memory alone, and the first look at a model binds none
    assert "enable_cuda_graph" not in played.opened[0][1]
    timed = played.opened[-1]
    assert timed[1] == {"prefer_nhwc": "1", "cudnn_conv_algo_search": "HEURISTIC", "enable_cuda_graph": "1"}
    (text,) = snippets(printed)
    exec(f"# {text}", {})
    assert played.opened[-1] == timed
    assert capsys.readouterr().out.endswith("(2, 5)\n")


def test_nodes_that_fell_back_are_a_finding(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    played.lost = ("fc1",)
    code, printed, said = run(capsys, "small.onnx", "--provider", "cuda")
    assert (code, printed) == (1, "")
    assert said == "cnndsl: cuda was asked for, and does not run fc1 (CPUExecutionProvider)\n"


def test_a_session_is_strict_whatever_the_profile_says(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    played.lost = ("what no profile names",)
    code, _, said = run(capsys, "small.onnx", "--provider", "cuda")
    assert (code, said) == (1, "cnndsl: cuda was asked for, and does not run every node\n")


def test_a_provider_that_does_not_start(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    played.starts = False
    code, _, said = run(capsys, "small.onnx", "--provider", "tensorrt")
    assert code == 2
    assert "TensorrtExecutionProvider does not start here, and ONNX Runtime took CPUExecutionProvider" in said


def test_an_option_that_fails_is_dropped(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    played.fails = {"enable_cuda_graph": "1"}
    code, printed, _ = run(capsys, "small.onnx", "--provider", "cuda", "--seconds", "0.02")
    assert code == 0
    assert "was dropped: it fails when CUDAExecutionProvider starts: not supported" in printed
    assert "second line" not in printed


def test_an_option_that_computes_something_else_is_dropped(
    played: Played, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = sessions.Bound.outputs

    def wrong(self: sessions.Bound) -> Any:
        return [value + ("fuse_conv_bias=1" in self._doing) for value in outputs(self)]

    monkeypatch.setattr(sessions.Bound, "outputs", wrong)
    code, printed, _ = run(capsys, "small.onnx", "--provider", "cuda", "--seconds", "0.02", "--json")
    assert code == 0
    tried = json.loads(printed)["batches"][0]["tried"]
    dropped = [trial for trial in tried if trial["problem"]]
    assert all("fuse_conv_bias" in trial["options"] for trial in dropped) and dropped
    assert all("it computes something else" in trial["problem"] for trial in dropped)


# -- beside PyTorch


def against(capsys: pytest.CaptureFixture[str], model: str, spec: str, *words: str) -> tuple[int, Any, str]:
    code, printed, said = run(capsys, model, "--against", "torch", "--spec", spec, "--json", *QUICK, *words)
    return code, json.loads(printed) if printed else None, said


@pytest.fixture
def not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without torch.compile, which takes seconds."""
    import torch

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("no compiler\nand more of it")

    monkeypatch.setattr(torch, "compile", refuse)


@pytest.mark.parametrize("model", ["small", "images", "resized", "open"])
def test_pytorch_with_the_weights_of_the_file(
    model: str, capsys: pytest.CaptureFixture[str], here: None, not_compiled: None
) -> None:
    size = {"open": ("--size", "9x10"), "resized": ("--size", "20x30")}.get(model, ())
    code, found, _ = against(capsys, f"{model}.onnx", f"{model}.cnn", "--batch", "2", *size)
    assert code == 0
    assert found["torch"]["agrees"] and "torch" in found["versions"]
    timed = found["batches"][0]["measured"]
    assert set(timed) == {"best", "torch", "torch.compile"}
    assert timed["torch"]["p50"] > 0 < timed["torch"]["start"]
    assert timed["torch.compile"]["problem"] == "it fails in PyTorch: no compiler"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch.compile deprecates parts of itself
def test_torch_compile_runs(capsys: pytest.CaptureFixture[str], here: None) -> None:
    code, found, _ = against(capsys, "small.onnx", "small.cnn")
    assert code == 0
    compiled = found["batches"][0]["measured"]["torch.compile"]
    assert compiled["problem"] is None and compiled["p50"] > 0


def test_a_folded_file_takes_the_weights_that_are_named(
    capsys: pytest.CaptureFixture[str], here: None, not_compiled: None, tmp_path: Path
) -> None:
    folded = str(tmp_path / "folded.onnx")
    assert main(["compile", "small.cnn", "--to", "onnx", "-o", folded, "--seed", "3"]) == 0
    assert main(["weights", "init", "small.cnn", "-o", str(tmp_path / "w.safetensors"), "--seed", "3"]) == 0
    capsys.readouterr()
    graph = cnndsl.load("small.cnn").graph
    if bench.arrays_in(folded, graph) is None:  # the passes have folded the norm
        code, found, said = against(capsys, folded, "small.cnn")
        assert (code, found["batches"]) == (1, [])
        assert said.endswith("and PyTorch differ: name the weights with --weights or --seed\n")
    for named in (("--seed", "3"), ("--weights", str(tmp_path / "w.safetensors"))):
        code, found, _ = against(capsys, folded, "small.cnn", *named)
        assert code == 0 and found["torch"]["agrees"]


def test_another_network_is_found_out(
    capsys: pytest.CaptureFixture[str], here: None, not_compiled: None, folder: Path
) -> None:
    for other in (SPEC.replace("RELU", "TANH"), "input 1x8x8\nnet Small = CONV3-8 - GAP - FC-5"):
        code, found, said = against(capsys, "small.onnx", other)
        assert (code, found) == (2, None)
        assert said.startswith("cnndsl: small.onnx was compiled from another network than Small: name its own spec")


# -- what is refused


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("none.onnx",), "none.onnx does not exist"),
        ((".",), ". is a folder"),
        (("small.cnn",), "cnndsl: small.cnn is no ONNX file, or one that is cut short\n"),
        (
            ("small.onnx", "--provider", "cuda"),
            'no CUDAExecutionProvider: pip uninstall -y onnxruntime && pip install "onnxruntime-gpu[cuda,cudnn]"',
        ),
        (("small.onnx", "--provider", "tensorrt"), "this ONNX Runtime has no TensorrtExecutionProvider: "),
        (("small.onnx", "--batch", "1,x"), "--batch 1,x: whole numbers from 1 to 1,048,576 are written as 1,8,64"),
        (("small.onnx", "--batch", "0"), "--batch 0: "),
        (("small.onnx", "--batch", "1,"), "--batch 1,: "),
        (("small.onnx", "--batch", "٣"), "--batch ٣: "),
        (("small.onnx", "--size", "12x12"), "small.onnx takes 3x12x12 and nothing else: leave out --size"),
        (("open.onnx",), "open.onnx leaves H and W open: say how large with --size 224x224"),
        (("open.onnx", "--size", "8"), "open.onnx leaves H and W open: "),
        (("open.onnx", "--size", "8x"), "--size 8x: whole numbers from 1 to 1,048,576 are written as 224x224"),
        (("open.onnx", "--size", "1x1"), "the network in open.onnx does not take 1x1, though it leaves its sizes open"),
        (("halves.onnx", "--size", "30x30"), "the network in halves.onnx does not take 30x30, though it leaves"),
        (("small.onnx", "--fix", "threads=1"), "--fix threads=1: cpu has the options intra_op_num_threads, "),
        (("small.onnx", "--fix", "execution_mode"), "execution_mode is one of ORT_SEQUENTIAL, ORT_PARALLEL"),
        (("small.onnx", "--fix", "intra_op_num_threads=-1"), "is a whole number from 0 to 99,999"),
        (("small.onnx", "--seconds", "0"), "--seconds must be above 0"),
        (("small.onnx", "--seconds", "nan"), "--seconds must be above 0"),
        (("small.onnx", "--against", "torch"), "needs the spec that small.onnx was compiled from, the one of Small"),
        (("small.onnx", "--spec", "small.cnn"), "--spec is for --against torch"),
        (("small.onnx", "--seed", "1"), "--seed is for --against torch"),
        (("small.onnx", "--classes", "5"), "--classes is about a spec, and none is read here"),
        (("images.onnx", "--against", "torch", "--spec", "small.cnn"), "the spec of Small has no `preprocess`"),
    ],
)
def test_what_is_refused(words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str], here: None) -> None:
    code, printed, said = run(capsys, *words)
    assert (code, printed) == (2, "")
    assert message in said
    assert said.startswith("cnndsl: ") and said.count("\n") == 1


def test_a_batch_that_is_fixed_in_the_file(capsys: pytest.CaptureFixture[str], here: None, tmp_path: Path) -> None:

    model = onnx.load("small.onnx")
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(model, tmp_path / "two.onnx")
    file = str(tmp_path / "two.onnx")
    code, _, said = run(capsys, file, "--batch", "8", *QUICK)
    assert code == 2 and said.endswith("takes batches of 2 and no others: leave out --batch 8\n")
    code, printed, _ = run(capsys, file, *QUICK)
    assert code == 0
    (text,) = snippets(printed)
    assert "np.zeros((2, 3, 12, 12)" in text and "override" not in text


def test_a_file_without_weights(capsys: pytest.CaptureFixture[str], here: None, tmp_path: Path) -> None:
    write_onnx(tmp_path / "bare.onnx", cnndsl.load("small.cnn").graph, None)
    code, _, said = run(capsys, str(tmp_path / "bare.onnx"))
    assert code == 2 and "inputs; one written without weights is timed after they are put in" in said


def test_a_batch_that_does_not_fit_does_not_stop_the_others(
    capsys: pytest.CaptureFixture[str], here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = bench.Plan.example

    def limited(self: bench.Plan, seed: int = 0) -> Any:
        if self.batch == 5:
            raise MemoryError
        return example(self, seed)

    monkeypatch.setattr(bench.Plan, "example", limited)
    code, printed, _ = run(capsys, "small.onnx", "--batch", "5,1", *QUICK)
    assert code == 2
    assert "batch 5: out of memory with an input of 5x3x12x12: try a smaller --batch or --size" in printed
    assert "batch 1: defaults" in printed


def test_an_image_too_large_for_any_memory(capsys: pytest.CaptureFixture[str], here: None) -> None:
    code, printed, _ = run(capsys, "open.onnx", "--size", "1048576x1048576", "--batch", "1048576")
    assert code == 2 and "out of memory with an input of 1048576x3x1048576x1048576" in printed


MEMORY = """
import contextlib, io, json, sys
from cnndsl.bench.fresh import peak_resident
from cnndsl.cli import main

def peak(batch):
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        assert main(["bench", "small.onnx", "--batch", batch, "--json", "--seconds", "0.01", "--no-sweep"]) == 0
    (found,) = json.loads(text.getvalue())["batches"]
    return peak_resident(), found["fresh_process"]["peak_resident"]

if __name__ == "__main__":
    print(json.dumps([peak("1"), peak("20000")]))
"""


def test_what_holds_a_batch_is_a_process_that_may_be_ended(folder: Path) -> None:
    """The main process has nothing of it, so that the system ends none but the one that tries."""
    script = folder / "memory.py"
    script.write_text(MEMORY)
    done = subprocess.run([sys.executable, str(script)], cwd=folder, capture_output=True, text=True, check=True)
    (mine, trial), (mine_then, trial_then) = json.loads(done.stdout)
    images = 20_000 * 3 * 12 * 12 * 4
    assert trial_then - trial > images
    assert mine_then - mine < images / 4


def _ended_when_timed(*_arguments: Any, **_named: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_batch_that_does_not_fit_when_it_is_timed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    timed, taken = measure._timed, iter((_ended_when_timed, measure._timed))
    real = measure.alone

    def alone(batch: int | None, function: Any, *arguments: Any, **named: Any) -> Any:
        return real(batch, next(taken) if function is timed else function, *arguments, **named)

    monkeypatch.setattr(measure, "alone", alone)
    code, printed, _ = run(capsys, "small.onnx", "--batch", "5,1", *QUICK)
    assert code == 2
    assert "batch 5: the process that tried a batch of 5 was ended, most likely out of memory: try a smaller" in printed
    assert "batch 1: defaults" in printed
    assert not list(tmp_path.iterdir())


def _ended() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_the_system_ends() -> None:
    with pytest.raises(OutOfMemory, match="the process that tried a batch of 9 was ended, most likely out of memory"):
        fresh.alone(9, _ended)


@pytest.mark.parametrize(
    "message", ["std::bad_alloc", "CUDA error: out of memory", "Failed to allocate memory for", "x"]
)
def test_out_of_memory_has_many_names(message: str) -> None:
    found = explained(RuntimeError(message), "here")
    assert isinstance(found, OutOfMemory) == (message != "x")


@given(st.data())
def test_plans(data: st.DataObject) -> None:
    """A plan has the batch and the sizes that were given, wherever the file leaves them open, and no others."""
    dims = data.draw(st.lists(st.sampled_from([3, 7, "H", "W", None]), min_size=1, max_size=4))
    first = data.draw(st.sampled_from(["N", 4, None]))
    end = End("x", "float32", (first, *dims))
    file = bench.ModelFile("m.onnx", (end,), 1, "fp32", {})
    names = list(dict.fromkeys(n or str(at) for at, n in enumerate(dims) if not isinstance(n, int)))
    size = data.draw(st.lists(st.integers(1, 9), max_size=4))
    batch = data.draw(st.sampled_from([None, 4, 6]))
    if len(size) != len(names) or (first == 4 and batch == 6):
        with pytest.raises(CannotBench):
            plan_of(file, batch, size or None)
        return
    plan = plan_of(file, batch, size)
    given_ = dict(zip(names, size, strict=True))
    assert plan.batch == (4 if first == 4 else batch or 1)
    expected = [n if isinstance(n, int) else given_[n or str(at)] for at, n in enumerate(dims)]
    assert list(plan.input.shape[1:]) == expected
    fixed_ = {name: n for name, n in given_.items() if name in ("H", "W")} | ({"N": plan.batch} if first == "N" else {})
    assert dict(plan.dimensions) == fixed_


@given(st.data(), st.sampled_from(sorted(OPTIONS)))
def test_configurations(data: st.DataObject, provider: str) -> None:
    """What is set is what is read; defaults are left out; the order of setting does not matter."""
    chosen = {option.name: data.draw(st.sampled_from(option.values)) for option in OPTIONS[provider]}
    ones = Configuration(provider)
    for name, value in data.draw(st.permutations(list(chosen.items()))):
        ones = ones.with_(name, value)
    assert {name: ones.get(name) for name in chosen} == chosen
    names, held = fixed(provider, [f"{name}={value.rpartition('.')[2]}" for name, value in chosen.items()])
    assert names == ones and held == frozenset(chosen)
    assert len(ones.chosen) == sum(chosen[option.name] != option.values[0] for option in OPTIONS[provider])


def test_the_page_says_what_the_code_does() -> None:
    page = ROOT / "docs" / "bench.md"
    rows = {row[0].strip("`"): re.findall(r"`(\w+)`", row[1]) for row in table(page, "provider")}
    assert rows == {provider: [option.name for option in options] for provider, options in OPTIONS.items()}
    text = " ".join(page.read_text(encoding="utf-8").split())
    allowed = bench.AGREEMENT
    said = f"{allowed['fp32']:g} (FP16 {allowed['fp16']:g}, INT8 {allowed['int8']:g}, a file that resizes images {RESIZED:g})"
    assert said in text
    assert (
        f"the median is at least {100 * (1 - GAIN):.0f} % lower, and the outputs are within {100 * TOLERANCE:.0f} %"
        in text
    )
    assert f"how long each session is timed ({SECONDS:g})" in text and SWEEP_SHARE == 0.25
    assert (ROUNDS, LEAST, WARM) == (10, 3, 0.2)


def test_what_gains_nothing_in_the_end_is_not_kept() -> None:
    """The sweep is short: what it finds is timed once more beside the defaults."""
    start, found = Configuration("cpu"), Configuration("cpu", (("intra_op_num_threads", "1"),))
    fast, slow = Timing((1e-3, 1e-3)), Timing((2e-3, 2e-3))
    rows = (Row("best", slow), Row("defaults", fast), Row("torch", slow))
    assert _settled(start, found, rows) == (start, (Row("best", fast), Row("torch", slow)))
    rows = (Row("best", fast), Row("defaults", slow), Row("torch", slow))
    assert _settled(start, found, rows) == (found, rows)
