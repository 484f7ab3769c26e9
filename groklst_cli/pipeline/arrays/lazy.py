"""Strips of a scene of Dask arrays, each computed when it is needed.

There are two kinds of tasks: one predicts a group of rows of tiles from the parts of the inputs
under it, the other finishes a strip of fine rows from the groups around it. Each row of tiles is
predicted once, and no task sees more than its part.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial, reduce
from operator import add
from typing import Any, Final
from weakref import WeakKeyDictionary

import dask.array
import dask.base
import numpy as np
from dask.delayed import Delayed, delayed
from rasterio.windows import Window

from groklst_cli.errors import InputError
from groklst_cli.geo.align import GuideSource
from groklst_cli.geo.band_source import BandSource
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.fill import REACH
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.masks import MaskedLst, Masking
from groklst_cli.geo.opening import open_raster
from groklst_cli.geo.raster import read_physical, summary_rows
from groklst_cli.geo.resamplings import ResamplingName
from groklst_cli.geo.scene import Scene
from groklst_cli.geo.stored_band import StoredBand
from groklst_cli.geo.summary import ValueSummary
from groklst_cli.geo.unit_names import Units
from groklst_cli.pipeline.arrays.eager import in_units, settled
from groklst_cli.pipeline.arrays.guide_window import guide_window, moved
from groklst_cli.pipeline.arrays.processor import processor
from groklst_cli.pipeline.arrays.rasters import ArrayMask, ArrayMasks, ArrayRaster, scene_of
from groklst_cli.pipeline.arrays.words import in_words_of_python, noting_in_python
from groklst_cli.pipeline.predict.layout import Strip
from groklst_cli.pipeline.predict.listeners import Note
from groklst_cli.pipeline.predict.memory_errors import memory_errors
from groklst_cli.pipeline.predict.plan import Plan
from groklst_cli.pipeline.predict.planned import Planned
from groklst_cli.pipeline.predict.reading import Shift
from groklst_cli.pipeline.predict.ready import Work
from groklst_cli.pipeline.predict.settings import Settings
from groklst_cli.pipeline.predict.strips import finished_rows, surroundings
from groklst_cli.pipeline.predict.tile_rows import Fine
from groklst_models.contract import Method
from groklst_models.threads import threads

_ARRAYS: Final[Any] = dask.array  # has no types
_COMPUTE: Final[Any] = dask.base.compute
_NOT_LOOKED_AT: Final = MaskedLst(0, 0, 0.0, 0.0, 0.0, "alike")
"""A placeholder for the effect of masks where it is not needed."""

_NETWORKS: Final[WeakKeyDictionary[Work, Method]] = WeakKeyDictionary()


def downscale_lazily(
    settings: Settings,
    lst: ArrayRaster,
    guides: Sequence[ArrayRaster],
    masks: ArrayMasks,
    note: Note,
) -> tuple[Plan, Any]:
    """Build the graph that downscales Dask arrays.

    Some things are computed immediately, in a stream: the LST's range if no tag states its unit,
    the effect of its masks, and what a method is fitted to or shifts are estimated from.

    Returns:
        The plan, and a Dask array of the fine pixels in the LST's own unit, NaN where there is no
        value; its chunks are whole rows.

    Raises:
        GroklstError: If the arrays cannot be used, as far as is known before they are computed.
    """
    note = noting_in_python(note)
    with in_words_of_python():
        settings, found = settled(settings, lst, guides)
        summary = _summary(lst)
        known = None
        if settings.lst_units is None and lst.frame.units is None:
            (known,) = _COMPUTE(summary)
        with (
            _streamed(settings, lst, guides, masks, known or ValueSummary()) as scene,
            threads(None) as machine,
        ):
            planned = Planned.of(settings, scene, found)
            for line in planned.explain():
                note(line)
            planned = planned.aligned(note)
            scene.shifts = tuple(planned.shifts.get(guide.path) for guide in scene.guides)
            work = planned.ready(machine, note=note).work
            read = guides if work.uses_guide else ()
            masks = masks if work.uses_guide else replace(masks, guides=())
            return work.plan, _strips(work, scene, known or summary, lst, read, masks)


def _strips(
    work: Work,
    scene: Scene,
    summary: ValueSummary | Delayed,
    lst: ArrayRaster,
    guides: Sequence[ArrayRaster],
    masks: ArrayMasks,
) -> Any:
    """Join strips of one height, that of a group of rows of tiles without its overlap.

    All have the same height except the last, as odc-geo's COG writer requires.
    """
    layout, whole = work.layout, work.plan.strip
    kept = work.plan.conservation
    held = delayed(work, traverse=False)
    groups = layout.groups_of(whole)
    predicted = {
        group: delayed(_predict)(
            held, summary, group, *_inputs(work, scene, group, lst, guides, masks)
        )
        for group in groups
    }
    step = layout.together * (layout.rows.tile - layout.rows.overlap)
    strips = []
    for start in range(0, whole.rows.stop, step):
        stop = min(whole.rows.stop, start + step)
        strip = Strip(slice(start, stop), whole.columns)
        needed = surroundings(strip, scene, kept)
        around = layout.groups_of(needed)
        rows = [predicted[group] for group in around]
        part = lst.cut(needed.rows, needed.columns)
        hiding = _mask_parts(scene, ArrayMasks(masks.lst), needed)
        made = delayed(_finish)(held, summary, strip, part, hiding, around, rows)
        shape = (stop - start) * scene.scale, work.plan.grid.width
        strips.append(_ARRAYS.from_delayed(made, shape, meta=np.empty((0, 0), np.float32)))
    return _ARRAYS.concatenate(strips, axis=0)


def _inputs(
    work: Work,
    scene: Scene,
    group: range,
    lst: ArrayRaster,
    guides: Sequence[ArrayRaster],
    masks: ArrayMasks,
) -> tuple[ArrayRaster, list[ArrayRaster], ArrayMasks]:
    """Cut out what a group of rows of tiles depends on."""
    spans = work.layout.rows.spans
    outer = Strip(
        slice(spans[group[0]].outer_start, spans[group[-1]].outer_stop), work.plan.strip.columns
    )
    filled = outer.widened(REACH, scene.coarse.shape)
    return (
        lst.cut(filled.rows, filled.columns),
        _guide_parts(scene, work.settings, guides, work.shifts, outer),
        _mask_parts(scene, masks, filled),
    )


def _mask_parts(scene: Scene, masks: ArrayMasks, part: Strip) -> ArrayMasks:
    """Cut out of each mask what a part of the scene depends on."""
    rows, columns = scene.to_fine(part.rows), scene.to_fine(part.columns)
    return masks.each(lambda mask: mask.over(scene.fine, rows, columns))


def _guide_parts(
    scene: Scene,
    settings: Settings,
    guides: Sequence[ArrayRaster],
    shifts: Sequence[Shift | None],
    part: Strip,
) -> list[ArrayRaster]:
    """Cut out of each guide what a part of the scene depends on."""
    rows, columns = scene.to_fine(part.rows), scene.to_fine(part.columns)
    aligned = settings.resampling == "auto"
    windows: dict[tuple[Grid, Shift | None], tuple[slice, slice]] = {}
    parts = []
    for guide, shift in zip(guides, shifts, strict=True):
        place = guide.frame.grid, shift
        if place not in windows:
            fine = moved(scene.fine, shift, scene.scale)
            windows[place] = guide_window(place[0], fine, rows, columns, aligned=aligned)
        parts.append(guide.cut(*windows[place]))
    return parts


class _StreamedScene(Scene):
    """A scene of Dask arrays; reading a part computes it."""

    def __init__(
        self,
        lst: BandSource,
        guides: Sequence[BandSource],
        scale: int,
        *,
        units: Units | None,
        resampling: ResamplingName,
        summary: ValueSummary,
        masking: Masking,
        masked: MaskedLst | None,
        arrays: tuple[Settings, ArrayRaster, Sequence[ArrayRaster], ArrayMasks],
    ) -> None:
        self._settings, self._lst, self._guides, self._mask_arrays = arrays
        self._summary = summary
        super().__init__(
            lst,
            guides,
            scale,
            units=units,
            resampling=resampling,
            summary=summary,
            masking=masking,
            masked=masked,
        )
        self.shifts: tuple[Shift | None, ...] = (None,) * len(self.guides)

    def read_values(self, rows: slice, columns: slice) -> Fine:
        (part,) = _computed([self._lst.cut(rows, slice(0, self.coarse.width))])
        with scene_of(self._settings, part, (), summary=self._summary) as scene:
            return scene.read_values(rows, columns)

    def read_clear(self, rows: slice, columns: slice) -> Fine:
        masks = ArrayMasks(self._mask_arrays.lst)
        with self._scene_of_masks((), (), masks, Strip(rows, columns)) as scene:
            return scene.read_clear(rows, columns)

    def read_guide(
        self, rows: slice, columns: slice, guides: Sequence[GuideSource] | None = None
    ) -> Fine:
        chosen = [self.guides.index(g) for g in (self.guides if guides is None else guides)]
        arrays, shifts = [self._guides[i] for i in chosen], [self.shifts[i] for i in chosen]
        parts = _guide_parts(self, self._settings, arrays, shifts, Strip(rows, columns))
        named = {name for guide in chosen for name in self.guides[guide].names}
        hiding = [m for m in self._mask_arrays.guides if m.band is None or m.band in named]
        masks = ArrayMasks(guides=hiding)
        with self._scene_of_masks(_computed(parts), shifts, masks, Strip(rows, columns)) as scene:
            return scene.read_guide(rows, columns)

    def _scene_of_masks(
        self,
        guides: Sequence[ArrayRaster],
        shifts: Sequence[Shift | None],
        masks: ArrayMasks,
        part: Strip,
    ) -> AbstractContextManager[Scene]:
        """Open a computed part of guides and masks, without an LST."""
        parts = _mask_parts(self, masks, part)
        return scene_of(
            self._settings,
            self._lst.empty(),
            guides,
            masks=_computed_masks(parts),
            shifts=shifts,
            summary=self._summary,
            masked=_NOT_LOOKED_AT,
        )


@contextmanager
def _streamed(
    settings: Settings,
    lst: ArrayRaster,
    guides: Sequence[ArrayRaster],
    masks: ArrayMasks,
    summary: ValueSummary,
) -> Iterator[_StreamedScene]:
    """Open a scene whose rasters in memory are frames without pixels."""
    frames = [guide.empty() for guide in guides]
    kind = partial(_StreamedScene, arrays=(settings, lst, guides, masks))
    empty = masks.each(ArrayMask.empty)
    with scene_of(settings, lst.empty(), frames, masks=empty, summary=summary, kind=kind) as scene:
        assert isinstance(scene, _StreamedScene)
        yield scene


def _computed(rasters: Sequence[ArrayRaster]) -> list[ArrayRaster]:
    """Compute the pixels of several rasters together."""
    values = _COMPUTE(*(raster.values for raster in rasters))
    return [replace(raster, values=v) for raster, v in zip(rasters, values, strict=True)]


def _computed_masks(masks: ArrayMasks) -> ArrayMasks:
    """Compute the pixels of several masks together."""
    rasters = iter(_computed(masks.rasters))
    return masks.each(lambda mask: replace(mask, raster=next(rasters)))


def _summary(lst: ArrayRaster) -> Delayed:
    """Sum up all LST values, some rows in each task, in the order of a file's rows."""
    columns = slice(0, lst.frame.grid.width)
    parts = [delayed(_sum_up)(lst.cut(rows, columns)) for rows in summary_rows(lst.frame.grid)]
    summary: Delayed = delayed(_total)(lst.frame.name, parts)
    return summary


