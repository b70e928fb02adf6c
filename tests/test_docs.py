"""The pages say what the code does: examples are compiled, commands executed, defaults and codes compared."""

from __future__ import annotations

import doctest
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT, Block, agrees, blocks, commands, execute, is_set_up, table
from pictures import picture, saved

from cnndsl.analysis.statistics import statistics
from cnndsl.api import findings, lint, parse
from cnndsl.arithmetic import FUNCTIONS
from cnndsl.check import METRICS
from cnndsl.cli.request import LIMIT_OPTIONS
from cnndsl.compiler import Text, compile_text, dimensions, setting
from cnndsl.elaborate.branches import AUX_WEIGHT
from cnndsl.elaborate.layers import BARE_WIDTH, WIDEST_BARE
from cnndsl.elaborate.preprocessing import STEPS
from cnndsl.limits import DEFAULT_LIMITS
from cnndsl.ops import BRANCHING, LAYERS, Parameters, Problem
from cnndsl.ops.arguments import kinds, validate
from cnndsl.ops.models import TYPES
from cnndsl.preprocess import NORMALISATIONS
from cnndsl.shape import Shape
from cnndsl.source import Source

LANGUAGE, COSTS = (ROOT / "docs" / f"{page}.md" for page in ("language", "costs"))
ALLOWED = ("cnndsl", "printf", "cat", "python")
DRAWN = "cnndsl: weights drawn with seed 0: --weights FILE gives trained ones\n"
"""A remark on standard error, which most examples leave out."""

PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"])


def named(language: str) -> list[Any]:
    found = [(page, block) for page in PAGES for block in blocks(page) if block.language == language]
    return [pytest.param(page, block, id=f"{page.name}:{block.line}") for page, block in found]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where commands and scripts run: the specs at hand, some photos, the pages' own files, and a place to write."""
    place = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "specs", place / "specs")
    for label, reach in (("bright", (140, 256)), ("dark", (0, 116))):
        for index in range(8):
            saved(picture(48, 60, index, reach=reach), place / "photos" / label / f"{index}.png")
    for block in (block for page in PAGES for block in blocks(page)):
        if name := block.option("file"):
            (place / name).write_text(block.text, encoding="utf-8")
    return place


# -- examples


def compiled(block: Block) -> tuple[list[str], list[str]]:
    """The codes of the errors and of the warnings in an example."""
    settings = dict(setting(written) for written in block.every("set"))
    if (classes := block.option("classes")) is not None:
        settings["classes"] = int(classes)
    shape = block.option("input")
    found = findings(
        compile_text(Text(Source("<example>", block.text)), settings, None if shape is None else dimensions(shape))
    )
    errors = [diagnostic.code for diagnostic in found if diagnostic.severity == "error"]
    return errors, [diagnostic.code for diagnostic in found if diagnostic.severity == "warning"]


@pytest.mark.parametrize(("page", "block"), named("cnn"))
def test_every_example_compiles_or_fails_as_it_says(page: Path, block: Block) -> None:
    if "fragment" in block.options:
        parse(block.text)
        return
    errors, warnings = compiled(block)
    assert (errors, warnings) == (block.every("error"), block.every("warning")), block.text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_prints_what_is_shown(page: Path, folder: Path) -> None:
    for block in blocks(page):
        for command in commands(block) if block.language == "console" else ():
            if is_set_up(command.line):
                continue
            assert command.line.split()[0] in ALLOWED, f"{page.name}: may {command.line} be run?"
            printed = execute(command.line, folder)
            shown = command.shown
            fits = not shown or agrees(shown, printed) or agrees(shown, printed.replace(DRAWN, ""))
            assert fits, f"$ {command.line}\n{printed}"
            assert "Traceback" not in printed


def test_every_make_command_has_a_target() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    written = re.findall(r"(?:`|^\$ )make ([a-z-]+)", text, re.MULTILINE)
    assert written
    assert set(written) <= targets


