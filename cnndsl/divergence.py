"""Values of an ONNX file's nodes and of a PyTorch module's, and the first node where they part."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .extras import NativePath, need
from .ir import Graph, Node
from .record import Record

if TYPE_CHECKING:
    import torch
    from onnx import ModelProto

Values: TypeAlias = npt.NDArray[Any]
Model: TypeAlias = str | os.PathLike[str] | bytes

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class Difference(Record):
    """How far ONNX Runtime's values are from PyTorch's, relative to PyTorch's: by Euclidean norm, and by the largest."""

    norm: float
    maximum: float

    def within(self, tolerance: float) -> bool:
        """Whether both are at most the tolerance."""
        return self.norm <= tolerance and self.maximum <= tolerance

    def __str__(self) -> str:
        return f"relative error {self.norm:.2g} by norm, {self.maximum:.2g} by maximum"


class Divergence(Record):
    """The first node in the order of the graph whose values are further apart than the tolerance.

    `reached` is PyTorch's largest value where ONNX Runtime's left the range of FP16.
    """

    node: str
    operation: str
    where: str | None
    difference: Difference
    reached: float | None = None

    @property
    def place(self) -> str:
        """The node, and where it is written."""
        return f"{self.node} ({self.operation}{f', {self.where}' if self.where else ''})"

    def __str__(self) -> str:
        return f"{self.place}, {self.difference}"


_NOTHING = 1e-30
"""What values are at least taken to be when a difference is compared with them: what is padded may be 1.2e-38 for 0."""


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
    norm = float(np.linalg.norm(apart.ravel())) / max(float(np.linalg.norm(size.ravel())), _NOTHING)
    return Difference(norm, float(apart.max()) / max(float(size.max()), _NOTHING))


def first_divergence(
    expected: Iterator[tuple[Node, Values]],
    found: Mapping[str, Values],
    names: Mapping[str, str] | None,
    tolerance: float,
) -> Divergence | None:
    """The first node of which PyTorch's value is not the one found, within the tolerance, or is finite where that is not.

    `names` tells which node of the file makes the value of which of the graph's, where passes came between.
    """
    for node, value in expected:
        made = node.name if names is None else names.get(node.name)
        if made is None or made not in found:  # nothing stands for it at inference
            continue
        apart = difference(found[made], value)
        if not apart.within(tolerance):
            where = f"{node.origin.file}:{node.origin.line}" if node.origin else None
            left = found[made].dtype == np.float16 and not np.isfinite(found[made]).all() and np.isfinite(value).all()
            return Divergence(node.name, node.op.kind, where, apart, float(np.abs(value).max()) if left else None)
    return None


class Nodes:
    """An ONNX file that gives the value of each of its nodes.

    ONNX Runtime's CPU provider computes FP16 in FP32 and leaves out the rounding between two nodes. With `rounded` each
    value has it, as on hardware that computes in FP16.
    """

    def __init__(self, model: Model, *, rounded: bool) -> None:
        import onnx

        folder = None if isinstance(model, bytes) else Path(model).parent
        proto = (
            onnx.load_model_from_string(model)
            if isinstance(model, bytes)
            else onnx.load(Path(model), load_external_data=False)
        )
        self._names = {node.output[0]: node.name for node in proto.graph.node}
        self.last: str = self._names[proto.graph.output[0].name]
        if rounded:
            _round(proto)
        for value in self._names.keys() - {output.name for output in proto.graph.output}:
            proto.graph.output.add(name=value)
        self._session = session(need("onnxruntime", "torch,cpu"), proto.SerializeToString(), folder, as_is=rounded)

    def run(self, x: Values) -> dict[str, Values]:
        """The value of every node, by the node's name."""
        outputs = [output.name for output in self._session.get_outputs()]
        found = self._session.run(outputs, {self._session.get_inputs()[0].name: x})
        return {self._names[name]: value for name, value in zip(outputs, found, strict=True)}


def _round(proto: ModelProto) -> None:
    """Put a node that does nothing behind each layer that gives FP16: ONNX Runtime removes two casts in a row, not these."""
    from onnx import TensorProto, helper

    halves = {
        info.name for info in proto.graph.value_info if info.type.tensor_type.elem_type == TensorProto.FLOAT16
    }  # fmt: skip
    nodes = []
    for node in proto.graph.node:
        nodes.append(node)
        value = node.output[0]
        if value in halves:
            node.output[0] = f"{value}/unrounded"
            nodes.append(helper.make_node("Identity", [node.output[0]], [value], f"{value}/rounded"))
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)


def torch_values(graph: Graph, module: torch.nn.Module, x: Values) -> Iterator[tuple[Node, Values]]:
    """The value of every node on the way to the output, in order; one operation after the other."""
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
        yield node, values[index].numpy()


def session(runtime: Any, model: Model, folder: Path | None = None, *, as_is: bool = False) -> Any:
    """A session on the CPU that only reports fatal errors itself; `folder` has the weights beside a model of bytes.

    `as_is` leaves ONNX Runtime's optimisations out.
    """
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    if as_is:
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if folder is not None:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    source = model if isinstance(model, bytes) else NativePath(model)
    return runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def as_taken(session: Any, x: Values) -> Values:
    """An input in the type that a session takes."""
    return x.astype(_TYPES[session.get_inputs()[0].type])


def runtime_errors(runtime: Any) -> tuple[type[BaseException], ...]:
    """The exceptions of ONNX Runtime, which have no base of their own."""
    states = vars(runtime.capi.onnxruntime_pybind11_state).values()
    return tuple(state for state in states if isinstance(state, type) and issubclass(state, Exception))
