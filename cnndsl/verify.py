"""ONNX Runtime against PyTorch: the same weights, the same inputs, several batches and sizes; and where they part."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .extras import need
from .ir import Graph, Node
from .ops.base import Problem
from .record import Record
from .shape import Shape, symbols

if TYPE_CHECKING:
    import torch

Values: TypeAlias = npt.NDArray[np.float32]
Model: TypeAlias = str | os.PathLike[str] | bytes

TOLERANCE = 1e-4
LARGEST_SEARCHED = 1024
"""Up to where valid sizes of a symbolic input are looked for."""

_ORDINARY = 32


class Difference(Record):
    """How far ONNX Runtime's values are from PyTorch's, relative to PyTorch's: by Euclidean norm, and by the largest."""

    norm: float
    maximum: float

    def within(self, tolerance: float) -> bool:
        """Whether both are at most the tolerance."""
        return self.norm <= tolerance and self.maximum <= tolerance

    def __str__(self) -> str:
        return f"relative error {self.norm:.2g} by norm, {self.maximum:.2g} by maximum"


class Run(Record):
    """One input's shape, N×C×spatial, and how far the outputs are apart."""

    shape: tuple[int, ...]
    difference: Difference


class Divergence(Record):
    """The first node in the order of the graph whose values are further apart than the tolerance."""

    node: str
    operation: str
    where: str | None
    difference: Difference

    def __str__(self) -> str:
        place = f", {self.where}" if self.where else ""
        return f"{self.node} ({self.operation}{place}), {self.difference}"


class Verification(Record):
    """What came of it. `failure` is ONNX Runtime's message where it could not run the model."""

    runs: tuple[Run, ...]
    tolerance: float
    divergence: Divergence | None = None
    failure: str | None = None

    @property
    def agrees(self) -> bool:
        """Whether every run was within the tolerance."""
        return self.failure is None and all(run.difference.within(self.tolerance) for run in self.runs)

    def json(self) -> dict[str, Any]:
        """Plain data for a report."""
        runs = [{"input": list(run.shape), **_json(run.difference)} for run in self.runs]
        found: dict[str, Any] = {"agrees": self.agrees, "tolerance": self.tolerance, "runs": runs}
        if self.divergence is not None:
            found["first_divergence"] = {"node": self.divergence.node, **_json(self.divergence.difference)}
        if self.failure is not None:
            found["failure"] = self.failure
        return found

    def __str__(self) -> str:
        if self.failure is not None:
            return f"ONNX Runtime does not run the model: {self.failure}"
        shapes = ", ".join("x".join(map(str, run.shape)) for run in self.runs)
        if self.agrees:
            worst = Difference(*(max(getattr(run.difference, key) for run in self.runs) for key in Difference.fields))
            return f"ONNX Runtime agrees with PyTorch on inputs of {shapes}: {worst}"
        bad = next(run for run in self.runs if not run.difference.within(self.tolerance))
        text = f"ONNX Runtime differs from PyTorch on an input of {'x'.join(map(str, bad.shape))}: {bad.difference}"
        if self.divergence is None:
            return f"{text}; no node does when every value is kept, so it comes of ONNX Runtime's optimisations"
        return f"{text}; the first node that differs is {self.divergence}"


def _json(difference: Difference) -> dict[str, float]:
    return {"norm": difference.norm, "maximum": difference.maximum}


