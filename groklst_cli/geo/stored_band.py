"""A band of an open raster, and what its stored values mean."""

import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.band_source import BandSource, Nodata
from groklst_cli.geo.containers import setting_scale

AS_STORED: Final = (1.0, 0.0)
"""Scale and offset that change nothing."""


@dataclass(frozen=True)
class StoredBand:
    """How the stored values of a band become physical ones.

    Attributes:
        number: Of the band, from 1.
        dtype: Numpy's name of the stored type.
        scale: What stored values are multiplied by.
        offset: What is added then.
        nodata: A stored value that a user declares missing, in addition to the file's; or None.
        trusts_tags: Whether scale and offset are from the file and the user has not confirmed them.
        trusts_values: Whether the user states that no undeclared value is a fill value.
    """

    number: int
    dtype: str
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    trusts_tags: bool = False
    trusts_values: bool = False

    @classmethod
    def of(cls, dataset: DatasetReader, number: int, source: BandSource | None = None) -> Self:
        """Determine what the values of a band mean.

        Raises:
            InputError: If scale and offset do not give finite values.
            UsageError: If the type cannot represent the nodata value.
        """
        dtype = dataset.dtypes[number - 1]
        path = dataset.name if source is None else source.path
        said, nodata = (None, None) if source is None else (source.scaling, source.nodata)
        tags = dataset.scales[number - 1], dataset.offsets[number - 1]
        if said in (None, "tags"):
            _refuse_useless(path, number, *tags)
        scale, offset = AS_STORED if said == "none" else said if isinstance(said, tuple) else tags
        return cls(
            number,
            dtype,
            scale,
            offset,
            _held(path, dtype, nodata),
            trusts_tags=said is None and tags != AS_STORED,
            trusts_values=nodata == "none",
        )

    @property
    def is_scaled(self) -> bool:
        """Whether physical values differ from stored ones."""
        return (self.scale, self.offset) != AS_STORED

    @property
    def is_float(self) -> bool:
        """Whether stored values are floating-point numbers."""
        return self.dtype.startswith("float")

    def present(self, raw: NDArray[np.generic]) -> NDArray[np.bool_] | None:
        """Mark the stored values that the user has not declared missing; None for all."""
        if self.nodata is None or math.isnan(self.nodata):
            return None
        marked: NDArray[np.bool_] = raw != raw.dtype.type(self.nodata)
        return marked


def written(value: np.generic) -> str:
    """Write a stored value with the fewest digits that read back to the same value."""
    return str(value.item() if value.dtype.kind in "iub" else value).removesuffix(".0")


def _held(path: str, dtype: str, nodata: Nodata | None) -> float | None:
    """Return a nodata value as the type holds it."""
    if nodata is None or nodata == "none":
        return None
    kind = np.dtype(dtype)
    if kind.kind == "f":
        with np.errstate(over="ignore"):
            if math.isfinite(nodata) and not np.isfinite(kind.type(nodata)):
                raise UsageError(_cannot_hold(path, dtype, nodata, "name a smaller number"))
        return float(kind.type(nodata))
    limits = np.iinfo(kind)
    if not (math.isfinite(nodata) and nodata == int(nodata) and limits.min <= nodata <= limits.max):
        raise UsageError(
            _cannot_hold(path, dtype, nodata, f"name a whole number {limits.min} … {limits.max}")
        )
    return int(nodata)


def _cannot_hold(path: str, dtype: str, nodata: float, advice: str) -> str:
    return f"{path} holds {dtype}, which cannot equal nodata {nodata:.17g}; {advice}"


def _refuse_useless(path: str, band: int, scale: float, offset: float) -> None:
    if scale == 0 or not math.isfinite(scale) or not math.isfinite(offset):
        raise InputError(
            f"{path} band {band} has scale {scale:g} and offset {offset:g}, which do not give "
            f"finite values; use the stored values with {path},scaling=none, or set the right "
            f"ones with: {setting_scale(path)}"
        )
