"""invalid-suppression (CNN902)

## What it does
Reports a suppression that names nothing, or no rule: `# cnn: ignore`, `# cnn: ignore[]`, `# cnn: ignore[CNN999]`. It names
codes (`CNN301`), beginnings of codes (`CNN3`) or rules (`bias-before-norm`), with commas between them.

## Why is this bad
It silences nothing, and looks as if it did. What silences everything would also silence what nobody has seen yet.

## Example
```
input 1x7x7
CONV3-8/3(pad=0)  # cnn: ignore[CNN13O]
```

## Use instead
```
input 1x7x7
CONV3-8/3(pad=0)  # cnn: ignore[CNN130]
```
"""

from __future__ import annotations

from typing import Final

from ..diagnostics import Diagnostic, Severity
from ..source import Span

CODE: Final = "CNN902"


def invalid(message: str, span: Span, advice: str) -> Diagnostic:
    """The finding for a suppression, or a part of one, that cannot be understood."""
    return Diagnostic(CODE, Severity.WARNING, message, span, help=advice)
