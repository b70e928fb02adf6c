"""Many specs linted: what is in the cache is taken from there, the others are divided among processes; the order stays."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .api import findings
from .arithmetic import Value
from .compiler import Compiled, Text, Unreadable, compile_text, read_spec
from .configuration import Configuration
from .diagnostics import Diagnostic, SpecError
from .limits import DEFAULT_LIMITS, Limits
from .record import Record
from .source import Source
from .syntax import Dimensions

if TYPE_CHECKING:
    from .cache import Cache, Entry, Places

CACHE: Final = ".cnndsl_cache"
WORTH_A_PROCESS: Final = 12
"""Starting the processes costs as much as linting some five specs."""


class Asked(Record):
    """What is asked of every spec from outside: settings, the input's shape, limits."""

    settings: Mapping[str, Value] = {}
    input: Dimensions | None = None
    limits: Limits = DEFAULT_LIMITS


class Task(Record):
    """One spec to lint: the name that it has in findings, its file if it is one, and what its project sets."""

    name: str
    path: Path | None
    configuration: Configuration

    @property
    def relative(self) -> str:
        """The path that patterns are about."""
        return self.name if self.path is None else self.configuration.relative(self.path)


class Outcome(Record):
    """The findings of a task in the order of the text, or why there are none; `text` is what was linted."""

    task: Task
    text: Text | None = None
    findings: tuple[Diagnostic, ...] = ()
    failure: str | None = None


def lint_files(tasks: Sequence[Task], asked: Asked, caches: Caches | None = None, jobs: int = 1) -> list[Outcome]:
    """Lint files, in the order given, whatever the number of processes. Never raises for what is in a file.

    What comes from elsewhere than a file is in no cache: `-` is read here, `zoo:NAME` and notations are their own names.
    """
    outcomes: dict[int, Outcome] = {}
    left: list[tuple[int, Text]] = []
    for number, task in enumerate(tasks):
        try:
            text = _read(task, asked)
        except SpecError as problem:
            outcomes[number] = Outcome(task, None, problem.diagnostics)
        except (Unreadable, OSError) as problem:
            outcomes[number] = Outcome(task, failure=str(problem))
        else:
            known = None if caches is None or task.path is None else caches.known(task, text, asked)
            if known is None:
                left.append((number, text))
            else:
                outcomes[number] = Outcome(task, text, known)
    todo = [(tasks[number], text) for number, text in left]
    for (number, _), (outcome, entry) in zip(left, _examined(todo, asked, jobs, caches is not None), strict=True):
        outcomes[number] = outcome
        if caches is not None and outcome.task.path is not None and outcome.text is not None and entry is not None:
            caches.keep(outcome.task, outcome.text, asked, entry)
    return [outcomes[number] for number in range(len(tasks))]


def _read(task: Task, asked: Asked) -> Text:
    if task.path is None:
        return read_spec(task.name, asked.limits, asked.settings)
    text = read_spec(task.path, asked.limits)
    return text.replace(source=Source(task.name, text.source.text))


