"""What the linter found before, by content: safe to delete, to copy to other machines and to share between branches.

One file a project. Its first line says what wrote it: of another version, or of other code, nothing is believed. Each
other line is an entry: its key, a check sum and the findings. A key is made of all that findings depend on, no absolute
path among it; the files that a spec uses are in the entry, each with the digest of its text, and compared when it is read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from .compiler import Compiled, Text, name_of_used
from .diagnostics import Diagnostic, Edit, Fix, Note, Severity
from .elaborate import Library, Missing, project_root
from .files import write_bytes
from .source import Source, Span
from .version import VERSION
from .zoo import specs_folder

FORMAT: Final = 1
GRAMMAR: Final = "_grammar/cnn.lark"
MOST_BYTES: Final = 32_000_000
_ASIDE: Final = {
    ".gitignore": "*\n",
    "CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n# What `cnndsl lint` found before; safe to delete.\n",
}


class Damaged(Exception):
    """A cache or an entry that nobody wrote so."""


def digest(*parts: str | bytes) -> str:
    """A digest of texts, each apart from the next."""
    found = blake2b(digest_size=16)
    for part in parts:
        content = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        found.update(len(content).to_bytes(8, "little"))
        found.update(content)
    return found.hexdigest()


def code_digest() -> str:
    """A digest of this package's own code and grammar, so that whoever changes a rule sees what it finds."""
    package = Path(__file__).parent
    contents = [path.read_bytes() for path in (package / GRAMMAR, package.parent / GRAMMAR[1:]) if path.is_file()]
    for folder, folders, names in os.walk(package):
        folders[:] = sorted(name for name in folders if name[0] != "_")
        for name in sorted(names):
            if name.endswith(".py"):
                with open(os.path.join(folder, name), "rb") as file:  # noqa: PTH118, PTH123
                    contents.append(file.read())
    return digest(*contents)


class Cache:
    """The entries of one file; `damaged` says that it could not be read, and why it begins anew."""

    def __init__(self, folder: Path, code: str) -> None:
        self.folder = folder
        self.path = folder / f"lint-{VERSION}.txt"
        self.damaged: str | None = None
        self._header = json.dumps({"cnndsl": VERSION, "format": FORMAT, "code": code})
        self._stamp: tuple[int, int] | None = None
        self._entries = self._load()
        self._new: dict[str, str] = {}

    def get(self, key: str) -> Any:
        """The entry of a key, as JSON has it; None for none."""
        line = self._new.get(key) or self._entries.get(key)
        if line is None:
            return None
        check, _, content = line.partition(" ")
        try:
            if check == _check(content):
                return json.loads(content)
        except (ValueError, RecursionError):
            pass
        return self.drop(key)

    def drop(self, key: str) -> None:
        """Forget an entry that nobody wrote so."""
        self.damaged = f"{self.path} is damaged; what was in it is found anew"
        self._entries.pop(key, None)

    def put(self, key: str, entry: object) -> None:
        """Keep an entry; `save` writes it."""
        content = json.dumps(entry, separators=(",", ":"))
        self._new[key] = f"{_check(content)} {content}"

    def save(self) -> None:
        """Write what is new, if anything is, with what others wrote meanwhile; the oldest goes. Raises OSError."""
        if not self._new and self.damaged is None:
            return
        if self._stamp != _stamp(self.path) and self.damaged is None:
            self._entries = self._load()
        lines: list[str] = []
        room = MOST_BYTES
        for key, line in [*reversed(self._new.items()), *reversed(self._entries.items())]:
            room -= len(key) + len(line) + 2
            if room < 0:
                break
            if key not in self._new or line is self._new[key]:
                lines.append(f"{key} {line}")
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, content in _ASIDE.items():
            if not (self.folder / name).exists():
                write_bytes(self.folder / name, content.encode())
        write_bytes(self.path, "\n".join([self._header, *reversed(lines), ""]).encode())
        self._new = {}

    def _load(self) -> dict[str, str]:
        """The entries in the file, the oldest first; none where it is another version's, or not there."""
        self._stamp = _stamp(self.path)
        try:
            lines = self.path.read_text(encoding="utf-8").split("\n")
            header = json.loads(lines[0])
            sound = isinstance(header, dict) and "cnndsl" in header and lines[-1] == ""
            if sound and header == json.loads(self._header):
                return dict(_parted(line) for line in lines[1:-1])
        except FileNotFoundError:
            sound = True
        except OSError as problem:
            self.damaged = f"{self.path} cannot be read: {problem.strerror}"
            return {}
        except (ValueError, RecursionError, Damaged):
            sound = False
        if not sound:
            self.damaged = f"{self.path} is damaged; what was in it is found anew"
        return {}


def _check(content: str) -> str:
    """The check sum of an entry: a bit that fell over on a disk is noticed."""
    return f"{crc32(content.encode()):08x}"


def _parted(line: str) -> tuple[str, str]:
    key, blank, rest = line.partition(" ")
    if not blank:
        raise Damaged
    return key, rest


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


