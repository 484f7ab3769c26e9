"""The hash of a result's pixels, to check later whether a file still has them."""

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
        """Start before the first row."""
        self._hash = hashlib.sha256()

    def add(self, values: NDArray[np.float32]) -> None:
        """Add the next rows."""
        rows = np.ascontiguousarray(values, "<f4")
        missing = np.isnan(rows)
        if missing.any():
            rows = np.where(missing, np.array(np.nan, "<f4"), rows)
        self._hash.update(rows.data)

    def __str__(self) -> str:
        return self._hash.hexdigest()


def keeps_bits(creation: Mapping[str, str]) -> bool:
    """Return whether GDAL stores float32 unchanged with creation options (keys in capitals)."""
    if "NBITS" in creation:
        return False
    compression = creation.get("COMPRESS", "NONE").upper()
    if compression.startswith("LERC"):
        return creation.get("MAX_Z_ERROR", "0") == "0"
    return compression in _LOSSLESS
