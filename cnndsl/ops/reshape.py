"""What moves values without computing: UP, SHUFFLE, SLICE, PAD, CROP, ID; and SCALE, a factor a channel."""

from __future__ import annotations

from typing import ClassVar, Literal

from ..shape import Shape
from .base import Op, Problem, Weight, channels_of, needs_map, undivided, unfixed
from .conditions import AtLeast, Condition
from .conv import wrong_axes
from .parameters import Flag, Margins, NonNegative, PadMode, Parameters, Positive, Real, UpMode
from .windows import Pads, Window, both_ends, spread


class Upsample(Op):
    """By whole factors; `linear` is linear, bilinear or trilinear by rank, with align_corners=False."""

    kind: ClassVar[str] = "upsample"
    layer: ClassVar[str] = "UP"
    scale: tuple[int, ...]
    mode: Literal["nearest", "linear"]

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        return needs_map("UP", inputs[0]) or wrong_axes(inputs[0], self.scale)

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        (x,) = inputs
        return Shape(x.channels, tuple(n * scale for n, scale in zip(x.spatial, self.scale, strict=True)))

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return 2 * 2**output.rank * output.elements if self.mode == "linear" else 0


class Shuffle(Op):
    """Channel shuffle: (groups, C/groups) transposed."""

    kind: ClassVar[str] = "shuffle"
    layer: ClassVar[str] = "SHUFFLE"
    groups: int

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        return undivided("SHUFFLE", inputs[0], self.groups)


class Slice(Op):
    """Channels from `start` to `stop`, exclusive."""

    kind: ClassVar[str] = "slice"
    layer: ClassVar[str] = "SLICE"
    start: int
    stop: int

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        (x,) = inputs
        problem = unfixed("SLICE", x)
        if problem is None and not 0 <= self.start < self.stop <= channels_of(x):
            problem = Problem(
                "CNN111",
                f"channels {self.start} to {self.stop} are not among {x.channels}",
                f"0 <= from < to <= {x.channels}",
                f"from {self.start}, to {self.stop}",
            )
        return problem

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        return Shape(self.stop - self.start, inputs[0].spatial)

    def written(self) -> tuple[str, dict[str, object]]:
        return self.layer, {"from": self.start, "to": self.stop}


class Pad(Op):
    """`pads` per axis, `channels` once, (before, after); `mode` as torch.nn.functional.pad's, `value` for constant."""

    kind: ClassVar[str] = "pad"
    layer: ClassVar[str] = "PAD"
    pads: Pads
    mode: Literal["constant", "reflect", "replicate"]
    value: float
    channels: tuple[int, int] = (0, 0)

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        problem = needs_map("PAD", inputs[0]) or wrong_axes(inputs[0], tuple(before for before, _ in self.pads))
        if problem or not any(self.channels):
            return problem
        if self.mode != "constant":
            return Problem(
                "CNN108", f"PAD adds channels of a constant, not by {self.mode}", "constant", self.mode, argument="mode"
            )
        return unfixed("PAD", inputs[0])

    def conditions(self, inputs: tuple[Shape, ...]) -> tuple[Condition, ...]:
        if self.mode != "reflect":
            return ()
        found: list[Condition] = []
        for n, pads in zip(inputs[0].spatial, self.pads, strict=True):
            problem = Problem(
                "CNN113",
                f"reflected padding {max(pads)} needs more than {max(pads)} values, and there are {n}",
                f"less than {n}",
                str(max(pads)),
                argument="pad",
            )
            found.append(AtLeast(n, max(pads) + 1, problem))
        return tuple(found)

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        (x,) = inputs
        channels = channels_of(x) + sum(self.channels) if any(self.channels) else x.channels
        return Shape(channels, tuple(n + sum(pads) for n, pads in zip(x.spatial, self.pads, strict=True)))

    def written(self) -> tuple[str, dict[str, object]]:
        return self.layer, {"pad": self.pads, "mode": self.mode, "value": self.value, "channels": self.channels}


