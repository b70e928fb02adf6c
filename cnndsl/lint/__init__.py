"""The linter: one rule a file, listed here; what compiling rejects is found before any rule runs.

A rule's module has a page as its docstring and `check(subject)`, which yields diagnostics with the rule's own code. Rules
of `WRITTEN` look at the text and also run where the spec does not compile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, Final, cast

from ..diagnostics import Diagnostic, Note
from ..source import Source
from .selection import EVERYTHING, Selection
from .subject import Options, Subject, Written
from .suppressions import suppress, suppressions

__all__ = [
    "EVERYTHING",
    "GRAPH",
    "PAGES",
    "RULES",
    "WRITTEN",
    "Options",
    "Selection",
    "Subject",
    "Written",
    "lint",
    "module",
]

GRAPH: Final[Mapping[str, str]] = {
    "CNN130": "columns_dropped",
    "CNN131": "window_mostly_padding",
    "CNN132": "size_below_one",
    "CNN133": "even_kernel_with_symmetric_padding",
    "CNN134": "stride_exceeds_kernel",
    "CNN135": "receptive_field_below_input",
    "CNN202": "project_budget_exceeded",
    "CNN210": "one_layer_dominates_parameters",
    "CNN211": "early_activations_dominate",
    "CNN212": "large_kernel",
    "CNN213": "channels_not_multiple_of_eight",
    "CNN214": "slow_groups",
    "CNN215": "inception_without_bottleneck",
    "CNN301": "bias_before_norm",
    "CNN302": "activations_in_a_row",
    "CNN303": "linear_stack",
    "CNN304": "softmax_before_cross_entropy",
    "CNN305": "saturating_activation_in_deep_stack",
    "CNN306": "dropout_before_batch_norm",
    "CNN307": "norm_over_one_value",
    "CNN308": "activation_after_classifier",
    "CNN309": "deep_without_norm",
    "CNN310": "deep_without_residual",
    "CNN311": "dead_branch",
    "CNN314": "member_does_not_compile",
    "CNN312": "unused_definition",
    "CNN315": "many_hidden_linear_layers",
    "CNN401": "operator_above_opset",
    "CNN402": "open_size_meets_fixed",
    "CNN403": "adaptive_pool_not_exact",
    "CNN404": "names_collide",
    "CNN405": "model_above_two_gibibytes",
}
"""The rules that look at the graph: the module of each by its code."""

WRITTEN: Final[Mapping[str, str]] = {
    "CNN313": "unused_parameter",
    "CNN316": "redundant_repeat",
}
"""The rules that look at what is written, whether or not it compiles."""


SHIPPED: Final = "zoo:"
"""How the names of the files begin that come with the package."""

RULES: Final[Mapping[str, str]] = {**WRITTEN, **GRAPH}
"""Every rule."""

PAGES: Final[Mapping[str, str]] = {**RULES, "CNN901": "unused_suppression", "CNN902": "invalid_suppression"}
"""Every code that has a page: the rules, and what is said of suppressions."""


def module(code: str) -> Any:
    """The module of a code that has a page, imported when it is asked for."""
    return import_module(f"{__name__}.{PAGES[code]}")


def lint(subject: Written, selection: Selection = EVERYTHING, path: str = "") -> tuple[Diagnostic, ...]:
    """The findings of the rules that are on, each place once, less what a comment suppresses; in the order of the text.

    Rules of `GRAPH` need a `Subject`; for a spec that does not compile only those of `WRITTEN` run, and no suppression is
    called unused.
    """
    found = list(_once(_findings(subject, selection, path)))
    given, invalid = suppressions(subject.file)
    kept, idle = suppress([*found, *(one for one in invalid if selection.has(one.code, path))], given)
    if idle and isinstance(subject, Subject):
        from .unused_suppression import CODE, unneeded

        ran = [one for one in idle if _decided(one.code, selection, path)]
        kept += suppress(unneeded(ran, subject) if selection.has(CODE, path) else [], given)[0]
    return tuple(sorted(kept, key=lambda finding: _place(finding, subject.file.source)))


def _findings(subject: Written, selection: Selection, path: str) -> Iterator[Diagnostic]:
    """What the rules say of the spec's own text, and of the files that it uses but for those that come with the package."""
    own = subject.file.source
    for code in RULES if isinstance(subject, Subject) else WRITTEN:
        if selection.has(code, path):
            check = cast("Callable[[Written], Iterable[Diagnostic]]", module(code).check)
            for finding in check(subject):
                if finding.span is None or finding.span.source is own:
                    yield finding
                elif not finding.span.source.name.startswith(SHIPPED):
                    from .used import reported

                    yield from reported(finding, own.name, selection, path)


def _once(findings: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """One finding a code and place: a definition's body is seen in each of its uses, which its first finding counts."""
    places: dict[tuple[object, ...], list[Diagnostic]] = {}
    for finding in findings:
        span = finding.span
        places.setdefault((finding.code, span and (span.source.name, span.start, span.end)), []).append(finding)
    for first, *others in places.values():
        if not others:
            yield first
            continue
        note = Note(f"the same in {len(others)} more use{'s' * (len(others) > 1)} of this line")
        yield first.replace(notes=(*first.notes, note))


def _decided(code: str, selection: Selection, path: str) -> bool:
    """Whether every rule that a suppression is about ran."""
    return all(selection.has(known, path) for known in RULES if known.startswith(code))


def _place(diagnostic: Diagnostic, own: Source) -> tuple[str, int, str]:
    span = diagnostic.span
    if span is None:
        return "", -1, diagnostic.code
    return "" if span.source is own else span.source.name, span.start, diagnostic.code
