"""The class labels of a `preprocess` statement: written there, or read from a file."""

from __future__ import annotations

from ..source import Source
from ..syntax import Quoted, Step
from .build import Build
from .statements import Loader
from .units import Missing, Unit


def class_labels(build: Build, loader: Loader, unit: Unit, step: Step) -> tuple[str, ...] | None:
    """The labels of a `labels` step, in the order of the classes; None where something is wrong, which is reported."""
    texts = [item for item in step.values or () if isinstance(item, Quoted)]
    wrong = next((item for item in step.values or () if not isinstance(item, Quoted)), None)
    if wrong is not None or not texts:
        build.error(
            "CNN034", "labels are text", wrong.span if wrong is not None else step.span,
            expected="a file in quotes, or the labels, each in quotes",
            help='write `labels("labels.txt")` or `labels("cat", "dog")`',
        )  # fmt: skip
        return None
    if len(texts) == 1:
        return _from_file(build, loader, unit, texts[0])
    empty = next((item for item in texts if not _printable(item.text.strip())), None)
    if empty is not None:
        build.error("CNN035", "a label is text that can be read", empty.span, found=empty.span.text[:40])
        return None
    return tuple(item.text.strip() for item in texts)


def _from_file(build: Build, loader: Loader, unit: Unit, written: Quoted) -> tuple[str, ...] | None:
    """One label a line; blank lines at the end do not count."""
    path = loader.library.beside(written.text, unit.folder)
    source: Source | Missing = path if isinstance(path, Missing) else loader.read(path)
    if isinstance(source, Missing):
        build.error("CNN023", source.message, written.span, help=source.help)
        return None
    lines = [line.strip() for line in source.text.removeprefix("\ufeff").rstrip().split("\n")]
    for number, line in enumerate(lines, 1):
        if not _printable(line):
            message = f'line {number} of "{written.text}" is no label'
            build.error("CNN035", message, written.span, expected="one label a line", found=_shown(line))
            return None
    return tuple(lines)


def _printable(label: str) -> bool:
    return bool(label) and label.isprintable()


def _shown(line: str) -> str:
    return "an empty line" if not line else "control characters"
