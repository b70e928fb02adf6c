"""What `cnndsl compile` writes: ONNX files, checked against PyTorch on request; a module's source; the graph's JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .diagnostics import Diagnostic, Note, Severity, SpecError
from .ir import Graph
from .limits import DEFAULT_LIMITS
from .passes import ALL, Model, optimise
from .record import Record

if TYPE_CHECKING:
    from .lower.onnx import Format, Precision
    from .quantise import Inputs, Report, Samples
    from .triton import Serving
    from .weights import Array, Value


DEFAULT_OPSET = 18
VERIFIED = 64
"""How many inputs of `verify_on` are used at most."""


PROVIDERS = ("cpu", "cuda", "tensorrt")
"""What an INT8 file may be made for."""


class Int8(Record):
    """How an INT8 file is made: the real inputs, what may be lost (see `quantise.Bounds`), and what will run it.

    `watch` may show how far the loop over the layers has come.
    """

    calibrate: Inputs
    max_drop: float | None = None
    min_agreement: float | None = None
    max_error: float | None = None
    provider: str = "cpu"
    watch: Callable[[Sequence[str]], Iterable[str]] = iter


class OnnxOptions(Record):
    """How an ONNX file is written; the weights are a file's or at hand, or drawn with `seed`, or left out."""

    weights: str | Mapping[str, Value] | None = None
    seed: int = 0
    no_weights: bool = False
    opset: int = DEFAULT_OPSET
    verify: bool = False
    max_params: int = DEFAULT_LIMITS.max_params
    with_preprocess: bool = False
    passes: tuple[str, ...] = ALL
    precision: Precision = "fp32"
    io_type: Precision = "fp32"
    keep_fp32: tuple[str, ...] = ()
    """Names of nodes, or patterns of them, that compute in FP32 whatever the precision is."""
    verify_on: str | None = None
    """Where the inputs of the verification are; random ones if None."""
    int8: Int8 | None = None
    """In INT8, whatever `precision` says."""


