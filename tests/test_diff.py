"""What `diff` says of two networks is what PyTorch does with their weights; of a repository, what git says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from compiling import compiled, graph_of, unshrunk
from hypothesis import assume, given
from hypothesis import strategies as st
from networks_strategy import specs, without_idle_settings
from notation import Spec

import cnndsl
from cnndsl.cli import main
from cnndsl.compiler import Text, compile_text
from cnndsl.difference import STATUSES, Change, Difference, alignment, difference
from cnndsl.difference.checkpoint import Checkpoint
from cnndsl.difference.grouping import groups, pattern
from cnndsl.difference.markdown import cell, code, escaped
from cnndsl.difference.sequences import common, increasing
from cnndsl.difference.thresholds import parse
from cnndsl.difference.totals import MEASURED
from cnndsl.ir import Graph
from cnndsl.lower.torch import to_module
from cnndsl.source import Source

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")

INPUT = "input 3x32x32\n"
BLOCK = "def Block(w) = CONV3-w - BN - RELU\n"


def graph(text: str, **settings: Any) -> Graph:
    found = compile_text(Text(Source("net.cnn", text)), settings)
    assert found.graph is not None, found.diagnostics
    return found.graph


def between(before: str, after: str) -> Difference:
    return difference(graph(INPUT + before), graph(INPUT + after))


def lines(found: Difference) -> list[str]:
    return [f"{group.status} {group.names}: {group.said}".rstrip(": ") for group in groups(found)]


# -- sequences


def longest(one: list[int], other: list[int]) -> int:
    """The length of a longest common subsequence, by the table."""
    above = [0] * (len(other) + 1)
    for x in one:
        row = [0]
        for at, y in enumerate(other):
            row.append(above[at] + 1 if x == y else max(above[at + 1], row[at]))
        above = row
    return above[-1]


@given(st.lists(st.integers(0, 3), max_size=14), st.lists(st.integers(0, 3), max_size=14))
def test_a_shortest_script_keeps_a_longest_common_subsequence(one: list[int], other: list[int]) -> None:
    pairs = common(one, other, 100)
    assert pairs is not None
    assert len(pairs) == longest(one, other)
    assert all(one[i] == other[j] for i, j in pairs)
    assert all(a < b and c < d for (a, c), (b, d) in pairwise(pairs))
    edits = len(one) + len(other) - 2 * len(pairs)
    assert common(one, other, edits) is not None
    assert edits == 0 or common(one, other, edits - 1) is None


@given(st.lists(st.integers(0, 9), max_size=10))
def test_increasing_is_the_longest(values: list[int]) -> None:
    found = [values[at] for at in increasing(values)]
    assert found == sorted(set(found))
    assert len(found) == longest(values, sorted(set(values)))


# -- random networks


@st.composite
def changed(draw: Callable[..., Any]) -> tuple[Graph, Graph]:
    """Two networks: one with a stage left out, doubled or put elsewhere, or two that have nothing to do with each other."""
    spec: Spec = draw(specs(shaped=False))
    stages = list(spec.body.stages)
    assume(stages)
    kind = draw(st.sampled_from(("drop", "double", "move", "other")))
    at, to = draw(st.integers(0, len(stages) - 1)), draw(st.integers(0, len(stages) - 1))
    if kind == "other":
        return graph_of(spec), graph_of(draw(specs(shaped=False)))
    stage = stages[at]
    if kind != "double":
        del stages[at]
    if kind != "drop":
        stages.insert(to, stage)
    assume(stages)
    other = compiled(without_idle_settings(replace(spec, body=replace(spec.body, stages=tuple(stages)))))
    assume(other.graph is not None)
    assert other.graph is not None
    return graph_of(spec), other.graph


@given(specs())
def test_nothing_differs_from_itself(spec: Spec) -> None:
    one, other = graph_of(spec), graph_of(spec)
    found = difference(one, other)
    assert found.same
    assert not found.changes
    assert not groups(found)
    assert all(total.delta == 0 for total in found.totals.values() if total.before is not None)
    assert found.checkpoint.loads
    assert not (found.checkpoint.new or found.checkpoint.misplaced or found.checkpoint.refused)


@unshrunk
@given(changed())
def test_any_two_networks(pair: tuple[Graph, Graph]) -> None:
    """The same only where the hash is; layers sum up to the totals; the other way round it mirrors."""
    there, back = difference(*pair), difference(*reversed(pair))
    assert there.same == (pair[0].hash() == pair[1].hash())
    check_sums(there, pair)
    check_mirrored(there, back)


def check_sums(found: Difference, pair: tuple[Graph, Graph]) -> None:
    assert Counter(change.after.name for change in found.layers if change.after) == Counter(
        node.name for node in pair[1].nodes[1:]
    )
    assert Counter(change.before.name for change in found.layers if change.before) == Counter(
        node.name for node in pair[0].nodes[1:]
    )
    for metric in ("params", "macs", "activations"):
        deltas = [delta(change, metric) for change in found.changes]
        shown = [group.params if metric == "params" else group.macs for group in groups(found)]
        assert sum(deltas) == found.totals[metric].delta
        assert metric == "activations" or sum(shown) == sum(deltas)


def delta(change: Change, metric: str) -> int:
    ends = [0 if side is None else getattr(side, metric) for side in (change.before, change.after)]
    return int(ends[1] - ends[0])


def check_mirrored(there: Difference, back: Difference) -> None:
    turned = {"added": "removed", "removed": "added"}
    ours = Counter((name(c.before), name(c.after), c.status, c.moved, c.rewired) for c in there.layers)
    theirs = Counter(
        (name(c.after), name(c.before), turned.get(c.status, c.status), c.moved, c.rewired) for c in back.layers
    )
    assert ours == theirs
    mine, other = there.checkpoint, back.checkpoint
    assert {a.before for a in mine.kept} == {a.after for a in other.kept}
    assert {(a.before, a.after) for a in mine.renamed} == {(a.after, a.before) for a in other.renamed}
    assert {a.before for a in mine.gone} == {a.after for a in other.new}
    assert (set(mine.refused), set(mine.misplaced)) == (set(other.refused), set(other.misplaced))


def name(layer: Any) -> str | None:
    return None if layer is None else layer.name


# -- PyTorch loads what is said to load


def state(arrays: dict[str, torch.Tensor], module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A state dict with the versions of its modules: without them torch does not miss a batch norm's counter."""
    found = module.state_dict()
    found.clear()
    found.update(arrays)
    return found


