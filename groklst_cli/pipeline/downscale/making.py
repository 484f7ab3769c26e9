"""The work on one scene, from the plan to finished files; this module imports torch."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from groklst_cli import __version__
from groklst_cli.data.scenes import seen_at
from groklst_cli.errors import lacks_memory
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.masks import MaskFile
from groklst_cli.geo.pixel_hash import JOB_TAG
from groklst_cli.geo.units import CELSIUS_ZERO
from groklst_cli.pipeline.downscale.cluster import Task, open_cluster
from groklst_cli.pipeline.downscale.existing import is_finished
from groklst_cli.pipeline.downscale.facts import facts_of
from groklst_cli.pipeline.downscale.inputs import Inputs
from groklst_cli.pipeline.downscale.job import Job
from groklst_cli.pipeline.downscale.memory import check_memory
from groklst_cli.pipeline.downscale.outputs import check_targets
from groklst_cli.pipeline.downscale.provenance import provenance, shown
from groklst_cli.pipeline.downscale.request import Request, Result
from groklst_cli.pipeline.downscale.run import Run
from groklst_cli.pipeline.downscale.scene_page import write_scene_page
from groklst_cli.pipeline.downscale.watched import Watched
from groklst_cli.pipeline.predict.batch import free_gpu
from groklst_cli.pipeline.predict.estimate import Estimate, estimate
from groklst_cli.pipeline.predict.listeners import Note, Progress
from groklst_cli.pipeline.predict.method import leave_device
from groklst_cli.pipeline.predict.plan import Plan
from groklst_cli.pipeline.predict.planned import Planned
from groklst_models.freed_memory import keep_freed_memory
from groklst_models.threads import threads


def tried(request: Request, planned: Planned) -> tuple[Plan, Estimate]:
    """Time one tile, and estimate the run."""
    with threads(request.jobs) as machine:
        return estimate(planned, machine, request.processes)


def make(
    request: Request,
    inputs: Inputs,
    planned: Planned,
    *,
    own: int | None,
    began: float,
    said: Sequence[str],
    note: Note,
    progress: Progress,
) -> Result:
    """Run a plan, as ``downscale`` describes it.

    Args:
        request: The request, with a known scale.
        inputs: The state of its files before they were opened.
        planned: The open scene and the plan.
        own: Threads of this run; None for all that the request asks for.
        began: When the run did, by the monotonic clock.
        said: All that is told, which a page repeats; ``note`` adds to it.
        note: Called with messages.
        progress: Called with the progress.

    Raises:
        GroklstError: If it fails.
    """
    check_memory(request, inputs, planned.plan.target)  # again, because libraries have been loaded
    with threads(request.jobs) as machine, threads(own):
        planned = planned.aligned(note)
        plan, shifts = planned.plan, planned.shifts
        job = Job(
            request.output,
            facts_of(request, plan, shifts, inputs),
            resume=request.resume,
            overwrite=request.overwrite,
            others=request.targets[1:],
        )
        if is_finished(request, job):
            note(f"{request.output} was finished by an earlier run")
            seconds = time.monotonic() - began
            result = Result(request.output, plan, shifts, 0, seconds, math.nan, skipped=True)
            if request.page is not None:
                watched = Watched.again(plan, planned.scene, request.output)
                write_scene_page(request.page, request, result, watched, said)
            return result
        with job, inputs.watched():
            check_targets(request)  # again, because another run may just have finished it
            ready = planned.ready(
                machine,
                own=own,
                note=note,
                recall=lambda choose: job.recall("batch", choose),
                elsewhere=request.scheduler is not None,
            )
            if request.shares_work:
                leave_device(ready.method)
            plan = ready.plan
            if not plan.choice.is_fitted:
                keep_freed_memory()
            contents = inputs.contents() if request.shares_work else {}
            with open_cluster(request, note) as cluster:
                tags = _tags(planned, plan) | {JOB_TAG: job.digest}
                task = Task(request, ready.work, contents)
                run = Run(request, ready, job, inputs, cluster, task, progress, note)
                while (mean := _written(run, tags)) is None:
                    run = _with_half_the_batch(run)
    mean = mean - CELSIUS_ZERO if plan.units == "C" else mean
    seconds, means = time.monotonic() - began, run.coarse_means
    result = Result(request.output, plan, shifts, run.tiles, seconds, mean, coarse_means=means)
    if request.page is not None and run.watched is not None:
        write_scene_page(request.page, request, result, run.watched, said)
    return result


def _written(run: Run, tags: Mapping[str, str]) -> float | None:
    """Write all outputs; None if memory ran out and a smaller batch may help."""
    try:
        return run.write(tags, provenance(run.request, run.ready.plan.choice))
    except (RuntimeError, MemoryError) as error:
        if run.request.batch != "auto" or run.ready.layout.batch == 1 or not lacks_memory(error):
            raise
    return None


def _with_half_the_batch(run: Run) -> Run:
    """Continue with a smaller batch; the batch was not requested, so the request is the same."""
    free_gpu()
    batch = run.ready.layout.batch // 2
    run.note(
        f"memory ran out with batches of {run.ready.layout.batch} tiles: continuing with "
        f"batches of {batch}"
    )
    run.job.settle("batch", batch)
    ready = run.ready.with_batch(batch)
    return replace(run, ready=ready, task=replace(run.task, work=ready.work))


def _tags(planned: Planned, plan: Plan) -> dict[str, str]:
    scene, belief = planned.scene, plan.believed
    kept = "as far as the noise allows" if belief else "yes" if plan.conserve else "no"
    moved = [f"{Path(path).name} {x:+.2f},{y:+.2f}" for path, (x, y) in planned.shifts.items()]
    tags = {
        "GROKLST_VERSION": __version__,
        "GROKLST_METHOD": plan.choice.tag,
        "GROKLST_SCALE": str(scene.scale),
        "GROKLST_TARGET": "" if plan.target is None else _target(plan.target),
        "GROKLST_LST": Path(scene.lst.path).name,
        "GROKLST_GUIDES": ", ".join(Path(guide.path).name for guide in scene.guides),
        "GROKLST_MASKS": ", ".join(map(_short, planned.scene.masking.lst)),
        "GROKLST_GUIDE_MASKS": ", ".join(map(_short, planned.scene.masking.guides)),
        "GROKLST_BANDS": ", ".join(scene.bands),
        "GROKLST_SHIFTS": "; ".join(moved),
        "GROKLST_CONSERVE": kept,
        "GROKLST_NOISE": f"{belief.noise:.2f} K" if belief else "",
        "units": "kelvin" if plan.units == "K" else "celsius",
        **(seen.tags if (seen := seen_at(scene.lst.path)) else {}),
    }
    return {key: shown(text) for key, text in tags.items()}


def _target(grid: Grid) -> str:
    wide, high = grid.pixel_size
    return f"{wide:.10g} × {high:.10g} CRS units of {grid.crs.to_string()[:200]}"


def _short(mask: MaskFile) -> str:
    return str(replace(mask, source=replace(mask.source, path=Path(mask.source.path).name)))
