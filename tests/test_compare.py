"""Networks side by side: the numbers are those of `stats` and of the papers, the picture is legible and repeatable."""

from __future__ import annotations

import json
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import cnndsl
from cnndsl import picture
from cnndsl.cli import main
from cnndsl.compare import HEADS, Row, compared, named, table
from cnndsl.picture import draw, spoken

DOZEN = ["alexnet", "vgg16", "vgg19", "googlenet", "resnet18", "resnet50", "resnet152", "densenet121", "squeezenet1_0",
         "mobilenet_v2", "efficientnet_b0", "resnext50_32x4d", "convnext_tiny"]  # fmt: skip


def row(name: str) -> Row:
    return compared(cnndsl.load(f"zoo:{name}").graph, f"zoo:{name}")


@pytest.fixture(scope="module")
def dozen() -> list[Row]:
    return [row(name) for name in DOZEN]


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        ("lenet5", 5),
        ("alexnet", 8),
        ("vgg16", 16),
        ("vgg19", 19),
        ("googlenet", 22),
        ("resnet50", 50),
        ("densenet121", 121),
    ],
)
def test_depth_is_the_one_in_the_papers_title(name: str, depth: int) -> None:
    assert row(name).depth == depth


def test_rows_are_the_statistics(dozen: list[Row]) -> None:
    for found in dozen:
        expected = cnndsl.stats(f"zoo:{found.name}").json()
        mine = found.json()
        assert mine["params"] == expected["params_without_aux"]
        keys = ("macs", "activations", "peak_memory_bytes", "receptive_field")
        assert [mine[key] for key in keys] == [expected[key] for key in keys]
    lines = table(dozen)
    assert len(lines) == len(dozen) + 2
    assert re.split(r"  +", lines[0]) == list(HEADS)


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "mine.cnn").write_text("input 3x64x64\nCONV3-8 - GAP - FC-10\n")
    lone = "input 3x8x8\nCONV3-4"
    assert main(["compare", "resnet18", "zoo:vgg16", str(tmp_path / "mine.cnn"), lone, lone]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[2:4]] == ["resnet18", "vgg16"]
    assert lines[4].startswith("mine ")
    assert "(2)" in lines[6]
    assert main(["compare", "resnet18", "lenet5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["name"], each["depth"]) for each in found] == [("resnet18", 18), ("lenet5", 5)]
    assert main(["compare", "resnet18", "CONVV"]) == 1
    assert main(["compare", "resnet18", "zoo:none"]) == 2


def test_open_sizes_have_no_counts() -> None:
    found = compared(cnndsl.load("CONV3-8", input="3x?x?").graph, "CONV3-8")
    assert (found.macs, found.activations, found.peak_memory) == (None, None, None)
    assert "?" in table([found])[-1]
    with pytest.raises(ValueError, match="nothing to draw"):
        draw([found], "a.svg")


def test_names_differ() -> None:
    assert [each.name for each in named([row("lenet5")] * 3)] == ["lenet5", "lenet5 (2)", "lenet5 (3)"]


# -- the picture


@pytest.mark.parametrize("form", [".svg", ".png", ".html"])
def test_the_same_networks_give_the_same_bytes(form: str, dozen: list[Row], tmp_path: Path) -> None:
    for name in ("a", "b"):
        draw(dozen, str(tmp_path / f"{name}{form}"))
    assert (tmp_path / f"a{form}").read_bytes() == (tmp_path / f"b{form}").read_bytes()


def test_every_network_has_a_point_and_a_name(dozen: list[Row], tmp_path: Path) -> None:
    draw(dozen, str(tmp_path / "a.svg"))
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    groups = {group.get("id") for group in ET.fromstring(text).iter("{http://www.w3.org/2000/svg}g")}
    assert set(DOZEN) <= groups
    assert all(f"<!-- {name} -->" in text for name in DOZEN)
    assert "date" not in text.lower()
    draw(dozen, str(tmp_path / "a.html"))
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert all(f"<td>{name}</td>" in page for name in DOZEN)
    assert not re.search(r"(src|href)=\"http", page)


def test_names_cover_neither_points_nor_each_other(
    dozen: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    place = picture._labels

    def look(figure, axes, rows) -> None:  # type: ignore[no-untyped-def]
        place(figure, axes, rows)
        drawn.append((figure, axes))

    monkeypatch.setattr(picture, "_labels", look)
    draw(dozen, str(tmp_path / "a.png"))
    ((figure, axes),) = drawn
    renderer = figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in axes.texts]
    frame = axes.get_window_extent(renderer)
    spots = axes.transData.transform([(each.params, each.macs) for each in dozen])
    assert [text.get_text() for text in axes.texts] == DOZEN
    for at, box in enumerate(boxes):
        assert not [other for other in boxes[:at] if box.overlaps(other)], DOZEN[at]
        assert not [spot for spot in spots if box.contains(*spot)], DOZEN[at]
        assert frame.contains(box.x0, box.y0)
        assert frame.contains(box.x1, box.y1)


def test_one_network_is_drawn(tmp_path: Path) -> None:
    draw([row("lenet5")], str(tmp_path / "a.svg"))
    assert "<!-- lenet5 -->" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_what_cannot_be_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "lenet5", "-o", str(tmp_path / "a.gif")]) == 2
    assert "must end in .svg, .png, .html" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["compare", "lenet5", "-o", str(tmp_path / "a.svg")]) == 2
    assert 'pip install "cnndsl[plot]"' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("count", "shown"), [(25e6, "25M"), (4e9, "4G"), (500, "500"), (2e3, "2K"), (1e12, "1T"), (1.5e6, "1.5M")]
)
def test_counts_on_the_axes(count: float, shown: str) -> None:
    assert spoken(count) == shown
