"""Strips of a scene of Dask arrays, each made when it is asked for.

Two kinds of tasks: one predicts a group of rows of tiles from the parts of the inputs under it, the
other finishes a strip of fine rows from the groups around it. Each row of tiles is
predicted once, and no task sees more than its part.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from groklst_cli.geo.align import GuideSource, ResamplingName
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.fill import REACH
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.opening import BandSource, open_raster
from groklst_cli.geo.raster import read_physical, summary_rows
from groklst_cli.geo.scene import Scene
from groklst_cli.geo.stored_band import StoredBand
from groklst_cli.geo.summary import Summary
from groklst_cli.geo.units import Units
from groklst_cli.pipeline.arrays.eager import (
    ArrayRaster,
    Shift,
    explain,
    in_units,
    in_words_of_python,
    processor,
    scene_of,
    settled,
    settled_layout,
)
from groklst_cli.pipeline.arrays.guide_window import guide_window, moved
from groklst_cli.pipeline.downscale.request import Plan, Request
from groklst_cli.pipeline.predict.coregister import coregister
from groklst_cli.pipeline.predict.default_scale import FoundScale
from groklst_cli.pipeline.predict.plan import conservation_of, plan_of
from groklst_cli.pipeline.predict.ready import memory_errors, prepare, reads_guide, share_processor
from groklst_cli.pipeline.predict.strips import finished_rows, surroundings
from groklst_cli.pipeline.predict.tile_rows import Fine, Layout, Strip, predict_tile_rows
from groklst_models.contract import Method
from groklst_models.threads import threads


@dataclass(frozen=True, eq=False)
class Work:
    """All that a task needs to know besides its pixels.

    Attributes:
        request: What was asked for.
        plan: What it came to.
        layout: The tile lattice of the whole scene.
        fitted: The method, if it was fitted; a network is loaded by each process.
        shifts: By how much each guide was found to be off.
        threads: That a process would compute with alone.
        reads_guide: Whether the method looks at guidance.
    """

    request: Request
    plan: Plan
    layout: Layout
    fitted: Method | None
    shifts: tuple[Shift | None, ...]
    threads: int
    reads_guide: bool


_ARRAYS: Final[Any] = dask.array  # has no types
_COMPUTE: Final[Any] = dask.base.compute
_NETWORKS: Final[WeakKeyDictionary[Work, Method]] = WeakKeyDictionary()


def downscale_lazily(
    request: Request,
    lst: ArrayRaster,
    guides: Sequence[ArrayRaster],
    note: Callable[[str], None],
) -> tuple[Plan, Any]:
    """Lay out how to downscale arrays of Dask.

    What is computed at once, in a stream: the LST's range where no tag states its unit, and what a
    method is fitted to, or shifts are estimated from.

    Returns:
        What will be done, and a Dask array of the fine pixels in the LST's own unit, NaN where
        there is no value; its chunks are whole rows.

    Raises:
        GroklstError: If the arrays cannot be used, as far as is known before they are computed.
    """
    with in_words_of_python():
        request, scale = settled(request, lst, guides)
        summary = _summary(lst)
        known = None
        if request.units is None and lst.frame.units is None:
            (known,) = _COMPUTE(summary)
        with _streamed(request, lst, guides, known or Summary()) as scene:
            work = _plan(request, scene, scale, note)
            read = guides if work.reads_guide else ()
            return work.plan, _strips(work, scene, known or summary, lst, read)


def _plan(
    request: Request, scene: "_StreamedScene", scale: FoundScale, note: Callable[[str], None]
) -> Work:
    """Choose and fit, and cut into tiles."""
    with threads(None) as machine:
        plan = plan_of(request, scene, scale.source)
        for line in explain(plan, scene, scale):
            note(line)
        found = coregister(scene, request.coregister, note)
        scene.shifts = tuple(found.get(guide.path) for guide in scene.guides)
        method = prepare(
            plan.choice,
            scene,
            psf=request.psf,
            device=request.device,
            precision=request.precision,
            note=note,
        )
        layout = settled_layout(request, plan, scene, method, note)
    fitted = method if plan.choice.is_fitted else None
    reads = reads_guide(method)
    shifts = scene.shifts if reads else ()
    return Work(request, plan, layout, fitted, shifts, machine, reads)


def _strips(
    work: Work,
    scene: Scene,
    summary: Summary | Delayed,
    lst: ArrayRaster,
    guides: Sequence[ArrayRaster],
) -> Any:
    """Join strips of one height, that of a group of rows of tiles without its overlap.

    One height but for the last, because odc-geo's COG writer takes chunks for such.
    """
    layout, whole = work.layout, work.plan.strip
    kept = conservation_of(work.request) if work.plan.conserve else None
    held = delayed(work, traverse=False)
    groups = layout.groups_of(whole)
    predicted = {
        group: delayed(_predict)(held, summary, group, *_inputs(work, scene, group, lst, guides))
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
        made = delayed(_finish)(held, summary, strip, part, around, rows)
        shape = (stop - start) * scene.scale, work.plan.grid.width
        strips.append(_ARRAYS.from_delayed(made, shape, meta=np.empty((0, 0), np.float32)))
    return _ARRAYS.concatenate(strips, axis=0)


def _inputs(
    work: Work,
    scene: Scene,
    group: range,
    lst: ArrayRaster,
    guides: Sequence[ArrayRaster],
) -> tuple[ArrayRaster, list[ArrayRaster]]:
    """Cut out what a group of rows of tiles depends on."""
    spans = work.layout.rows.spans
    outer = Strip(
        slice(spans[group[0]].outer_start, spans[group[-1]].outer_stop), work.plan.strip.columns
    )
    filled = outer.widened(REACH, scene.coarse.shape)
    return (
        lst.cut(filled.rows, filled.columns),
        _guide_parts(scene, work.request, guides, work.shifts, outer),
    )


def _guide_parts(
    scene: Scene,
    request: Request,
    guides: Sequence[ArrayRaster],
    shifts: Sequence[Shift | None],
    part: Strip,
) -> list[ArrayRaster]:
    """Cut out of each guide what a part of the scene depends on."""
    rows, columns = scene.to_fine(part.rows), scene.to_fine(part.columns)
    aligned = request.resampling == "auto"
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
    """A scene of Dask arrays that computes what is read of it, when it is read."""

    def __init__(
        self,
        lst: BandSource,
        guides: Sequence[BandSource],
        scale: int,
        *,
        units: Units | None,
        resampling: ResamplingName,
        summary: Summary,
        arrays: tuple[Request, ArrayRaster, Sequence[ArrayRaster]],
    ) -> None:
        super().__init__(lst, guides, scale, units=units, resampling=resampling, summary=summary)
        self._request, self._lst, self._guides = arrays
        self._summary = summary
        self.shifts: tuple[Shift | None, ...] = (None,) * len(self.guides)

    def read_lst(self, rows: slice, columns: slice) -> Fine:
        (part,) = _computed([self._lst.cut(rows, slice(0, self.coarse.width))])
        with scene_of(self._request, part, (), summary=self._summary) as scene:
            return scene.read_lst(rows, columns)

    def read_guide(
        self, rows: slice, columns: slice, guides: Sequence[GuideSource] | None = None
    ) -> Fine:
        chosen = [self.guides.index(g) for g in (self.guides if guides is None else guides)]
        arrays, shifts = [self._guides[i] for i in chosen], [self.shifts[i] for i in chosen]
        parts = _guide_parts(self, self._request, arrays, shifts, Strip(rows, columns))
        loaded = _computed(parts)
        lst = self._lst.empty()
        with scene_of(self._request, lst, loaded, shifts=shifts, summary=self._summary) as scene:
            return scene.read_guide(rows, columns)


@contextmanager
def _streamed(
    request: Request, lst: ArrayRaster, guides: Sequence[ArrayRaster], summary: Summary
) -> Iterator[_StreamedScene]:
    """Open a scene whose rasters in memory are frames without pixels."""
    frames = [guide.empty() for guide in guides]
    kind = partial(_StreamedScene, arrays=(request, lst, guides))
    with scene_of(request, lst.empty(), frames, summary=summary, kind=kind) as scene:
        assert isinstance(scene, _StreamedScene)
        yield scene


def _computed(rasters: Sequence[ArrayRaster]) -> list[ArrayRaster]:
    """Compute the pixels of several rasters together."""
    values = _COMPUTE(*(raster.values for raster in rasters))
    return [replace(raster, values=v) for raster, v in zip(rasters, values, strict=True)]


def _summary(lst: ArrayRaster) -> Delayed:
    """Sum up all LST values, some rows in each task, in the order of a file's rows."""
    columns = slice(0, lst.frame.grid.width)
    parts = [delayed(_sum_up)(lst.cut(rows, columns)) for rows in summary_rows(lst.frame.grid)]
    summary: Delayed = delayed(_total)(lst.frame.name, parts)
    return summary


