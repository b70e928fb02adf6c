"""Random networks with random changes: what PyTorch cannot run is reported, and nothing that it runs is.

`Rule` marks the rules that are the language's own, where PyTorch has none or reads something else; there the
code must be the rule's:

- CNN012: sizes, strides, groups and the like are whole numbers from 1, probabilities stay in their range, and the head of
  AUX has a layer;
- CNN104, CNN105, CNN111: no value is without elements;
- CNN107: IN of a vector, which PyTorch would read as one sample;
- CNN108: layers with windows take maps, and a window has one entry for each axis;
- CNN113: pools pad at most half their window where the ends differ too; AVGPOOL and UPCONV pad both ends alike;
- CNN017: SPLIT has a size for each branch, CNN022: a reference has a label.

What is added runs over all branches at one shape: only MUL broadcasts, vectors and C×1×1 over C×H×W.
"""

from __future__ import annotations

import warnings

import pytest
import torch
from compiling import compiled, said, unshrunk
from hypothesis import event, example, given
from mutants_strategy import mutants
from notation import Aux, Layer, Pipe, Spec
from reference import REFUSALS, Run
from reference_layers import Rule

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")


def tried(spec: Spec, *, training: bool) -> Run | Exception:
    """A run of one sample, or in training of two; or what PyTorch says against it."""
    run = Run(spec, training=training)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run.network(torch.zeros(2 if training else 1, *spec.input))
    except (*REFUSALS, Rule, ZeroDivisionError) as refusal:
        return refusal
    return run


def check(spec: Spec) -> None:
    """Both say yes, with the same shapes, or both say no."""
    evaluated, trained = tried(spec, training=False), tried(spec, training=True)
    result = compiled(spec)
    for outcome in (evaluated, trained):
        if isinstance(outcome, Exception):
            assert result.graph is None, f"accepted, but {outcome!r}\n{said(result)}"
            codes = {diagnostic.code for diagnostic in result.diagnostics}
            if isinstance(outcome, Rule):
                assert codes & set(outcome.codes), f"{outcome!r}\n{said(result)}"
            event(f"rejected {sorted(codes)}")
            return
    assert isinstance(evaluated, Run)
    assert result.graph is not None, f"rejected, but PyTorch runs it\n{said(result)}"
    shapes = [node.shape.sizes() for node in result.graph.nodes[1:]]
    assert shapes == [event.shape for event in evaluated.events]
    event("accepted")


@unshrunk
@given(mutants())
@example(Spec((2, 4), Pipe((Aux(0.3, Layer("ID")),))))
@example(Spec((3, 1, 1), Pipe((Layer("POOL", stride=2, arguments=(("pad", "same"),)),))))
def test_what_pytorch_cannot_run_is_reported_and_nothing_else(spec: Spec) -> None:
    check(spec)
