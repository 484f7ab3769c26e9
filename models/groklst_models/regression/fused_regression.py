"""Three regressions of one scene, and networks that correct one of them."""

import math
from pathlib import Path
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from groklst_models.contract import SceneView, Tiles
from groklst_models.regression.fusion_network import STEP
from groklst_models.regression.fusion_planes import FusionPlanes, Seen
from groklst_models.regression.fusion_weights import FusionWeights
from groklst_models.regression.guided_regression import GuidedRegression
from groklst_models.sampling.features import Features
from groklst_models.sampling.sensor import Sensor, estimate_sensor

BORNE_OUT: Final = 0.5
"""Share of the networks' correction that places bear out which they were not trained on."""

SCALES: Final = range(2, 17)
"""That the networks were trained for."""


class FusedRegression(GuidedRegression):
    """Three regressions and networks that correct one of them.

    Attributes:
        sensor: The point spread that was found.
        planes: Makes what the networks see.
        weights: The networks.
        trust: How much of the correction is put in, 0 to 1.
    """

    concurrent = True
    planes: FusionPlanes

    def __init__(self, *, scale: int, weights: str | None = None, trust: float = BORNE_OUT) -> None:
        """Choose the weights.

        Args:
            scale: Fine pixels along a coarse one, 2 to 16.
            weights: Their file; those that come with the package if None.
            trust: How much of the correction is put in, 0 to 1.

        Raises:
            ValueError: If the scale is beyond what the weights were trained for.
            CheckpointError: If the file holds no such weights.
        """
        if scale not in SCALES:
            raise ValueError(f"scale is {scale}, expected {SCALES[0]} … {SCALES[-1]}")
        super().__init__(scale)
        self.trust = trust
        self.weights = FusionWeights.read(Path(weights)) if weights else FusionWeights.shipped()

    @property
    def halo(self) -> int:
        """Coarse pixels that the network reaches, beyond the blur of what it sees."""
        return math.ceil((self.weights.reach + self.sensor.radius) / self.scale)

    def fit(self, scene: SceneView) -> None:
        """Read the scene twice, and some windows of it.

        Raises:
            FitError: If there is no guidance, or no coarse pixel where LST and guidance meet.
        """
        features = self.features_of(scene)
        self.fit_through(scene, features, estimate_sensor(scene, features))

    def fit_through(self, scene: SceneView, features: Features, sensor: Sensor) -> None:
        """Fit where the point spread is known already.

        Raises:
            FitError: If there is no coarse pixel where LST and guidance meet.
        """
        self.sensor = sensor
        self.planes = FusionPlanes(scene, features, sensor)

    def predict(self, tiles: Tiles) -> Tensor:
        """Answer at the fine scale, blurred as the sensor blurs, and correct. Kelvin."""
        return self.fused(self.planes.of(tiles), tiles)

    def fused(self, seen: Seen, tiles: Tiles) -> Tensor:
        """Correct an answer ``(B, 1, s·h, s·w)``, kelvin.

        Args:
            seen: The tiles' planes.
            tiles: Where they lie.
        """
        strength = self.trust * self.planes.unit
        if not strength:
            return seen.base
        parts = [
            self._corrected(planes[None], row * self.scale, column * self.scale)
            for planes, row, column in zip(seen.planes, tiles.rows, tiles.columns, strict=True)
        ]
        return seen.base.addcmul(torch.cat(parts), torch.tensor(strength).to(seen.base))

    def _corrected(self, planes: Tensor, row: int, column: int) -> Tensor:
        """Correct one tile; the network's own grid begins where the scene does."""
        height, width = planes.shape[-2:]
        top, left = row % STEP, column % STEP
        bottom, right = -(top + height) % STEP, -(left + width) % STEP
        padded = functional.pad(planes, (left, right, top, bottom), mode="replicate")
        with torch.no_grad():
            weights = self.weights.to(planes.device)
            answer = weights.answer(padded, self.planes.numbers.to(planes)[None])
        return answer[..., top : top + height, left : left + width]
