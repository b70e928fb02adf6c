"""What a text may cost us before we refuse it: each limit with its diagnostic and the option that raises it."""

from __future__ import annotations

from .record import Record


class Limits(Record):
    """Upper bounds, checked before the work that they bound. A spec is untrusted input."""

    max_bytes: int = 262_144
    """Size of one file. CNN003; `--max-bytes`."""

    max_nesting: int = 100
    """Brackets, conditionals and operators inside each other. CNN005; `--max-nesting`."""

    max_layers: int = 10_000
    """Layers after every repeat and definition is written out. CNN006; `--max-layers`."""

    max_recursion: int = 100
    """Definitions inside each other's expansion. CNN007; `--max-recursion`."""

    max_steps: int = 200_000
    """Syntax nodes visited by the expansion, layers or not. CNN008; `--max-steps`."""

    max_params: int = 2_000_000_000
    """Parameters of a network whose weights are drawn, four bytes each. CNN029; `--max-params`."""


DEFAULT_LIMITS = Limits()
