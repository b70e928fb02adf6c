"""What changes a network for inference and leaves what it computes; one file a pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from ..ir import Graph
from ..record import Record
from . import batch_norms, branches, identities, initialisers, pads, scales
from .model import Model, Rewriting, inference

if TYPE_CHECKING:
    from ..weights import Value

__all__ = ["ALL", "NONE", "PASSES", "Model", "Pass", "listed", "optimise", "rewritten"]


class Pass(Record):
    """One change of a network: `rewrite` makes it; `needs_arrays` where it computes new weights of the old."""

    name: str
    rewrite: Callable[[Rewriting], None]
    needs_arrays: bool = True


PASSES: tuple[Pass, ...] = (
    Pass("identities", identities.rewrite, needs_arrays=False),
    Pass("pads", pads.rewrite, needs_arrays=False),
    Pass("scales", scales.rewrite),
    Pass("batch-norm", batch_norms.rewrite),
    Pass("branches", branches.rewrite),
    Pass("initialisers", initialisers.rewrite),
)
"""All passes in their order: each finds what those before it leave."""

ALL = tuple(one.name for one in PASSES)
NONE: tuple[str, ...] = ()


def optimise(graph: Graph, arrays: Mapping[str, Value] | None, names: Iterable[str] = ALL) -> Model:
    """The network at inference after the passes of these names, in their own order, whatever order they are given in.

    Its graph computes the same function of its input, with the new arrays as the old graph did with the old; only the
    rounding differs. Without arrays the passes that need them are left out. Raises ValueError for an unknown name, and
    for an array that is missing or misshapen.
    """
    wanted = set(names)
    unknown = sorted(wanted - set(ALL))
    if unknown:
        raise ValueError(f"there is no pass {unknown[0]}: they are {', '.join(ALL)}")
    model = inference(graph, arrays)
    if model.arrays is not None:
        _complete(model.graph, model.arrays)
    for one in PASSES:
        if one.name in wanted and not (one.needs_arrays and arrays is None):
            model = rewritten(model, one)
    return model


def listed(given: str) -> tuple[str, ...]:
    """The names in a text, by comma; all for `all`, none for `none`."""
    if given in ("all", "none"):
        return ALL if given == "all" else NONE
    return tuple(name.strip() for name in given.split(","))


def _complete(graph: Graph, arrays: Mapping[str, Value]) -> None:
    from ..weights import tensors

    for _, node, weight in tensors(graph):
        name = f"{node.name}.{weight.name}"
        if weight.role == "counter":  # training's alone
            continue
        if name not in arrays:
            raise ValueError(f"there is no array {name}, which {node.name} needs")
        shape = getattr(arrays[name], "shape", ())
        if shape != weight.shape:
            raise ValueError(f"the array {name} is {shape}, not {weight.shape}")


def rewritten(model: Model, one: Pass) -> Model:
    """The model after one pass."""
    rewriting = Rewriting(model)
    one.rewrite(rewriting)
    return rewriting.done(one.name)
