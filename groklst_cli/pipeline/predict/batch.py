"""The number of tiles that a network processes at once."""

from collections.abc import Callable
from typing import Final

import torch

from groklst_cli.errors import lacks_memory
from groklst_cli.pipeline.predict.layout import Layout
from groklst_cli.pipeline.predict.listeners import Note
from groklst_models.contract import Method, SamplingMethod, Tiles
from groklst_models.on_device import OnDevice

_BATCH: Final = 4
"""Tiles that a network on a GPU processes at once if memory allows. On an H100 MoCoLSK-Net computes
1.3 times as fast as with one tile; eight would be 1.1 times faster still, and make the card wait
longer for its first batch."""
_UNDER_WAY: Final = 2
"""Batches that are on a GPU at the same time."""


def untried_batch(name: str, layout: Layout) -> int:
    """Return how many tiles a network processes at once on a device of another machine."""
    return min(_BATCH, layout.count) if name.startswith("cuda") else 1


def fitting_batch(method: Method, layout: Layout, channels: int, note: Note) -> int:
    """Find how many tiles a network on a GPU processes at once; elsewhere it is 1.

    It depends on the scene and the device's memory, but not on timings: the batch affects the last
    bits, and the same request must give the same bits.
    """
    if method.device.type != "cuda" or isinstance(method, OnDevice):
        return 1
    height, width = (cover.spans[0].stop for cover in (layout.rows, layout.columns))

    def run(count: int) -> None:
        lst = torch.full((count, 1, height, width), 300.0)
        guide = torch.zeros(count, channels, height * method.scale, width * method.scale)
        tiles = Tiles(lst, guide if channels else None, (0,) * count, (0,) * count)
        if isinstance(method, SamplingMethod):
            next(iter(method.draws(tiles, 1)))  # more draws take time, but no more memory
        else:
            method.predict(tiles)

    return largest_fitting(run, min(_BATCH, layout.count), note)


def largest_fitting(run: Callable[[int], None], batch: int, note: Note) -> int:
    """Halve a batch until all batches in progress fit into memory; 1 is not tried.

    Args:
        run: Computes this number of tiles at once.
        batch: To begin with.
        note: Called with what was chosen if memory set the limit.

    Raises:
        RuntimeError: If it fails for another reason than memory.
    """
    asked = batch
    while batch > 1 and not _fits(run, _UNDER_WAY * batch):
        batch //= 2
    if batch < asked:
        tiles = "1 tile" if batch == 1 else f"{batch} tiles"
        note(f"batch {asked} does not fit into memory; using batches of {tiles}")
    return batch


def _fits(run: Callable[[int], None], tiles: int) -> bool:
    try:
        run(tiles)
    except RuntimeError as error:
        if not lacks_memory(error):
            raise
    else:
        return True
    free_gpu()  # here, where nothing refers to the memory of the failed run
    return False


def free_gpu() -> None:
    """Return cached GPU memory, for the next try or for other processes."""
    torch.cuda.empty_cache()
