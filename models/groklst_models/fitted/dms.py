"""Data mining sharpener: trees for the whole scene and for moving windows, blended.

F. Gao, W. P. Kustas & M. C. Anderson, "A Data Mining Approach for Sharpening Thermal Satellite
Imagery over Land", Remote Sensing 4(11), 2012; R. Guzinski & H. Nieto, "Evaluating the feasibility
of using Sentinel-2 and Sentinel-3 satellites for high-resolution evapotranspiration estimations",
Remote Sensing of Environment 221, 2019. Regression trees with a linear model in each leaf are
trained on coarse pixels, weighted by their homogeneity, once for the scene and once for each window
of 15 × 15; the two answers are weighted by their inverse squared coarse residuals. Written from the
papers. Differs in aggregating features instead of bands, in windows that overlap by half so that no
seam shows, in giving little weight to pixels with large residuals of the scene's trees (clouds, or
gaps that were filled), and in the sensor's blur.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from groklst_models.contract import SceneView, Tiles
from groklst_models.errors import lacks_guidance
from groklst_models.guidance import coarse_means
from groklst_models.regression.guided_regression import GuidedRegression
from groklst_models.regression.linear_trees import Growth, LinearTrees
from groklst_models.sampling.bounded_samples import bounded_samples, inside_spread
from groklst_models.sampling.features import Features
from groklst_models.sampling.interpolation import upsample_linear
from groklst_models.sampling.moving_windows import STEP, WINDOW, Blend, windows_over
from groklst_models.sampling.sensor import estimate_sensor

_FEWEST: Final = 40  # coarse pixels of a window that is worth trees of its own
_LEAST_RESIDUAL: Final = 0.05  # kelvin; below that, residuals are alike
_FAR: Final = 3.0  # usual residuals


class DMS(GuidedRegression):
    """Trees with linear leaves, global and local.

    Attributes:
        sensor: The point spread that was found.
        trees: Those of the whole scene.
    """

    library = "sklearn"
    trees: LinearTrees

    def __init__(self, *, scale: int, trees: int = 10, local_trees: int = 4, seed: int = 0) -> None:
        """Choose the trees.

        Args:
            scale: Fine pixels along a coarse pixel.
            trees: How many for the scene.
            local_trees: How many for a window; 0 for none.
            seed: Seed of the bootstrap.

        Raises:
            ValueError: If an argument is out of range.
        """
        if trees < 1 or local_trees < 0:
            raise ValueError(
                f"trees is {trees} and local_trees {local_trees}; expected at least 1 and at "
                "least 0"
            )
        super().__init__(scale)
        self.local_trees, self.seed = local_trees, seed
        self._growth = Growth(trees=trees, leaves=30, samples=30)
        self._local_growth = Growth(trees=max(local_trees, 1), leaves=6, samples=25)

    @property
    def halo(self) -> int:
        """Coarse pixels that the blur and the windows reach."""
        windows = self.sensor.halo + STEP + WINDOW // 2 + 2 if self.local_trees else 0
        return self.sensor.halo + windows

    def fit(self, scene: SceneView) -> None:
        """Grow the trees of the scene; those of windows grow where they are needed.

        Raises:
            FitError: If there is no guidance, or no coarse pixel with both LST and guidance.
        """
        if not scene.bands:
            raise lacks_guidance("dms")
        self.features = Features(tuple(scene.bands), self.scale)
        self.sensor = estimate_sensor(scene, self.features)
        samples = bounded_samples(scene, self.features, self.sensor)
        self.mean = samples.features.mean(axis=0)
        self._deviation = np.maximum(samples.features.std(axis=0), 1e-9)
        weights = self._homogeneity(samples.spread)
        self.trees = LinearTrees(samples.features, samples.lst, weights, self._growth, self.seed)
        missed = np.abs(samples.lst - self.trees.answer(samples.features))
        self._far = _FAR * max(float(np.median(missed)) * 1.4826, _LEAST_RESIDUAL)  # of a Gaussian

    def predict(self, tiles: Tiles) -> Tensor:
        """Blend both answers at the fine scale, then blur. Kelvin."""
        assert tiles.guide is not None
        fine = self.features.fine(tiles.guide)
        filled = torch.where(torch.isnan(fine), torch.from_numpy(self.mean)[:, None, None], fine)
        places = zip(filled, tiles.lst[:, 0], tiles.rows, tiles.columns, strict=True)
        sharp = [self._sharp(features, lst, row, column) for features, lst, row, column in places]
        return self.sensor.product.blur(torch.stack(sharp)[:, None])

    def _sharp(self, fine: Tensor, lst: Tensor, row: int, column: int) -> Tensor:
        seen = coarse_means(self.sensor.blur(fine[None]), self.scale)[0]
        answer = _evaluate(self.trees, fine)
        if not self.local_trees:
            return answer
        coarse = _evaluate(self.trees, seen)
        local = Blend(answer), Blend(coarse)
        spread = inside_spread(fine[None], self.scale)[0].permute(1, 2, 0).numpy()
        trust = 1 / (1 + ((lst - coarse) / self._far).square().numpy())
        weights = self._homogeneity(spread) * trust
        for window in windows_over(lst.shape, row, column):
            inside = window.rows, window.columns
            here = seen[:, *inside].flatten(1).T.numpy()
            if len(here) < _FEWEST:
                continue
            trees = LinearTrees(
                here,
                lst[inside].flatten().numpy(),
                weights[inside].ravel().astype(np.float32),
                self._local_growth,
                self.seed,
            )
            for blend, planes, scale in ((local[0], fine, self.scale), (local[1], seen, 1)):
                part, tent = window.reach(lst.shape, scale)
                blend.add(_evaluate(trees, planes[:, *part]), part, tent)
        return self._weigh(answer, local[0].mean, lst - coarse, lst - local[1].mean)

    def _weigh(
        self, answer: Tensor, local: Tensor, residual: Tensor, local_residual: Tensor
    ) -> Tensor:
        """Weight two answers by their inverse squared coarse residuals, smoothly."""
        bounded = torch.stack([residual, local_residual])[None].clamp(-self._far, self._far)
        squares = bounded**2
        squares = torch.nn.functional.avg_pool2d(squares, 3, 1, 1, count_include_pad=False)[0]
        squares = squares + _LEAST_RESIDUAL**2
        share = upsample_linear((squares[0] / squares.sum(dim=0))[None, None], self.scale)[0, 0]
        return answer + share.clamp(0, 1) * (local - answer)

    def _homogeneity(self, spread: NDArray[np.float32]) -> NDArray[np.float32]:
        """Weight coarse pixels by the inverse of their inner variation."""
        variation = (spread / self._deviation).mean(axis=-1)
        weights: NDArray[np.float32] = (1 / (0.1 + variation)).astype(np.float32)
        return weights


def _evaluate(trees: LinearTrees, planes: Tensor) -> Tensor:
    """Evaluate trees at each pixel of ``(F, H, W)``."""
    pixels = planes.flatten(1).T.numpy()
    return torch.from_numpy(trees.answer(pixels)).view(planes.shape[1:])
