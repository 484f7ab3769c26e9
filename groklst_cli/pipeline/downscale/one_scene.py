"""Downscaling one scene, from files to a file."""

import math
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from groklst_cli import __version__
from groklst_cli.data.scenes import seen_at
from groklst_cli.errors import lacks_memory
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.masks import MaskFile
from groklst_cli.geo.pixel_hash import JOB_TAG
from groklst_cli.geo.scene import Scene
from groklst_cli.geo.units import CELSIUS_ZERO
from groklst_cli.pipeline.downscale.cluster import Task, open_cluster
from groklst_cli.pipeline.downscale.existing import is_finished
from groklst_cli.pipeline.downscale.facts import facts_of
from groklst_cli.pipeline.downscale.inputs import Inputs
from groklst_cli.pipeline.downscale.job import Job
from groklst_cli.pipeline.downscale.memory import check_memory
from groklst_cli.pipeline.downscale.outputs import check_targets, spare_inputs
from groklst_cli.pipeline.downscale.provenance import provenance, shown
from groklst_cli.pipeline.downscale.request import Request, Result
from groklst_cli.pipeline.downscale.run import Run
from groklst_cli.pipeline.downscale.target import find_scale, target_of, toward
from groklst_cli.pipeline.predict.batch import free_gpu
from groklst_cli.pipeline.predict.choice import check_model
from groklst_cli.pipeline.predict.default_scale import FoundScale
from groklst_cli.pipeline.predict.devices import find_device, memory_errors
from groklst_cli.pipeline.predict.estimate import Estimate, estimate
from groklst_cli.pipeline.predict.listeners import Note, Progress, silent, unwatched
from groklst_cli.pipeline.predict.method import leave_device
from groklst_cli.pipeline.predict.opening import open_scene
from groklst_cli.pipeline.predict.plan import Plan
from groklst_cli.pipeline.predict.ready import Planned
from groklst_models.acceleration import keep_freed_memory
from groklst_models.threads import threads


def plan_downscale(request: Request) -> tuple[Plan, Estimate]:
    """Open the inputs, check all that can be checked, try one tile, and say what would be done.

    Raises:
        GroklstError: If the request cannot be carried out; nothing has been written.
    """
    _check(request)
    with memory_errors(), gdal_environment(online=request.online), threads(request.jobs) as machine:
        request, found, target = _settled(request)
        check_memory(request, Inputs.of(request), target)
        with open_scene(request, request.lst, request.guides, masks=request.masks) as scene:
            planned = _planned(request, scene, found, target)
            return estimate(planned, machine, request.processes)


def downscale(
    request: Request,
    *,
    own: int | None = None,
    note: Note = silent,
    progress: Progress = unwatched,
) -> Result:
    """Carry out a request.

    Args:
        request: What to do.
        own: Threads that are this run's, where others run beside it; None for all that the request
            asks for. The pixels are the same.
        note: Told, for people, what was chosen and what is worth knowing.
        progress: Told how far it is.

    Raises:
        GroklstError: If it fails; nothing is left under an output's name. Rows that were finished
            before a failure that a second try may mend are kept for ``resume``.
    """
    began = time.monotonic()
    _check(request)
    with ExitStack() as held:
        held.enter_context(memory_errors())
        held.enter_context(gdal_environment(online=request.online))
        machine = held.enter_context(threads(request.jobs))
        held.enter_context(threads(own))
        request, found, target = _settled(request)
        inputs = Inputs.of(request)
        spare_inputs(request, [*inputs.named, *inputs.beside])
        check_memory(request, inputs, target)
        held.enter_context(inputs.watched())
        scene = held.enter_context(
            open_scene(request, request.lst, request.guides, masks=request.masks)
        )
        planned = _planned(request, scene, found, target)
        for line in (*planned.explain(), *_output_lines(planned.plan)):
            note(line)
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
            return Result(request.output, plan, shifts, 0, seconds, math.nan, skipped=True)
        with job, inputs.watched():
            check_targets(request)  # again: what another run has just finished is there now
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
    return Result(request.output, plan, shifts, run.tiles, seconds, mean, coarse_means=means)


def _written(run: Run, tags: Mapping[str, str]) -> float | None:
    """Write all outputs; None if memory ran out where a smaller batch may help."""
    try:
        return run.write(tags, provenance(run.request, run.ready.plan.choice))
    except (RuntimeError, MemoryError) as error:
        if run.request.batch != "auto" or run.ready.layout.batch == 1 or not lacks_memory(error):
            raise
    return None


def _with_half_the_batch(run: Run) -> Run:
    """Go on with what is missing; the batch was ours to choose, so the request is the same."""
    free_gpu()
    batch = run.ready.layout.batch // 2
    run.note(f"memory ran out with {run.ready.layout.batch} tiles at once: going on with {batch}")
    run.job.settle("batch", batch)
    ready = run.ready.with_batch(batch)
    return replace(run, ready=ready, task=replace(run.task, work=ready.work))


def _check(request: Request) -> None:
    """Refuse what needs no file to be opened for it: the method first, for it is what one typed."""
    check_model(request.model)
    check_targets(request)
    for device in () if request.scheduler is not None else request.devices:
        find_device(device)


def _settled(request: Request) -> tuple[Request, FoundScale, Grid | None]:
    """Put the scale in that is found for the request's files; find the grid to bring it to."""
    found = find_scale(request)
    return replace(request, scale=found.value), found, target_of(request)


def _planned(request: Request, scene: Scene, found: FoundScale, target: Grid | None) -> Planned:
    planned = Planned.of(request, scene, found)
    plan = toward(planned.plan, scene.coarse, target, request)
    return replace(planned, plan=plan).with_coverage()


def _tags(planned: Planned, plan: Plan) -> dict[str, str]:
    scene, belief = planned.scene, plan.believed
    kept = "as far as believed" if belief else "yes" if plan.conserve else "no"
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


def _output_lines(plan: Plan) -> list[str]:
    """Say, for people, how files are read and what is written."""
    lines = []
    if plan.units_from == "values":
        lines.append(f"unit {plan.units}: from the range of values; --lst-units says otherwise")
    lines += [f"guide {path}: {method}" for path, method in plan.resampling.items()]
    lines.append(
        f"output {plan.output.height} × {plan.output.width} pixels, "
        f"{plan.output.pixel_size[0]:g} × {plan.output.pixel_size[1]:g} CRS units"
    )
    return lines
