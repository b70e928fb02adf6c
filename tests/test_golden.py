"""Golden files: what every stage makes of a few small specs. `UPDATE_GOLDEN=1 pytest tests/test_golden.py` rewrites them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import cnndsl
from cnndsl import report
from cnndsl.expand import expand
from cnndsl.formatter import format_file
from cnndsl.lower.torch_source import to_source

FOLDER = Path(__file__).parent / "golden"
SPECS = {
    "residual": """# A residual network in small.
input 3x16x16
param classes = 10
param w = 8 in [8, 16]
default CONV(bias=false)
def Shortcut(w, s) = if s == 1 and cin == w then ID else CONV1-w/s - BN
def Block(w, s=1) = RES[ CONV3-w/s - BN - RELU - CONV3-w - BN | Shortcut(w, s) ] - RELU   # two convolutions
net Residual = stem: (3x3 conv, w - BN - RELU)
  - (Block(w*k, k) - Block(w*k)*{n-1}) for k, n in [(1, 1), (2, 2)]
  - GAP - FC-classes => 10
assert params <= 100K
""",
    "skips": """input 1x?x?
def Double(w) = (CONV3-w - IN - LRELU(0.1))*2
def UNet(w, d) = if d == 0 then Double(w)
                 else Double(w) - CONCAT[ ID | POOL2 - UNet(2*w, d-1) - UPCONV2-w/2 ] - Double(w)
net Skips = UNet(4, 1) - CONV1-2
""",
    "heads": """input 2x32
param classes = 3
net Heads = start: CONV5 - down: POOL? - AUX(weight=0.4)[ GAP - FC ]
  - SPLIT[ ID | DWCONV3 - SHUFFLE ] - MUL[ ID | GAP - CONV1-64 - SIGMOID ] - ADD[ ID | @start - POOL ] - FC, SOFTMAX
""",
}  # fmt: skip
WRONG = """input 3x32x32
default CONV(bias=0)
def Block(w) = RES[ CONV3-w - BN ] - RELUU
param N = 7 in 1..5
def Unread = CONV - - RELU
net Wrong = CONV3-64(group=2) - Block(64) - CONV3-w
  - CONCAT[ ID | POOL ] - CONV3-64(groups=-1) => 64x32x32
assert params <= 1M
"""


STAGES: dict[str, tuple[str, Callable[[cnndsl.Network], str]]] = {
    "syntax": ("txt", lambda n: "\n".join(repr(statement) for statement in n.compiled.file.statements) + "\n"),
    "formatted": ("cnn", lambda n: format_file(n.compiled.file)),
    "expanded": ("cnn", lambda n: expand(n.graph, n.compiled.elaborated.trace)),
    "graph": ("json", lambda n: json.dumps(n.graph.json(), indent=1) + "\n"),
    "stats": ("json", lambda n: json.dumps(n.stats().json(), indent=1) + "\n"),
    "table": ("txt", lambda n: n.stats().table() + "\n"),
    "torch": ("txt", lambda n: to_source(n.graph)),
}


def compare(path: Path, text: str) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", SPECS)
def test_every_stage(name: str, stage: str) -> None:
    ending, made = STAGES[stage]
    compare(FOLDER / f"{name}_{stage}.{ending}", made(cnndsl.load(SPECS[name])))


def test_diagnostics() -> None:
    found = cnndsl.lint(WRONG)
    compare(FOLDER / "wrong_diagnostics.txt", f"{report.text(found)}\n\n{report.summary(found)}\n")
    compare(FOLDER / "wrong_diagnostics.json", json.dumps(report.json(found), indent=1) + "\n")
