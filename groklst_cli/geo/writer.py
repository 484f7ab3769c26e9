"""Writing the result: rows as they come, then a cloud-optimised GeoTIFF under its final name.

All files lie in a hidden folder beside the target until the result is whole and checked; a file
under its final name is complete, always.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from groklst_cli.errors import GroklstError, OutputExistsError, UsageError
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.raster import CELSIUS_ZERO, Units

STATUS_TAG: Final = "GROKLST_STATUS"

_DEFAULTS: Final = {
    "COMPRESS": "DEFLATE",
    "PREDICTOR": "YES",  # by type: floating point, 3
    "BLOCKSIZE": "512",
    "BIGTIFF": "IF_SAFER",
    "OVERVIEW_RESAMPLING": "AVERAGE",
    "NUM_THREADS": "ALL_CPUS",
}
_KNOWN_OPTIONS: Final = (
    *("BIGTIFF", "BLOCKSIZE", "COMPRESS", "GEOTIFF_VERSION", "INTERLEAVE", "JXL_DISTANCE"),
    *("JXL_EFFORT", "JXL_LOSSLESS", "LEVEL", "MAX_Z_ERROR", "MAX_Z_ERROR_OVERVIEW", "NBITS"),
    *("NUM_THREADS", "OVERVIEWS", "OVERVIEW_COMPRESS", "OVERVIEW_COUNT", "OVERVIEW_PREDICTOR"),
    *("OVERVIEW_QUALITY", "OVERVIEW_RESAMPLING", "PREDICTOR", "QUALITY", "RESAMPLING"),
    *("SPARSE_OK", "STATISTICS"),
)
"""GDAL's COG creation options (https://gdal.org/drivers/raster/cog.html) that keep the grid."""


