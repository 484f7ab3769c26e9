"""Bringing guidance onto the fine grid, window by window, never whole.

A guide that already lies on the fine grid's lattice is read as it is. Any other is sampled
bilinearly (``bilinear.py``), or warped by GDAL through a ``WarpedVRT`` whose blocks are anchored at
the fine grid's origin. Either way a pixel does not depend on the window that asked for it.
"""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import MaskFlags, Resampling
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.band_names import Unnamed, name_by_files
from groklst_cli.geo.bilinear import EXACT, Bilinear, Read
from groklst_cli.geo.conserve import known_means
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.guide_values import doubts_about, largest_stored, refuse_palette
from groklst_cli.geo.kept_open import leave_guide, open_guide
from groklst_cli.geo.opening import (
    UNREADABLE,
    BandSource,
    alpha_band,
    check_band,
    damage,
    data_bands,
    grid_of,
)
from groklst_cli.geo.projection import NoWayError
from groklst_cli.geo.raster import read_physical
from groklst_cli.geo.resamplings import ResamplingName
from groklst_cli.geo.stored_band import StoredBand

FINER: Final = 1.5
"""Guide pixels along a fine pixel from which ``auto`` takes their mean."""

_LARGEST: Final = 1e30
"""Of a guide's values; files without a nodata value often hold the largest float32 for one."""

_GRAINS: Final = 2**22
"""Values within fine pixels that are read at once."""

_WARP_TOLERANCE = 0.001
"""Largest error of GDAL's interpolated coordinates, guide pixels (its own default is 0.125)."""


@dataclass(frozen=True)
class Warping:
    """How a file comes to the fine grid; files of which it is the same may be warped together.

    Attributes:
        own: The file's grid.
        fine: The grid that it is brought to.
        resampling: GDAL's name of it.
        nodata: The stored values of all bands that mean no value, written out; or ``None``.
        dtype: Of all bands.
    """

    own: Grid
    fine: Grid
    resampling: str
    nodata: tuple[str, ...]
    dtype: str

    @property
    def marks(self) -> tuple[float | None, ...]:
        """The stored values that mean that there is none."""
        return tuple(None if text == "None" else float(text) for text in self.nodata)

    @property
    def bilinear(self) -> Bilinear | None:
        """How values are sampled without GDAL's warper; None where it has to be used."""
        if self.resampling != "bilinear" or self.dtype not in EXACT:
            return None
        return Bilinear.between(self.own, self.fine)


@dataclass(frozen=True)
class _Warp:
    """Some of the bands, those of one nodata value, on the fine grid."""

    vrt: WarpedVRT
    places: Sequence[int]


class _Offset(tuple[int, int]):
    """Row and column of the fine grid where a guide of its lattice starts."""

    __slots__ = ()


