"""Check GDAL's creation options for a result before they reach GDAL.

GDAL only warns about most impossible values and uses its own, hangs at others (a block of 0) or
fails at the end of the run. The options that are accepted are listed here
(https://gdal.org/drivers/raster/cog.html).
"""

from collections.abc import Mapping, Sequence
from typing import Final

from groklst_cli.errors import UsageError

_YES_NO: Final = ("YES", "NO", "TRUE", "FALSE", "ON", "OFF")
_KERNELS: Final = (
    *("NEAREST", "AVERAGE", "BILINEAR", "CUBIC", "CUBICSPLINE", "LANCZOS", "MODE", "RMS"),
)
_COMPRESSIONS: Final = (
    *("NONE", "LZW", "DEFLATE", "ZSTD", "LERC", "LERC_DEFLATE", "LERC_ZSTD", "LZMA"),
)
_WORDS: Final[Mapping[str, Sequence[str]]] = {
    "BIGTIFF": ("YES", "NO", "IF_NEEDED", "IF_SAFER"),
    "COMPRESS": _COMPRESSIONS,
    "GEOTIFF_VERSION": ("AUTO", "1.0", "1.1"),
    "INTERLEAVE": ("BAND", "PIXEL", "TILE"),
    "OVERVIEWS": ("AUTO", "IGNORE_EXISTING", "NONE"),
    "OVERVIEW_COMPRESS": ("AUTO", *_COMPRESSIONS),
    "OVERVIEW_PREDICTOR": ("YES", "NO", "STANDARD", "FLOATING_POINT"),
    "OVERVIEW_RESAMPLING": _KERNELS,
    "PREDICTOR": ("YES", "NO", "STANDARD", "FLOATING_POINT"),
    "RESAMPLING": _KERNELS,
    "SPARSE_OK": _YES_NO,
    "STATISTICS": ("AUTO", *_YES_NO),
}
_NUMBERS: Final[Mapping[str, tuple[float, float]]] = {
    "LEVEL": (1, 22),
    "MAX_Z_ERROR": (0, 100),
    "MAX_Z_ERROR_OVERVIEW": (0, 100),
    "NUM_THREADS": (1, 1024),
    "OVERVIEW_COUNT": (0, 30),
}
_OTHERS: Final = ("BLOCKSIZE", "NBITS")
_LARGEST_BLOCK: Final = 16384
_HIGHEST_LEVELS: Final = {"DEFLATE": 12, "LERC_DEFLATE": 12, "LZMA": 9}


def check_creation(creation: Mapping[str, str]) -> None:
    """Refuse options that GDAL would ignore or fail on, and options that would move pixels.

    Raises:
        UsageError: If an option is unknown, given twice, or has no such value.
    """
    given = {key.upper(): text.upper() for key, text in creation.items()}
    known = sorted({*_WORDS, *_NUMBERS, *_OTHERS})
    for key in given:
        if key not in known:
            raise UsageError(
                f"--co {key} is not a creation option that results accept; choose from "
                f"{', '.join(known)}"
            )
    if len(given) < len(creation):
        raise UsageError(f"--co names an option twice ({', '.join(creation)}); leave one out")
    for key, text in creation.items():
        wanted = _wanted(key.upper(), text.upper(), given.get("COMPRESS", "DEFLATE"))
        if wanted is not None:
            raise UsageError(f"--co {key}={text} is not valid; write {wanted}")


def _wanted(key: str, text: str, compression: str) -> str | None:
    """Return which values an option takes if this is not one of them, else None."""
    if key in _WORDS:
        return None if text in _WORDS[key] else f"one of {', '.join(_WORDS[key])}"
    if key == "BLOCKSIZE":
        fits = _is_number(text, 128, _LARGEST_BLOCK) and float(text) % 16 == 0
        return None if fits else f"a multiple of 16 from 128 to {_LARGEST_BLOCK}"
    if key == "NBITS":
        return None if text in ("16", "32") else "16 or 32"
    if key == "NUM_THREADS" and text == "ALL_CPUS":
        return None
    low, high = _NUMBERS[key]
    if key == "LEVEL":
        high = _HIGHEST_LEVELS.get(compression, high)
    return None if _is_number(text, low, high) else f"a number from {low:g} to {high:g}"


def _is_number(text: str, low: float, high: float) -> bool:
    plain = text.replace(".", "", 1)
    return plain.isascii() and plain.isdecimal() and len(plain) < 20 and low <= float(text) <= high
