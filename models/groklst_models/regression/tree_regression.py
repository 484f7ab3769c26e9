"""Regression of the LST on features by trees from scikit-learn: fit coarse, apply fine, blur."""

from abc import ABC, abstractmethod
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from groklst_models.contract import SceneView, Tiles
from groklst_models.regression.guided_regression import GuidedRegression
from groklst_models.sampling.bounded_samples import bounded_samples
from groklst_models.sampling.sensor import estimate_sensor


class Regressor(Protocol):
    """What scikit-learn's regressors share."""

    def fit(self, features: NDArray[np.float32], lst: NDArray[np.float32]) -> object:
        """Fit to ``(n, F)`` and ``(n,)``."""
        ...

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Evaluate at ``(n, F)``."""
        ...


class TreeRegression(GuidedRegression, ABC):
    """A forest of some kind; the kind is the subclass's.

    Attributes:
        sensor: The point spread that was found.
        mean: ``(F,)``, features where guidance is missing.
    """

    mean: NDArray[np.float32]

    def __init__(self, *, scale: int, trees: int, leaves: int, seed: int) -> None:
        for name, value, least in (("trees", trees, 1), ("leaves", leaves, 2), ("seed", seed, 0)):
            if value < least:
                raise ValueError(f"{name} is {value}, expected at least {least}")
        super().__init__(scale)
        self.trees, self.leaves, self.seed = trees, leaves, seed

    @abstractmethod
    def regressor(self) -> Regressor:
        """Make the forest, still without trees."""

    def fit(self, scene: SceneView) -> None:
        """Grow the trees on a bounded number of coarse pixels.

        Raises:
            FitError: If there is no guidance, or no coarse pixel with both LST and guidance.
        """
        self.features = self.features_of(scene)
        self.sensor = estimate_sensor(scene, self.features)
        samples = bounded_samples(scene, self.features, self.sensor)
        self.mean = samples.features.mean(axis=0)
        self._fitted = self.regressor()
        self._fitted.fit(samples.features, samples.lst)

    def predict(self, tiles: Tiles) -> Tensor:
        """Evaluate at the fine scale, then blur. Kelvin."""
        assert tiles.guide is not None
        fine = self.features.fine(tiles.guide)
        filled = torch.where(torch.isnan(fine), torch.from_numpy(self.mean)[:, None, None], fine)
        pixels = filled.permute(0, 2, 3, 1).flatten(0, 2).contiguous().numpy()
        answers = self._fitted.predict(pixels).astype(np.float32)
        return self.sensor.product.blur(
            torch.from_numpy(answers).view(len(fine), 1, *fine.shape[-2:])
        )
