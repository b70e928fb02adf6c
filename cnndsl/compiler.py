"""The stages in order: text, syntax, graph, checks. Stop after any."""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Final

from . import zoo
from .arithmetic import Value, error
from .check import check
from .diagnostics import Diagnostic, Severity, SpecError
from .elaborate import Elaborated, Library, Missing, Request, elaborate, project_root
from .elaborate.resolve import builtin
from .ir import Graph
from .limits import DEFAULT_LIMITS, Limits
from .parser import parse_file
from .parser.number import NumberTooLargeError, is_numeral, number_value
from .record import Record
from .source import Source, Span
from .syntax import Dimensions, File, Number

NOTATION: Final = "<spec>"
STDIN: Final = "<stdin>"


class Unreadable(Exception):
    """A spec that cannot be read: it is not there, or no file. The message says which and what to do."""


class Used(Record):
    """A file that `use` named, as the file in `folder` writes it: where it lies and its text, None where it is not read."""

    written: str
    folder: Path | None
    path: Path | None
    source: Source | None


class Compiled(Record):
    """What became of a spec: as far as it got, every diagnostic, what was asked for from outside, and what was read."""

    file: File
    elaborated: Elaborated
    diagnostics: tuple[Diagnostic, ...]
    settings: Mapping[str, Value] = {}
    used: tuple[Used, ...] = ()
    input_shape: Dimensions | None = None
    limits: Limits = DEFAULT_LIMITS
    family: bool = True

    @property
    def graph(self) -> Graph | None:
        """The graph; None where an error stands in its way."""
        errors = any(diagnostic.severity is Severity.ERROR for diagnostic in self.diagnostics)
        return None if errors else self.elaborated.graph


class Text(Record):
    """A spec's text and where it lies; `path` is None for standard input and for a notation.

    `settings` are those of a member of the zoo; what is asked for besides comes first. `family` is whether the text stands
    for all its members: not where one of them was named.
    """

    source: Source
    path: Path | None = None
    settings: Mapping[str, Value] = {}
    family: bool = True


def read_spec(spec: str | Path, limits: Limits = DEFAULT_LIMITS, names: Container[str] = ()) -> Text:
    """The text of a spec: a file, `-` for standard input, `zoo:NAME`, or the notation itself; `names` have a value there.

    Raises Unreadable where there is no file, SpecError where what is there is no text or too large.
    """
    written = str(spec)
    if written == "-":
        return Text(Source(STDIN, _decode(sys.stdin.buffer.read(limits.max_bytes + 1), STDIN, limits)))
    if isinstance(spec, Path) or names_a_file(written):
        return _read(Path(spec), written, limits)
    if written.startswith("zoo:"):
        return _member(written[4:], limits)
    _refuse_bare_name(written, names)
    return Text(Source(NOTATION, _bounded(written, NOTATION, limits)))


def names_a_file(written: str) -> bool:
    """A path rather than a notation: it exists, or it ends as one and has no blank or bracket in its last part."""
    if "\n" in written or len(written) > 4096 or "\0" in written:
        return False
    try:
        if Path(written).is_file() or (Path(written).exists() and ("/" in written or written in (".", ".."))):
            return True
    except OSError:
        return False
    return written.endswith(".cnn") and not any(c in written for c in "[]()|*")


_LOOKED_AT: Final = 4096
"""How many bytes of a file that is too large tell whether it is text."""

_MOST_DIGITS: Final = 10
"""Of a size of the input: more would be beyond any size that is allowed."""

_BARE_NAME: Final = re.compile(r"[^\W\d][\w.-]{0,59}")


