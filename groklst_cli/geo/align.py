"""Bringing guidance onto the fine grid, window by window, never whole.

A guide that already lies on the fine grid's lattice is read as it is. Any other is warped by GDAL
through a ``WarpedVRT`` whose blocks are anchored at the fine grid's origin, so what a pixel gets
does not depend on the window that asked for it.
"""

import math
from dataclasses import replace
from typing import Final, Literal, get_args

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.raster import (
    BandSource,
    alpha_band,
    check_band,
    data_bands,
    grid_of,
    open_raster,
    read_physical,
)

ResamplingName = Literal[
    "auto", "nearest", "bilinear", "cubic", "cubic_spline", "lanczos", "average", "mode", "max",
    "min", "med", "q1", "q3", "rms", "sum",
]  # fmt: skip
RESAMPLINGS: Final = get_args(ResamplingName)

FINER: Final = 1.5
"""From so many guide pixels along a fine pixel on, ``auto`` takes their mean."""

_CACHE: Final = 64 * 2**20  # bytes

_WARP_TOLERANCE = 0.001
"""Largest error of GDAL's interpolated coordinates, guide pixels (its own default is 0.125)."""


class GuideSource:
    """The bands of one guidance file, on the fine grid.

    Attributes:
        path: The file.
        names: A name for each band that is read.
        grid: The file's own grid.
        method: How values come to the fine grid: ``"aligned"`` or a GDAL resampling.
    """

    method: str

    def __init__(self, source: BandSource, fine: Grid, resampling: ResamplingName = "auto") -> None:
        """Open a file and plan how it comes to the fine grid.

        Args:
            source: The file, and the band and name that were asked for.
            fine: The grid to bring it to.
            resampling: GDAL's name of a resampling, or ``auto``: mean when the guide is finer,
                bilinear when it is about as fine or coarser.

        Raises:
            InputError: If the file cannot be used or lies elsewhere.
            UsageError: If one name is given to several bands.
        """
        self.path = source.path
        self._dataset = open_raster(source.path)
        try:
            self._bands = [source.band] if source.band else data_bands(self._dataset)
            for band in self._bands:
                check_band(self._dataset, self.path, band)
            self.names = self._name_bands(source.name)
            self.grid = grid_of(self._dataset)
            self._fine, self._resampling = fine, resampling
            self._vrt: WarpedVRT | None = None
            self._read_from(fine)
        except BaseException:
            self._dataset.close()
            raise

    def close(self) -> None:
        """Close the file."""
        if self._vrt is not None:
            self._vrt.close()
        self._dataset.close()

    def move(self, columns: float, rows: float) -> None:
        """Take the content for misplaced: read each pixel so far beside where it should lie.

        Args:
            columns: Fine pixels by which the content lies too far along the columns.
            rows: The same along the rows.
        """
        moved = self._fine.transform * Affine.translation(columns, rows)
        self._read_from(replace(self._fine, transform=moved))

    def read(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Read a window of the fine grid.

        Returns:
            Values ``(bands, rows, columns)`` in the bands' physical units, NaN where there are
            none.

        Raises:
            InputError: If the file breaks off or is damaged there.
        """
        shape = (len(self._bands), rows.stop - rows.start, columns.stop - columns.start)
        values = np.empty(shape, np.float32)
        self.read_into(values, rows, columns)
        return values

    def read_into(self, values: NDArray[np.float32], rows: slice, columns: slice) -> None:
        """Do as ``read``, into an array of that shape.

        Raises:
            InputError: If the file breaks off or is damaged there.
        """
        try:
            if self._vrt is None:
                self._read_lattice(values, rows, columns)
            else:
                self._read_warped(self._vrt, values, rows, columns)
        except RasterioError as error:
            raise InputError(
                f"{self.path} is damaged or cannot be warped near fine row {rows.start}: "
                f"{str(error).splitlines()[0]}"
            ) from error

    def _name_bands(self, name: str | None) -> tuple[str, ...]:
        if name is not None and len(self._bands) > 1:
            raise UsageError(
                f"{self.path} has {len(self._bands)} bands, one name cannot serve them all; "
                f"write {name}={self.path},band=1, or leave the name out"
            )
        if name is not None:
            return (name,)
        stem = self.path.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].split(".")[0] or "guide"
        described = [self._dataset.descriptions[b - 1] for b in self._bands]
        if len(self._bands) == 1:
            return (described[0] or stem,)
        return tuple(d or f"{stem}_{b}" for d, b in zip(described, self._bands, strict=True))

    def _read_from(self, fine: Grid) -> None:
        here = self.grid
        if self._vrt is not None:
            self._vrt.close()
            self._vrt = None
        self._offset = fine.offset_of(here)
        if not here.overlaps(fine):
            raise InputError(
                f"{self.path} does not overlap the LST: it covers {_span(here)} in "
                f"{_crs_name(here)}, the LST covers {_span(fine)} in {_crs_name(fine)}"
            )
        if self._offset is not None and self._resampling == "auto":
            self.method = "aligned"
            return
        ratio = here.pixels_per_pixel_of(fine)
        self.method = _choose(ratio) if self._resampling == "auto" else self._resampling
        self._vrt = self._warped(fine)

    def _warped(self, fine: Grid) -> WarpedVRT:
        options = {"UNIFIED_SRC_NODATA": "NO"}  # each band has its own gaps
        if self.method != "average":
            # Without these GDAL widens its kernel by the ratio of the block's windows, so a pixel
            # would depend on its block: https://gdal.org/api/gdalwarp_cpp.html (XSCALE, YSCALE).
            options |= {"XSCALE": "1", "YSCALE": "1"}
        nodata = self._dataset.nodata
        floats = self._dataset.dtypes[self._bands[0] - 1].startswith("float")
        return WarpedVRT(
            self._dataset,
            crs=fine.crs,
            transform=fine.transform,
            height=fine.height,
            width=fine.width,
            src_alpha=alpha_band(self._dataset) or 0,
            src_nodata=math.nan if nodata is None and floats else nodata,
            nodata=math.nan,
            dtype="float32",
            resampling=Resampling[self.method],
            tolerance=_WARP_TOLERANCE,
            warp_mem_limit=64,
            **options,
        )

    def _read_warped(
        self, vrt: WarpedVRT, values: NDArray[np.float32], rows: slice, columns: slice
    ) -> None:
        vrt.read(self._bands, window=Window.from_slices(rows, columns), out=values)
        for plane, band in zip(values, self._bands, strict=True):
            scale, offset = self._dataset.scales[band - 1], self._dataset.offsets[band - 1]
            if (scale, offset) != (1.0, 0.0):
                plane *= np.float32(scale)
                plane += np.float32(offset)
        values[~np.isfinite(values)] = np.nan

    def _read_lattice(self, values: NDArray[np.float32], rows: slice, columns: slice) -> None:
        assert self._offset is not None
        row, column = self._offset
        top, bottom = max(rows.start, row), min(rows.stop, row + self._dataset.height)
        left, right = max(columns.start, column), min(columns.stop, column + self._dataset.width)
        if values[0].shape != (bottom - top, right - left):
            values.fill(np.nan)  # some of it lies beyond the file
        if top >= bottom or left >= right:
            return
        window = Window(left - column, top - row, right - left, bottom - top)
        target = (
            slice(top - rows.start, bottom - rows.start),
            slice(left - columns.start, right - columns.start),
        )
        for plane, band in zip(values, self._bands, strict=True):
            read_physical(self._dataset, band, window, out=plane[target])


def _choose(ratio: float) -> Literal["average", "bilinear"]:
    return "average" if ratio >= FINER else "bilinear"


def _span(grid: Grid) -> str:
    left, bottom, right, top = grid.bounds
    return f"{left:g} {bottom:g} {right:g} {top:g}"


def _crs_name(grid: Grid) -> str:
    text: str = grid.crs.to_string()
    return text if len(text) <= 40 else text[:37] + "…"


def gdal_environment() -> rasterio.Env:
    """Bound GDAL's block cache so that memory does not grow with the scene.

    Rasterio takes the bound in bytes, unlike GDAL. It has to hold a row of blocks of every guide,
    or each block is decoded anew for every window that cuts it. Overviews wait uncompressed until
    they are copied: to pack and unpack them takes longer than to compress them in the end.
    """
    return rasterio.Env(
        GDAL_CACHEMAX=_CACHE,
        GDAL_NUM_THREADS="1",
        BIGTIFF_OVERVIEW="IF_SAFER",
        COG_TMP_COMPRESSION="NONE",
    )
