"""Why a checkpoint is no match: the first array that does not fit, or what is undecided, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ..record import Record
from .owners import COUNTER, Owner, Shape, Signature, Tensor, trimmed
from .ways import Doubt, Laid


class Misfit(Record):
    """Why there is no match. `node` is the layer where it shows, None where only the checkpoint has the array.

    `ambiguous` where several matches are equally good: then it is not the shapes that are wrong. `shapes` are that of the
    layer's array and of the one in its place; `advice` is what to do, where it is not the usual.
    """

    message: str
    node: int | None
    expected: str | None = None
    found: str | None = None
    ambiguous: bool = False
    advice: str | None = None
    shapes: tuple[Shape, Shape] | None = None


def first_misfit(layers: Sequence[Owner], modules: Sequence[Owner]) -> Misfit:
    """The first layer whose signature no module has, and what stands in its place; else a module too many."""
    wanted, there = ({owner.signature for owner in owners} for owners in (layers, modules))
    absent = next((layer for layer in layers if layer.signature not in there), None)
    surplus = [module for module in modules if module.signature not in wanted]
    return _between(absent, _meant(absent, surplus)) if absent else _too_many(surplus[0])


def _meant(layer: Owner, modules: Sequence[Owner]) -> Owner | None:
    """The module most likely meant for a layer: the first with the same roles and numbers of axes, or those of the weight."""
    alike = (module for exactly in (True, False) for module in modules if _are_alike(module, layer, exactly))
    return next(alike, None)


def misfit_in(layers: Sequence[Owner], modules: Sequence[Owner], laid: Laid) -> Misfit:
    """The first layer over which no module is laid, or one that does not fit whole; else a module too many."""
    placed = dict(laid.places)
    names = {owner.name for owner in placed.values()}
    left = [module for module in modules if module.name not in names]
    for at, layer in enumerate(layers):
        if at not in placed:
            before = [placed[i] for i in range(at - 1, -1, -1) if i in placed][:1]
            after = [placed[i] for i in range(at + 1, len(layers)) if i in placed][:1]
            return _between(layer, _beside(layer, left, modules, before, after))
        if placed[at].signature != layer.signature:
            return _between(layer, placed[at])
    return _too_many(left[0])


def _beside(
    layer: Owner, left: Sequence[Owner], modules: Sequence[Owner], before: Sequence[Owner], after: Sequence[Owner]
) -> Owner | None:
    """Of modules that are left, the one meant for a layer: alone, between its neighbours, or in one module with them."""
    order = {module.name: at for at, module in enumerate(modules)}
    first = order[before[0].name] if before else -1
    last = order[after[0].name] if after else len(order)
    parents = {owner.name.rpartition(".")[0] for owner in (*before, *after)} - {""}
    near = [module for module in left if module.name.rpartition(".")[0] in parents or first < order[module.name] < last]
    return _meant(layer, left if len(left) == 1 else near)


def unequal(layers: Sequence[Owner], modules: Sequence[Owner], why: str) -> Misfit:
    """Where it is not known what is missing: a signature that no module has; else one that fewer have, or more."""
    wanted, there = (Counter(owner.signature for owner in owners) for owners in (layers, modules))
    if wanted.keys() - there.keys():
        return first_misfit(layers, modules)
    signature = next(one for one in (*wanted, *there) if wanted[one] != there[one])
    node = next((layer.node for layer in layers if layer.signature == signature), None)
    expected, found = _layers(wanted[signature]), _layers(there[signature])
    message = f"the spec has {expected} with {shapes(signature)}, and the checkpoint has {there[signature]}: {why}"
    return Misfit(message, node, expected, found, advice="say what goes where with --map")


def undecided(layers: Sequence[Owner], doubt: Doubt) -> Misfit:
    """What might be here or there, because the names of the checkpoint do not tell where something is missing."""
    (at, one), (elsewhere, other) = doubt.one, doubt.other
    message = f"{one.name} and {other.name} fit {layers[at].name} equally well"
    if one.name == other.name:
        message = f"{one.name} fits {layers[at].name} and {layers[elsewhere].name} equally well"
    names = " or ".join(dict.fromkeys((one.name, other.name)))
    return Misfit(
        f"{message}: something is missing, and the names do not tell what",
        layers[at].node,
        found=f"{names}, {shapes(one.signature)}",
        ambiguous=True,
        advice=f'say what goes where with --map, as in {{"{layers[at].name}": "{one.name}"}}',
    )


def exchangeable(layers: Sequence[Owner], modules: Sequence[Owner], names: tuple[str, str]) -> Misfit:
    """Two modules that could as well be in each other's place."""
    signature = next(module.signature for module in modules if module.name == names[0])
    layer = next(layer for layer in layers if layer.signature == signature)
    return Misfit(
        f"{names[0]} and {names[1]} fit equally well",
        layer.node,
        found=f"{names[0]} and {names[1]}, both {shapes(signature)}",
        ambiguous=True,
    )


def wrong_kind(layer: Owner, wanted: Tensor, given: Tensor) -> Misfit:
    """An array of integers, truth values or other numbers where floating-point ones are needed."""
    return Misfit(
        f"{given.name} holds {given.dtype} numbers, and {wanted.name} floating-point ones",
        layer.node,
        f"{wanted.name} of float32, float16, bfloat16 or float64",
        f"{given.name} of {given.dtype}",
        advice="convert the weights of the network in floating point, before it is quantized",
    )


def wrong_shape(layer: Owner, wanted: Tensor, given: Tensor) -> Misfit:
    """An array that was asked for by name and does not fit."""
    expected, found = _described(wanted), _described(given)
    return Misfit(f"{expected} was given {found}", layer.node, expected, found)


def _between(layer: Owner, module: Owner | None) -> Misfit:
    """The first array of a layer that differs from the module's."""
    arrays: Mapping[str, Tensor] = dict(module.arrays) if module else {}
    for role, mine in layer.arrays:
        if role == COUNTER:
            continue
        other = arrays.get(role)
        if other is None or trimmed(other.shape) != trimmed(mine.shape):
            found = _described(other) if other else f"nothing in {module.name}" if module else "no array left"
            said = found if module else "no array left for it"
            message = f"{mine.name} is {_times(mine.shape)}, and the checkpoint has {said}"
            both = (mine.shape, other.shape) if other else None
            return Misfit(message, layer.node, _described(mine), found, shapes=both)
    extra = next((array for role, array in arrays.items() if role not in dict(layer.arrays)), None)
    found = _described(extra) if extra else "no array left"
    return Misfit(f"{layer.name} has no array for {found}", layer.node, shapes(layer.signature), found)


def _too_many(module: Owner) -> Misfit:
    _, array = module.arrays[0]
    message = f"{_described(array)} has no place in the spec"
    return Misfit(message, None, expected="no more arrays", found=_described(array))


def _are_alike(one: Owner, other: Owner, all_roles: bool) -> bool:
    """Whether the arrays have the same roles and numbers of axes, or the weights at least."""
    ranks = [
        [(role, len(shape)) for role, shape in owner.signature if all_roles or role == "weight"]
        for owner in (one, other)
    ]
    return ranks[0] == ranks[1]


def _layers(count: int) -> str:
    return f"{count} layer" + "s" * (count != 1)


def _described(array: Tensor) -> str:
    return f"{array.name} of {_times(array.shape)}"


def shapes(signature: Signature) -> str:
    """Roles and shapes in words."""
    return ", ".join(f"{role} {_times(shape)}" for role, shape in signature)


def _times(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "a single number"
