"""Scores of a fine LST: of one image, and of many.

The five scores of the GrokLST benchmark (arXiv 2409.19835: RMSE, MAE, BIAS, CC, RSD) by their exact
definitions, and scores of structure, texture, edges and coarse means. All scores are computed over
valid pixels, in double precision, without cutting borders.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from groklst_cli.geo.conserve import block_means
from groklst_cli.geo.structure import Plane, correlation, edges, ssim, texture


@dataclass(frozen=True)
class Scores:
    """Scores of one image; NaN where a score is not defined. Errors are prediction minus truth.

    Attributes:
        pixels: Valid pixels, those that have both a prediction and a truth.
        rmse: Root of the mean squared error, kelvin.
        mae: Mean absolute error, kelvin.
        bias: Mean error, kelvin.
        cc: Pearson correlation of prediction and truth.
        rsd: ``|sd(truth) - sd(prediction)| / sd(truth)``, with N - 1; 0 is best.
        rmse_free: RMSE after the bias is subtracted, kelvin.
        ssim: Structural similarity; see ``structure.ssim``.
        texture: Standard deviation of the prediction's detail over the truth's; 1 is best.
        gradient_cc: Correlation of the gradients' magnitudes.
        rmse_edges: RMSE on the tenth of the pixels with the truth's strongest gradients, kelvin.
        coarse_max: Largest difference between the mean of a coarse pixel's fine pixels and the
            coarse LST that was downscaled, kelvin.
        coarse_rms: Root of the mean square of that difference, kelvin.
    """

    pixels: int
    rmse: float
    mae: float
    bias: float
    cc: float
    rsd: float
    rmse_free: float
    ssim: float
    texture: float
    gradient_cc: float
    rmse_edges: float
    coarse_max: float = math.nan
    coarse_rms: float = math.nan

    @classmethod
    def of(
        cls,
        prediction: NDArray[np.float32],
        truth: NDArray[np.float32],
        coarse: NDArray[np.float32] | None = None,
    ) -> Self:
        """Score a prediction.

        Args:
            prediction: ``(rows, columns)``, kelvin, NaN where there is none.
            truth: Of the same shape, kelvin, NaN where there is none.
            coarse: The LST that was downscaled, ``(rows / s, columns / s)``, kelvin, if known.
        """
        fine, true = prediction.astype(np.float64), truth.astype(np.float64)
        error = fine - true
        valid = np.isfinite(error)
        errors = error[valid]
        gradient_cc, rmse_edges = edges(fine, true)
        coarse_max, coarse_rms = _coarse_errors(prediction, coarse)
        return cls(
            pixels=errors.size,
            rmse=_rms(errors),
            mae=_mean(np.abs(errors)),
            bias=_mean(errors),
            cc=correlation(fine[valid], true[valid]),
            rsd=_spread_difference(fine[valid], true[valid]),
            rmse_free=_rms(errors - _mean(errors)),
            ssim=ssim(fine, true, valid),
            texture=texture(fine, true, valid),
            gradient_cc=gradient_cc,
            rmse_edges=rmse_edges,
            coarse_max=coarse_max,
            coarse_rms=coarse_rms,
        )

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data; undefined scores are None."""
        return plain(asdict(self))


SCORE_NAMES: Final = tuple(field.name for field in fields(Scores) if field.name != "pixels")


@dataclass(frozen=True)
class MeanScores:
    """Scores over images; an image on which a score is not defined does not count for it.

    Attributes:
        images: How many.
        pixels: Valid pixels of all.
        rmse_pooled: RMSE over the pixels of all images together, kelvin.
        mean: Plain mean over the images, by score: the benchmark's score of a split.
        median: Median over the images, by score.
        spread: Standard deviation over the images (N - 1), by score.
    """

    images: int
    pixels: int
    rmse_pooled: float
    mean: dict[str, float]
    median: dict[str, float]
    spread: dict[str, float]

    @classmethod
    def of(cls, scores: Sequence[Scores]) -> Self:
        """Summarise the scores of some images."""
        columns = {name: _defined([getattr(s, name) for s in scores]) for name in SCORE_NAMES}
        pixels = sum(s.pixels for s in scores)
        squares = sum(s.rmse**2 * s.pixels for s in scores if s.pixels)
        return cls(
            images=len(scores),
            pixels=pixels,
            rmse_pooled=math.sqrt(squares / pixels) if pixels else math.nan,
            mean={name: _mean(values) for name, values in columns.items()},
            median={name: _median(values) for name, values in columns.items()},
            spread={name: _spread(values) for name, values in columns.items()},
        )

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data; undefined scores are None."""
        return plain(asdict(self))


def plain(facts: dict[str, Any]) -> dict[str, Any]:
    """Replace NaN and infinity, which JSON cannot hold, by None."""
    return {key: _plain_value(value) for key, value in facts.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, dict):
        return plain(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _coarse_errors(
    fine: NDArray[np.float32], coarse: NDArray[np.float32] | None
) -> tuple[float, float]:
    """Compare means over whole coarse pixels with the coarse LST: largest difference, and RMS."""
    if coarse is None:
        return math.nan, math.nan
    error = block_means(fine, fine.shape[0] // coarse.shape[0]) - coarse
    error = error[np.isfinite(error)]
    return float(np.abs(error).max()) if error.size else math.nan, _rms(error)


def _spread_difference(fine: Plane, true: Plane) -> float:
    if true.size < 2 or np.ptp(true) == 0:
        return math.nan
    spread = _spread(true)
    return abs(spread - _spread(fine)) / spread


def _defined(values: Sequence[float]) -> Plane:
    return np.array([value for value in values if math.isfinite(value)], np.float64)


def _rms(values: Plane) -> float:
    return math.sqrt(_mean(values**2)) if values.size else math.nan


def _mean(values: Plane) -> float:
    return float(values.mean()) if values.size else math.nan


def _median(values: Plane) -> float:
    return float(np.median(values)) if values.size else math.nan


def _spread(values: Plane) -> float:
    return float(values.std(ddof=1)) if values.size > 1 else math.nan
