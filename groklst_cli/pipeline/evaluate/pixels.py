"""Pixels drawn from many images, for figures over all of them."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from groklst_cli.geo.structure import gradient_magnitude

_MOST: Final = 20_000
"""Pixels that are kept of an image."""


@dataclass(frozen=True)
class Samples:
    """Valid pixels of some images.

    Attributes:
        truth: Kelvin.
        prediction: Kelvin.
        gradient: Magnitude of the truth's gradient, kelvin per pixel; NaN next to gaps.
    """

    truth: NDArray[np.float32]
    prediction: NDArray[np.float32]
    gradient: NDArray[np.float32]

    @classmethod
    def of(cls, prediction: NDArray[np.float32], truth: NDArray[np.float32]) -> Self:
        """Draw some valid pixels of an image, the same for every prediction of its mask."""
        slopes = gradient_magnitude(truth.astype(np.float64)).astype(np.float32)
        valid = np.flatnonzero(np.isfinite(prediction - truth))
        if valid.size > _MOST:
            valid = np.random.default_rng(0).choice(valid, _MOST, replace=False)
        return cls(truth.ravel()[valid], prediction.ravel()[valid], slopes.ravel()[valid])

    def joined(self, other: "Samples") -> "Samples":
        """Put the pixels of two together."""
        return Samples(
            np.concatenate([self.truth, other.truth]),
            np.concatenate([self.prediction, other.prediction]),
            np.concatenate([self.gradient, other.gradient]),
        )