@unshrunk
@given(changed())
def test_torch_loads_what_is_said_to_load(pair: tuple[Graph, Graph]) -> None:
    """As it is, and with the renames applied."""
    modules = [to_module(each) for each in pair]
    found = difference(*pair).checkpoint
    check_as_it_is(found, *modules)
    check_renamed(found, *modules)


def check_as_it_is(found: Checkpoint, *modules: torch.nn.Module) -> None:
    ours, theirs = (module.state_dict() for module in modules)
    every = (*found.kept, *found.renamed, *found.reshaped)
    assert {a.before: a.shape for a in (*every, *found.gone)} == {key: tuple(v.shape) for key, v in ours.items()}
    assert {a.after: a.new_shape for a in (*every, *found.new)} == {key: tuple(v.shape) for key, v in theirs.items()}
    if found.refused:
        with pytest.raises(RuntimeError, match="size mismatch"):
            modules[1].load_state_dict(ours, strict=False)
    as_is = state({key: array for key, array in ours.items() if key not in found.refused}, modules[1])
    result = modules[1].load_state_dict(as_is, strict=False)
    loaded = {a.before for a in found.kept} | set(found.misplaced)
    assert set(result.missing_keys) == theirs.keys() - loaded
    assert set(result.unexpected_keys) == as_is.keys() - loaded
    assert found.values == sum(v.numel() for v in theirs.values())


def check_renamed(found: Checkpoint, source: torch.nn.Module, target: torch.nn.Module) -> None:
    ours = source.state_dict()
    renamed = state({found.renames[key]: array for key, array in ours.items() if key in found.renames}, target)
    assert len(renamed) == len(found.renames)
    result = target.load_state_dict(renamed, strict=False)
    assert not result.unexpected_keys
    assert set(result.missing_keys) == {a.after for a in (*found.new, *found.reshaped)}


