"""The wheel: it holds what the package needs, and works installed, from another folder, without the repository."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import onnx
import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built here, with the build backend of this environment where it has one."""
    folder = tmp_path_factory.mktemp("wheel")
    isolated = (
        subprocess.run([sys.executable, "-c", "import hatchling"], capture_output=True, check=False).returncode != 0
    )
    flags = [] if isolated else ["--no-isolation"]
    command = [sys.executable, "-m", "build", "--wheel", *flags, "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and isolated and "hatchling" in done.stdout + done.stderr:
        pytest.skip("hatchling is not installed and cannot be fetched")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a fresh environment with the wheel, and with this environment's dependencies behind it."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return python


def run(python: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    return subprocess.run(
        [str(python), *arguments], cwd=folder, capture_output=True, text=True, check=False, env=environment
    )


def test_the_wheel_holds_what_the_package_needs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"cnndsl/_table.json", "cnndsl/_grammar/cnn.lark", "cnndsl/_specs/lenet5.cnn", "cnndsl/py.typed"} <= names
    for folder in ("data", "pages"):
        data = {path.relative_to(ROOT).as_posix() for path in (ROOT / "cnndsl" / folder).rglob("*") if path.is_file()}
        assert {name for name in data if "__pycache__" not in name} <= names
    specs = {path.relative_to(ROOT / "specs").as_posix() for path in (ROOT / "specs").rglob("*.cnn")}
    assert {f"cnndsl/_specs/{name}" for name in specs} <= names
    assert not [name for name in names if name.startswith("tests/") or "__pycache__" in name]
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("entry_points.txt") for name in names)


def test_the_installed_package_is_the_wheels(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "-c", "import cnndsl; print(cnndsl.__file__)")
    assert str(installed.parent.parent) in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["lint", "zoo:lenet5"], "no findings\n"),
        (["lint", 'use "zoo:blocks/se"\nSE(1)', "--input", "3x8x8"], "no findings\n"),
        (["stats", "CONV3-8 - FC-10", "--input", "3x8x8"], None),
        (["zoo", "lenet5"], None),
        (["rule", "CNN101"], None),
        (["zoo", "show", "resnet18"], None),
        (["zoo", "--json", "resnet18"], None),
        (["compare", "resnet18", "zoo:lenet5"], None),
        (["compare", "resnet18", "zoo:lenet5", "-o", "costs.svg"], None),
        (["compile", "zoo:lenet5", "--to", "onnx", "--seed", "0", "-o", "lenet.onnx"], "lenet.onnx\n"),
        (["compile", "zoo:lenet5", "--to", "torch", "-o", "lenet.py"], "lenet.py\n"),
    ],
)
def test_commands(arguments: list[str], printed: str | None, installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "-m", "cnndsl", *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert printed is None or done.stdout == printed


def test_a_shown_spec_and_converted_weights(installed: Path, tmp_path: Path) -> None:
    """A copy of a spec compiles where no repository is, with the weights of another file."""

    def cnndsl(line: str) -> str:
        done = run(installed, tmp_path, "-m", "cnndsl", *line.split())
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    (tmp_path / "mine.cnn").write_text(cnndsl("zoo show resnet18"))
    cnndsl("weights init zoo:resnet18 --seed 3 -o theirs.safetensors")
    table = cnndsl("weights convert theirs.safetensors --spec mine.cnn --set depth=18 -o ours.safetensors")
    assert table.endswith("ours.safetensors\n")
    cnndsl("compile mine.cnn --set depth=18 --to onnx --weights ours.safetensors -o mine.onnx")
    cnndsl("compile zoo:resnet18 --to onnx --seed 3 -o zoos.onnx")
    mine, zoos = (onnx.load(tmp_path / name) for name in ("mine.onnx", "zoos.onnx"))
    assert mine.graph.initializer == zoos.graph.initializer


def test_lint_reads_the_table_and_needs_no_lark(installed: Path, tmp_path: Path) -> None:
    code = """
import sys
from cnndsl.cli import main
code = main(["lint", sys.argv[1], "--input", "3x8x8"])
print("lark" in sys.modules)
raise SystemExit(code)
"""
    right, wrong = (run(installed, tmp_path, "-c", code, spec) for spec in ("CONV", "CONV - - RELU"))
    assert (right.returncode, right.stdout) == (0, "no findings\nFalse\n"), right.stderr
    assert (wrong.returncode, wrong.stdout.splitlines()[-1]) == (1, "False"), wrong.stderr
