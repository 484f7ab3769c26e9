"""What a network sees of a tile: standardised LST and guidance, made alike to train and to run."""

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from groklst_models.guidance import fill_within_coarse
from groklst_models.normalization import LstSpread, Normalization

TREND_BLUR: Final = 0.75
"""Standard deviation of a thermal band's own point spread, pixels of its own grid. Of 0.5, 0.75, 1,
1.25 and 1.5 it serves best in Chile (Landsat 7), and within 2 % of the best in Pennsylvania
(Landsat 7) and Hong Kong (Landsat 8)."""

_SHRINKAGE: Final = 1e-2
_LEAST_STD: Final = 1e-2  # of the training set's; below that a band is constant over the tile
_CLIP: Final = 5.0


@dataclass(frozen=True)
class NetworkInputs:
    """A batch of tiles, standardised.

    Attributes:
        lst: ``(B, 1, h, w)``; what the trend leaves over, where there is one.
        guide: ``(B, guide_channels, s·h, s·w)``, or None for a network without guidance.
        spread: What restores the LST.
        trend: What the network's output is added to, ``(B, 1, s·h, s·w)``, or None.
    """

    lst: Tensor
    guide: Tensor | None
    spread: LstSpread
    trend: Tensor | None = None

    def complete(self, fine: Tensor) -> Tensor:
        """Add the trend to a network's output; both and the result are standardised."""
        return fine if self.trend is None else fine + self.trend

    def restore(self, fine: Tensor) -> Tensor:
        """Turn a network's output into kelvin."""
        return self.spread.restore(self.complete(fine))


def network_inputs(
    normalization: Normalization, lst: Tensor, guide: Tensor | None, scale: int
) -> NetworkInputs:
    """Standardise a batch of tiles.

    Args:
        normalization: What the network is trained with.
        lst: ``(B, 1, h, w)``, kelvin, without gaps.
        guide: The network's bands in order, ``(B, G, s·h, s·w)``, physical units, NaN where
            missing; None or unused for a network without guidance.
        scale: ``s``.
    """
    spread = normalization.spread_of(lst)
    coarse = spread.standardize(lst)
    if guide is None or not normalization.bands:
        return NetworkInputs(coarse, None, spread)
    fine = normalization.standardize_guide(fill_within_coarse(guide, scale))
    if not normalization.trend:
        return NetworkInputs(coarse, fine, spread)
    trend = tile_trend(coarse, fine[:, : len(normalization.bands)], scale)
    left = coarse - functional.avg_pool2d(trend, scale)
    return NetworkInputs(left, torch.cat([fine, trend], dim=1), spread, trend)


def tile_trend(lst: Tensor, guide: Tensor, scale: int) -> Tensor:
    """Regress each tile's coarse LST on its bands' coarse means; evaluate it on the fine bands.

    Args:
        lst: ``(B, 1, h, w)``, standardised.
        guide: ``(B, G, s·h, s·w)``, standardised, without gaps.
        scale: ``s``.

    Returns:
        ``(B, 1, s·h, s·w)``, in the LST's standardised unit. A band that does not vary within a
        tile counts for nothing there.
    """
    guide = _blurred(guide, TREND_BLUR)
    std, mean = torch.std_mean(guide, dim=(2, 3), keepdim=True)
    fine = ((guide - mean) / std.clamp(min=_LEAST_STD)).clamp(-_CLIP, _CLIP)
    design = functional.avg_pool2d(fine, scale).flatten(2)  # (B, G, h·w)
    middle = lst.mean(dim=(2, 3), keepdim=True)
    target = (lst - middle).flatten(2)  # (B, 1, h·w)
    count, bands = design.shape[2], design.shape[1]
    gram = design @ design.transpose(1, 2) / count
    gram = gram + _SHRINKAGE * torch.eye(bands, device=gram.device, dtype=gram.dtype)
    weights = torch.linalg.solve(gram, design @ target.transpose(1, 2) / count)  # (B, G, 1)
    trend: Tensor = (fine * weights[..., None]).sum(dim=1, keepdim=True) + middle
    return trend


def _blurred(planes: Tensor, sigma: float) -> Tensor:
    """Blur by a Gaussian; edges are repeated outwards."""
    radius, channels = math.ceil(3 * sigma), planes.shape[1]
    steps = torch.arange(-radius, radius + 1, dtype=planes.dtype, device=planes.device)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(channels, 1, 1, -1)
    across = functional.pad(planes, (radius, radius, 0, 0), mode="replicate")
    across = functional.conv2d(across, kernel, groups=channels)
    down = functional.pad(across, (0, 0, radius, radius), mode="replicate")
    return functional.conv2d(down, kernel.transpose(2, 3), groups=channels)