@unshrunk
@given(specs(shaped=False))
def test_in_a_scope_of_another_name_it_computes_the_same(spec: Spec) -> None:
    before = graph_of(spec)
    nodes = [before.nodes[0], *(node.replace(name=f"body.{node.name}") for node in before.nodes[1:])]
    scopes = tuple(scope.replace(path=f"body.{scope.path}") for scope in before.scopes)
    after = before.replace(nodes=tuple(nodes), scopes=scopes)
    found = difference(before, after)
    assert {change.status for change in found.layers} <= {"renamed"}
    modules = [to_module(each).double().eval() for each in (before, after)]
    ours = modules[0].state_dict()
    modules[1].load_state_dict({found.checkpoint.renames[key]: array for key, array in ours.items()})
    x = torch.randn((2, *before.input_shape.sizes()), dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(*(module(x.clone()).nan_to_num() for module in modules))


# -- what is said


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("CONV3-8 - RELU", "CONV5-8 - RELU", ["changed conv1: CONV3-8 -> CONV5-8 (pad (1, 1) -> (2, 2))"]),
        ("CONV3-8", "CONV3-8(groups=1, bias=false)", ["changed conv1: CONV3-8 (bias true -> false)"]),
        ("CONV3-8 - RELU", "CONV3-8 - GELU", ["changed relu1 -> gelu1: RELU -> GELU"]),
        ("a: CONV3-8 - RELU", "b: CONV3-8 - RELU", ["renamed a -> b"]),
        ("CONV3-8 - POOL", "CONV3-8/2", ["changed conv1: CONV3-8 -> CONV3-8/2  8x32x32 -> 8x16x16",
                                         "removed pool1: POOL2  8x16x16"]),
        ("(CONV3-8 - RELU)*3", "(CONV3-8 - RELU)*5", ["added conv4..5: CONV3-8  8x32x32", "added relu4..5: RELU  8x32x32"]),
        ("CONV3-4 - RELU - CONV3-8 - RELU - GAP", "CONV1-5 - CONV3-4 - RELU - CONV3-8 - RELU - GAP", None),
        (f"CONV3-9 - a: {'CONV3-9'} - b: RELU", "CONV3-9 - b: RELU - a: CONV3-9", None),
        ("POOL2", "down: POOL2", ["renamed pool1 -> down"]),
        ("down: POOL2", "down: CONV3-3/2", ["changed down: POOL2 -> CONV3-3/2"]),
    ],
)  # fmt: skip
def test_layers_in_words(before: str, after: str, said: list[str] | None) -> None:
    found = lines(between(before, after))
    assert said is None or found == said


def test_an_inserted_layer_renumbers_the_others() -> None:
    found = between(
        "CONV3-4 - RELU - CONV3-8 - RELU - CONV3-16 - GAP - FC-5",
        "CONV3-4 - RELU - CONV3-4 - RELU - CONV3-8 - RELU - CONV3-16 - GAP - FC-5",
    )
    assert [(name(c.before), name(c.after)) for c in found.changes if c.after and "conv" in c.after.name] == [
        (None, "conv2"), ("conv2", "conv3"), ("conv3", "conv4"),
    ]  # fmt: skip
    assert {(a.before, a.after) for a in found.checkpoint.renamed} == {
        (f"conv{n}.{role}", f"conv{n + 1}.{role}") for n in (2, 3) for role in ("weight", "bias")
    }
    assert found.checkpoint.refused == ("conv2.weight", "conv2.bias", "conv3.weight", "conv3.bias")


def test_names_decide_among_equal_blocks() -> None:
    found = difference(
        graph(INPUT + BLOCK + "CONV3-8 - a: Block(8) - b: Block(8) - c: Block(8)"),
        graph(INPUT + BLOCK + "CONV3-8 - a: Block(8) - c: Block(8)"),
    )
    assert lines(found) == ["removed b: Block  8x32x32"]
    assert not found.checkpoint.renamed


def test_wider_stages_keep_their_names() -> None:
    stages = BLOCK + "stage1: Block(w) - stage2: Block(2*w) - stage3: Block(4*w) - GAP - FC-10"
    found = difference(graph(f"{INPUT}param w = 16\n{stages}"), graph(f"{INPUT}param w = 32\n{stages}"))
    assert all(change.before and change.after and not change.renamed for change in found.layers)
    assert not found.checkpoint.renamed


