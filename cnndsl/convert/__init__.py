"""The arrays of another implementation's checkpoint, matched with a graph's by structure.

Nothing is read here: arrays are names, shapes and types. Layers and modules correspond in the order of use where their
signatures do; where the checkpoint lists them in another order, its nesting, numbers and names decide (`search`).
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

from ..ir import Graph
from ..record import Record
from .clues import Clues
from .owners import COUNTER, Owner, Signature, Tensor, leftover, ours, pattern, theirs, trimmed
from .search import Module, Search, by_name, tree

__all__ = ["Match", "Misfit", "Pair", "Tensor", "match"]

T = TypeVar("T")


class Pair(Record):
    """An array of the spec, its shape there, and the checkpoint's array that goes there."""

    ours: str
    theirs: str
    shape: tuple[int, ...]


class Match(Record):
    """Which array goes where; `missing` are arrays of ours that none is for, `unused` theirs that go nowhere."""

    pairs: tuple[Pair, ...]
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


class Misfit(Record):
    """Why there is no match. `node` is the layer where it shows, None where only the checkpoint has the array.

    `ambiguous` where several matches are equally good: then it is not the shapes that are wrong.
    """

    message: str
    node: int | None
    expected: str | None = None
    found: str | None = None
    ambiguous: bool = False


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
    if partial:
        layers, modules = _common(layers, modules)
    elif (misfit := _first_misfit(layers, modules)) is not None:
        return misfit
    found = _assigned(graph, layers, modules, registered)
    if isinstance(found, Misfit):
        return found
    for layer, module in zip(layers, found, strict=True):
        arrays = dict(module.arrays)
        pairs += [Pair(mine.name, arrays[role].name, mine.shape) for role, mine in layer.arrays if role in arrays]
    return _finished(graph, listed, pairs)


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


def _assigned(
    graph: Graph, layers: Sequence[Owner], modules: Sequence[Owner], registered: bool
) -> Sequence[Owner] | Misfit:
    """The modules in the order of the layers; both have the same signatures, in whatever order."""
    if registered and all(a.signature == b.signature for a, b in zip(layers, modules, strict=True)):
        return modules
    laid = Search(layers, Clues(graph, layers), registered=registered).lay(tree(modules), 0)
    if laid is None:
        return _by_signature(layers, modules)
    if laid.tie is not None:
        return _ambiguous(layers, laid.owners, laid.tie)
    return laid.owners


def _by_signature(layers: Sequence[Owner], modules: Sequence[Owner]) -> Sequence[Owner] | Misfit:
    """Equal signatures in order: for modules not nested as the layers are, if only their numbers tell equals apart."""
    groups: dict[Signature, list[Owner]] = {}
    for module in by_name(modules):
        groups.setdefault(module.signature, []).append(module)
    for group in groups.values():
        for one, other in pairwise(group):
            if pattern(one.name) != pattern(other.name):
                return _ambiguous(layers, modules, (one.name, other.name))
    waiting = {signature: iter(group) for signature, group in groups.items()}
    return [next(waiting[layer.signature]) for layer in layers]


def _ambiguous(layers: Sequence[Owner], modules: Sequence[Owner], names: tuple[str, str]) -> Misfit:
    signature = next(module.signature for module in modules if module.name == names[0])
    layer = next(layer for layer in layers if layer.signature == signature)
    return Misfit(
        f"{names[0]} and {names[1]} fit equally well",
        layer.node,
        found=f"{names[0]} and {names[1]}, both {_shapes(signature)}",
        ambiguous=True,
    )


# -- what does not fit


def _first_misfit(layers: Sequence[Owner], modules: Sequence[Owner]) -> Misfit | None:
    """The first layer in our order that no module is left for, and what stands in its place; else a module too many."""
    lacking, surplus = leftover(layers, modules), leftover(modules, layers)
    if lacking:
        return _between(lacking[0], _counterpart(lacking[0], surplus))
    if surplus:
        _, array = surplus[0].arrays[0]
        return Misfit(
            f"{array.name} of {_times(array.shape)} has no place in the spec",
            None,
            expected="no more arrays",
            found=f"{array.name} of {_times(array.shape)}",
        )
    return None


