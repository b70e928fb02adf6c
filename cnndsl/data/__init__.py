"""Images that come with the package: the UCI handwritten digits (README.md beside this file has source and licence)."""

from __future__ import annotations

import gzip
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from ..record import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DIGITS_SHA256: Final = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
LEVELS: Final = 16
"""The whitest pixel; black is 0."""


class Split(Record):
    """Indices of the images to train on, and of those held out."""

    training: NDArray[np.int64]
    held_out: NDArray[np.int64]


def digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The 1,797 UCI handwritten digits: images (1797, 1, 8, 8) in [0, 1], and labels (1797,) from 0 to 9.

    Raises ValueError when the shipped file is not the one that was published.
    """
    import numpy as np

    packed = files(__package__).joinpath("digits.csv.gz").read_bytes()
    found = hashlib.sha256(packed).hexdigest()
    if found != DIGITS_SHA256:
        raise ValueError(f"digits.csv.gz is damaged: SHA-256 {found}, expected {DIGITS_SHA256}; install cnndsl again")
    rows = np.array([line.split(",") for line in gzip.decompress(packed).decode("ascii").splitlines()], dtype=np.int64)
    return (rows[:, :-1].reshape(-1, 1, 8, 8) / LEVELS).astype(np.float32), rows[:, -1]


def held_out(labels: NDArray[np.int64], fraction: float = 0.2, seed: int = 0) -> Split:
    """A random split in which every class holds out the same fraction, rounded; the same one for the same seed."""
    import numpy as np

    random = np.random.default_rng(seed)
    chosen = []
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        chosen.append(members[: round(len(members) * fraction)])
    out = np.sort(np.concatenate(chosen))
    return Split(np.setdiff1d(np.arange(len(labels)), out), out)