class Written(Record):
    """The files that appeared, and what there is to say about them; `notices` are what someone should know before."""

    files: tuple[Path, ...]
    remarks: tuple[str, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    notices: tuple[str, ...] = ()
    quantisation: Report | None = None


class Disagreement(Exception):
    """The ONNX file does not compute what the PyTorch module does, or what FP32 does; nothing was written.

    `found` is what there is to say all the same, where INT8 costs more than it may.
    """

    def __init__(self, message: str, found: Written | None = None) -> None:
        super().__init__(message)
        self.found = found


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
    if options.verify and values is None:
        raise ValueError("--verify needs weights: leave out --no-weights")
    arrays: Mapping[str, Array] = {}
    if options.verify:
        from .weights import in_memory

        arrays = values = in_memory(values or {})
    model = optimise(graph, values, options.passes)
    if options.int8 is not None:
        return _compile_int8(graph, model, arrays, target, options).replace(warnings=warnings)
    form, lost = _format(model, options)
    warnings += lost

    def write(path: Path, *, with_preprocess: bool = options.with_preprocess) -> tuple[Path, ...]:
        how: dict[str, Any] = {
            "form": form, "of": graph, "passes": model.applied, "with_preprocess": with_preprocess
        }  # fmt: skip
        return write_onnx(path, model.graph, model.arrays, opset=options.opset, **how)

    if not options.verify:
        return Written(write(target), (), warnings)
    from .files import publish, tried
    from .verify import verify

    target.parent.stat()
    with tried(target) as staged:
        written = write(staged, with_preprocess=False)
        samples = _samples(graph, options)
        inputs = None if samples is None else samples.batches()
        result = verify(graph, written[0], arrays, inputs=inputs, values=model.values)
        if not result.agrees:
            random = samples is None and result.failure is None
            raise Disagreement(f"{result}{'; the inputs were random: --verify-on takes real ones' if random else ''}")
        remarks: tuple[str, ...] = (*(samples.skipped if samples is not None else ()), str(result))
        if options.with_preprocess:
            written = write(staged)
            remarks += (_verified_images(graph, options.opset),)
        if target.exists() and not target.is_file():  # a pipe, or standard output: nothing can be moved there
            return Written(write(target), remarks, warnings)
        return Written(publish(written, target.parent), remarks, warnings)


def _compile_int8(
    graph: Graph, model: Model, arrays: Mapping[str, Array], target: Path, options: OnnxOptions
) -> Written:
    """Write an INT8 file; raises quantise.UnfitData too, Disagreement where INT8 costs more than it may."""
    from .files import OutputFiles
    from .lower.onnx import to_onnx
    from .quantise import Bounds, LossTooLarge, int8_support, quantise, read_samples

    int8 = options.int8
    if int8 is None or model.arrays is None:
        raise ValueError("--precision int8 needs weights: leave out --no-weights")
    if int8.provider not in PROVIDERS:
        raise ValueError(f"provider is {int8.provider!r}; write {', '.join(PROVIDERS)}")
    for name in ("max_drop", "min_agreement", "max_error"):
        bound = getattr(int8, name)
        if bound is not None and not 0 <= bound <= 100:
            raise ValueError(f"{name} goes from 0 to 100, {bound:g} does not")

    def in_float(*, with_preprocess: bool) -> Any:
        facts: dict[str, Any] = {"of": graph, "passes": model.applied, "with_preprocess": with_preprocess}
        return to_onnx(model.graph, model.arrays, opset=options.opset, **facts)

    with OutputFiles() as files:
        file = files.open(target)  # before the work, so that a place which does not do is told at once
        samples = read_samples(int8.calibrate, graph)
        checked_on = _samples(graph, options) or samples
        support = int8_support(int8.provider)
        plain = in_float(with_preprocess=False)
        bounds = Bounds(int8.max_drop, int8.min_agreement, int8.max_error)
        try:
            made = quantise(plain, model.graph, samples, support, bounds, watch=int8.watch)
        except LossTooLarge as loss:
            report = loss.report
            found = Written((), tuple(report.lines()), (), report.notices(), report)
            raise Disagreement(str(loss), found) from None
        remarks = tuple(made.report.lines())
        if options.verify:
            remarks += _verified_int8(graph, model, arrays, (plain, made.model), checked_on)
        content = made.model
        if options.with_preprocess:
            content = made.behind(in_float(with_preprocess=True))
            remarks += (_verified_images(graph, options.opset),) if options.verify else ()
        file.write(content.SerializeToString())
    return Written((target,), remarks, (), made.report.notices(), made.report)


def _verified_int8(
    graph: Graph, model: Model, arrays: Mapping[str, Array], models: tuple[Any, Any], samples: Samples
) -> tuple[str, ...]:
    """What the FP32 model was found to compute on random inputs, and the INT8 model on real ones; raises Disagreement."""
    from .verify import verify

    said = []
    for made, inputs in zip(models, (None, samples.spread(VERIFIED).batches()), strict=True):
        result = verify(graph, made.SerializeToString(), arrays, inputs=inputs, values=model.values)
        if not result.agrees:
            raise Disagreement(str(result))
        said.append(f"{'FP32' if inputs is None else 'INT8'}: {result}")
    return tuple(said)


def compile_triton(graph: Graph, repository: Path, options: OnnxOptions, serving: Serving) -> Written:
    """Write a model of a Triton model repository, or its next version, whole or not at all.

    Raises triton.CannotServe where it cannot be served so, and what `compile_onnx` raises.
    """
    from .triton import CannotServe
    from .triton.repository import Deployment

    if options.no_weights:
        raise CannotServe("a server runs a model with its weights: leave out --no-weights")
    with Deployment(repository, serving) as place:
        written = compile_onnx(graph, place.model, options)
        return written.replace(files=place.finish(graph, with_preprocess=options.with_preprocess))


def _samples(graph: Graph, options: OnnxOptions) -> Samples | None:
    """The real inputs that a file is to be verified on, some of them; None where none are named."""
    if options.verify_on is None:
        return None
    from .quantise import read_samples

    samples = read_samples(options.verify_on, graph, labelled=False)
    return samples.spread(VERIFIED).replace(skipped=samples.skipped)


def _format(model: Model, options: OnnxOptions) -> tuple[Format, tuple[Diagnostic, ...]]:
    """In what the nodes of a network compute; and a warning that names the weights which FP16 cannot hold."""
    from .lower.onnx import Format, unfit

    if options.precision == "fp32":
        return Format("fp32", options.io_type), ()
    asked = _named(model, options.keep_fp32)
    lost = unfit(model.graph, model.arrays, options.opset, asked)
    form = Format(options.precision, options.io_type, asked | {loss.node for loss in lost})
    if not lost:
        return form, ()
    nodes = len({loss.node for loss in lost})
    warning = Diagnostic(
        code="CNN036",
        severity=Severity.WARNING,
        message=f"FP16 cannot hold the weights of {nodes} layer{'s' if nodes > 1 else ''}, kept in FP32",
        span=None,
        help="they compute what they should, only slower; name them with --keep-fp32 if that is meant",
        notes=tuple(Note(str(loss)) for loss in lost),
    )
    return form, (warning,)


def _named(model: Model, patterns: Iterable[str]) -> frozenset[str]:
    """The nodes that now make the values of those named; raises ValueError for a name or pattern of none."""
    from fnmatch import fnmatchcase

    nodes = {node.name: node.name for node in model.graph.nodes} | dict(model.values)
    found: set[str] = set()
    for pattern in patterns:
        named = {nodes[name] for name in nodes if fnmatchcase(name, pattern)}
        if not named:
            raise ValueError(f"--keep-fp32: no node is called {pattern}")
        found |= named
    return frozenset(found)


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


def _initial(graph: Graph, seed: int, most: int) -> Mapping[str, Value]:
    """The first weights, not drawn yet."""
    shapes = (weight.shape for node in graph.nodes[1:] for weight in node.op.weights(graph.inputs(node)))
    count = sum(map(prod, shapes))
    if count > most:
        message = f"the network has {count:,} parameters, {4 * count:,} bytes"
        advice = "if it is meant, raise the limit with --max-params, or leave them out with --no-weights"
        raise SpecError((Diagnostic("CNN029", Severity.ERROR, message, None, f"at most {most:,}", help=advice),))
    from .weights import initial

    return initial(graph, seed)


def _values(graph: Graph, options: OnnxOptions) -> tuple[Mapping[str, Value] | None, tuple[Diagnostic, ...]]:
    from .storage import read

    if options.no_weights:
        return None, ()
    if options.weights is None:
        return _initial(graph, options.seed, options.max_params), ()
    if not isinstance(options.weights, str):
        return options.weights, ()
    if not Path(options.weights).is_file():
        raise FileNotFoundError(
            f"{options.weights} {'is a folder' if Path(options.weights).is_dir() else 'does not exist'}"
        )
    stored: Any = read(options.weights, graph)
    if stored.arrays is None:
        raise SpecError(stored.diagnostics)
    return stored.arrays, tuple(d for d in stored.diagnostics if d.severity is Severity.WARNING)