def test_repeated_blocks_are_one_line() -> None:
    text = INPUT + BLOCK + "def Stage(w, n) = Block(w)*n\nCONV3-8 - stage3: Stage({w}, 6) - GAP - FC-10"
    found = difference(graph(text.replace("{w}", "8")), graph(text.replace("{w}", "16")))
    conv = next(group for group in groups(found) if ".conv" in group.names)
    assert (conv.names, conv.said) == ("stage3.block1..6.conv1", "CONV3-8 -> CONV3-16  8x32x32 -> 16x32x32")
    assert len(conv.changes) == 6


def test_wiring_alone_is_a_change() -> None:
    one = between(
        "a: CONV3-8 - b: CONV3-8 - c: CONV3-8 - ADD[ ID | @a ]", "a: CONV3-8 - b: CONV3-8 - c: CONV3-8 - ADD[ ID | @b ]"
    )
    assert [(c.layer.name, c.rewired) for c in one.changes] == [("add1", True)]
    assert not one.same
    two = between("a: CONV3-8 - b: CONV3-8 - @a", "a: CONV3-8 - b: CONV3-8 - ID")
    assert not two.same
    three = between(
        "CONV3-8 - AUX(weight=0.3)[ GAP - FC-4 ] - GAP - FC-4", "CONV3-8 - AUX(weight=0.4)[ GAP - FC-4 ] - GAP - FC-4"
    )
    assert three.auxiliary
    assert not three.same


def test_a_branch_that_left_the_inference_path_is_told() -> None:
    found = between("CONV3-3 - a: CONV3-3 - ID", "b: CONV3-3 - a: CONV3-3 - @b")
    assert any(change.switched for change in found.changes)
    assert sum(delta(change, "macs") for change in found.changes) == found.totals["macs"].delta


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a1.b1", "a1.b2", "a2.b1", "a2.b2"], "a1..2.b1..2"),
        (["a1.b1", "a2.b2"], "a1..2.b1..2"),
        (["a1", "a3", "a4"], "a{1,3,4}"),
        (["a1.b1", "a2.b2", "a2.b3"], "a*.b*"),
        (["c3 -> c4", "c4 -> c5"], "c3..4 -> c4..5"),
        (["plain"], "plain"),
    ],
)
def test_patterns_of_names(names: list[str], expected: str) -> None:
    assert pattern(names) == expected


