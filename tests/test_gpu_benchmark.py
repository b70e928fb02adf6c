"""The GPU benchmark, all of it, where there is none: one block of each network on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import gpu
from benchmarks.gpu_report import COMPILED, EAGER, Row, goals

ROOT = Path(__file__).parent.parent


def test_the_script_runs_on_a_cpu(tmp_path: Path) -> None:
    # what is compiled is tested by PyTorch: here it would take a compiler, and a minute
    surroundings = {**os.environ, "TORCHDYNAMO_DISABLE": "1", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "benchmarks/gpu.py", "--provider", "cpu", "--small", "--save", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    data, page = (next(tmp_path.glob(f"*.{form}")) for form in ("json", "md"))
    assert data.stem == page.stem
    found = json.loads(data.read_text(encoding="utf-8"))
    names = [*(variant.name for variant in gpu.VARIANTS["cpu"]), EAGER, COMPILED]
    assert [(row["network"], row["batch"], row["name"]) for row in found["rows"]] == [
        (network, batch, name) for network in gpu.NETWORKS for batch in (1, 2) for name in names
    ]
    for row in found["rows"]:
        assert row["problem"] is None
        assert min(row["milliseconds"], row["images"], row["share"], row["over_eager"]) > 0
        assert row["error"] <= gpu.TOLERANCE[row["precision"]]
    assert len(found["goals"]) == len(gpu.NETWORKS) * 3
    assert found["device"]
    assert page.read_text(encoding="utf-8") in done.stdout


def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert gpu.main([]) == 2
    assert "has no CUDAExecutionProvider" in capsys.readouterr().err


def rows(**ratios: float | None) -> list[Row]:
    found = []
    for name, ratio in ratios.items():
        title = {"compiled": COMPILED, "eager": EAGER}.get(name, name)
        batch = 32 if name == "FP16_at_32" else 1
        row = Row("ResNet-50", batch, title.replace("_at_32", ""), "FP16", over_eager=ratio)
        found.append(row if ratio is not None else row._replace(problem="it fails"))
    return found


def test_the_goals_are_ratios_of_the_best_that_ran() -> None:
    one, other, at_32 = goals(rows(FP32=9.0, FP16=1.2, FP16b=1.5, eager=1.0, compiled=1.25, FP16_at_32=1.29))
    assert (one.figure, one.goal, one.met) == (1.5, 1.3, True)
    assert (other.figure, other.met) == (1.5 / 1.25, True)
    assert (at_32.figure, at_32.met) == (1.29, False)
    without = goals(rows(FP16=None, eager=1.0, compiled=None))
    assert [(goal.figure, goal.met) for goal in without] == [(None, False), (None, False)]


@pytest.mark.parametrize("provider", gpu.VARIANTS)
def test_every_option_is_one_of_the_provider(provider: str) -> None:
    configuration = gpu.Configuration(provider)
    for variant in gpu.VARIANTS[provider]:
        for name, value in variant.options.items():
            configuration = configuration.with_(name, value)
            assert configuration.get(name) == value


def test_what_computes_something_else_is_found(tmp_path: Path) -> None:
    network = gpu.compiled("ResNet-50", True, tmp_path)
    device = gpu.Device("cpu", 0.01, {"FP32": 1.0}, str(tmp_path))
    plan, _ = gpu.examine(network.files["fp32"], gpu.Configuration("cpu"), 1, None, str(tmp_path))
    expected = gpu.Opponent(network.side, gpu.Configuration("cpu"), "fp32").output(plan.example())
    variant = gpu.VARIANTS["cpu"][0]
    bound, apart = gpu._checked(network, 1, variant, device, expected)
    assert apart < gpu.TOLERANCE["FP32"]
    del bound
    with pytest.raises(gpu.CannotBench, match="something else than PyTorch"):
        gpu._checked(network, 1, variant, device, expected + 0.5)
