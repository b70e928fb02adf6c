"""The LALR table: read where it has been saved, generated from the grammar where not.

To generate it takes more than 100 ms, a third of them to import Lark, and to read it takes one, so the wheel ships it.
It is plain data, as JSON, and is read only if it holds a copy of the very grammar that is asked for.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

_PACKAGE = Path(__file__).resolve().parent.parent


class Rule(NamedTuple):
    """How a rule's symbols become one."""

    origin: str
    """What the gotos call it."""
    length: int
    """In symbols."""
    name: str
    """What its tree is called."""
    single: bool
    """An only child takes the tree's place."""
    kept: list[tuple[int, bool]] | None
    """The places of the symbols that become children, and whether their own children do instead; None: all, as is."""


class Table(NamedTuple):
    """A grammar as the parser needs it. States are numbers, terminals and rules names."""

    grammar: str
    start: int
    actions: list[dict[str, int]]
    """By state and terminal: the state to shift to, or the complement of the rule to reduce by."""
    gotos: list[dict[str, int]]
    """By state and rule: the state after the rule has been reduced."""
    rules: list[Rule]
    lexers: list[str]
    """Regular expressions, a named group for each terminal that may stand there."""
    lexer_of: list[int]
    """By state."""
    ignored: list[str]
    """The terminals between the others."""


def grammar_text() -> str:
    """The grammar, from the installed package or from the repository."""
    installed = _PACKAGE / "_grammar" / "cnn.lark"
    path = installed if installed.exists() else _PACKAGE.parent / "grammar" / "cnn.lark"
    return path.read_text(encoding="utf-8")


def find_table(grammar: str) -> Table:
    """The table of a grammar: the package's, or this user's, or a new one, which is kept for the next time."""
    table = _read(_PACKAGE / "_table.json", grammar)
    if table is not None:
        return table
    cached = _cache_file(grammar)
    table = _read(cached, grammar) if cached is not None else None
    if table is not None:
        return table
    from .generate import table_text

    text = table_text(grammar)
    if cached is not None:
        _save(cached, text)
    return decoded(text)


def _read(path: Path, grammar: str) -> Table | None:
    """The table in a file, or None where there is none, or another grammar's, or a damaged one."""
    try:
        table = decoded(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None
    return table if table.grammar == grammar else None


def decoded(text: str) -> Table:
    """The table that a text holds; raises where it holds none."""
    content = json.loads(text)
    content["rules"] = [Rule(*rule) for rule in content["rules"]]
    return Table(**content)


def _cache_file(grammar: str) -> Path | None:
    """Where this user's table may lie; None where no folder is the user's own."""
    from hashlib import sha256

    try:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        folder = Path(base) / "cnndsl"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except (OSError, RuntimeError):
        return None
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        return None
    return folder / f"table-{sha256(grammar.encode()).hexdigest()[:16]}.json"


def _save(path: Path, text: str) -> None:
    """Write a file whole or not at all; a cache that cannot be written is no error."""
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
