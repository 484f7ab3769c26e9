"""Features of guidance, computed fine and averaged afterwards.

A model that is linear in such features is valid at both scales: the coarse LST depends on the mean
of an index over a coarse pixel, not on the index of mean bands.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from groklst_models.bands import derive
from groklst_models.guidance import fill_within_coarse
from groklst_models.indices import INDICES, derivable

_ROWS: Final = 128
"""Fine rows that are worked on at once, so that what is computed of them stays in the cache."""


@dataclass(frozen=True)
class Features:
    """The features of a scene's guidance: its bands, and every index that follows from them.

    Attributes:
        bands: Names of the guidance bands.
        scale: Fine pixels along a coarse pixel.
    """

    bands: tuple[str, ...]
    scale: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        return (*self.bands, *derivable(self.bands))

    def fine(self, guide: Tensor) -> Tensor:
        """Compute ``(B, F, s·h, s·w)`` from ``(B, G, s·h, s·w)``; gaps take their coarse mean."""
        features = torch.stack([*self.planes(guide)], dim=-3)
        return fill_within_coarse(features, self.scale) if has_gaps(features) else features

    def planes(self, guide: Tensor) -> Iterator[Tensor]:
        """Yield each feature ``(…, s·h, s·w)`` of guidance, with its gaps."""
        for name in self.names:
            yield feature(guide, self.bands, name)

    def weighed(self, guide: Tensor, weights: Tensor, missing: Tensor, offset: float) -> Tensor:
        """Compute a weighted sum of features without holding all of them.

        Args:
            guide: ``(B, G, s·h, s·w)``, NaN where it is missing.
            weights: ``(F,)``.
            missing: ``(F,)``, what a feature is where nothing is known in a coarse pixel.
            offset: What to add to the sum.

        Returns:
            ``(B, 1, s·h, s·w)``.
        """
        total = torch.full_like(guide[:, :1], offset)
        rows = max(1, _ROWS // self.scale) * self.scale
        for known, sums in zip(guide.unbind(), total.unbind(), strict=True):
            groups = torch.split(known, rows, -2), torch.split(sums, rows, -2)
            for part, answer in zip(*groups, strict=True):
                _add_up(self.planes(part), weights.tolist(), answer[0])
                if has_gaps(answer):
                    fine = self.fine(part[None])[0]
                    filled = torch.where(fine.isnan(), missing.to(fine)[:, None, None], fine)
                    _add_up(filled, weights.tolist(), answer[0].fill_(offset))
        return total


def feature(guide: Tensor, bands: tuple[str, ...], name: str) -> Tensor:
    """Compute one feature ``(…, s·h, s·w)`` of guidance ``(…, G, s·h, s·w)``, with its gaps.

    It does what ``derive`` does, in fewer steps where no reflectance is negative.
    """
    if name in bands:
        return guide.select(-3, bands.index(name))
    index = INDICES[name]
    first, second = (guide.select(-3, bands.index(band)) for band in (index.first, index.second))
    if first.amin() >= 0 and second.amin() >= 0:
        return (first - second).div_(first + second)  # within -1 … 1; where both are 0 it is NaN
    return derive(guide, bands, (name,)).squeeze(-3)


def has_gaps(planes: Tensor) -> bool:
    """Tell whether any of finite values is NaN; a sum is far cheaper than a mask."""
    return bool(planes.sum().isnan())


def _add_up(planes: Iterable[Tensor], weights: Sequence[float], total: Tensor) -> None:
    for plane, weight in zip(planes, weights, strict=True):
        total.add_(plane, alpha=weight)