def _sum_up(lst: ArrayRaster) -> Summary:
    height, width = lst.values.shape[1:]
    with gdal_environment(), lst.in_memory() as memory, open_raster(memory.name) as dataset:
        band = StoredBand.of(dataset, 1)
        return Summary.of(read_physical(dataset, band, Window(0, lst.row, width, height)))


def _total(name: str, parts: Sequence[Summary]) -> Summary:
    found = reduce(add, parts)
    if found.count == 0:
        raise InputError(f"{name} has no valid pixel; every one is nodata")
    return found


def _predict(
    work: Work, summary: Summary, group: range, lst: ArrayRaster, guides: Sequence[ArrayRaster]
) -> list[Fine]:
    """Predict a group of rows of tiles."""
    with (
        in_words_of_python(),
        memory_errors(),
        processor() as own,
        scene_of(work.request, lst, guides, shifts=work.shifts, summary=summary) as scene,
    ):
        method = _method(work, scene)
        at_once = share_processor(
            method, work.layout.count, own=_threads_of_worker() or own, machine=work.threads
        )
        rows = predict_tile_rows(
            scene,
            method,
            work.layout,
            work.plan.strip,
            [group],
            reads_guide=work.reads_guide,
            at_once=at_once,
        )
        return [fine for _, fine in rows]


