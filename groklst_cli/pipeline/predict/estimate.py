"""Estimate the time of a run from one tile."""

import time
from dataclasses import asdict, dataclass
from typing import Any

from groklst_cli.pipeline.predict.layout import Layout, Strip
from groklst_cli.pipeline.predict.plan import Plan
from groklst_cli.pipeline.predict.planned import Planned
from groklst_cli.pipeline.predict.ready import Ready


@dataclass(frozen=True)
class Estimate:
    """The estimate of a run.

    Attributes:
        tiles: Tiles to predict.
        device: The device.
        at_once: Batches that are computed at the same time, over all processes.
        seconds: Time for fitting and predicting; reading and writing overlap with it.
    """

    tiles: int
    device: str
    at_once: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {**asdict(self), "seconds": round(self.seconds, 1)}


def estimate(planned: Planned, threads: int, processes: int = 0) -> tuple[Plan, Estimate]:
    """Prepare the method, and predict one tile in the middle of the request.

    Args:
        planned: The request.
        threads: Threads of a process that runs alone.
        processes: Processes that share the work; 0 for this one alone.

    Returns:
        The plan with further findings, and the estimate.
    """
    began = time.monotonic()
    shared = max(1, processes)
    ready = planned.ready(threads, own=max(1, threads // shared), recall=lambda choose: 1)
    fitting = time.monotonic() - began
    each = min(_one_tile(ready) for _ in range(2))
    tiles = count_tiles(ready.layout, ready.needed())
    lanes = ready.lanes(processes)
    return ready.plan, Estimate(
        tiles, str(ready.method.device), lanes, fitting + each * tiles / lanes
    )


def count_tiles(layout: Layout, needed: Strip) -> int:
    """Count the tiles that have to be predicted."""
    return len(layout.columns_of(needed)) * sum(map(len, layout.groups_of(needed)))


def _one_tile(ready: Ready) -> float:
    """Time one tile in the middle of a strip."""
    strip = ready.plan.strip
    row, column = ((part.start + part.stop) // 2 for part in (strip.rows, strip.columns))
    place = Strip(slice(row, row + 1), slice(column, column + 1))
    (first, *_) = ready.layout.groups_of(place)
    began = time.monotonic()
    for _ in ready.tile_rows(place, [first]):
        pass
    return (time.monotonic() - began) / len(ready.layout.columns_of(place))
