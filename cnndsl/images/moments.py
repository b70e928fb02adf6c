"""Mean and standard deviation of the channels of many images, one image at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image

Values = npt.NDArray[np.float64]
_LEVELS = np.arange(256, dtype=np.int64)


class Moments:
    """Of red, green and blue, from 0 to 1, every pixel of every image counting once.

    Each image's sums are exact; images are joined by the rule of Chan, Golub and LeVeque (1979), in float64, so that no
    digits are lost however many there are.
    """

    def __init__(self) -> None:
        self.images = 0
        self.pixels = 0
        self.grey = True
        self._mean: Values = np.zeros(3)
        self._squares: Values = np.zeros(3)
        """Of the distances from the mean, summed."""

    def add(self, image: Image) -> None:
        """Take in one image, of mode RGB."""
        values = np.asarray(image).reshape(-1, 3)
        count = len(values)
        if not count:
            return
        counts = [np.bincount(channel, minlength=256) for channel in values.T]
        sums = [int(found @ _LEVELS) for found in counts]
        squares = [int(found @ _LEVELS**2) for found in counts]
        apart = [(count * square - total**2) / count for total, square in zip(sums, squares, strict=True)]
        self.grey = self.grey and bool((values == values[:, :1]).all())
        self._join(count, np.array(sums) / (count * 255), np.array(apart) / 255**2)
        self.images += 1

    def _join(self, count: int, mean: Values, squares: Values) -> None:
        together = self.pixels + count
        apart = mean - self._mean
        self._mean = self._mean + apart * (count / together)
        self._squares = self._squares + squares + apart**2 * (self.pixels * (count / together))
        self.pixels = together

    @property
    def channels(self) -> tuple[str, ...]:
        """What the numbers are of: one channel where no image has colours."""
        return ("grey",) if self.grey else ("red", "green", "blue")

    @property
    def mean(self) -> tuple[float, ...]:
        """One a channel; zeros where there was no image."""
        return tuple(float(value) for value in self._mean[: len(self.channels)])

    @property
    def std(self) -> tuple[float, ...]:
        """One a channel, of all pixels as the whole population."""
        values = np.sqrt(self._squares / max(1, self.pixels))
        return tuple(float(value) for value in values[: len(self.channels)])

    def step(self) -> str | None:
        """The step that normalises by these numbers; None where a channel has only one value."""
        if not self.pixels or min(self.std) < 1e-6:
            return None
        mean, std = (", ".join(f"{value:.4g}" for value in values) for values in (self.mean, self.std))
        return f"normalise(mean={mean}, std={std})" if self.grey else f"normalise(mean=({mean}), std=({std}))"
