"""Open rasters, and refuse files that cannot be used."""

import os
import stat
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from groklst_cli.errors import GroklstError, InputError
from groklst_cli.geo.band_source import BandSource as BandSource
from groklst_cli.geo.companions import refuse_changed
from groklst_cli.geo.containers import advice_of, placing, setting_crs
from groklst_cli.geo.drivers import DRIVERS
from groklst_cli.geo.environment import check_vrt, looks_like_vrt, refuse_network
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.names import is_text

UNREADABLE: Final = (RasterioError, UnicodeDecodeError)
"""What rasterio raises for a damaged file; it cannot decode all of GDAL's messages."""

_MOST_BANDS: Final = 1024


def open_raster(path: str, *, placed: bool = False) -> DatasetReader:
    """Open a raster for reading.

    Args:
        path: What GDAL opens.
        placed: Whether the caller knows the position of the pixels if the file does not state it.

    Raises:
        UsageError: If it is on the network, which is not allowed.
        InputError: If it cannot be read, has no pixels, no CRS or no usable transform.
        MemoryError: If no CRS can be looked up.
    """
    if not is_text(path):
        raise InputError(
            f"{path} has a name that is not valid UTF-8, which GDAL cannot open; rename the file, "
            "or its folder"
        )
    refuse_network(path)
    _refuse_no_file(path)
    is_checked = looks_like_vrt(path)
    if is_checked:
        check_vrt(path)
    try:
        with warnings.catch_warnings():  # what it warns about is refused below
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = DatasetReader(path, driver=list(DRIVERS))
    except UNREADABLE as error:
        reason = "it is a folder" if os.path.isdir(path) else _reason(error)
        raise InputError(
            f"{path} cannot be read as a raster: {reason}; {advice_of(path)}"
        ) from error
    if dataset.driver == "VRT" and not is_checked:  # in an archive, or given as XML text
        try:
            check_vrt(path)
        except InputError:
            dataset.close()
            raise
    try:
        refuse_changed(dataset, path)
    except InputError:
        dataset.close()
        raise
    problem = None
    if dataset.count > _MOST_BANDS:
        problem = (
            f"has {dataset.count} bands, expected at most {_MOST_BANDS}; extract the bands "
            "that you need first"
        )
    elif dataset.count == 0:
        problem = f"has no band; name one of its subdatasets{_named(dataset.subdatasets)}"
    elif dataset.transform.is_identity and (dataset.gcps[0] or dataset.rpcs):
        problem = placing(dataset, path)
    elif placed and dataset.crs is None:
        problem = None
    elif dataset.crs is None:
        _refuse_without_proj()
        problem = f"has no CRS; set the right one with: {setting_crs(dataset, path)}"
    else:
        problem = grid_of(dataset).flaw
    if problem:
        dataset.close()
        raise InputError(f"{path} {problem}")
    return dataset


def files_of(dataset: DatasetReader) -> list[str]:
    """List all files that a dataset's pixels come from, including sources of sources.

    GDAL lists only the direct sources of a VRT, which may be VRTs themselves.
    """
    found = dict.fromkeys(dataset.files)
    waiting = [path for path in found if path != dataset.name]
    while waiting:
        path = waiting.pop()
        if looks_like_vrt(path):
            with suppress(GroklstError), open_raster(path) as opened:
                new = [name for name in opened.files if name not in found]
                found.update(dict.fromkeys(new))
                waiting += new
    return list(found)


def _refuse_no_file(path: str) -> None:
    """Refuse what exists but is not a file: opening a pipe would wait for its other end.

    Raises:
        InputError: If it is empty, a pipe, a socket or a device.
    """
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return  # not a local file: GDAL opens it, or says what is wrong
    if stat.S_ISDIR(found.st_mode):
        return  # some formats are folders
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path} is a pipe, socket or device; name a raster file")
    if found.st_size == 0:
        raise InputError(f"{path} is empty; copy or download it again")


def _refuse_without_proj() -> None:
    """Distinguish a file without a CRS from a process without memory to look one up.

    Raises:
        MemoryError: If not even a common CRS can be looked up.
    """
    try:
        CRS.from_epsg(32631).to_wkt()
    except CRSError as error:
        raise MemoryError("PROJ's database of coordinate systems cannot be read") from error


def _reason(error: Exception) -> str:
    """Return the first line of GDAL's first message."""
    first: BaseException = error
    while isinstance(first.__cause__, Exception):
        first = first.__cause__
    return next(iter(str(first).splitlines()), type(first).__name__)


def _named(subdatasets: Sequence[str]) -> str:
    return f", as in {subdatasets[0]}" if subdatasets else ""


def grid_of(dataset: DatasetReader) -> Grid:
    """Return the grid that a dataset's pixels lie on."""
    return Grid(dataset.crs, dataset.transform, dataset.height, dataset.width)


def data_bands(dataset: DatasetReader) -> list[int]:
    """List the numbers of the bands that hold values, leaving out alpha."""
    return [i for i, c in enumerate(dataset.colorinterp, 1) if c != ColorInterp.alpha]


def alpha_band(dataset: DatasetReader) -> int | None:
    """Return the number of the alpha band, if there is one."""
    found = [i for i, c in enumerate(dataset.colorinterp, 1) if c == ColorInterp.alpha]
    return found[0] if found else None


def check_band(dataset: DatasetReader, path: str, band: int) -> None:
    """Refuse a band that does not exist or holds no measured values.

    Raises:
        InputError: If it does not exist, is complex, a palette or a mask.
    """
    if band > dataset.count:
        raise InputError(f"{path} has {dataset.count} band(s), but no band {band}")
    if dataset.dtypes[band - 1].startswith("complex"):
        raise InputError(f"{path} band {band} is complex; it must hold real values")
    if dataset.colorinterp[band - 1] == ColorInterp.palette:
        raise InputError(
            f"{path} band {band} holds palette colours, not measured values; name a file of values"
        )
    if band not in data_bands(dataset):
        raise InputError(
            f"{path} band {band} is an alpha band, not measured values; name another band, as in "
            f"{path},band=1"
        )


def damage(path: str, where: str, error: Exception) -> InputError:
    """Return an error that says where a file cannot be read, and why."""
    return InputError(
        f"{path} is damaged near {where}: {_reason(error)}; copy or download it again"
    )
