"""The hash of a result's pixels, and whether a finished file still holds what was written."""

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from groklst_cli.geo.companions import STATUS_TAG, flaw_beside, read_alone

JOB_TAG: Final = "GROKLST_JOB"
PIXELS_TAG: Final = "GROKLST_PIXELS"

_LOSSLESS: Final = ("NONE", "LZW", "DEFLATE", "ZSTD", "LZMA", "PACKBITS")
_ROWS: Final = 512
"""Rows that are read at once; the block size of our files."""


class PixelHash:
    """SHA-256 over rows of little-endian float32 values, top to bottom; every NaN counts alike."""

    def __init__(self) -> None:
        """Begin above the first row."""
        self._hash = hashlib.sha256()

    def add(self, values: NDArray[np.float32]) -> None:
        """Go on with the next rows."""
        rows = np.ascontiguousarray(values, "<f4")
        missing = np.isnan(rows)
        if missing.any():
            rows = np.where(missing, np.array(np.nan, "<f4"), rows)
        self._hash.update(rows.data)

    def __str__(self) -> str:
        return self._hash.hexdigest()


def keeps_bits(creation: Mapping[str, str]) -> bool:
    """Tell whether GDAL stores float32 unchanged under some creation options, keys in capitals."""
    if "NBITS" in creation:
        return False
    compression = creation.get("COMPRESS", "NONE").upper()
    if compression.startswith("LERC"):
        return creation.get("MAX_Z_ERROR", "0") == "0"
    return compression in _LOSSLESS


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


def find_flaw(path: Path, job: str) -> str | None:
    """Say what keeps a file from being the whole and unchanged result of a job; None if nothing.

    Args:
        path: The file, which exists.
        job: The job's digest.
    """
    try:
        with read_alone(), rasterio.open(path, driver="GTiff") as found:
            tags = found.tags()
            if tags.get(STATUS_TAG) != "complete":
                return f"has no tag {STATUS_TAG}=complete"
            if tags.get(JOB_TAG) != job:
                return f"its tag {JOB_TAG} is another job's: inputs, options or version changed"
            if PIXELS_TAG not in tags:
                return f"has no tag {PIXELS_TAG} to check its pixels by (lossy --co?)"
            pixels, low, high = PixelHash(), math.inf, -math.inf
            for row in range(0, found.height, _ROWS):
                rows = min(_ROWS, found.height - row)
                values = found.read(1, window=Window(0, row, found.width, rows))
                pixels.add(values)
                known = values[np.isfinite(values) & (values != found.nodata)]
                if known.size:
                    low, high = min(low, float(known.min())), max(high, float(known.max()))
        flaw = flaw_beside(path, (low, high))
    except (RasterioError, UnicodeDecodeError) as error:
        return f"cannot be read: {(str(error) or type(error).__name__).splitlines()[0]}"
    return flaw if tags[PIXELS_TAG] == str(pixels) else f"its pixels are not those of {PIXELS_TAG}"
