"""Families: what the walk over all members says is what compiling them one by one says."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cnndsl
from cnndsl.compiler import Text, compile_text
from cnndsl.diagnostics import Diagnostic, Severity
from cnndsl.source import Source

FAMILY = ("CNN132", "CNN314")
DOMAINS = {"N": "1..4", "M": "0..5", "w": "[4, 6, 9]", "k": "[1, 2, 3]", "on": "[true, false]"}
VALUES: dict[str, list[object]] = {
    "N": [1, 2, 3, 4], "M": [0, 1, 2, 3, 4, 5], "w": [4, 6, 9], "k": [1, 2, 3], "on": [True, False],
}  # fmt: skip


def found(text: str, settings: dict[str, object] | None = None) -> list[Diagnostic]:
    """What the linter says of members."""
    compiled = compile_text(Text(Source("spec.cnn", text)), settings, first_members=True)
    assert compiled.graph is not None, cnndsl.SpecError(compiled.diagnostics)
    return [finding for finding in cnndsl.findings(compiled) if finding.code in FAMILY]


def failing(
    text: str, axes: dict[str, list[object]], choices: dict[str, int]
) -> list[tuple[int, tuple[int, ...], str]]:
    """Each member that does not compile, compiled by itself: its distance from the first, its indices, and its values."""
    members = []
    ways = [list(product((True, False), repeat=turns)) for turns in choices.values()]
    for indices in product(*(range(len(values)) for values in axes.values())):
        for way in product(*ways):
            settings: dict[str, object] = {name: axes[name][i] for name, i in zip(axes, indices, strict=True)}
            settings.update(zip(choices, way, strict=True))
            if compile_text(Text(Source("spec.cnn", text)), settings).graph is None:
                rank = sum(indices) + sum(not there for turns in way for there in turns)
                members.append((rank, indices, said(settings)))
    return members


def said(settings: dict[str, object]) -> str:
    """`N=3, M=6`, with the choices that are not all there."""
    parts = []
    for name, value in settings.items():
        if isinstance(value, tuple):
            parts += [f"{name}={','.join('on' if there else 'off' for there in value)}"] * (not all(value))
        else:
            parts.append(f"{name}={str(value).lower() if isinstance(value, bool) else value}")
    return ", ".join(parts)


LAYERS = st.sampled_from(
    [
        "CONV", "CONV3-w", "CONV3-{4*k}", "POOL", "POOL2", "RELU", "BN", "CONV3-8/k", "CONV{k}-w(pad=0)", "CONV3-w(groups=k)",
        "CONV3-12(groups=2)", "POOL3/2", "Twice(w)", "Deep(N)",
        "RES[ CONV3-w ]", "RES[ CONV3-{cin} - RELU ]", "Half",
        "(if k == 2 then CONV5-w(pad=0) else RELU)", "(if on then CONV3-w else ID)", "CONV1-{w*M + 1}",
        "SPLIT[ ID | CONV3-w ]", "CONCAT[ CONV1-w | POOL3/1(pad=1) ]",
    ]
)  # fmt: skip


def _wrapped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    joined = st.lists(inner, min_size=1, max_size=3).map(" - ".join)
    return st.one_of(
        joined,
        st.tuples(joined, st.sampled_from(["N", "M", "{N-1}", "2", "{M//2}", "k"])).map(lambda p: f"({p[0]})*{p[1]}"),
        joined.map(lambda body: f"({body} - CONV1-{{2*i}}) for i in 1..N"),
        joined.map(lambda body: f"({body}) for i in k..M"),
        joined.map(lambda body: f"({body} - CONV1-a) for a in [w, 8]"),
        joined.map(lambda body: f"(if N > 2 and on then {body} else POOL)"),
    )


BODIES = st.recursive(LAYERS, _wrapped, max_leaves=6)


@given(
    body=BODIES, size=st.sampled_from([8, 13, 32]), tail=st.sampled_from(["", " - FC-10", " - POOL2", " - (FC-w)*M"])
)
def test_the_smallest_member_that_fails_is_the_one_named(body: str, size: int, tail: str) -> None:
    """Every member compiled by itself, in the order of the distance from the first."""
    written = f"{body}{tail}"
    axes = {name: VALUES[name] for name in DOMAINS if re.search(rf"\b{name}\b|Twice|Deep", written)}
    text = "".join(
        [f"input 3x{size}x{size}\n"]
        + [f"param {name} in {DOMAINS[name]}\n" for name in axes]
        + ["def Half = POOL2 - RELU\n", "def Twice(c) = CONV3-c - RELU - POOL3/2(pad=1)\n", "def Deep(n) = (POOL2)*n\n"]
        + [f"net Family = {written}\n"]
    )
    first = compile_text(Text(Source("spec.cnn", text)), first_members=True)
    if first.graph is None or not axes or len(list(product(*axes.values()))) > 400:
        return
    failures = failing(text, axes, {})
    findings = [finding for finding in found(text) if finding.severity is Severity.ERROR]
    assert bool(findings) == bool(failures), text
    if failures:
        members = [finding.message.split(": ")[0] for finding in findings]
        assert min(failures)[2] in members and {*members} <= {names for _, _, names in failures}, text


@given(
    parts=st.lists(
        st.sampled_from(["down: POOL2?", "CONV3-8", "wide: CONV5-8(pad=0)?", "(inner: POOL2?)*3", "RES[ f: CONV3-8 ]"]),
        min_size=1, max_size=5, unique=True,
    ),
    size=st.sampled_from([4, 8, 9]),
    shape=st.sampled_from(["", " => 8x2x2", " => 8x4x4"]),
)  # fmt: skip
def test_optional_stages_make_members_too(parts: list[str], size: int, shape: str) -> None:
    body = " - ".join(parts)
    turns = {"down": 1, "wide": 1, "inner": 3}
    choices = {name: turns[name] for part in parts for name in turns if f"{name}:" in part}
    text = f"input 8x{size}x{size}\nnet Optional = {body}{shape}\n"
    if compile_text(Text(Source("spec.cnn", text))).graph is None or not choices:
        return
    failures = failing(text, {}, choices)
    findings = [finding for finding in found(text) if finding.severity is Severity.ERROR]
    assert bool(findings) == bool(failures), text
    if failures:
        smallest = {names for rank, _, names in failures if rank == min(failures)[0]}
        assert findings[0].message.split(": ")[0] in smallest, text


@given(
    limit=st.integers(1, 40),
    metric=st.sampled_from(["params", "macs", "activations", "layers"]),
    sign=st.sampled_from(["<=", "<", ">"]),
)
def test_budgets_hold_for_every_member(limit: int, metric: str, sign: str) -> None:
    scale = {"params": 500, "macs": 50_000, "activations": 500, "layers": 1}[metric]
    text = (
        f"input 3x16x16\nparam N = 1 in 1..4\nparam w in [4, 6, 9]\nassert {metric} {sign} {limit * scale}\n"
        "net Budget = (CONV3-w - RELU)*N - POOL - FC-10\n"
    )
    if compile_text(Text(Source("spec.cnn", text)), first_members=True).graph is None:
        return
    failures = failing(text, {"N": [1, 2, 3, 4], "w": [4, 6, 9]}, {})
    findings = found(text)
    assert bool(findings) == bool(failures)
    if failures:
        assert findings[0].message.split(": ")[0] in {names for _, _, names in failures}


LECTURE = (
    "input 3x64x64\nparam N in 1..100\nparam M in 1..{m}\nparam K in 1..1000\n"
    "net P = [(CONV-RELU)*N - POOL]*M - (FC-RELU)*K - FC-10\n"
)


def test_ten_million_members_of_the_lectures_pattern() -> None:
    """64 can be halved six times: the first member with a seventh pool fails, and with six none does."""
    (finding,) = found(LECTURE.replace("{m}", "100"))
    assert finding.message == "N=1, M=7, K=1: the map is empty after POOL at line 5"
    assert found(LECTURE.replace("{m}", "6")) == []


def test_unlabelled_stages_are_named_by_their_line() -> None:
    (finding,) = found("input 8x8x8\nnet A = CONV3-8 -\n  POOL2? - CONV3-8 => 8x4x4\n")
    assert finding.message.startswith("without POOL2 of line 3: ")


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("param s in [16, 32]\ninput 3x{s}x{s}\n(CONV3-8 - POOL2)*4 - FC-10\n", []),
        ("param s = 32 in [8, 32]\ninput 3x{s}x{s}\n(CONV3-8 - POOL2)*4 - FC-10\n", ["CNN132"]),
        ("param act in [RELU, GELU]\ninput 3x8x8\nCONV3-8 - act\n", []),
        ("param g in [1, 2, 3]\ninput 4x8x8\nCONV3-12(groups=g)\n", ["CNN314"]),
        ("param c = 4 in 1..8\ninput {c}x8x8\nCONV3-{cin}(groups=4)\n", ["CNN314"]),
        ("param N = 1 in 1..3\nparam w = 8 + 4*N\ninput 3x8x8\ndef A = CONV3-w(groups=3)\nCONV3-12 - A\n", ["CNN314"]),
        ("param N = 1 in 1..9\nparam M = 1 in 1..N\ninput 3x8x8\nPOOL2*M\n", ["CNN314"]),
        ("param N = 1 in 1..3\nparam M = 1 in 1..N\ninput 3x8x8\nPOOL2*M\n", []),
        ("param N = 1 in 1..5\ninput 3x?x?\n(CONV3-8 - POOL2)*N - GAP - FC-10\n", []),
        ("param N = 1 in [1, 2]\ninput 3x?x?\na: CONV3-8 - POOL2*N - UPCONV2-8/2 - ADD[ ID | @a ]\n", ["CNN314"]),
        ("input 3x8x8\nnet A = CONV3-8 - FC-10\n", []),
    ],
)
def test_cases(text: str, codes: list[str]) -> None:
    assert [finding.code for finding in found(text)] == codes


def test_a_value_from_outside_is_no_axis() -> None:
    text = LECTURE.replace("{m}", "100")
    assert found(text, {"M": 6}) == []
    assert [finding.code for finding in found(text, {"N": 2, "K": 1})] == ["CNN314"]


def test_what_is_too_much_to_walk_is_said(tmp_path: Path) -> None:
    text = "".join(f"param p{i} in 1..50\n" for i in range(8))
    sum_ = " + ".join(f"p{i}" for i in range(8))
    (finding,) = found(f"{text}input 3x64x64\nCONV3-{{{sum_}}} - RELU\n")
    assert (finding.code, finding.severity) == ("CNN314", Severity.INFO)
    assert "39,062,500,000,000 members" in finding.message
