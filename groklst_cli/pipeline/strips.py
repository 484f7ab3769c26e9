"""The stream from files to finished rows: read, predict tile by tile, blend, conserve, mask.

The strip is the unit of work: any range of coarse rows, full width or some columns. Its pixels
depend only on the inputs under it and around it, never on how the scene was cut, to the last bit.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from groklst_cli.geo.conserve import Conservation
from groklst_cli.geo.mosaic import Mosaic
from groklst_cli.geo.scene import Scene
from groklst_cli.geo.tiles import Cover, Span
from groklst_cli.pipeline.ahead import ahead
from groklst_models.contract import Method, Tiles


@dataclass(frozen=True)
class Layout:
    """How a scene is cut into tiles.

    Attributes:
        rows: Tiles along the rows.
        columns: Tiles along the columns.
        batch: How many tiles of one row a method gets at once; 1 where there is a halo, since
            tiles at the scene's edge then see less than others.
    """

    rows: Cover
    columns: Cover
    batch: int = 1

    @classmethod
    def of(
        cls, shape: tuple[int, int], *, tile: int, overlap: int, halo: int, batch: int = 1
    ) -> "Layout":
        """Cut coarse rows and columns alike; all lengths are coarse pixels."""
        rows, columns = (Cover(size, tile, min(overlap, tile // 2), halo) for size in shape)
        return cls(rows, columns, 1 if halo else batch)

    def tiles_of(self, strip: "Strip") -> tuple[range, range]:
        """Number the rows and columns of tiles that a strip needs, columns in whole batches."""
        down, across = self.rows.touching(strip.rows), self.columns.touching(strip.columns)
        start = across.start - across.start % self.batch
        stop = min(len(self.columns.spans), -(-across.stop // self.batch) * self.batch)
        return down, range(start, stop)


@dataclass(frozen=True)
class Strip:
    """A part of the scene, in coarse pixels."""

    rows: slice
    columns: slice

    def widened(self, by: int, shape: tuple[int, int]) -> "Strip":
        """Add surroundings on all sides, as far as the scene reaches."""
        (top, bottom), (left, right) = (
            (max(0, part.start - by), min(size, part.stop + by))
            for part, size in zip((self.rows, self.columns), shape, strict=True)
        )
        return Strip(slice(top, bottom), slice(left, right))


def downscale_strip(
    scene: Scene,
    method: Method,
    layout: Layout,
    strip: Strip,
    *,
    conservation: Conservation | None,
    reads_guide: bool,
    on_tiles: Callable[[int], None] = lambda count: None,
    on_residual: Callable[[slice, slice, NDArray[np.float64]], None] = lambda r, c, values: None,
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Compute a strip from top to bottom in bounded memory.

    Args:
        scene: Its files are read by one other thread while this runs.
        method: Ready to predict.
        layout: The tile lattice of the whole scene.
        strip: What to compute.
        conservation: Which coarse values to restore, or None.
        reads_guide: Whether the method looks at guidance.
        on_tiles: Called with the number of tiles just done.
        on_residual: Told the rows and columns of what conserving had to restore, and it, kelvin.

    Yields:
        The first coarse row, and fine rows ``(rows · scale, columns · scale)`` in kelvin, NaN on
        exactly the coarse pixels that are nodata.
    """
    needed = surroundings(strip, scene, conservation)
    rows = _blended_rows(scene, method, layout, needed, reads_guide, on_tiles)
    if conservation is not None:
        rows = conservation.apply(
            rows,
            lambda part: scene.read_lst(part, needed.columns),
            needed.rows.stop,
            lambda row, r: on_residual(slice(row, row + len(r)), needed.columns, r),
        )
    left = (strip.columns.start - needed.columns.start) * scene.scale
    width = (strip.columns.stop - strip.columns.start) * scene.scale
    for first, fine in rows:
        start = max(first, strip.rows.start)
        stop = min(first + len(fine) // scene.scale, strip.rows.stop)
        if start >= stop:
            continue
        kept = fine[(start - first) * scene.scale : (stop - first) * scene.scale]
        kept = np.ascontiguousarray(kept[:, left : left + width])
        lst = scene.read_lst(slice(start, stop), strip.columns)
        gaps = np.isnan(lst).repeat(scene.scale, axis=0).repeat(scene.scale, axis=1)
        kept[gaps] = np.nan
        yield start, kept


def surroundings(strip: Strip, scene: Scene, conservation: Conservation | None) -> Strip:
    """Return the part of the scene that has to be predicted for a strip."""
    reach = conservation.halo * conservation.rounds if conservation else 0
    return strip.widened(reach, scene.coarse.shape)


def _blended_rows(
    scene: Scene,
    method: Method,
    layout: Layout,
    strip: Strip,
    reads_guide: bool,
    on_tiles: Callable[[int], None],
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Blend all tiles that touch a strip; rows and columns come cut to the strip."""
    down, across = layout.tiles_of(strip)
    mosaic = Mosaic(layout.rows, layout.columns, scene.scale, strip.columns)
    for row, inputs in _tile_rows(scene, layout, down, across, reads_guide):
        for column, core in _predict_row(method, layout, row, across, inputs, on_tiles):
            mosaic.add(row, column, core)
        last = row == down[-1]
        stop = layout.rows.spans[row].stop if last else layout.rows.spans[row + 1].start
        first, fine = mosaic.take(stop)
        start, stop = max(first, strip.rows.start), min(stop, strip.rows.stop)
        if start < stop:
            yield start, fine[(start - first) * scene.scale : (stop - first) * scene.scale]


@dataclass(frozen=True)
class _RowInputs:
    """What a row of tiles sees: LST with and without gaps, and guidance, from ``left`` on."""

    left: int
    lst: NDArray[np.float32]
    filled: NDArray[np.float32]
    guide: NDArray[np.float32] | None


def _tile_rows(
    scene: Scene, layout: Layout, down: range, across: range, reads_guide: bool
) -> Iterator[tuple[int, _RowInputs]]:
    """Read what each row of tiles needs; guidance is read once, ahead, in a thread."""
    spans = layout.rows.spans
    columns = slice(
        min(layout.columns.spans[j].outer_start for j in across),
        max(layout.columns.spans[j].outer_stop for j in across),
    )
    whole = slice(spans[down[0]].outer_start, spans[down[-1]].outer_stop)
    reads = (_read(scene, part, columns, reads_guide) for part in scene.chunks(whole))
    with ahead(reads) as chunks:
        held = _Held(scene.scale)
        for row in down:
            outer = spans[row].outer
            while held.stop is None or held.stop < outer.stop:
                held.append(*next(chunks))
            yield row, held.cut(outer)


def _read(scene: Scene, rows: slice, columns: slice, reads_guide: bool) -> tuple[slice, _RowInputs]:
    lst, filled = scene.read_lst(rows, columns), scene.read_filled_lst(rows, columns)
    guide = scene.read_guide(rows, columns) if reads_guide else None
    return rows, _RowInputs(columns.start, lst, filled, guide)


class _Held:
    """Consecutive rows that were read and are still needed."""

    def __init__(self, scale: int) -> None:
        self._scale = scale
        self._start = 0
        self._parts: list[_RowInputs] = []
        self.stop: int | None = None

    def append(self, rows: slice, part: _RowInputs) -> None:
        if self.stop is None:
            self._start = rows.start
        self.stop = rows.stop
        self._parts.append(part)

    def cut(self, rows: slice) -> _RowInputs:
        """Return some rows and let go of all that lies wholly before them."""
        while self._start + len(self._parts[0].lst) <= rows.start:
            self._start += len(self._parts.pop(0).lst)
        coarse = slice(rows.start - self._start, rows.stop - self._start)
        fine = slice(coarse.start * self._scale, coarse.stop * self._scale)
        guides = [part.guide for part in self._parts if part.guide is not None]
        return _RowInputs(
            self._parts[0].left,
            np.concatenate([part.lst for part in self._parts])[coarse],
            np.concatenate([part.filled for part in self._parts])[coarse],
            np.concatenate(guides, axis=1)[:, fine] if guides else None,
        )


def _predict_row(
    method: Method,
    layout: Layout,
    row: int,
    across: range,
    inputs: _RowInputs,
    on_tiles: Callable[[int], None],
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Run a row of tiles in batches, which are the same whatever strip they are computed for."""
    down, s = layout.rows.spans[row], method.scale
    top, height = (down.start - down.outer_start) * s, (down.stop - down.start) * s
    for first in range(across.start, across.stop, layout.batch):
        batch = [*range(first, min(first + layout.batch, across.stop))]
        known = [j for j in batch if not np.isnan(_core(inputs, layout, row, j)).all()]
        if known:
            spans = [layout.columns.spans[j] for j in known]
            fine = method.predict(_stack(inputs, down, spans, s))[:, 0].numpy()
            for j, span, outer in zip(known, spans, fine, strict=True):
                left, width = (span.start - span.outer_start) * s, (span.stop - span.start) * s
                yield j, outer[top : top + height, left : left + width]
        on_tiles(len(batch))


def _core(inputs: _RowInputs, layout: Layout, row: int, column: int) -> NDArray[np.float32]:
    down, across = layout.rows.spans[row], layout.columns.spans[column]
    rows = slice(down.start - down.outer_start, down.stop - down.outer_start)
    return inputs.lst[rows, across.start - inputs.left : across.stop - inputs.left]


def _stack(inputs: _RowInputs, down: Span, spans: list[Span], scale: int) -> Tiles:
    """Cut tiles of one size out of a row's inputs."""
    parts = [slice(s.outer_start - inputs.left, s.outer_stop - inputs.left) for s in spans]
    lst = np.stack([inputs.filled[None, :, part] for part in parts])
    guide = None
    if inputs.guide is not None:
        fine = [slice(part.start * scale, part.stop * scale) for part in parts]
        guide = torch.from_numpy(np.stack([inputs.guide[:, :, part] for part in fine]))
    rows = (down.outer_start,) * len(spans)
    return Tiles(torch.from_numpy(lst), guide, rows, tuple(s.outer_start for s in spans))
