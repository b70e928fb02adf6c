"""The corpus: networks that cannot be right, beside lookalikes that are; and what PyTorch says of both.

`corpus/broken/NAME.cnn` says in its head which findings are expected, code, line and column; `corpus/sound/NAME.cnn` what it
gives. `corpus/pytorch` has both in plain PyTorch.
"""

from __future__ import annotations

import operator
import re
import warnings
from collections.abc import Iterable
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest
import torch
from corpus.pytorch import CASES
from corpus.pytorch.case import Case
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cnndsl.api import lint, load
from cnndsl.cli import main
from cnndsl.diagnostics import SpecError

CORPUS = Path(__file__).parent / "corpus"
NAMES = sorted(path.stem for path in (CORPUS / "broken").glob("*.cnn"))
FAMILIES = ("budget", "ceil", "channels", "concat", "cycle", "family", "flatten", "groups", "norm", "parity", "residual",
            "size", "typo")  # fmt: skip
REFUSALS = (RuntimeError, ValueError, AssertionError, TypeError, AttributeError)
"""What PyTorch raises for a network that it cannot build or run, a layer and an argument that it does not have."""


def head(path: Path, word: str) -> str:
    """What a comment in the first lines says after a word."""
    found = re.search(rf"^# {word}: (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"{path.name} does not say what it {word}s"
    return found[1]


def findings(path: Path) -> list[str]:
    """Errors and warnings of all rules, as the corpus writes them."""
    found = (finding for finding in lint(path) if finding.severity != "info")
    return [f"{finding.code} {finding.span.line}:{finding.span.column}" for finding in found if finding.span]


def expectations(name: str) -> list[str]:
    """The findings that a broken network says in its head."""
    return head(CORPUS / "broken" / f"{name}.cnn", "expect").split(", ")


def test_every_broken_network_has_a_lookalike_and_a_case() -> None:
    assert NAMES == sorted(path.stem for path in (CORPUS / "sound").glob("*.cnn")) == sorted(CASES)
    assert len(NAMES) >= 60
    assert {name.split("_")[0] for name in NAMES} == set(FAMILIES)


@pytest.mark.parametrize("name", NAMES)
def test_the_lookalike_differs_by_as_little_as_possible(name: str) -> None:
    """In one line or two, and by a few characters; the heads apart."""
    broken, sound = (
        (CORPUS / kind / f"{name}.cnn").read_text(encoding="utf-8").split("\n")[2:] for kind in ("broken", "sound")
    )
    assert len(broken) == len(sound)
    pairs = [(one, other) for one, other in zip(broken, sound, strict=True) if one != other]
    assert 1 <= len(pairs) <= 2
    changes = [
        op for one, other in pairs for op in SequenceMatcher(None, one, other, False).get_opcodes() if op[0] != "equal"
    ]
    assert sum(max(one_end - one, other_end - other) for _, one, one_end, other, other_end in changes) <= 22


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_network_has_the_findings_that_it_says(name: str) -> None:
    assert findings(CORPUS / "broken" / f"{name}.cnn") == expectations(name)


@pytest.mark.parametrize("name", [name for name in NAMES if not CASES[name].why])
def test_pytorch_refuses_the_broken_network(name: str) -> None:
    """In one sample; of several sizes, at one of them."""
    case = CASES[name]
    with pytest.raises(REFUSALS), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for size in case.inputs(case.broken):
            case.network(nn, torch.randn(1, *size), case.broken)


@pytest.mark.parametrize("name", NAMES)
def test_a_sound_network_is_clean_and_runs(name: str) -> None:
    path, case = CORPUS / "sound" / f"{name}.cnn", CASES[name]
    assert not findings(path)
    graph = load(path).graph
    assert str(graph.nodes[graph.output].shape) == head(path, "gives")
    for size in case.inputs(case.sound):
        batch = torch.randn(1, *size)
        try:
            network = load(path, **({"size": size[1]} if name == "family_size_fails" else {"input": size}))
        except SpecError:  # an open size that the network does not take
            with pytest.raises(REFUSALS):
                case.network(nn, batch, case.sound)
        else:
            assert network.torch().eval()(batch).shape == case.network(nn, batch, case.sound).shape


class Recorded:
    """`torch.nn`, and the layers that were taken from it."""

    def __init__(self) -> None:
        self.layers: list[nn.Module] = []

    def __getattr__(self, name: str) -> Any:
        def layer(*positional: Any, **named: Any) -> nn.Module:
            self.layers.append(getattr(nn, name)(*positional, **named))
            return self.layers[-1]

        return layer


def weights(layers: Iterable[nn.Module]) -> list[tuple[int, ...]]:
    return sorted(tuple(parameter.shape) for layer in layers for parameter in layer.parameters())


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("family")])
def test_both_are_the_same_network(name: str) -> None:
    """The spec and the PyTorch code have weights of the same shapes."""
    case = CASES[name]
    size, recorded = case.inputs(case.sound)[0], Recorded()
    case.network(recorded, torch.randn(1, *size), case.sound)
    spec = load(CORPUS / "sound" / f"{name}.cnn", input=size)
    assert weights(recorded.layers) == weights([spec.torch()])


# -- budgets, which PyTorch does not know of but can be asked for


def counted(case: Case, value: Any) -> int:
    """What PyTorch says of the metric that a case has a budget of."""
    assert case.budget
    (size,) = case.inputs(value)
    recorded = Recorded()
    with FlopCounterMode(display=False) as flops:
        case.network(recorded, torch.randn(1, *size), value)
    match case.budget.metric:
        case "params":
            return sum(parameter.numel() for layer in recorded.layers for parameter in layer.parameters())
        case "macs":
            return flops.get_total_flops() // 2
        case "layers":
            return len(recorded.layers)
    return seen(recorded.layers, size)


def seen(layers: list[nn.Module], size: tuple[int, ...]) -> int:
    """How many columns of the input the value in the middle of a stack of convolutions depends on."""
    x = torch.zeros(1, *size, requires_grad=True)
    y = x
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.ones_(layer.weight)
            y = layer(y)
    y[0, 0, size[1] // 2, size[2] // 2].backward()
    assert x.grad is not None
    return int((x.grad[0, 0, size[1] // 2] != 0).sum())


COUNTED = ("budget_of_parameters", "budget_of_macs", "budget_of_field", "budget_of_layers")


@pytest.mark.parametrize("name", COUNTED)
def test_a_budget_is_exceeded_by_pytorchs_count_too(name: str) -> None:
    case = CASES[name]
    assert case.budget
    holds = operator.ge if case.budget.relation == ">=" else operator.le
    assert holds(counted(case, case.sound), case.budget.bound)
    assert not holds(counted(case, case.broken), case.budget.bound)


def test_the_command_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """A whole folder at once, as a user lints it: exit codes, and the same findings in the same places."""
    lint_folder = ["lint", "--no-cache", "--format", "concise"]
    assert main([*lint_folder, str(CORPUS / "sound")]) == 0, capsys.readouterr().out
    capsys.readouterr()
    assert main([*lint_folder, str(CORPUS / "broken")]) == 1
    printed = re.findall(r"/(\w+)\.cnn:(\d+:\d+): (?:error|warning) (CNN\d+)", capsys.readouterr().out)
    expected = [(name, *one.split()[::-1]) for name in NAMES for one in expectations(name)]
    assert sorted(printed) == sorted(expected)
