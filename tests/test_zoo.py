"""The zoo: every member compiles without a finding and costs what its reference costs; specs are in the canonical form."""

from __future__ import annotations

import csv
import json
import warnings
from pathlib import Path

import pytest
import torch
from oracles import WithoutNumbers, library, reference
from torch.utils.flop_counter import FlopCounterMode

import cnndsl
from benchmarks import spec_size
from cnndsl.api import parse
from cnndsl.cli import main
from cnndsl.diagnostics import Severity
from cnndsl.formatter import format_file
from cnndsl.zoo import Member, find, matching, members, specs_folder

TABLE = Path(__file__).parent / "data" / "models.csv"
"""Parameters and multiply-accumulates, measured in torchvision 0.28 and timm 1.0.31."""

BESIDES = {"digits", "resnet50"}
"""Specs that are no family: the demo's, and the one that the benchmarks time."""

MEMBERS = list(members().values())
REFERENCED = [member for member in MEMBERS if member.reference]
SPECS = sorted(path.relative_to(specs_folder()).as_posix() for path in specs_folder().rglob("*.cnn"))


def rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
def test_members_have_no_errors_and_no_warnings(member: Member) -> None:
    """What their papers built is worth a remark at most, a fully connected layer that holds most of the parameters, say."""
    assert [found for found in cnndsl.lint(f"zoo:{member.name}") if found.severity != Severity.INFO] == []


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["name"])
def test_counts_are_the_tables(row: dict[str, str]) -> None:
    found = cnndsl.stats(f"zoo:{row['name']}", input=row["input"]).costs
    counts = found.params, found.params_without_aux, found.macs
    assert counts == tuple(int(row[key]) for key in ("parameters", "parameters_without_aux", "macs"))


@pytest.mark.parametrize("member", REFERENCED, ids=lambda member: member.name)
def test_counts_are_the_references(member: Member) -> None:
    network = cnndsl.load(f"zoo:{member.name}")
    with warnings.catch_warnings(), WithoutNumbers():
        warnings.simplefilter("ignore")
        module = reference(member)
        counter = FlopCounterMode(display=False)
        with counter, torch.inference_mode():
            module(torch.zeros(1, *network.graph.input_shape.dimensions))
    found = network.stats().costs
    assert found.params == sum(value.numel() for value in module.parameters())
    assert found.macs == counter.get_total_flops() / 2


@pytest.mark.parametrize("name", SPECS)
def test_specs_are_in_the_canonical_form(name: str) -> None:
    text = (specs_folder() / name).read_text(encoding="utf-8")
    assert format_file(parse(text, name)) == text


def test_every_spec_has_a_member() -> None:
    used = {member.spec for member in MEMBERS}
    assert used <= {name.removesuffix(".cnn") for name in SPECS}
    assert {name.removesuffix(".cnn") for name in SPECS if "/" not in name} - used <= BESIDES


def test_members_differ() -> None:
    seen: dict[tuple[str, str], str] = {}
    for member in MEMBERS:
        key = member.spec, json.dumps(dict(member.settings), sort_keys=True)
        assert key not in seen, f"{member.name} is {seen.get(key)}"
        seen[key] = member.name


def test_the_documentations_table_of_sizes_is_the_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("torchvision", "timm"):
        if isinstance(missing := library(name), str):
            pytest.skip(missing)
    spec_size.print_table()
    page = (Path(__file__).parent.parent / "docs" / "zoo.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out in page, "python -m benchmarks.spec_size prints the table anew"


# -- the command


def test_zoo_lists_members(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", "resnet18"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "input", "parameters", "MACs", "year", "paper"]
    assert lines[2].startswith("resnet18 ")
    assert "3x224x224     11,689,512    1,814,073,344  2015  He, Zhang, Ren, Sun" in lines[2]


def test_zoo_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", "googlenet", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["name"], found["input"], found["year"], found["reference"]) == (
        "googlenet", "3x224x224", 2014, "torchvision",
    )  # fmt: skip
    assert (found["params"], found["params_without_aux"], found["macs"]) == (13004888, 6624904, 1498376192)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("*net50", {"resnet50"}), ("VGG1?", {"vgg11", "vgg13", "vgg16", "vgg19"}), ("zoo:lenet5", {"lenet5"})],
)
def test_patterns(pattern: str, names: set[str]) -> None:
    found = {member.name for member in matching(pattern)}
    assert names <= found
    assert "densenet121" not in found


def test_zoo_shows_a_spec_and_its_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", "show", "resnet18"]) == 0
    head, _, text = capsys.readouterr().out.partition("\n\n")
    assert head == "# resnet18: resnet.cnn --set depth=18"
    found = find("resnet18")
    assert found is not None
    assert text == found[0].read_text(encoding="utf-8").replace(
        'use "blocks/residual.cnn"', 'use "zoo:blocks/residual"'
    )


@pytest.mark.parametrize("name", ["resnet18", "inception_v4", "efficientnet_b0", "lenet5"])
def test_a_copy_compiles_anywhere(name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["zoo", "show", name]) == 0
    copy = tmp_path / "mine.cnn"
    copy.write_text(capsys.readouterr().out, encoding="utf-8")
    settings = dict(members()[name].settings)
    assert cnndsl.lint(copy, **settings) == ()
    assert cnndsl.load(copy, **settings).graph.hash() == cnndsl.load(f"zoo:{name}").graph.hash()


def test_zoo_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["zoo", "googlenet_"], ["zoo", "show", "gogglenet"]):
        assert main(words) == 2
        assert "closest: googlenet" in capsys.readouterr().err
    for words in (["zoo", "show"], ["zoo", "a", "b"]):
        assert main(words) == 2
