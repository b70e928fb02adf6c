"""A model run on images: the contract in its metadata applied, classes and probabilities out."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from .contents import unusable
from .contract import preprocess_from_json
from .extras import GPU_BUILD, NativePath, need, preload
from .images import BrokenImage, handed_in, network_input, read_image
from .preprocess import Preprocess, channels_of
from .record import Record

if TYPE_CHECKING:
    from .ir import Graph

Floats = npt.NDArray[np.float64]
Entry = tuple[Path, "npt.NDArray[Any] | str"]
"""An image's file, and the array that the model takes, or what is wrong."""

PROVIDERS: Final = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
"""What is asked of ONNX Runtime, by our names; the first must be what runs."""

_TYPES: Final = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


ROUNDING: Final = 1e-2
"""How far beyond 0 and 1 a probability may be, in FP16 or INT8."""


class CannotRun(ValueError):
    """A model, a contract or a provider that does not do; the message says why and what to do."""


class Contract(Record):
    """How images become a model's input, whether its graph does that itself, and whether it gives probabilities.

    `classes` is how many values it gives an image, where that is known.
    """

    preprocess: Preprocess
    in_graph: bool = False
    probabilities: bool = False
    classes: int | None = None


class Prediction(Record):
    """A class, its label where it has one, and its probability."""

    index: int
    label: str | None
    probability: float


class Outcome(Record):
    """What came of one image: its likeliest classes, the likeliest first, or what is wrong with it."""

    path: Path
    predictions: tuple[Prediction, ...] = ()
    problem: str | None = None


class Model:
    """An ONNX model in a session of ONNX Runtime, with the contract between it and images."""

    def __init__(self, session: Any, contract: Contract, name: str) -> None:
        self.session = session
        self.contract = contract
        self.name = name
        ends = session.get_inputs()[0]
        self.input: str = ends.name
        self.type = _TYPES[ends.type]
        self.shape: tuple[int | None, ...] = tuple(n if isinstance(n, int) else None for n in ends.shape)

    def prepared(self, path: Path) -> npt.NDArray[Any]:
        """The array of one image, without the batch; raises BrokenImage."""
        preprocess = self.contract.preprocess
        image = read_image(path, grey=preprocess.image == "grey")
        try:
            if not self.contract.in_graph:
                made = network_input(preprocess, image, (self.shape[2], self.shape[3]))
            else:
                made = handed_in(preprocess, image)
                self._check_size(made.shape)
        except BrokenImage as error:
            raise BrokenImage(f"{path}: {error}") from None
        return made.astype(self.type)

    def _check_size(self, shape: tuple[int, ...]) -> None:
        if any(want is not None and want != have for want, have in zip(self.shape[1:], shape, strict=True)):
            wanted = "x".join("?" if size is None else str(size) for size in self.shape[1:])
            raise BrokenImage(f"it is {'x'.join(map(str, shape))}, and the model takes {wanted}")

    def probabilities(self, batch: npt.NDArray[Any]) -> Floats:
        """N×classes; raises CannotRun where the model fails, or gives something else."""
        try:
            found = self.session.run(None, {self.input: batch})[0]
        except Exception as error:  # ONNX Runtime's errors have no base of their own
            raise CannotRun(f"{self.name} does not take it: {_line(error)}") from None
        values: Floats = np.asarray(found, np.float64)
        if values.ndim < 2 or len(values) != len(batch) or any(size != 1 for size in values.shape[2:]):
            shape = "x".join(map(str, values.shape))
            raise CannotRun(f"{self.name} gives {shape}, not one value a class")
        values = values.reshape(len(batch), -1)
        if not np.isfinite(values).all():
            raise CannotRun(
                f"{self.name} gives values that are infinite or not a number: compile it with --verify, which says where "
                "that begins"
            )
        if not self.contract.probabilities:
            return _softmax(values)
        wrong = values[(values < -ROUNDING) | (values > 1 + ROUNDING)]
        if wrong.size:
            raise CannotRun(f"{self.name} gives {wrong[0]:.4g}, and its contract says that it gives probabilities")
        return values


def open_model(path: str | os.PathLike[str], provider: str = "cpu", spec: Graph | None = None) -> Model:
    """A model in a session on a provider, with the contract of its metadata, or of a spec's graph.

    Raises CannotRun where there is no contract, or a spec's of another network, the file is no model, or the provider is
    not what would run; MissingExtra.
    """
    name = os.fspath(path)
    problem = unusable(path)
    if problem is not None:
        raise CannotRun(f"{name} {problem}")
    session = _session(name, provider)
    contract = _contract(session.get_modelmeta().custom_metadata_map, name, spec)
    _check_ends(session, contract, name)
    return Model(session, contract, name)


def _session(name: str, provider: str) -> Any:
    """A session that runs where it was told to."""
    runtime = need("onnxruntime", "cpu")
    wanted = PROVIDERS[provider]
    available = runtime.get_available_providers()
    if wanted[0] not in available:
        raise CannotRun(f"this ONNX Runtime has no {wanted[0]}: {GPU_BUILD}")
    if provider != "cpu":
        preload(runtime)
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    chosen = [entry for entry in wanted if entry in available]
    try:
        session = runtime.InferenceSession(NativePath(name), options, providers=chosen)
    except Exception as error:  # ONNX Runtime's errors have no base of their own
        raise CannotRun(f"{name} is no model that ONNX Runtime can run: {_line(error)}") from None
    if session.get_providers()[0] != wanted[0] or not _nodes_on(session, wanted[0]):
        raise CannotRun(f"{provider} was asked for, and {session.get_providers()[-1]} would run it: {GPU_BUILD}")
    return session


