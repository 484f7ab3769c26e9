"""Downscaling one scene, from files to a file."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import rasterio
from rasterio.errors import RasterioError

from groklst_cli import __version__
from groklst_cli.errors import UsageError
from groklst_cli.geo.align import gdal_environment
from groklst_cli.geo.raster import CELSIUS_ZERO
from groklst_cli.geo.scene import Scene
from groklst_cli.geo.writer import STATUS_TAG, check_target
from groklst_cli.pipeline.cluster import Work, open_cluster
from groklst_cli.pipeline.coregister import coregister
from groklst_cli.pipeline.estimate import Estimate, estimate, fitting_batch
from groklst_cli.pipeline.job import Job
from groklst_cli.pipeline.methods import memory_errors, prepare, reads_guide, share_processor
from groklst_cli.pipeline.picture import before_and_after
from groklst_cli.pipeline.plan import facts_of, layout_of, open_scene, plan_of
from groklst_cli.pipeline.request import Plan, Progress, Request, Result
from groklst_cli.pipeline.run import Run
from groklst_models.acceleration import keep_freed_memory
from groklst_models.contract import Method
from groklst_models.threads import threads

__all__ = ["Plan", "Progress", "Request", "Result", "downscale", "plan_downscale"]

_JOB_TAG: Final = "GROKLST_JOB"


def plan_downscale(request: Request) -> tuple[Plan, Estimate]:
    """Open the inputs, check all that can be checked, try one tile, and say what would be done.

    Raises:
        GroklstError: If the request cannot be carried out; nothing has been written.
    """
    _check_targets(request)
    with gdal_environment(), threads(request.jobs) as machine, open_scene(request) as scene:
        plan = plan_of(request, scene)
        return plan, estimate(request, plan, scene, machine)


def downscale(
    request: Request,
    *,
    note: Callable[[str], None] = lambda text: None,
    progress: Progress = lambda done, total: None,
) -> Result:
    """Carry out a request.

    Args:
        request: What to do.
        note: Told, for people, what was chosen and what is worth knowing.
        progress: Told how far it is.

    Raises:
        GroklstError: If it fails; nothing is left under an output's name. Rows that were finished
            before a failure that a second try may mend are kept for ``resume``.
    """
    began = time.monotonic()
    _check_targets(request)
    with gdal_environment(), threads(request.jobs) as machine, open_scene(request) as scene:
        plan = plan_of(request, scene)
        for line in _explain(plan):
            note(line)
        shifts = coregister(scene, request.coregister, note)
        facts = facts_of(request, plan, scene, shifts)
        job = Job(request.output, facts, resume=request.resume, overwrite=request.overwrite)
        done = _earlier_result(request, job)
        if done is not None:
            note(f"{request.output} was finished by an earlier run")
            return Result(request.output, plan, shifts, 0, time.monotonic() - began, done)
        with job:
            method = prepare(
                plan.choice,
                scene,
                psf=request.psf,
                device=request.devices[0],
                precision=request.precision,
                note=note,
            )
            if not plan.choice.is_fitted:
                keep_freed_memory()
            request = _with_batch(request, plan, scene, method, job, note)
            work = Work(request, shifts, method if plan.choice.is_fitted else None, machine)
            with open_cluster(request, note) as cluster:
                layout = layout_of(plan, request, scene, method)
                at_once = share_processor(method, layout.count, own=machine, machine=machine)
                run = Run(
                    request,
                    plan,
                    scene,
                    method,
                    layout,
                    job,
                    at_once,
                    cluster,
                    work,
                    progress,
                    note,
                )
                with memory_errors():
                    mean = run.write(_tags(plan, scene, shifts) | {_JOB_TAG: job.digest})
    if request.picture is not None:
        before_and_after(request.lst, request.output, request.picture)
    mean = mean - CELSIUS_ZERO if plan.units == "C" else mean
    return Result(request.output, plan, shifts, run.tiles, time.monotonic() - began, mean)


def _with_batch(
    request: Request,
    plan: Plan,
    scene: Scene,
    method: Method,
    job: Job,
    note: Callable[[str], None],
) -> Request:
    """Settle how many tiles a batch has; a run that is gone on with keeps what it had."""
    if request.batch != "auto":
        return request
    layout = layout_of(plan, request, scene, method, batch=1)
    channels = len(scene.bands) if reads_guide(method) else 0
    batch = job.recall("batch", lambda: fitting_batch(method, layout, channels, note))
    return replace(request, batch=batch)


def _check_targets(request: Request) -> None:
    for target in request.targets:
        check_target(target, overwrite=request.overwrite or request.resume)
    if len(set(request.targets)) < len(request.targets):
        raise UsageError(f"{request.output} is named for two outputs; give each its own name")


def _earlier_result(request: Request, job: Job) -> float | None:
    """Tell the mean of a result that this very request has made before, kelvin; else None.

    Raises:
        OutputExistsError: If the output is another's, and may not be replaced.
    """
    if not request.resume or not request.output.exists():
        return None
    try:
        with rasterio.open(request.output) as found:
            tags = found.tags()
    except RasterioError:
        tags = {}
    whole = tags.get(STATUS_TAG) == "complete" and tags.get(_JOB_TAG) == job.digest
    if not whole:
        check_target(request.output, overwrite=request.overwrite)
        return None
    others = [path for path in request.targets if not path.exists()]
    return None if others or job.folder.exists() else float("nan")


def _tags(plan: Plan, scene: Scene, shifts: Mapping[str, tuple[float, float]]) -> dict[str, str]:
    moved = [f"{Path(path).name} {x:+.2f},{y:+.2f}" for path, (x, y) in shifts.items()]
    return {
        "GROKLST_VERSION": __version__,
        "GROKLST_METHOD": plan.choice.tag,
        "GROKLST_SCALE": str(scene.scale),
        "GROKLST_LST": Path(scene.lst.path).name,
        "GROKLST_GUIDES": ", ".join(Path(guide.path).name for guide in scene.guides),
        "GROKLST_BANDS": ", ".join(scene.bands),
        "GROKLST_SHIFTS": "; ".join(moved),
        "GROKLST_CONSERVE": "yes" if plan.conserve else "no",
        "units": "kelvin" if plan.units == "K" else "celsius",
    }


def _explain(plan: Plan) -> list[str]:
    lines = [f"method {plan.choice.name}: {plan.choice.reason}"]
    if plan.units_from == "values":
        lines.append(f"unit {plan.units}: from the range of values; --lst-units says otherwise")
    lines += [f"guide {path}: {method}" for path, method in plan.resampling.items()]
    lines.append(
        f"output {plan.grid.height} × {plan.grid.width} pixels, "
        f"{plan.grid.pixel_size[0]:g} × {plan.grid.pixel_size[1]:g} CRS units"
    )
    return lines
