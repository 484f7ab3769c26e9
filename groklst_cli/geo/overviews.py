"""Overviews of a result, averaged while its rows come in.

GDAL would read the whole result again for them, after the last row.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import DatasetWriter
from rasterio.windows import Window

BLOCK: Final = 512
"""Side of a COG's blocks, pixels; its last overview is at most so large."""

Fine = NDArray[np.float32]


def levels_of(shape: tuple[int, int]) -> int | None:
    """Return how many overviews GDAL would add; None if the sizes of some are not whole."""
    largest, levels = max(shape), 0
    while largest > BLOCK:
        if any(side % 2 ** (levels + 1) for side in shape):
            return None
        largest, levels = largest // 2, levels + 1
    return levels


class Overviews:
    """The overviews of a raster whose rows come from top to bottom, each a file beside it."""

    def __init__(self, folder: Path, profile: dict[str, Any], levels: int) -> None:
        """Create the files.

        Args:
            folder: Where.
            profile: Of the raster, for ``rasterio.open``.
            levels: How many; each halves the one before, and all sizes are whole.
        """
        self._levels: list[_Level] = []
        try:
            for level in range(1, levels + 1):
                self._levels.append(_Level(folder / f"overview_{level}.tif", profile, 2**level))
        except BaseException:
            self.close()
            raise

    def add(self, rows: Fine) -> None:
        """Add the next rows of the raster, ``(rows, width)``, NaN where there is no value."""
        for level in self._levels:
            rows = level.add(rows)

    def close(self) -> None:
        """Complete the files."""
        for level in self._levels:
            level.file.close()

    def describe(self, raster: Path) -> Path:
        """Write a VRT of a raster that names the overviews; return its path."""
        described = raster.with_suffix(".vrt")
        rasterio.shutil.copy(raster, described, driver="VRT")
        named = "".join(
            f'<Overview><SourceFilename relativeToVRT="1">{level.path.name}</SourceFilename>'
            "<SourceBand>1</SourceBand></Overview>"
            for level in self._levels
        )
        text, end = described.read_text(encoding="utf-8"), "</VRTRasterBand>"
        described.write_text(text.replace(end, named + end), encoding="utf-8")
        return described


class _Level:
    """One of the overviews."""

    file: DatasetWriter

    def __init__(self, path: Path, profile: dict[str, Any], factor: int) -> None:
        self.path, self._row = path, 0
        self._left: Fine | None = None
        self._nodata = np.float32(profile["nodata"])
        changed = {
            "height": profile["height"] // factor,
            "width": profile["width"] // factor,
            "transform": profile["transform"] * Affine.scale(factor),
        }
        self.file = rasterio.open(path, "w", **{**profile, **changed})

    def add(self, rows: Fine) -> Fine:
        """Write what rows of the level before make; return it, some rows or none."""
        if self._left is not None and len(self._left):
            rows = np.concatenate([self._left, rows])
        whole = len(rows) // 2 * 2
        self._left = rows[whole:].copy()
        if not whole:
            return rows[:0, ::2]
        means = halved(rows[:whole])
        stored = means if np.isnan(self._nodata) else np.where(np.isnan(means), self._nodata, means)
        self.file.write(stored, 1, window=Window(0, self._row, means.shape[1], len(means)))
        self._row += len(means)
        return means


def halved(values: Fine) -> Fine:
    """Average the known pixels of blocks of two by two; NaN where none is known."""
    means = _summed(values) * np.float32(0.25)
    missing = np.isnan(means)
    if missing.any():
        known = ~np.isnan(values)
        total, count = (
            _summed(np.where(known, values, np.float32(0))),
            _summed(known * np.float32(1)),
        )
        np.divide(total, count, out=means, where=missing & (count > 0))
    return means


def _summed(values: Fine) -> Fine:
    pairs = values[0::2] + values[1::2]
    total: Fine = pairs[:, 0::2] + pairs[:, 1::2]
    return total
