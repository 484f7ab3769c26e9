"""Resample a reference on any grid to the grid of a prediction, by area mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.warp import reproject

from groklst_cli.errors import InputError
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.projection import NoWayError
from groklst_cli.geo.raster import LstSource
from groklst_cli.geo.unit_names import Units

LEAST_COVERED: Final = 0.9
"""Share of a pixel that valid reference must cover for it to count."""

_COARSEST: Final = 1.5
"""Largest ratio of a reference's pixel to a prediction's, along a side."""

_PARTS: Final = 8
"""GDAL takes the mean over the box around a pixel's diagonal, which is another area where the grids
are turned or sheared against each other (20 % of the field's deviation at 20°, equal pixels); means
over so many parts along a pixel, put together, tile it as it lies (0.5 %)."""

_ROWS: Final = 32
_TOLERANCE = 0.001  # largest error of GDAL's interpolated coordinates, reference pixels


@dataclass(frozen=True)
class Shifted:
    """The shift of a whole prediction that fits the reference best.

    Attributes:
        rows: Fine pixels down.
        columns: Fine pixels to the right.
        rmse: RMSE there, kelvin, over the pixels that are valid at every shift tried.
        rmse_unmoved: RMSE without a shift, over the same pixels.
    """

    rows: int
    columns: int
    rmse: float
    rmse_unmoved: float


def read_lst(source: BandSource, units: Units | None = None) -> tuple[Grid, NDArray[np.float32]]:
    """Read a whole LST raster: its grid, and kelvin with NaN where there is no value.

    Raises:
        InputError: If it cannot be used.
    """
    lst = LstSource(source, units)
    try:
        return lst.grid, lst.read(slice(0, lst.grid.height))
    finally:
        lst.close()


def bring_reference(
    values: NDArray[np.float32],
    here: Grid,
    there: Grid,
    *,
    least_covered: float = LEAST_COVERED,
    path: str = "the reference",
) -> NDArray[np.float32]:
    """Average a reference over the pixels of another grid.

    Args:
        values: The reference, kelvin, NaN where there is no value.
        here: Its grid.
        there: The grid to bring it to.
        least_covered: Share of a pixel that valid reference must cover, above 0 and up to 1.
        path: Name of the reference in messages.

    Returns:
        Area means on the other grid, kelvin, NaN where too little is covered. On one lattice the
        values are taken as they are.

    Raises:
        InputError: If the two do not overlap, or the reference is much coarser.
    """
    try:
        copies = here.copies_over(there)
    except NoWayError as error:
        raise InputError(
            f"no transformation is known from {here.crs} of {path} to {there.crs} of the "
            "prediction; set the right CRS with: rio edit-info --crs EPSG:…"
        ) from error
    if not copies:
        raise InputError(
            f"{path} covers {_span(here)} in {here.crs}, the prediction {_span(there)} in "
            f"{there.crs}; they must overlap; name a reference of the same place"
        )
    offset = there.offset_of(copies[0])
    if offset is not None and len(copies) == 1:
        return _same_lattice(values, offset, there.shape)
    ratio = copies[0].pixels_per_pixel_of(there)
    if ratio < 1 / _COARSEST:
        raise InputError(
            f"{path} has pixels {1 / ratio:.3g} times as long as the prediction's; a reference "
            "must be about as fine or finer; downscale with a smaller --scale"
        )
    return _area_mean(values, copies, there, least_covered)


def best_shift(
    prediction: NDArray[np.float32], truth: NDArray[np.float32], reach: int = 2
) -> Shifted | None:
    """Find the whole-scene shift of the prediction, in whole pixels, with the lowest RMSE.

    Args:
        prediction: Kelvin, NaN where there is none.
        truth: Kelvin, of the same shape.
        reach: Largest shift tried along rows and columns.

    Returns:
        The best shift, no shift among equals; None if no pixel is valid at every shift.
    """
    height, width = truth.shape
    steps = sorted(range(-reach, reach + 1), key=abs)
    inner = truth[reach : height - reach, reach : width - reach].astype(np.float64)
    errors = {}
    for down in steps:
        for right in steps:
            top, left = reach - down, reach - right
            moved = prediction[top : top + inner.shape[0], left : left + inner.shape[1]]
            errors[down, right] = moved - inner
    valid = np.isfinite(sum(errors.values()))
    if not valid.any():
        return None
    rmse = {at: float(np.sqrt(np.mean(error[valid] ** 2))) for at, error in errors.items()}
    down, right = min(rmse, key=rmse.__getitem__)
    return Shifted(down, right, rmse[down, right], rmse[0, 0])


def _same_lattice(
    values: NDArray[np.float32], offset: tuple[int, int], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Cut the reference to the other grid, NaN beyond its edges."""
    aligned = np.full(shape, np.nan, np.float32)
    target, source = zip(*map(_overlap, offset, values.shape, shape), strict=True)
    aligned[target] = values[source]
    return aligned


def _overlap(offset: int, length: int, other: int) -> tuple[slice, slice]:
    """Where some pixels that begin at ``offset`` lie on another grid, and which of them do."""
    start, stop = max(0, offset), max(0, offset, min(other, offset + length))
    return slice(start, stop), slice(start - offset, stop - offset)


def _area_mean(
    values: NDArray[np.float32], copies: Sequence[Grid], there: Grid, least_covered: float
) -> NDArray[np.float32]:
    """Average values and validity over parts of pixels, a few rows at a time.

    Args:
        values: The reference.
        copies: Its grid, wherever it overlaps the other.
        there: The other grid.
        least_covered: Share of a pixel that valid reference must cover.
    """
    # Surroundings without values: beyond its edges GDAL would average what is left, not cover.
    here = copies[0]
    margin = 2 + int(np.ceil(here.pixels_per_pixel_of(there)))
    valid = np.isfinite(values)
    planes = np.pad(
        np.stack([np.where(valid, values, 0), valid]).astype(np.float64),
        ((0, 0), (margin, margin), (margin, margin)),
    )
    rows, columns = (slice(-margin, size + margin) for size in here.shape)
    sources = [copy.crop(rows, columns) for copy in copies]
    grain = margin if here.is_torn_under(there) else 1
    mean = np.full(there.shape, np.nan, np.float32)
    for start in range(0, there.height, _ROWS):
        part = slice(start, min(there.height, start + _ROWS))
        target = there.crop(part, slice(0, there.width))
        total, share = np.sum([_warp(planes, source, target, grain) for source in sources], axis=0)
        covered = share >= least_covered - 1e-6
        mean[part][covered] = total[covered] / share[covered]
    return mean


def _warp(
    planes: NDArray[np.float64], source: Grid, target: Grid, grain: int
) -> NDArray[np.float64]:
    """Average planes over parts of pixels, or over single values where ``grain`` is above 1.

    GDAL's mean is of the box between a part's corners, which at a wrap or a pole is the whole
    world; the value in the middle of a part that is finer than the source's pixels needs no corner.
    """
    along = _PARTS * grain
    # At a seam GDAL, which looks at few points to find what to read, would miss what lies between.
    careful = {"SAMPLE_GRID": "YES", "SAMPLE_STEPS": "ALL"} if grain > 1 else {}
    parts = target.refine(along)
    warped = np.zeros((len(planes), *parts.shape))
    reproject(
        planes,
        warped,
        src_transform=source.transform,
        src_crs=source.crs,
        dst_transform=parts.transform,
        dst_crs=parts.crs,
        resampling=Resampling.nearest if grain > 1 else Resampling.average,
        tolerance=0 if grain > 1 else _TOLERANCE,
        **careful,
    )
    blocks = warped.reshape(len(planes), target.height, along, target.width, along)
    means: NDArray[np.float64] = blocks.mean(axis=(2, 4))
    return means


def _span(grid: Grid) -> str:
    return " ".join(f"{value:g}" for value in grid.bounds)
