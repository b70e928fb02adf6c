"""The commands that read, write and check specs: lint, stats, expand, fmt, compile; and doctor."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..diagnostics import SpecError
from ..ir import Graph
from .request import (
    CLEAN,
    FINDINGS,
    Failure,
    add_spec,
    compile_spec,
    deliver,
    graph_of,
    keep_inputs,
    limits,
    show,
)


def compile_options(command: argparse.ArgumentParser) -> None:
    add_spec(command)
    command.add_argument("--to", choices=("onnx", "torch", "ir"), required=True, help="what to write")
    command.add_argument(
        "-o", "--output", metavar="OUT", help="the file to write; - for standard output (default for torch and ir)"
    )
    weights = command.add_mutually_exclusive_group()
    weights.add_argument("--weights", metavar="FILE", help="a .safetensors file with the weights")
    weights.add_argument("--seed", metavar="N", type=int, help="draw the weights with this seed (default 0)")
    weights.add_argument("--no-weights", action="store_true", help="write the structure alone")
    command.add_argument(
        "--with-preprocess",
        action="store_true",
        help="put the spec's preprocessing into the graph: images in, as bytes",
    )
    command.add_argument("--opset", metavar="N", type=int, help="ONNX opset, 17 to 26 (default 18)")
    command.add_argument(
        "--verify", action="store_true", help="run ONNX Runtime against PyTorch before the file appears"
    )


def stats_options(command: argparse.ArgumentParser) -> None:
    add_spec(command)
    command.add_argument("--json", action="store_true", help="as JSON")


def fmt_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "spec",
        metavar="FILE",
        nargs="+",
        help="files to rewrite in the canonical form; - reads standard input and prints",
    )
    command.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file would change")
    command.add_argument("--diff", action="store_true", help="write nothing; print what would change")


def doctor_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="as JSON")


def run_compile(arguments: argparse.Namespace) -> int:
    from .. import backends

    if arguments.to != "onnx":
        _onnx_only(arguments)
    graph = graph_of(arguments)
    keep_inputs(arguments.output, arguments.spec, arguments.weights)
    if arguments.to == "torch":
        return deliver(backends.torch_text(graph), arguments.output or "-")
    if arguments.to == "ir":
        return deliver(backends.ir_text(graph), arguments.output or "-")
    target = arguments.output or _default_output(arguments.spec, graph.name, ".onnx")
    options = backends.OnnxOptions(
        arguments.weights,
        arguments.seed or 0,
        arguments.no_weights,
        arguments.opset or backends.DEFAULT_OPSET,
        arguments.verify,
        limits(arguments).max_params,
        arguments.with_preprocess,
    )
    try:
        written = backends.compile_onnx(graph, Path("/dev/stdout" if target == "-" else target), options)
    except backends.Disagreement as failure:
        raise Failure(str(failure), FINDINGS) from None
    if written.warnings:
        show(written.warnings, arguments)
    for line in (*_open_sizes(graph), *written.remarks, *map(str, written.files)):
        print(line, file=sys.stderr if target == "-" else sys.stdout)
    return CLEAN


def _onnx_only(arguments: argparse.Namespace) -> None:
    """Refuse the options that a module's source and a graph have no use for."""
    for option in ("weights", "seed", "no_weights", "with_preprocess", "opset", "verify"):
        if getattr(arguments, option) not in (None, False):
            raise Failure(f"--{option.replace('_', '-')} is for --to onnx")


def _open_sizes(graph: Graph) -> tuple[str, ...]:
    """Which sizes of an open input are valid."""
    if graph.input_shape.fixed:
        return ()
    from ..analysis.sizes import valid_sizes

    return (f"valid sizes: {'; '.join(valid_sizes(graph).lines()) or 'all'}",)


def _default_output(spec: str, name: str, ending: str) -> str:
    if spec != "-" and spec.endswith(".cnn"):
        return Path(spec).stem + ending
    return (spec.removeprefix("zoo:") if spec.startswith("zoo:") else name).replace("/", "_") + ending


def run_stats(arguments: argparse.Namespace) -> int:
    from ..analysis.statistics import statistics

    result = statistics(graph_of(arguments))
    if arguments.json:
        import json

        print(json.dumps(result.json(), indent=2))
    else:
        print(result.table())
    return CLEAN


def run_expand(arguments: argparse.Namespace) -> int:
    from .expansion import expansion

    compiled = compile_spec(arguments, arguments.spec)
    if compiled.graph is None:
        raise SpecError(compiled.diagnostics)
    sys.stdout.write(expansion(compiled))
    return CLEAN


def run_fmt(arguments: argparse.Namespace) -> int:
    from ..rewrite import format_files

    return format_files(arguments.spec, check=arguments.check, diff=arguments.diff)


def run_doctor(arguments: argparse.Namespace) -> int:
    from ..doctor import report as examine

    found = examine()
    if arguments.json:
        import json

        print(json.dumps(found.json(), indent=2))
    else:
        print(found.text())
    return CLEAN if found.healthy else FINDINGS
