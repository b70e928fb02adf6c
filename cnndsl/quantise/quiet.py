"""ONNX Runtime's quantiser run without its say."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what ONNX Runtime's Python code logs to itself.

    It calls the functions of `logging`, which set up the root logger where nobody has: so that has a handler meanwhile.
    """
    root, silent, before = logging.getLogger(), logging.NullHandler(), logging.root.manager.disable
    root.addHandler(silent)
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
        root.removeHandler(silent)
