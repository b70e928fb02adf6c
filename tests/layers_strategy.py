"""Random layers with arguments that may do on a value, for hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from notation import Binary, Expression, Layer, Name
from reference import Frame
from reference_layers import LAYERS, Value

EVERYWHERE = (
    "BN", "LN", "GN", "RELU", "RELU6", "LRELU", "PRELU", "ELU", "SELU", "CELU", "GELU", "SILU", "SWISH", "MISH", "SIGMOID",
    "TANH", "HSWISH", "HSIGMOID", "SOFTPLUS", "MAXOUT", "SOFTMAX", "DROPOUT", "DROPPATH", "SHUFFLE", "SLICE", "SCALE", "ID",
)  # fmt: skip
FLATTENING = ("FC", "FLATTEN")
ON_MAPS = (
    "CONV", "CONV", "CONV", "CONV", "DWCONV", "SEPCONV", "UPCONV", "UPCONV", "POOL", "POOL", "POOL", "MAXPOOL", "AVGPOOL",
    "AVGPOOL", "ADAPTIVEAVGPOOL", "ADAPTIVEMAXPOOL", "IN", "LRN", "NORM", "UP", "UP", "PAD", "PAD", "CROP",
)  # fmt: skip
ENDING = ("GAP", "GMP")
assert set(EVERYWHERE + FLATTENING + ON_MAPS + ENDING) >= set(LAYERS)


class Numbers:
    """Draws numbers, and ways to write them."""

    def __init__(self, draw: Callable[..., Any]) -> None:
        self.draw = draw

    def integer(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, max(low, high))))

    def flag(self) -> bool:
        return bool(self.draw(st.booleans()))

    def of(self, *values: Any) -> Any:
        return values[0] if len(values) == 1 else self.draw(st.sampled_from(values))

    def one_in(self, n: int) -> bool:
        return self.integer(1, n) == n

    def spelled(self, n: int, frame: Frame) -> Expression:
        """A number as it is, or by the names in scope."""
        names = [(name, value) for name, value in frame.names.items() if isinstance(value, int)]
        if not names or not self.one_in(2):
            return n
        ways: list[Expression] = [n]
        for name, value in names:
            if value == n:
                ways += [Name(name)] * 3
            elif value > n:
                ways.append(Binary("-", Name(name), value - n))
            else:
                ways.append(Binary("+", Name(name), n - value))
            if value and n % value == 0:
                ways.append(Binary("*", n // value, Name(name)))
            if n and value // n and value // (value // n) == n:
                ways.append(Binary("//", Name(name), value // n))
        return self.of(*ways)


class Arguments(Numbers):
    """Draws the arguments of one layer on one value; `marks` are its kernel, width and stride."""

    def __init__(self, draw: Callable[..., Any], name: str, value: Value, frame: Frame) -> None:
        super().__init__(draw)
        self.name = name
        self.value = value
        self.frame = frame
        self.marks: dict[str, Any] = {}
        self.given: dict[str, Any] = {}
        self.smallest = min(value.x.shape[2:], default=1)

    def layer(self) -> Layer:
        """The layer."""
        FAMILIES.get(self.name, Arguments.nothing)(self)
        style = self.integer(0, 63) | (self.name == "IN")  # `in` is a word of the language
        return Layer(self.name, **self.marks, arguments=tuple(self.given.items()), style=style)

    def number(self, low: int, high: int) -> Expression:
        """A number as it is, or by the names in scope."""
        return self.spelled(self.integer(low, high), self.frame)

    def window(self, low: int, high: int) -> Expression:
        """One number for all axes, or one an axis."""
        if self.value.rank > 1 and self.one_in(4):
            return tuple(self.integer(low, high) for _ in range(self.value.rank))
        return self.number(low, high)

    def padding(self, high: int, uneven: bool = True) -> Expression:
        """One number, one an axis, or two an axis."""
        if uneven and self.one_in(3):
            return tuple(self.integer(0, high) for _ in range(2 * self.value.rank))
        return self.window(0, high)

    def divisor(self) -> int:
        """A number that divides the channels."""
        return int(self.of(*(n for n in range(1, self.value.channels + 1) if self.value.channels % n == 0)))

    def sometimes(self, argument: str, make: Callable[[], Any], n: int = 3) -> None:
        """Give an argument, once in n times."""
        if self.one_in(n):
            self.given[argument] = make()

    def same(self) -> None:
        """Sometimes pad=same, where it has a meaning."""
        strided = self.marks["stride"] != (None if "CONV" in self.name else 1)
        if not (self.value.open and strided) and self.one_in(5):
            self.given["pad"] = "same"

    def nothing(self) -> None:
        """No arguments."""

    def convolution(self) -> None:
        self.marks["kernel"] = self.of(None, 1, self.window(1, min(5, self.smallest + 1)))
        if not self.one_in(12):
            self.marks["width"] = self.number(1, 6)
        self.marks["stride"] = self.of(None, self.window(1, 3))
        self.sometimes("bias", self.flag)
        self.sometimes("dilation", lambda: self.window(1, 2), 5)
        self.sometimes("pad", lambda: self.padding(2, uneven=self.name != "UPCONV"))

    def grouped(self, n: int) -> None:
        """Sometimes in groups."""
        if self.one_in(n):
            groups = self.divisor()
            self.marks["width"] = self.spelled(groups * self.integer(1, 2), self.frame)
            self.given["groups"] = self.spelled(groups, self.frame)

    def conv(self) -> None:
        self.convolution()
        self.same()
        self.grouped(3)

    def depthwise(self) -> None:
        self.convolution()
        self.same()
        width = self.value.channels * self.integer(1, 2)
        self.marks["width"] = self.of(None, None, self.spelled(width, self.frame))

    def separable(self) -> None:
        self.convolution()
        self.same()

    def transposed(self) -> None:
        self.convolution()
        self.sometimes("output_padding", lambda: self.window(0, 1))
        self.grouped(4)

    def pool(self) -> None:
        self.marks["kernel"] = self.of(None, self.window(1, min(4, self.smallest + 1)))
        self.marks["stride"] = self.of(None, self.window(1, 3))
        self.sometimes("pad", lambda: self.padding(2, uneven=self.name != "AVGPOOL"), 2)
        self.same()
        self.sometimes("ceil", self.flag, 2)
        if self.name == "AVGPOOL":
            self.sometimes("count_include_pad", self.flag)
        else:
            self.sometimes("dilation", lambda: self.window(1, 2), 5)

    def linear(self) -> None:
        self.marks["width"] = self.number(1, 8)
        self.sometimes("bias", self.flag)

    def norm(self) -> None:
        self.sometimes("eps", lambda: self.of(1e-3, 1e-05))
        self.sometimes("affine", self.flag)
        if self.name == "BN":
            self.sometimes("momentum", lambda: self.of(0, 0.3, 1))

    def group_norm(self) -> None:
        self.given["groups"] = self.spelled(self.divisor(), self.frame)
        self.sometimes("affine", self.flag)

    def local_response(self) -> None:
        self.sometimes("size", lambda: self.number(1, 6))
        self.sometimes("alpha", lambda: self.of(0.1, 1))
        self.sometimes("beta", lambda: self.of(0.5, 1))
        self.sometimes("k", lambda: self.of(1, 1.5))

    def prelu(self) -> None:
        self.sometimes("per_channel", self.flag)
        self.sometimes("init", lambda: 0.5)

    def scale(self) -> None:
        self.sometimes("init", lambda: self.of(0.5, -1, 2), 1)
        self.sometimes("learned", self.flag)

    def dividing(self) -> None:
        """MAXOUT and SHUFFLE."""
        argument = "pieces" if self.name == "MAXOUT" else "groups"
        self.given[argument] = self.spelled(self.divisor(), self.frame)

    def channel_slice(self) -> None:
        start = self.integer(0, self.value.channels - 1)
        self.given["from"] = self.spelled(start, self.frame)
        self.sometimes("to", lambda: self.number(start + 1, self.value.channels), 2)

    def up(self) -> None:
        linear = ("", "linear", "bilinear", "trilinear")[self.value.rank]
        self.sometimes("scale", lambda: self.window(1, 3), 2)
        self.sometimes("mode", lambda: self.of("nearest", "linear", linear), 2)

    def pad(self) -> None:
        self.given["pad"] = self.padding(2)
        self.sometimes("mode", lambda: self.of("constant", "reflect", "replicate"), 2)
        self.sometimes("value", lambda: self.of(0.5, -1))
        if self.given.get("mode", "constant") == "constant":
            self.sometimes("channels", lambda: self.of(1, (0, 2), (3, 0)))

    def crop(self) -> None:
        self.given["crop"] = self.padding(1)

    def adaptive(self) -> None:
        self.given["size"] = self.window(1, 4)


def _one(argument: str, *values: Any, n: int = 3) -> Callable[[Arguments], None]:
    """A layer with one argument, of a few values."""
    return lambda draw: draw.sometimes(argument, lambda: draw.of(*values), n)


FAMILIES: dict[str, Callable[[Arguments], None]] = {
    "CONV": Arguments.conv,
    "DWCONV": Arguments.depthwise,
    "SEPCONV": Arguments.separable,
    "UPCONV": Arguments.transposed,
    **dict.fromkeys(("POOL", "MAXPOOL", "AVGPOOL"), Arguments.pool),
    **dict.fromkeys(("ADAPTIVEAVGPOOL", "ADAPTIVEMAXPOOL"), Arguments.adaptive),
    "FC": Arguments.linear,
    **dict.fromkeys(("BN", "LN", "IN"), Arguments.norm),
    "GN": Arguments.group_norm,
    **dict.fromkeys(("LRN", "NORM"), Arguments.local_response),
    "LRELU": _one("negative_slope", 0, 0.1, -0.5),
    **dict.fromkeys(("ELU", "CELU"), _one("alpha", 0.5, 2)),
    "SOFTPLUS": _one("beta", 0.5, 2),
    "GELU": _one("approximate", "none", "tanh"),
    "PRELU": Arguments.prelu,
    **dict.fromkeys(("DROPOUT", "DROPPATH"), _one("p", 0, 0.2, 0.9, n=2)),
    **dict.fromkeys(("MAXOUT", "SHUFFLE"), Arguments.dividing),
    "SLICE": Arguments.channel_slice,
    "SCALE": Arguments.scale,
    "UP": Arguments.up,
    "PAD": Arguments.pad,
    "CROP": Arguments.crop,
}
