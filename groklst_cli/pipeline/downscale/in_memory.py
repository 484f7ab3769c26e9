"""A result and its standard deviation in memory, with the same bits as in files."""

import numpy as np
from numpy.typing import NDArray

from groklst_cli.geo.units import CELSIUS_ZERO
from groklst_cli.pipeline.predict.deviation import Evidence, Finished
from groklst_cli.pipeline.predict.ready import Ready
from groklst_cli.pipeline.predict.tile_rows import Fine


def with_deviation(ready: Ready) -> tuple[Fine, Fine]:
    """Predict the plan's strip in this process; return it and its standard deviation, kelvin."""
    strip, needed = ready.plan.strip, ready.needed()
    evidence = Evidence(strip)
    tile_rows = ready.tile_rows(needed, ready.layout.groups_of(needed))
    fine = ready.gathered(ready.finished(tile_rows, on_residual=evidence.add_residual))
    spread = ready.spread
    if spread is None:
        return fine, _from_residuals(ready, fine, evidence)
    groups = ready.layout.groups_of(strip)
    deviations = ready.tile_rows(strip, groups, method=spread.of(ready.method))
    return fine, ready.gathered(ready.finished(deviations, conserving=False))


def _from_residuals(ready: Ready, fine: Fine, evidence: Evidence) -> Fine:
    plan = ready.plan
    first, scale = plan.strip.rows.start, plan.scale
    zero = CELSIUS_ZERO if plan.units == "C" else 0.0
    stored = fine - np.float32(zero)  # as a file holds it

    def read(rows: slice) -> NDArray[np.float64]:
        part = stored[(rows.start - first) * scale : (rows.stop - first) * scale]
        return part.astype(np.float64) + zero

    return ready.gathered(Finished(read, plan, ready.scene, evidence).deviation_rows())
