"""Which layers stay in float."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from ..ir import Graph
from ..ops.activation import Activation, Softmax
from .measuring import run, sqnr
from .qdq import Quantiser
from .report import Layer, Report, Step
from .samples import Samples

LOOKED_AT = 16
"""How many inputs tell how sensitive a layer is: noise is a sum over all scores, and soon known."""

Watch: TypeAlias = Callable[[Sequence[str]], Iterable[str]]
"""What may show how far a loop over the names of layers has come."""


class LossTooLarge(Exception):
    """INT8 costs more than it may, whatever stays in float; the message says how much, `report` all that was found."""

    def __init__(self, message: str, report: Report) -> None:
        super().__init__(message)
        self.report = report


def sensitivities(quantiser: Quantiser, graph: Graph, samples: Samples, watch: Watch) -> tuple[Layer, ...]:
    """Each layer with what the network's scores lose where it alone is quantised."""
    looked_at = samples.spread(LOOKED_AT)
    scores = _scores(graph, quantiser)
    folder = quantiser.outside.folder
    expected = run(quantiser.outside.model, looked_at, folder, scores)
    operations = {node.name: node.op.kind for node in graph.nodes}
    found = []
    for name in watch(list(quantiser.layers)):
        alone = run(quantiser.quantised([name]), looked_at, folder, scores)
        found.append(Layer(name, operations[name], sqnr(expected, alone)))
    return tuple(found)


def _scores(graph: Graph, quantiser: Quantiser) -> str | None:
    """The value before the last SOFTMAX or SIGMOID, which hides differences; None where the output has none."""
    op = graph.nodes[graph.output].op
    if not isinstance(op, Softmax) and not (isinstance(op, Activation) and op.function == "sigmoid"):
        return None
    output = quantiser.model.graph.output[0].name
    value: str = next(node.input[0] for node in quantiser.model.graph.node if output in node.output)
    return None if value == quantiser.model.graph.input[0].name else value


def fewest_in_float(
    order: Sequence[str], lost: Callable[[Sequence[str]], float], allowed: float, most: int
) -> list[Step]:
    """How many of the most sensitive layers, the first of `order`, must stay in float, `most` at most; all that was measured.

    The last step is the answer, or the last that failed. The numbers tried are 0, 1, 2, 4 and so on until one does, then
    halves of the gap before it: as many measurements as the number has digits, twice.
    """
    steps: list[Step] = []

    def do(count: int) -> bool:
        steps.append(Step(count, lost(order[:count])))
        return steps[-1].lost <= allowed + 1e-9

    failed, count = -1, 0
    while not do(count):
        failed = count
        if count >= most:
            return steps
        count = min(max(1, 2 * count), most)
    while count - failed > 1:
        middle = (count + failed) // 2
        if do(middle):
            count = middle
        else:
            failed = middle
    answer = next(step for step in steps if step.floating == count)
    return [step for step in steps if step is not answer] + [answer]