def _refuse_bare_name(written: str, names: Container[str]) -> None:
    """Raise Unreadable for a word where a file or a member of the zoo was meant, as `vgg16`; `names` have a value."""
    if not _BARE_NAME.fullmatch(written) or written in names or builtin(written) is not None:
        return
    if Path(written).is_dir():
        raise Unreadable(f"{written} is a folder, not a spec")
    same, word = zoo.same(written), written.isidentifier() and written.islower()
    near = [same] if same else zoo.closest(written, 0.7) if word else []
    if near:
        raise Unreadable(f"there is no file {written}; did you mean {', '.join(f'zoo:{name}' for name in near)}?")
    if word:
        raise Unreadable(f"there is no file {written}, and no layer has that name")


def _member(name: str, limits: Limits) -> Text:
    """A member of the zoo: its family's text and its settings."""
    found = zoo.find(name)
    if found is None:
        raise Unreadable(_no_member(name))
    path, settings = found
    return _read(path, f"zoo:{name}", limits).replace(settings=settings, family=False)


def _no_member(name: str) -> str:
    if not name:
        return "`zoo:` needs a name, as in zoo:resnet50; `cnndsl zoo` lists them"
    same = zoo.same(name)
    if same:
        return f"the zoo has no {name!r}; did you mean zoo:{same}?"
    near = zoo.closest(name)
    advice = f"closest: {', '.join(near)}" if near else "`cnndsl zoo` lists it"
    return f"the zoo has no {name!r}; {advice}"


def _read(path: Path, name: str, limits: Limits) -> Text:
    try:
        if path.is_dir():
            raise Unreadable(f"{name} is a folder, not a spec")
        if path.exists() and not path.is_file() and path.parent != Path("/dev/fd") and name != "/dev/stdin":
            raise Unreadable(f"{name} is not a regular file; what comes through a pipe is read with `-`")
        with path.open("rb") as file:
            content = file.read(limits.max_bytes + 1)
    except FileNotFoundError:
        raise Unreadable(f"{name} does not exist") from None
    except OSError as problem:
        raise Unreadable(f"{name} cannot be read: {problem.strerror}") from None
    return Text(Source(name, _decode(content, name, limits)), path)


def _decode(content: bytes, name: str, limits: Limits) -> str:
    if len(content) > limits.max_bytes:
        raise _too_large(name, limits, binary=b"\0" in content[:_LOOKED_AT])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        source = Source(name, content.decode("utf-8", "replace"))
        at = len(content[: problem.start].decode("utf-8"))
        raise SpecError(
            (
                error(
                    "CNN004",
                    "this is not UTF-8 text",
                    Span(source, at, at + 1),
                    found=f"byte 0x{content[problem.start]:02x}",
                    help="save it as UTF-8",
                ),
            )
        ) from None


def _bounded(written: str, name: str, limits: Limits) -> str:
    if len(written) > limits.max_bytes:
        raise _too_large(name, limits)
    return written


def _too_large(name: str, limits: Limits, *, binary: bool = False) -> SpecError:
    message = f"the spec has more than {limits.max_bytes:,} bytes"
    advice = "it is not text, so no spec" if binary else "if it is meant, raise the limit with --max-bytes"
    return SpecError((error("CNN003", message, Span(Source(name, ""), 0, 0), help=advice),))


def compile_text(
    text: Text,
    settings: Mapping[str, Value] | None = None,
    input_shape: Dimensions | None = None,
    limits: Limits = DEFAULT_LIMITS,
    *,
    first_members: bool = False,
) -> Compiled:
    """Every stage on a text: parsed, elaborated, checked. Never raises for what the text holds.

    With `first_members` a parameter that has a domain and no value takes the domain's first, as the linter wants it.
    """
    with _no_collection():
        return _compile(text, {**text.settings, **(settings or {})}, input_shape, limits, first_members)


@contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage collection meanwhile: all that is made is kept, and looking through it again and again is not linear."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def name_of_used(path: Path, text: Text) -> str:
    """A used file's name for messages: as the package's own, else seen from where the spec's name is seen."""
    shipped = zoo.specs_folder().resolve()
    if path.is_relative_to(shipped):
        return f"zoo:{path.relative_to(shipped).with_suffix('').as_posix()}"
    if text.path is None:
        return path.name
    beside = os.path.relpath(path, text.path.resolve().parent)
    return os.path.normpath(os.path.join(os.path.dirname(text.source.name), beside))  # noqa: PTH118, PTH120


