"""A model repository: `NAME/config.pbtxt`, `NAME/labels.txt`, `NAME/VERSION/model.onnx`.

https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_repository.html
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ..analysis.sizes import valid_sizes
from ..files import OutputFiles
from ..interrupts import Undoing
from ..ir import Graph
from ..lower.onnx.structure import read_ends
from ..preprocess import Preprocess, Size, channels_of
from ..verify import smallest_sizes
from .existing import misfit
from .settings import INT64, LABELS, CannotServe, Serving, classifies, config

MODEL: Final = "model.onnx"
CONFIG: Final = "config.pbtxt"


class Deployment:
    """A model on its way into a repository: `model` is where to write it; `finish` puts all of it in place, or nothing.

    It is made beside the repository, in which a server may look for models meanwhile. Other models and other versions
    stay as they are. Raises CannotServe, OSError.
    """

    def __init__(self, repository: str | os.PathLike[str], serving: Serving) -> None:
        refusal = serving.refusal()
        if refusal is not None:
            raise CannotServe(refusal)
        self._given = Path(repository)
        self._repository = Path(os.path.realpath(repository))
        self._serving = serving
        self._home = self._repository / serving.name
        for folder in (self._repository, self._home):
            if folder.is_symlink() and not folder.exists():
                raise NotADirectoryError(f"{folder} is a link to {folder.readlink()}, which does not exist")
            if folder.exists() and not folder.is_dir():
                raise NotADirectoryError(f"{folder} is a file, not a folder of a model repository")
        self._version = str(serving.version or self._next())
        if os.path.lexists(self._home / self._version):
            raise CannotServe(f"version {self._version} of {serving.name} is there already: leave out --model-version")
        self._undoing = Undoing()

    def __enter__(self) -> Self:
        self._undoing.__enter__()
        try:
            self._staging = Path(tempfile.mkdtemp(dir=self._beside(), prefix=".cnndsl-"))
        except BaseException:
            self._undoing.__exit__()
            raise
        try:
            (self._staging / self._serving.name / self._version).mkdir(parents=True)
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError) and error.strerror is not None:
            where = Path(os.fsdecode(error.filename or self._staging))
            if where.is_relative_to(self._staging):
                error.filename = str(self._given / where.relative_to(self._staging))  # no name that is gone at once
        shutil.rmtree(self._staging, ignore_errors=True)
        self._undoing.__exit__()

    @property
    def model(self) -> Path:
        """The file to write, or the one to write others beside."""
        return self._staging / self._serving.name / self._version / MODEL

    def finish(self, graph: Graph, *, with_preprocess: bool = False) -> tuple[Path, ...]:
        """Add the settings of the network's file and put the model in place; returns the files."""
        ends = read_ends(self.model)
        contract = graph.preprocess
        labels = None if contract is None else contract.labels
        images = contract if with_preprocess else None
        layout = "nchw" if images is None else images.layout
        example = _example(graph) if images is None else _example_image(graph, images)
        texts = {CONFIG: config(self._serving, ends, example, layout, labels)}
        if labels is not None and classifies(ends.outputs[0]):
            texts[LABELS] = "".join(f"{' '.join(label.splitlines())}\n" for label in labels)
        _gather(self.model.parent)
        version = self.model.parent
        files = [path.relative_to(version) for path in sorted(version.rglob("*")) if path.is_file()]
        settings = None if self._home.is_dir() else self._publish_new(version.parent, texts)
        if settings is None:
            settings = self._publish_version(version, texts, partial(misfit, ends=ends, layout=layout))
        home = self._given / self._serving.name
        return (*(home / name for name in settings), *(home / self._version / path for path in files))

    def _publish_new(self, home: Path, texts: Mapping[str, str]) -> tuple[str, ...] | None:
        """Add a model; the settings that were written, None where another process has just added it."""
        for name, text in texts.items():
            (home / name).write_text(text, encoding="utf-8")
        made = not self._repository.is_dir()
        self._repository.mkdir(exist_ok=True)
        try:
            home.rename(self._home)
        except BaseException as error:
            if made:
                with suppress(OSError):  # another model is in it by now
                    self._repository.rmdir()
            if not _taken(error):
                raise
            for name in texts:
                (home / name).unlink()
            return None
        return tuple(texts)

    def _publish_version(
        self, version: Path, texts: Mapping[str, str], misfit: Callable[[str], str | None]
    ) -> tuple[str, ...]:
        """Add a version to a model that is there; the settings that were written."""
        other = {name: text for name, text in texts.items() if self._former(name) != text}
        settled = [name for name in other if self._former(name) is not None]
        if settled and self._serving.existing != "replace":
            self._check_kept(settled, other, misfit)
            other = {}
        target = self._moved(version)
        try:
            with OutputFiles() as files:
                for name, text in other.items():
                    files.open(self._home / name).write(text.encode())
        except BaseException:
            target.rename(version)
            raise
        return tuple(other)

    def _moved(self, version: Path) -> Path:
        """Put a version in its place: where another process has just taken it, in the next, if any will do."""
        while True:
            target = self._home / self._version
            try:
                version.rename(target)
            except OSError as error:
                if not _taken(error):
                    raise
            else:
                return target
            if self._serving.version is not None:
                name = self._serving.name
                raise CannotServe(f"another process has just written version {self._version} of {name}")
            self._version = str(self._next())

    def _check_kept(
        self, settled: Sequence[str], texts: Mapping[str, str], misfit: Callable[[str], str | None]
    ) -> None:
        """Raise CannotServe where settings that are there may not stay: unasked, or because the file contradicts them."""
        problem = misfit(self._former(CONFIG) or "") if CONFIG in settled else None
        if problem is None and self._serving.existing == "keep":
            return
        advice = "write the new one with --existing-config replace"
        if problem is None:
            difference = self._difference(settled[0], texts[settled[0]])
            raise CannotServe(f"{difference}; keep it with --existing-config keep, or {advice}")
        where = self._given / self._serving.name / CONFIG
        raise CannotServe(
            f"{where} is there already and cannot be kept, because it has {problem}; {advice}, or another model with "
            "--model-name"
        )

    def _former(self, name: str) -> str | None:
        path = self._home / name
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None

    def _difference(self, name: str, text: str) -> str:
        """Where settings differ from those that are there."""
        ours, theirs = text.splitlines(), (self._former(name) or "").splitlines()
        first = next((i for i, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), None)
        at = min(len(ours), len(theirs)) if first is None else first
        have, want = (lines[at].strip() if at < len(lines) else "nothing" for lines in (theirs, ours))
        where = self._given / self._serving.name / name
        return f"{where} is there already and has other settings: line {at + 1} is {have}, and would be {want}"

    def _next(self) -> int:
        """The version after the highest that is there."""
        following = max(self._versions(), default=0) + 1
        if following > INT64:
            raise CannotServe(
                f"{self._serving.name} has version {INT64}, and there is none after it: --model-version N"
            )
        return following

    def _versions(self) -> Iterator[int]:
        """The versions that are there; a server takes no notice of names that begin with 0."""
        names = (path.name for path in self._home.iterdir()) if self._home.is_dir() else ()
        return (int(name) for name in names if re.fullmatch(r"[1-9][0-9]{,18}", name) and int(name) <= INT64)

    def _beside(self) -> Path:
        """Where the model is made: from where it can be renamed into the repository, best outside of it."""
        parent = self._repository.parent
        if not self._repository.is_dir():
            if not parent.is_dir():
                raise FileNotFoundError(f"{self._given} cannot be made: there is no folder {self._given.parent}")
            return parent
        near = parent.stat().st_dev == self._repository.stat().st_dev and os.access(parent, os.W_OK | os.X_OK)
        return parent if near else self._repository