class Places:
    """Where the files that specs use lie now, and what is in them; each looked at once a run."""

    def __init__(self) -> None:
        self._roots: dict[Path, Path] = {}
        self._libraries: dict[Path, Library] = {}
        self._texts: dict[Path, tuple[str, str] | None] = {}
        self._shipped = specs_folder().resolve()

    def root(self, spec: Path) -> Path:
        """The project root of a spec."""
        folder = spec.resolve().parent
        if folder not in self._roots:
            self._roots[folder] = project_root(spec)
        return self._roots[folder]

    def find(self, written: str, folder: Path, spec: Path) -> Path | None:
        """The file that `use` names in a file of that folder."""
        root = self.root(spec)
        if root not in self._libraries:
            self._libraries[root] = Library(root, self._shipped)
        found = self._libraries[root].find(written, folder)
        return None if isinstance(found, Missing) else found

    def text(self, path: Path) -> tuple[str, str] | None:
        """A file's text and its digest; None where it cannot be read."""
        if path not in self._texts:
            try:
                text = path.read_bytes().decode("utf-8-sig")
            except (OSError, UnicodeDecodeError):
                self._texts[path] = None
            else:
                self._texts[path] = text, digest(text)
        return self._texts[path]

    def named(self, path: Path, spec: Path) -> str:
        """A path as an entry has it: `zoo:` and the place among the shipped specs, else seen from the spec's folder."""
        if path.is_relative_to(self._shipped):
            return f"zoo:{path.relative_to(self._shipped).as_posix()}"
        return os.path.relpath(path, spec.resolve().parent).replace(os.sep, "/")

    def path(self, named: str, spec: Path) -> Path:
        """The path that an entry names."""
        if named.startswith("zoo:"):
            return Path(os.path.normpath(self._shipped / named[4:]))
        return Path(os.path.normpath(spec.resolve().parent / named))


Entry = list[Any]
"""The files used, the texts that spans are in and that are no files, and the findings."""


def encoded(text: Text, compiled: Compiled, findings: Sequence[Diagnostic], places: Places) -> Entry | None:
    """Findings as an entry; None where they depend on what no entry can name, such as a used file that is not there."""
    spec = text.path
    if spec is None or any(used.source is None for used in compiled.used):
        return None
    rows, sources = [], [text.source]
    for used in compiled.used:
        if used.path is None or used.source is None or used.folder is None:
            return None
        rows.append(
            [used.written, places.named(used.folder, spec), places.named(used.path, spec), digest(used.source.text)]
        )
        sources.append(used.source)
    writer = _Writer(sources)
    found = [writer.finding(finding) for finding in findings]
    return [rows, [[source.name, source.text] for source in writer.sources[len(sources) :]], found]


def decoded(entry: Any, text: Text, places: Places) -> tuple[Diagnostic, ...] | None:
    """The findings of an entry; None where a file that the spec uses is another one now. Raises Damaged."""
    spec = text.path
    assert spec is not None
    try:
        rows, texts, found = entry
        sources = [text.source]
        for written, folder, named, expected in rows:
            path = places.find(written, places.path(folder, spec), spec)
            known = None if path is None else places.text(path)
            if path is None or known is None or places.named(path, spec) != named or known[1] != expected:
                return None
            sources.append(Source(name_of_used(path, text), known[0]))
        sources += [Source(str(name), str(content)) for name, content in texts]
        return tuple(_finding(written, sources) for written in found)
    except (TypeError, ValueError, IndexError, KeyError, AttributeError):
        raise Damaged from None


class _Writer:
    """Diagnostics as lists; a span is the number of its source, its start and its end."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self.sources = list(sources)
        self._numbers = {id(source): number for number, source in enumerate(self.sources)}

    def finding(self, finding: Diagnostic) -> list[Any]:
        fix = finding.fix
        return [
            finding.code,
            finding.severity.value,
            finding.message,
            self._span(finding.span),
            finding.expected,
            finding.found,
            list(finding.chain),
            finding.help,
            [[note.message, self._span(note.span)] for note in finding.notes],
            fix and [fix.message, [[self._span(edit.span), edit.text] for edit in fix.edits], fix.safe],
        ]

    def _span(self, span: Span | None) -> list[int] | None:
        if span is None:
            return None
        number = self._numbers.get(id(span.source))
        if number is None:
            number = self._numbers[id(span.source)] = len(self.sources)
            self.sources.append(span.source)
        return [number, span.start, span.end]


def _finding(written: Any, sources: Sequence[Source]) -> Diagnostic:
    code, severity, message, span, expected, found, chain, advice, notes, fix = written
    return Diagnostic(
        code,
        Severity(severity),
        message,
        _span(span, sources),
        expected,
        found,
        tuple(chain),
        advice,
        tuple(Note(remark, _span(place, sources)) for remark, place in notes),
        fix and Fix(fix[0], tuple(Edit(Span(*_place(place, sources)), new) for place, new in fix[1]), fix[2]),
    )


def _span(place: Any, sources: Sequence[Source]) -> Span | None:
    return None if place is None else Span(*_place(place, sources))


def _place(place: Any, sources: Sequence[Source]) -> tuple[Source, int, int]:
    number, start, end = map(int, place)
    source = sources[number]
    if not 0 <= start <= end <= len(source.text):
        raise Damaged
    return source, start, end