class GuideSource:
    """The bands of one guidance file, on the fine grid.

    Attributes:
        path: The file.
        names: A name for each band that is read.
        grid: The file's own grid.
        method: How values come to the fine grid: ``"aligned"`` or a GDAL resampling.
        ratio: Guide pixels along a fine pixel.
        warping: How all bands are warped, if several files can be warped so at once; else None.
    """

    method: str
    ratio: float
    warping: Warping | None

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
        self.path, self._source = source.path, source
        self._dataset = open_guide(source.path)
        try:
            numbers = [source.band] if source.band else data_bands(self._dataset)
            for number in numbers:
                if number <= self._dataset.count:
                    refuse_palette(source, self._dataset, number)
                check_band(self._dataset, self.path, number)
            self._bands = [StoredBand.of(self._dataset, number, source) for number in numbers]
            self._given = self._names_given(source.name)
            self.rename(iter(name_by_files(self.unnamed)))
            self._may_hold_fills = any("float" in kind for kind in self._dataset.dtypes)
            self.grid = grid_of(self._dataset)
            self._fine, self._resampling = fine, resampling
            self._copies: list[_Offset | Warping | list[_Warp]] = []
            self._without: dict[float, WarpedVRT] = {}
            self._read_from(fine)
        except BaseException:
            leave_guide(self._dataset)
            raise

    @property
    def unnamed(self) -> list[Unnamed]:
        """Bands that have neither a name that was asked for nor a description."""
        pairs, alone = zip(self._bands, self._given, strict=True), len(self._bands) == 1
        return [Unnamed(self.path, band.number, alone) for band, given in pairs if not given]

    @property
    def given_names(self) -> list[str]:
        """Names of the other bands."""
        return [name for name in self._given if name]

    def close(self) -> None:
        """Close the file."""
        self._close_copies()
        for view in self._without.values():
            view.close()
        leave_guide(self._dataset)

    @property
    def is_whole(self) -> bool:
        """Whether every fine pixel has a value, by what the file says of itself.

        False where only its values can tell.
        """
        dataset = self._dataset
        flags = [dataset.mask_flag_enums[band.number - 1] for band in self._bands]
        if alpha_band(dataset) or any(found != [MaskFlags.all_valid] for found in flags):
            return False
        if any(band.is_float or band.nodata is not None for band in self._bands):
            return False
        (copy, *others), (height, width) = self._copies, self._fine.shape
        if isinstance(copy, _Offset) and not others:
            (row, column), (below, beside) = copy, (height - dataset.height, width - dataset.width)
            return bool(below <= row <= 0 and beside <= column <= 0)
        sampled = copy.bilinear if isinstance(copy, Warping) else None
        return sampled is not None and sampled.is_whole

    def doubts(self) -> list[str]:
        """Look at the values, and say what a person should know of them, a line each.

        Raises:
            InputError: If they would harm: undeclared fill values, codes of classes, or tags
                that seem to be applied already.
        """
        try:
            return doubts_about(self._source, self._dataset, self._bands, self._fine)
        except UNREADABLE as error:
            raise damage(self.path, "its values", error) from error

    def move(self, columns: float, rows: float) -> None:
        """Take the content for misplaced: read each pixel so far beside where it should lie.

        Args:
            columns: Fine pixels by which the content lies too far along the columns.
            rows: The same along the rows.
        """
        moved = self._fine.transform * Affine.translation(columns, rows)
        self._read_from(replace(self._fine, transform=moved))

    @property
    def stored(self) -> list[tuple[str, int]]:
        """The file and the number of each band."""
        return [(self._dataset.name, band.number) for band in self._bands]

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
            InputError: If the file breaks off or is damaged there, or holds impossible values.
        """
        try:
            if self._grain == 1:
                self._read_copies(values, rows, columns)
            else:
                self._average_grains(values, rows, columns)
        except UNREADABLE as error:
            raise damage(self.path, f"fine row {rows.start}", error) from error
        self._refuse_fills(values, rows)

    def take_warped(self, values: NDArray[np.float32], rows: slice) -> None:
        """Make stored values, which were warped elsewhere, physical in place.

        Raises:
            InputError: If they are impossible.
        """
        self._scale(values)
        self._refuse_fills(values, rows)

    def _read_copies(self, values: NDArray[np.float32], rows: slice, columns: slice) -> None:
        first, *others = self._copies
        self._read_copy(first, values, rows, columns)
        for copy in others:
            beyond = np.empty_like(values)
            self._read_copy(copy, beyond, rows, columns)
            np.copyto(values, beyond, where=np.isnan(values))

    def _average_grains(self, values: NDArray[np.float32], rows: slice, columns: slice) -> None:
        """Average what lies at points within each pixel, which no seam can cut, unlike corners."""
        grain = self._grain
        across = slice(columns.start * grain, columns.stop * grain)
        step = max(1, _GRAINS // (grain * (across.stop - across.start) * len(values)))
        for start in range(rows.start, rows.stop, step):
            stop = min(rows.stop, start + step)
            grains = np.empty(
                (len(values), (stop - start) * grain, across.stop - across.start), np.float32
            )
            self._read_copies(grains, slice(start * grain, stop * grain), across)
            values[:, start - rows.start : stop - rows.start] = known_means(grains, grain)

    def _refuse_fills(self, values: NDArray[np.float32], rows: slice) -> None:
        """Refuse what nobody has measured: a fill value that the file does not call nodata."""
        if not self._may_hold_fills:
            return
        largest = max(np.fmax.reduce(values, axis=None), -np.fmin.reduce(values, axis=None))
        if largest > _LARGEST:
            stored = largest_stored(self._dataset, self._bands)
            raise InputError(
                f"{self.path} holds {stored} near fine row {rows.start}, which cannot be a "
                "measured value; if it is a fill value, declare it with -g "
                f"{self._source},nodata={stored}"
            )

    def _names_given(self, name: str | None) -> tuple[str | None, ...]:
        if name is not None and len(self._bands) > 1:
            raise UsageError(
                f"{self.path} has {len(self._bands)} bands, so one name is not enough; write "
                f"{name}={self.path},band=1, or leave the name out to use all bands under their "
                "own names"
            )
        if name is not None:
            return (name,)
        return tuple(self._dataset.descriptions[band.number - 1] for band in self._bands)

    def rename(self, found: Iterator[str]) -> None:
        """Take a name for each band that has none of its own."""
        self.names = tuple(name or next(found) for name in self._given)

    def _read_from(self, fine: Grid) -> None:
        self._close_copies()
        self._grain, self.warping = 1, None
        try:
            copies = self.grid.copies_over(fine)
        except NoWayError as error:
            raise InputError(
                f"no transformation is known from {_crs_name(fine)} of the LST to "
                f"{_crs_name(self.grid)} of {self.path}; set the right CRS with: rio edit-info "
                "--crs EPSG:…"
            ) from error
        if not copies:
            raise InputError(
                f"{self.path} does not overlap the LST: it covers {_span(self.grid)} in "
                f"{_crs_name(self.grid)}, the LST covers {_span(fine)} in {_crs_name(fine)}; name "
                "a guide that overlaps, or set the right CRS with: rio edit-info --crs EPSG:…"
            )
        offsets = [_Offset(found) for copy in copies if (found := fine.offset_of(copy))]
        if len(offsets) == len(copies) and self._resampling == "auto":
            self.method, self.ratio = "aligned", 1.0
            self._copies += offsets
            return
        self.ratio = copies[0].pixels_per_pixel_of(fine)
        self.method = _choose(self.ratio) if self._resampling == "auto" else self._resampling
        if self.method == "average" and self.grid.is_torn_under(fine):
            self._grain = max(2, math.ceil(self.ratio))
        plain = self._plain_warping(copies, fine)
        if plain is not None and plain.bilinear is not None:
            self._copies.append(plain)
        else:
            for copy in copies:
                self._copies.append(self._warps(copy, fine.refine(self._grain)))
        if self._dataset.driver == "GTiff" and os.path.isfile(self._dataset.name):
            self.warping = plain

    def _plain_warping(self, copies: Sequence[Grid], fine: Grid) -> Warping | None:
        """Tell how all bands are warped; None if bands differ in that, or have masks."""
        dataset, numbers = self._dataset, [band.number for band in self._bands]
        flags = {flag for number in numbers for flag in dataset.mask_flag_enums[number - 1]}
        marked = {repr(self._marked(band)) for band in self._bands}
        kinds = {band.dtype for band in self._bands}
        if (
            list(copies) != [self.grid]
            or self._grain > 1
            or flags - {MaskFlags.all_valid, MaskFlags.nodata}
            or not (len(marked) == len(kinds) == 1)
        ):
            return None
        nodata = tuple(map(repr, self._marked(self._bands[0])))
        plain = Warping(self.grid, fine, self.method, nodata, kinds.pop())
        return plain if len(nodata) == 1 or plain.bilinear is not None else None

    def _marked(self, band: StoredBand) -> list[float | None]:
        """Return the stored values of a band that are none: its file's, and one that is said."""
        own = self._dataset.nodatavals[band.number - 1]
        if own is None and band.is_float:
            own = math.nan
        return [own] if band.nodata in (None, own) else [own, band.nodata]

    def _close_copies(self) -> None:
        for copy in self._copies:
            if isinstance(copy, list):
                for warp in copy:
                    warp.vrt.close()
        self._copies.clear()

    def _warps(self, here: Grid, fine: Grid) -> list[_Warp]:
        """Plan to warp all bands; GDAL knows one nodata value for all bands of a warp."""
        kinds = dict[str, tuple[list[float | None], list[int]]]()
        for place, band in enumerate(self._bands):
            marked = self._marked(band)
            kinds.setdefault(repr(marked), (marked, []))[1].append(place)
        return [_Warp(self._warped(here, fine, m), places) for m, places in kinds.values()]

    def _masked(self, own: float | None) -> DatasetReader:
        """Return the file with its own nodata made NaN, which leaves room to name another."""
        if own is None or math.isnan(own):
            return self._dataset
        if own not in self._without:
            self._without[own] = WarpedVRT(
                self._dataset, src_nodata=own, nodata=math.nan, dtype="float64", tolerance=0
            )
        return self._without[own]

    def _warped(self, here: Grid, fine: Grid, marked: Sequence[float | None]) -> WarpedVRT:
        return warped(
            self._dataset if len(marked) == 1 else self._masked(marked[0]),
            fine,
            "bilinear" if self._grain > 1 else self.method,
            marked[-1],
            alpha=alpha_band(self._dataset) or 0,
            moved=None if here == self.grid else here.transform,
        )

    def _read_copy(
        self,
        copy: _Offset | Warping | list[_Warp],
        values: NDArray[np.float32],
        rows: slice,
        columns: slice,
    ) -> None:
        if isinstance(copy, _Offset):
            self._read_lattice(copy, values, rows, columns)
            return
        if isinstance(copy, Warping):
            self._sample(copy, values, rows, columns)
            return
        window = Window.from_slices(rows, columns)
        for warp in copy:
            bands = [self._bands[place].number for place in warp.places]
            if len(copy) == 1:
                warp.vrt.read(bands, window=window, out=values)
            else:
                values[warp.places] = warp.vrt.read(bands, window=window)
        self._scale(values)

    def _sample(
        self, warping: Warping, values: NDArray[np.float32], rows: slice, columns: slice
    ) -> None:
        assert warping.bilinear is not None
        read = stored_reader(self._dataset, [band.number for band in self._bands])
        warping.bilinear.sample_into(values, rows, columns, read, warping.marks)
        self._scale(values)

    def _scale(self, values: NDArray[np.float32]) -> None:
        for plane, band in zip(values, self._bands, strict=True):
            if band.is_scaled:
                plane *= np.float32(band.scale)
                plane += np.float32(band.offset)
        values[~np.isfinite(values)] = np.nan

    def _read_lattice(
        self, offset: _Offset, values: NDArray[np.float32], rows: slice, columns: slice
    ) -> None:
        row, column = offset
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


