"""Check the values of a guide before use: fill values, class codes, scale tags applied twice.

A fixed sample is enough: all pixels of a small file, else windows spread evenly over the part under
the LST.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePath
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.warp import transform_bounds
from rasterio.windows import Window, from_bounds

from groklst_cli.errors import InputError
from groklst_cli.geo.band_source import BandSource, declaring_the_first, typed
from groklst_cli.geo.classes import one_band_a_class
from groklst_cli.geo.fills import Fill, isolated
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.kept_open import state_of
from groklst_cli.geo.raster import read_stored
from groklst_cli.geo.stored_band import StoredBand, written
from groklst_cli.geo.summary import ValueSummary

_SMALL: Final = 2**18  # pixels that are all looked at
_WINDOWS: Final = 4  # along each side of a larger file
_SIDE: Final = 96  # of such a window, pixels
_SHARED: Final = 0.005  # of the pixels have a value that may be a fill
_LEAST_PIXELS: Final = 16
_APART: Final = 0.5  # standard deviations from all others, to warn
_FAR_APART: Final = 1.0  # to refuse
_FEW: Final = 16  # different values, and fewer, are a mask or classes
_MOST_CLASSES: Final = 32
_LARGEST_CODE: Final = 255
_SPARSE: Final = 2.0  # codes have gaps at least this large
_SKIPPING: Final = 0.3  # share of neighbours
_VANISHING: Final = 0.1  # scale
_LARGEST: Final = float(np.finfo(np.float32).max)
_REFLECTANCE: Final = (-1.0, 1.6)  # and indices
_INDEX: Final = (-1.0, 1.5)
_CLASS_NAMES: Final = re.compile(
    r"(?:^|[^a-z])(?:land_?cover|land_?use|lulc|lucc|lc_?type\d?|class(?:es|ification)?|"
    r"worldcover|nlcd|corine|clc\d*|scl|fmask|qa_?pixel|bqa)(?:$|[^a-z])"
)
_REMEMBERED: Final = 256
_SAID: Final[dict[object, tuple[str, ...]]] = {}
"""What was said of guides as they were, because scenes of several dates have guides in common."""


@dataclass(frozen=True)
class Sample:
    """Stored values of a guide's band, and what they are called.

    Attributes:
        source: The file, as it was named.
        band: Which band.
        tiles: Parts ``(rows, columns)`` of it, NaN where there is no value.
    """

    source: BandSource
    band: StoredBand
    tiles: Sequence[NDArray[np.float64]]

    @property
    def name(self) -> str:
        """File and band, for messages."""
        return f"{self.source.path} band {self.band.number}"

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """All values, in one row."""
        return np.concatenate([tile[np.isfinite(tile)] for tile in self.tiles])

    @cached_property
    def classes(self) -> NDArray[np.float64]:
        """The different values in order."""
        return np.unique(self.values)


def doubts_about(
    source: BandSource, dataset: DatasetReader, bands: Sequence[StoredBand], over: Grid
) -> list[str]:
    """Look at a guide's values.

    Args:
        source: The file, as it was named.
        dataset: It, open.
        bands: Those that are read of it.
        over: The grid whose surroundings matter.

    Returns:
        Warnings, one line each.

    Raises:
        InputError: If the values would harm: undeclared fill values, codes of classes, or
            scale and offset tags that seem to be applied already.
    """
    state = state_of(dataset)
    if state is None:
        return _look(source, dataset, bands, over)
    asked = source, state, tuple(bands), over
    said = _SAID.get(asked)
    if said is None:
        said = tuple(_look(source, dataset, bands, over))
        if len(_SAID) >= _REMEMBERED:
            _SAID.clear()
        _SAID[asked] = said
    return list(said)


def _look(
    source: BandSource, dataset: DatasetReader, bands: Sequence[StoredBand], over: Grid
) -> list[str]:
    windows = _windows(dataset, over)
    found = []
    for band in bands:
        sample = Sample(source, band, [_stored(dataset, band, window) for window in windows])
        if sample.values.size:
            _refuse_tags_twice(sample)
            found += _fills(sample)
            _refuse_classes(sample, dataset.descriptions[band.number - 1] or "")
    return found


def largest_stored(dataset: DatasetReader, bands: Sequence[StoredBand]) -> str:
    """Return the stored value farthest from 0, written so that it reads back exactly."""
    found = []
    for band in bands:
        for _, window in dataset.block_windows(band.number):
            raw, _ = read_stored(dataset, band, window)
            raw = raw[np.isfinite(raw)]
            if raw.size:
                found.append(raw[np.argmax(np.abs(raw))])
    return written(max(found, key=lambda value: abs(float(value))))


def _windows(dataset: DatasetReader, over: Grid) -> list[Window]:
    """Choose what to read: everything of a small part, else windows from edge to edge."""
    part = _part(dataset, over)
    top, left, height, width = part
    if height * width <= _SMALL:
        return [Window(left, top, width, height)]
    blocks = dataset.block_shapes[0]
    rows, columns = (
        _starts(first, size, block)
        for first, size, block in zip((top, left), (height, width), blocks, strict=True)
    )
    return [
        Window(column, row, min(_SIDE, width), min(_SIDE, height))
        for row in rows
        for column in columns
    ]


def _starts(first: int, size: int, block: int) -> list[int]:
    """Spread windows from edge to edge, each moved into one block so that it is read once."""
    last = max(0, size - _SIDE)
    starts = {first + round(step * last / (_WINDOWS - 1)) for step in range(_WINDOWS)}
    if block >= _SIDE:
        starts = {max(first, start - max(0, start % block + _SIDE - block)) for start in starts}
    return sorted(starts)


def _part(dataset: DatasetReader, over: Grid) -> tuple[int, int, int, int]:
    """Find the pixels under a grid: top, left, height, width; all where that is not one window."""
    whole = 0, 0, dataset.height, dataset.width
    try:
        left, bottom, right, top = transform_bounds(over.crs, dataset.crs, *over.bounds)
        if not left < right:  # across the date line
            return whole
        window = from_bounds(left, bottom, right, top, dataset.transform)
    except (RasterioError, ValueError):
        return whole
    (first, last), (start, stop) = window.toranges()
    first, last = max(0, math.floor(first)), min(dataset.height, math.ceil(last))
    start, stop = max(0, math.floor(start)), min(dataset.width, math.ceil(stop))
    return (first, start, last - first, stop - start) if first < last and start < stop else whole


def _stored(dataset: DatasetReader, band: StoredBand, window: Window) -> NDArray[np.float64]:
    """Read stored values, NaN where they are missing or cannot be read as values."""
    raw, valid = read_stored(dataset, band, window)
    values = raw.astype(np.float64)
    if valid is not None:
        values[~valid] = np.nan
    values[np.abs(values) > _LARGEST] = np.nan  # what no float32 holds is read as missing
    return values


def _refuse_tags_twice(sample: Sample) -> None:
    """Refuse floats that look like reflectance or an index and would be almost 0 after scaling."""
    band, values = sample.band, sample.values
    low, high = float(values.min()), float(values.max())
    least, most = _REFLECTANCE
    vanish = band.trusts_tags and band.is_float and abs(band.scale) <= _VANISHING
    if not (vanish and least <= low < high <= most):
        return
    after = sorted(value * band.scale + band.offset for value in (low, high))
    raise InputError(
        f"{sample.name} holds floats from {low:.4g} to {high:.4g}, and its tags scale "
        f"{band.scale:g} and offset {band.offset:g} would make them {after[0]:.4g} to "
        f"{after[1]:.4g}; if they are applied already, write "
        f"-g {typed(replace(sample.source, scaling='none'))}, else "
        f"-g {typed(replace(sample.source, scaling='tags'))}"
    )


def _fills(sample: Sample) -> list[str]:
    """Warn of values that look like fill values; refuse those that would do harm."""
    if sample.band.trusts_values:
        return []
    summary = ValueSummary.of(sample.values)
    for fill in isolated(summary):
        harm = _harm(fill, summary, sample)
        if harm == "none":
            continue
        stored = written(np.dtype(sample.band.dtype).type(fill.value))
        said = (
            f"{100 * fill.share:.2g} % of the pixels of {sample.name} are exactly {stored} and "
            f"all others lie far from it ({fill.others}); if it stands for pixels without a "
            f"value, {declaring_the_first(sample.source)}write -g "
            f"{typed(replace(sample.source, nodata=float(stored)))}"
        )
        if harm == "refuse":
            real = typed(replace(sample.source, nodata="none"))
            raise InputError(f"{said}; if it was measured, write -g {real}")
        return [said]
    return []


def _harm(fill: Fill, summary: ValueSummary, sample: Sample) -> Literal["refuse", "warn", "none"]:
    """Return what to do about a value at the end of a range."""
    if fill.is_sentinel and fill.apart > 1:
        return "refuse"
    few = fill.share < _SHARED or fill.share * summary.count < _LEAST_PIXELS
    if few or fill.apart < _APART or sample.classes.size < _FEW:
        return "none"
    band = sample.band
    low, high = sorted(v * band.scale + band.offset for v in (summary.low, summary.high))
    may_be_index = _INDEX[0] <= low and high <= _INDEX[1]
    is_usual = fill.value == 0 or (fill.value < 0 <= summary.next_low)  # else it may be a lake
    harms = is_usual and fill.apart >= _FAR_APART and not may_be_index
    return "refuse" if harms else "warn"


def refuse_palette(source: BandSource, dataset: DatasetReader, band: int) -> None:
    """Refuse colours of a palette, which stand for classes.

    Raises:
        InputError: If the band has one.
    """
    if dataset.colorinterp[band - 1] == ColorInterp.palette:
        raise InputError(
            f"{source.path} band {band} holds palette colours, not measured values; "
            f"{one_band_a_class(source.path)}"
        )


def _refuse_classes(sample: Sample, described: str) -> None:
    """Refuse codes of classes: few whole numbers whose order means nothing."""
    band, classes = sample.band, sample.classes
    if band.is_float or band.is_scaled or sample.source.scaling == "none":
        return
    stem = PurePath(sample.source.path.replace("\\", "/")).stem
    called = any(_CLASS_NAMES.search(name.lower()) for name in (stem, described))
    if classes.size < 3 or not (called or _jumps(sample)):
        return
    some = ", ".join(f"{value:g}" for value in classes[:5]) + (", …" if classes.size > 5 else "")
    raise InputError(
        f"{sample.name} holds {classes.size} whole numbers ({some}) that look like codes of "
        f"classes, but a guide must be a quantity; {one_band_a_class(sample.source.path)}, or, if "
        f"they are a quantity, write -g {typed(replace(sample.source, scaling='none'))}"
    )


def _jumps(sample: Sample) -> bool:
    """Return whether different neighbours mostly skip the values between them, unlike a slope."""
    classes, steps = sample.classes, []
    codes = classes.size <= _MOST_CLASSES and classes[0] >= 0 and classes[-1] <= _LARGEST_CODE
    if not codes or classes[-1] - classes[0] < _SPARSE * (classes.size - 1):
        return False
    for tile in sample.tiles:
        ranks = np.searchsorted(classes, tile).astype(np.float64)
        ranks[np.isnan(tile)] = np.nan
        for axis in (0, 1):
            step = np.abs(np.diff(ranks, axis=axis))
            steps.append(step[step > 0])
    met = np.concatenate(steps)
    return bool(met.size) and float(np.mean(met > 1)) > _SKIPPING
