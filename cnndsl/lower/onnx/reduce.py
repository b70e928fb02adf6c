"""What several lowerings share: reductions along axes and broadcasting of one number a channel."""

from __future__ import annotations

from ...weights import Array
from .emit import Attribute, Emitter

_AXES_AS_INPUT_OPSET = 18


def reduce(at: Emitter, operator: str, value: str, axes: tuple[int, ...], *, keep: bool, part: str | None) -> str:
    """ReduceMean or ReduceMax; up to opset 17 the axes are an attribute. `part` None makes the node's own value."""
    inputs, attributes = [value], dict[str, Attribute](keepdims=int(keep))
    if at.opset >= _AXES_AS_INPUT_OPSET:
        inputs.append(at.integers(f"{part or 'reduced'}_axes", axes))
    else:
        attributes["axes"] = axes
    if part is not None:
        return at.part(part, operator, *inputs, **attributes)
    at.emit(operator, *inputs, **attributes)
    return at.output


def maximum_of_windows(at: Emitter, value: str, axis: int, windows: Array, part: str | None = None) -> str:
    """The maximum over each row of `windows`, indices along `axis`; one output a row."""
    name = part or "window"
    gathered = at.part(f"{name}_values", "Gather", value, at.integers(f"{name}_indices", windows), axis=axis)
    return reduce(at, "ReduceMax", gathered, (axis + 1,), keep=False, part=part)


def stretch(at: Emitter, value: str, rank: int, part: str = "stretched", first: int = 1) -> str:
    """A value with `rank` axes of length one put in at `first`, to broadcast over spatial axes."""
    if rank == 0:
        return value
    return at.part(part, "Unsqueeze", value, at.integers(f"{part}_axes", range(first, first + rank)))