def _finish(
    work: Work,
    summary: Summary,
    strip: Strip,
    lst: ArrayRaster,
    groups: Sequence[range],
    predicted: Sequence[Sequence[Fine]],
) -> Fine:
    """Blend, conserve and mask a strip."""
    kept = conservation_of(work.request) if work.plan.conserve else None
    tile_rows = (
        numbered
        for group, rows in zip(groups, predicted, strict=True)
        for numbered in zip(group, rows, strict=True)
    )
    with in_words_of_python(), scene_of(work.request, lst, (), summary=summary) as scene:
        rows = finished_rows(scene, work.layout, strip, tile_rows, conservation=kept)
        return np.concatenate([in_units(fine, work.plan.units) for _, fine in rows])


def _method(work: Work, scene: Scene) -> Method:
    """Return the method that was fitted, or the network, which each process loads once."""
    if work.fitted is not None:
        return work.fitted
    if work not in _NETWORKS:
        _NETWORKS[work] = prepare(
            work.plan.choice,
            scene,
            device=work.request.device,
            precision=work.request.precision,
        )
    return _NETWORKS[work]


def _threads_of_worker() -> int | None:
    """Count the threads of the cluster's worker that this runs in; None if it is none."""
    try:
        from distributed import get_worker

        worker: Any = get_worker()
        return int(worker.state.nthreads)
    except (ImportError, ValueError):
        return None