@dataclass(frozen=True)
class OutputFormat:
    """How a result is stored.

    Attributes:
        units: K or C; rows come in kelvin and are stored so.
        nodata: Value of pixels without a result.
        creation: GDAL's COG creation options that differ from ours.
        tags: Metadata of the file.
    """

    units: Units = "K"
    nodata: float = float("nan")
    creation: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what GDAL would ignore or what would move pixels.

        Raises:
            UsageError: If a creation option is unknown, or the nodata value is no float32.
        """
        for key in self.creation:
            if key.upper() not in _KNOWN_OPTIONS:
                raise UsageError(
                    f"--co {key} is no creation option of GDAL's COG driver that keeps the grid; "
                    f"choose from {', '.join(_KNOWN_OPTIONS)}"
                )
        with np.errstate(over="ignore"):
            if np.isfinite(self.nodata) and not np.isfinite(np.float32(self.nodata)):
                raise UsageError(f"--dst-nodata {self.nodata} does not fit a 32-bit float")


class ResultFile:
    """A GeoTIFF in the making.

    Used as a context manager: left without error, the file stands under its final name; left with
    one, nothing is there but what was there before.
    """

    def __init__(
        self,
        path: Path,
        grid: Grid,
        form: OutputFormat,
        *,
        overwrite: bool,
        folder: Path | None = None,
    ) -> None:
        """Plan a file; nothing is written yet.

        Args:
            path: The target.
            grid: Of the result.
            form: How it is stored.
            overwrite: Whether the target may be replaced.
            folder: Where to work, on the target's file system; the target's own by default.

        Raises:
            OutputExistsError: If the target exists and may not be replaced.
            UsageError: If the target is a folder, or its folder does not exist.
        """
        self.path, self.grid, self._form, self._overwrite = path, grid, form, overwrite
        self._work = path.parent if folder is None else folder
        check_target(path, overwrite=overwrite)

    def __enter__(self) -> Self:
        prefix = f".{self.path.name[:80]}."
        try:
            folder = tempfile.mkdtemp(prefix=prefix, suffix=".part", dir=self._work)
        except OSError as error:
            raise GroklstError(f"cannot write in {self.path.parent}: {error.strerror}") from error
        self._folder = Path(folder)
        try:
            self._rows = rasterio.open(self._folder / "rows.tif", "w", **self._row_profile())
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        except (RasterioError, OSError) as failure:
            raise GroklstError(f"{self.path} could not be written: {failure}") from failure
        finally:
            with contextlib.suppress(RasterioError):
                self._rows.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def write(self, row: int, fine: NDArray[np.float32]) -> None:
        """Write whole rows.

        Args:
            row: The output's first row.
            fine: ``(rows, width)``, kelvin, NaN where there is no value.

        Raises:
            GroklstError: If the disk refuses.
        """
        values = fine - np.float32(CELSIUS_ZERO) if self._form.units == "C" else fine
        window = Window(0, row, self.grid.width, len(fine))
        try:
            self._rows.write(self._with_nodata(values), 1, window=window)
        except (RasterioError, OSError) as failure:
            raise GroklstError(f"{self.path} could not be written: {failure}") from failure

    def _with_nodata(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        nodata = np.float32(self._form.nodata)
        if np.isnan(nodata):
            return values
        # A value that happens to be the nodata value moves by one unit in the last place.
        moved = np.where(values == nodata, np.nextafter(nodata, np.float32(np.inf)), values)
        return np.where(np.isnan(values), nodata, moved)

    def _row_profile(self) -> dict[str, object]:
        return {
            "driver": "GTiff",
            "dtype": "float32",
            "count": 1,
            "height": self.grid.height,
            "width": self.grid.width,
            "crs": self.grid.crs,
            "transform": self.grid.transform,
            "nodata": self._form.nodata,
            "BIGTIFF": "IF_SAFER",
        }

    def _finish(self) -> None:
        self._rows.update_tags(**self._form.tags)
        self._rows.set_band_description(1, "LST")
        self._rows.set_band_unit(1, "K" if self._form.units == "K" else "degC")
        self._rows.close()
        options = _DEFAULTS | {k.upper(): v for k, v in self._form.creation.items()}
        if options["COMPRESS"].upper() not in ("DEFLATE", "LZW", "ZSTD"):
            options.pop("PREDICTOR", None)
        made = self._folder / "result.tif"
        rows = self._folder / "rows.tif"
        with rasterio.open(rows, "r+") as finished:
            finished.update_tags(**{STATUS_TAG: "complete"})
        rasterio.shutil.copy(rows, made, driver="COG", **options)
        rows.unlink()
        self._check(made)
        with open(made, "rb+") as written:
            os.fsync(written.fileno())
        check_target(self.path, overwrite=self._overwrite)
        os.replace(made, self.path)
        _sync_folder(self.path.parent)

    def _check(self, made: Path) -> None:
        """Make sure that the file holds this grid and every block of it.

        Raises:
            GroklstError: If it does not.
        """
        with rasterio.open(made) as result:
            found = Grid(result.crs, result.transform, result.height, result.width)
            if found.shape != self.grid.shape or found.transform != self.grid.transform:
                raise GroklstError(f"{self.path}: GDAL stored {found}, not {self.grid}")
            if result.tags().get(STATUS_TAG) != "complete":
                raise GroklstError(f"{self.path}: GDAL did not store the file's tags")
            size = made.stat().st_size
            for (row, column), _ in result.block_windows(1):
                where = f"{column}_{row}"
                offset = result.get_tag_item(f"BLOCK_OFFSET_{where}", dm="TIFF", bidx=1)
                length = result.get_tag_item(f"BLOCK_SIZE_{where}", dm="TIFF", bidx=1)
                sparse = offset is None and self._form.creation
                if not sparse and (not offset or int(offset) + int(length or 0) > size):
                    raise GroklstError(f"{self.path}: block {where} was not written; disk full?")


def check_target(path: Path, *, overwrite: bool) -> None:
    """Refuse a target that cannot or may not be written.

    Raises:
        OutputExistsError: If it exists and may not be replaced.
        UsageError: If it is a folder, or its folder does not exist.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}; make it first")
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists; add --overwrite to replace it")


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows cannot open a folder
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
