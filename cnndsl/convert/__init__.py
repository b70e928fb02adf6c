"""The arrays of another implementation's checkpoint, matched with a graph's by structure.

Nothing is read here: arrays are names, shapes and types. Layers and modules correspond in the order of use where their
signatures do; where the checkpoint lists them in another order, its nesting, numbers and names decide (`search`), and
where something is missing, they tell what (`gaps`).
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final, TypeAlias, TypeVar

from ..ir import Graph
from ..record import Record
from .clues import Clues
from .gaps import align
from .misfits import Misfit, exchangeable, misfit_in, undecided, unequal, wrong_kind, wrong_shape
from .owners import COUNTER, Owner, Signature, Tensor, ours, pattern, theirs, trimmed
from .search import Search, by_name, tree

__all__ = ["Match", "Misfit", "Pair", "Tensor", "match", "trimmed"]

T = TypeVar("T")

FLOATING: Final = ("float32", "float16", "bfloat16", "float64")
"""What weights are made of; the others are rounded to the first."""

_LIE_OTHERWISE: Final = "its modules do not lie as the spec's layers do"
_OTHER: Final = "it is of another architecture: say with --map what goes where, if anything does"
_UNTOLD: Final = "its names do not tell which"


class Pair(Record):
    """An array of the spec, the checkpoint's array that goes there, the shape here, and the type of numbers there."""

    ours: str
    theirs: str
    shape: tuple[int, ...]
    dtype: str = FLOATING[0]


class Match(Record):
    """Which array goes where; `missing` are arrays of ours that none is for, `unused` theirs that go nowhere."""

    pairs: tuple[Pair, ...]
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


def match(
    graph: Graph,
    tensors: Iterable[Tensor],
    *,
    registered: bool,
    given: Mapping[str, str] | None = None,
    partial: bool = False,
) -> Match | Misfit:
    """Match a checkpoint's arrays with a graph's.

    `registered`: the arrays come in the order in which the implementation registered them, as a pickled state dict's do
    and a safetensors file's do not. `given` says for names of ours (of an array, or of a layer) which of theirs it is,
    and comes first. `partial` takes what fits and leaves the rest. Raises ValueError where `given` has unknown names.
    """
    listed = list(tensors)
    pairs = _given(graph, listed, given or {})
    if isinstance(pairs, Misfit):
        return pairs
    taken = {pair.theirs for pair in pairs}
    layers = ours(graph, frozenset(pair.ours for pair in pairs))
    modules = theirs(tensor for tensor in listed if tensor.name not in taken)
    if not registered:
        modules = tuple(by_name(modules))
    found = _coupled(graph, layers, modules, registered=registered, partial=partial)
    if isinstance(found, Misfit):
        return found
    for layer, module in found:
        pairs += _fitting(layer, module)
    if partial and layers and not pairs:
        return _nothing(unequal(layers, modules, _LIE_OTHERWISE))
    return _of_floats(graph, listed, pairs) or _finished(graph, listed, pairs)


def _fitting(layer: Owner, module: Owner) -> list[Pair]:
    """The arrays of a module that fit a layer: none where its weight does not."""
    arrays = dict(module.arrays)
    fitting = [
        Pair(mine.name, arrays[role].name, mine.shape, arrays[role].dtype)
        for role, mine in layer.arrays
        if role in arrays and trimmed(arrays[role].shape) == trimmed(mine.shape)
    ]
    weight = next((mine.name for role, mine in layer.arrays if role == "weight"), None)
    return fitting if weight is None or any(pair.ours == weight for pair in fitting) else []


def _nothing(first: Misfit) -> Misfit:
    return first.replace(message=f"nothing in the checkpoint fits: {first.message}", advice=_OTHER)


def _of_floats(graph: Graph, listed: Sequence[Tensor], pairs: Sequence[Pair]) -> Misfit | None:
    """The first array of ours that would get numbers of another kind; counters take whole ones."""
    places = {array.name: (layer, array) for layer in ours(graph) for _, array in layer.arrays}
    given = {tensor.name: tensor for tensor in listed}
    wrong = {pair.ours: pair.theirs for pair in pairs if pair.dtype not in FLOATING and not pair.ours.endswith(COUNTER)}
    first = next((name for name in places if name in wrong), None)
    return wrong_kind(*places[first], given[wrong[first]]) if first else None


def _finished(graph: Graph, listed: Sequence[Tensor], pairs: Sequence[Pair]) -> Match:
    """The pairs in our order, and what is left; a counter that is not there is no loss."""
    by_ours = {pair.ours: pair for pair in pairs}
    names = [array.name for layer in ours(graph) for _, array in layer.arrays]
    used = {pair.theirs for pair in pairs}
    return Match(
        tuple(by_ours[name] for name in names if name in by_ours),
        tuple(name for name in names if name not in by_ours and not name.endswith(COUNTER)),
        tuple(tensor.name for tensor in listed if tensor.name not in used and not tensor.name.endswith(COUNTER)),
    )