def _compile(
    text: Text, settings: Mapping[str, Value], input_shape: Dimensions | None, limits: Limits, first_members: bool
) -> Compiled:
    file, problems = parse_file(text.source, limits)
    found = list(problems)

    def parse(source: Source) -> File:
        parsed, more = parse_file(source, limits)
        found.extend(more)
        return parsed

    left = limits.max_bytes
    sources: dict[Path, Source] = {}

    def read(path: Path) -> Source | Missing:
        nonlocal left
        try:
            source = _read(path, name_of_used(path, text), limits).source
        except Unreadable as problem:
            return Missing(str(problem))
        except SpecError as problem:
            return Missing(problem.diagnostics[0].message, problem.diagnostics[0].help)
        left -= len(source.text)
        if left < 0:
            message = f"the files that are used have more than {limits.max_bytes:,} bytes together"
            return Missing(message, "if it is meant, raise the limit with --max-bytes")
        sources[path] = source
        return source

    library = Library(project_root(text.path) if text.path else None, zoo.specs_folder())
    request = Request(settings, input_shape, text.path, limits, first_members)
    elaborated = elaborate(file, request, library, parse, read)
    found += [d for d in elaborated.diagnostics if d.code not in ("CNN024", "CNN026") or not problems]
    if elaborated.graph is not None and not found and elaborated.unit is not None:
        found += check(elaborated.graph, elaborated.spans, elaborated.unit)
    return Compiled(
        file, elaborated, tuple(found), settings, tuple(_used(library, sources)), input_shape, limits, text.family
    )


def _used(library: Library, sources: Mapping[Path, Source]) -> Iterator[Used]:
    for (written, folder), path in library.found.items():
        yield Used(written, folder, *((None, None) if isinstance(path, Missing) else (path, sources.get(path))))


def dimensions(written: str) -> Dimensions:
    """`3x32x32`, `1x16000`, `3x?x?` as an input's shape; raises ValueError."""
    source = Source("--input", written)
    span = Span(source, 0, len(written))
    parts = written.strip().lower().replace("×", "x").split("x")
    if not 1 <= len(parts) <= 4 or not all(part == "?" or (part.isascii() and part.isdigit()) for part in parts):
        raise ValueError(
            f"{written!r} is not a shape; write CxHxW, as in 3x32x32 (C, CxL, CxDxHxW and ? for an open size work too)"
        )
    longest = max(parts, key=len)
    if len(longest) > _MOST_DIGITS:
        raise ValueError(f"{written!r} has a size of {len(longest)} digits; at most 2^31-1 an axis")
    return Dimensions(span, tuple(None if part == "?" else Number(span, int(part), part) for part in parts))


def setting(written: str) -> tuple[str, Value]:
    """`N=2`, `s=0.5`, `down=on,off,on`, `act=GELU` as a name and its value; raises ValueError."""
    name, separator, value = written.partition("=")
    name = name.strip()
    if not separator or not name.isidentifier() or not value.strip():
        raise ValueError(f"{written!r} is not a setting; write NAME=VALUE, as in N=2, act=GELU or down=on,off,on")
    values = tuple(_setting_value(part.strip()) for part in value.split(","))
    return name, values[0] if len(values) == 1 else values


def _setting_value(written: str) -> Value:
    known = {"on": True, "true": True, "off": False, "false": False}.get(written.lower())
    if known is not None:
        return known
    if is_numeral(written):
        try:
            return number_value(written)
        except NumberTooLargeError as problem:
            raise ValueError(f"{written} is too large a number: {problem}") from None
    try:
        value = float(written) if len(written) <= 40 else written
    except ValueError:
        return written
    if isinstance(value, str) or not isfinite(value):
        return written
    return int(written) if written.lstrip("+-").isdigit() else value