def test_long_networks_are_cut_where_they_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the table: the same pairs from an edit script and from names."""
    before, after = (cnndsl.load(f"zoo:{name_}").graph for name_ in ("resnet18", "resnet34"))
    wide = graph(INPUT + BLOCK + "s1: Block(8) - s2: Block(16) - s3: Block(32) - GAP - FC-10")
    narrow = graph(INPUT + BLOCK + "s1: Block(4) - s2: Block(8) - s3: Block(16) - GAP - FC-10")
    expected = [alignment.align(before, after), alignment.align(wide, narrow)]
    monkeypatch.setattr(alignment, "CELLS", 0)
    monkeypatch.setattr(alignment, "FEW", 0)
    assert [alignment.align(before, after), alignment.align(wide, narrow)] == expected
    monkeypatch.setattr(alignment, "SCRIPTS", 0)
    assert alignment.align(before, after) == expected[0]


def test_thousands_of_layers() -> None:
    text = "(CONV3-4 - BN - RELU)*1500 - CONV3-8/2 - (CONV3-8 - BN - RELU)*1500 - GAP - FC-10"
    for other in (text.replace("*1500", "*1499"), f"CONV1-3 - {text}", text.replace("-8", "-9")):
        found = between(text, other)
        assert len([change for change in found.layers if change.before and change.after]) >= 8998


# -- limits


@pytest.mark.parametrize(
    ("written", "params", "fails"),
    [
        ("params+5%", (100, 105), False), ("params+5%", (100, 106), True), ("params-5%", (100, 94), True),
        ("params-5%", (100, 200), False), ("params+1k", (0, 1000), False), ("params+1k", (0, 1001), True),
        ("params+0", (5, 6), True), ("params+0", (5, 5), False), ("PARAMS + 1.5MB", (0, 1_500_001), True),
        ("params+1MiB", (0, 1 << 20), False),
    ],
)  # fmt: skip
def test_limits(written: str, params: tuple[int, int], fails: bool) -> None:
    from cnndsl.difference.thresholds import _grown
    from cnndsl.difference.totals import Total

    (limit,) = parse(written)
    assert bool(_grown(limit, Total(*params))) == fails


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("parms+5%", "did you mean params?"), ("mac+5%", "did you mean macs?"), ("params", "as in params\\+5%"),
        ("shapes+4", "write shapes alone"), ("params+x", "as in params"), ("params+4x", "write a number"),
        ("params+1.2.3", "write a number"), ("params*2", "as in params"), ("??", "The metrics are"),
        ("params+" + "9" * 40, "write a number"),
    ],
)  # fmt: skip
def test_wrong_limits(written: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=said):
        parse(written)
    assert main(["diff", "zoo:lenet5", "zoo:lenet5", "--fail-on", written]) == 2
    assert "--fail-on" in capsys.readouterr().err


# -- the command


@pytest.fixture
def spec(tmp_path: Path) -> Callable[[str, str], str]:
    def write(name_: str, text: str) -> str:
        (tmp_path / name_).write_text(text, encoding="utf-8")
        return str(tmp_path / name_)

    return write


Write = Callable[[str, str], str]


def test_formatting_and_files_are_no_change(spec: Write, capsys: pytest.CaptureFixture[str]) -> None:
    whole = spec("a.cnn", INPUT + BLOCK + "net A = Block(8) - GAP - FC-10\n")
    spec("block.cnn", BLOCK)
    parts = spec("b.cnn", f'# other\nuse "block.cnn"\n{INPUT}net A =\n    Block(8)\n  - GAP - FC-10  # the same\n')
    for form in ("text", "markdown"):
        assert main(["diff", whole, parts, "--format", form, "--fail-on", "params+0,macs-0,shapes,weights"]) == 0
        printed = capsys.readouterr().out
        assert "no change after expansion" in printed
        assert len(printed.splitlines()) == 1
    assert main(["diff", whole, parts, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["specs"][0]["status"] == "same"


def test_members_and_limits(capsys: pytest.CaptureFixture[str]) -> None:
    ends = ["diff", "zoo:lenet5", "zoo:lenet5@classes=3"]
    assert main(ends) == 0
    assert "output 10 -> 3" in capsys.readouterr().out
    assert main([*ends, "--fail-on", "params+5%,macs+10%"]) == 0
    assert main([*ends, "--fail-on", "params+5%", "--fail-on", "shapes,weights,params-0.1%"]) == 1
    said = capsys.readouterr().err
    assert "over shapes: zoo:lenet5 -> zoo:lenet5@classes=3: output 10 -> 3" in said
    assert "over weights:" in said
    assert re.search(r"over params-0.1%: .* params 61,706 -> 61,111, -595 \(-1.0%\): 533.29 below the limit", said)
    assert main(["diff", "zoo:lenet5", "zoo:lenet5", "--set", "classes=7", "--fail-on", "shapes"]) == 0
    capsys.readouterr()
    net = "[(CONV3-4 - RELU)*N - POOL]*2 - GAP - FC-2"
    assert main(["diff", f"{net}@N=1", f"{net}@N=2", "--input", "3x16x16", "--format", "json"]) == 0
    added = [
        layer["after"]["name"]
        for layer in json.loads(capsys.readouterr().out)["specs"][0]["layers"]
        if not layer["before"]
    ]
    assert added == ["conv2", "relu2", "conv4", "relu4"]


def test_open_sizes_cannot_be_limited(capsys: pytest.CaptureFixture[str]) -> None:
    ends = ["diff", "CONV3-8@input=3x?x?", "CONV3-9@input=3x?x?"]
    assert main([*ends, "--fail-on", "params+1k"]) == 0
    assert main([*ends, "--fail-on", "macs+1k"]) == 2
    assert "unknown: macs+1k" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code_", "said"),
    [
        (["zoo:lenet5"], 2, "write two specs, or --git BASE; there is one"),
        (["-", "-"], 2, "standard input is one spec"),
        (["zoo:lenet5", "zoo:none"], 2, "the zoo has no 'none'"),
        (["zoo:lenet5", "CONVV3-8"], 1, "CNN010"),
        (["zoo:lenet5", "zoo:lenet5@input=x"], 2, "is not a shape"),
        (["zoo:lenet5", "zoo:lenet5@classes=0"], 2, "at least 1"),
        (["zoo:lenet5", "zoo:lenet5", "--format", "html"], 2, "invalid choice"),
    ],
)
def test_what_cannot_be_compared(words: list[str], code_: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *words]) == code_
    assert said in capsys.readouterr().err


def test_a_family_is_compared_by_its_first_member(spec: Write, capsys: pytest.CaptureFixture[str]) -> None:
    family = spec("f.cnn", INPUT + "param N in 2..5\n(CONV3-4 - RELU)*N\n")
    assert main(["diff", family, f"{family}@N=2"]) == 0
    assert "no change" in capsys.readouterr().out
    assert main(["diff", family, f"{family}@N=4"]) == 0
    assert "+ conv3..4" in capsys.readouterr().out


def test_a_broken_budget_is_told_and_compared(spec: Write, capsys: pytest.CaptureFixture[str]) -> None:
    before = spec("a.cnn", INPUT + "assert params <= 1K\nCONV3-8")
    after = spec("b.cnn", INPUT + "assert params <= 1K\nCONV3-64")
    assert main(["diff", before, after]) == 1
    printed = capsys.readouterr().out
    assert "CNN201" in printed
    assert "CONV3-8 -> CONV3-64" in printed


def test_json_has_its_form(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "zoo:resnet18", "zoo:resnet34", "--format", "json", "--fail-on", "params+1%"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert list(data) == ["cnndsl_diff", "base", "specs", "exceeded"]
    assert data["exceeded"][0]["limit"] == "params+1%"
    (entry,) = data["specs"]
    assert list(entry["totals"]) == list(MEASURED)
    assert entry["totals"]["params"] == {
        "before": 11689512, "after": 21797672, "delta": 10108160, "ratio": 10108160 / 11689512,
    }  # fmt: skip
    assert {layer["status"] for layer in entry["layers"]} <= set(STATUSES)
    assert sum(layer["after"]["params"] for layer in entry["layers"]) == 10108160
    assert entry["weights"]["loads"]
    assert entry["weights"]["arrays"] == {"before": 122, "after": 218}


def test_markdown_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    assert code("a|b`c") == "``a|b`c``"
    assert cell("a|b") == "`a\\|b`"
    assert code("`") == "`` ` ``"
    assert escaped("<b> @me [x](y) #1 https://z") == "\\<b\\> \\@me \\[x\\]\\(y\\) \\#1 https:\u200b//z"
    net = "CONCAT[ CONV3-4 | `` CONV1-4 ]".replace("`` ", "")
    assert main(["diff", net, net.replace("1-4", "1-8"), "--input", "3x8x8", "--format", "markdown"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("### `CONCAT[ CONV3-4 | CONV1-4 ] -> CONCAT[ CONV3-4 | CONV1-8 ]`: changed")
    assert printed.count("<details>") == printed.count("</details>") == 2
    tables = [line for line in printed.splitlines() if line.startswith("|")]
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in tables]
    assert set(widths) == {6, 7, 3}


def test_a_comment_fits(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "zoo:densenet121", "zoo:resnet152", "--format", "markdown"]) == 0
    assert len(capsys.readouterr().out) < 65_536


# -- git


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for variable in [name_ for name_ in os.environ if name_.startswith("GIT_")]:
        monkeypatch.delenv(variable)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A Tester")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "tester@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    made = Repository(folder)
    made.git("init", "--quiet", "--initial-branch", "main")
    yield made


class Repository:
    """A repository with specs, in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def git(self, *words: str) -> str:
        return subprocess.run(["git", *words], cwd=self.folder, check=True, capture_output=True, text=True).stdout

    def write(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text, encoding="utf-8")

    def commit(self, **files: str) -> None:
        for path, text in files.items():
            self.write(path.replace("__", "/") + ".cnn", text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "A change")

    def entries(self, *words: str, code_: int = 0) -> dict[str, Any]:
        """The entries of the JSON by their paths."""
        import contextlib
        import io

        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            assert main(["diff", "--git", *(words or ("HEAD",)), "--format", "json"]) == code_
        return {each["after"] or each["before"]: each for each in json.loads(printed.getvalue())["specs"]}


