"""State dicts of other implementations: read without running what is in them, and converted to a spec's weights."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from . import contents
from .convert import Match, Misfit, Tensor, match, trimmed
from .diagnostics import Diagnostic, Severity, SpecError
from .extras import need
from .ir import Graph
from .record import Record
from .source import Span
from .weights import Array, Arrays

PICKLED: Final = (".pth", ".pt", ".bin", ".ckpt", ".tar")
WRAPPERS: Final = ("state_dict", "model", "model_state_dict", "model_state", "net")
"""Where training programs put the state dict in what they save, in the order of looking."""

PARALLEL: Final = "module."
"""What `torch.nn.DataParallel` puts before every name."""

KINDS: Final = {
    "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64", "BOOL": "bool",
    "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64",
    "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64",
}  # fmt: skip
"""What safetensors calls types of numbers, by torch's names."""

_ALONE: Final = "save the state dict alone, with torch.save(model.state_dict(), ...) or safetensors"
_AGAIN: Final = f"get the file again if it is damaged; else {_ALONE}"

_NAMED: Final = 3
"""How many arrays a warning names."""


class Checkpoint(Record):
    """A file's arrays: what they are, and `load`, which reads one by name, floating-point numbers as float32.

    `registered`: they are in the order in which the implementation registered them.
    """

    tensors: tuple[Tensor, ...]
    load: Callable[[str], Array]
    registered: bool


class Converted(Record):
    """A spec's weights from a checkpoint, which array became which, and what there is to say about it."""

    arrays: Arrays
    match: Match
    warnings: tuple[str, ...] = ()


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """The state dict in a `.safetensors` file, or in one that torch pickled, of tensors only.

    A state dict within an entry of `WRAPPERS` is found, one level deep; what is no tensor beside it is passed over.
    Nothing is ever executed: a pickle that would construct anything but tensors is refused. Raises SpecError where the
    file is no such thing, OSError where it cannot be read, MissingExtra where torch is needed and not installed.
    """
    with Path(path).open("rb"):
        pass
    ending = Path(path).suffix.lower()
    if ending == ".safetensors":
        return _prefix_dropped(_safetensors(path))
    if ending in PICKLED:
        return _prefix_dropped(_pickled(path))
    named = f"its name ends in {ending or 'nothing'}, not in .safetensors, {', '.join(PICKLED)}"
    raise unreadable(path, f"{named}; it seems to be {contents.seems(path)}")


def convert(
    graph: Graph,
    checkpoint: Checkpoint,
    *,
    spans: tuple[Span, ...] = (),
    given: Mapping[str, str] | None = None,
    missing: Callable[[Graph], Mapping[str, Array]] | None = None,
) -> Converted:
    """The weights of a graph from a checkpoint's arrays, matched by structure.

    `given` says for names of ours which of theirs they are; with `missing`, a part is enough, and it gives the rest.
    `spans` are the places of the graph's nodes, for diagnostics. Raises SpecError where the arrays do not fit, ValueError
    where `given` has unknown names.
    """
    found = match(graph, checkpoint.tensors, registered=checkpoint.registered, given=given, partial=missing is not None)
    if isinstance(found, Misfit):
        raise SpecError((_diagnostic(found, spans, graph.classes),))
    counters = _counters(graph)
    arrays = dict(missing(graph)) if missing is not None else dict(counters)
    for pair in found.pairs:
        array = checkpoint.load(pair.theirs).reshape(pair.shape)
        arrays[pair.ours] = array.astype(arrays[pair.ours].dtype) if pair.ours in counters else array
    return Converted(arrays, found, _doubts(arrays, found))


def _doubts(arrays: Arrays, found: Match) -> tuple[str, ...]:
    """What is wrong with what was taken, though it fits."""
    strange = [pair.theirs for pair in found.pairs if not np.isfinite(arrays[pair.ours]).all()]
    if not strange:
        return ()
    many = f"{len(strange)} arrays hold" if len(strange) > 1 else "an array holds"
    named = ", ".join(strange[:_NAMED]) + (", ..." if len(strange) > _NAMED else "")
    return (f"{many} infinite numbers or NaN: {named}",)


def _counters(graph: Graph) -> Arrays:
    """The counters of batches, which an older file lacks."""
    return {
        f"{node.name}.{weight.name}": np.zeros(weight.shape, np.int64)
        for node in graph.nodes
        for weight in node.op.weights(graph.inputs(node))
        if weight.role == "counter"
    }


def _diagnostic(misfit: Misfit, spans: tuple[Span, ...], classes: int | None) -> Diagnostic:
    span = spans[misfit.node] if misfit.node is not None and misfit.node < len(spans) else None
    if misfit.ambiguous:
        advice = (
            misfit.advice or "say which is which with --map, or take a .pth file, which keeps the order of the layers"
        )
        return Diagnostic("CNN033", Severity.ERROR, misfit.message, span, None, misfit.found, help=advice)
    advice = misfit.advice or "convert what fits with --partial, or say what goes where with --map"
    ours, theirs = misfit.shapes or ((), ())
    if classes is not None and ours[:1] == (classes,) and trimmed(ours[1:]) == trimmed(theirs[1:]):
        advice = f"compile the spec for as many classes with --classes {theirs[0]}, or {advice}"
    return Diagnostic("CNN032", Severity.ERROR, misfit.message, span, misfit.expected, misfit.found, help=advice)


