"""What a form needs to know beside the findings: the files that were looked at, and where they lie."""

from __future__ import annotations

from functools import cache

from ..diagnostics import Diagnostic, Severity
from ..record import Record


class Context(Record):
    """`root` is the folder that paths are shown relative to (empty: the current one); `files` are the names of all that
    were linted, in order, those without findings too; findings below `fail_level` fail no test case; `documentation` is
    where docs/rules.md is on the web, if it is.
    """

    root: str = ""
    files: tuple[str, ...] = ()
    fail_level: Severity = Severity.WARNING
    colour: bool = False
    documentation: str = ""

    def path(self, finding: Diagnostic) -> str | None:
        """The path of a finding's file; None where it has no place and several files were linted."""
        if finding.span is not None:
            return relative(finding.span.source.name, self.root)
        return relative(self.files[0], self.root) if len(self.files) == 1 else None

    def fails(self, finding: Diagnostic) -> bool:
        """Whether a finding counts as a failure."""
        order = list(Severity)
        return order.index(finding.severity) <= order.index(self.fail_level)


def relative(name: str, root: str = "") -> str:
    """The path of a source below a folder (empty: the current one), with `/`; `<stdin>` and `zoo:NAME` as they are.

    Links in the folders above are followed, so that a place has one path; the file itself may be a link.
    """
    if name.startswith(("<", "zoo:")):
        return name
    import os

    return _below(name, root, os.getcwd())  # noqa: PTH109


@cache
def _below(name: str, root: str, current: str) -> str:
    import os.path
    from contextlib import suppress

    folder, file = os.path.split(os.path.join(current, name))  # noqa: PTH118
    path = os.path.join(os.path.realpath(folder), file)  # noqa: PTH118
    with suppress(ValueError):  # another drive than the root's
        path = os.path.relpath(path, os.path.realpath(os.path.join(current, root)))  # noqa: PTH118
    return path.replace(os.sep, "/")


def uri(path: str) -> str:
    """A relative path as a relative URI reference, percent-encoded."""
    from os import fsencode
    from urllib.parse import quote

    return quote(fsencode(path), safe="/")
