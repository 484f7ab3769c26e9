"""Standardisation, done once, outside every network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self, cast, get_args

import torch
from torch import Tensor

from groklst_models.errors import CheckpointError
from groklst_models.plain_data import flag, number, table, tables, text

LstCenter = Literal["dataset", "tile"]
"""Whose mean and spread an LST is standardised by: the training set's, or each tile's own."""

_LEAST_SPREAD: Final = 0.3
"""Kelvin; a tile that varies less than this (open water) is not blown up to one that varies."""


@dataclass(frozen=True)
class LstSpread:
    """Mean and spread of some coarse LST, by which it is standardised and restored.

    Attributes:
        mean: Kelvin, ``(B, 1, 1, 1)`` or of no dimension.
        std: Kelvin, likewise.
    """

    mean: Tensor
    std: Tensor

    def standardize(self, lst: Tensor) -> Tensor:
        """Turn kelvin into standard deviations from the mean."""
        return (lst - self.mean) / self.std

    def restore(self, lst: Tensor) -> Tensor:
        """Turn standard deviations from the mean into kelvin."""
        return lst * self.std + self.mean


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
        bands: One entry for each guidance band, in the network's order.
        lst_center: Whether these or each tile's own mean and spread standardise the LST.
        optional_bands: Whether the network was trained to go without bands: it then gets, after
            the bands' planes, as many that tell where each band is there.
        trend: Whether the network refines each tile's own linear regression of the LST on the
            bands: its LST is what that leaves over, its last guidance plane is the regression, and
            its output is added to it; see ``inputs.tile_trend``.
    """

    lst_mean: float
    lst_std: float
    bands: tuple[BandStatistics, ...] = ()
    lst_center: LstCenter = "dataset"
    optional_bands: bool = False
    trend: bool = False

    def __post_init__(self) -> None:
        """Refuse spreads that cannot be divided by, and unknown ways.

        Raises:
            CheckpointError: If a standard deviation is not positive or the centre is unknown.
        """
        if self.lst_center not in get_args(LstCenter):
            raise CheckpointError(
                f"the LST's centre is {self.lst_center!r}, none of {', '.join(get_args(LstCenter))}"
            )
        for name, std in (("lst", self.lst_std), *((b.name, b.std) for b in self.bands)):
            if not 0 < std < float("inf"):
                raise CheckpointError(f"the standard deviation of {name} is {std}, not positive")

    @property
    def band_names(self) -> tuple[str, ...]:
        """The guidance channels' names."""
        return tuple(band.name for band in self.bands)

    @property
    def guide_channels(self) -> int:
        """Planes that a network gets: the bands', where they are there, and the trend."""
        planes = len(self.bands) * (2 if self.optional_bands else 1)
        return planes + 1 if self.trend and self.bands else planes

    def spread_of(self, lst: Tensor) -> LstSpread:
        """Find what standardises coarse LST ``(B, 1, h, w)``, kelvin without gaps."""
        if self.lst_center == "dataset":
            return LstSpread(lst.new_full((), self.lst_mean), lst.new_full((), self.lst_std))
        std, mean = torch.std_mean(lst, dim=(2, 3), keepdim=True, correction=0)
        return LstSpread(mean, std.clamp(min=_LEAST_SPREAD))

    def standardize_guide(self, guide: Tensor) -> Tensor:
        """Standardise ``(B, G, H, W)`` band by band; a missing value becomes its band's mean, 0.

        Returns:
            ``(B, G, H, W)``, or ``(B, 2·G, H, W)`` where the second half tells by 1 or 0 where
            each band is there.
        """
        mean = _planes(guide, [band.mean for band in self.bands])
        std = _planes(guide, [band.std for band in self.bands])
        planes = torch.nan_to_num((guide - mean) / std, nan=0.0)
        if not self.optional_bands:
            return planes
        return torch.cat([planes, (~torch.isnan(guide)).to(planes)], dim=1)

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {
            "lst": {
                "mean": self.lst_mean,
                "std": self.lst_std,
                "units": "K",
                "center": self.lst_center,
            },
            "optional_bands": self.optional_bands,
            "trend": self.trend,
            "bands": [{"name": b.name, "mean": b.mean, "std": b.std} for b in self.bands],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` wrote.

        Raises:
            CheckpointError: If something is missing, of another type or no finite number.
        """
        bands = tuple(
            BandStatistics(text(band, "name"), number(band, "mean"), number(band, "std"))
            for band in tables(data, "bands")
        )
        names = [band.name for band in bands]
        if len(set(names)) < len(names) or not all(name and name.isprintable() for name in names):
            raise CheckpointError(
                f"its bands are named {names!r:.80}, expected different names that can be typed"
            )
        lst = table(data, "lst")
        return cls(
            number(lst, "mean"),
            number(lst, "std"),
            bands,
            lst_center=cast("LstCenter", text(lst, "center", "dataset")),
            optional_bands=flag(data, "optional_bands"),
            trend=flag(data, "trend"),
        )


def _planes(guide: Tensor, values: Sequence[float]) -> Tensor:
    """Make ``(G, 1, 1)`` of numbers on the guide's device; copying them would wait for a GPU."""
    return torch.stack([guide.new_full((1, 1), value) for value in values])


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

GROKLST_BAND_NAMES: tuple[str, ...] = tuple(band.name for band in GROKLST_BANDS)
"""Their names."""


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