def unreadable(path: str | os.PathLike[str], problem: str, advice: str = _ALONE) -> SpecError:
    """The error for a file that holds no state dict."""
    message = f"the weights in {os.fspath(path)} cannot be used: {problem}"
    return SpecError((Diagnostic("CNN030", Severity.ERROR, message, None, help=advice),))


def _prefix_dropped(checkpoint: Checkpoint) -> Checkpoint:
    """Without what `DataParallel` puts before all names."""
    if not checkpoint.tensors or not all(tensor.name.startswith(PARALLEL) for tensor in checkpoint.tensors):
        return checkpoint
    load = checkpoint.load
    bare = tuple(tensor.replace(name=tensor.name.removeprefix(PARALLEL)) for tensor in checkpoint.tensors)
    return checkpoint.replace(tensors=bare, load=lambda name: load(PARALLEL + name))


# -- safetensors


def _safetensors(path: str | os.PathLike[str]) -> Checkpoint:
    """The file sorts its arrays by name, so nothing is left of their order."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:  # checks every offset
            names = list(file.keys())
            slices = {name: file.get_slice(name) for name in names}
            tensors = tuple(Tensor(name, tuple(s.get_shape()), _kind(s.get_dtype())) for name, s in slices.items())
    except SafetensorError:
        raise unreadable(path, contents.no_safetensors(path), _AGAIN) from None
    kinds = {tensor.name: tensor.dtype for tensor in tensors}

    def load(name: str) -> Array:
        if kinds[name] == "bfloat16":
            return _bfloat16(path, name)
        with safe_open(path, framework="np") as file:
            return _plain(file.get_tensor(name))

    return Checkpoint(tensors, load, registered=False)


def _kind(name: str) -> str:
    """A type of numbers as torch calls it."""
    return KINDS.get(name, name.lower())


def _bfloat16(path: str | os.PathLike[str], name: str) -> Array:
    """An array of bfloat16, which numpy does not know: the upper halves of float32."""
    with Path(path).open("rb") as file:
        size = min(int.from_bytes(file.read(8), "little"), contents.LARGEST_HEADER)
        entry = json.loads(file.read(size))[name]
        start, end = entry["data_offsets"]
        file.seek(8 + size + start)
        halves = np.frombuffer(file.read(end - start), "<u2")
    return (halves.astype(np.uint32) << 16).view(np.float32).reshape(entry["shape"])


def _plain(array: Array) -> Array:
    return array.astype(np.float32, copy=False) if array.dtype.kind == "f" else array.astype(np.int64, copy=False)


# -- pickles of torch


def _pickled(path: str | os.PathLike[str]) -> Checkpoint:
    torch = need("torch", "torch")
    import warnings
    from pickle import UnpicklingError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickles by others than torch, which it then refuses
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, LookupError, AttributeError, TypeError, UnpicklingError):
        raise unreadable(path, *_problem(path)) from None  # torch's own messages speak of its insides
    state = _state(content, torch)
    if not state:
        raise unreadable(path, f"there is no state dict in it, alone or under {', '.join(WRAPPERS)}")
    tensors = tuple(
        Tensor(name, tuple(value.shape), str(value.dtype).removeprefix("torch.")) for name, value in state.items()
    )

    def load(name: str) -> Array:
        value = state[name].detach()
        plain: Array = value.to(torch.float32 if value.is_floating_point() else torch.int64).numpy()
        return plain

    return Checkpoint(tensors, load, registered=True)


def _problem(path: str | os.PathLike[str]) -> tuple[str, str]:
    """Why torch does not read a file, and what to do."""
    kind = contents.seems(path)
    if kind == contents.TORCHSCRIPT:
        return f"it is {kind}", _ALONE
    if kind == contents.SAFETENSORS:
        return f"it is {kind}", "let its name end in .safetensors"
    if kind != contents.PICKLED:
        return f"it is no checkpoint; it seems to be {kind}", _AGAIN
    if name := contents.foreign_class(path):
        return f"only tensors are read, and it holds a {name}: a whole module, or something beside the weights", _ALONE
    return "it is a pickle that is damaged, or holds more than tensors", _AGAIN


def _state(content: Any, torch: Any) -> dict[str, Any]:
    """The tensors by name in an entry of a pickle's content that wraps them, or in the content itself."""
    if not isinstance(content, Mapping):
        return {}
    for within in (*(content.get(wrapper) for wrapper in WRAPPERS), content):
        tensors = within.items() if isinstance(within, Mapping) else ()
        found = {str(name): value for name, value in tensors if isinstance(value, torch.Tensor)}
        if found:
            return found
    return {}


def read_map(path: str | os.PathLike[str]) -> dict[str, str]:
    """Which of theirs each of ours is, from a JSON or TOML file: `{"conv1": "features.0"}`. Raises ValueError, OSError."""
    text = Path(path).read_text(encoding="utf-8")
    try:
        if Path(path).suffix.lower() == ".toml":
            import tomllib

            found: Any = _flat(tomllib.loads(text))
        else:
            found = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)} cannot be read: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ValueError(f'{os.fspath(path)} must hold an object of names, as in {{"conv1": "features.0"}}')
    return found


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The tables that TOML makes of dotted names, as those names."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found
