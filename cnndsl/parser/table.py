"""The LALR table: loaded where it has been saved, built from the grammar where not.

Building takes 100 ms and loading 10, so the wheel ships the table. A saved table is a pickle: it is read only from
the package itself and from a folder that belongs to the user, and only when its key says that it was made from this
grammar.
"""

from __future__ import annotations

import hashlib
import os
from io import BytesIO
from pathlib import Path

import lark
from lark import Lark

_PACKAGE = Path(__file__).resolve().parent.parent
_KEY_LENGTH = 64
_loaded: list[Lark] = []


def lark_table() -> Lark:
    """The parser of one statement; the same object every time."""
    if not _loaded:
        _loaded.append(_find(grammar_text()))
    return _loaded[0]


def grammar_text() -> str:
    """The grammar, from the installed package or from the repository."""
    installed = _PACKAGE / "_grammar" / "cnn.lark"
    path = installed if installed.exists() else _PACKAGE.parent / "grammar" / "cnn.lark"
    return path.read_text(encoding="utf-8")


def table_key(grammar: str) -> bytes:
    """What a table depends on: the grammar and Lark. Not Python: one wheel serves every version of it."""
    return hashlib.sha256(f"{lark.__version__}\n{grammar}".encode()).hexdigest().encode()


def build_table(grammar: str) -> Lark:
    """Compute the table from the grammar's text."""
    return Lark(grammar, parser="lalr", lexer="contextual", maybe_placeholders=False)


def table_bytes(grammar: str, table: Lark) -> bytes:
    """The table as `_table.bin` holds it: the key, the digest of the rest, and what Lark saves."""
    buffer = BytesIO()
    table.save(buffer)
    content = buffer.getvalue()
    return table_key(grammar) + hashlib.sha256(content).hexdigest().encode() + content


def _find(grammar: str) -> Lark:
    key = table_key(grammar)
    cached = _cache_file(key)
    for path in (_PACKAGE / "_table.bin", cached):
        table = _load(path, key) if path is not None else None
        if table is not None:
            return table
    table = build_table(grammar)
    if cached is not None:
        _save(cached, table_bytes(grammar, table))
    return table


def _load(path: Path, key: bytes) -> Lark | None:
    """The table in a file, or None where there is none, or another grammar's, or a damaged one."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, saved = content[_KEY_LENGTH : 2 * _KEY_LENGTH], content[2 * _KEY_LENGTH :]
    if content[:_KEY_LENGTH] != key or hashlib.sha256(saved).hexdigest().encode() != digest:
        return None
    try:
        return Lark.load(BytesIO(saved))
    except Exception:
        return None


def _cache_file(key: bytes) -> Path | None:
    """Where this user's table may lie; None where no folder is the user's own."""
    try:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        folder = Path(base) / "cnndsl"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except (OSError, RuntimeError):
        return None
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        return None
    return folder / f"table-{key[:16].decode()}.bin"


def _save(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; a cache that cannot be written is no error."""
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
