"""Markdown pages as tests read them: fenced blocks, tables, and the commands of console blocks, executed."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from cnndsl.cli import main

ROOT = Path(__file__).parent.parent

SET_UP = (
    "make",
    "git clone",
    "cd",
    "pip install",
    "python -m pip install",
    "python3 -m venv",
    "source",
    ".venv/bin/pip install",
)
"""Commands of console blocks that prepare a machine: not executed, but a `make` must name a target."""

_FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SHELL = re.compile(r"[|<>;&]")


class Block(NamedTuple):
    """A fenced block: its language, the words after it, its text and line."""

    language: str
    options: tuple[str, ...]
    text: str
    line: int

    def option(self, name: str) -> str | None:
        """The value of `name=value`."""
        return next(iter(self.every(name)), None)

    def every(self, name: str) -> list[str]:
        return [value for key, _, value in (word.partition("=") for word in self.options) if key == name]


class Command(NamedTuple):
    """`$ line` of a console block and the output that is shown below it, if any."""

    line: str
    shown: str


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(found[1], tuple(shlex.split(found[2])), found[3], text.count("\n", 0, found.start()) + 1)
        for found in _FENCE.finditer(text)
    ]


def commands(block: Block) -> list[Command]:
    """The commands of a console block; a line that ends with a backslash goes on."""
    text = block.text.replace("\\\n", "")
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)
    assert not parts[0].strip(), f"output before the first command: {parts[0]!r}"
    return [Command(*part.partition("\n")[::2]) for part in parts[1:]]


def is_set_up(line: str) -> bool:
    return any(line == word or line.startswith(f"{word} ") for word in SET_UP)


def execute(line: str, folder: Path) -> str:
    """What a command prints, in a folder, errors included; in this process where no shell is needed."""
    words = shlex.split(line)
    if words[:1] == ["cnndsl"] and not _SHELL.search(re.sub(r"'[^']*'|\"[^\"]*\"", "", line)):
        printed = io.StringIO()
        outputs = contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed)
        with contextlib.chdir(folder), outputs[0], outputs[1], contextlib.suppress(SystemExit):
            main(words[1:])
        return printed.getvalue()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, env={**os.environ, "PATH": path}, text=True, timeout=120, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.stdout


def agrees(shown: str, printed: str) -> bool:
    """Whether the output shown is the one printed; `...` stands for anything, over lines too."""
    pattern = ".*".join(re.escape(part.rstrip("\n")) for part in shown.split("..."))
    return re.fullmatch(pattern.replace("\\\n.*", "(\n.*)?"), printed.rstrip("\n"), re.DOTALL) is not None


def table(page: Path, *head: str) -> list[list[str]]:
    """The rows of the table whose head begins with these cells, cell by cell; `\\|` is a bar in a cell."""
    rows: list[list[str]] = []
    inside = False
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not inside:
            inside = cells[: len(head)] == list(head)
        elif not cells:
            return rows
        elif set(cells[0]) - set("-:"):
            rows.append([cell.replace("\\|", "|") for cell in cells])
    assert rows, f"no table {head} in {page.name}"
    return rows
