"""The best without weights: an ensemble of quick models that knows when to hold its tongue.

A linear ridge, a quadratic ridge and small networks trained through the sensor are weighed by
cross-validation on blocks of coarse pixels (Breiman, "Stacked regressions", Machine Learning 24,
1996). Where guidance does not surely explain detail of the LST that was left out, all weights are
zero and what remains is smooth interpolation. With few coarse pixels all but the linear ridge stay
out. What the ensemble does not explain is restored by conserving the coarse means.
"""

from typing import Final

import torch
from torch import Tensor

from groklst_models.contract import FittedMethod, SceneView, Tiles
from groklst_models.errors import FitError
from groklst_models.regression.detail_ridge import Detail, linear, quadratic
from groklst_models.regression.small_network import Schedule
from groklst_models.regression.stacking import Member, Weights, network_member, ridge_member, weigh
from groklst_models.sampling.features import Features
from groklst_models.sampling.interpolation import upsample_cubic
from groklst_models.sampling.sensor import Sensor, estimate_sensor
from groklst_models.sampling.standardization import Standardization
from groklst_models.sampling.training_set import (
    TrainingSet,
    read_training_set,
)

_FEWEST: Final = 25
"""Coarse pixels below which nothing is fitted."""

_FEW: Final = 100
"""Coarse pixels below which only the linear model is."""

_BEYOND: Final = 0.5
"""Share of the LST's range by which an answer may leave it."""

_INTERPOLATION_REACH: Final = 2  # coarse pixels


class Best(FittedMethod):
    """A weighed mean of ridge, quadratic ridge and scene networks.

    Attributes:
        sensor: The point spread that was found.
        members: What is weighed.
        weights: What cross-validation made of them.
        summary: What was chosen, for people.
    """

    needs_guide = False

    def __init__(
        self, *, scale: int, shrinkage: float = 1e-2, steps: int = 200, seed: int = 0
    ) -> None:
        """Choose how the members are fitted.

        Args:
            scale: Fine pixels along a coarse one.
            shrinkage: Ridge parameter, as a share of the number of samples.
            steps: Of a network's optimizer.
            seed: Of the first network.

        Raises:
            ValueError: If the shrinkage is negative or there are no steps.
        """
        if shrinkage < 0:
            raise ValueError(f"shrinkage is {shrinkage}, it must not be negative")
        if steps < 1:
            raise ValueError(f"steps is {steps}, it must be at least 1")
        self.scale, self.shrinkage, self.seed = scale, shrinkage, seed
        self.schedule = Schedule(steps=steps)
        self.sensor = Sensor(scale)
        self.members: list[Member] = []
        self.weights = Weights((), 0.0, 0.0)

    @property
    def halo(self) -> int:
        """Coarse pixels that the blur or the interpolation reaches."""
        return max(self.sensor.halo, _INTERPOLATION_REACH)

    @property
    def point_spread(self) -> float | None:
        """Standard deviation of the point spread, fine pixels; None where it interpolates."""
        return self.sensor.sigma if self.members else None

    @property
    def product_spread(self) -> float | None:
        """Standard deviation of what the answers are blurred by, fine pixels; as above."""
        return self.sensor.product.sigma if self.members else None

    def fit(self, scene: SceneView) -> None:
        """Fit and weigh the members on windows of the scene; never fail for want of guidance."""
        if not scene.bands:
            return self._keep_silent("there is no guidance")
        features = Features(tuple(scene.bands), self.scale)
        self._standard = Standardization.of(scene, features)
        try:
            training = read_training_set(scene, self._standard, Sensor(self.scale))
        except FitError:
            return self._keep_silent("no coarse pixel has both LST and guidance")
        if training.count < _FEWEST:
            return self._keep_silent(f"only {training.count} coarse pixels have LST and guidance")
        self.sensor = estimate_sensor(scene, features)
        self._fit_members(training.seen_by(self.sensor))
        return None

    def predict(self, tiles: Tiles) -> Tensor:
        """Evaluate the ensemble at the fine scale, then blur; or interpolate. Kelvin."""
        if not any(self.weights.values):
            return upsample_cubic(tiles.lst, self.scale)
        assert tiles.guide is not None
        sharp = torch.stack([self._sharp(fine) for fine in self._standard.fine(tiles.guide)])
        return self.sensor.product.blur(sharp[:, None])

    def _fit_members(self, training: TrainingSet) -> None:
        self._level = training.level
        margin = _BEYOND * (training.highest - training.lowest)
        self._bounds = training.lowest - margin, training.highest + margin
        plain = Detail.of(training, linear)
        self.members = [ridge_member("ridge", plain, linear, self.shrinkage)]
        if training.count >= _FEW:
            products = Detail.of(training, quadratic)
            self.members += [
                ridge_member("quadratic", products, quadratic, self.shrinkage),
                network_member(training, plain, self.shrinkage, self.schedule, self.seed),
            ]
        self.weights = weigh(self.members, plain.lst)
        if not any(self.weights.values):
            return self._keep_silent("guidance explains no detail of the LST left out of the fit")
        pairs = zip(self.members, self.weights.values, strict=True)
        shares = " + ".join(f"{value:.2f} {member.name}" for member, value in pairs)
        self.summary = (
            f"{shares}; explains {self.weights.gain:.0%} of the RMSE of detail left out of the fit "
            f"({training.count} coarse pixels)"
        )
        return None

    def _keep_silent(self, reason: str) -> None:
        self.sensor = Sensor(self.scale)
        self.members, self.weights = [], Weights((), 0.0, 0.0)
        self.summary = f"smooth interpolation alone: {reason}"

    def _sharp(self, fine: Tensor) -> Tensor:
        total = torch.full_like(fine[0], self._level)
        for member, weight in zip(self.members, self.weights.values, strict=True):
            if weight:
                total.add_(member.answer(fine), alpha=weight)
        return total.clamp_(*self._bounds)
