"""What the compiler has to say: data only. `report` renders it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from .record import Record

if TYPE_CHECKING:
    from .source import Span


class Severity(StrEnum):
    """How much a finding weighs: what cannot run, what is most likely a mistake, what is worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


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
    "CNN034": "invalid-preprocess",
    "CNN035": "labels-do-not-fit",
    "CNN036": "weights-out-of-range",
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
    "CNN114": "preprocess-does-not-fit",
    "CNN115": "crop-larger-than-image",
    "CNN130": "columns-dropped",
    "CNN131": "window-mostly-padding",
    "CNN132": "size-below-one",
    "CNN133": "even-kernel-with-symmetric-padding",
    "CNN134": "stride-exceeds-kernel",
    "CNN135": "receptive-field-below-input",
    # 2xx: cost
    "CNN201": "budget-exceeded",
    "CNN202": "project-budget-exceeded",
    "CNN210": "one-layer-dominates-parameters",
    "CNN211": "early-activations-dominate",
    "CNN212": "large-kernel",
    "CNN213": "channels-not-multiple-of-eight",
    "CNN214": "slow-groups",
    "CNN215": "inception-without-bottleneck",
    # 3xx: practice
    "CNN301": "bias-before-norm",
    "CNN302": "activations-in-a-row",
    "CNN303": "linear-stack",
    "CNN304": "softmax-before-cross-entropy",
    "CNN305": "saturating-activation-in-deep-stack",
    "CNN306": "dropout-before-batch-norm",
    "CNN307": "norm-over-one-value",
    "CNN308": "activation-after-classifier",
    "CNN309": "deep-without-norm",
    "CNN310": "deep-without-residual",
    "CNN311": "dead-branch",
    "CNN312": "unused-definition",
    "CNN313": "unused-parameter",
    "CNN314": "member-does-not-compile",
    "CNN315": "many-hidden-linear-layers",
    "CNN316": "redundant-repeat",
    # 4xx: deployment
    "CNN401": "operator-above-opset",
    "CNN402": "open-size-meets-fixed",
    "CNN403": "adaptive-pool-not-exact",
    "CNN404": "names-collide",
    "CNN405": "model-above-two-gibibytes",
    # 9xx: suppressions
    "CNN901": "unused-suppression",
    "CNN902": "invalid-suppression",
}
"""The kebab name of every code."""

OF_WEIGHTS = frozenset({"CNN030", "CNN032", "CNN033"})
"""Codes that find fault with a file of weights, which a command was given beside its spec."""


class Note(Record):
    """A remark that goes with a diagnostic, at another place or at none."""

    message: str
    span: Span | None = None


class Edit(Record):
    """A stretch of a text and what it is replaced by."""

    span: Span
    text: str


class Fix(Record):
    """A way to mend a finding: edits of one file that do not overlap, all or none.

    `message` says what they do (`write bias=false`); `safe` that there is one right answer, and the network means what the
    rule's page says it does then; others are applied on request alone.
    """

    message: str
    edits: tuple[Edit, ...]
    safe: bool = True


class Diagnostic(Record):
    """One finding.

    `message` is the short headline; `expected` and `found` say what was wanted and what was there; `chain` is the way of
    the shapes that led here, oldest first (`conv1 96x55x55`); `help` says what to write instead; `fix` does it.
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
    fix: Fix | None = None

    @property
    def name(self) -> str:
        """The kebab name of the code."""
        return CODES[self.code]


class SpecError(Exception):
    """Raised once, at the library's edge, when a spec does not compile; carries every diagnostic."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        self.diagnostics = diagnostics
        super().__init__("\n".join(f"{d.span or '<spec>'}: {d.code} {d.message}" for d in diagnostics))


def told(failure: Exception) -> str:
    """A failure in words for the user: of the system's, which file it is about and no number."""
    if isinstance(failure, OSError) and failure.strerror:
        return f"{failure.strerror}: {failure.filename}" if failure.filename else failure.strerror
    return str(failure)
