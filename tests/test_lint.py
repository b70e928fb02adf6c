"""The linter's rules: each page's example fires, its replacement does not; suppressions; the lecture's "doesn't fit"."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import cnndsl
from cnndsl.api import findings
from cnndsl.compiler import compile_text, read_spec
from cnndsl.diagnostics import CODES
from cnndsl.lint import RULES, Options, module
from cnndsl.lint.suppressions import suppressions

SECTIONS = ("What it does", "Why is this bad", "Example", "Use instead")


CONFIGURED = {"CNN202": Options(budgets={"params": 100_000_000})}
"""What the pages of these rules say that the project's configuration has."""


def codes(text: str, folder: Path, options: Options = Options()) -> list[str]:  # noqa: B008
    path = folder / "spec.cnn"
    path.write_text(text)
    return [finding.code for finding in findings(compile_text(read_spec(path)), options=options)]


def page(code: str) -> str:
    return module(code).__doc__ or ""


@pytest.mark.parametrize("code", RULES)
def test_a_rule_has_a_page(code: str) -> None:
    text = page(code)
    assert text.splitlines()[0] == f"{CODES[code]} ({code})"
    assert re.findall(r"^## (.*)$", text, re.M) == list(SECTIONS)


@pytest.mark.parametrize("code", RULES)
def test_the_example_fires_and_the_replacement_does_not(code: str, tmp_path: Path) -> None:
    wrong, right = re.findall(r"```\n(.*?)```", page(code), re.S)
    options = CONFIGURED.get(code, Options())
    assert code in codes(wrong, tmp_path, options)
    assert code not in codes(right, tmp_path, options)


def test_the_lectures_seven_by_seven(tmp_path: Path) -> None:
    """Stride 1 gives 5, stride 2 gives 3, stride 3 does not fit."""
    for stride, size, found in ((1, 5, []), (2, 3, []), (3, 2, ["CNN130"])):
        assert codes(f"input 1x7x7\nCONV3-1/{stride}(pad=0) => 1x{size}x{size}\n", tmp_path) == found


def test_a_suppression_is_for_its_line_and_code(tmp_path: Path) -> None:
    line = "CONV3-8/3(pad=0)"
    assert codes(f"input 1x7x7\n{line}  # cnn: ignore[CNN130]\n", tmp_path) == []
    assert codes(f"input 1x7x7\n{line}  # cnn: ignore[CNN131]\n", tmp_path) == ["CNN130", "CNN901"]
    assert codes(f"input 1x7x7  # cnn: ignore[CNN130]\n{line}\n", tmp_path) == ["CNN901", "CNN130"]
    assert codes(f"# cnn: ignore[CNN130]\ninput 1x7x7\n{line}\n", tmp_path) == []


def test_errors_cannot_be_suppressed(tmp_path: Path) -> None:
    assert codes("input 3x7x7\nCONV3-8(groups=2)  # cnn: ignore[CNN103]\n", tmp_path) == ["CNN103"]


def test_suppressions_name_several_codes() -> None:
    found, invalid = suppressions(cnndsl.parse("CONV3-8 # cnn: ignore[CNN130, CNN2, bias-before-norm]\n"))
    assert [suppression.code for suppression in found] == ["CNN130", "CNN2", "CNN301"] and not invalid


@given(
    size=st.integers(3, 40), kernel=st.integers(1, 5), stride=st.integers(1, 4), pad=st.integers(0, 2),
    dilation=st.integers(1, 2),
)  # fmt: skip
def test_a_dropped_column_has_no_gradient(size: int, kernel: int, stride: int, pad: int, dilation: int) -> None:
    """The rule fires exactly where PyTorch's convolution leaves a column at the end unread, windows not apart."""
    reach = dilation * (kernel - 1) + 1
    if reach > size + 2 * pad or stride > reach:
        return
    spec = f"CONV{kernel}-1/{stride}(pad={pad}, dilation={dilation}, bias=false)"
    fires = any(finding.code == "CNN130" for finding in cnndsl.lint(spec, input=f"1x{size}"))
    x = torch.zeros(1, 1, size, requires_grad=True)
    windows = torch.ones(1, 1, reach)  # what lies between a window's taps is not dropped
    torch.nn.functional.conv1d(x, windows, stride=stride, padding=pad).sum().backward()
    assert x.grad is not None
    assert fires == bool((x.grad[0, 0] == 0).any())
