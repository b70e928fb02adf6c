"""`lint --fix`: specs mended, each replaced whole or not at all, or what would change; what is left is reported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from ..batch import Asked, Outcome, found_in, in_order
from ..compiler import Text, compile_text
from ..diagnostics import Diagnostic, told
from ..files import write_bytes
from ..fix import Mended, difference, mend
from ..source import Source
from .request import CLEAN, FINDINGS, failed
from .streams import tell

_MARK: Final = b"\xef\xbb\xbf"


def mended(outcomes: Sequence[Outcome], asked: Asked, *, unsafe: bool, preview: bool) -> tuple[list[Outcome], int]:
    """The outcomes after fixing, and the exit code: 2 where a file cannot be written, 1 where a preview shows changes.

    Texts that are no files are printed, mended or not; the zoo's are left as they are.
    """
    mending = _Mending(asked, unsafe, preview)
    after = [mending.of(outcome) for outcome in outcomes]
    mending.sum_up()
    return after, mending.code


class _Mending:
    def __init__(self, asked: Asked, unsafe: bool, preview: bool) -> None:
        self.code = CLEAN
        self._asked = asked
        self._unsafe = unsafe
        self._preview = preview
        self._specs = 0
        self._findings = 0

    def of(self, outcome: Outcome) -> Outcome:
        """An outcome after fixing, its text delivered."""
        text, task = outcome.text, outcome.task
        if text is None or task.name.startswith("zoo:"):
            return outcome
        result = self._result(outcome, text)
        changed = result is not None and result.changes(text.source)
        after = text if result is None else text.replace(source=result.source)
        try:
            self._deliver(text, after, changed)
        except OSError as problem:
            self.code = failed(told(problem))
            return outcome
        if result is None:
            return outcome
        self._specs += changed
        self._findings += len(result.applied) if changed else 0
        if changed and self._preview:
            self.code = self.code or FINDINGS
        return outcome.replace(text=after, findings=in_order(result.left, result.source))

    def _result(self, outcome: Outcome, text: Text) -> Mended | None:
        """The text after all rounds; None where there is nothing to fix."""
        if not any(finding.fix and (finding.fix.safe or self._unsafe) for finding in outcome.findings):
            return None

        def lint(source: Source) -> Sequence[Diagnostic]:
            asked = self._asked
            compiled = compile_text(
                text.replace(source=source), asked.settings, asked.input, asked.limits, first_members=True
            )
            return found_in(compiled, outcome.task)

        return mend(text.source, lint, unsafe=self._unsafe, limits=self._asked.limits)

    def _deliver(self, before: Text, after: Text, changed: bool) -> None:
        if self._preview:
            if changed:
                sys.stdout.write(difference(before.source, after.source))
        elif before.path is None:
            sys.stdout.write(after.source.text)
        elif changed:
            with before.path.open("rb") as file:
                mark = _MARK if file.read(len(_MARK)) == _MARK else b""
            write_bytes(before.path, mark + after.source.text.encode())

    def sum_up(self) -> None:
        """Say how much was mended."""
        if self._specs:
            verb = "would mend" if self._preview else "mended"
            findings = f"{self._findings} finding{'s' * (self._findings != 1)}"
            tell(f"{verb} {findings} in {self._specs} spec{'s' * (self._specs != 1)}")
