"""Scopes: the named parts of a graph, one a definition's use, a labelled group, an AUX head."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..ir import Scope
from .build import Build, Frame
from .names import Namer


@contextmanager
def open_scope(
    build: Build, frame: Frame, label: str | None, base: str, kind: str, reserved: frozenset[str] = frozenset()
) -> Iterator[Frame]:
    """A frame whose nodes are named below `label`, or below `base` and a number; nothing is kept of an empty one."""
    name = frame.namer.labelled(label, frame.repeated) if label else frame.namer.numbered(base)
    place, before = len(build.scopes), len(build.nodes)
    build.scopes.append(Scope(name, kind))
    yield frame.named(build, Namer(f"{name}.", reserved))
    if len(build.nodes) == before:
        del build.scopes[place:]
        if not label:
            frame.namer.give_back(base)
