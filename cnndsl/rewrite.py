"""`cnndsl fmt`: files rewritten in the canonical form, or what would change."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from . import report
from .compiler import Unreadable, read_spec
from .diagnostics import SpecError, told
from .formatter import format_file
from .parser import parse_file
from .source import Source

CLEAN, FINDINGS, ERROR = 0, 1, 2


def format_files(names: Sequence[str], *, check: bool, diff: bool) -> int:
    """Format each file in place, or standard input to standard output; the exit code.

    With `check` or `diff` nothing is written, and 1 is returned where something would change.
    """
    worst = CLEAN
    for name in names:
        try:
            worst = max(worst, _format(name, check, diff))
        except SpecError as problem:
            print(report.text(problem.diagnostics), file=sys.stderr)
            worst = max(worst, FINDINGS)
        except (Unreadable, OSError) as problem:
            print(f"cnndsl: {told(problem)}", file=sys.stderr)
            worst = max(worst, ERROR)
    return worst


def _format(name: str, check: bool, diff: bool) -> int:
    source = read_spec(name if name == "-" else Path(name)).source
    file, problems = parse_file(source)
    if problems:
        raise SpecError(problems)
    formatted = format_file(file)
    changed = formatted != source.text
    if diff:
        sys.stdout.write(_difference(source, formatted))
    elif check:
        print(f"would reformat {name}" if changed else f"{name} is formatted", file=sys.stderr)
    elif name == "-":
        sys.stdout.write(formatted)
    elif changed:
        from .files import write_text

        write_text(name, formatted)
        print(f"reformatted {name}")
    return FINDINGS if changed and (check or diff) else CLEAN


def _difference(source: Source, formatted: str) -> str:
    import difflib

    before, after = source.text.splitlines(keepends=True), formatted.splitlines(keepends=True)
    lines = difflib.unified_diff(before, after, source.name, f"{source.name} (formatted)")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
