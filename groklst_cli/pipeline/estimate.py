"""How long a run will take, from one tile that is tried, and how many tiles fit a batch."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch

from groklst_cli.geo.conserve import Conservation
from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.methods import find_device, prepare, reads_guide, share_processor
from groklst_cli.pipeline.plan import conservation_of, layout_of
from groklst_cli.pipeline.request import Plan, Request
from groklst_cli.pipeline.strips import surroundings
from groklst_cli.pipeline.tile_rows import Layout, Strip, predict_tile_rows
from groklst_models.contract import Method, Tiles

_LARGEST_BATCH: Final = 64
_LEAST_GAIN: Final = 1.05  # in tiles a second, for twice as many tiles in a batch


@dataclass(frozen=True)
class Estimate:
    """What a run comes to.

    Attributes:
        tiles: To be predicted.
        device: Where.
        at_once: Batches that are predicted at the same time, over all processes.
        seconds: What fitting took and predicting will take; reading and writing run beside it.
    """

    tiles: int
    device: str
    at_once: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {**asdict(self), "seconds": round(self.seconds, 1)}


def estimate(request: Request, plan: Plan, scene: Scene, threads: int) -> Estimate:
    """Make the method ready and predict one tile in the middle of what is asked for.

    Args:
        request: What is asked for.
        plan: What it comes to.
        scene: Its files.
        threads: That a process would compute with alone.
    """
    began = time.monotonic()
    device = request.devices[0]
    method = prepare(
        plan.choice, scene, psf=request.psf, device=device, precision=request.precision
    )
    fitting = time.monotonic() - began
    layout = layout_of(plan, request, scene, method, batch=1)
    own = max(1, threads // max(1, request.processes))
    at_once = share_processor(method, layout.count, own=own, machine=threads)
    kept = conservation_of(request) if plan.conserve else None
    each = min(_one_tile(scene, method, layout, plan.strip) for _ in range(2))
    tiles = count_tiles(layout, plan.strip, scene, kept)
    lanes = at_once * max(1, request.processes)
    shown = str(find_device(device)) if plan.choice.checkpoint else "cpu"
    return Estimate(tiles, shown, lanes, fitting + each * tiles / lanes)


def count_tiles(
    layout: Layout, strip: Strip, scene: Scene, conservation: Conservation | None
) -> int:
    """Count the tiles that a strip needs."""
    needed = surroundings(strip, scene, conservation)
    return len(layout.columns_of(needed)) * sum(map(len, layout.groups_of(needed)))


def fitting_batch(
    method: Method, layout: Layout, channels: int, note: Callable[[str], None]
) -> int:
    """Find how many tiles a network on a GPU is best given at once; 1 elsewhere.

    Batches double until memory says no, or until that gains next to nothing.
    """
    device = getattr(method, "device", None)
    if device is None or device.type != "cuda":
        return 1
    height, width = (cover.spans[0].stop for cover in (layout.rows, layout.columns))

    def seconds(batch: int) -> float:
        lst = torch.full((batch, 1, height, width), 300.0)
        guide = torch.zeros(batch, channels, height * method.scale, width * method.scale)
        began = time.monotonic()
        method.predict(Tiles(lst, guide if channels else None, (0,) * batch, (0,) * batch))
        return time.monotonic() - began

    return largest_useful(seconds, note)


def largest_useful(seconds: Callable[[int], float], note: Callable[[str], None]) -> int:
    """Double a batch while that pays and memory allows.

    Args:
        seconds: Runs a batch of so many tiles and tells how long it took.
        note: Told what was chosen, where memory set the limit.
    """
    seconds(1)  # the first run of all is slower than those that follow
    batch, each = 1, seconds(1)
    while batch < _LARGEST_BATCH:
        try:
            twice = seconds(2 * batch) / (2 * batch)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            note(f"batch {2 * batch} does not fit into memory; {batch} tiles at once")
            return batch
        if each / twice < _LEAST_GAIN:
            return batch
        batch, each = 2 * batch, twice
    return batch


def _one_tile(scene: Scene, method: Method, layout: Layout, strip: Strip) -> float:
    """Time one tile in the middle of a strip."""
    row, column = ((part.start + part.stop) // 2 for part in (strip.rows, strip.columns))
    place = Strip(slice(row, row + 1), slice(column, column + 1))
    (first, *_) = layout.groups_of(place)
    began = time.monotonic()
    for _ in predict_tile_rows(
        scene, method, layout, place, [first], reads_guide=reads_guide(method)
    ):
        pass
    return (time.monotonic() - began) / len(layout.columns_of(place))