def _sum_up(lst: ArrayRaster) -> ValueSummary:
    height, width = lst.values.shape[1:]
    with gdal_environment(), lst.in_memory() as memory, open_raster(memory.name) as dataset:
        band = StoredBand.of(dataset, 1)
        return ValueSummary.of(read_physical(dataset, band, Window(0, lst.row, width, height)))


def _total(name: str, parts: Sequence[ValueSummary]) -> ValueSummary:
    found = reduce(add, parts)
    if found.count == 0:
        raise InputError(f"{name} has no valid pixel; all are nodata")
    return found


def _predict(
    work: Work,
    summary: ValueSummary,
    group: range,
    lst: ArrayRaster,
    guides: Sequence[ArrayRaster],
    masks: ArrayMasks,
) -> list[Fine]:
    """Predict a group of rows of tiles."""
    opened = scene_of(
        work.settings,
        lst,
        guides,
        masks=masks,
        shifts=work.shifts,
        summary=summary,
        masked=work.plan.masked,
    )
    with in_words_of_python(), memory_errors(), processor() as own, opened as scene:
        ready = work.ready(scene, own=_threads_of_worker() or own, method=_NETWORKS.get(work))
        if work.fitted is None:
            _NETWORKS[work] = ready.method
        return [fine for _, fine in ready.tile_rows(work.plan.strip, [group])]


def _finish(
    work: Work,
    summary: ValueSummary,
    strip: Strip,
    lst: ArrayRaster,
    masks: ArrayMasks,
    groups: Sequence[range],
    predicted: Sequence[Sequence[Fine]],
) -> Fine:
    """Blend, conserve and mask a strip."""
    tile_rows = (
        numbered
        for group, rows in zip(groups, predicted, strict=True)
        for numbered in zip(group, rows, strict=True)
    )
    opened = scene_of(work.settings, lst, (), masks=masks, summary=summary, masked=work.plan.masked)
    with in_words_of_python(), opened as scene:
        rows = finished_rows(
            scene, work.layout, strip, tile_rows, conservation=work.plan.conservation
        )
        return np.concatenate([in_units(fine, work.plan.units) for _, fine in rows])


def _threads_of_worker() -> int | None:
    """Return the threads of the cluster's worker that this runs in; None outside a worker."""
    try:
        from distributed import get_worker

        worker: Any = get_worker()
        return int(worker.state.nthreads)
    except (ImportError, ValueError):
        return None
