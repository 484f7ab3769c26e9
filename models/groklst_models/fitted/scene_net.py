"""The scene network: a small network fitted to one scene, through a model of its sensor.

After R. de Lutio, S. D'Aronco, J. D. Wegner & K. Schindler, "Guided Super-Resolution as
Pixel-to-Pixel Transformation", ICCV 2019, arXiv 1904.01501: a fine pixel is a function of its
guidance, learned from the scene itself. Differs in the sensor model, whose point spread and mean
are between the network and the coarse LST; in a linear skip that starts from the ridge solution; in
ignoring most of the local mean of the error, which conservation restores; and in averaging several
short runs.
"""

import torch
from torch import Tensor

from groklst_models.contract import SceneView, Tiles
from groklst_models.regression.detail_ridge import Detail
from groklst_models.regression.guided_regression import GuidedRegression, checked_shrinkage
from groklst_models.regression.small_network import Schedule, SmallNetwork, train_network
from groklst_models.sampling.sensor import estimate_sensor
from groklst_models.sampling.standardization import Standardization
from groklst_models.sampling.training_set import read_training_set


class SceneNet(GuidedRegression):
    """The mean of several small networks.

    Attributes:
        sensor: The point spread that was found.
        level: Kelvin that the networks' answers are added to.
        networks: One for each seed.
    """

    level: float
    networks: list[SmallNetwork]

    def __init__(
        self,
        *,
        scale: int,
        width: int = 32,
        depth: int = 3,
        steps: int = 300,
        batch: int = 2,
        crop: int = 12,
        shrinkage: float = 1e-2,
        networks: int = 3,
        seed: int = 0,
    ) -> None:
        """Choose the networks and how long they are trained.

        Args:
            scale: Fine pixels along a coarse pixel.
            width: Channels of a layer.
            depth: Layers.
            steps: Of the optimizer.
            batch: Windows in each step.
            crop: Their side, coarse pixels.
            shrinkage: Ridge parameter of the linear start, as a share of the samples.
            networks: How many are averaged.
            seed: Of the first network; the others count on.

        Raises:
            ValueError: If a number is below 1, or the shrinkage negative.
        """
        counts = {"width": width, "depth": depth, "steps": steps, "batch": batch, "crop": crop}
        for name, value in {**counts, "networks": networks}.items():
            if value < 1:
                raise ValueError(f"{name} is {value}, expected at least 1")
        super().__init__(scale)
        self.shrinkage, self.seed = checked_shrinkage(shrinkage), seed
        self.schedule = Schedule(steps=steps, batch=batch, crop=crop, width=width, depth=depth)
        self.members = networks

    def fit(self, scene: SceneView) -> None:
        """Train on windows of the scene.

        Raises:
            FitError: If there is no guidance, or no coarse pixel with both LST and guidance.
        """
        features = self.features_of(scene)
        self.sensor = estimate_sensor(scene, features)
        self._standard = Standardization.of(scene, features)
        training = read_training_set(scene, self._standard, self.sensor)
        self.level = training.level
        start = Detail.of(training).solve(self.shrinkage)
        self.networks = [
            train_network(training, start, seed=self.seed + i, schedule=self.schedule)
            for i in range(self.members)
        ]

    def predict(self, tiles: Tiles) -> Tensor:
        """Average the networks' answers at the fine scale, then blur. Kelvin."""
        assert tiles.guide is not None
        sharp = torch.stack([self._sharp(fine) for fine in self._standard.fine(tiles.guide)])
        return self.sensor.product.blur(sharp[:, None]) + self.level

    def _sharp(self, fine: Tensor) -> Tensor:
        answers = [network.answer(fine) for network in self.networks]
        return torch.stack(answers).mean(dim=0)
