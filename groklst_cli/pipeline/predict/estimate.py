"""How long a run will take, from one tile that is tried, and how many tiles fit a batch."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch

from groklst_cli.errors import lacks_memory
from groklst_cli.geo.conserve import Conservation
from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.downscale.request import Plan, Request
from groklst_cli.pipeline.predict.plan import conservation_of, layout_of
from groklst_cli.pipeline.predict.ready import find_device, prepare, reads_guide, share_processor
from groklst_cli.pipeline.predict.strips import surroundings
from groklst_cli.pipeline.predict.tile_rows import Layout, Strip, predict_tile_rows
from groklst_models.contract import Method, Tiles

_BATCH: Final = 4
"""Tiles that a network on a GPU gets at once where memory allows. On an H100 MoCoLSK-Net computes
1.3 times as fast as with one tile; eight would be 1.1 times faster still, and make the card wait
longer for its first batch."""
_UNDER_WAY: Final = 2
"""Batches that are on a GPU at the same time."""


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
    """Find how many tiles a network on a GPU gets at once; 1 elsewhere.

    That depends on the scene and on the device's memory, and not on how long anything takes: a
    batch moves the last bits, and the same request is to have the same.
    """
    device = getattr(method, "device", None)
    if device is None or device.type != "cuda":
        return 1
    height, width = (cover.spans[0].stop for cover in (layout.rows, layout.columns))

    def run(tiles: int) -> None:
        lst = torch.full((tiles, 1, height, width), 300.0)
        guide = torch.zeros(tiles, channels, height * method.scale, width * method.scale)
        method.predict(Tiles(lst, guide if channels else None, (0,) * tiles, (0,) * tiles))

    return largest_fitting(run, min(_BATCH, layout.count), note)


def largest_fitting(run: Callable[[int], None], batch: int, note: Callable[[str], None]) -> int:
    """Halve a batch until as many of it as are under way fit into memory; 1 is not tried.

    Args:
        run: Computes so many tiles at once.
        batch: To begin with.
        note: Told what was chosen, where memory set the limit.

    Raises:
        RuntimeError: If it fails for another reason than memory.
    """
    asked = batch
    while batch > 1 and not _fits(run, _UNDER_WAY * batch):
        batch //= 2
    if batch < asked:
        tiles = "1 tile" if batch == 1 else f"{batch} tiles"
        note(f"batch {asked} does not fit into memory; {tiles} at once")
    return batch


def _fits(run: Callable[[int], None], tiles: int) -> bool:
    try:
        run(tiles)
    except RuntimeError as error:
        if not lacks_memory(error):
            raise
    else:
        return True
    torch.cuda.empty_cache()  # here, where nothing holds what the failed run had taken
    return False


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