def stored_reader(dataset: DatasetReader, bands: Sequence[int]) -> Read:
    """Return what reads windows of some bands as they are stored."""

    def read(rows: slice, columns: slice) -> NDArray[np.generic]:
        window = Window.from_slices(rows, columns)
        stored: NDArray[np.generic] = dataset.read(bands, window=window)
        return stored

    return read


def warped(
    dataset: DatasetReader | WarpedVRT,
    fine: Grid,
    resampling: str,
    nodata: float | None,
    *,
    alpha: int = 0,
    moved: Affine | None = None,
) -> WarpedVRT:
    """Plan to warp a file so that no pixel depends on the window that asks for it.

    Args:
        dataset: Open.
        fine: The grid to bring it to.
        resampling: GDAL's name of it.
        nodata: The stored value that is none.
        alpha: The number of the band that tells where there is a value; 0 for none.
        moved: Where the file lies, if not where it says.
    """
    # Each band has its own gaps; GDAL's own threads gain nothing on blocks as small as a VRT's.
    options: dict[str, str | Affine] = {"UNIFIED_SRC_NODATA": "NO", "NUM_THREADS": "1"}
    if resampling != "average":
        # Without these GDAL widens its kernel by the ratio of the block's windows, so a pixel
        # would depend on its block: https://gdal.org/api/gdalwarp_cpp.html (XSCALE, YSCALE).
        options |= {"XSCALE": "1", "YSCALE": "1"}
    if moved is not None:
        options["src_transform"] = moved
    return WarpedVRT(
        dataset,
        crs=fine.crs,
        transform=fine.transform,
        height=fine.height,
        width=fine.width,
        src_alpha=alpha,
        src_nodata=nodata,
        nodata=math.nan,
        dtype="float32",
        resampling=Resampling[resampling],
        tolerance=_WARP_TOLERANCE,
        warp_mem_limit=64,
        **options,
    )


def tell_apart(guides: Sequence[GuideSource]) -> None:
    """Name anew what is called by its file, so that guides do not share names for want of one."""
    unnamed = [band for guide in guides for band in guide.unnamed]
    taken = [name for guide in guides for name in guide.given_names]
    found = iter(name_by_files(unnamed, taken))
    for guide in guides:
        guide.rename(found)


def _choose(ratio: float) -> Literal["average", "bilinear"]:
    return "average" if ratio >= FINER else "bilinear"


def _span(grid: Grid) -> str:
    left, bottom, right, top = grid.bounds
    return f"{left:g} {bottom:g} {right:g} {top:g}"


def _crs_name(grid: Grid) -> str:
    text: str = grid.crs.to_string()
    return text if len(text) <= 40 else text[:37] + "…"
