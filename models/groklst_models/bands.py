"""Select guidance bands by name, and compute indices from them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from groklst_models.indices import INDICES, derivable


def derive(guide: Tensor, bands: Sequence[str], names: Sequence[str]) -> Tensor:
    """Select bands by name, and compute indices.

    Args:
        guide: ``(…, G, H, W)``, physical units.
        bands: The ``G`` names.
        names: Some of ``bands``, or indices that can be derived from them.

    Returns:
        ``(…, len(names), H, W)``; an index is NaN where its bands are or where their sum is not
        positive. The guide itself if all its bands are wanted as they are.
    """
    if not names:
        return guide[..., :0, :, :]
    if tuple(names) == tuple(bands):
        return guide
    planes = [_plane(guide, bands, name) for name in names]
    return torch.stack(planes, dim=-3)


def derive_known(guide: Tensor, bands: Sequence[str], names: Sequence[str]) -> Tensor:
    """Like ``derive``, with a plane of NaN for bands that are missing and cannot be derived."""
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
