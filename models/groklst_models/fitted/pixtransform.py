"""PixTransform: a network of guidance and place, fitted to one scene with no target but its LST.

R. de Lutio, S. D'Aronco, J. D. Wegner & K. Schindler, "Guided Super-Resolution as Pixel-to-Pixel
Transformation", ICCV 2019, arXiv 1904.01501. A fine pixel's temperature is a function of its own
guidance and of its coordinates: each passes through a stack of 1×1 layers, and a third stack reads
the sum. They are fitted until the means of fine pixels are the coarse LST, and each stack has a
weight decay of its own. Differs in its cost (a narrower layer, fewer steps at a rate that rises and
falls, only some windows of a large scene), in using indices in addition to the bands, and in the
sensor's blur, which is applied to the answer. The scene network goes further: its sensor model is
part of the fit.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from groklst_models.contract import Block, SceneView, Tiles
from groklst_models.regression.guided_regression import GuidedRegression
from groklst_models.regression.pixel_network import Fitting, Loss, PixelNetwork, fit_network
from groklst_models.sampling.features import Features
from groklst_models.sampling.sensor import Sensor, estimate_sensor
from groklst_models.sampling.standardization import Standardization
from groklst_models.sampling.training_set import TrainingSet, read_training_set

_PLACE: Final = ("<row>", "<column>")  # names that no band has
_LEAST_UNIT: Final = 0.05  # kelvin


class PixTransform(GuidedRegression):
    """A network of each fine pixel's guidance and coordinates.

    Attributes:
        sensor: The point spread that was found.
        level: Kelvin that the network's answers are added to.
        unit: Kelvin for each unit of an answer.
        network: The fitted network.
    """

    level: float
    unit: float
    network: PixelNetwork

    def __init__(
        self,
        *,
        scale: int,
        width: int = 32,
        hidden: int = 256,
        steps: int = 1000,
        batch: int = 32,
        rate: float = 3e-3,
        loss: Loss = "l1",
        decay: tuple[float, float, float] = (1e-4, 1e-3, 1e-4),
        seed: int = 0,
    ) -> None:
        """Choose the network and how it is fitted.

        Args:
            scale: Fine pixels along a coarse pixel.
            width: Channels of the narrow layers.
            hidden: Channels of the wide layer; the paper has 2048.
            steps: Of the optimizer.
            batch: Coarse pixels in each.
            rate: Learning rate at its highest.
            loss: ``l1`` or ``l2``, between the means of fine pixels and the coarse LST.
            decay: Weight decay of the stacks for place, for guidance, and for their sum.
            seed: Of weights and batches.

        Raises:
            ValueError: If a number is below 1, the rate not positive, a decay negative, or the
                loss unknown.
        """
        counts = {"width": width, "hidden": hidden, "steps": steps, "batch": batch}
        for name, value in counts.items():
            if value < 1:
                raise ValueError(f"{name} is {value}, expected at least 1")
        if rate <= 0 or min(decay) < 0:
            raise ValueError(f"rate is {rate}, decay {decay}, expected above 0 and at least 0")
        if loss not in ("l1", "l2"):
            raise ValueError(f"loss is {loss!r}, expected l1 or l2")
        super().__init__(scale)
        self.width, self.hidden, self.seed = width, hidden, seed
        self.fitting = Fitting(steps, batch, rate, loss, decay)

    def fit(self, scene: SceneView) -> None:
        """Fit to a bounded number of the scene's coarse pixels.

        Raises:
            FitError: If there is no guidance, or no coarse pixel with both LST and guidance.
        """
        self.sensor = estimate_sensor(scene, self.features_of(scene))
        placed = _PlacedScene(scene)
        self._standard = Standardization.of(placed, Features(placed.bands, self.scale))
        training = read_training_set(placed, self._standard, Sensor(self.scale))
        pixels, lst = self._samples(training)
        self.level, self.unit = training.level, max(float(lst.std(correction=0)), _LEAST_UNIT)
        generator = torch.Generator().manual_seed(self.seed)
        network = PixelNetwork(pixels.shape[-1] - 2, self.width, self.hidden, generator)
        self.network = network.to(lst.device)
        fit_network(self.network, pixels, lst / self.unit, self.fitting, generator)

    def predict(self, tiles: Tiles) -> Tensor:
        """Evaluate at the fine scale, then blur. Kelvin."""
        assert tiles.guide is not None
        places = zip(tiles.guide, tiles.rows, tiles.columns, strict=True)
        placed = torch.stack([_with_place(guide, r, c, self.scale) for guide, r, c in places])
        fine = self._place_first(self._standard.fine(placed))  # (B, F, s·h, s·w)
        sharp = torch.stack([self.network.answer(sample) for sample in fine])
        return self.sensor.product.blur(sharp[:, None] * self.unit + self.level)

    def _samples(self, training: TrainingSet) -> tuple[Tensor, Tensor]:
        """Return fine pixels ``(n, s², F)`` of the usable coarse ones, and their LST ``(n,)``."""
        pixels, side = [], self.scale
        for window in training.windows:
            fine = self._place_first(window.fine[None])[0]
            blocks = functional.pixel_unshuffle(fine[:, None], side)  # (F, s², h, w)
            pixels.append(blocks[:, :, window.usable].permute(2, 1, 0))
        lst = [window.lst[window.usable] for window in training.windows]
        return torch.cat(pixels), torch.cat(lst)

    def _place_first(self, fine: Tensor) -> Tensor:
        """Bring row and column before the other features ``(B, F, …)``."""
        names = self._standard.features.names
        place = [names.index(name) for name in _PLACE]
        return fine[:, place + [i for i in range(len(names)) if i not in place]]


class _PlacedScene:
    """A scene with two more bands: the row and the column of each fine pixel."""

    def __init__(self, scene: SceneView) -> None:
        self._scene = scene
        self.scale, self.shape, self.psf = scene.scale, scene.shape, scene.psf
        self.device = scene.device
        self.bands = (*scene.bands, *_PLACE)

    def blocks(self, margin: int = 0) -> Iterator[Block]:
        return (self._placed(block) for block in self._scene.blocks(margin))

    def window(self, rows: slice, columns: slice) -> Block:
        return self._placed(self._scene.window(rows, columns))

    def _placed(self, block: Block) -> Block:
        guide = torch.from_numpy(block.guide)
        placed = _with_place(guide, block.row, block.column, self.scale)
        return replace(block, guide=placed.numpy())


def _with_place(guide: Tensor, row: int, column: int, scale: int) -> Tensor:
    """Add to guidance ``(G, s·h, s·w)`` where its pixels lie in the scene, coarse pixels."""
    down, across = (
        (torch.arange(size, dtype=guide.dtype, device=guide.device) + 0.5) / scale + start
        for size, start in zip(guide.shape[1:], (row, column), strict=True)
    )
    place = torch.stack(torch.meshgrid(down, across, indexing="ij"))
    return torch.cat([guide, place])