NET = INPUT + "net A = CONV3-8 - RELU - GAP - FC-10\n"
USING = f'use "blocks/b.cnn"\n{INPUT}net U = Block(8) - GAP - FC-10\n'


def test_git_finds_what_differs(repository: Repository) -> None:
    repository.commit(
        same=NET,
        changed=NET,
        gone="input 1x9x9\nCONV5-3(pad=0) - MAXPOOL3 - FC-77 - TANH - FC-5\n",
        old=NET.replace("net A", "net Other"),
        formatted=NET,
    )
    repository.write("changed.cnn", NET.replace("-8", "-16"))
    repository.write("formatted.cnn", "# a comment\n" + NET)
    repository.write("new.cnn", NET)
    repository.git("mv", "old.cnn", "moved.cnn")
    (repository.folder / "gone.cnn").unlink()
    found = repository.entries()
    assert {path: entry["status"] for path, entry in found.items()} == {
        "changed.cnn": "changed", "formatted.cnn": "same", "gone.cnn": "deleted", "moved.cnn": "same", "new.cnn": "added",
    }  # fmt: skip
    assert found["moved.cnn"]["before"] == "old.cnn"
    assert found["new.cnn"]["totals"]["params"]["after"] == 314
    assert found["gone.cnn"]["totals"]["params"]["before"] == 78 + 77 * 4 + 5 * 78
    assert repository.entries("HEAD", "new.cnn").keys() == {"new.cnn"}
    repository.commit()
    assert repository.entries() == {}
    assert repository.entries("HEAD~1").keys() == found.keys()


