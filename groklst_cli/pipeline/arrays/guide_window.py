"""The part of a guide that a window of the fine grid depends on."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

from groklst_cli.geo.grid import Grid

_STEP: Final = 16  # distance of sampled fine pixels
_KERNEL: Final = 8  # guide pixels; more than the kernel of any resampling


def guide_window(
    guide: Grid, fine: Grid, rows: slice, columns: slice, *, aligned: bool
) -> tuple[slice, slice]:
    """Find the part of a guide on which a window of the fine grid depends.

    Args:
        guide: The guide's own grid.
        fine: The fine grid, as the guide sees it.
        rows: Of the fine grid.
        columns: Of the fine grid.
        aligned: Whether a guide on the fine grid's lattice is read as it is. Any other is warped,
            and the window is extended by the kernel of the resampling.

    Returns:
        Rows and columns of the guide, empty where it does not reach.
    """
    windows = [_window(copy, fine, rows, columns, aligned=aligned) for copy in guide.copies]
    reached = [(down, across) for down, across in windows if _size(down) and _size(across)]
    if not reached:
        return slice(0, 0), slice(0, 0)
    down, across = (_hull(parts) for parts in zip(*reached, strict=True))
    return down, across


def _window(
    guide: Grid, fine: Grid, rows: slice, columns: slice, *, aligned: bool
) -> tuple[slice, slice]:
    offset = fine.offset_of(guide) if aligned else None
    if offset is not None:
        row, column = offset
        return (
            _clipped(rows.start - row, rows.stop - row, guide.height),
            _clipped(columns.start - column, columns.stop - column, guide.width),
        )
    down, across = _positions(guide, fine, _sampled(rows), _sampled(columns))
    if not down.size:
        return slice(0, 0), slice(0, 0)
    # Between samples a position lies within a step of one of them, even around a pole.
    margin = _KERNEL + math.ceil(_STEP * guide.pixels_per_pixel_of(fine))
    return (
        _clipped(math.floor(down.min()) - margin, math.ceil(down.max()) + margin, guide.height),
        _clipped(math.floor(across.min()) - margin, math.ceil(across.max()) + margin, guide.width),
    )


def moved(fine: Grid, shift: tuple[float, float] | None, scale: int) -> Grid:
    """Return the fine grid moved by the shift of a misregistered guide, coarse pixels."""
    if shift is None:
        return fine
    there = fine.transform * Affine.translation(shift[0] * scale, shift[1] * scale)
    return replace(fine, transform=there)


def _positions(
    guide: Grid, fine: Grid, rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Transform a lattice of fine positions to a guide, without those outside its CRS."""
    across, down = (values.ravel() for values in np.meshgrid(columns, rows))
    t, back = fine.transform, ~guide.transform
    x, y = t.a * across + t.b * down + t.c, t.d * across + t.e * down + t.f
    x, y = Transformer.from_crs(fine.crs, guide.crs, always_xy=True).transform(x, y)
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    return back.d * x + back.e * y + back.f, back.a * x + back.b * y + back.c


def _sampled(part: slice) -> NDArray[np.float64]:
    return np.append(np.arange(part.start, part.stop, _STEP), part.stop).astype(np.float64)


def _hull(parts: Sequence[slice]) -> slice:
    return slice(min(part.start for part in parts), max(part.stop for part in parts))


def _size(part: slice) -> int:
    return int(part.stop - part.start)


def _clipped(start: int, stop: int, size: int) -> slice:
    start = min(max(0, start), size)
    return slice(start, max(start, min(size, stop)))
