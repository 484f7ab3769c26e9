"""From predicted rows of tiles to finished rows: blend, conserve, mask.

A strip is any range of coarse rows, with the full width or some columns. Its pixels depend only on
the inputs under and around it, and not on how the scene was divided, to the last bit.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groklst_cli.errors import GroklstError
from groklst_cli.geo.conserve import Conservation
from groklst_cli.geo.mosaic import Mosaic
from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.predict.layout import Layout, Strip
from groklst_cli.pipeline.predict.tile_rows import Fine

_AT_ONCE: Final = 16
"""Coarse rows that are finished together."""

OnResidual = Callable[[slice, slice, NDArray[np.float64]], None]


def nobody(rows: slice, columns: slice, values: NDArray[np.float64]) -> None:
    """Ignore a residual."""


def finished_rows(
    scene: Scene,
    layout: Layout,
    strip: Strip,
    tile_rows: Iterable[tuple[int, Fine]],
    *,
    conservation: Conservation | None,
    on_residual: OnResidual = nobody,
    cutting: bool = True,
) -> Iterator[tuple[int, Fine]]:
    """Finish a strip from the predicted rows of tiles.

    Args:
        scene: What they were predicted of.
        layout: The tile lattice of the whole scene.
        strip: The strip to finish.
        tile_rows: All that ``layout.groups_of(surroundings(strip, …))`` names, in order, each
            over the columns of these surroundings.
        conservation: Which coarse values to restore, or None.
        on_residual: Called with rows, columns and values of the residual before conservation,
            kelvin.
        cutting: Whether nodata and masked pixels are set to NaN; otherwise they keep values, so
            that a following resampling has surroundings.

    Yields:
        The first coarse row, and fine rows ``(rows · scale, columns · scale)`` in kelvin, NaN on
        exactly the coarse pixels that are nodata, and where masks say so.

    Raises:
        GroklstError: If the method returned NaN where the LST has a value.
    """
    needed = surroundings(strip, scene, conservation)
    rows = _numbers(scene, needed.columns, _blended(scene, layout, needed, tile_rows))
    if conservation is not None:
        rows = conservation.apply(
            rows,
            lambda part: scene.read_counting(part, needed.columns),
            needed.rows.stop,
            lambda row, r: on_residual(slice(row, row + len(r)), needed.columns, r),
            _hidden(scene, needed.columns),
            scene.masked.cloud if scene.masked else 0.0,
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
        if cutting:
            scene.cut_out(kept, slice(start, stop), strip.columns)
        yield start, kept


def _hidden(scene: Scene, columns: slice) -> Callable[[slice], NDArray[np.float32]] | None:
    """Return the function for the masked share of coarse pixels; None without masks."""
    if scene.masked is None:
        return None
    return lambda rows: 1 - scene.read_shares(rows, columns)


def _numbers(
    scene: Scene, columns: slice, rows: Iterable[tuple[int, Fine]]
) -> Iterator[tuple[int, Fine]]:
    """Pass rows on after checking that they have a value wherever the LST has one.

    Raises:
        GroklstError: If they have not.
    """
    for first, fine in rows:
        numbers = np.isfinite(fine)
        if not numbers.all():
            known = scene.read_known(slice(first, first + len(fine) // scene.scale), columns)
            gaps = (~known).repeat(scene.scale, axis=0).repeat(scene.scale, axis=1)
            missing = int(np.count_nonzero(~(numbers | gaps)))
            if missing:
                raise GroklstError(
                    f"the method returned NaN for {missing} fine pixels from coarse row {first} "
                    "on, where the LST has values; look for impossible values in the guides, or "
                    "use another --model"
                )
        for row in range(0, len(fine) // scene.scale, _AT_ONCE):
            yield first + row, fine[row * scene.scale : (row + _AT_ONCE) * scene.scale]


def surroundings(strip: Strip, scene: Scene, conservation: Conservation | None) -> Strip:
    """Return the part of the scene that has to be predicted for a strip."""
    reach = conservation.halo * conservation.rounds if conservation else 0
    return strip.widened(reach, scene.coarse.shape)


def _blended(
    scene: Scene, layout: Layout, strip: Strip, tile_rows: Iterable[tuple[int, Fine]]
) -> Iterator[tuple[int, Fine]]:
    """Blend rows of tiles with each other, cut to the strip."""
    spans, last = layout.rows.spans, layout.rows.touching(strip.rows)[-1]
    mosaic = Mosaic(layout.rows, scene.scale)
    for row, fine_row in tile_rows:
        if row > last:
            break  # it shares batches with a row that is wanted
        mosaic.add(row, fine_row)
        stop = spans[row].stop if row == last else spans[row + 1].start
        first, fine = mosaic.take(stop)
        start, stop = max(first, strip.rows.start), min(stop, strip.rows.stop)
        if start < stop:
            yield start, fine[(start - first) * scene.scale : (stop - first) * scene.scale]
