"""From files to predicted rows of tiles: read, stack, predict, blend across.

A row of tiles is the unit that is stored and that other processes compute; none is computed twice.
It has the same bits in every process, and does not depend on what else is computed.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from groklst_cli.geo.mosaic import TileRow
from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.predict.layout import Layout, Strip
from groklst_cli.pipeline.predict.prefetch import ahead
from groklst_models.contract import Method, Tiles

Fine = NDArray[np.float32]


def predict_tile_rows(
    scene: Scene,
    method: Method,
    layout: Layout,
    strip: Strip,
    groups: Sequence[range],
    *,
    at_once: int = 1,
    on_tiles: Callable[[int], None] = lambda count: None,
) -> Iterator[tuple[int, Fine]]:
    """Predict rows of tiles.

    Args:
        scene: Its files are read by one other thread while this runs.
        method: A prepared method.
        layout: The tile lattice of the whole scene.
        strip: The strip that the rows are for; they are cut to its columns.
        groups: Which rows, some of ``layout.groups_of(strip)``, in order.
        at_once: Batches to predict at the same time, in threads.
        on_tiles: Called with the number of tiles that were finished.

    Yields:
        Each row's number and its fine pixels ``(core rows · scale, columns · scale)``, kelvin.
    """
    across = layout.columns_of(strip)
    pool = ThreadPoolExecutor(at_once)
    waiting: deque[_Batch] = deque()

    def settle() -> Iterator[tuple[int, Fine]]:
        """Add the oldest batch to its rows; the last batch of a group finishes them."""
        batch = waiting.popleft()
        for (row, column), core in batch.predicted.result():
            batch.rows[row].add(column, core)
        on_tiles(batch.tiles)
        if batch.is_last:
            for row in list(batch.rows):
                yield row, batch.rows.pop(row).fine()

    try:
        for run in _runs(groups):
            for group, inputs in _group_inputs(scene, layout, run, across, method.uses_guide):
                rows = {
                    row: TileRow(layout.rows.spans[row], layout.columns, scene.scale, strip.columns)
                    for row in group
                }
                waiting.extend(_start(method, layout, rows, across, inputs, pool))
                while len(waiting) >= at_once:  # then one is free for the next group
                    yield from settle()
        while waiting:
            yield from settle()
    finally:
        pool.shutdown(cancel_futures=True)


def _runs(groups: Iterable[range]) -> Iterator[list[range]]:
    """Join groups that follow each other, whose inputs are then read once."""
    run: list[range] = []
    for group in groups:
        if run and run[-1].stop != group.start:
            yield run
            run = []
        run.append(group)
    if run:
        yield run


@dataclass(frozen=True)
class _Inputs:
    """Inputs of some tiles from a coarse corner on: known LST, LST without gaps, and guidance.

    Guidance stays in the pieces in which it was read, each with its first coarse row.
    """

    top: int
    left: int
    known: NDArray[np.bool_]
    filled: Fine
    guide: tuple[tuple[int, Fine], ...]


def _group_inputs(
    scene: Scene, layout: Layout, run: list[range], across: range, reads_guide: bool
) -> Iterator[tuple[range, _Inputs]]:
    """Read what each group of rows needs; guidance is read once, ahead, in a thread."""
    spans = layout.rows.spans
    columns = slice(
        min(layout.columns.spans[j].outer_start for j in across),
        max(layout.columns.spans[j].outer_stop for j in across),
    )
    whole = slice(spans[run[0][0]].outer_start, spans[run[-1][-1]].outer_stop)
    reads = (_read(scene, part, columns, reads_guide) for part in scene.chunks(whole))
    with ahead(reads, depth=4) as chunks:
        held = _Held()
        for group in run:
            outer = slice(spans[group[0]].outer_start, spans[group[-1]].outer_stop)
            while held.stop is None or held.stop < outer.stop:
                held.append(next(chunks))
            yield group, held.cut(outer)


def _read(scene: Scene, rows: slice, columns: slice, reads_guide: bool) -> _Inputs:
    known, filled = scene.read_known(rows, columns), scene.read_filled_lst(rows, columns)
    guide = ((rows.start, scene.read_guide(rows, columns)),) if reads_guide else ()
    return _Inputs(rows.start, columns.start, known, filled, guide)


class _Held:
    """Consecutive rows that were read and are still needed."""

    def __init__(self) -> None:
        self._parts: list[_Inputs] = []
        self.stop: int | None = None

    def append(self, part: _Inputs) -> None:
        self.stop = part.top + len(part.known)
        self._parts.append(part)

    def cut(self, rows: slice) -> _Inputs:
        """Return some rows, and drop all rows before them."""
        while self._parts[0].top + len(self._parts[0].known) <= rows.start:
            self._parts.pop(0)
        first = self._parts[0]
        coarse = slice(rows.start - first.top, rows.stop - first.top)
        return _Inputs(
            rows.start,
            first.left,
            np.concatenate([part.known for part in self._parts])[coarse],
            np.concatenate([part.filled for part in self._parts])[coarse],
            tuple(piece for part in self._parts for piece in part.guide),
        )


@dataclass(frozen=True)
class _Batch:
    """Tiles that are being predicted, and the rows they belong to."""

    rows: dict[int, TileRow]
    tiles: int
    is_last: bool
    predicted: Future[list[tuple[tuple[int, int], Fine]]]


def _start(
    method: Method,
    layout: Layout,
    rows: dict[int, TileRow],
    across: range,
    inputs: _Inputs,
    pool: ThreadPoolExecutor,
) -> Iterator[_Batch]:
    """Start a group's tiles in batches, which are the same for every strip."""
    tiles = [(row, column) for row in rows for column in across]

    def run(batch: list[tuple[int, int]]) -> list[tuple[tuple[int, int], Fine]]:
        known = [place for place in batch if _core(inputs, layout, *place).any()]
        if not known:
            return []
        fine = method.predict(_stack(inputs, layout, known, method.scale))[:, 0].numpy()
        return [
            (place, _inside(layout, place, outer, method.scale))
            for place, outer in zip(known, fine, strict=True)
        ]

    for first in range(0, len(tiles), layout.batch):
        batch = tiles[first : first + layout.batch]
        is_last = first + layout.batch >= len(tiles)
        yield _Batch(rows, len(batch), is_last, pool.submit(run, batch))


