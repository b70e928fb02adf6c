"""What the compiler has to say: data only. `report` renders it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from .record import Record

if TYPE_CHECKING:
    from .source import Span


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


CODES = {
    # 0xx: text, names and limits
    "CNN001": "syntax-error",
    "CNN002": "unclosed-bracket",
    "CNN003": "file-too-large",
    "CNN004": "not-text",
    "CNN005": "nested-too-deep",
    "CNN006": "too-many-layers",
    "CNN007": "endless-recursion",
    "CNN008": "expansion-too-long",
    "CNN010": "unknown-layer",
    "CNN011": "unknown-argument",
    "CNN012": "invalid-argument",
    "CNN013": "free-name",
    "CNN014": "outside-domain",
    "CNN015": "unknown-setting",
    "CNN016": "name-taken",
    "CNN017": "wrong-number-of-arguments",
    "CNN018": "not-a-stage",
    "CNN019": "not-a-number",
    "CNN020": "arithmetic-error",
    "CNN021": "repeated-label",
    "CNN022": "unknown-label",
    "CNN023": "unusable-file",
    "CNN024": "no-network",
    "CNN025": "unsupported",
    "CNN026": "no-input",
    "CNN027": "misplaced-statement",
    "CNN028": "too-large-a-number",
    "CNN029": "too-many-parameters",
    "CNN030": "weights-do-not-fit",
    "CNN031": "weights-of-another-version",
    "CNN032": "checkpoint-does-not-fit",
    "CNN033": "ambiguous-checkpoint",
    # 1xx: shapes
    "CNN101": "channel-mismatch",
    "CNN102": "spatial-mismatch",
    "CNN103": "groups-do-not-divide",
    "CNN104": "window-larger-than-input",
    "CNN105": "empty-output",
    "CNN106": "size-not-fixed",
    "CNN107": "nothing-to-normalise",
    "CNN108": "wrong-rank",
    "CNN109": "uneven-split",
    "CNN110": "shape-assertion-failed",
    "CNN111": "range-outside-channels",
    "CNN112": "no-valid-size",
    "CNN113": "impossible-padding",
    "CNN130": "columns-dropped",
    # 2xx: cost
    "CNN201": "budget-exceeded",
}


class Note(Record):
    """A remark that goes with a diagnostic, at another place or at none."""

    message: str
    span: Span | None = None


class Diagnostic(Record):
    """One finding.

    `message` is the short headline; `expected` and `found` say what was wanted and what was there; `chain` is the way of
    the shapes that led here, oldest first (`conv1 96x55x55`); `help` says what to write instead.
    """

    code: str
    severity: Severity
    message: str
    span: Span | None
    expected: str | None = None
    found: str | None = None
    chain: tuple[str, ...] = ()
    help: str | None = None
    notes: tuple[Note, ...] = ()

    @property
    def name(self) -> str:
        """The kebab name of the code."""
        return CODES[self.code]


class SpecError(Exception):
    """Raised once, at the library's edge, when a spec does not compile; carries every diagnostic."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        self.diagnostics = diagnostics
        super().__init__("\n".join(f"{d.span or '<spec>'}: {d.code} {d.message}" for d in diagnostics))
