"""What a network of the corpus is in plain PyTorch: one function for the broken network and the sound one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Function = Callable[[Any, Any, Any], Any]
"""`network(nn, x, value)`: `nn` is `torch.nn`, `x` a batch, and `value` what the broken and the sound network differ in.

It is plain PyTorch. Layers are named through `nn` so that another `nn` and another `x` can record the network without running
it, which is how it comes to be written in other tools' formats.
"""


class Budget(NamedTuple):
    """A bound on a whole network: `parameters <= 6000`."""

    metric: str
    relation: str
    bound: int


class Named(int):
    """A number that goes by the name of a parameter."""

    name: str

    def __new__(cls, name: str, value: int) -> Named:
        number = super().__new__(cls, value)
        number.name = name
        return number


class Case(NamedTuple):
    """A network by PyTorch. Its name is the function's, and that of both specs.

    `sizes` are the inputs, without the batch, in which `{}` stands for the value; a network for several sizes is run on all.
    `why` tells why PyTorch cannot refuse the broken network: it cannot be said there, or runs.
    """

    network: Function
    sizes: tuple[str, ...]
    broken: Any
    sound: Any
    why: str = ""
    budget: Budget | None = None

    @property
    def name(self) -> str:
        return self.network.__name__

    def inputs(self, value: Any) -> list[tuple[int, ...]]:
        """The shapes that come in."""
        return [tuple(int(size) for size in text.replace("{}", str(value)).split("x")) for text in self.sizes]


def chain(x: Any, *layers: Any) -> Any:
    """One layer after the other."""
    for layer in layers:
        x = layer(x)
    return x
