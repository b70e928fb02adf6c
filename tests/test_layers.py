"""The import contract of docs/design.md: one way, siblings apart, heavy packages where they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "cnndsl"
HEAVY = ("torch", "onnx", "onnxruntime", "numpy", "safetensors", "pydantic", "lark", "tqdm", "matplotlib", "PIL")

LAYERS = (
    {"interrupts"},
    {"version", "record", "extras", "files", "reserved", "processes", "contents"},
    {"source", "gitignore", "nvidia"},
    {"diagnostics"},
    {"limits"},
    {"syntax"},
    {"symbolic"},
    {"shape", "periodic"},
    {"preprocess"},
    {"contract"},
    {"ops"},
    {"ir"},
    {"serialise"},
    {"parser", "formatter", "arithmetic"},
    {"elaborate", "analysis"},
    {"check", "weights"},
    {"passes"},
    {"expand"},
    {"family"},
    {"lint"},
    {"rules"},
    {"report"},
    {"baseline", "fix", "configuration"},
    {"workspace"},
    {"lower", "convert", "storage", "images"},
    {"data", "zoo", "checkpoint"},
    {"compiler"},
    {"divergence"},
    {"verify", "train", "runner", "verify_images"},
    {"quantise"},
    {"triton"},
    {"doctor", "bench", "backends", "rewrite", "compare", "difference"},
    {"api", "picture", "cache"},
    {"batch"},
    {"catalogue"},
    {"cli"},
    {"__init__"},
    {"__main__", "demo"},
)
"""Each imports from those before it only, and siblings not at all but for the pairs below."""

ALLOWED = {
    ("source", "record"), ("ir", "serialise"), ("formatter", "parser"), ("lint", "check"), ("lower", "weights"),
}  # fmt: skip
"""Imports against the order, each for a reason: a graph's `json` is written by `serialise`, when it is called."""

WHERE = {
    "torch": {"lower/torch", "divergence", "verify", "train", "demo", "doctor", "data", "checkpoint"},
    "onnx": {"bench", "lower/onnx", "divergence", "quantise", "verify", "doctor"},
    "onnxruntime": {"verify", "doctor", "demo"},
    "numpy": {
        "bench",
        "images",
        "runner",
        "weights",
        "passes",
        "quantise",
        "storage",
        "lower",
        "divergence",
        "verify",
        "train",
        "data",
        "demo",
        "doctor",
        "api",
        "checkpoint",
    },
    "safetensors": {"storage", "train", "checkpoint"},
    "pydantic": {"contract", "ops/models", "serialise", "doctor"},
    "lark": {"parser/generate"},
    "tqdm": {"train"},
    "matplotlib": {"picture"},
    "PIL": {"images"},
}
"""The modules that may import a package, as the beginnings of their paths."""


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py"))


def unit(path: Path) -> str:
    """The module or subpackage of the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path, *, typing: bool = False) -> Iterator[tuple[str, int]]:
    """What a file imports, absolute and with its line, inside functions too; what only types need where asked for."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped: set[ast.AST] = set()
    if not typing:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
                skipped.update(child for statement in node.body for child in ast.walk(statement))
    package = ("cnndsl", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            name = ".".join(part for part in (base, node.module) if part)
            whole = name == "cnndsl"
            yield from ((f"{name}.{alias.name}" if whole else name, node.lineno) for alias in node.names)


def test_every_module_has_its_place() -> None:
    assert {unit(path) for path in modules()} == set.union(*LAYERS)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    order = {name: position for position, names in enumerate(LAYERS) for name in names}
    mine = unit(path)
    for name, line in imports(path):
        parts = name.split(".")
        other = parts[1] if parts[0] == "cnndsl" and len(parts) > 1 else None
        if other is None or other == mine or other not in order or (mine, other) in ALLOWED:
            continue
        assert order[other] < order[mine], f"{path.name}:{line} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_packages_where_they_are_used(path: Path) -> None:
    place = path.relative_to(PACKAGE).as_posix()
    for name, line in imports(path):
        package = name.split(".")[0]
        if package in HEAVY:
            assert place.startswith(tuple(WHERE[package])), f"{place}:{line} imports {name}"


@pytest.mark.parametrize(
    "unit_",
    ["ir", "ops", "shape", "symbolic", "analysis", "weights", "lower", "verify", "serialise", "convert", "checkpoint"],
)
def test_what_follows_elaboration_looks_at_no_syntax(unit_: str) -> None:
    for path in modules():
        if unit(path) == unit_:
            names = {name for name, _ in imports(path, typing=True)}
            assert not [n for n in names if n.startswith(("cnndsl.syntax", "cnndsl.parser", "cnndsl.elaborate"))]


def test_lowerings_do_not_know_each_other() -> None:
    for path in modules():
        place = path.relative_to(PACKAGE).as_posix()
        for backend, other in (("lower/torch", "cnndsl.lower.onnx"), ("lower/onnx", "cnndsl.lower.torch")):
            if place.startswith(backend):
                assert not [name for name, _ in imports(path, typing=True) if name.startswith(other)]


@pytest.mark.parametrize("module", ["eval", "exec", "globals", "compile", "__import__"])
def test_no_host_code(module: str) -> None:
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != module, f"{path}:{node.lineno}"


@pytest.mark.parametrize("command", ["lint", "stats", "expand", "compare"])
def test_the_commands_that_read_load_nothing_heavy(command: str, tmp_path: Path) -> None:
    spec = tmp_path / "net.cnn"
    spec.write_text(
        "input 3x32x32\ndef B(w) = RES[ CONV3-w(bias=false) - BN | CONV1-w ] - RELU\nB(8)*3 - GAP - FC-10, SOFTMAX\n"
    )
    heavy = ("numpy", "torch", "onnx", "onnxruntime", "pydantic")
    script = (
        "import sys; from cnndsl.cli import main; code = main(sys.argv[1:]); "
        f"print('loaded:', [m for m in {heavy} if m in sys.modules]); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, command, str(spec)], capture_output=True, text=True, check=True
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "loaded: []"


def test_a_finding_in_the_arguments_loads_pydantic_and_no_more() -> None:
    script = (
        "import sys; from cnndsl.cli import main; main(['lint', 'CONV3-8(group=2)', '--input', '3x8x8']); "
        "print('loaded:', [m for m in ('numpy', 'torch', 'onnx', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: ['pydantic']"
