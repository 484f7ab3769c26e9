"""The standard deviation of a finished file, computed strip by strip."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from groklst_cli.geo.scene import Scene
from groklst_cli.geo.units import CELSIUS_ZERO
from groklst_cli.pipeline.predict.deviation import Evidence, Finished
from groklst_cli.pipeline.predict.plan import Plan


def uncertainty_rows(
    result: Path, plan: Plan, scene: Scene, evidence: Evidence, *, cutting: bool = True
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Compute the standard deviation of a finished file.

    Args:
        result: The file, in the plan's unit.
        plan: The plan.
        scene: The scene.
        evidence: The residuals, complete where coarse means were kept.
        cutting: Whether nodata and masked pixels are set to NaN.

    Yields:
        The first coarse row and the fine rows from there, kelvin.
    """
    first, scale = plan.strip.rows.start, plan.scale
    with rasterio.open(result) as file:
        zero = CELSIUS_ZERO if file.units[0] == "degC" else 0.0

        def read(rows: slice) -> NDArray[np.float64]:
            height = (rows.stop - rows.start) * scale
            window = Window(0, (rows.start - first) * scale, plan.grid.width, height)
            fine = file.read(1, window=window, masked=True).astype(np.float64)
            return np.asarray(fine.filled(np.nan)) + zero

        yield from Finished(read, plan, scene, evidence).deviation_rows(cutting=cutting)
