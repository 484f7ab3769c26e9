"""Strips of a scene of Dask arrays, each made when it is asked for.

Two kinds of tasks: one predicts a group of rows of tiles from the parts of the inputs under it, the
other finishes the fine rows between two groups from the groups around them. Each row of tiles is
predicted once, and no task sees more than its part.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import dask
import dask.array
import numpy as np
import torch
from dask.delayed import Delayed, delayed
from numpy.typing import NDArray

from groklst_cli.errors import InputError
from groklst_cli.geo.align import GuideSource, gdal_environment
from groklst_cli.geo.fill import REACH
from groklst_cli.geo.raster import BandSource, Summary, open_raster, read_physical, summary_rows
from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.arrays import (
    ArrayRaster,
    Shift,
    in_units,
    in_words_of_python,
    processor,
    scene_of,
)
from groklst_cli.pipeline.coregister import coregister
from groklst_cli.pipeline.guide_window import guide_window, moved
from groklst_cli.pipeline.methods import prepare, reads_guide, share_processor
from groklst_cli.pipeline.plan import conservation_of, layout_of, plan_of
from groklst_cli.pipeline.request import Plan, Request
from groklst_cli.pipeline.strips import finished_rows, surroundings
from groklst_cli.pipeline.tile_rows import Fine, Layout, Strip, predict_tile_rows
from groklst_models.contract import Method


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
    """

    request: Request
    plan: Plan
    layout: Layout
    fitted: Method | None
    shifts: tuple[Shift | None, ...]
    threads: int


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
        summary = _summary(lst)
        known = None
        if request.units is None and lst.frame.units is None:
            (known,) = dask.compute(summary)
        with _streamed(request, lst, guides, known or Summary()) as scene:
            work = _plan(request, scene, note)
            reads = reads_guide(work.fitted) if work.fitted else True
            return work.plan, _strips(work, scene, known or summary, lst, guides if reads else ())


def _plan(request: Request, scene: "_StreamedScene", note: Callable[[str], None]) -> Work:
    """Choose and fit, and cut into tiles."""
    threads, before = os.cpu_count() or 1, torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        plan = plan_of(request, scene)
        note(f"method {plan.choice.name}: {plan.choice.reason}")
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
    finally:
        torch.set_num_threads(before)
    layout = layout_of(plan, request, scene, method)
    fitted = method if plan.choice.is_fitted else None
    return Work(request, plan, layout, fitted, scene.shifts, threads)


def _strips(
    work: Work,
    scene: Scene,
    summary: Summary | Delayed,
    lst: ArrayRaster,
    guides: Sequence[ArrayRaster],
) -> Any:
    """Join the strips between the first rows of all groups of rows of tiles."""
    layout, whole = work.layout, work.plan.strip
    kept = conservation_of(work.request) if work.plan.conserve else None
    held = delayed(work, traverse=False)
    groups = layout.groups_of(whole)
    predicted = {
        group: delayed(_predict)(held, summary, group, *_inputs(work, scene, group, lst, guides))
        for group in groups
    }
    starts = [layout.rows.spans[group.start].start for group in groups] + [whole.rows.stop]
    strips = []
    for start, stop in zip(starts, starts[1:], strict=False):
        strip = Strip(slice(start, stop), whole.columns)
        needed = surroundings(strip, scene, kept)
        around = layout.groups_of(needed)
        rows = [predicted[group] for group in around]
        part = lst.cut(needed.rows, needed.columns)
        made = delayed(_finish)(held, summary, strip, part, around, rows)
        shape = (stop - start) * scene.scale, work.plan.grid.width
        strips.append(dask.array.from_delayed(made, shape, meta=np.empty((0, 0), np.float32)))
    return dask.array.concatenate(strips, axis=0)


def _inputs(
    work: Work,
    scene: Scene,
    group: range,
    lst: ArrayRaster,
    guides: Sequence[ArrayRaster],
) -> tuple[ArrayRaster, list[ArrayRaster]]:
    """Cut out what a group of rows of tiles depends on."""
    spans = work.layout.rows.spans
    outer = Strip(slice(spans[group[0]].outer_start, spans[group[-1]].outer_stop), _all(scene))
    filled = outer.widened(REACH, scene.coarse.shape)
    return lst.cut(filled.rows, filled.columns), [
        _guide_part(scene, guide, shift, outer.rows, outer.columns)
        for guide, shift in zip(guides, work.shifts, strict=False)
    ]


def _guide_part(
    scene: Scene, guide: ArrayRaster, shift: Shift | None, rows: slice, columns: slice
) -> ArrayRaster:
    ...
