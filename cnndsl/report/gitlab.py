"""Findings as a Code Quality report, which GitLab shows in merge requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..diagnostics import Diagnostic, Severity
from . import printable
from .context import Context
from .identity import Identity, identities

_SEVERITIES: Final = {Severity.ERROR: "major", Severity.WARNING: "minor", Severity.INFO: "info"}


def render(findings: Sequence[Diagnostic], context: Context) -> str:
    """A list of objects with a description, the rule, a fingerprint, a severity and a place."""
    from json import dumps

    pairs = zip(findings, identities(findings, context), strict=True)
    return dumps([_object(finding, identity) for finding, identity in pairs], indent=2)


def _object(finding: Diagnostic, identity: Identity) -> dict[str, Any]:
    lines = {"begin": 1, "end": 1}
    if finding.span is not None:
        lines = {"begin": finding.span.line, "end": finding.span.source.position(finding.span.end)[0]}
    return {
        "description": f"{finding.code} {finding.name}: {printable(finding.message)}",
        "check_name": finding.code,
        "fingerprint": _fingerprint(identity),
        "severity": _SEVERITIES[finding.severity],
        "location": {"path": identity.path or ".", "lines": lines},
    }


def _fingerprint(identity: Identity) -> str:
    """GitLab wants them to be unique in the whole report."""
    from hashlib import sha256

    whole = "\0".join((identity.path, identity.code, identity.fingerprint))
    return sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:32]
