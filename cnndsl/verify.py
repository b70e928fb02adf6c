"""ONNX Runtime against PyTorch: the same weights, the same inputs, several batches and sizes; and where they part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from .divergence import (
    Difference,
    Divergence,
    Model,
    Nodes,
    Values,
    as_taken,
    difference,
    first_divergence,
    runtime_errors,
    session,
    torch_values,
)
from .extras import need
from .ir import Graph, Node
from .ops.base import Problem
from .record import Record
from .shape import Shape, symbols

__all__ = ["TOLERANCE", "TOLERANCES", "Difference", "Divergence", "Run", "Verification", "difference", "smallest_sizes",
           "verify"]  # fmt: skip

TOLERANCES = {"fp32": 1e-4, "fp16": 1e-2, "int8": 0.3}
"""How far outputs may be apart, relative to PyTorch's, by the precision that the file's metadata tell."""
TOLERANCE = TOLERANCES["fp32"]
_ANY = float(np.finfo(np.float64).max)
"""The tolerance that only what is no number exceeds."""

LARGEST_SEARCHED = 1024
"""Up to where valid sizes of a symbolic input are looked for."""

_ORDINARY = 32
_LISTED = 6
"""How many shapes of inputs are named: those of the random ones."""


class Run(Record):
    """One input's shape, N×C×spatial, how far the outputs are apart, and for how many of them the first class is the same.

    `same_class` is None where the output is not one score a class.
    """

    shape: tuple[int, ...]
    difference: Difference
    same_class: int | None = None


class Verification(Record):
    """What came of it. `failure` says why there was nothing to compare, ONNX Runtime's message where it did not run."""

    runs: tuple[Run, ...]
    tolerance: float
    divergence: Divergence | None = None
    failure: str | None = None

    @property
    def agrees(self) -> bool:
        """Whether every run was within the tolerance, and no value left its range."""
        found = self.failure is None and self.divergence is None
        return found and all(run.difference.within(self.tolerance) for run in self.runs)

    @property
    def top1(self) -> tuple[int, int] | None:
        """For how many inputs both give the same class the highest score, and of how many."""
        counts = [(run.same_class, run.shape[0]) for run in self.runs if run.same_class is not None]
        return (sum(same for same, _ in counts), sum(count for _, count in counts)) if counts else None

    def json(self) -> dict[str, Any]:
        """Plain data for a report."""
        runs = [{"input": list(run.shape), **_json(run.difference)} for run in self.runs]
        found: dict[str, Any] = {"agrees": self.agrees, "tolerance": self.tolerance, "runs": runs}
        if self.top1 is not None:
            found["same_class"], found["inputs"] = self.top1
        if self.divergence is not None:
            found["first_divergence"] = {"node": self.divergence.node, **_json(self.divergence.difference)}
            if self.divergence.reached is not None:
                found["first_divergence"]["reached"] = self.divergence.reached
        if self.failure is not None:
            found["failure"] = self.failure
        return found

    def __str__(self) -> str:
        if self.failure is not None:
            return self.failure
        shapes = _some(list(dict.fromkeys("x".join(map(str, run.shape)) for run in self.runs)))
        if self.agrees:
            worst = Difference(*(max(getattr(run.difference, key) for run in self.runs) for key in Difference.fields))
            same = "" if self.top1 is None else "; the same class first for {} of {}".format(*self.top1)
            return f"ONNX Runtime agrees with PyTorch on inputs of {shapes}: {worst}{same}"
        if self.divergence is not None and self.divergence.reached is not None:
            return (
                f"{self.divergence.place} leaves the range of FP16, which ends at 65504: in FP32 its values reach "
                f"{self.divergence.reached:.3g}; keep it in FP32, and what takes its value: --keep-fp32"
            )
        bad = next(run for run in self.runs if not run.difference.within(self.tolerance))
        text = f"ONNX Runtime differs from PyTorch on an input of {'x'.join(map(str, bad.shape))}: {bad.difference}"
        if self.divergence is None:
            return f"{text}; no node does when every value is kept, so it comes of ONNX Runtime's optimisations"
        return f"{text}; the first node that differs is {self.divergence}"


