"""ONNX of ResNet-50 with weights, written from the spec, against torch.onnx.export(dynamo=True) of the same module."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
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
    """The spec's text to a model with drawn weights, in memory and as files; the exporter begins with the module."""
    import torch

    import cnndsl
    from cnndsl.lower.onnx import to_onnx
    from cnndsl.weights import initial

    module = cnndsl.load(SPEC).torch().eval()
    x = torch.zeros(1, *cnndsl.load(SPEC).graph.input_shape.sizes())
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)

    def ours(target: Path | None) -> None:
        network = cnndsl.load(SPEC)
        if target is None:
            to_onnx(network.graph, initial(network.graph))
        else:
            network.onnx(target)

    def theirs(target: Path | None) -> None:
        with redirect_stdout(StringIO()), warnings.catch_warnings(action="ignore"):
            torch.onnx.export(module, (x,), target, dynamo=True, external_data=False, verbose=False)

    def row(title: str, mine: Path | None, other: Path | None, *, replaced: bool) -> list[tuple[str, str, str]]:
        os.sync()  # or the disk is still busy with the files before

        def measure(action: Callable[[Path | None], None], target: Path | None) -> float:
            if target is not None and not replaced:
                target.unlink(missing_ok=True)
            return timed(lambda: action(target))

        fast, slow, ratio = interleaved(lambda: measure(ours, mine), lambda: measure(theirs, other), RUNS)
        return [
            (f"spec to {title}, in one process", "", f"{fast:.2f} s"),
            (f"module to {title} by torch.onnx.export(dynamo=True)", "", f"{slow:.2f} s"),
            ("times faster", ">= 10", f"{1 / ratio:.1f}"),
        ]

    files = folder / "ours.onnx", folder / "theirs.onnx"
    return (
        row("model", None, None, replaced=False)
        + row("new file", *files, replaced=False)
        + row("file in place of another", *files, replaced=True)
    )


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