# -- by structure


Couples: TypeAlias = Sequence[tuple[Owner, Owner]]


def _coupled(
    graph: Graph, layers: Sequence[Owner], modules: Sequence[Owner], *, registered: bool, partial: bool
) -> Couples | Misfit:
    """Layers and the modules that go there: all of both, or with `partial` what is in both."""
    wanted, there = (Counter(owner.signature for owner in owners) for owners in (layers, modules))
    if wanted == there:
        return _assigned(graph, layers, modules, registered)
    laid = align(graph, layers, modules, registered=registered)
    if laid is not None and laid.doubt is None:
        return [(layers[at], module) for at, module in laid.places] if partial else misfit_in(layers, modules, laid)
    if partial and _is_told_by_shapes(wanted, there):
        common = [layer for layer in layers if layer.signature in there]
        return _assigned(graph, common, [module for module in modules if module.signature in wanted], registered)
    if partial and laid is not None and laid.doubt is not None:
        return undecided(layers, laid.doubt)
    misfit = unequal(layers, modules, _UNTOLD if laid else _LIE_OTHERWISE)
    return misfit.replace(advice=_OTHER) if partial else misfit


def _is_told_by_shapes(wanted: Counter[Signature], there: Counter[Signature]) -> bool:
    """Whether signatures alone tell what is missing and what is too much."""
    missing, surplus = wanted - there, there - wanted
    return not (missing.keys() & there.keys() or surplus.keys() & wanted.keys())


def _assigned(graph: Graph, layers: Sequence[Owner], modules: Sequence[Owner], registered: bool) -> Couples | Misfit:
    """Each layer with its module; both have the same signatures, in whatever order."""
    if registered and all(a.signature == b.signature for a, b in zip(layers, modules, strict=True)):
        return list(zip(layers, modules, strict=True))
    laid = Search(layers, Clues(graph, layers), registered=registered).lay(tree(modules), 0)
    if laid is None:
        return _by_signature(layers, modules)
    if laid.tie is not None:
        return exchangeable(layers, laid.owners, laid.tie)
    return list(zip(layers, laid.owners, strict=True))


def _by_signature(layers: Sequence[Owner], modules: Sequence[Owner]) -> Couples | Misfit:
    """Equal signatures in order: for modules not nested as the layers are, if only their numbers tell equals apart."""
    groups: dict[Signature, list[Owner]] = {}
    for module in by_name(modules):
        groups.setdefault(module.signature, []).append(module)
    for group in groups.values():
        for one, other in pairwise(group):
            if pattern(one.name) != pattern(other.name):
                return exchangeable(layers, modules, (one.name, other.name))
    waiting = {signature: iter(group) for signature, group in groups.items()}
    return [(layer, next(waiting[layer.signature])) for layer in layers]


# -- by hand


def _given(graph: Graph, listed: Sequence[Tensor], given: Mapping[str, str]) -> list[Pair] | Misfit:
    """The pairs that were asked for: arrays by name, or a layer's arrays by a module's."""
    layers = {layer.name: layer for layer in ours(graph)}
    arrays = {array.name: (layer, array) for layer in layers.values() for _, array in layer.arrays}
    modules = {module.name: module for module in theirs(listed)}
    tensors = {tensor.name: tensor for tensor in listed}
    pairs: list[Pair] = []
    for mine, other in given.items():
        if mine in arrays:
            layer, wanted = arrays[mine]
            couples = [(wanted, _known(other, tensors, "the checkpoint"))]
        else:
            layer = _known(mine, layers, "the spec", arrays)
            roles = dict(_known(other, modules, "the checkpoint", tensors).arrays)
            couples = [(array, roles[role]) for role, array in layer.arrays if role in roles]
        for wanted, tensor in couples:
            if trimmed(wanted.shape) != trimmed(tensor.shape):
                return wrong_shape(layer, wanted, tensor)
            pairs.append(Pair(wanted.name, tensor.name, wanted.shape, tensor.dtype))
    return pairs


def _known(name: str, names: Mapping[str, T], where: str, others: Iterable[str] = ()) -> T:
    """What a name stands for; ValueError with the closest ones, among `others` too, where there is none."""
    if name in names:
        return names[name]
    if name in (others := tuple(others)):
        raise ValueError(f"{name} is one array of {where}: it goes to an array, and to a layer its module")
    near = difflib.get_close_matches(name, [*names, *others], 1, 0)
    raise ValueError(f"{where} has no {name}" + (f"; closest: {near[0]}" if near else ""))
