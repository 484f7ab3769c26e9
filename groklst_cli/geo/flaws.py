"""What keeps a file from being a whole result, as it was written: for who made it, and later."""

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
"""Rows that are read at once; the block size of our files."""


def is_of(path: Path, job: str) -> bool:
    """Tell whether a file is the finished result of a job, as its tags say.

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
    """Say what keeps a file from being a whole and unchanged result; None if nothing.

    Its tags, its layout, all its pixels and what stands beside it are looked at, in this order.

    Args:
        path: The file, which exists.
        job: The digest of the job that it is to be of; any when None.
    """
    try:
        with read_alone(), rasterio.open(path, driver="GTiff") as found:
            flaw = _flaw_of_tags(found, job) or layout_flaw(found, path.stat().st_size)
            if flaw is not None:
                return flaw
            pixels, span = _read_through(found)
            if found.tags()[PIXELS_TAG] != pixels:
                return f"its pixels are not those of {PIXELS_TAG}"
        return flaw_beside(path, span)
    except (RasterioError, UnicodeDecodeError, OSError) as error:
        return f"cannot be read: {words_of(error)}"


def layout_flaw(dataset: DatasetReader, size: int, *, sparse: bool = True) -> str | None:
    """Say what keeps a GeoTIFF from being cloud-optimised and whole; None if nothing.

    GDAL takes its mark of the layout away when a file is changed in place. A block that is not
    there at all holds nodata only; one that reaches beyond the file was cut off.

    Args:
        dataset: The file.
        size: Its bytes.
        sparse: Whether a block may be left out.
    """
    if dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") != "COG":
        return "has lost the layout of a cloud-optimised GeoTIFF, as by a change in place"
    for name, end in _block_ends(dataset):
        if not (end or sparse):
            return f"lacks block {name}"
        if end > size:
            return f"is cut off: block {name} ends at byte {end}, the file at {size}"
    return None


def _flaw_of_tags(dataset: DatasetReader, job: str | None) -> str | None:
    tags = dataset.tags()
    if tags.get(STATUS_TAG) != "complete":
        return f"has no tag {STATUS_TAG}=complete"
    if job is not None and tags.get(JOB_TAG) != job:
        return f"its tag {JOB_TAG} is another job's: inputs, options or version changed"
    if PIXELS_TAG not in tags:
        return f"has no tag {PIXELS_TAG} to check its pixels by (lossy --co?)"
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


def _block_ends(dataset: DatasetReader) -> Iterator[tuple[str, int]]:
    """Yield the blocks that are stored, of the raster and its overviews, and where each ends."""
    high, wide = dataset.block_shapes[0]
    for level, factor in enumerate((1, *dataset.overviews(1))):
        name = "" if level == 0 else f" of the overview by {factor}"
        for row in range(-(-dataset.height // (factor * high))):
            for column in range(-(-dataset.width // (factor * wide))):
                start, length = (
                    _block_fact(dataset, f"BLOCK_{fact}_{column}_{row}", level)
                    for fact in ("OFFSET", "SIZE")
                )
                yield f"{column}_{row}{name}", start + length


def _block_fact(dataset: DatasetReader, key: str, level: int) -> int:
    """Read where a block of a level is, or how long; 0 if it is not stored."""
    overview = None if level == 0 else level - 1
    return int(dataset.get_tag_item(key, dm="TIFF", bidx=1, ovr=overview) or 0)
