"""The hash of a result's pixels: what tells later whether a file still holds them."""

import hashlib
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

JOB_TAG: Final = "GROKLST_JOB"
PIXELS_TAG: Final = "GROKLST_PIXELS"

_LOSSLESS: Final = ("NONE", "LZW", "DEFLATE", "ZSTD", "LZMA", "PACKBITS")


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