def _some(shapes: Sequence[str]) -> str:
    """All shapes, or the first and the last of many."""
    return ", ".join(shapes) if len(shapes) <= _LISTED else f"{shapes[0]}, ..., {shapes[-1]} ({len(shapes)} shapes)"


def _json(difference: Difference) -> dict[str, float]:
    return {"norm": difference.norm, "maximum": difference.maximum}


def verify(
    graph: Graph,
    model: Model,
    arrays: Mapping[str, npt.NDArray[Any]],
    *,
    batches: Sequence[int] = (1, 3),
    sizes: Sequence[Mapping[str, int]] | None = None,
    tolerance: float | None = None,
    seed: int = 0,
    inputs: Iterable[Values] | None = None,
    values: Mapping[str, str] | None = None,
) -> Verification:
    """Run an ONNX file (a path, or its bytes) and the PyTorch module with the same weights on random normal inputs.

    Every batch size is run, for a symbolic input at each of `sizes` (`{"H": 32, "W": 48}`); by default at
    those of `smallest_sizes`. Or on `inputs`, N×C×spatial each, in place of random ones. Stops at the first run that is
    out of tolerance, and finds the node where it begins; `values` tells which node of the file makes the value of which
    of the graph's, where passes came between.

    The tolerance is by default that of the file's precision, or of its input's or output's type where that is coarser. FP16
    is also run with every value rounded to it, as hardware that has it does, and no value may leave its range then. PyTorch
    multiplies in FP32, never in TF32 or less.

    Raises MissingExtra without torch or onnxruntime, ValueError where the arrays do not fit, or no size is valid.
    """
    torch = need("torch", "torch,cpu")
    runtime = need("onnxruntime", "torch,cpu")
    from .lower.torch import load_arrays, to_module

    module = to_module(graph)
    load_arrays(module, arrays)
    module.eval()
    runs: list[Run] = []
    allowed = TOLERANCE if tolerance is None else tolerance
    try:
        with _full_precision(torch):
            file = _File(runtime, model)
            allowed = file.tolerance if tolerance is None else tolerance
            for given in _random_inputs(graph, batches, sizes, seed) if inputs is None else inputs:
                x = as_taken(file.session, given)
                exact = x.astype(np.float32)
                with torch.no_grad():
                    expected = module(torch.from_numpy(exact.copy())).numpy()
                if not np.isfinite(expected).all():
                    return Verification(tuple(runs), allowed, None, _not_finite(torch_values(graph, module, exact)))
                runs.append(Run(x.shape, file.difference(x, expected), _same_class(file.output, expected)))
                near = runs[-1].difference.within(allowed)
                if not near or file.overflows:
                    nodes = torch_values(graph, module, exact)
                    divergence = first_divergence(nodes, file.values(x), values, _ANY if near else allowed)
                    if divergence is not None or not near:
                        return Verification(tuple(runs), allowed, divergence)
    except runtime_errors(runtime) as error:
        return Verification(tuple(runs), allowed, None, f"ONNX Runtime does not run the model: {error}")
    return Verification(tuple(runs), allowed)


def _not_finite(nodes: Iterable[tuple[Node, Values]]) -> str:
    """Why nothing can be compared with what is infinite or no number, and where that begins."""
    node = next((node for node, value in nodes if not np.isfinite(value).all()), None)
    where = f" from {node.name} ({node.op.kind}) on" if node is not None else ""
    return f"PyTorch itself gives infinite numbers or NaN{where}: see the weights"


