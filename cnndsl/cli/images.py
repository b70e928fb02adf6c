"""The commands that read images: `run`, which classifies them, and `preprocess stats`, which measures them."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from .. import report
from .request import CLEAN, ERROR, FINDINGS, Failure, add_spec, failed, graph_of, spec_needed

if TYPE_CHECKING:
    from ..images import Moments
    from ..runner import Outcome

BATCH: Final = 16


def run_options(command: argparse.ArgumentParser) -> None:
    """The options of `run`."""
    command.add_argument("model", metavar="MODEL", help="an .onnx file")
    command.add_argument("images", metavar="IMAGE", nargs="+", help="image files, or folders, which are searched")
    command.add_argument("--top", metavar="N", type=int, default=5, help="how many classes to print (default 5)")
    command.add_argument(
        "--format", dest="form", choices=("text", "json", "csv"), default="text", help="how results are shown"
    )
    command.add_argument(
        "--provider", choices=("cpu", "cuda", "tensorrt"), default="cpu", help="what runs it (default cpu)"
    )
    command.add_argument(
        "--batch", metavar="N", type=int, default=BATCH, help=f"images of one size that go together (default {BATCH})"
    )
    command.add_argument("--quiet", action="store_true", help="no progress bar")
    add_spec(command, option=True, required=False)


def run_run(arguments: argparse.Namespace) -> int:
    """Classify images; 1 where one of them could not be read, 2 where a path names none or none could be."""
    from ..images import find_images
    from ..runner import CannotRun, Outcome, classify, open_model

    for option in ("top", "batch"):
        if getattr(arguments, option) < 1:
            raise Failure(f"--{option} must be at least 1")
    if arguments.spec is None:
        spec_needed(arguments)
    try:
        spec = None if arguments.spec is None else graph_of(arguments)
        model = open_model(arguments.model, arguments.provider, spec)
        paths, unread, wrong = find_images(arguments.images)
        worst = _complained(wrong)
        write = _WRITERS[arguments.form]()
        bar = _Bar(len(paths) + len(unread), not arguments.quiet and len(paths) > 1)
        outcomes = classify(model, paths, top=arguments.top, batch=arguments.batch)
        closed = (Outcome(folder, (), problem) for folder, problem in unread.items())
        read = 0
        with bar:
            for outcome in bar.over(chain(outcomes, closed)):
                with bar.aside():
                    if outcome.problem is not None:
                        worst = max(worst, failed(outcome.problem, FINDINGS))
                    read += outcome.problem is None
                    write.row(outcome)
            write.end()
    except CannotRun as problem:
        raise Failure(str(problem)) from None
    return worst if read else ERROR


def preprocess_options(command: argparse.ArgumentParser) -> None:
    """The options of `preprocess`."""
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    summary = "print the mean and the standard deviation of the channels of a set of images"
    stats = actions.add_parser("stats", help=summary, description=summary, allow_abbrev=False)
    stats.add_argument("images", metavar="DIR", nargs="+", help="folders, which are searched, or image files")
    stats.add_argument("--json", action="store_true", help="as JSON")
    stats.add_argument("--quiet", action="store_true", help="no progress bar")


def run_preprocess(arguments: argparse.Namespace) -> int:
    """Measure images; 1 where one of them could not be read, 2 where a path names none or none could be."""
    from ..images import BrokenImage, Moments, find_images, read_image

    paths, unread, wrong = find_images(arguments.images)
    worst = _complained(wrong)
    moments = Moments()
    bar = _Bar(len(paths), not arguments.quiet and len(paths) > 1)
    with bar:
        for path in bar.over(paths):
            try:
                moments.add(read_image(path))
            except BrokenImage as problem:
                with bar.aside():
                    worst = max(worst, failed(str(problem), FINDINGS))
    for closed in unread.values():
        worst = max(worst, failed(closed, FINDINGS))
    print(json.dumps(_plain(moments), indent=2) if arguments.json else "\n".join(_table(moments)))
    return worst if moments.images else ERROR


def _plain(moments: Moments) -> dict[str, Any]:
    step = moments.step()
    return {
        "images": moments.images,
        "pixels": moments.pixels,
        "channels": list(moments.channels),
        "mean": list(moments.mean),
        "std": list(moments.std),
        "preprocess": None if step is None else f"preprocess {step}",
    }


def _table(moments: Moments) -> Iterator[str]:
    yield f"{moments.images:,} image{'s' * (moments.images != 1)}, {moments.pixels:,} pixels"
    if not moments.pixels:
        return
    yield f"{'channel':8}  {'mean':>8}  {'std':>8}"
    for name, mean, std in zip(moments.channels, moments.mean, moments.std, strict=True):
        yield f"{name:8}  {mean:8.6f}  {std:8.6f}"
    step = moments.step()
    yield f"preprocess {step}" if step else "a channel has only one value: there is nothing to normalise with"


def _complained(wrong: Iterable[str]) -> int:
    """Say what is wrong with the paths; the exit code."""
    worst = CLEAN
    for problem in wrong:
        worst = failed(problem, ERROR)
    return worst


class _Bar:
    """A progress bar on standard error, where one is wanted; what is printed meanwhile does not run into it."""

    def __init__(self, total: int, wanted: bool) -> None:
        self._bar: Any = None
        if wanted:
            from ..extras import need

            self._bar = need("tqdm", "images").tqdm(total=total, unit="image", file=sys.stderr, disable=None)

    def over(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            yield item
            if self._bar is not None:
                self._bar.update()

    def aside(self) -> AbstractContextManager[Any]:
        """Where something is printed."""
        if self._bar is None:
            return nullcontext()
        made: AbstractContextManager[Any] = self._bar.external_write_mode(file=sys.stdout)
        return made

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_error: object) -> None:
        if self._bar is not None:
            self._bar.close()


class _Text:
    """An image a paragraph."""

    def row(self, outcome: Outcome) -> None:
        if outcome.problem is not None:
            return
        print(report.printable(str(outcome.path)))
        for found in outcome.predictions:
            label = "" if found.label is None else f"  {report.printable(found.label)}"
            print(f"  {found.probability:7.4f}  {found.index}{label}")

    def end(self) -> None:
        pass


class _Json:
    """A list of objects, written one by one."""

    def __init__(self) -> None:
        self._before = "["

    def row(self, outcome: Outcome) -> None:
        found = [
            {
                "class": item.index,
                "label": None if item.label is None else report.legible(item.label),
                "probability": item.probability,
            }
            for item in outcome.predictions
        ]
        image = report.legible(str(outcome.path))
        data: dict[str, Any] = {"image": image, "predictions": found}
        if outcome.problem is not None:
            data = {"image": image, "error": report.legible(outcome.problem)}
        print(f"{self._before}\n  {json.dumps(data)}", end="")
        self._before = ","

    def end(self) -> None:
        print("\n]" if self._before == "," else "[]")


class _Csv:
    """A class a row; images that could not be read have none."""

    def __init__(self) -> None:
        import csv

        self._writer = csv.writer(sys.stdout, lineterminator="\n")
        self._writer.writerow(("image", "rank", "class", "label", "probability"))

    def row(self, outcome: Outcome) -> None:
        for rank, found in enumerate(outcome.predictions, 1):
            image, label = _escaped(str(outcome.path)), _escaped(found.label or "")
            self._writer.writerow((image, rank, found.index, label, repr(found.probability)))

    def end(self) -> None:
        pass


def _escaped(name: str) -> str:
    r"""A name without what drives a terminal, which a table may be printed on: control characters as `\x1b`."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: f"\\x{ord(found[0]):02x}", report.legible(name))


_WRITERS: Final[dict[str, type[_Text | _Json | _Csv]]] = {"text": _Text, "json": _Json, "csv": _Csv}
