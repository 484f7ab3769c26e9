"""Names of guidance bands and the indices that follow from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor


@dataclass(frozen=True)
class NormalizedDifference:
    """The index ``(first - second) / (first + second)`` of two reflectances, in -1 … 1."""

    first: str
    second: str
    paper: str


INDICES: Final[dict[str, NormalizedDifference]] = {
    "mndwi": NormalizedDifference("green", "swir1", "Xu, Int. J. Remote Sens. 2006"),
    "nbr": NormalizedDifference("nir", "swir2", "Key & Benson, USGS 2006"),
    "ndbi": NormalizedDifference("swir1", "nir", "Zha et al., Int. J. Remote Sens. 2003"),
    "ndvi": NormalizedDifference("nir", "red", "Rouse et al., NASA 1974"),
    "ndwi": NormalizedDifference("green", "nir", "McFeeters, Int. J. Remote Sens. 1996"),
}
"""Indices that are computed when their bands are there and they themselves are not."""


def derivable(bands: Sequence[str]) -> tuple[str, ...]:
    """Name the indices that can be computed from some bands and are not among them."""
    return tuple(
        name
        for name, index in INDICES.items()
        if name not in bands and index.first in bands and index.second in bands
    )


def derive(guide: Tensor, bands: Sequence[str], names: Sequence[str]) -> Tensor:
    """Pick bands by name and compute indices.

    Args:
        guide: ``(…, G, H, W)``, physical units.
        bands: The ``G`` names.
        names: What is wanted: some of ``bands``, or indices that can be derived from them.

    Returns:
        ``(…, len(names), H, W)``; an index is NaN where its bands are or where their sum is not
        positive.
    """
    if not names:
        return guide[..., :0, :, :]
    planes = [_plane(guide, bands, name) for name in names]
    return torch.stack(planes, dim=-3)


def derive_known(guide: Tensor, bands: Sequence[str], names: Sequence[str]) -> Tensor:
    """Do as ``derive``, but give a plane of NaN for what is neither there nor derivable."""
    there = (*bands, *derivable(bands))
    known = [index for index, name in enumerate(names) if name in there]
    if len(known) == len(names):
        return derive(guide, bands, names)
    planes = guide.new_full((*guide.shape[:-3], len(names), *guide.shape[-2:]), torch.nan)
    if known:
        planes[..., known, :, :] = derive(guide, bands, [names[index] for index in known])
    return planes


def _plane(guide: Tensor, bands: Sequence[str], name: str) -> Tensor:
    if name in bands:
        return guide[..., bands.index(name), :, :]
    index = INDICES[name]
    first = guide[..., bands.index(index.first), :, :]
    second = guide[..., bands.index(index.second), :, :]
    total = first + second
    ratio = (first - second) / total
    return torch.where(total > 0, ratio.clamp(-1, 1), torch.nan)
