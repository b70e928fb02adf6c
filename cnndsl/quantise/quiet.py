"""ONNX Runtime's quantiser run without its say."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what ONNX Runtime's Python code logs to itself, and what it makes NumPy warn of.

    It calls the functions of `logging`, which set up the root logger where nobody has: so that has a handler meanwhile.
    """
    root, silent, before = logging.getLogger(), logging.NullHandler(), logging.root.manager.disable
    root.addHandler(silent)
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of NaN among the values, which we look for ourselves
            yield
    finally:
        logging.disable(before)
        root.removeHandler(silent)
