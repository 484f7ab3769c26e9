"""Files next to a raster that GDAL reads as part of it: metadata, masks, overviews.

If a raster is replaced and its companion stays, the new raster gets a wrong CRS, mask or unit.
"""

import os
import re
from pathlib import Path
from typing import Any, Final

import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from groklst_cli.errors import InputError

STATUS_TAG: Final = "GROKLST_STATUS"
"""``complete`` in every GeoTIFF that groklst has finished."""

_ENDINGS: Final = r"(\.aux\.xml|\.aux|\.msk|\.ovr)+"
_IMAGINE: Final = b"EHFA_HEADER_TAG"
_NEARNESS: Final = 1e-3  # largest difference of a statistic from the values, in their unit


def companions(path: Path) -> list[Path]:
    """List the files next to a path that are read with it; the path need not exist.

    GDAL ignores case in names, and also reads the overviews of a mask.
    """
    mine = re.compile(re.escape(path.name) + _ENDINGS, re.IGNORECASE)
    names = sorted(os.listdir(path.parent))
    beside = [n for n in names if mine.fullmatch(n) or _is_old_aux(path, n)]
    found = [path.parent / name for name in beside]
    return [other for other in found if other.is_file() or other.is_symlink()]


def read_alone() -> rasterio.Env:
    """Make GDAL ignore companions while this environment is active."""
    return rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_PAM_ENABLED="NO")


def is_ours(path: Path) -> bool:
    """Tell whether a file is a GeoTIFF that groklst has finished."""
    try:
        with read_alone(), rasterio.open(path, driver="GTiff") as found:
            return bool(found.tags().get(STATUS_TAG) == "complete")
    except (RasterioError, UnicodeDecodeError):
        return False


def refuse_changed(dataset: DatasetReader, path: str) -> None:
    """Refuse a result of groklst that a companion changes.

    Raises:
        InputError: If a companion changes where its pixels lie, or what they mean.
    """
    if len(dataset.files) < 2 or dataset.tags().get(STATUS_TAG) != "complete":
        return
    if changed := changes(dataset, path):
        beside = ", ".join(sorted(Path(name).name for name in dataset.files[1:]))
        raise InputError(
            f"{path} was written by groklst without {beside}, which changes its {changed}; move "
            f"{beside} away"
        )


def changes(dataset: DatasetReader, path: str) -> str:
    """Return what the companions of a dataset change; empty if nothing."""
    with read_alone(), DatasetReader(path, driver="GTiff") as alone:
        own, seen = _facts(alone), _facts(dataset)
    return " and ".join(name for name in own if own[name] != seen[name])


def flaw_beside(path: Path, span: tuple[float, float] | None = None) -> str | None:
    """Describe the companion that changes how a result is read; None if there is none.

    Args:
        path: A file that groklst has finished.
        span: Its smallest and largest value, if they are known.
    """
    beside = companions(path)
    names = ", ".join(other.name for other in beside)
    if not beside:
        return None
    with rasterio.open(path, driver="GTiff") as dataset:
        if changed := changes(dataset, str(path)):
            return f"{names} next to it changes its {changed}"
        told = dataset.tags(1)
    if any(other.suffix.lower() != ".xml" for other in beside):
        return f"{names} next to it was not written by groklst"
    if span is not None and _tells_otherwise(told, *span):
        return f"{names} next to it holds the statistics of other pixels"
    return None


def _facts(dataset: DatasetReader) -> dict[str, Any]:
    return {
        "CRS": dataset.crs,
        "transform": dataset.transform,
        "nodata value": repr(dataset.nodatavals),
        "unit": dataset.units,
        "scale": dataset.scales,
        "offset": dataset.offsets,
        "mask": dataset.mask_flag_enums,
    }


def _tells_otherwise(told: dict[str, str], low: float, high: float) -> bool:
    """Return whether the stored statistics of a band are those of other values."""
    try:
        least, most = (float(told[f"STATISTICS_{end}"]) for end in ("MINIMUM", "MAXIMUM"))
    except (KeyError, ValueError):
        return any(key.startswith("STATISTICS_M") for key in told)
    inside = low - _NEARNESS <= least <= most <= high + _NEARNESS
    whole = least <= low + _NEARNESS and most >= high - _NEARNESS
    return not (inside and (whole or told.get("STATISTICS_APPROXIMATE") == "YES"))


def _is_old_aux(path: Path, name: str) -> bool:
    """Tell whether a file is Imagine's ``STEM.aux``; TeX has files of that name too."""
    if name.lower() != f"{path.stem}.aux".lower() or not path.with_name(name).is_file():
        return False
    with open(path.with_name(name), "rb") as opened:
        return opened.read(len(_IMAGINE)) == _IMAGINE