def _inside(layout: Layout, place: tuple[int, int], outer: Fine, scale: int) -> Fine:
    """Cut a tile's core out of its prediction."""
    down, across = layout.rows.spans[place[0]], layout.columns.spans[place[1]]
    top, left = (down.start - down.outer_start) * scale, (across.start - across.outer_start) * scale
    height, width = (down.stop - down.start) * scale, (across.stop - across.start) * scale
    return outer[top : top + height, left : left + width]


def _core(inputs: _Inputs, layout: Layout, row: int, column: int) -> NDArray[np.bool_]:
    down, across = layout.rows.spans[row], layout.columns.spans[column]
    return inputs.known[
        down.start - inputs.top : down.stop - inputs.top,
        across.start - inputs.left : across.stop - inputs.left,
    ]


def _stack(inputs: _Inputs, layout: Layout, places: list[tuple[int, int]], scale: int) -> Tiles:
    """Cut tiles of one size out of a group's inputs."""
    down = [layout.rows.spans[row] for row, _ in places]
    across = [layout.columns.spans[column] for _, column in places]
    windows = [
        (
            slice(d.outer_start - inputs.top, d.outer_stop - inputs.top),
            slice(a.outer_start - inputs.left, a.outer_stop - inputs.left),
        )
        for d, a in zip(down, across, strict=True)
    ]
    lst = np.stack([inputs.filled[None, rows, columns] for rows, columns in windows])
    return Tiles(
        torch.from_numpy(lst),
        torch.from_numpy(_guidance(inputs, windows, scale)) if inputs.guide else None,
        tuple(span.outer_start for span in down),
        tuple(span.outer_start for span in across),
    )


def _guidance(inputs: _Inputs, windows: list[tuple[slice, slice]], scale: int) -> Fine:
    """Copy guidance of windows of one size out of the pieces in which it was read."""
    rows, columns = ((part.stop - part.start) * scale for part in windows[0])
    bands = len(inputs.guide[0][1])
    guide = np.empty((len(windows), bands, rows, columns), np.float32)
    for tile, (down, across) in zip(guide, windows, strict=True):
        top = (inputs.top + down.start) * scale
        for first, piece in inputs.guide:
            start = max(first * scale, top)
            stop = min(first * scale + piece.shape[1], top + rows)
            if start < stop:
                tile[:, start - top : stop - top] = piece[
                    :,
                    start - first * scale : stop - first * scale,
                    across.start * scale : across.stop * scale,
                ]
    return guide
