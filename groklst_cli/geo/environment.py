"""GDAL's settings: bounded memory, only the drivers that are needed, and no network by default.

The settings also apply to files that other files name (the sources of a VRT, overviews, masks),
which arguments of ``rasterio.open`` do not reach.
"""

import os
import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from typing import Final

import rasterio
from rasterio.env import getenv, hasenv

from groklst_cli.errors import InputError, UsageError

_CACHE: Final = 64 * 2**20  # bytes
_ONLINE: Final = "GROKLST_ONLINE"
_THREADS: Final = "GROKLST_THREADS"
_MOST_THREADS: Final = 8  # more threads do not find enough blocks in a row
_PATIENCE: Final = {
    "GDAL_HTTP_CONNECTTIMEOUT": "10",  # seconds
    "GDAL_HTTP_TIMEOUT": "60",  # seconds of one request
    "GDAL_HTTP_LOW_SPEED_TIME": "15",  # seconds below the limit, bytes per second
    "GDAL_HTTP_LOW_SPEED_LIMIT": "100",
    "GDAL_HTTP_MAX_RETRY": "2",
    "GDAL_HTTP_RETRY_DELAY": "1",  # seconds
}
"""A stalled server ends in an error; environment variables of the same names override these."""

_NETWORK: Final = re.compile(r"vsi(curl|s3|gs|az|adls|oss|swift|hdfs|webhdfs)(_streaming)?[/?]")
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*)://")
_SUBDATASET: Final = re.compile(r"^(hdf5:.+)://", re.DOTALL)  # HDF5:FILE://NAME
_LOCAL_SCHEMES: Final = frozenset(("file", "zip", "tar", "gzip", "vrt"))
_SOURCE: Final = re.compile(r"<Source(?:Filename|Dataset)\b[^>]*>\s*([^<]*)", re.IGNORECASE)
_RAW: Final = re.compile(r"VRTRawRasterBand", re.IGNORECASE)
_DEEPEST: Final = 8  # VRTs that name VRTs
_LARGEST_VRT: Final = 64 * 2**20  # bytes
_HEAD: Final = 1024  # bytes in which GDAL looks for a format's mark


def gdal_environment(*, online: bool | None = None, threads: int | None = None) -> rasterio.Env:
    """Limit GDAL's block cache so that memory does not grow with the scene, and block the network.

    Rasterio takes the limit in bytes, unlike GDAL. The cache must hold a row of blocks of every
    guide, otherwise each block is decoded again for every window that touches it. Overviews stay
    uncompressed until they are copied, because compressing them twice takes longer.

    Args:
        online: Whether GDAL may use the network; None to keep the outer setting, else no.
        threads: Threads for warping guides; None to keep the outer setting, else one. They do not
            change any bit. GDAL starts no threads of its own, because their errors would be lost.
    """
    fetches = is_online() if online is None else online
    held = threads_of_environment()
    count = held if threads is None else min(threads, _MOST_THREADS)
    if fetches:
        access = {_ONLINE: "YES", **{k: os.environ.get(k, v) for k, v in _PATIENCE.items()}}
    else:
        access = {_ONLINE: "NO", "CPL_VSIL_CURL_ALLOWED_FILENAME": "none"}
    return rasterio.Env(
        GDAL_CACHEMAX=_CACHE,
        GDAL_NUM_THREADS="1",
        BIGTIFF_OVERVIEW="IF_SAFER",
        COG_TMP_COMPRESSION="NONE",
        GDAL_VRT_ENABLE_PYTHON="NO",
        GROKLST_THREADS=str(count),
        **access,
    )


def reading_pool() -> ThreadPoolExecutor:
    """Return a pool of as many threads as read files here, each under settings like the caller's.

    They keep them until they end, because entering them for every window takes long.
    """
    online = is_online()
    return ThreadPoolExecutor(
        threads_of_environment(),
        initializer=lambda: gdal_environment(online=online, threads=1).__enter__(),
    )


def threads_of_environment() -> int:
    """Return the number of threads for reading files in the current environment."""
    text = str(getenv().get(_THREADS, 1)) if hasenv() else "1"
    return int(text) if text.isdecimal() else 1


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_online() -> bool:
    """Return whether GDAL may use the network in the current environment."""
    return hasenv() and str(getenv().get(_ONLINE)) == "YES"


def is_remote(path: str) -> bool:
    """Return whether GDAL would need the network for a path, including nested paths."""
    text = _SUBDATASET.sub(r"\1:", path.lower())
    schemes = {found for scheme in _SCHEME.findall(text) for found in scheme.split("+")}
    return bool(_NETWORK.search(text) or schemes - _LOCAL_SCHEMES)


def refuse_network(path: str) -> None:
    """Refuse a path on the network unless GDAL may use the network.

    Raises:
        UsageError: If it does not.
    """
    if is_remote(path) and not is_online():
        raise UsageError(
            f"{path} is on the network, expected a local file; add --online to fetch it"
        )


def check_vrt(path: str, depth: int = 0) -> None:
    """Refuse a VRT that reads raw bytes of a file, or the network without permission.

    Its text is searched, not parsed, so that XML entities have no effect.

    Raises:
        InputError: If it does, is not a local file, or is nested too deeply.
    """
    text = _text_of(path)
    if depth > _DEEPEST:
        raise InputError(
            f"{path} nests VRTs more than {_DEEPEST} levels deep; write a VRT with fewer levels"
        )
    if _RAW.search(text):
        raise InputError(
            f"{path} is a VRT of raw bytes, expected a VRT of rasters; convert it with: rio "
            f"convert {shlex.quote(path)} FILE.tif"
        )
    for name in sorted({unescape(found).strip() for found in _SOURCE.findall(text)}):
        if is_remote(name) and not is_online():
            raise InputError(
                f"{path} names {name[:80]} on the network, expected local files; add --online to "
                "fetch them"
            )
        source = Path(path).parent / name
        if name.lower().endswith(".vrt") and source.is_file():
            check_vrt(str(source), depth + 1)


def looks_like_vrt(path: str) -> bool:
    """Tell whether a local file begins as a VRT does."""
    try:
        with open(path, "rb") as opened:
            return b"<VRTDataset" in opened.read(_HEAD)
    except (OSError, ValueError):
        return False


def _text_of(path: str) -> str:
    try:
        if Path(path).stat().st_size > _LARGEST_VRT:
            raise InputError(
                f"{path} is a VRT of more than {_LARGEST_VRT} bytes; split it into smaller ones"
            )
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is a VRT that is not UTF-8 text; write it again") from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path[:80]} is a VRT that is not a local file; copy it to a local file next to its "
            "sources"
        ) from error