def verify(
    graph: Graph,
    model: Model,
    arrays: Mapping[str, npt.NDArray[Any]],
    *,
    batches: Sequence[int] = (1, 3),
    sizes: Sequence[Mapping[str, int]] | None = None,
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> Verification:
    """Run an ONNX file (a path, or its bytes) and the PyTorch module with the same weights on random normal inputs.

    Every batch size is run, for a symbolic input at each of `sizes` (`{"H": 32, "W": 48}`); by default at
    those of `smallest_sizes`. Stops at the first run that is out of tolerance, and finds the node where it begins.

    Raises MissingExtra without torch or onnxruntime, ValueError where the arrays do not fit, or no size is valid.
    """
    torch = need("torch", "torch,cpu")
    runtime = need("onnxruntime", "torch,cpu")
    from .lower.torch import load_arrays, to_module

    module = to_module(graph)
    load_arrays(module, arrays)
    module.eval()
    source = np.random.default_rng(seed)
    runs: list[Run] = []
    try:
        session = _session(runtime, model)
        for shape in _input_shapes(graph, batches, sizes):
            x = source.standard_normal(shape, dtype=np.float32)
            with torch.no_grad():
                expected = module(torch.from_numpy(x)).numpy()
            found = session.run(None, {session.get_inputs()[0].name: x})[0]
            runs.append(Run(shape, difference(found, expected)))
            if not runs[-1].difference.within(tolerance):
                return Verification(tuple(runs), tolerance, _divergence(graph, model, module, x, tolerance))
    except _runtime_errors(runtime) as error:
        return Verification(tuple(runs), tolerance, None, str(error))
    return Verification(tuple(runs), tolerance)


def difference(found: Values, expected: Values) -> Difference:
    """How far `found` is from `expected`; infinite where the shapes differ or only one of them is a number."""
    if found.shape != expected.shape:
        return Difference(np.inf, np.inf)
    ours, theirs = found.astype(np.float64), expected.astype(np.float64)
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    if same.all():
        return Difference(0.0, 0.0)
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(ours - theirs))
    apart[np.isnan(apart)] = np.inf
    size = np.where(np.isfinite(theirs), np.abs(theirs), 0.0)
    tiny = float(np.finfo(np.float32).tiny)
    norm = float(np.linalg.norm(apart.ravel())) / max(float(np.linalg.norm(size.ravel())), tiny)
    return Difference(norm, float(apart.max()) / max(float(size.max()), tiny))


# Inputs


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


# Where they part


def _divergence(graph: Graph, model: Model, module: torch.nn.Module, x: Values, tolerance: float) -> Divergence | None:
    """Compare every node's value, ONNX Runtime's with all of them as outputs, PyTorch's operation by operation."""
    found = _onnx_values(model, x)
    for node, expected in _torch_values(graph, module, x):
        if node.name not in found:  # nothing stands for it at inference
            continue
        apart = difference(found[node.name], expected)
        if not apart.within(tolerance):
            where = f"{node.origin.file}:{node.origin.line}" if node.origin else None
            return Divergence(node.name, node.op.kind, where, apart)
    return None


def _onnx_values(model: Model, x: Values) -> dict[str, Values]:
    """The value of every ONNX node, by the node's name."""
    import onnx

    folder = None if isinstance(model, bytes) else Path(model).parent
    proto = (
        onnx.load_model_from_string(model)
        if isinstance(model, bytes)
        else onnx.load(Path(model), load_external_data=False)
    )
    values = {node.output[0]: node.name for node in proto.graph.node}
    for name in values.keys() - {output.name for output in proto.graph.output}:
        proto.graph.output.add(name=name)
    session = _session(need("onnxruntime", "torch,cpu"), proto.SerializeToString(), folder)
    outputs = [output.name for output in session.get_outputs()]
    found = session.run(outputs, {session.get_inputs()[0].name: x})
    return {values[name]: value for name, value in zip(outputs, found, strict=True)}


def _torch_values(graph: Graph, module: torch.nn.Module, x: Values) -> list[tuple[Node, Values]]:
    """The value of every node on the way to the output, in order."""
    import torch
    from torch import fx

    from .lower.scopes import key
    from .lower.torch import EXPRESSIONS

    values: dict[int, torch.Tensor] = {0: torch.from_numpy(x)}
    for index in sorted(graph.live - {0}):
        node = graph.nodes[index]
        # a copy: modules may overwrite their input
        inputs = [values[i].clone() for i in node.inputs]
        call: Any
        if type(node.op) in EXPRESSIONS:
            drawn = fx.Graph()
            places = tuple(drawn.placeholder(f"x{i}") for i in range(len(inputs)))
            ranks = tuple(graph.nodes[i].shape.rank for i in node.inputs)
            drawn.output(EXPRESSIONS[type(node.op)](drawn, node.op, places, ranks))
            call = fx.GraphModule({}, drawn)
        else:
            call = module.get_submodule(key(node.name))
        with torch.no_grad():
            values[index] = call(*inputs)
    return [(graph.nodes[index], value.numpy()) for index, value in values.items() if index]


# ONNX Runtime


def _session(runtime: Any, model: Model, folder: Path | None = None) -> Any:
    """A session on the CPU that only reports fatal errors itself; `folder` has the weights beside a model of bytes."""
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    if folder is not None:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    source = model if isinstance(model, bytes) else os.fspath(model)
    return runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def _runtime_errors(runtime: Any) -> tuple[type[BaseException], ...]:
    """The exceptions of ONNX Runtime, which have no base of their own."""
    states = vars(runtime.capi.onnxruntime_pybind11_state).values()
    return tuple(state for state in states if isinstance(state, type) and issubclass(state, Exception))
