"""What the fusing network sees of a scene: fitted answers and their errors, in the scene's unit.

No band has a name here: guidance enters through the answers and through principal components of
the features' fine detail, so any set of guides serves.
"""

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from groklst_models.contract import Block, SceneView, Tiles
from groklst_models.regression.three_answers import ThreeAnswers
from groklst_models.sampling.features import Features
from groklst_models.sampling.mean_spline import MeanSpline
from groklst_models.sampling.neighbourhood import Neighbourhood
from groklst_models.sampling.sensor import Sensor
from groklst_models.sampling.sensor_windows import sample_blocks
from groklst_models.threads import one_thread

COMPONENTS: Final = 4
PLANES: Final = 8 + COMPONENTS
NUMBERS: Final = 13

_LIMIT: Final = 12.0
_LIMIT_OF_COMPONENTS: Final = 4.0
_LEAST_VARIANCE: Final = 1e-3
_LEAST_UNIT: Final = 1e-3  # kelvin; an LST of less detail is flat
_UNIT: Final = Neighbourhood(1.5)
_LEVEL: Final = Neighbourhood(2.0)
_LEVEL_OF_RESIDUALS: Final = Neighbourhood(3.0)
_GUESSES: Final = tuple(Neighbourhood(sigma) for sigma in (1.0, 2.0, 4.0, 8.0, 16.0))
_LEAST_SHARE: Final = 1e-2


@dataclass(frozen=True)
class Seen:
    """Tiles as the network sees them.

    Attributes:
        planes: ``(B, PLANES, s·h, s·w)``.
        base: ``(B, 1, s·h, s·w)``, the answer that is to be corrected, kelvin.
    """

    planes: Tensor
    base: Tensor


