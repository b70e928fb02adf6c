"""What `cnndsl compile` writes: ONNX files, checked against PyTorch on request; a module's source; the graph's JSON."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .diagnostics import Diagnostic, Severity, SpecError
from .interrupts import Undoing
from .ir import Graph
from .limits import DEFAULT_LIMITS
from .record import Record

if TYPE_CHECKING:
    from .weights import Array, Normal


DEFAULT_OPSET = 18


class OnnxOptions(Record):
    """How an ONNX file is written; the weights are a file's, or drawn with `seed`, or left out."""

    weights: str | None = None
    seed: int = 0
    no_weights: bool = False
    opset: int = DEFAULT_OPSET
    verify: bool = False
    max_params: int = DEFAULT_LIMITS.max_params
    with_preprocess: bool = False


class Written(Record):
    """The files that appeared, and what there is to say about them."""

    files: tuple[Path, ...]
    remarks: tuple[str, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()


class Disagreement(Exception):
    """The ONNX file does not compute what the PyTorch module does; nothing was written."""


def ir_text(graph: Graph) -> str:
    """The graph's JSON, indented."""
    import json

    return json.dumps(graph.json(), indent=1) + "\n"


def torch_text(graph: Graph) -> str:
    """A Python file with the network as an ordinary module."""
    from .lower.torch_source import to_source

    return to_source(graph)


def compile_onnx(graph: Graph, target: Path, options: OnnxOptions) -> Written:
    """Write an ONNX file, whole or not at all.

    Raises SpecError where the weights do not fit, Disagreement where verification fails, LoweringError, OSError.
    """
    from .lower.onnx import write_onnx

    values, warnings = _values(graph, options)
    how: dict[str, Any] = {"opset": options.opset, "with_preprocess": options.with_preprocess}
    if not options.verify:
        return Written(write_onnx(target, graph, values, **how), (), warnings)
    if values is None:
        raise ValueError("--verify needs weights: leave out --no-weights")
    from .files import publish
    from .verify import verify
    from .weights import in_memory

    arrays = in_memory(values)
    target.parent.stat()
    regular = target.is_file() or not target.exists()
    place = target.parent if regular else None
    with Undoing(), tempfile.TemporaryDirectory(dir=place, prefix=".cnndsl-") as folder:
        written = write_onnx(Path(folder) / target.name, graph, arrays, opset=options.opset)
        result = verify(graph, written[0], arrays)
        if not result.agrees:
            raise Disagreement(str(result))
        remarks: tuple[str, ...] = (str(result),)
        if options.with_preprocess:
            written = write_onnx(Path(folder) / target.name, graph, arrays, **how)
            remarks += (_verified_images(graph, options.opset),)
        if not regular:  # a pipe, or standard output: nothing can be moved there
            return Written(write_onnx(target, graph, arrays, **how), remarks, warnings)
        return Written(publish(written, target.parent), remarks, warnings)


def _verified_images(graph: Graph, opset: int) -> str:
    """What the preprocessing in a graph was found to do; raises Disagreement."""
    from .verify_images import verify_images

    found = verify_images(graph, opset=opset)
    if not found.agrees:
        raise Disagreement(str(found))
    return str(found)


def drawn(graph: Graph, seed: int, most: int) -> Mapping[str, Array]:
    """The first weights of a network; raises SpecError where it has more than `most` parameters."""
    from .weights import in_memory

    return in_memory(_initial(graph, seed, most))


def _initial(graph: Graph, seed: int, most: int) -> Mapping[str, Array | Normal]:
    """The first weights, not drawn yet."""
    shapes = (weight.shape for node in graph.nodes[1:] for weight in node.op.weights(graph.inputs(node)))
    count = sum(map(prod, shapes))
    if count > most:
        message = f"the network has {count:,} parameters, {4 * count:,} bytes"
        advice = "if it is meant, raise the limit with --max-params, or leave them out with --no-weights"
        raise SpecError((Diagnostic("CNN029", Severity.ERROR, message, None, f"at most {most:,}", help=advice),))
    from .weights import initial

    return initial(graph, seed)


def _values(graph: Graph, options: OnnxOptions) -> tuple[Mapping[str, Array | Normal] | None, tuple[Diagnostic, ...]]:
    from .storage import read

    if options.no_weights:
        return None, ()
    if options.weights is None:
        return _initial(graph, options.seed, options.max_params), ()
    if not Path(options.weights).is_file():
        raise FileNotFoundError(
            f"{options.weights} {'is a folder' if Path(options.weights).is_dir() else 'does not exist'}"
        )
    stored: Any = read(options.weights, graph)
    if stored.arrays is None:
        raise SpecError(stored.diagnostics)
    return stored.arrays, tuple(d for d in stored.diagnostics if d.severity is Severity.WARNING)
