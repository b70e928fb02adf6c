"""Weights in safetensors files that know their graph."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from .contents import PICKLED, no_safetensors, seems
from .diagnostics import Diagnostic, Severity
from .files import OutputFiles
from .ir import Graph
from .record import Record
from .version import version
from .weights import Array, Arrays, constant, tensors

_AGAIN: Final = "get the file again if it is damaged; else name one with weights of this spec"


class Stored(Record):
    """What a weights file held: the arrays, or None where they do not fit; and what there is to say about it."""

    arrays: Arrays | None
    diagnostics: tuple[Diagnostic, ...] = ()


def save(path: str | os.PathLike[str], graph: Graph, arrays: Mapping[str, Array]) -> None:
    """Write a safetensors file with the graph's name and hash in its metadata, whole or not at all; raises OSError."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    with OutputFiles() as files:
        staged = files.stage(path)
        mode = staged.stat().st_mode
        facts = {"name": graph.name, "hash": graph.hash(), "version": version()}
        try:
            save_file(contiguous, staged, metadata=facts)
        except SafetensorError as error:
            raise _unwritable(path, error) from None
        staged.chmod(mode)  # save_file keeps others from reading
        _sort_metadata(staged)


def _unwritable(path: str | os.PathLike[str], error: Exception) -> OSError:
    """What the library says of a disk that is full, as an error of the system's."""
    found = re.search(r"os error (\d+)", str(error))
    number = int(found[1]) if found else errno.EIO
    return OSError(number, os.strerror(number), os.fspath(path))


def _sort_metadata(path: Path) -> None:
    """Put a safetensors header's metadata in order, which the library leaves to chance: equal weights, equal bytes."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(size)
        if len(text) == size:
            file.seek(8)
            file.write(text)


def read(path: str | os.PathLike[str], graph: Graph) -> Stored:
    """The weights in a safetensors file, if their names, shapes and types are the graph's.

    A misfit is an error that names the first array in the order of the graph that does not fit. A file made for another
    graph whose arrays fit all the same is taken, with a warning. Counters of batches may be missing, as older files
    lack them. Nothing is ever unpickled.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            misfit = _misfit(file, graph, path)
            if misfit is not None:
                return Stored(None, (misfit,))
            made_for = (file.metadata() or {}).get("hash")
        arrays = _arrays(path, graph)
        problem = broken(arrays, graph)
        if problem is not None:
            advice = "take a checkpoint from before the training diverged"
            return Stored(None, (_unusable(path, f"its {problem}", advice),))
    except OSError as error:
        problem = f"it cannot be read as safetensors: {error.strerror or error}"
        return Stored(None, (_unusable(path, problem, _AGAIN),))
    except SafetensorError:
        advice = _converted("convert it first", path) if seems(path) == PICKLED else _AGAIN
        return Stored(None, (_unusable(path, no_safetensors(path), advice),))
    if made_for is None or made_for == graph.hash():
        return Stored(arrays)
    warning = Diagnostic(
        code="CNN031",
        severity=Severity.WARNING,
        message=f"the weights in {os.fspath(path)} were made for another version of the spec",
        span=None,
        expected=f"hash {graph.hash()}",
        found=f"hash {made_for}",
        help="their names and shapes fit, so they are used; train again if the computation changed",
    )
    return Stored(arrays, (warning,))


def _arrays(path: str | os.PathLike[str], graph: Graph) -> Arrays:
    """The arrays of a file that fits; read, not mapped: safetensors copies what it maps, and both would be in memory."""
    with Path(path).open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        found: Arrays = {}
        for _, node, weight in tensors(graph):
            name = f"{node.name}.{weight.name}"
            if name not in header:
                found[name] = constant(node.op, weight)
                continue
            array = np.empty(weight.shape, "<i8" if weight.role == "counter" else "<f4")
            file.seek(8 + size + header[name]["data_offsets"][0])
            if file.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
                raise OSError("it ends too early")
            found[name] = array
    return found


def broken(arrays: Mapping[str, Array], graph: Graph) -> str | None:
    """The first array with which a network could give nothing but NaN, and what it holds; None where there is none."""
    for _, node, weight in tensors(graph):
        name = f"{node.name}.{weight.name}"
        if name not in arrays or not arrays[name].size:
            continue
        with np.errstate(invalid="ignore"):
            ends = arrays[name].min(), arrays[name].max()  # either is NaN where a number is, and nothing is copied
        if not np.isfinite(ends).all():
            return f"array {name} holds infinite numbers or NaN"
        if weight.role == "variance" and ends[0] < 0:
            return f"array {name} holds variances below 0"
    return None


def _misfit(file: Any, graph: Graph, path: str | os.PathLike[str]) -> Diagnostic | None:
    """The first thing about a file's arrays that does not fit the graph."""
    other = _converted("compile the spec with the settings they were made with (--set, --classes), or match them", path)
    unclaimed = dict.fromkeys(file.keys())
    for _, node, weight in tensors(graph):
        name = f"{node.name}.{weight.name}"
        where = f" ({node.origin.file}:{node.origin.line})" if node.origin else ""
        if name not in unclaimed:
            if weight.role == "counter":
                continue
            problem = f"it has no array {name} of {_times(weight.shape)}, which the spec needs{where}"
            return _unusable(path, problem, other)
        del unclaimed[name]
        stored = file.get_slice(name)
        shape, kind = tuple(stored.get_shape()), stored.get_dtype()
        wanted = "I64" if weight.role == "counter" else "F32"
        if shape != weight.shape:
            problem = f"its array {name} is {_times(shape)}, the spec's is {_times(weight.shape)}{where}"
            return _unusable(path, problem, other)
        if kind != wanted:
            problem = f"its array {name} holds {kind} numbers, not {wanted}{where}"
            return _unusable(path, problem, _converted("convert them", path))
    extra = next(iter(unclaimed), None)
    if extra is None:
        return None
    return _unusable(path, f"it has an array {extra}, which the spec has no layer for", other)


def _converted(what: str, path: str | os.PathLike[str]) -> str:
    """Advice that ends in the command which makes a spec's weights of others."""
    return f"{what}: cnndsl weights convert {os.fspath(path)} --spec SPEC -o OUT.safetensors"


def _unusable(path: str | os.PathLike[str], problem: str, advice: str) -> Diagnostic:
    return Diagnostic(
        code="CNN030",
        severity=Severity.ERROR,
        message=f"the weights in {os.fspath(path)} cannot be used: {problem}",
        span=None,
        help=advice,
    )


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"
