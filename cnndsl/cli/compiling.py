"""The command `compile`; what is asked of a precision, of passes and of a server is in files beside this one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..ir import Graph
from ..report import printable
from .passes import chosen_passes, passes_option
from .precision import kept_nodes, precision_options
from .quantising import int8_of, int8_options, print_report
from .request import (
    CLEAN,
    FINDINGS,
    Failure,
    add_spec,
    deliver,
    failed,
    graph_of,
    keep_inputs,
    limits,
    show,
)
from .serving import serving, serving_options, triton_only

if TYPE_CHECKING:
    from ..backends import Written


def compile_options(command: argparse.ArgumentParser) -> None:
    add_spec(command)
    command.add_argument("--to", choices=("onnx", "triton", "torch", "ir"), required=True, help="what to write")
    command.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        help="the file to write, or the model repository; - for standard output (default for torch and ir)",
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
    command.add_argument(
        "--verify-on",
        metavar="DIR|FILE",
        help="do that on images or an .npz file of inputs, 64 at most, in place of random numbers",
    )
    precision_options(command)
    int8_options(command)
    passes_option(command)
    serving_options(command)


def run_compile(arguments: argparse.Namespace) -> int:
    from .. import backends

    if arguments.to not in ("onnx", "triton"):
        _onnx_only(arguments)
    if arguments.to != "triton":
        triton_only(arguments)
    elif arguments.output in (None, "-"):
        raise Failure("--to triton needs a model repository, the folder of a server's models: -o REPO")
    int8 = int8_of(arguments)
    graph = graph_of(arguments)
    keep_inputs(arguments.output, arguments.spec, arguments.weights, arguments.calibrate, arguments.verify_on)
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
        arguments.verify or arguments.verify_on is not None,
        limits(arguments).max_params,
        arguments.with_preprocess,
        chosen_passes(arguments),
        "fp32" if int8 or arguments.precision is None else arguments.precision,
        arguments.io_type or "fp32",
        kept_nodes(arguments),
        arguments.verify_on,
        int8,
    )
    try:
        if arguments.to == "triton":
            served = serving(arguments, _default_output(arguments.spec, graph.name, ""))
            written = backends.compile_triton(graph, Path(target), options, served)
        else:
            written = backends.compile_onnx(graph, Path("/dev/stdout" if target == "-" else target), options)
    except backends.Disagreement as failure:
        if failure.found is not None:
            _tell(failure.found, graph, arguments, target)
        raise Failure(str(failure), FINDINGS) from None
    _tell(written, graph, arguments, target)
    return CLEAN


def _tell(written: Written, graph: Graph, arguments: argparse.Namespace, target: str) -> None:
    """Print what there is to say of what was written, or was not because it is not good enough."""
    if written.warnings:
        show(written.warnings, arguments)
    for notice in written.notices:
        failed(notice)
    if arguments.weights is None and arguments.seed is None and not arguments.no_weights:
        failed("weights drawn with seed 0: --weights FILE gives trained ones")
    if arguments.as_json:
        print_report(written)
        return
    for line in (*_open_sizes(graph), *written.remarks, *map(str, written.files)):
        print(printable(line), file=sys.stderr if target == "-" else sys.stdout)


_FOR_ONNX = ("weights", "seed", "no_weights", "with_preprocess", "opset", "verify", "verify_on", "passes", "no_fold_bn",
             "precision", "io_type", "keep_fp32", "calibrate")  # fmt: skip


def _onnx_only(arguments: argparse.Namespace) -> None:
    """Refuse the options that a module's source and a graph have no use for."""
    for option in _FOR_ONNX:
        if getattr(arguments, option) not in (None, False):
            raise Failure(f"--{option.replace('_', '-')} is for --to onnx and triton")


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
