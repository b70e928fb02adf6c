"""The corpus as other tools are given it: every network is written or set aside for a reason, and the page has them all."""

from __future__ import annotations

from collections import Counter

import pytest
from documents import ROOT, table

from benchmarks.bench_other_tools import ACCEPTED, DETECTED, LOCATED, REJECTED, TOOLS, ours
from benchmarks.other_tools.networks import CASES, pairs

PAGE = ROOT / "docs" / "comparison.md"


@pytest.mark.parametrize("name", TOOLS)
def test_every_network_is_written_or_set_aside(name: str) -> None:
    said, unsaid = pairs(TOOLS[name])
    assert said.keys() | unsaid.keys() == CASES.keys()
    assert not said.keys() & unsaid.keys()
    assert all(unsaid.values())
    for network, pair in said.items():
        assert pair.broken != pair.sound, network


@pytest.mark.parametrize("name", TOOLS)
def test_the_page_has_the_networks_that_are_written(name: str) -> None:
    said, _ = pairs(TOOLS[name])
    column = 2 + list(TOOLS).index(name)
    verdicts = {row[0].strip("`"): row[column] for row in table(PAGE, "network")}
    assert verdicts.keys() == CASES.keys()
    assert {network for network, verdict in verdicts.items() if verdict} == said.keys()
    assert set(verdicts.values()) <= {LOCATED, DETECTED, ACCEPTED, REJECTED, ""}


def test_the_totals_are_those_of_the_networks() -> None:
    networks = table(PAGE, "network")
    for column, (_, said, detected, located, accepted, rejected, unsaid) in enumerate(
        table(PAGE, "tool", "networks said"), 1
    ):
        count = Counter(row[column] for row in networks)
        if column == 1:
            continue
        assert [count[LOCATED] + count[DETECTED], count[LOCATED]] == [int(detected), int(located)]
        assert [count[ACCEPTED], count[REJECTED], count[""]] == [int(accepted), int(rejected), int(unsaid)]
        assert int(said) == len(CASES) - int(unsaid)


def test_our_own_column_is_what_lint_says() -> None:
    outcomes = ours()
    assert {one.verdict for one in outcomes.values()} == {LOCATED}
    assert {row[0].strip("`"): row[1] for row in table(PAGE, "network")} == {
        name: one.said for name, one in outcomes.items()
    }