def _nodes_on(session: Any, provider: str) -> bool:
    """Whether a provider got any part of the graph; an older ONNX Runtime does not say."""
    if provider == PROVIDERS["cpu"][0] or not hasattr(session, "get_provider_graph_assignment_info"):
        return True
    return any(part.ep_name == provider for part in session.get_provider_graph_assignment_info())


def _contract(metadata: Mapping[str, str], name: str, spec: Graph | None) -> Contract:
    in_graph = metadata.get("preprocess_in") == "graph"
    if spec is not None and in_graph:
        raise CannotRun(f"{name} has its preprocessing in itself: leave out --spec")
    if spec is not None:
        if metadata.get("hash") not in (None, spec.hash()):
            raise CannotRun(
                f"{name} was compiled from another network than {spec.name}: name its own spec with --spec, "
                "with the same --set, --input and --classes"
            )
        from .lower.onnx import gives_probabilities

        if spec.preprocess is None:
            raise CannotRun(
                f"the spec of {spec.name} has no `preprocess` either: write one into it, as `preprocess resize(256) - "
                "crop(224) - normalise(imagenet)`; one of the zoo is copied with `cnndsl zoo show NAME > my.cnn`, whose "
                "first line tells the --set it takes"
            )
        given = spec.nodes[spec.output].shape.dimensions[0]
        return Contract(spec.preprocess, False, gives_probabilities(spec), given if isinstance(given, int) else None)
    if "preprocess" not in metadata:
        raise CannotRun(
            f"{name} does not say how images become its input: compile it from a spec with a `preprocess` statement, "
            "or name such a spec with --spec"
        )
    try:
        data = json.loads(metadata["preprocess"])
        if isinstance(data, dict) and "labels" in metadata:
            data = {**data, "labels": json.loads(metadata["labels"])}
        preprocess = preprocess_from_json(data)
    except (ValueError, RecursionError) as error:
        raise CannotRun(f"what {name} says of its preprocessing cannot be read: {_line(error)}") from None
    classes = None if preprocess.labels is None else len(preprocess.labels)
    return Contract(preprocess, in_graph, metadata.get("output") == "probabilities", classes)


def _check_ends(session: Any, contract: Contract, name: str) -> None:
    """The model takes one batch of what the contract makes."""
    ends = session.get_inputs()
    if len(ends) != 1:
        raise CannotRun(f"{name} has {len(ends)} inputs; one written without weights is run after they are put in")
    kind, shape = ends[0].type, ends[0].shape
    made = contract.preprocess
    channels = channels_of(made.image if contract.in_graph else made.order)
    axis = 3 if contract.in_graph and made.layout == "nhwc" else 1
    wanted = "uint8" if contract.in_graph and made.type == "uint8" else "float"
    fits = len(shape) == 4 and (not isinstance(shape[axis], int) or shape[axis] == channels)
    if kind not in _TYPES or wanted not in kind or not fits:
        raise CannotRun(f"{name} takes {kind} of {'x'.join(map(str, shape))}, which its contract does not make")
    sizes = None if contract.in_graph else made.size
    if sizes is not None and any(isinstance(n, int) and n != own for n, own in zip(shape[2:], sizes, strict=True)):
        raise CannotRun(f"{name} takes images of {shape[2]}x{shape[3]}, its contract makes {sizes[0]}x{sizes[1]}")
    given = session.get_outputs()[0].shape[1:2]
    if contract.classes is not None and given and isinstance(given[0], int) and given[0] != contract.classes:
        raise CannotRun(f"{name} gives {given[0]} values an image, and its contract is for {contract.classes} classes")


def classify(model: Model, paths: Iterable[Path], *, top: int = 5, batch: int = 1) -> Iterator[Outcome]:
    """The likeliest classes of each image, in the order of the paths; what is wrong with one does not stop the others.

    Images of one size go together, `batch` at most; where the model has a batch of its own, that counts. Raises CannotRun
    for a model that is no classifier.
    """
    if model.shape[0] is not None:
        if model.shape[0] != 1:
            raise CannotRun(f"{model.name} takes {model.shape[0]} images at a time, never fewer")
        batch = 1
    waiting: list[Entry] = []
    arrays: list[npt.NDArray[Any]] = []
    for path in paths:
        try:
            array: npt.NDArray[Any] | str = model.prepared(path)
        except BrokenImage as error:
            array = str(error)
        if not isinstance(array, str):
            if arrays and arrays[0].shape != array.shape:
                yield from _outcomes(model, waiting, arrays, top)
                waiting, arrays = [], []
            arrays.append(array)
        waiting.append((path, array))
        if len(arrays) >= batch or not arrays:
            yield from _outcomes(model, waiting, arrays, top)
            waiting, arrays = [], []
    yield from _outcomes(model, waiting, arrays, top)


def _outcomes(model: Model, waiting: list[Entry], arrays: list[npt.NDArray[Any]], top: int) -> Iterator[Outcome]:
    """Run what is waiting."""
    rows = iter(model.probabilities(np.stack(arrays)) if arrays else ())
    for path, array in waiting:
        if isinstance(array, str):
            yield Outcome(path, (), array)
        else:
            yield Outcome(path, _likeliest(next(rows), model.contract.preprocess.labels, top))


def _likeliest(row: Floats, labels: tuple[str, ...] | None, top: int) -> tuple[Prediction, ...]:
    order = np.argsort(-row, kind="stable")[:top]
    named = labels if labels is not None and len(labels) == len(row) else None
    return tuple(Prediction(int(i), named[i] if named else None, float(row[i])) for i in order)


def _softmax(scores: Floats) -> Floats:
    powers = np.exp(scores - scores.max(1, keepdims=True))
    made: Floats = powers / powers.sum(1, keepdims=True)
    return made


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