def test_git_follows_use(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    repository.write("pyproject.toml", "")
    inner = "def Inner(w) = CONV3-w\n"
    repository.commit(
        specs__user='use "blocks/b.cnn"\n' + INPUT + "net U = Block(8)\n", specs__other=NET,
        specs__blocks__b='use "../../deep.cnn"\ndef Block(w) = Inner(w) - RELU\n', deep=inner,
        specs__twin=USING.replace("Block(8) -", "Block(8) - ID -"),
    )  # fmt: skip
    repository.write("deep.cnn", inner.replace("CONV3", "CONV5"))
    found = repository.entries()
    assert {path: entry["status"] for path, entry in found.items()} == {
        "specs/twin.cnn": "changed", "specs/user.cnn": "changed",
    }  # fmt: skip
    (layer,) = found["specs/user.cnn"]["layers"]
    assert layer["arguments"]["kernel"] == {"before": [3, 3], "after": [5, 5]}
    assert repository.entries("HEAD", "specs/user.cnn").keys() == {"specs/user.cnn"}
    (repository.folder / "deep.cnn").unlink()
    assert repository.entries(code_=1)["specs/user.cnn"]["status"] == "broken"
    assert main(["diff", "--git", "HEAD"]) == 1
    assert "now: specs/blocks/b.cnn:1:1: error CNN023" in capsys.readouterr().out


def test_git_goes_on_past_what_does_not_compile(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    repository.commit(mended="CONVV3-8\n", broken=NET, fine=NET)
    repository.write("mended.cnn", NET)
    repository.write("fine.cnn", NET.replace("-10", "-20"))
    assert {path: entry["status"] for path, entry in repository.entries().items()} == {
        "fine.cnn": "changed", "mended.cnn": "broken",
    }  # fmt: skip
    repository.write("broken.cnn", NET.replace("RELU", "RELUU"))
    found = repository.entries(code_=1)
    assert found["broken.cnn"]["problems"]["after"][0]["code"] == "CNN010"
    assert found["mended.cnn"]["problems"]["before"][0]["file"] == "HEAD:mended.cnn"
    assert found["fine.cnn"]["status"] == "changed"
    (repository.folder / "broken.cnn").write_bytes(b"\xff\xfe")
    assert repository.entries(code_=1)["broken.cnn"]["problems"]["after"][0]["code"] == "CNN004"
    assert main(["diff", "--git", "HEAD", "--fail-on", "shapes", "--format", "markdown"]) == 1
    printed = capsys.readouterr()
    assert "over shapes: fine.cnn: output 10 -> 20" in printed.err
    assert "**Over the limit**" in printed.out
    assert "### `A` in `broken.cnn`: broken" in printed.out


def test_git_with_awkward_names(repository: Repository) -> None:
    path = "sub dir/ä|`x`\n#1.cnn"
    repository.write(path, NET)
    repository.write("-dash.cnn", NET)
    repository.write("ignored.cnn", NET)
    repository.write(".gitignore", "ignored.cnn\n")
    repository.commit()
    repository.write(path, NET.replace("-8", "-9"))
    repository.write("-dash.cnn", NET.replace("-8", "-9"))
    repository.write("ignored.cnn", NET.replace("-8", "-9"))
    assert repository.entries().keys() == {path, "-dash.cnn"}
    for form in ("text", "markdown"):
        assert main(["diff", "--git", "HEAD", "--format", form]) == 0


def test_git_leaves_out_what_the_project_does(repository: Repository) -> None:
    repository.write("cnndsl.toml", 'exclude = ["corpus"]\n')
    repository.commit(corpus__a=NET, b=NET)
    repository.write("corpus/a.cnn", NET.replace("-8", "-9"))
    repository.write("b.cnn", NET.replace("-8", "-9"))
    assert repository.entries().keys() == {"b.cnn"}
    assert repository.entries("HEAD", "corpus/a.cnn").keys() == {"corpus/a.cnn"}


def test_git_links_stay_inside(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "outside.cnn").write_text(NET)
    repository.write("real.cnn", NET)
    (repository.folder / "inside.cnn").symlink_to("real.cnn")
    (repository.folder / "out.cnn").symlink_to("../outside.cnn")
    repository.commit()
    repository.write("real.cnn", NET.replace("-8", "-9"))
    assert repository.entries().keys() == {"inside.cnn", "real.cnn"}


def test_three_dots_are_where_the_branch_left(repository: Repository) -> None:
    repository.commit(a=NET, b=NET)
    repository.git("checkout", "--quiet", "-b", "topic")
    repository.commit(a=NET.replace("-8", "-9"))
    repository.git("checkout", "--quiet", "main")
    repository.commit(b=NET.replace("-8", "-9"))
    repository.git("checkout", "--quiet", "topic")
    assert repository.entries("main").keys() == {"a.cnn", "b.cnn"}
    assert repository.entries("main...").keys() == {"a.cnn"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--git=--output=evil"], "is not a revision"),
        (["--git", "nowhere"], "there is no revision nowhere here"),
        (["--git", "HEAD; touch evil"], "there is no revision"),
        (["--git", ""], "is not a revision"),
        (["--git", "HEAD", ".."], "lies outside the repository"),
        (["--git", "HEAD", "none.cnn"], "there is no spec at none.cnn"),
    ],
)
def test_git_refuses(repository: Repository, words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    repository.commit(a=NET)
    assert main(["diff", *words]) == 2
    assert said in capsys.readouterr().err
    assert sorted(path.name for path in repository.folder.iterdir()) == [".git", "a.cnn"]


def test_git_tells_of_a_shallow_clone(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                      capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    repository.commit(a=NET)
    first = repository.git("rev-parse", "HEAD").strip()
    repository.commit(a=NET.replace("-8", "-9"))
    repository.git("clone", "--quiet", "--depth", "1", repository.folder.as_uri(), str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    assert main(["diff", "--git", first]) == 2
    assert "the clone is shallow; fetch more" in capsys.readouterr().err


def test_without_git_or_a_repository(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                     capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["diff", "--git", "HEAD"]) == 2
    assert "is in no git repository's working tree" in capsys.readouterr().err
    monkeypatch.chdir(repository.folder)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["diff", "--git", "HEAD"]) == 2
    assert "git is not installed" in capsys.readouterr().err


def test_the_repository_is_left_as_it_is(repository: Repository) -> None:
    repository.commit(a=NET)
    repository.write("a.cnn", NET.replace("-8", "-9"))
    places = sorted((repository.folder / ".git").rglob("*"))
    before = [(path, path.read_bytes()) for path in places if path.is_file()]
    repository.entries()
    assert [
        (path, path.read_bytes()) for path in sorted((repository.folder / ".git").rglob("*")) if path.is_file()
    ] == before