class FusionPlanes:
    """Fitted to a scene, makes planes of any part of it.

    Attributes:
        sensor: The point spread that was found.
        unit: Deviation of the coarse LST's detail, kelvin; 0 where the LST is flat.
        numbers: ``(NUMBERS,)``, what describes the scene.
    """

    def __init__(self, scene: SceneView, features: Features, sensor: Sensor) -> None:
        """Fit the regressions and look at some windows of what they answer.

        Args:
            scene: With guidance.
            features: Of its guidance.
            sensor: How they become coarse.

        Raises:
            FitError: If there is no coarse pixel where LST and guidance meet.
        """
        self.sensor = sensor
        self._answers = ThreeAnswers(scene, features, sensor)
        self._spline = MeanSpline(scene.scale)
        with one_thread():  # so that the bits are the same on any machine
            known, fields, self.unit = self._fields()
            self._coefficients = self._spline.coefficients(fields)
            blocks = sample_blocks(scene)
            self._directions, self._middle = self._components(blocks)
            self.numbers = self._numbers(blocks, known, len(scene.bands))

    def of(self, tiles: Tiles) -> Seen:
        """Make the planes of tiles; the scene's LST counts, not the tile's."""
        assert tiles.guide is not None
        height, width = tiles.lst.shape[-2:]
        fine = self._answers.linear.standard.fine(tiles.guide)
        linear, near, far = self._answers.answer(fine, tiles).unbind(1)
        places = zip(tiles.rows, tiles.columns, strict=True)
        fields = torch.stack(
            [
                self._spline.evaluate(self._coefficients, row, column, height, width)
                for row, column in places
            ]
        ).to(fine)
        planes = fine.new_zeros(len(fine), PLANES, *fine.shape[-2:])
        inverse = 1 / self.unit if self.unit else 0.0
        order = {0: 0, 3: 4, 4: 5, 6: 6}
        for plane, place in order.items():
            planes[:, plane] = fields[:, place] * inverse
        for plane, answer, place in ((1, linear, 1), (2, near, 2), (5, far, 3)):
            planes[:, plane] = (answer - fields[:, place]) * inverse
        planes[:, :7].clamp_(-_LIMIT, _LIMIT)
        planes[:, 7] = 2 * fields[:, 7]
        components = torch.einsum("kf,bfhw->bkhw", self._directions.to(fine), fine)
        components -= self._middle.to(fine)[:, None, None]
        planes[:, 8:] = components.clamp_(-_LIMIT_OF_COMPONENTS, _LIMIT_OF_COMPONENTS)
        return Seen(planes, near[:, None])

    def _fields(self) -> tuple[Tensor, Tensor, float]:
        """Return which coarse pixels are known, the fields' coarse means, and the unit."""
        coarse = self._answers.coarse
        known = torch.isfinite(coarse.lst)
        lst = filled(coarse.lst, known)
        everywhere = torch.ones_like(known)
        detail = (lst - _UNIT.mean(lst[None], known)[0])[known]
        unit = float(detail.double().square().mean().sqrt()) if len(detail) else 0.0

        def left(answer: Tensor) -> Tensor:
            residual = torch.where(known, lst - answer, 0.0)
            return torch.where(known, residual, _around(residual, known))

        of_linear = left(coarse.linear)
        fields = [
            lst - _LEVEL.mean(lst[None], everywhere)[0],
            coarse.linear,
            coarse.near,
            coarse.far,
            of_linear - _LEVEL_OF_RESIDUALS.mean(of_linear[None], everywhere)[0],
            left(coarse.near),
            coarse.left_out,
            coarse.leverage,
        ]
        return known, torch.stack(fields), unit if unit > _LEAST_UNIT else 0.0

    def _components(self, blocks: list[Block]) -> tuple[Tensor, Tensor]:
        """Find directions ``(COMPONENTS, F)`` of the features' fine detail, and their middles.

        The linear function's own direction is left out, each component has a deviation of one
        half, and rises with the coarse LST's detail. Where guidance has fewer directions the rest
        are zero.
        """
        standard, scale = self._answers.linear.standard, self.sensor.scale
        count = len(standard.mean)
        slopes = self._answers.linear.slopes
        products = slopes.new_zeros(count, count)
        total, along = slopes.new_zeros(2, count)
        pixels = 0
        for block in blocks:
            fine = standard.fine(block.guide_tensor[None])
            detail = _fine_detail(fine, 2 * scale)[0].flatten(1).double()
            products += detail @ detail.T
            total += fine[0].flatten(1).double().sum(dim=1)
            pixels += detail.shape[1]
            means = functional.avg_pool2d(fine, scale)[0]
            lst = block.lst_tensor
            known = torch.isfinite(lst)
            both = torch.cat([means, torch.nan_to_num(lst)[None]])
            both = ((both - _UNIT.mean(both, known)) * known).flatten(1).double()
            along += both[:-1] @ both[-1]
        products /= max(pixels, 1)
        toward = products @ slopes
        strength = float(slopes @ toward)
        if strength > 1e-9:
            products = products - torch.outer(toward, toward) / strength
        variance, vectors = torch.linalg.eigh(products)
        directions = slopes.new_zeros(COMPONENTS, count)
        for place in range(min(COMPONENTS, count)):
            if float(variance[-1 - place]) > _LEAST_VARIANCE:
                vector = vectors[:, -1 - place] / variance[-1 - place].sqrt() / 2
                directions[place] = vector if float(vector @ along) >= 0 else -vector
        return directions, directions @ (total / max(pixels, 1))

    def _numbers(self, blocks: list[Block], known: Tensor, bands: int) -> Tensor:
        """Describe the scene: the scale, how large the planes are, its guidance, its sensor."""
        scale = self.sensor.scale
        sums, pixels = self._answers.linear.slopes.new_zeros(8), 0
        for block in blocks:
            height, width = block.lst.shape
            lst, guide = block.lst_tensor[None, None], block.guide_tensor[None]
            planes = self.of(Tiles(lst, guide, (block.row,), (block.column,))).planes[0, :8]
            here = known[block.row : block.row + height, block.column : block.column + width]
            here = here.repeat_interleave(scale, 0).repeat_interleave(scale, 1)
            sizes = torch.cat([planes[:7].abs().clamp(max=3), planes[7:]])
            sums += sizes[:, here].sum(dim=1, dtype=torch.float64)
            pixels += int(here.sum())
        means = sums.cpu() / max(pixels, 1)
        sizes = torch.log(means[:7] * 1.25 + 0.02)
        own = [
            torch.tensor([math.log2(scale) - 2.5]).double(),
            sizes,
            means[7:],
            torch.tensor([(bands - 4) / 3]).double(),
            (sizes[2] - sizes[4])[None],
            (sizes[6] - sizes[4])[None],
            torch.tensor([self.sensor.sigma / 2 - 0.5]).double(),
        ]
        return torch.cat(own).float()


def filled(lst: Tensor, known: Tensor) -> Tensor:
    """Guess the gaps of ``(H, W)`` from what is known around them, ever farther away."""
    found = torch.where(known, lst, torch.nan)
    for guess in _GUESSES:
        if not found.isnan().any():
            break
        near = guess.share(known) > _LEAST_SHARE
        mean = guess.mean(torch.where(known, lst, 0.0)[None], known)[0]
        found = torch.where(found.isnan() & near, mean, found)
    rest = lst[known].mean() if known.any() else lst.new_zeros(())
    return torch.where(found.isnan(), rest, found)


def _around(values: Tensor, known: Tensor) -> Tensor:
    """Continue values beyond where they are known, fading to 0."""
    share = _UNIT.share(known)
    return _UNIT.mean(values[None], known)[0] * (4 * share).clamp(max=1)


def _fine_detail(fine: Tensor, side: int) -> Tensor:
    """Subtract from ``(1, F, H, W)`` its means over squares."""
    means = functional.avg_pool2d(fine, side, side, ceil_mode=True)
    height, width = fine.shape[-2:]
    level = means.repeat_interleave(side, -2).repeat_interleave(side, -1)
    return fine - level[..., :height, :width]