def python_blocks() -> list[Any]:
    found = {page: [block for block in blocks(page) if block.language == "python"] for page in PAGES}
    return [pytest.param(page, sessions, id=page.name) for page, sessions in found.items() if sessions]


@pytest.mark.parametrize(("page", "sessions"), python_blocks())
def test_python_runs(page: Path, sessions: list[Block], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One page is one session: with prompts a doctest, without them a script."""
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    for block in sessions:
        if ">>>" not in block.text:
            exec(compile(block.text, f"{page.name}:{block.line}", "exec"), names)  # our own page
            continue
        test = doctest.DocTestParser().get_doctest(block.text, names, page.name, str(page), block.line)
        written: list[str] = []
        result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(
            test, out=written.append, clear_globs=False
        )
        assert not result.failed, "".join(written)
        names = test.globs


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"(?:\]\(|src=\")([^)\"]+)[)\"]", re.sub(r"`[^`]*`", "", text)):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


# -- the reference


KINDS = {
    "Positive": "whole ≥ 1", "Width": "whole ≥ 1", "NonNegative": "whole ≥ 0", "Flag": "", "Real": "real",
    "PositiveReal": "real > 0", "NonZeroReal": "real ≠ 0", "Probability": "real 0..1", "DropRate": "real 0..<1",
    "Window": "window", "Margins": "margins", "Padding": "padding", "Approximation": "none, tanh",
    "UpMode": "nearest, linear, bilinear, trilinear", "PadMode": "constant, reflect, replicate",
}  # fmt: skip
"""How the table of layers writes each kind of argument."""

LAYER_ROWS = {tuple(re.findall(r"`(\w+)`", row[0])): row for row in table(LANGUAGE, "layer")}
DEFAULTS = dict(table(LANGUAGE, "default"))


def written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}".replace("e-0", "e-") if isinstance(value, float) else str(value)


def arguments(layer: type[Parameters]) -> str:
    """The arguments of a layer as the table writes them."""
    cells = []
    for name, kind in kinds(layer).items():
        default = getattr(layer, layer.written.get(name, name), None)
        text = name if default is None else f"{name}={written(default)}"
        cells.append(f"`{text}`{'†' * (name in layer.positional)} {KINDS[kind.removesuffix(' | None')]}".rstrip())
    return "; ".join(cells) or "none"


def test_every_layer_has_a_row_with_its_arguments_and_defaults() -> None:
    assert list(LAYER_ROWS) == list(dict.fromkeys(layer.names for layer in LAYERS.values()))
    assert KINDS.keys() == TYPES.keys()
    for names, row in LAYER_ROWS.items():
        assert row[2] == arguments(LAYERS[names[0]]), names


GIVEN: dict[str, dict[str, object]] = {
    "GN": {"groups": 2}, "IN": {"affine": True}, "SLICE": {"from": 1}, "PAD": {"pad": 1}, "CROP": {"crop": 1},
    "ADAPTIVEAVGPOOL": {"size": 2}, "ADAPTIVEMAXPOOL": {"size": 2},
}  # fmt: skip


@pytest.mark.parametrize("names", LAYER_ROWS)
def test_every_layer_has_the_weights_of_its_row(names: tuple[str, ...]) -> None:
    layer, shape = LAYERS[names[0]], Shape(4, (8, 8))
    width = {"width": 8} if "width" in layer.fields else {}
    parameters = validate(layer, {**GIVEN.get(names[0], {}), **width})
    assert isinstance(parameters, Parameters)
    ops = parameters.build(shape)
    assert not isinstance(ops, Problem)
    owned: list[str] = []
    for position, op in enumerate(ops):
        part = f"{layer.parts[position]}." if layer.parts else ""
        owned += [part + weight.name for weight in op.weights((shape,))]
        after = op.infer((shape,))
        assert isinstance(after, Shape)
        shape = after
    assert re.findall(r"`([a-z_.]+)`(?! =|=)", LAYER_ROWS[names][4].partition(" with ")[0]) == owned


def only(values: list[object]) -> object:
    (value,) = set(values)
    return value


def default(field: str, *names: str) -> str:
    return f"`{written(only([getattr(LAYERS[name], field) for name in names]))}`"


def test_every_default_is_the_codes() -> None:
    convolutions, pools = ("CONV", "DWCONV", "SEPCONV"), ("POOL", "AVGPOOL")
    bare = [layer.names[0] for layer in dict.fromkeys(LAYERS.values()) if layer.bare_width]
    expected = {
        "kernel of `CONV`, `DWCONV`, `SEPCONV`": default("kernel", *convolutions),
        "kernel of `UPCONV`": default("kernel", "UPCONV"),
        "kernel of `POOL`, `AVGPOOL`": default("kernel", *pools),
        "stride of `CONV`, `DWCONV`, `SEPCONV`": default("stride", *convolutions),
        "stride of `UPCONV`": default("stride", "UPCONV"),
        f"width of a bare {', '.join(f'`{name}`' for name in (bare[0], bare[1], bare[2], bare[3]))}": f"`{BARE_WIDTH}`",
        "the same after h stages that halve the resolution": f"`{BARE_WIDTH}*2^h`",
        "the widest of these": f"`{WIDEST_BARE}`",
        "`weight` of `AUX`": f"`{AUX_WEIGHT}`",
    }
    assert expected.items() <= DEFAULTS.items()
    assert only([LAYERS[name].stride for name in pools]) is None  # type: ignore[attr-defined]
    assert only([LAYERS[name].pad for name in (*convolutions, "UPCONV", *pools)]) is None  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("POOL3 - AVGPOOL2x1", "POOL3/3(pad=0) - AVGPOOL2x1/2x1(pad=0)"),
        ("CONV - CONV5(dilation=3) - CONV4", "CONV(pad=1) - CONV5(dilation=3, pad=6) - CONV4(pad=1)"),
        ("UPCONV-8 - UPCONV5-8(dilation=2)", "UPCONV-8(pad=0) - UPCONV5-8(dilation=2, pad=4)"),
        ("CONV-POOL-CONV-POOL-CONV-POOL-CONV-POOL-CONV", "CONV-64-POOL-CONV-128-POOL-CONV-256-POOL-CONV-512-POOL-CONV-512"),
        ("CONV/2 - UP - SEPCONV - UPCONV", "CONV-64/2 - UP - SEPCONV-128 - UPCONV-128"),
        ("CONCAT[ CONV/2 | POOL ] - CONV", "CONCAT[ CONV-64/2 | POOL ] - CONV-128"),
        ("FC - RELU - FC", "FC-64 - RELU - FC-10"),
        ("FC - FC - SOFTMAX", "FC-64 - FC-10 - SOFTMAX"),
        ("CONV - SOFTMAX", "CONV-64 - FC-10 - SOFTMAX"),
        ("DWCONV", "DWCONV-3"),
        ("SLICE(1)", "SLICE(1, 3)"),
        ("CONV-4 - SPLIT[ ID | RELU ]", "CONV-4 - SPLIT(2, 2)[ ID | RELU ]"),
        ("RES[ RELU ]", "RES[ RELU | ID ]"),
        ("POOL? - RELU", "POOL - RELU"),
    ],
)  # fmt: skip
def test_what_is_left_out_is_what_the_page_says(text: str, same: str) -> None:
    graphs = [
        compile_text(Text(Source("<spec>", t)), {"classes": 10}, dimensions("3x32x32")).graph for t in (text, same)
    ]
    assert graphs[0] is not None
    assert graphs[1] is not None
    assert [(node.op, node.inputs) for node in graphs[0].nodes] == [(node.op, node.inputs) for node in graphs[1].nodes]
    assert graphs[0].name == DEFAULTS["name of a network without one"].strip("`")


def test_limits_combinators_functions_and_metrics_are_all_there() -> None:
    limits = [(row[0], row[1]) for row in table(LANGUAGE, "option")]
    assert limits == [
        (f"`--{field.replace('_', '-')}`", f"`{getattr(DEFAULT_LIMITS, field)}`") for field in LIMIT_OPTIONS
    ]
    combinators = " ".join(row[0] for row in table(LANGUAGE, "combinator"))
    assert list(dict.fromkeys(re.findall(r"`([A-Z]+)", combinators))) == list(BRANCHING)
    assert set(re.findall(r"`(\w+)\(", " ".join(row[0] for row in table(LANGUAGE, "function")))) == FUNCTIONS.keys()
    assert [row[0] for row in table(LANGUAGE, "metric")] == [f"`{metric}`" for metric in METRICS]


def test_every_step_of_preprocess_has_a_row_with_its_values() -> None:
    rows = {row[0].strip("`"): row[2] for row in table(LANGUAGE, "step")}
    assert list(rows) == list(STEPS)
    for step, values in STEPS.items():
        cells = [
            f"`{name}`" + (f" {', '.join(kind)}" if isinstance(kind, tuple) else "") for name, kind in values.items()
        ]
        assert not values or rows[step] == "; ".join(cells)
    section = re.sub(r"\s+", " ", LANGUAGE.read_text(encoding="utf-8").partition("## Images")[2])
    for name in ("imagenet", "cifar10", "clip"):
        mean, std = (f"({', '.join(map(written_real, values))})" for values in
                     (NORMALISATIONS[name].mean, NORMALISATIONS[name].std))  # fmt: skip
        assert re.search(rf"`{name}` (mean )?{re.escape(mean)}, (std )?{re.escape(std)}", section), name


def written_real(value: float) -> str:
    return f"{value:.4f}" if value == 0.247 else repr(value)


def test_a_suppression_works_in_a_file_that_is_used(tmp_path: Path) -> None:
    (tmp_path / "part.cnn").write_text("def Part = CONV3-8/3(pad=0)  # cnn: ignore[CNN130]\n", encoding="utf-8")
    spec = tmp_path / "net.cnn"
    spec.write_text('input 1x7x7\nuse "part.cnn"\nPart - RELU\n', encoding="utf-8")
    assert lint(spec) == ()


# -- the numbers


def test_the_keys_of_statistics_are_named() -> None:
    graph = compile_text(Text(Source("<spec>", "CONV3-8")), {}, dimensions("3x32x32")).graph
    assert graph is not None
    data = statistics(graph).json()
    section = COSTS.read_text(encoding="utf-8").partition("## JSON")[2]
    assert re.findall(r"`(\w+)`", section) == [*data, *data["layers"][0]]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("bias", "CONV3-8"),
        ("bias", "UPCONV-8"),
        ("activations, `PRELU`, `SCALE`", "GELU"),
        ("activations, `PRELU`, `SCALE`", "PRELU"),
        ("activations, `PRELU`, `SCALE`", "SCALE"),
        ("`SOFTMAX`", "SOFTMAX"),
        ("`BN`", "BN"),
        ("`LN`, `IN`, `GN`", "LN"),
        ("`LN`, `IN`, `GN`", "IN(affine=true)"),
        ("`LN`, `IN`, `GN`", "GN(1)"),
        ("all else", "CONV3-8(bias=false)"),
        ("all else", "DROPOUT"),
        ("all else", "PAD(1)"),
        ("`UP`", "UP"),
    ],
)
def test_work_by_value_is_what_the_page_says(row: str, text: str) -> None:
    graph = compile_text(Text(Source("<spec>", text)), {}, dimensions("3x8x8")).graph
    assert graph is not None
    node = graph.nodes[1]
    cell = dict(table(COSTS, "layer", "operations a value"))[row]
    assert node.op.work(graph.inputs(node), node.shape) == int(re.findall(r"\d+", cell)[0]) * node.shape.elements
