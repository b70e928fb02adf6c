"""ONNX of ResNet-50 with weights, written from the spec, against torch.onnx.export(dynamo=True) of the same module."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from .measure import interleaved, run, table, timed

SPEC = Path(__file__).parent.parent / "specs" / "resnet50.cnn"
RUNS = 5

EXPORT = f"""
import sys
import torch
import cnndsl
network = cnndsl.load({str(SPEC)!r})
x = torch.zeros(1, *network.graph.input_shape.sizes())
torch.onnx.export(network.torch().eval(), (x,), sys.argv[1], dynamo=True, external_data=False, verbose=False)
"""


def in_process(folder: Path) -> list[tuple[str, str, str]]:
    """The spec's text to a file with drawn weights; the exporter begins with the module."""
    import torch

    import cnndsl

    network = cnndsl.load(SPEC)
    module = network.torch().eval()
    x = torch.zeros(1, *network.graph.input_shape.sizes())
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)

    def export() -> None:
        target = folder / "theirs.onnx"
        with redirect_stdout(StringIO()), warnings.catch_warnings(action="ignore"):
            torch.onnx.export(module, (x,), target, dynamo=True, external_data=False, verbose=False)

    def ours_timed() -> float:
        os.sync()  # or the disk is still busy with the file before
        return timed(lambda: cnndsl.load(SPEC).onnx(folder / "ours.onnx"))

    def theirs_timed() -> float:
        os.sync()
        return timed(export)

    ours, theirs, ratio = interleaved(ours_timed, theirs_timed, RUNS)
    return [
        ("spec to ONNX file, in one process", "", f"{ours:.2f} s"),
        ("module to ONNX file by torch.onnx.export(dynamo=True)", "", f"{theirs:.2f} s"),
        ("times faster", ">= 10", f"{1 / ratio:.1f}"),
    ]


def cold(folder: Path) -> list[tuple[str, str, str]]:
    """New processes: the command, and a script that makes the same module and exports it."""
    command = Path(sys.executable).with_name("cnndsl")
    compile_spec = [str(command), "compile", str(SPEC), "--to", "onnx", "-o", str(folder / "cold.onnx")]
    script = [sys.executable, "-c", EXPORT, str(folder / "script.onnx")]
    ours, theirs, ratio = interleaved(lambda: run(compile_spec).seconds, lambda: run(script).seconds, RUNS)
    return [
        ("cnndsl compile --to onnx, cold", "", f"{ours:.2f} s"),
        ("a script that exports, cold", "", f"{theirs:.2f} s"),
        ("times faster", ">= 5", f"{1 / ratio:.1f}"),
        ("peak memory of the command", "", f"{run(compile_spec).mebibytes:.0f} MiB"),
    ]


MEMORY = Path("/dev/shm")
"""A folder in memory, where there is one: 100 MB on a disk take as long as all the rest, and differ from run to run."""


def main() -> None:
    """Print the tables."""
    places = [("in memory", str(MEMORY))] if MEMORY.is_dir() else []
    for place, parent in [*places, ("on the disk", None)]:
        with tempfile.TemporaryDirectory(dir=parent) as name:
            # cold first: a new process inherits the peak of one that has imported torch
            alone = cold(Path(name))
            table(f"ONNX of ResNet-50, with weights, written {place}", in_process(Path(name)) + alone)


if __name__ == "__main__":
    main()
