"""A network in PyTorch with its numbers rounded as a precision rounds them: what a file in that precision may lose."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import fx

from cnndsl.ir import Graph
from cnndsl.lower.scopes import key
from cnndsl.lower.torch import EXPRESSIONS

Rounding = Callable[[torch.Tensor], torch.Tensor]


def rounded(graph: Graph, module: torch.nn.Module, x: torch.Tensor, value: Rounding, weight: Rounding) -> torch.Tensor:
    """The output with the value of every node and every weight rounded, computed in 64 bits; the module stays as it is."""
    module = deepcopy(module)
    for parameter in module.parameters():
        parameter.data = weight(parameter.data)
    values = {0: value(x.double())}
    for index in sorted(graph.live - {0}):
        node = graph.nodes[index]
        inputs = [values[i].clone() for i in node.inputs]
        call = module.get_submodule(key(node.name)) if type(node.op) not in EXPRESSIONS else None
        if call is None:
            drawn = fx.Graph()
            places = tuple(drawn.placeholder(f"x{i}") for i in range(len(inputs)))
            ranks = tuple(graph.nodes[i].shape.rank for i in node.inputs)
            drawn.output(EXPRESSIONS[type(node.op)](drawn, node.op, places, ranks))
            call = fx.GraphModule({}, drawn)
        with torch.no_grad():
            values[index] = value(call(*inputs))
    return values[graph.output]


def half(x: torch.Tensor) -> torch.Tensor:
    """To FP16."""
    return x.half().double()


def levels(x: torch.Tensor, count: int = 127) -> torch.Tensor:
    """To so many levels on either side of 0, of the whole."""
    return _rounded(x, x.abs().max() / count) if x.numel() else x


def levels_a_channel(x: torch.Tensor, count: int = 127) -> torch.Tensor:
    """To so many levels on either side of 0, a channel of a weight; what has one axis is a bias, and stays."""
    return x if x.ndim < 2 else _rounded(x, x.abs().amax(dim=tuple(range(1, x.ndim)), keepdim=True) / count)


def _rounded(x: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    return torch.where(step > 0, (x / step).round() * step, x)
