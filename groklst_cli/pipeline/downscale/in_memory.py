"""A result and its standard deviation in memory, with the bits that files get."""

from pathlib import Path

import numpy as np
from rasterio.io import MemoryFile

from groklst_cli.geo.units import CELSIUS_ZERO
from groklst_cli.pipeline.downscale.uncertainty import Evidence, uncertainty_rows
from groklst_cli.pipeline.predict.ready import Ready
from groklst_cli.pipeline.predict.tile_rows import Fine


def with_deviation(ready: Ready) -> tuple[Fine, Fine]:
    """Predict the plan's strip in this process; return it and its standard deviation, kelvin."""
    strip, needed = ready.plan.strip, ready.needed()
    evidence = Evidence(strip)
    tile_rows = ready.tile_rows(needed, ready.layout.groups_of(needed))
    fine = ready.gathered(ready.finished(tile_rows, on_residual=evidence.add_residual))
    spread = ready.plan.choice.spread
    if spread is None:
        return fine, _from_residuals(ready, fine, evidence)
    groups = ready.layout.groups_of(strip)
    deviations = ready.tile_rows(strip, groups, method=spread.of(ready.method))
    return fine, ready.gathered(ready.finished(deviations, conserving=False))


def _from_residuals(ready: Ready, fine: Fine, evidence: Evidence) -> Fine:
    plan = ready.plan
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            dtype="float32",
            count=1,
            height=plan.grid.height,
            width=plan.grid.width,
            crs=plan.grid.crs,
            transform=plan.grid.transform,
            nodata=np.nan,
            BIGTIFF="IF_SAFER",
        ) as raster:
            celsius = plan.units == "C"
            raster.write(fine - np.float32(CELSIUS_ZERO) if celsius else fine, 1)
            raster.set_band_unit(1, "degC" if celsius else "K")
        return ready.gathered(uncertainty_rows(Path(memory.name), plan, ready.scene, evidence))
