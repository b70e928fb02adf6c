"""What other tools take from the repository: pre-commit's hooks, GitHub's action, shells' completion."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
WRONG = "input 3x8x8\nCONV3-8(groups=2)\n"
RIGHT = "input 3x8x8\nnet Right = CONV3-8 - RELU - GAP - FC-10\n"
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def shell(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script in bash as GitHub does."""
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script], cwd=folder, text=True, capture_output=True, timeout=60, check=False,
        env={**os.environ, "PATH": PATH, **environment},
    )  # fmt: skip


@pytest.mark.parametrize(
    "hook", yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text()), ids=lambda hook: hook["id"]
)
def test_a_hook_fails_on_what_is_wrong(hook: dict[str, str], tmp_path: Path) -> None:
    """pre-commit calls the entry with the files that changed; a formatter fails by changing them."""
    assert {"id", "name", "entry", "language", "files"} <= set(hook) and hook["language"] == "python"
    (tmp_path / "right.cnn").write_text(RIGHT)
    (tmp_path / "wrong.cnn").write_text(WRONG if "lint" in hook["entry"] else RIGHT.replace(" - ", "   -  "))
    assert shell(f"{hook['entry']} right.cnn", tmp_path).returncode == 0
    done = shell(f"{hook['entry']} right.cnn wrong.cnn", tmp_path)
    changed = (tmp_path / "wrong.cnn").read_text() == RIGHT
    assert (done.returncode == 1) if "lint" in hook["entry"] else (done.returncode == 0 and changed)


def test_the_action_annotates_and_fails(tmp_path: Path) -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    assert action["runs"]["using"] == "composite"
    steps = action["runs"]["steps"]
    assert all("shell" in step for step in steps if "run" in step)
    used = {name for step in steps for name in str(step).split("inputs.")[1:]}
    assert {name.split(" ")[0].rstrip("}'") for name in used} == set(action["inputs"])
    lint = steps[-1]["run"]
    given = {"CNNDSL_PATHS": "nets", "CNNDSL_ARGUMENTS": "--no-cache", "CNNDSL_SARIF": "out.sarif"}
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "right.cnn").write_text(RIGHT)
    assert shell(lint, tmp_path, **given).returncode == 0
    (tmp_path / "nets" / "wrong.cnn").write_text(WRONG)
    done = shell(lint, tmp_path, **given)
    assert done.returncode == 1
    assert "::error " in done.stdout and "file=nets/wrong.cnn" in done.stdout
    assert "CNN103" in (tmp_path / "out.sarif").read_text()


def test_bash_completes(tmp_path: Path) -> None:
    script = (
        'eval "$(cnndsl completion bash)"\n'
        'try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); $(complete -p cnndsl | sed "s/.*-F //; s/ .*//") '
        'cnndsl "${COMP_WORDS[COMP_CWORD]}" ""; echo "${COMPREPLY[@]}"; }\n'
        "try cnndsl li; try cnndsl lint --form; try cnndsl compile --to o\n"
    )
    assert shell(script, tmp_path).stdout.split() == ["lint", "--format", "onnx"]


@pytest.mark.parametrize("name", ["bash", "zsh", "fish", "powershell", "tcsh"])
def test_every_shell_gets_a_script(name: str, tmp_path: Path) -> None:
    done = shell(f"cnndsl completion {name} > script", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    text = (tmp_path / "script").read_text()
    assert "cnndsl" in text and "lint" in text
    if name in ("bash", "zsh", "fish") and shutil.which(name):
        assert shell(f"{name} -n script", tmp_path).returncode == 0
