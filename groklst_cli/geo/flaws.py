"""Check whether a file is a complete, unchanged result: after writing, and later."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from groklst_cli.errors import words_of
from groklst_cli.geo.companions import STATUS_TAG, flaw_beside, read_alone
from groklst_cli.geo.pixel_hash import JOB_TAG, PIXELS_TAG, PixelHash

_ROWS: Final = 512
"""Rows that are read at once; the block size of results."""


def is_of(path: Path, job: str) -> bool:
    """Return whether a file is the finished result of a job, according to its tags.

    Args:
        path: The file.
        job: The job's digest.
    """
    try:
        with read_alone(), rasterio.open(path, driver="GTiff") as found:
            tags = found.tags()
    except (RasterioError, UnicodeDecodeError):
        return False
    return tags.get(STATUS_TAG) == "complete" and bool(tags.get(JOB_TAG) == job)


def find_flaw(path: Path, job: str | None = None) -> str | None:
    """Return why a file is not a complete, unchanged result; None if it is.

    Checks its tags, blocks, pixels, layout and companions.

    Args:
        path: The file, which exists.
        job: The digest of the expected job; None for any.
    """
    try:
        with read_alone(), rasterio.open(path, driver="GTiff") as found:
            flaw = _flaw_of_tags(found, job) or block_flaw(found, path.stat().st_size)
            if flaw is not None:
                return flaw
            pixels, span = _read_through(found)
            if found.tags()[PIXELS_TAG] != pixels:
                return f"its pixels do not match its tag {PIXELS_TAG}"
            if found.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") != "COG":  # GDAL removes it then
                return "was changed in place, and is no longer a cloud-optimised GeoTIFF"
        return flaw_beside(path, span)
    except (RasterioError, UnicodeDecodeError, OSError) as error:
        return f"cannot be read: {words_of(error)}"


def block_flaw(dataset: DatasetReader, size: int, *, sparse: bool = True) -> str | None:
    """Return which block, of the raster or an overview, is incomplete; None if all are complete.

    Args:
        dataset: The file.
        size: Its bytes.
        sparse: Whether blocks of nodata may be missing.
    """
    for level in range(1 + len(dataset.overviews(1))):
        for name, end in _block_ends(dataset, level):
            if not (end or sparse or level):
                return f"lacks block {name}"
            if end > size:
                return f"is truncated: block {name} ends at byte {end}, the file at byte {size}"
    return None


def _flaw_of_tags(dataset: DatasetReader, job: str | None) -> str | None:
    tags = dataset.tags()
    if tags.get(STATUS_TAG) != "complete":
        return f"has no tag {STATUS_TAG}=complete"
    if job is not None and tags.get(JOB_TAG) != job:
        return f"its tag {JOB_TAG} is of another run: inputs, options or the version changed"
    if PIXELS_TAG not in tags:
        return f"has no tag {PIXELS_TAG} to check its pixels with (lossy --co?)"
    return None


def _read_through(dataset: DatasetReader) -> tuple[str, tuple[float, float]]:
    """Read every pixel: their hash, and their least and greatest value."""
    pixels, low, high = PixelHash(), math.inf, -math.inf
    for row in range(0, dataset.height, _ROWS):
        rows = min(_ROWS, dataset.height - row)
        values = dataset.read(1, window=Window(0, row, dataset.width, rows))
        pixels.add(values)
        known = values[np.isfinite(values) & (values != dataset.nodata)]
        if known.size:
            low, high = min(low, float(known.min())), max(high, float(known.max()))
    return str(pixels), (low, high)


def _block_ends(dataset: DatasetReader, level: int) -> Iterator[tuple[str, int]]:
    """Yield the blocks of a level and the byte after each; 0 where one is not stored.

    Args:
        dataset: The file.
        level: 0 for the raster, from 1 for its overviews.
    """
    overview = level - 1 if level else None
    factor = dataset.overviews(1)[level - 1] if level else 1
    high, wide = (factor * side for side in dataset.block_shapes[0])

    def fact(key: str, block: str) -> int:
        return int(dataset.get_tag_item(f"BLOCK_{key}_{block}", "TIFF", 1, overview) or 0)

    for row in range(-(-dataset.height // high)):
        for column in range(-(-dataset.width // wide)):
            block = f"{column}_{row}"
            name = f"{block} of the overview by {factor}" if level else block
            yield name, fact("OFFSET", block) + fact("SIZE", block)
