"""A random spec compiled, with random weights: what the random tests begin with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from hypothesis import Phase, settings
from notation import Spec, written
from reference import Run

from cnndsl.compiler import Compiled, Text, compile_text, dimensions
from cnndsl.ir import Graph
from cnndsl.lower.torch import load_arrays, to_module
from cnndsl.source import Source

Arrays = dict[str, np.ndarray]
TOLERANCE = 1e-4
"""Of float32 on two backends, relative to the largest value."""


LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
unshrunk = settings(phases=[Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if LONG else [])])
"""Shrinking a network takes minutes, and its text is easily read as it is: only in the long profile."""


def compiled(spec: Spec, dimensions_: str | None = None, fixed: str | None = None) -> Compiled:
    """What the compiler makes of a spec; `dimensions_` stand in its text, `fixed` is given from outside."""
    text = Text(Source("random.cnn", written(spec, dimensions_)))
    return compile_text(text, dict(spec.settings), dimensions(fixed) if fixed else None)


def graph_of(spec: Spec) -> Graph:
    """The graph of a spec in which there is nothing to report."""
    result = compiled(spec)
    assert result.graph is not None and not result.diagnostics, said(result)
    return result.graph


def said(result: Compiled) -> str:
    """What the compiler reported."""
    return f"{[(d.code, d.message, d.expected, d.found) for d in result.diagnostics]}\n{result.file.source.text}"


def random_arrays(graph: Graph) -> Arrays:
    """Weights in which no two values are alike, so that nothing can be mistaken for another."""
    random = np.random.default_rng(0)
    arrays: Arrays = {}
    for node in graph.nodes[1:]:
        for weight in node.op.weights(graph.inputs(node)):
            values = random.normal(0, 1 / max(1, weight.fan_in) ** 0.5, weight.shape)
            if weight.role == "variance":
                values = random.uniform(0.5, 2, weight.shape)
            if weight.role == "counter":
                values = np.zeros(weight.shape, np.int64)
            arrays[f"{node.name}.{weight.name}"] = values.astype(np.int64 if weight.role == "counter" else np.float32)
    return arrays


def module_of(graph: Graph, arrays: Arrays) -> torch.nn.Module:
    """The lowered network with these weights."""
    module = to_module(graph)
    load_arrays(module, arrays)
    return module


def batch(spec: Spec, size: int) -> torch.Tensor:
    """A random batch, float64."""
    generator = torch.Generator().manual_seed(size)
    return torch.randn((size, *spec.input), generator=generator, dtype=torch.float64)


def reference_run(spec: Spec, graph: Graph, arrays: Arrays, *, training: bool) -> Run:
    """A run by torch.nn that takes the weights of each operation from those of the node with its number."""

    def state(number: int) -> Mapping[str, Any]:
        prefix = graph.nodes[number + 1].name + "."
        return {
            name.removeprefix(prefix): torch.as_tensor(array)
            for name, array in arrays.items()
            if name.startswith(prefix) and "." not in name.removeprefix(prefix)
        }

    return Run(spec, training=training, state=state)


def near(found: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-9) -> bool:
    """Whether two results agree, relative to the largest value; what is not finite must be the same."""
    if found.shape != expected.shape:
        return False
    finite = torch.isfinite(expected)
    if not torch.equal(torch.nan_to_num(found[~finite]), torch.nan_to_num(expected[~finite])):
        return False
    found, expected = found[finite].double(), expected[finite].double()
    if not expected.numel():
        return True
    return bool((found - expected).abs().max() <= tolerance * max(1e-3, float(expected.abs().max())))
