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
    """The spec's text to a model with drawn weights; the exporter begins with the module. In memory, then to files."""
    import torch

    import cnndsl
    from cnndsl.lower.onnx import to_onnx
    from cnndsl.weights import init

    module = cnndsl.load(SPEC).torch().eval()
    x = torch.zeros(1, *cnndsl.load(SPEC).graph.input_shape.sizes())
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)

    def ours(target: Path | None) -> None:
        network = cnndsl.load(SPEC)
        if target is None:
            to_onnx(network.graph, init(network.graph))
        else:
            network.onnx(target)

    def theirs(target: Path | None) -> None:
        with redirect_stdout(StringIO()), warnings.catch_warnings(action="ignore"):
            torch.onnx.export(module, (x,), target, dynamo=True, external_data=False, verbose=False)

    def row(title: str, goal: str, mine: Path | None, other: Path | None) -> list[tuple[str, str, str]]:
        os.sync()  # or the disk is still busy with the files before
        fast, slow, ratio = interleaved(lambda: timed(lambda: ours(mine)), lambda: timed(lambda: theirs(other)), RUNS)
        return [
            (f"spec to {title}, in one process", "", f"{fast:.2f} s"),
            (f"module to {title} by torch.onnx.export(dynamo=True)", "", f"{slow:.2f} s"),
            ("times faster", goal, f"{1 / ratio:.1f}"),
        ]

    # 100 MB take a disk as long as all the rest, whoever writes them, and differ from run to run
    return row("model", ">= 10", None, None) + row("file", ">= 10", folder / "ours.onnx", folder / "theirs.onnx")


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


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        # cold first: a new process inherits the peak of one that has imported torch
        alone = cold(Path(name))
        table("ONNX of ResNet-50, with weights", in_process(Path(name)) + alone)


if __name__ == "__main__":
    main()
