"""The `preprocess` statement: what it says, what does not fit, its labels, its JSON, written out and read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cnndsl
from cnndsl.contract import preprocess_from_json
from cnndsl.diagnostics import Diagnostic, Severity
from cnndsl.expand import expand
from cnndsl.ir import Graph
from cnndsl.preprocess import INTERPOLATIONS, LAYOUTS, NORMALISATIONS, ORDERS, TYPES, Preprocess, channels_of, reachable

BODY = "CONV3-4 - GAP - FC-3"


def spec(steps: str, shape: str = "3x24x24") -> str:
    return f"input {shape}\npreprocess {steps}\n{BODY}"


def contract(steps: str, shape: str = "3x24x24", **settings: Any) -> Preprocess:
    found = cnndsl.load(spec(steps, shape), **settings).graph.preprocess
    assert found is not None
    return found


def errors(text: str | Path, **given: Any) -> list[Diagnostic]:
    """What compiling rejects."""
    return [found for found in cnndsl.lint(text, **given) if found.severity is Severity.ERROR]


def codes(steps: str, shape: str = "3x24x24") -> list[tuple[str, str]]:
    """The code and the marked text of each error."""
    return [(found.code, found.span.text if found.span else "") for found in errors(spec(steps, shape))]


# -- what is said


def test_all_of_it() -> None:
    found = contract(
        "image(bgr, nchw, type=float32) - order(rgb) - resize(32, bicubic) - crop(24)"
        ' - normalise(mean=(1, 2, 3), std=2, scale=1/2) - labels("a", "b", " c ")'
    )
    assert found == Preprocess(
        "bgr", "rgb", (1.0, 2.0, 3.0), (2.0, 2.0, 2.0), 0.5, 32, "bicubic", (24, 24), "nchw", "float32", ("a", "b", "c")
    )


def test_what_is_left_out() -> None:
    assert contract("resize(24x24)") == Preprocess("rgb", "rgb", (0.0,) * 3, (1.0,) * 3, 1 / 255, (24, 24))
    assert contract("resize(24x24)", "1x24x24") == Preprocess("grey", "grey", (0.0,), (1.0,), 1 / 255, (24, 24))
    assert contract("image(bgr)").order == "bgr"
    assert contract("order(grey)", "1x24x24").image == "rgb"


def test_named_means_follow_the_order_written_ones_stand() -> None:
    assert contract("order(bgr) - normalise(imagenet)").mean == (0.406, 0.456, 0.485)
    assert contract("order(bgr) - normalise(mean=(1, 2, 3))").mean == (1.0, 2.0, 3.0)
    assert contract("normalise(none)").scale == 1


def test_values_are_computed() -> None:
    steps = "resize(size*8//7) - crop((size, size))"
    text = f"param size = 16 in [16, 24]\ninput 3x{{size}}x{{size}}\npreprocess {steps}\n{BODY}"
    for size in (16, 24):
        found = cnndsl.load(text, size=size).graph.preprocess
        assert found is not None
        assert (found.resize, found.crop) == (size * 8 // 7, (size, size))


def test_open_sizes() -> None:
    assert contract("resize(24)", "3x?x?").size is None
    assert contract("resize(20) - crop(18x20)", "3x?x?").crop == (18, 20)
    assert contract("resize(30) - crop(24x20)", "3x24x?").crop == (24, 20)


def test_the_hash_is_without_it() -> None:
    plain = cnndsl.load(BODY, input="3x24x24").graph
    with_it = cnndsl.load(spec("resize(24x24)")).graph
    assert plain.hash() == with_it.hash()
    assert plain != with_it


def test_a_used_files_contract_plays_no_part(tmp_path: Path) -> None:
    (tmp_path / "part.cnn").write_text("preprocess resize(nothing) - warp\ndef Part = RELU\n", encoding="utf-8")
    path = tmp_path / "net.cnn"
    path.write_text('input 3x8x8\nuse "part.cnn"\nPart\n', encoding="utf-8")
    assert cnndsl.load(path).graph.preprocess is None


# -- what is wrong

WRONG = [
    ("warp(3)", "CNN034", "warp"),
    ("normalize(imagenet)", "CNN034", "normalize"),
    ("crop(24) - resize(24)", "CNN034", "resize"),
    ("crop(24) - crop(24)", "CNN034", "crop"),
    ("resize", "CNN034", "resize"),
    ("resize()", "CNN034", "resize()"),
    ("resize(0)", "CNN034", "0"),
    ("resize(-24)", "CNN034", "-24"),
    ("resize(24.5)", "CNN034", "24.5"),
    ("resize(3x3x3)", "CNN034", "3x3x3"),
    ("resize((24,))", "CNN034", "(24,)"),
    ("resize(99999999999)", "CNN034", "99999999999"),
    ("resize(true)", "CNN034", "true"),
    ("resize(24, bicubc)", "CNN034", "bicubc"),
    ("resize(24, interpolation=4)", "CNN034", "4"),
    ("resize(24, 24)", "CNN034", "24"),
    ("resize(24x24, width=3)", "CNN034", "width=3"),
    ("resize(24x24, size=24)", "CNN034", "size=24"),
    ('resize("24")', "CNN034", '"24"'),
    ("resize(size)", "CNN013", "size"),
    ("resize([CONV])", "CNN034", "[CONV]"),
    ("resize(1/0)", "CNN020", "1/0"),
    ("image(yuv)", "CNN034", "yuv"),
    ("normalise(imagenet, std=2)", "CNN034", "std=2"),
    ("normalise(std=0)", "CNN034", "normalise(std=0)"),
    ("normalise(std=(1, 1, -1))", "CNN034", "normalise(std=(1, 1, -1))"),
    ("normalise(scale=0)", "CNN034", "0"),
    ("normalise(mean=1e30)", "CNN034", "normalise(mean=1e30)"),
    ("normalise(mean=true)", "CNN034", "true"),
    ("normalise(mean=(1, (2, 3), 4))", "CNN034", "(1, (2, 3), 4)"),
    ("normalise(mean=(1, 2))", "CNN114", "mean=(1, 2)"),
    ("labels", "CNN034", "labels"),
    ("labels(3)", "CNN034", "3"),
    ('labels("a", "b", 3)', "CNN034", "3"),
    ('labels("a", "", "c")', "CNN035", '""'),
    ('labels("a", "b")', "CNN035", 'labels("a", "b")'),
    ('labels("a.txt")', "CNN023", '"a.txt"'),
    ("order(grey)", "CNN114", "order(grey)"),
    ("image(grey) - order(rgb)", "CNN114", "order(rgb)"),
    ("image(grey)", "CNN114", "image(grey)"),
    ("resize(24)", "CNN114", "resize(24)"),
    ("crop(20)", "CNN114", "crop(20)"),
    ("resize(24x20)", "CNN114", "resize(24x20)"),
    ("resize(28) - crop(24x22)", "CNN114", "crop(24x22)"),
    ("resize(20) - crop(24)", "CNN115", "crop(24)"),
    ("resize(30x20) - crop(24)", "CNN115", "crop(24)"),
]


@pytest.mark.parametrize(("steps", "code", "marked"), WRONG, ids=[steps for steps, *_ in WRONG])
def test_what_is_wrong_is_marked(steps: str, code: str, marked: str) -> None:
    assert codes(steps) == [(code, marked)]


@pytest.mark.parametrize(
    ("shape", "steps", "code"),
    [
        ("3x100", "resize(24x24)", "CNN114"),
        ("3x8x8x8", "resize(24x24)", "CNN114"),
        ("5x24x24", "resize(24x24)", "CNN114"),
        ("5x24x24", "order(rgb) - resize(24x24)", "CNN114"),
        ("1x24x24", "normalise(imagenet)", "CNN114"),
        ("3x24x?", "resize(24)", "CNN114"),
    ],
)
def test_what_does_not_fit_the_input(shape: str, steps: str, code: str) -> None:
    assert [found for found, _ in codes(steps, shape)] == [code]


def test_a_size_that_an_open_network_does_not_take() -> None:
    text = "input 3x?x?\npreprocess resize(25x24)\nRES[ CONV3-3 - POOL - UP ]"
    (found,) = errors(text)
    assert (found.code, found.message) == ("CNN114", "the network does not take images of 25x24")
    assert errors(text.replace("25x24", "26x24")) == []


def test_an_input_from_outside_has_to_fit() -> None:
    (found,) = errors(spec("resize(24x24)"), input="3x32x32")
    assert found.code == "CNN114"
    assert "from outside" in found.message


def test_one_run_reports_what_is_independent() -> None:
    found = errors("input 3x24x24\npreprocess warp - resize(0) - normalise(std=-1)\nCONV3-4 - COVN\n")
    assert [diagnostic.code for diagnostic in found] == ["CNN034", "CNN034", "CNN010"]
    assert [d.code for d in errors(spec("resize(24x24)") + "\npreprocess crop(24)")] == ["CNN027"]


def test_a_suggestion() -> None:
    helps = {steps: errors(spec(steps))[0].help for steps in ("centercrop(9)", "normalize", "resize(24, bicubc)")}
    assert list(helps.values()) == ["did you mean crop?", "did you mean normalise?", "did you mean bicubic?"]


# -- labels from a file


def labelled(folder: Path, content: bytes, name: str = "labels.txt", written: str = "labels.txt") -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    path = folder / "net.cnn"
    path.write_text(spec(f'labels("{written}")'), encoding="utf-8")
    return path


@pytest.mark.parametrize("content", ["cat\ndog\nbird", "\ufeffcat\r\ndog\r\nbird\r\n\r\n", " cat\ndog \nbird\n\n\n"])
def test_labels_of_a_file(content: str, tmp_path: Path) -> None:
    found = cnndsl.load(labelled(tmp_path, content.encode())).graph.preprocess
    assert found is not None
    assert found.labels == ("cat", "dog", "bird")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"cat\ndog\n", "CNN035"),
        (b"", "CNN035"),
        (b"cat\n\ndog\n", "CNN035"),
        (b"cat\n\x1b[31m\ndog\n", "CNN035"),
        (b"\xff\n\xff\n\xff\n", "CNN023"),
        (b"cat\n" * 100_000, "CNN023"),
    ],
)
def test_files_that_are_no_labels(content: bytes, code: str, tmp_path: Path) -> None:
    found = errors(labelled(tmp_path, content))
    assert [diagnostic.code for diagnostic in found] == [code]


@pytest.mark.parametrize(
    "written", ["none.txt", "../labels.txt", "/etc/hostname", ".", "sub", "link.txt", "a\\0b", "x" * 5000, "zoo:lenet5"]
)
def test_where_no_labels_are_read(written: str, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "sub").mkdir(parents=True)
    (tmp_path / "labels.txt").write_text("a\nb\nc\n", encoding="utf-8")
    (project / "link.txt").symlink_to(tmp_path / "labels.txt")
    path = project / "net.cnn"
    path.write_text(spec(f'labels("{written}")'), encoding="utf-8")
    assert [diagnostic.code for diagnostic in errors(path)] == ["CNN023"]


def test_labels_may_lie_anywhere_in_the_project(tmp_path: Path) -> None:
    (tmp_path / "cnndsl.toml").write_text("", encoding="utf-8")
    (tmp_path / "labels.txt").write_text("a\nb\nc\n", encoding="utf-8")
    (tmp_path / "nets").mkdir()
    path = tmp_path / "nets" / "net.cnn"
    path.write_text(spec('labels("../labels.txt")'), encoding="utf-8")
    assert errors(path) == []


# -- JSON and text

constants = st.floats(-300, 300, allow_subnormal=False).map(lambda value: value if abs(value) > 1e-9 else 0.0)
deviations = st.floats(1e-3, 300)


@st.composite
def contracts(draw: st.DrawFn) -> Preprocess:
    image, order = draw(st.sampled_from([(a, b) for a in ORDERS for b in ORDERS if reachable(a, b)]))
    channels = channels_of(order)
    size = draw(st.tuples(st.integers(4, 40), st.integers(4, 40)))
    resize = draw(st.sampled_from([None, max(size), max(size) + 3, size, (size[0] + 2, size[1] + 5)]))
    labels = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters='"'), min_size=1, max_size=9)
    return Preprocess(
        image,
        order,
        tuple(draw(constants) for _ in range(channels)),
        tuple(draw(deviations) for _ in range(channels)),
        draw(st.sampled_from([1 / 255, 1.0, 0.25])),
        resize,
        "bilinear" if resize is None else draw(st.sampled_from(INTERPOLATIONS)),
        size if resize not in (None, size) or draw(st.booleans()) else None,
        draw(st.sampled_from(LAYOUTS)),
        draw(st.sampled_from(TYPES)),
        draw(st.none() | st.lists(labels, min_size=3, max_size=3).map(tuple)),
    )


def graph_of(contract: Preprocess) -> Graph:
    """A network that a contract fits."""
    size = contract.size
    shape = f"{channels_of(contract.order)}x{'?x?' if size is None else f'{size[0]}x{size[1]}'}"
    return cnndsl.load(BODY, input=shape).graph.replace(preprocess=contract)


@given(contracts())
def test_json_reads_back(contract: Preprocess) -> None:
    graph = graph_of(contract)
    assert Graph.from_json(json.loads(json.dumps(graph.json()))) == graph
    assert preprocess_from_json(json.loads(json.dumps(contract.json()))) == contract


@given(contracts())
def test_what_expand_prints_says_the_same(contract: Preprocess) -> None:
    graph = graph_of(contract)
    size = "x".join("?" if not isinstance(n, int) else str(n) for n in graph.input_shape.dimensions)
    network = cnndsl.load(BODY, input=size)
    text = expand(graph, network.compiled.elaborated.trace)
    assert cnndsl.load(text).graph.preprocess == contract, text


def test_a_label_that_cannot_stand_in_a_spec_is_left_out_and_said(tmp_path: Path) -> None:
    network = cnndsl.load(labelled(tmp_path, b'cat\n"dog"\nbird\n'))
    text = expand(network.graph, network.compiled.elaborated.trace)
    assert "# its labels stand in a file\n" in text
    found = cnndsl.load(text).graph.preprocess
    assert found is not None
    assert found.labels is None


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("order", "grey", "grey images have 1"),
        ("image", "grey", "grey images have no channels rgb"),
        ("mean", [1.0], "mean and std have others"),
        ("mean", [1.0, 2.0, float("nan")], "finite"),
        ("std", [1.0, 1.0, 0.0], "greater"),
        ("resize", 0, "greater than or equal to 1"),
        ("resize", 8, "the crop is larger"),
        ("crop", [20, 20], "do not fit an input of 3x24x24"),
        ("labels", ["a"], "1 labels for 3 classes"),
        ("labels", [], "at least 1"),
        ("surplus", 1, "not permitted"),
        ("layout", "hwc", "nhwc"),
    ],
)
def test_a_graphs_contract_is_checked(key: str, value: Any, message: str) -> None:
    data = cnndsl.load(spec("resize(26) - crop(24)")).graph.json()
    data["preprocess"][key] = value
    with pytest.raises(ValueError, match=message):
        Graph.from_json(data)


def test_every_name_normalises() -> None:
    for name, constants in NORMALISATIONS.items():
        shape = "3x24x24" if len(constants.mean) == 3 else "1x24x24"
        found = contract(f"normalise({name})", shape)
        assert (found.mean, found.std, found.scale) == (constants.mean, constants.std, constants.scale)


def test_the_constants_are_torchvisions() -> None:
    from oracles import library

    torchvision = library("torchvision")
    if isinstance(torchvision, str):
        pytest.skip(torchvision)
    preset = torchvision.models.ResNet50_Weights.IMAGENET1K_V1.transforms()
    found = contract("resize(256) - crop(224) - normalise(imagenet)", "3x224x224")
    assert list(found.mean) == preset.mean
    assert list(found.std) == preset.std
    assert ([found.resize], [found.size[0]] if found.size else None) == (preset.resize_size, preset.crop_size)
