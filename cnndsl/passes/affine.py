"""One factor and one shift a channel, taken into the weights before or after them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..ir import Node
from ..ops.base import Op, channels_of
from ..ops.conv import Conv, ConvTranspose
from ..ops.linear import Flatten, Linear
from ..ops.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm
from ..ops.reshape import Scale
from ..record import Record
from .model import Rewriting

if TYPE_CHECKING:
    from ..weights import Array, Value


class Affine(Record):
    """What a SCALE or a BN does at inference: y = scale·x + shift, each of (channels,), 64-bit floats; shift None is 0."""

    scale: Array
    shift: Array | None

    def spread(self, positions: int) -> Affine:
        """The same for a map with as many positions, flattened."""
        return Affine(self.scale.repeat(positions), None if self.shift is None else self.shift.repeat(positions))


class Layer:
    """A node with weights, and where they lie."""

    def __init__(self, rewriting: Rewriting, index: int) -> None:
        self.node: Node = rewriting.nodes[index]
        self.cin: int = channels_of(rewriting.nodes[self.node.inputs[0]].shape)
        assert rewriting.arrays is not None
        self._arrays = rewriting.arrays

    def value(self, name: str) -> Value:
        """An array as it lies there."""
        return self._arrays[f"{self.node.name}.{name}"]

    def exact(self, name: str) -> Array:
        """An array as 64-bit floats."""
        import numpy as np

        from ..weights import whole

        return whole(self.value(name)).astype(np.float64)

    def set(self, name: str, value: Array) -> None:
        """Another array of 32-bit floats."""
        import numpy as np

        with np.errstate(over="ignore"):  # infinite then, as it would be at run time
            self.put(name, np.asarray(value, np.float32, order="C"))

    def put(self, name: str, value: Value) -> None:
        """Another array as it is."""
        self._arrays[f"{self.node.name}.{name}"] = value

    def multiply(self, name: str, factors: Array, inner: int) -> None:
        """The array with a factor for each `inner` numbers."""
        import numpy as np

        from .arrays import Scaled

        value = self.value(name)
        self.put(name, Scaled(value.shape, value, factors.astype(np.float32), inner))


def fold(rewriting: Rewriting, index: int) -> bool:
    """Take what a SCALE or a BN does into the layer before it, else into all the layers after it; whether that could be."""
    affine = affine_of(Layer(rewriting, index))
    if affine is None:
        return False
    return _fold_back(rewriting, index, affine) or _fold_forward(rewriting, index, affine)


def affine_of(layer: Layer) -> Affine | None:
    """What a layer does at inference where that is one factor and one shift a channel, all of them finite 32-bit floats."""
    import numpy as np

    match layer.node.op:
        case Scale(learned=learned, init=init):
            affine = Affine(layer.exact("weight") if learned else np.full(layer.cin, float(init)), None)
        case BatchNorm(eps=eps, affine=trained):
            with np.errstate(all="ignore"):
                scale = 1 / np.sqrt(layer.exact("running_var") + eps)
                scale = scale * layer.exact("weight") if trained else scale
                shift = -layer.exact("running_mean") * scale
            affine = Affine(scale, shift + layer.exact("bias") if trained else shift)
        case _:
            return None
    largest = np.finfo(np.float32).max
    return affine if all((np.abs(of) <= largest).all() for of in (affine.scale, _shift(affine))) else None


def _fold_back(rewriting: Rewriting, index: int, affine: Affine) -> bool:
    before = rewriting.source(index)
    after = _AFTER.get(type(rewriting.nodes[before].op))
    if after is None or not rewriting.sole(before, index):
        return False
    op = after(Layer(rewriting, before), affine)
    if op is None:
        return False
    rewriting.absorb(index, before, op)
    return True


def _fold_forward(rewriting: Rewriting, index: int, affine: Affine) -> bool:
    """Into every layer that takes the value, at once or flattened first, if each of them can."""
    source, users = rewriting.source(index), sorted(rewriting.users[index])
    flat = [user for user in users if isinstance(rewriting.nodes[user].op, Flatten)]
    direct = [user for user in users if user not in flat]
    behind = [user for through in flat for user in sorted(rewriting.users[through])]
    if rewriting.output in (index, *flat):
        return False
    if not all(_can_take(rewriting.nodes[user].op, affine) for user in (*direct, *behind)):
        return False
    for user in direct:
        rewriting.put(user, _taken(rewriting, user, affine), source)
    for user in behind:
        rewriting.put(user, _taken(rewriting, user, affine))
    for through in flat:
        rewriting.lose(through)
        rewriting.put(through, rewriting.nodes[through].op, source)
    return True


def _taken(rewriting: Rewriting, user: int, affine: Affine) -> Op:
    """The layer with the affine in its weights, given anew for each position where a map was flattened."""
    layer = Layer(rewriting, user)
    spread = affine.spread(layer.cin // affine.scale.size)
    return _BEFORE[type(layer.node.op)](layer, spread)


def _shift(affine: Affine) -> Any:
    return 0.0 if affine.shift is None else affine.shift


# After a layer: y = scale·f(x) + shift


def _after_conv(layer: Layer, affine: Affine) -> Op:
    weight = layer.value("weight")
    layer.multiply("weight", affine.scale, weight.size // weight.shape[0])
    return _biased(layer, affine)


def _after_transposed(layer: Layer, affine: Affine) -> Op:
    """The weight is (in, out of its group, window): the inputs of a group share the factors of its outputs."""
    import numpy as np

    op = layer.node.op
    assert isinstance(op, ConvTranspose)
    weight = layer.value("weight")
    factors = np.repeat(affine.scale.reshape(op.groups, -1), layer.cin // op.groups, axis=0)
    layer.multiply("weight", factors.ravel(), weight.size // factors.size)
    return _biased(layer, affine)


def _biased(layer: Layer, affine: Affine) -> Op:
    op: Any = layer.node.op
    if not op.bias and affine.shift is None:
        return layer.node.op
    bias = layer.exact("bias") * affine.scale if op.bias else 0.0
    layer.set("bias", bias + _shift(affine))
    changed: Op = op.replace(bias=True)
    return changed


def _after_norm(layer: Layer, affine: Affine) -> Op:
    """A normalisation has a factor and a shift of its own, or gets them."""
    import numpy as np

    op: Any = layer.node.op
    scale = layer.exact("weight") if op.affine else np.ones(layer.cin)
    shift = layer.exact("bias") if op.affine else np.zeros(layer.cin)
    layer.set("weight", scale * affine.scale)
    layer.set("bias", shift * affine.scale + _shift(affine))
    changed: Op = op.replace(affine=True)
    return changed


def _after_scale(layer: Layer, affine: Affine) -> Op | None:
    if affine.shift is not None:
        return None
    own = affine_of(layer)
    if own is None:
        return None
    layer.set("weight", own.scale * affine.scale)
    op: Any = layer.node.op
    changed: Op = op.replace(learned=True)
    return changed


_AFTER: dict[type[Op], Callable[[Layer, Affine], Op | None]] = {
    Conv: _after_conv,
    Linear: _after_conv,
    ConvTranspose: _after_transposed,
    BatchNorm: _after_norm,
    LayerNorm: _after_norm,
    InstanceNorm: _after_norm,
    GroupNorm: _after_norm,
    Scale: _after_scale,
}
"""How a layer takes what comes after it; the operation that it then is, or None where it cannot."""


# Before a layer: y = f(scale·x + shift)


def _can_take(op: Op, affine: Affine) -> bool:
    """A shift reaches zeros that pad a map, where it does not belong; a transposed convolution always has such an edge."""
    match op:
        case Conv():
            return affine.shift is None or not any(map(any, op.pad))
        case ConvTranspose():
            return affine.shift is None
        case Linear() | BatchNorm():
            return True
    return False


def _before_conv(layer: Layer, affine: Affine) -> Op:
    """The weight is (out, in of its group, window): the outputs of a group share the factors of its inputs."""
    import numpy as np

    op: Any = layer.node.op
    weight, groups = layer.value("weight"), op.groups if isinstance(op, Conv) else 1
    width, per_group = weight.shape[:2]
    inner = weight.size // (width * per_group)
    if affine.shift is not None:
        taps = layer.exact("weight").reshape(groups, width // groups, per_group, inner).sum(axis=3)
        through = np.einsum("goi,gi->go", taps, affine.shift.reshape(groups, per_group)).ravel()
        layer.set("bias", through + (layer.exact("bias") if op.bias else 0.0))
        op = op.replace(bias=True)
    factors = affine.scale
    if groups > 1:
        factors = np.repeat(factors.reshape(groups, per_group), width // groups, axis=0).ravel()
    layer.multiply("weight", factors, inner)
    changed: Op = op
    return changed


def _before_transposed(layer: Layer, affine: Affine) -> Op:
    weight = layer.value("weight")
    layer.multiply("weight", affine.scale, weight.size // weight.shape[0])
    return layer.node.op


def _before_batch_norm(layer: Layer, affine: Affine) -> Op:
    """(scale·x + shift - mean)/σ·weight + bias, with the layer's own mean and σ, as (x - mean)/σ·weight' + bias'."""
    import numpy as np

    op: Any = layer.node.op
    weight = layer.exact("weight") if op.affine else np.ones(layer.cin)
    bias = layer.exact("bias") if op.affine else np.zeros(layer.cin)
    moved = _shift(affine) + (affine.scale - 1) * layer.exact("running_mean")
    layer.set("weight", weight * affine.scale)
    layer.set("bias", bias + weight * moved / np.sqrt(layer.exact("running_var") + op.eps))
    changed: Op = op.replace(affine=True)
    return changed


_BEFORE: dict[type[Op], Callable[[Layer, Affine], Op]] = {
    Conv: _before_conv,
    Linear: _before_conv,
    ConvTranspose: _before_transposed,
    BatchNorm: _before_batch_norm,
}
"""How a layer that can take it takes what comes before it; the operation that it then is."""
