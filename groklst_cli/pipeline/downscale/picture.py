"""Pictures of results."""

from pathlib import Path
from typing import Final

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.warp import transform_bounds

from groklst_cli.errors import GroklstError
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.raster import LstSource
from groklst_cli.geo.units import CELSIUS_ZERO

_SIDE: Final = 1200
"""Longest side of a panel, pixels."""


def before_and_after(lst: BandSource, fine: Path, drawing: Path) -> None:
    """Draw the coarse LST beside the fine one, with one colour bar in the output's unit.

    Args:
        lst: The coarse raster that was downscaled.
        fine: The result; its extent is drawn of both.
        drawing: The PNG to write.

    Raises:
        GroklstError: If the disk refuses.
    """
    from matplotlib.figure import Figure

    with gdal_environment(), rasterio.open(fine) as result:
        factor = max(1, -(-max(result.shape) // _SIDE))
        shape = tuple(-(-size // factor) for size in result.shape)
        after = result.read(1, out_shape=shape, masked=True, resampling=Resampling.average)
        after = after.filled(np.nan)
        unit = "°C" if result.units[0] == "degC" else "K"
        source = LstSource(lst, "C" if unit == "°C" else "K")
        bounds = transform_bounds(result.crs, source.grid.crs, *result.bounds)
        rows, columns = source.grid.window_of(bounds)
        before = source.read(rows)[:, columns]
        source.close()
    if unit == "°C":
        before = before - np.float32(CELSIUS_ZERO)
    low, high = _limits(before)
    figure = Figure(figsize=(13, 6), layout="constrained")
    panels = figure.subplots(1, 2)
    for panel, values, title in zip(panels, (before, after), ("coarse", "fine"), strict=True):
        drawn = panel.imshow(values, cmap="inferno", vmin=low, vmax=high, interpolation="none")
        panel.set_title(title)
        panel.set_axis_off()
    figure.colorbar(drawn, ax=list(panels), label=f"LST ({unit})", shrink=0.8)
    try:
        figure.savefig(drawing, dpi=110)
    except OSError as error:
        raise GroklstError(f"{drawing.name} could not be written: {error}") from error


def _limits(values: NDArray[np.float32]) -> tuple[float, float]:
    low, high = np.nanpercentile(values, [1, 99])
    return float(low), float(high)
