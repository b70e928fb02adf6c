"""Activations."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np

from ...ops.activation import Activation, Maxout, PRelu, Softmax
from .emit import Attribute, Emitter
from .reduce import maximum_of_windows, stretch

_GELU_OPSET = 20
_MISH_OPSET = 18
"""Where the operators came in; older opsets get their definitions."""


def activation(op: Activation, at: Emitter) -> None:
    """One operator where ONNX has it, else the function's definition."""
    match op.function:
        case "relu6":
            at.emit("Clip", at.input, at.floats("low", 0.0), at.floats("high", 6.0))
        case "hardsigmoid":
            at.emit("HardSigmoid", at.input, alpha=1 / 6, beta=0.5)
        case "silu":
            at.emit("Mul", at.input, at.part("sigmoid", "Sigmoid", at.input))
        case "gelu":
            _gelu(op, at)
        case "mish":
            _mish(at)
        case "softplus":
            _softplus(1.0 if op.alpha is None else op.alpha, at)
        case function:
            at.emit(_OPERATORS[function], at.input, **_alpha(op))


_OPERATORS = {
    "relu": "Relu",
    "leaky_relu": "LeakyRelu",
    "elu": "Elu",
    "selu": "Selu",
    "celu": "Celu",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "hardswish": "HardSwish",
}


def _alpha(op: Activation) -> dict[str, Attribute]:
    return {} if op.alpha is None else {"alpha": float(op.alpha)}


def _gelu(op: Activation, at: Emitter) -> None:
    if at.opset >= _GELU_OPSET:
        at.emit("Gelu", at.input, approximate="tanh" if op.approximate else "none")
        return
    if op.approximate:
        cube = at.part("cube", "Mul", at.part("square", "Mul", at.input, at.input), at.input)
        bent = at.part("bent", "Add", at.input, at.part("term", "Mul", cube, at.floats("c3", 0.044715)))
        bend = at.part("tanh", "Tanh", at.part("scaled", "Mul", bent, at.floats("c1", sqrt(2 / pi))))
    else:
        bend = at.part("erf", "Erf", at.part("scaled", "Div", at.input, at.floats("root2", sqrt(2))))
    weighted = at.part("weighted", "Mul", at.input, at.part("raised", "Add", bend, at.floats("one", 1.0)))
    at.emit("Mul", weighted, at.floats("half", 0.5))


def _mish(at: Emitter) -> None:
    if at.opset >= _MISH_OPSET:
        at.emit("Mish", at.input)
        return
    at.emit("Mul", at.input, at.part("tanh", "Tanh", at.part("softplus", "Softplus", at.input)))


def _softplus(beta: float, at: Emitter) -> None:
    """log(1 + e^(beta x))/beta; above PyTorch's threshold of 20 it is x to the last bit of a 32-bit float anyway."""
    if beta == 1:
        at.emit("Softplus", at.input)
        return
    factor = at.floats("beta", beta)
    at.emit("Div", at.part("softplus", "Softplus", at.part("scaled", "Mul", at.input, factor)), factor)


def prelu(op: PRelu, at: Emitter) -> None:
    """PRelu; a slope a channel is stretched over the axes."""
    slope = at.weight("weight")
    assert slope is not None
    at.emit("PRelu", at.input, stretch(at, slope, at.rank) if op.per_channel else slope)


def maxout(op: Maxout, at: Emitter) -> None:
    """Gather the pieces of every output channel beside each other, then their maximum."""
    channels = at.shapes[0].channels
    if not isinstance(channels, int):
        raise at.refuse(f"MAXOUT over {channels} channels, which is no fixed number")
    windows = np.arange(channels).reshape(-1, op.pieces)
    maximum_of_windows(at, at.input, 1, windows)


def softmax(op: Softmax, at: Emitter) -> None:
    """Softmax over the channels."""
    at.emit("Softmax", at.input, axis=1)
