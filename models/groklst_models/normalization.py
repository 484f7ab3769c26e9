"""Standardisation, done once, outside every network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from groklst_models.errors import CheckpointError


@dataclass(frozen=True)
class BandStatistics:
    """A guidance band as a network was trained on it.

    Attributes:
        name: The band.
        mean: Mean over the training set, in the band's unit.
        std: Standard deviation, likewise; positive.
    """

    name: str
    mean: float
    std: float


@dataclass(frozen=True)
class Normalization:
    """Means and standard deviations that a network was trained with.

    Attributes:
        lst_mean: Mean of the LST, kelvin.
        lst_std: Standard deviation of the LST, kelvin.
        bands: One entry for each guidance channel, in the network's order.
    """

    lst_mean: float
    lst_std: float
    bands: tuple[BandStatistics, ...] = ()

    def __post_init__(self) -> None:
        """Refuse spreads that cannot be divided by.

        Raises:
            CheckpointError: If a standard deviation is not positive.
        """
        for name, std in (("lst", self.lst_std), *((b.name, b.std) for b in self.bands)):
            if not 0 < std < float("inf"):
                raise CheckpointError(f"the standard deviation of {name} is {std}, not positive")

    @property
    def band_names(self) -> tuple[str, ...]:
        """The guidance channels' names."""
        return tuple(band.name for band in self.bands)

    def standardize_lst(self, lst: Tensor) -> Tensor:
        """Turn kelvin into standard deviations from the mean."""
        return (lst - self.lst_mean) / self.lst_std

    def restore_lst(self, lst: Tensor) -> Tensor:
        """Turn standard deviations from the mean into kelvin."""
        return lst * self.lst_std + self.lst_mean

    def standardize_guide(self, guide: Tensor) -> Tensor:
        """Standardise ``(B, G, H, W)`` band by band; a missing value becomes its band's mean, 0."""
        mean = guide.new_tensor([band.mean for band in self.bands])[:, None, None]
        std = guide.new_tensor([band.std for band in self.bands])[:, None, None]
        return torch.nan_to_num((guide - mean) / std, nan=0.0)

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {
            "lst": {"mean": self.lst_mean, "std": self.lst_std, "units": "K"},
            "bands": [{"name": b.name, "mean": b.mean, "std": b.std} for b in self.bands],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what ``to_json`` wrote.

        Raises:
            CheckpointError: If something is missing or of another type.
        """
        try:
            bands = [
                BandStatistics(str(b["name"]), float(b["mean"]), float(b["std"]))
                for b in data["bands"]
            ]
            return cls(float(data["lst"]["mean"]), float(data["lst"]["std"]), tuple(bands))
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"the normalization cannot be read: {error!r}") from error


GROKLST_LST: dict[int, tuple[float, float]] = {
    2: (282.51, 14.73),
    4: (282.51, 14.68),
    8: (282.51, 14.59),
}
"""Mean and standard deviation of the GrokLST dataset's coarse LST by scale, kelvin
(arXiv 2409.19835)."""

GROKLST_BANDS: tuple[BandStatistics, ...] = (
    BandStatistics("dem", 2569.38, 1254.35),
    BandStatistics("deepblue", 0.17, 0.05),
    BandStatistics("blue", 0.16, 0.04),
    BandStatistics("green", 0.15, 0.04),
    BandStatistics("red", 0.17, 0.05),
    BandStatistics("vre", 0.20, 0.06),
    BandStatistics("nir", 0.22, 0.06),
    BandStatistics("ndmvi", 0.19, 0.13),
    BandStatistics("ndvi", 0.14, 0.10),
    BandStatistics("ndwi", -0.19, 0.12),
)
"""The GrokLST dataset's guidance bands in its channel order; rounded as published."""


def groklst_normalization(scale: int, bands: Sequence[str]) -> Normalization:
    """Return the published statistics for some of the GrokLST dataset's bands.

    Raises:
        CheckpointError: If the dataset has no such scale or band.
    """
    known = {band.name: band for band in GROKLST_BANDS}
    unknown = [name for name in bands if name not in known]
    if unknown:
        raise CheckpointError(
            f"no published statistics for {', '.join(unknown)}; known are {', '.join(known)}"
        )
    if scale not in GROKLST_LST:
        raise CheckpointError(f"no published statistics for scale {scale}; known are 2, 4 and 8")
    return Normalization(*GROKLST_LST[scale], tuple(known[name] for name in bands))
