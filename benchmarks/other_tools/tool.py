"""What is asked of each of the other tools: how a network is written for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .record import Recorded


class CannotSay(Exception):
    """Raised by a writer where the tool's format has no way to say a network; the message is the reason."""


class Edit(NamedTuple):
    """A mistake in the text itself: the first `old` of the sound text is `new` in the broken one."""

    old: str
    new: str


class Tool(NamedTuple):
    """A tool, the version that is measured, its files' ending and what writes them.

    `check` says in words what counts as its verdict. `edits` are the typing errors, by the network's name; `whole` are
    networks that are written by hand, broken and sound, because they are about what only the format has. A tool that
    `infers_widths` has no way to state the channels that come in, so none to state them wrongly.
    """

    name: str
    version: str
    check: str
    ending: str
    write: Callable[[Recorded, Mapping[str, Any]], str]
    edits: Mapping[str, Edit]
    whole: Mapping[str, tuple[str, str]] = {}
    infers_widths: bool = False