class Caches:
    """The cache of each project: the folder given for all, or one beside the configuration, else in the current folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._caches: dict[Path, Cache] = {}
        self._code: str | None = None
        self._places: Places | None = None
        self._common: dict[int, tuple[Configuration, str]] = {}

    @property
    def places(self) -> Places:
        """Where used files lie."""
        from .cache import Places

        if self._places is None:
            self._places = Places()
        return self._places

    def known(self, task: Task, text: Text, asked: Asked) -> tuple[Diagnostic, ...] | None:
        """What is known of a text; None for nothing."""
        from .cache import Damaged, decoded

        cache, key = self._cache(task.configuration), self._key(task, text, asked)
        entry = cache.get(key)
        if entry is None:
            return None
        try:
            return decoded(entry, text, self.places)
        except Damaged:
            cache.drop(key)
            return None

    def keep(self, task: Task, text: Text, asked: Asked, entry: Entry) -> None:
        """Remember what was found in a text."""
        self._cache(task.configuration).put(self._key(task, text, asked), entry)

    def close(self) -> list[str]:
        """Write what is new; what was wrong with the caches. One that cannot be written matters only if it was asked for."""
        said = []
        for cache in self._caches.values():
            try:
                cache.save()
            except OSError as problem:
                if self._folder is not None:
                    said.append(f"the cache {cache.folder} cannot be written: {problem.strerror}")
            if cache.damaged is not None:
                said.append(f"the cache {cache.damaged}")
        return said

    def _cache(self, configuration: Configuration) -> Cache:
        from .cache import Cache, code_digest

        folder = self._folder or configuration.root / CACHE
        if folder not in self._caches:
            self._code = self._code or code_digest()
            self._caches[folder] = Cache(folder, self._code)
        return self._caches[folder]

    def _key(self, task: Task, text: Text, asked: Asked) -> str:
        from .cache import digest

        assert task.path is not None
        configuration = task.configuration
        if id(configuration) not in self._common:
            fixed = (configuration.selection, configuration.options, asked.settings, asked.input, asked.limits)
            self._common[id(configuration)] = configuration, repr(fixed)
        root = os.path.relpath(self.places.root(task.path), task.path.parent)
        return digest(self._common[id(configuration)][1], task.relative, root, text.source.text)


Examined = tuple[Outcome, "Entry | None"]


def _examined(todo: Sequence[tuple[Task, Text]], asked: Asked, jobs: int, encode: bool) -> list[Examined]:
    worker = _Worker(asked, encode)
    jobs = min(jobs, len(todo))
    if jobs < 2 or len(todo) < WORTH_A_PROCESS:
        return [worker(job) for job in _swept(todo)]
    from .processes import Ended, divide

    found: dict[int, Examined] = {}
    for number, result in divide(todo, worker, jobs):
        if isinstance(result, Ended):
            task = todo[number][0]
            result = Outcome(task, failure=f"{task.name} was not linted: the process that was at it ended early"), None
        found[number] = result
    return [found[number] for number in range(len(todo))]


def _swept(todo: Sequence[tuple[Task, Text]]) -> Iterator[tuple[Task, Text]]:
    """The same; where nobody collects garbage, it is collected now and then."""
    for number, job in enumerate(todo, 1):
        yield job
        if number % 100 == 0 and not gc.isenabled():
            gc.collect()


class _Worker:
    """Compiles and lints specs; goes to other processes."""

    def __init__(self, asked: Asked, encode: bool) -> None:
        self.asked = asked
        self.encode = encode
        self.places: Places | None = None

    def __call__(self, job: tuple[Task, Text]) -> Examined:
        """The outcome, whatever becomes of the spec, and what the cache keeps of it."""
        task, text = job
        try:
            compiled = compile_text(text, self.asked.settings, self.asked.input, self.asked.limits, first_members=True)
            found = found_in(compiled, task)
            return Outcome(task, text, found), self._entry(text, compiled, found) if self.encode else None
        except (Exception, MemoryError) as problem:
            return Outcome(task, failure=f"{task.name} was not linted: {_internal(problem)}"), None

    def _entry(self, text: Text, compiled: Compiled, found: Sequence[Diagnostic]) -> Entry | None:
        from .cache import Places, encoded

        self.places = self.places or Places()
        return encoded(text, compiled, found, self.places)


def found_in(compiled: Compiled, task: Task) -> tuple[Diagnostic, ...]:
    """The findings in a spec under its configuration: those in its own text first, in order, then those in used files.

    A file of definitions, for others to use, is none that lacks a network.
    """
    configuration = task.configuration
    found = findings(compiled, configuration.selection, configuration.options, task.relative)
    if task.path is not None and _defines(compiled):
        found = tuple(finding for finding in found if finding.code != "CNN024")
    return in_order(found, compiled.file.source)


def _defines(compiled: Compiled) -> bool:
    """Whether a file has definitions of its own, and nothing that would be a network."""
    unit = compiled.elaborated.unit
    if unit is None or unit.nets:
        return False
    return any(definition.unit is unit for definition in unit.definitions.values())


def in_order(found: Iterable[Diagnostic], source: Source) -> tuple[Diagnostic, ...]:
    """Findings by their place: without one, in the source, in other files by name."""

    def place(finding: Diagnostic) -> tuple[str, int, str]:
        span = finding.span
        if span is None:
            return "", -1, finding.code
        return "" if span.source is source else span.source.name, span.start, finding.code

    return tuple(sorted(found, key=place))


def _internal(problem: BaseException) -> str:
    """A mistake of our own, with its place; the other files are linted all the same."""
    trace = problem.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" ({Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})" if trace is not None else ""
    return f"internal error{place}: {type(problem).__name__}: {str(problem)[:300]}"
