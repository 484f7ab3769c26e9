"""Pictures of results: the LST, the result, the residual and the standard deviation.

The residual is the LST minus the coarse means of the method's answer before conservation, because
almost nothing of it is left afterwards.

Brightness rises with the value in every panel, also in the residual's, so that a print without
colours reads the same; all colour maps are perceptually uniform and made for colour-blind readers.
A panel has at most 1 200 pixels along a side, for scenes of any size: the LST and the residual are
averaged while rows are written, results are read from their overviews.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling

from groklst_cli.errors import GroklstError
from groklst_cli.geo.conserve import block_means
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.scene import Scene
from groklst_cli.geo.units import CELSIUS_ZERO
from groklst_cli.pipeline.downscale.provenance import shown
from groklst_cli.pipeline.predict.plan import Plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = NDArray[np.floating[Any]]

_SIDE: Final = 1200
"""Longest side of a panel, pixels."""

_PANEL: Final = 5.2  # inches across
_LEAST_RESIDUAL: Final = 0.05  # kelvin; smaller ranges are not resolved
_DEGREE: Final = 111_320.0  # metres along a meridian
_BAR: Final = 0.3  # of a panel's width, at most


class MeansOf:
    """Block means of a raster that arrives in rows."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._block = max(1, -(-max(shape) // _SIDE))
        small = tuple(-(-side // self._block) for side in shape)
        self._sum, self._count = np.zeros(small), np.zeros(small, np.int64)

    def add(self, row: int, values: Values) -> None:
        """Take whole rows from ``row`` on, NaN where there is no value."""
        starts = np.arange(0, values.shape[1], self._block)
        into = (row + np.arange(len(values))) // self._block
        known = np.isfinite(values)
        np.add.at(self._sum, into, np.add.reduceat(np.where(known, values, 0.0), starts, axis=1))
        np.add.at(self._count, into, np.add.reduceat(known.astype(np.int64), starts, axis=1))

    @property
    def values(self) -> Values:
        """The means, NaN where no value came."""
        means = np.full(self._sum.shape, np.nan)
        np.divide(self._sum, self._count, out=means, where=self._count > 0)
        return means


class Watched:
    """Data for a picture that is collected while files are written."""

    def __init__(self, plan: Plan, scene: Scene) -> None:
        """Watch over a plan's strip."""
        strip = plan.strip
        shape = strip.rows.stop - strip.rows.start, strip.columns.stop - strip.columns.start
        self._plan, self._scene = plan, scene
        self.lst = MeansOf(shape)
        self._left, self._lacking = MeansOf(shape), MeansOf(shape)
        self.left, self.lacking = Spread(), Spread()

    def add_residual(self, rows: slice, columns: slice, values: NDArray[np.float64]) -> None:
        """Add the residual of conservation; only the part in the strip counts."""
        strip = self._plan.strip
        top, bottom = max(rows.start, strip.rows.start), min(rows.stop, strip.rows.stop)
        if top < bottom:
            left = strip.columns.start - columns.start
            across = slice(left, left + strip.columns.stop - strip.columns.start)
            part = values[top - rows.start : bottom - rows.start, across]
            known = self._scene.read_known(slice(top, bottom), strip.columns)
            part = np.where(known, part, np.nan)
            self._left.add(top - strip.rows.start, part)
            self.left.add(part)

    def rows(
        self, finished: Iterable[tuple[int, NDArray[np.float32]]]
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Pass finished rows on, and compare their means with the LST."""
        strip = self._plan.strip
        for first, fine in finished:
            rows = slice(first, first + len(fine) // self._plan.scale)
            lst = self._scene.read_lst(rows, strip.columns).astype(np.float64)
            lacking = lst - block_means(fine, self._plan.scale)
            self.lst.add(first - strip.rows.start, lst)
            self._lacking.add(first - strip.rows.start, lacking)
            self.lacking.add(lacking)
            yield first, fine

    @property
    def residual(self) -> Values:
        """The residual of the method, kelvin."""
        return (self._left if self._plan.conserve else self._lacking).values


class Spread:
    """The root mean square of numbers that come one after another."""

    def __init__(self) -> None:
        self._squares, self._count = 0.0, 0

    def add(self, values: NDArray[np.float64]) -> None:
        """Add some numbers; NaN does not count."""
        known = values[np.isfinite(values)]
        self._squares += float(np.square(known).sum())
        self._count += known.size

    def __str__(self) -> str:
        """Return it as text, kelvin."""
        return f"{math.sqrt(self._squares / self._count):.3f} K" if self._count else "unknown"


@dataclass(frozen=True)
class _Panel:
    title: str
    grid: Grid
    values: Values
    label: str
    colours: str
    low: float
    high: float


def draw(plan: Plan, watched: Watched, fine: Path, sigma: Path | None, drawing: Path) -> None:
    """Draw the LST, the result, the residual and the standard deviation, each with its legend.

    Args:
        plan: The plan.
        watched: Data that were collected during the run.
        fine: The result.
        sigma: Its standard deviation, if there is one.
        drawing: The PNG to write.

    Raises:
        GroklstError: If a file cannot be written.
    """
    from matplotlib.figure import Figure

    panels = list(_panels(plan, watched, fine, sigma))
    down, wide = plan.output.height * _height_by_width(plan.output), plan.output.width
    columns = 1 if wide > 2.5 * down else 2 if len(panels) == 4 else len(panels)
    rows = -(-len(panels) // columns)
    high = min(max(_PANEL * down / wide, 1.5), 2 * _PANEL) + 0.7
    figure = Figure(figsize=((_PANEL + 1.1) * columns, high * rows + 0.5), layout="constrained")
    axes = np.ravel(figure.subplots(rows, columns))
    for panel, axis in zip(panels, axes, strict=True):
        drawn = axis.imshow(
            panel.values,
            cmap=panel.colours,
            vmin=panel.low,
            vmax=panel.high,
            interpolation="none",
            extent=(0, panel.grid.width, panel.grid.height, 0),
            aspect=_height_by_width(panel.grid),
        )
        axis.set_title(panel.title, parse_math=False)
        axis.set_axis_off()
        figure.colorbar(drawn, ax=axis, label=panel.label, shrink=0.85, extend="both")
        if panel.title.startswith("result") or plan.target is not None:
            _scale_bar(axis, panel.grid)
    figure.suptitle(_caption(plan), parse_math=False)
    try:
        figure.savefig(drawing, dpi=110)
    except OSError as error:
        raise GroklstError(f"{drawing.name} could not be written: {error}") from error


def _panels(plan: Plan, watched: Watched, fine: Path, sigma: Path | None) -> Iterator[_Panel]:
    celsius = plan.units == "C"
    unit = "LST (°C)" if celsius else "LST (K)"
    before = watched.lst.values - (CELSIUS_ZERO if celsius else 0.0)
    after = _read(fine)
    low, high = _limits(before if np.isfinite(before).any() else after)
    here, there = plan.grid, plan.output
    yield _Panel(f"LST, {_pixel(here, plan.scale)}", here, before, unit, "inferno", low, high)
    yield _Panel(f"result, {_pixel(there)}", there, after, unit, "inferno", low, high)
    residual = watched.residual
    most = max(_LEAST_RESIDUAL, *map(abs, _limits(residual)))
    title = f"LST − coarse means of the result, RMS {watched.lacking}"
    if plan.conserve:
        title = (
            f"LST − coarse means of the method, RMS {watched.left}\nafter conservation: "
            f"{watched.lacking}"
        )
    yield _Panel(title, here, residual, "residual (K)", "cividis", -most, most)
    if sigma is not None:
        deviation = _read(sigma)
        yield _Panel(
            "standard deviation of the result",
            there,
            deviation,
            "standard deviation (K)",
            "viridis",
            *_limits(deviation),
        )


def _read(path: Path) -> Values:
    """Read a result at a panel's size, from overviews where it has them."""
    with gdal_environment(), rasterio.open(path) as result:
        factor = max(1, -(-max(result.shape) // _SIDE))
        shape = tuple(-(-size // factor) for size in result.shape)
        values = result.read(1, out_shape=shape, masked=True, resampling=Resampling.average)
        return np.asarray(values.filled(np.nan))


def _limits(values: Values) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = np.percentile(known, [1, 99])
    return (float(low), float(high)) if low < high else (float(low) - 0.5, float(low) + 0.5)


def _caption(plan: Plan) -> str:
    guides = ", ".join(plan.bands) if plan.choice.uses_guide else ""
    by = f" by {guides}" if guides else ""
    return shown(f"{plan.choice.name} ×{plan.scale}{by[:90]}; {plan.output.crs.to_string()[:40]}")


def _metres(grid: Grid) -> float | None:
    """Return the length of a CRS unit in metres, in the middle of a grid; None if unknown."""
    if grid.crs.is_projected:
        return float(grid.crs.linear_units_factor[1])
    if not grid.crs.is_geographic:
        return None
    _, bottom, _, top = grid.bounds
    return _DEGREE * max(math.cos(math.radians((bottom + top) / 2)), 1e-6)


def _height_by_width(grid: Grid) -> float:
    """Return the shape of a pixel on the ground."""
    wide, high = grid.pixel_size
    metres = _metres(grid)
    if grid.crs.is_geographic and metres is not None:
        return high / wide * min(_DEGREE / metres, 10.0)
    return high / wide


def _pixel(grid: Grid, times: int = 1) -> str:
    side, metres = grid.pixel_size[0] * times, _metres(grid)
    return f"{side:g} CRS units a pixel" if metres is None else f"{_length(side * metres)} a pixel"


def _length(metres: float) -> str:
    return f"{metres / 1000:.3g} km" if metres >= 1000 else f"{metres:.3g} m"


def _scale_bar(axis: "Axes", grid: Grid) -> None:
    """Draw a bar of a round length below a panel."""
    metres = _metres(grid)
    if metres is None:
        return
    pixel = grid.pixel_size[0] * metres
    most = _BAR * grid.width * pixel
    whole = 10.0 ** math.floor(math.log10(most))
    length = max(step * whole for step in (1, 2, 5) if step * whole <= most)
    across, below = length / pixel, grid.height * 1.03
    axis.plot([0, across], [below, below], color="black", linewidth=3, clip_on=False)
    axis.annotate(
        _length(length),
        (across, below),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        annotation_clip=False,
    )
    axis.set_xlim(0, grid.width)
    axis.set_ylim(grid.height, 0)
