"""TsHARP: the LST as a function of the vegetation index NDVI.

N. Agam, W. P. Kustas, M. C. Anderson, F. Li & C. M. U. Neale, "A vegetation index based technique
for spatial sharpening of thermal imagery", Remote Sensing of Environment 107(4), 2007; W. P. Kustas
et al., "Estimating subpixel surface temperatures and energy fluxes from the vegetation
index–radiometric temperature relationship", Remote Sensing of Environment 85(4), 2003 (DisTrad, the
polynomial). The function is fitted to the most homogeneous quarter of the coarse pixels of each of
three classes of NDVI. Differs in averaging the function of fine NDVI instead of applying it to mean
NDVI, and in the sensor's blur; the residual is restored by conserving the coarse means.
"""

import math
from collections.abc import Iterator
from typing import Final, Literal, get_args

import torch
from torch import Tensor

from groklst_models.contract import SceneView, Tiles
from groklst_models.errors import FitError
from groklst_models.guidance import fill_within_coarse
from groklst_models.indices import derivable
from groklst_models.regression.guided_regression import GuidedRegression
from groklst_models.regression.moments import Moments
from groklst_models.sampling.aggregation import coarse_rows
from groklst_models.sampling.coverage import nothing_covered
from groklst_models.sampling.features import Features, feature, has_gaps
from groklst_models.sampling.sensor import estimate_sensor
from groklst_models.sampling.standardization import sample_windows

Form = Literal["sharpening", "linear", "polynomial"]

_CLASSES: Final = (0.2, 0.5)
_QUARTER: Final = 4
_LEAST_PIXELS: Final = 12
_EXPONENT: Final = 0.625
_SHRINKAGE: Final = 1e-6
_LEAST_SPREAD: Final = 1e-4
"""Standard deviation of a term over coarse pixels up to which it is only rounding."""


class TsHARP(GuidedRegression):
    """A function of NDVI.

    Attributes:
        sensor: The point spread that was found.
        limits: Least and greatest NDVI of the scene's fine pixels.
        trained: Least and greatest NDVI of the coarse pixels that the function was fitted to;
            beyond them it keeps its last value.
        intercept: Kelvin, where the function's terms are 0.
        slopes: Kelvin for each unit of a term.
    """

    concurrent = True

    limits: tuple[float, float]
    trained: tuple[float, float]
    intercept: float
    slopes: tuple[float, ...]

    def __init__(self, *, scale: int, form: Form = "sharpening") -> None:
        """Choose the function.

        Args:
            scale: Fine pixels along a coarse pixel.
            form: ``sharpening`` is a share of cover, ``1 - (1 - NDVI*) ** 0.625`` with NDVI*
                between 0 and 1; ``linear`` and ``polynomial`` (second degree) are in NDVI itself.

        Raises:
            ValueError: If the form is unknown.
        """
        if form not in get_args(Form):
            raise ValueError(f"form is {form!r}, expected one of {', '.join(get_args(Form))}")
        super().__init__(scale)
        self.form = form

    def fit(self, scene: SceneView) -> None:
        """Fit the function to homogeneous coarse pixels, in one pass over the scene.

        Raises:
            FitError: If there is no NDVI, or no coarse pixel with both NDVI and LST.
        """
        self._bands = tuple(scene.bands)
        if "ndvi" not in (*self._bands, *derivable(self._bands)):
            raise FitError(
                f"tsharp needs NDVI; found {', '.join(self._bands) or 'no guide'}; "
                "add --guide ndvi=FILE, or --guide red=FILE --guide nir=FILE"
            )
        self.sensor = estimate_sensor(scene, Features(self._bands, self.scale))
        self._background, self.limits = self._survey(scene)
        rows = [part.samples() for part in coarse_rows(scene, self._planes, self.sensor)]
        planes, lst = (torch.cat(parts) for parts in zip(*rows, strict=True))
        if not len(lst):
            raise nothing_covered()
        ndvi, squared, *terms = planes.T.contiguous()
        chosen = _homogeneous(ndvi, (squared - ndvi**2).clamp(min=0))
        self.trained = float(ndvi[chosen].min()), float(ndvi[chosen].max())
        moments = Moments()
        moments.add(torch.stack(terms, dim=1)[chosen], lst[chosen])
        mean, std, level, coefficients = moments.solve(_SHRINKAGE, _LEAST_SPREAD)
        slopes = coefficients / std
        self.intercept, self.slopes = level - float(mean @ slopes), tuple(slopes.tolist())

    def predict(self, tiles: Tiles) -> Tensor:
        """Evaluate at the fine scale, then blur; without guidance NDVI is at its mean. Kelvin."""
        assert tiles.guide is not None
        terms = self._terms(self._ndvi(tiles.guide).clamp_(*self.trained))
        sharp = terms[0] * self.slopes[0] + self.intercept
        for term, slope in zip(terms[1:], self.slopes[1:], strict=True):
            sharp = sharp.add_(term, alpha=slope)
        return self.sensor.product.blur(sharp)

    def _survey(self, scene: SceneView) -> tuple[float, tuple[float, float]]:
        """Return mean and limits of NDVI over windows of the scene; 0 where it is nowhere known."""
        known = torch.cat(
            [fine[~torch.isnan(fine)] for fine in map(self._raw_ndvi, sample_windows(scene))]
        )
        if not len(known):
            return 0.0, (0.0, 0.0)
        return float(known.double().mean()), (float(known.min()), float(known.max()))

    def _raw_ndvi(self, guide: Tensor) -> Tensor:
        ndvi = feature(guide, self._bands, "ndvi")[:, None]
        return fill_within_coarse(ndvi, self.scale) if has_gaps(ndvi) else ndvi.clone()

    def _ndvi(self, guide: Tensor) -> Tensor:
        ndvi = self._raw_ndvi(guide)
        return torch.nan_to_num_(ndvi, nan=self._background) if has_gaps(ndvi) else ndvi

    def _terms(self, ndvi: Tensor) -> list[Tensor]:
        if self.form == "sharpening":
            low, high = self.limits
            bare = (high - ndvi).div_(max(high - low, 1e-6)).clamp_(0, 1)
            return [1 - bare**_EXPONENT]
        return [ndvi] if self.form == "linear" else [ndvi, ndvi**2]

    def _planes(self, guide: Tensor) -> Iterator[Tensor]:
        """Yield NDVI and its square, from which its variation follows, then the terms."""
        ndvi = self._ndvi(guide)
        yield torch.cat([ndvi, ndvi**2, *self._terms(ndvi)], dim=1)


def _homogeneous(ndvi: Tensor, variation: Tensor) -> Tensor:
    """Choose the most homogeneous quarter of each class; all pixels if they are too few."""
    classes = torch.bucketize(ndvi, ndvi.new_tensor(_CLASSES))
    chosen = []
    for label in range(len(_CLASSES) + 1):
        members = torch.nonzero(classes == label)[:, 0]
        count = math.ceil(len(members) / _QUARTER)
        chosen.append(members[variation[members].argsort(stable=True)[:count]])
    pixels = torch.cat(chosen)
    return pixels if len(pixels) >= _LEAST_PIXELS else torch.arange(len(ndvi), device=ndvi.device)