class _File:
    """An ONNX file in ONNX Runtime; in FP16 it is run once more, with the rounding that the CPU provider leaves out."""

    def __init__(self, runtime: Any, model: Model) -> None:
        self.session = session(runtime, model)
        self.precision = self.session.get_modelmeta().custom_metadata_map.get("precision", "fp32")
        self.tolerance = max(TOLERANCES.get(name, TOLERANCE) for name in (self.precision, *_ends(self.session)))
        self.output: Values = np.empty(0, np.float32)
        self.overflows = False
        """Whether a node gave something that is no number in the last run."""
        self._model = model
        self._nodes: Nodes | None = None
        self._values: dict[str, Values] = {}

    def difference(self, x: Values, expected: Values) -> Difference:
        """Run it: how far its output is from what is expected, the worse of the two runs for FP16."""
        self.output = self.session.run(None, {self.session.get_inputs()[0].name: x})[0]
        apart = difference(self.output, expected)
        self._values = {}
        if self.precision != "fp16":
            return apart
        rounded = difference(self.values(x)[self._last], expected)
        self.overflows = any(not np.isfinite(value).all() for value in self._values.values())
        return Difference(max(apart.norm, rounded.norm), max(apart.maximum, rounded.maximum))

    def values(self, x: Values) -> dict[str, Values]:
        """The value of every node for the input of the last run."""
        if self._nodes is None:
            self._nodes = Nodes(self._model, rounded=self.precision == "fp16")
        self._values = self._values or self._nodes.run(x)
        return self._values

    @property
    def _last(self) -> str:
        assert self._nodes is not None
        return self._nodes.last


def _ends(session: Any) -> set[str]:
    """The precisions in which a file takes its input and gives its output."""
    return {"fp16" for end in (*session.get_inputs(), *session.get_outputs()) if end.type == "tensor(float16)"}


def _same_class(found: Values, expected: Values) -> int | None:
    """For how many inputs the highest score is that of the same class; None where there are no classes."""
    if expected.ndim != 2 or expected.shape[1] < 2 or found.shape != expected.shape:
        return None
    return int((found.argmax(1) == expected.argmax(1)).sum())


@contextmanager
def _full_precision(torch: Any) -> Iterator[None]:
    """PyTorch multiplies 32-bit floats as what they are."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


# Inputs


def _random_inputs(
    graph: Graph, batches: Sequence[int], sizes: Sequence[Mapping[str, int]] | None, seed: int
) -> Iterator[Values]:
    source = np.random.default_rng(seed)
    for shape in _input_shapes(graph, batches, sizes):
        yield source.standard_normal(shape, dtype=np.float32)


def _input_shapes(
    graph: Graph, batches: Sequence[int], sizes: Sequence[Mapping[str, int]] | None
) -> list[tuple[int, ...]]:
    shape = graph.nodes[0].shape
    if shape.fixed:
        return [(batch, *shape.sizes()) for batch in batches]
    chosen = smallest_sizes(graph) if sizes is None else sizes
    return [(batch, *shape.evaluate(dict(given)).sizes()) for given in chosen for batch in batches]


def smallest_sizes(graph: Graph) -> list[dict[str, int]]:
    """Three valid sizes of a symbolic input: the smallest, the next along one axis, and an ordinary one along the others.

    Raises ValueError where none is found.
    """
    axes = [
        symbol for symbol, size in zip(_symbols(graph), graph.nodes[0].shape.spatial, strict=True) if size != symbol
    ]
    valid = (n for n in range(1, LARGEST_SEARCHED) if _fits(graph, dict.fromkeys(axes, n)))
    smallest = next(valid, None)
    if smallest is None:
        raise ValueError(f"no size of the input up to {LARGEST_SEARCHED} is valid")
    larger = next(valid, smallest)
    largest = next((n for n in valid if n >= max(smallest + 8, _ORDINARY)), larger)
    first, *others = axes
    return [
        {first: smallest, **dict.fromkeys(others, smallest)},
        {first: larger, **dict.fromkeys(others, smallest)},
        {first: smallest, **dict.fromkeys(others, largest)} if others else {first: largest},
    ]


def _symbols(graph: Graph) -> str:
    return symbols(graph.nodes[0].shape.rank)


def _fits(graph: Graph, values: dict[str, int]) -> bool:
    """Whether every operation takes its inputs at these sizes."""
    shapes: list[Shape] = [graph.nodes[0].shape.evaluate(values)]
    for node in graph.nodes[1:]:
        shape = node.op.infer(tuple(shapes[i] for i in node.inputs))
        if isinstance(shape, Problem):
            return False
        shapes.append(shape)
    return True