def _taken(error: BaseException) -> bool:
    """Whether a folder could not be renamed because there is one with files of that name."""
    return isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.EEXIST)


def _gather(version: Path) -> None:
    """A model of several files lies in a folder that is called as the one file would be."""
    if len(list(version.iterdir())) == 1:
        return
    folder = version / f"{MODEL}.folder"
    files = list(version.iterdir())
    folder.mkdir()
    for path in files:
        path.rename(folder / path.name)
    folder.rename(version / MODEL)


def _example(graph: Graph) -> tuple[int, ...]:
    """The shape of one input: where it is open, as images become it; else, or where that is not valid, an ordinary one."""
    shape = graph.input_shape
    if shape.fixed:
        return shape.sizes()
    contract = graph.preprocess
    side = None if contract is None else contract.crop or contract.resize
    if side is not None:
        made = dict(zip("HW", _sides(side), strict=True))
        if valid_sizes(graph).accepts(made):
            return shape.evaluate(made).sizes()
    return shape.evaluate(smallest_sizes(graph)[-1]).sizes()


def _example_image(graph: Graph, images: Preprocess) -> tuple[int, ...]:
    """The shape of one image, of the size that it is resized or cropped to, else of the network's."""
    size = images.resize or images.crop
    sides = _example(graph)[1:] if size is None else _sides(size)
    channels = channels_of(images.image)
    return (*sides, channels) if images.layout == "nhwc" else (channels, *sides)


def _sides(size: int | Size) -> Size:
    """Height and width; a resize of the shorter side as that of a square image."""
    return size if isinstance(size, tuple) else (size, size)
