"""The inputs of a network: standardised LST and guidance, the same in training and use."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from groklst_models.guidance import fill_within_coarse
from groklst_models.normalization import Normalization

TREND_BLUR: Final = 0.75
"""Standard deviation of a thermal band's own point spread, pixels of its own grid. Of 0.5, 0.75, 1,
1.25 and 1.5 it is the best in Chile (Landsat 7), and within 2 % of the best in Pennsylvania
(Landsat 7) and Hong Kong (Landsat 8)."""

_SHRINKAGE: Final = 1e-2
_LEAST_STD: Final = 1e-2  # of the training set's; below that a band is constant over the tile
_CLIP: Final = 5.0

_LEAST_SPREAD: Final = 0.3
"""Kelvin; a tile that varies less than this (open water) is not amplified."""


@dataclass(frozen=True)
class LstSpread:
    """Mean and standard deviation by which coarse LST is standardised and restored.

    Attributes:
        mean: Kelvin, ``(B, 1, 1, 1)`` or of no dimension.
        std: Kelvin, likewise.
    """

    mean: Tensor
    std: Tensor

    def standardize(self, lst: Tensor) -> Tensor:
        """Convert kelvin to standard deviations from the mean."""
        return (lst - self.mean) / self.std

    def restore(self, lst: Tensor) -> Tensor:
        """Convert standard deviations from the mean to kelvin."""
        return lst * self.std + self.mean


@dataclass(frozen=True)
class NetworkInputs:
    """A batch of tiles, standardised.

    Attributes:
        lst: ``(B, 1, h, w)``; the residual of the trend, if there is one.
        guide: ``(B, guide_channels, s·h, s·w)``, or None for a network without guidance.
        spread: Restores the LST.
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
        """Convert a network's output to kelvin."""
        return self.spread.restore(self.complete(fine))


def network_inputs(
    normalization: Normalization, lst: Tensor, guide: Tensor | None, scale: int
) -> NetworkInputs:
    """Standardise a batch of tiles.

    Args:
        normalization: The network's normalization.
        lst: ``(B, 1, h, w)``, kelvin, without gaps.
        guide: The network's bands in order, ``(B, G, s·h, s·w)``, physical units, NaN where
            missing; None or unused for a network without guidance.
        scale: ``s``.
    """
    spread = spread_of(normalization, lst)
    coarse = spread.standardize(lst)
    if guide is None or not normalization.bands:
        return NetworkInputs(coarse, None, spread)
    fine = standardized_guide(normalization, fill_within_coarse(guide, scale))
    if not normalization.trend:
        return NetworkInputs(coarse, fine, spread)
    trend = tile_trend(coarse, fine[:, : len(normalization.bands)], scale)
    left = coarse - functional.avg_pool2d(trend, scale)
    return NetworkInputs(left, torch.cat([fine, trend], dim=1), spread, trend)


def spread_of(normalization: Normalization, lst: Tensor) -> LstSpread:
    """Compute mean and standard deviation of coarse LST ``(B, 1, h, w)``, kelvin without gaps."""
    if normalization.lst_center == "dataset":
        known = normalization.lst_mean, normalization.lst_std
        return LstSpread(*(lst.new_full((), value) for value in known))
    std, mean = torch.std_mean(lst, dim=(2, 3), keepdim=True, correction=0)
    return LstSpread(mean, std.clamp(min=_LEAST_SPREAD))


def standardized_guide(normalization: Normalization, guide: Tensor) -> Tensor:
    """Standardise ``(B, G, H, W)`` band by band; a missing value becomes its band's mean, 0.

    Returns:
        ``(B, G, H, W)``, or ``(B, 2·G, H, W)`` where the second half is 1 where a band has a value
        and 0 elsewhere.
    """
    mean = _planes(guide, [band.mean for band in normalization.bands])
    std = _planes(guide, [band.std for band in normalization.bands])
    if guide.device.type == "cpu":
        planes = torch.empty_like(guide)
        for target, values in zip(planes, guide, strict=True):
            for plane, *numbers in zip(target, values, mean, std, strict=True):
                _standardize_into(plane, *numbers)  # which stays in the processor's cache
    else:
        planes = (guide - mean).div_(std).nan_to_num_(nan=0.0)
    if not normalization.optional_bands:
        return planes
    return torch.cat([planes, (~torch.isnan(guide)).to(planes)], dim=1)


def _standardize_into(plane: Tensor, values: Tensor, mean: Tensor, std: Tensor) -> None:
    torch.sub(values, mean, out=plane).div_(std).nan_to_num_(nan=0.0)


def _planes(guide: Tensor, values: Sequence[float]) -> Tensor:
    """Make ``(G, 1, 1)`` of numbers on the guide's device; copying them would wait for a GPU."""
    return torch.stack([guide.new_full((1, 1), value) for value in values])


def tile_trend(lst: Tensor, guide: Tensor, scale: int) -> Tensor:
    """Regress each tile's coarse LST on its bands' coarse means; evaluate it on the fine bands.

    Args:
        lst: ``(B, 1, h, w)``, standardised.
        guide: ``(B, G, s·h, s·w)``, standardised, without gaps.
        scale: ``s``.

    Returns:
        ``(B, 1, s·h, s·w)``, in the LST's standardised unit. A band that does not vary within a
        tile has no effect there.
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