def _counterpart(layer: Owner, modules: Sequence[Owner]) -> Owner | None:
    """The module most likely meant for a layer: the first with the same roles and ranks, or ranks, or just the first."""
    for exactly in (True, False):
        for module in modules:
            if _ranks(module, exactly) == _ranks(layer, exactly):
                return module
    return modules[0] if modules else None


def _ranks(owner: Owner, all_roles: bool) -> list[tuple[str, int]]:
    return [(role, len(shape)) for role, shape in owner.signature if all_roles or role == "weight"]


def _between(layer: Owner, module: Owner | None) -> Misfit:
    """The first array of a layer that differs from the module's."""
    arrays = dict(module.arrays) if module else {}
    for role, mine in layer.arrays:
        if role == COUNTER:
            continue
        other = arrays.get(role)
        if other is None or trimmed(other.shape) != trimmed(mine.shape):
            found = (
                f"{other.name} of {_times(other.shape)}" if other else f"nothing in {module.name}" if module else None
            )
            message = f"{mine.name} is {_times(mine.shape)}, and the checkpoint has "
            message += f"{found}" if found else "no array left for it"
            return Misfit(message, layer.node, f"{mine.name} of {_times(mine.shape)}", found or "no array left")
    extra = next((array for role, array in arrays.items() if role not in dict(layer.arrays)), None)
    found = f"{extra.name} of {_times(extra.shape)}" if extra else "no array left"
    return Misfit(f"{layer.name} has no array for {found}", layer.node, _shapes(layer.signature), found)


def _shapes(signature: Signature) -> str:
    return ", ".join(f"{role} {_times(shape)}" for role, shape in signature)


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"


# -- in part


def _common(layers: Sequence[Owner], modules: Sequence[Owner]) -> tuple[tuple[Owner, ...], tuple[Owner, ...]]:
    """What layers and modules have in common: as many of each signature."""
    return _without(layers, leftover(layers, modules)), _without(modules, leftover(modules, layers))


def _without(owners: Sequence[Owner], surplus: Sequence[Owner]) -> tuple[Owner, ...]:
    """The owners without as many of each signature as are too many: whole modules rather than parts, the last first.

    So a head goes whole, and of a stage the blocks at its end; and first what has parts that nothing else has.
    """
    left = Counter(owner.signature for owner in surplus)
    counts = Counter(owner.signature for owner in owners)
    alone = {signature for signature, count in left.items() if count == counts[signature]}
    parts = [part for part in _parts(tree(owners), 0) if Counter(o.signature for o in part[1]) <= left]
    parts.reverse()
    parts.sort(key=lambda part: (not any(owner.signature in alone for owner in part[1]), part[0]))
    dropped: set[str] = set()
    for _, part in parts:
        wanted = Counter(owner.signature for owner in part)
        if wanted <= left and not any(owner.name in dropped for owner in part):
            left -= wanted
            dropped |= {owner.name for owner in part}
    return tuple(owner for owner in owners if owner.name not in dropped)


def _parts(module: Module, depth: int) -> Iterator[tuple[int, tuple[Owner, ...]]]:
    """The owners of each module below, with its depth."""
    for child in module.children:
        yield depth, child.owners
        yield from _parts(child, depth + 1)


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
            layer = _known(mine, layers, "the spec")
            roles = dict(_known(other, modules, "the checkpoint").arrays)
            couples = [(array, roles[role]) for role, array in layer.arrays if role in roles]
        for wanted, tensor in couples:
            if trimmed(wanted.shape) != trimmed(tensor.shape):
                expected, found = (f"{array.name} of {_times(array.shape)}" for array in (wanted, tensor))
                return Misfit(f"{expected} was given {found}", layer.node, expected, found)
            pairs.append(Pair(wanted.name, tensor.name, wanted.shape))
    return pairs


def _known(name: str, names: Mapping[str, T], where: str) -> T:
    if name in names:
        return names[name]
    near = difflib.get_close_matches(name, list(names), 1, 0.4)
    raise ValueError(f"{where} has no {name}" + (f"; closest: {near[0]}" if near else ""))
