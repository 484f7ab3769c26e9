"""The normalization of a network's inputs, as plain data; ``inputs`` applies it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, cast, get_args

from groklst_models.errors import CheckpointError
from groklst_models.plain_data import flag, number, table, tables, text

LstCenter = Literal["dataset", "tile"]
"""Mean and standard deviation for the LST: those of the training set, or each tile's own."""


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
        optional_bands: Whether the network was trained with missing bands: after the bands' planes
            it then gets as many planes that say where each band has values.
        trend: Whether the network refines each tile's own linear regression of the LST on the
            bands: its LST is the residual, its last guidance plane is the regression, and its
            output is added to it; see ``inputs.tile_trend``.
    """

    lst_mean: float
    lst_std: float
    bands: tuple[BandStatistics, ...] = ()
    lst_center: LstCenter = "dataset"
    optional_bands: bool = False
    trend: bool = False

    def __post_init__(self) -> None:
        """Refuse standard deviations that are not positive, and unknown centres.

        Raises:
            CheckpointError: If a standard deviation is not positive or the centre is unknown.
        """
        if self.lst_center not in get_args(LstCenter):
            raise CheckpointError(
                f"the LST's centre is {self.lst_center!r}, expected one of "
                f"{', '.join(get_args(LstCenter))}"
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
        """Number of guidance planes: bands, their presence, and the trend."""
        planes = len(self.bands) * (2 if self.optional_bands else 1)
        return planes + 1 if self.trend and self.bands else planes

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
            CheckpointError: If a value is missing, of another type or not finite.
        """
        bands = tuple(
            BandStatistics(text(band, "name"), number(band, "mean"), number(band, "std"))
            for band in tables(data, "bands")
        )
        names = [band.name for band in bands]
        if len(set(names)) < len(names) or not all(name and name.isprintable() for name in names):
            raise CheckpointError(
                f"its bands are named {names!r:.80}, expected different printable names"
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