class Crop(Op):
    """Takes (before, after) off each axis."""

    kind: ClassVar[str] = "crop"
    layer: ClassVar[str] = "CROP"
    crops: Pads

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        return needs_map("CROP", inputs[0]) or wrong_axes(inputs[0], tuple(before for before, _ in self.crops))

    def conditions(self, inputs: tuple[Shape, ...]) -> tuple[Condition, ...]:
        found: list[Condition] = []
        for n, crops in zip(inputs[0].spatial, self.crops, strict=True):
            taken = sum(crops)
            problem = Problem(
                "CNN105",
                f"CROP takes {taken} off {n} and leaves nothing",
                f"less than {n}",
                str(taken),
                argument="crop",
            )
            found.append(AtLeast(n, taken + 1, problem))
        return tuple(found)

    def output(self, inputs: tuple[Shape, ...]) -> Shape:
        (x,) = inputs
        return Shape(x.channels, tuple(n - sum(crops) for n, crops in zip(x.spatial, self.crops, strict=True)))

    def written(self) -> tuple[str, dict[str, object]]:
        return self.layer, {"crop": self.crops}


class Scale(Op):
    """One factor a channel: learned, from `init` (ConvNeXt's layer scale; weight (C,)), or `init` for good."""

    kind: ClassVar[str] = "scale"
    layer: ClassVar[str] = "SCALE"
    init: float
    learned: bool = True

    def refuse(self, inputs: tuple[Shape, ...]) -> Problem | None:
        return unfixed("SCALE", inputs[0])

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        return (Weight("weight", (channels_of(inputs[0]),), "scale"),) if self.learned else ()

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> int:
        return output.elements


class UpParameters(Parameters):
    """UP(2), UP(2, bilinear): to a multiple of the resolution."""

    names: ClassVar = ("UP",)
    positional: ClassVar = ("scale", "mode")
    scale: Window = 2
    mode: UpMode = "nearest"

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        scale = needs_map("UP", x) or spread(x, "scale", self.scale)
        if isinstance(scale, Problem):
            return scale
        linear = ("", "linear", "bilinear", "trilinear")[x.rank]
        if self.mode not in ("nearest", "linear", linear):
            return Problem(
                "CNN108", f"UP is {linear} on {x}, not {self.mode}", f"nearest, {linear}", self.mode, argument="mode"
            )
        return (Upsample(scale, "nearest" if self.mode == "nearest" else "linear"),)


class ShuffleParameters(Parameters):
    """SHUFFLE(2): mixes the channels of groups (ShuffleNet)."""

    names: ClassVar = ("SHUFFLE",)
    positional: ClassVar = ("groups",)
    groups: Positive = 2

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return (Shuffle(self.groups),)


class SliceParameters(Parameters):
    """SLICE(from), SLICE(from, to): the channels from `from` up to, without, `to`, which is their number by default."""

    names: ClassVar = ("SLICE",)
    positional: ClassVar = ("from", "to")
    written: ClassVar = {"from": "start", "to": "stop"}
    start: NonNegative
    stop: Positive | None = None

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        problem = unfixed("SLICE", x)
        return problem or (Slice(self.start, channels_of(x) if self.stop is None else self.stop),)


class PadParameters(Parameters):
    """PAD(1), PAD((l, r, t, b), mode=reflect, value=0): more positions around a map; PAD(0, channels=(0, 16)): channels."""

    names: ClassVar = ("PAD",)
    positional: ClassVar = ("pad", "mode", "value")
    pad: Margins
    mode: PadMode = "constant"
    value: Real = 0.0
    channels: Margins = 0

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        pads = needs_map("PAD", x) or both_ends(x, "pad", self.pad)
        if isinstance(pads, Problem):
            return pads
        ends = self.channels if isinstance(self.channels, tuple) else (self.channels,) * 2
        if len(ends) != 2:
            written = f"({', '.join(map(str, ends))})"
            return Problem(
                "CNN108",
                "channels are padded at two ends",
                "one number, or (before, after)",
                written,
                argument="channels",
            )
        return (Pad(pads, self.mode, self.value, ends),)


class CropParameters(Parameters):
    """CROP(1), CROP((l, r, t, b)): fewer positions."""

    names: ClassVar = ("CROP",)
    positional: ClassVar = ("crop",)
    crop: Margins

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        crops = needs_map("CROP", x) or both_ends(x, "crop", self.crop)
        return crops if isinstance(crops, Problem) else (Crop(crops),)


class ScaleParameters(Parameters):
    """SCALE: one learned factor a channel, small at first (layer scale); SCALE(0.1, learned=false): a constant factor."""

    names: ClassVar = ("SCALE",)
    positional: ClassVar = ("init",)
    init: Real = 1e-6
    learned: Flag = True

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return (Scale(self.init, self.learned),)


class IdentityParameters(Parameters):
    """ID: the value as it is."""

    names: ClassVar = ("ID",)

    def build(self, x: Shape) -> tuple[Op, ...] | Problem:
        return ()
