"""What every layer of the language is: typed arguments with defaults, resolved for the input that comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ..record import Record

if TYPE_CHECKING:
    from ..shape import Shape
    from .base import Op, Problem

# The kinds of arguments: `arguments` tells at once what is plainly of a kind, `models` gives each to pydantic.
Positive = int
NonNegative = int
Width = int
Flag = bool
Real = float
PositiveReal = float
NonZeroReal = float
Probability = float
DropRate = float
Margins = int | tuple[int, ...]
Approximation = Literal["none", "tanh"]
UpMode = Literal["nearest", "linear", "bilinear", "trilinear"]
PadMode = Literal["constant", "reflect", "replicate"]


class Parameters(Record):
    """The arguments of one layer as a spec may write them; the annotations name their kinds.

    `names` are the layer's names, upper case; `positional` the arguments that may go without a name, in order;
    `written` gives the field of an argument whose name Python keeps for itself. A field `kernel`, `width` or `stride`
    means that the layer takes one. Where `bare_width` is true, elaboration fills in a missing width. A layer that is
    several operations of one standing names them in `parts`.
    """

    names: ClassVar[tuple[str, ...]]
    positional: ClassVar[tuple[str, ...]] = ()
    written: ClassVar[dict[str, str]] = {}
    bare_width: ClassVar[bool] = False
    parts: ClassVar[tuple[str, ...]] = ()

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        """The operations that this layer is on an input of this shape, in order; none for ID."""
        raise NotImplementedError
