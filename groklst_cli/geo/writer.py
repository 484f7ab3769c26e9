"""Write the result: rows as they are computed, then a cloud-optimised GeoTIFF.

All files are in a hidden folder next to the target until the result is complete and checked; a file
under its final name is always complete.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.windows import Window

from groklst_cli.errors import GroklstError, UsageError
from groklst_cli.geo.companions import STATUS_TAG
from groklst_cli.geo.creation import check_creation
from groklst_cli.geo.flaws import block_flaw
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.overviews import BLOCK, Overviews, levels_of
from groklst_cli.geo.pixel_hash import PIXELS_TAG, PixelHash, keeps_bits
from groklst_cli.geo.targets import Finished, Naming, check_target
from groklst_cli.geo.unit_names import Units
from groklst_cli.geo.units import CELSIUS_ZERO

_DEFAULTS: Final = {
    "COMPRESS": "DEFLATE",
    "PREDICTOR": "YES",  # by type: floating point, 3
    "BLOCKSIZE": str(BLOCK),
    "BIGTIFF": "IF_SAFER",
    "OVERVIEW_RESAMPLING": "AVERAGE",
    "NUM_THREADS": "ALL_CPUS",
}

_LEAVES_OVERVIEWS: Final = frozenset(
    ("BLOCKSIZE", "NBITS", "OVERVIEWS", "OVERVIEW_COUNT", "OVERVIEW_RESAMPLING", "RESAMPLING")
)
"""Creation options after which GDAL makes the overviews."""

_FAST: Final = "1"
"""DEFLATE's level. GDAL's own, 6, takes nearly twice as long for files 2% smaller."""


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
        """Refuse options that GDAL would ignore or that would move pixels.

        Raises:
            UsageError: If a creation option is not valid, or the nodata value does not fit float32.
        """
        check_creation(self.creation)
        with np.errstate(over="ignore"):
            if np.isfinite(self.nodata) and not np.isfinite(np.float32(self.nodata)):
                raise UsageError(f"--dst-nodata {self.nodata} does not fit a 32-bit float")


class ResultFile:
    """A GeoTIFF that is being written.

    Used as a context manager: after success the file has its final name; after an error nothing has
    changed. If several files must appear together, each is finished first, and the caller places
    them all before leaving the contexts.
    """

    def __init__(
        self,
        path: Path,
        grid: Grid,
        form: OutputFormat,
        *,
        overwrite: bool,
        folder: Path | None = None,
        named: Naming = "option",
    ) -> None:
        """Plan a file; nothing is written yet.

        Args:
            path: The target.
            grid: Of the result.
            form: How it is stored.
            overwrite: Whether the target may be replaced.
            folder: Where to work, on the target's file system; the target's own by default.
            named: Who named the target.

        Raises:
            OutputExistsError: If the target exists and may not be replaced.
            UsageError: If the target is a folder, or its folder does not exist.
        """
        self.path, self.grid, self._form = path, grid, form
        self._overwrite, self._named = overwrite, named
        self._work = path.parent if folder is None else folder
        self._finished: Finished | None = None
        check_target(path, overwrite=overwrite, named=named)

    def __enter__(self) -> Self:
        prefix = f".{self.path.name[:40]}."
        self._check_space()
        try:
            folder = tempfile.mkdtemp(prefix=prefix, suffix=".part", dir=self._work)
        except OSError as error:
            raise GroklstError(f"cannot write in {self.path.parent}: {error.strerror}") from error
        self._folder = Path(folder)
        self._pixels, self._next_row = PixelHash(), 0
        try:
            with self.refusals(), contextlib.ExitStack() as opened:
                profile = self._row_profile()
                self._rows = rasterio.open(self._folder / "rows.tif", "w", **profile)
                opened.callback(self._rows.close)
                levels = None if self._leaves_overviews else levels_of(self.grid.shape)
                self._overviews = Overviews(self._folder, profile, levels) if levels else None
                opened.pop_all()
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
            if kind is None and self._finished is None:
                self._place()
        finally:
            with contextlib.suppress(GroklstError), self.refusals():
                self._rows.close()
                if self._overviews:
                    self._overviews.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def write(self, row: int, fine: NDArray[np.float32]) -> None:
        """Write whole rows, each call where the last one ended.

        Args:
            row: The first of them.
            fine: ``(rows, width)``, kelvin, NaN where there is no value.

        Raises:
            GroklstError: If it cannot be written.
        """
        assert row == self._next_row
        self._next_row += len(fine)
        values = fine - np.float32(CELSIUS_ZERO) if self._form.units == "C" else fine
        stored = self._with_nodata(values)
        self._pixels.add(stored)
        window = Window(0, row, self.grid.width, len(fine))
        with self.refusals():
            self._rows.write(stored, 1, window=window)
            if self._overviews:
                self._overviews.add(values)

    def finish(self) -> Finished:
        """Complete the file under a temporary name, and check it.

        Raises:
            GroklstError: If it cannot be written.
        """
        if self._finished is None:
            with self.refusals():
                made = self._make()
            self._finished = Finished(made, self.path, self._overwrite, self._named)
        return self._finished

    def _place(self) -> None:
        """Give the file its final name.

        Raises:
            OutputExistsError: If that was taken in the meantime.
            GroklstError: If it cannot be written.
        """
        finished = self.finish()
        finished.check()
        finished.place()

    @contextlib.contextmanager
    def refusals(self) -> Iterator[None]:
        """Return an error that names the file that could not be written."""
        try:
            yield
        except GroklstError:  # some are OSErrors too
            raise
        except Exception as failure:
            if not _is_of_the_disk(failure):
                raise
            raise GroklstError(f"{self.path} could not be written: {failure}") from failure

    def _with_nodata(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        nodata = np.float32(self._form.nodata)
        if np.isnan(nodata):
            return values
        # A value that equals the nodata value is changed by one unit in the last place.
        moved = np.where(values == nodata, np.nextafter(nodata, np.float32(np.inf)), values)
        return np.where(np.isnan(values), nodata, moved)

    def _check_space(self) -> None:
        """Check that the disk has room for the rows.

        Raises:
            GroklstError: If there is too little room.
        """
        try:
            free = shutil.disk_usage(self._work).free
        except OSError as error:
            raise GroklstError(f"cannot write in {self.path.parent}: {error.strerror}") from error
        needed = 4 * self.grid.height * self.grid.width
        if needed > free:
            raise GroklstError(
                f"{self.path} needs {needed / 2**30:.3g} GiB while it is written, "
                f"{free / 2**30:.3g} GiB are free; make room, or write to another disk"
            )

    @property
    def _leaves_overviews(self) -> bool:
        return not _LEAVES_OVERVIEWS.isdisjoint(key.upper() for key in self._form.creation)

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

    def _make(self) -> Path:
        self._rows.update_tags(**self._form.tags)
        self._rows.set_band_description(1, "LST")
        self._rows.set_band_unit(1, "K" if self._form.units == "K" else "degC")
        self._rows.close()
        options = cog_options(self._form.creation)
        made = self._folder / "result.tif"
        rows = self._folder / "rows.tif"
        proof = {PIXELS_TAG: str(self._pixels)} if keeps_bits(options) else {}
        with rasterio.open(rows, "r+", driver="GTiff") as finished:
            finished.update_tags(**{STATUS_TAG: "complete"}, **proof)
        described = rows
        if self._overviews:
            self._overviews.close()
            described = self._overviews.describe(rows)
        rasterio.shutil.copy(described, made, driver="COG", **options)
        rows.unlink()
        self._check(made)
        return made

    def _check(self, made: Path) -> None:
        """Check that the file has this grid and all of its blocks.

        Raises:
            GroklstError: If it does not.
        """
        with rasterio.open(made) as result:
            found = Grid(result.crs, result.transform, result.height, result.width)
            if found.shape != self.grid.shape or found.transform != self.grid.transform:
                raise GroklstError(
                    f"{self.path}: GDAL stored the grid {found}, expected {self.grid}"
                )
            if result.tags().get(STATUS_TAG) != "complete":
                raise GroklstError(f"{self.path}: GDAL did not store the file's tags")
            sparse = bool(self._form.creation)
            flaw = block_flaw(result, made.stat().st_size, sparse=sparse)
            if flaw is not None:
                raise GroklstError(
                    f"{self.path} was not written completely: it {flaw}; is the disk full?"
                )


def cog_options(creation: Mapping[str, str]) -> dict[str, str]:
    """Return the options for GDAL's COG driver: the requested ones, and defaults for the rest."""
    options = _DEFAULTS | {key.upper(): value for key, value in creation.items()}
    if options["COMPRESS"].upper() == "DEFLATE":
        options.setdefault("LEVEL", _FAST)
    if options["COMPRESS"].upper() not in ("DEFLATE", "LZW", "ZSTD"):
        options.pop("PREDICTOR", None)
    return options


def _is_of_the_disk(error: Exception) -> bool:
    """Return whether an error is from the disk or from GDAL.

    Rasterio raises some of GDAL's errors as classes that it does not export.
    """
    of_rasterio = any(k.__module__.split(".")[0] == "rasterio" for k in type(error).__mro__)
    return of_rasterio or isinstance(error, OSError)
