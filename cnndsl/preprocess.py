"""The contract between images and a network: how a picture becomes its input, and what its outputs are called.

Resizing and cropping are torchvision's on Pillow images: a resize to one number scales the shorter side to it and the
longer side, rounded down, with it; filters are widened where they shrink (antialias); a crop is of the centre, halves
rounded to even. Then each value, 0 to 255, is multiplied by `scale`, the channel's mean is taken away and the rest divided
by its std.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

ORDERS: Final = ("rgb", "bgr", "grey")
LAYOUTS: Final = ("nhwc", "nchw")
TYPES: Final = ("uint8", "float32")
INTERPOLATIONS: Final = ("bilinear", "bicubic", "nearest")
BYTE: Final = 1 / 255
LARGEST_CONSTANT: Final = 1e15
"""Of a normalisation, and one over the smallest std and scale: so that float32 holds what it gives."""

Size = tuple[int, int]
"""Height and width."""


class Normalisation(Record):
    """What `normalise(NAME)` stands for; means and deviations of red, green and blue, or one for every channel."""

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    scale: float = BYTE


NORMALISATIONS: Final = {
    "imagenet": Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "inception": Normalisation((0.5,), (0.5,)),
    "cifar10": Normalisation((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "clip": Normalisation((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "mnist": Normalisation((0.1307,), (0.3081,)),
    "unit": Normalisation(),
    "none": Normalisation(scale=1.0),
}
"""By the name that a spec writes: the constants of torchvision, Inception's (x − 0.5)/0.5, CLIP's; 0 to 1; 0 to 255."""


class Preprocess(Record):
    """How an image becomes the input of a network, and the names of its classes.

    `image`, `layout` and `type` describe what is handed in: the order of its channels, N×H×W×C or N×C×H×W, bytes or floats
    from 0 to 255. `order` is that of the network's channels, and of `mean` and `std`, one each. `resize` is the length of
    the shorter side, or height and width; what is not done is None.
    """

    image: str
    order: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float = BYTE
    resize: int | Size | None = None
    interpolation: str = "bilinear"
    crop: Size | None = None
    layout: str = "nhwc"
    type: str = "uint8"
    labels: tuple[str, ...] | None = None

    @property
    def size(self) -> Size | None:
        """Height and width of what comes out; None where they are the image's, or follow from them."""
        return self.crop or (self.resize if isinstance(self.resize, tuple) else None)

    @property
    def fixed(self) -> bool:
        """Whether images are taken as they are, and so must have the input's size."""
        return self.resize is None and self.crop is None

    @property
    def factors(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """What each channel is multiplied by, and what is added then: the normalisation in one step."""
        return tuple(self.scale / std for std in self.std), tuple(
            -mean / std for mean, std in zip(self.mean, self.std, strict=True)
        )

    def json(self) -> dict[str, Any]:
        """Plain data, the labels with it."""
        return {
            "image": self.image,
            "layout": self.layout,
            "type": self.type,
            "order": self.order,
            "resize": list(self.resize) if isinstance(self.resize, tuple) else self.resize,
            "interpolation": self.interpolation,
            "crop": None if self.crop is None else list(self.crop),
            "scale": self.scale,
            "mean": list(self.mean),
            "std": list(self.std),
            "labels": None if self.labels is None else list(self.labels),
        }

    def steps(self) -> tuple[str, ...]:
        """The steps of the `preprocess` statement that says all of this, labels that can be written there with it."""
        found = [f"image({self.image}, {self.layout}, {self.type})", f"order({self.order})"]
        if self.resize is not None:
            size = self.resize if isinstance(self.resize, int) else _times(self.resize)
            found.append(f"resize({size}, {self.interpolation})")
        if self.crop is not None:
            found.append(f"crop({_times(self.crop)})")
        found.append(f"normalise(mean={_tuple(self.mean)}, std={_tuple(self.std)}, scale={_number(self.scale)})")
        if self.labels is not None and writable(self.labels):
            quoted = ", ".join(f'"{label}"' for label in self.labels)
            found.append(f"labels({quoted})")
        return tuple(found)


def writable(labels: Sequence[str]) -> bool:
    """Whether labels can stand in a spec: one alone would be a file's name, and text in quotes holds no quotes."""
    return len(labels) > 1 and not any('"' in label for label in labels)


def order_of(channels: object) -> str | None:
    """The usual order of so many channels; None where images have not so many."""
    return {1: "grey", 3: "rgb"}.get(channels) if isinstance(channels, int) else None


def channels_of(order: str) -> int:
    """How many channels an order has."""
    return 1 if order == "grey" else 3


def reachable(image: str, order: str) -> bool:
    """Whether the channels of an image can be brought into an order: colours become grey, grey does not become colours."""
    return image != "grey" or order == "grey"


def _times(size: Size) -> str:
    return "x".join(map(str, size))


def _tuple(values: tuple[float, ...]) -> str:
    return _number(values[0]) if len(values) == 1 else f"({', '.join(map(_number, values))})"


def _number(value: float) -> str:
    """As the language writes it: `repr` of floats may have exponents, which are numbers there too."""
    return "1/255" if value == BYTE else repr(float(value)).removesuffix(".0")
