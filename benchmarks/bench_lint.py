"""The linter: a cold start, a thousand specs without and with a cache, torchinfo beside it, a family of many millions."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from cnndsl.processes import cores

from .measure import Process, interleaved, run, table

ROOT = Path(__file__).parent.parent
SPEC = ROOT / "specs" / "resnet50.cnn"
COMMAND = [str(Path(sys.executable).with_name("cnndsl")), "lint"]
SPECS = 1_000

TORCHINFO = """\
import sys; sys.path.insert(0, {!r})
import torchinfo
from resnet50 import ResNet50
torchinfo.summary(ResNet50(), (1, 3, 224, 224))
"""
FAMILY = """\
input 3x224x224
param N = 2 in 1..100
param M = 3 in 1..100
param K = 1 in 1..1000
net Pattern = [(CONV3-{16*N} - RELU)*N - POOL?]*M - GAP - (FC-64 - RELU)*K - FC-10
"""


def cold() -> list[tuple[str, str, str]]:
    """One spec, no cache, in a process of its own."""
    lint = [*COMMAND, "--no-cache", str(SPEC)]
    imports = [sys.executable, "-c", "import lark, pydantic"]
    ours, theirs, ratio = interleaved(lambda: run(lint).seconds, lambda: run(imports).seconds, 21)
    return [
        ("lint specs/resnet50.cnn, cold", "", f"{ours * 1e3:.0f} ms"),
        ("python -c 'import lark, pydantic'", "", f"{theirs * 1e3:.0f} ms"),
        ("ratio", "<= 1.5", f"{ratio:.2f}"),
    ]


def write_specs(folder: Path, count: int) -> None:
    """Networks of ResNet-50's size, no two alike: the width of the first stage and the classes differ."""
    text = SPEC.read_text()
    for number in range(count):
        width = 64 + 8 * (number % 40)
        varied = text.replace("net ResNet50", f"net ResNet50n{number}").replace(
            "classes = 1000", f"classes = {number + 2}"
        )
        varied = varied.replace("Stage(64, 3, 1) => 256x", f"Stage({width}, 3, 1) => {4 * width}x")
        varied = varied.replace("assert params <= 25.6M, macs <= 4.1G\n", "")
        inner = folder / f"{number // 50:02}"
        inner.mkdir(exist_ok=True)
        (inner / f"net{number:04}.cnn").write_text(varied)


def many() -> list[tuple[str, str, str]]:
    """A folder of specs: the first run, and one that finds everything in the cache."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_specs(folder, SPECS)
        lint = [*COMMAND, "--fail-level", "error", str(folder)]
        here = Path.cwd()
        os.chdir(folder)
        try:
            first = run(lint)
            again = min((run(lint) for _ in range(5)), key=lambda process: process.seconds)
        finally:
            os.chdir(here)
    on = f"on {cores()} cores"
    return [
        (f"{SPECS:,} specs of ResNet-50's size {on}", "< 10 s", f"{first.seconds:.1f} s"),
        ("the same with a warm cache", "< 1 s", f"{again.seconds:.2f} s"),
    ]


def beside_torchinfo() -> list[tuple[str, str, str]]:
    """ResNet-50 from nothing: what is wrong with it, against torchinfo's summary of the module that the spec compiles to."""
    ours = _best([*COMMAND, "--no-cache", str(SPEC)], 7)
    with tempfile.TemporaryDirectory() as name:
        run([COMMAND[0], "compile", str(SPEC), "--to", "torch", "-o", str(Path(name) / "resnet50.py")])
        theirs = _best([sys.executable, "-c", TORCHINFO.format(name)], 3)
    return [
        ("lint specs/resnet50.cnn", "", f"{ours.seconds * 1e3:.0f} ms, {ours.mebibytes:.0f} MiB"),
        ("torchinfo.summary of its module", "", f"{theirs.seconds * 1e3:.0f} ms, {theirs.mebibytes:.0f} MiB"),
        ("times faster", ">= 15", f"{theirs.seconds / ours.seconds:.0f}"),
        ("share of the memory", "<= 0.2", f"{ours.mebibytes / theirs.mebibytes:.2f}"),
    ]


def family() -> list[tuple[str, str, str]]:
    """Every member of a family at once."""
    with tempfile.TemporaryDirectory() as name:
        spec = Path(name) / "family.cnn"
        spec.write_text(FAMILY)
        process = _best([*COMMAND, "--no-cache", "--fail-level", "error", str(spec)], 3, fails=True)
    return [("a family of more than ten million members", "< 1 s", f"{process.seconds:.2f} s")]


def _best(command: list[str], runs: int, fails: bool = False) -> Process:
    """The fastest of several runs."""
    return min((run(command, fails=fails) for _ in range(runs)), key=lambda process: process.seconds)


def main() -> None:
    """Print the tables."""
    table("Cold start", cold())
    table("A thousand specs", many())
    table("Beside torchinfo", beside_torchinfo())
    table("A family", family())


if __name__ == "__main__":
    main()
