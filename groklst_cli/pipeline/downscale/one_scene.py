"""Downscaling one scene, from files to a file."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from groklst_cli import __version__
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.pixel_hash import JOB_TAG
from groklst_cli.geo.scene import COVERED, Scene
from groklst_cli.geo.units import CELSIUS_ZERO
from groklst_cli.pipeline.downscale.cluster import Work, open_cluster
from groklst_cli.pipeline.downscale.existing import is_finished
from groklst_cli.pipeline.downscale.facts import facts_of
from groklst_cli.pipeline.downscale.inputs import Inputs
from groklst_cli.pipeline.downscale.job import Job
from groklst_cli.pipeline.downscale.memory import check_memory
from groklst_cli.pipeline.downscale.outputs import check_targets, spare_inputs
from groklst_cli.pipeline.downscale.request import Plan, Progress, Request, Result
from groklst_cli.pipeline.downscale.run import Run
from groklst_cli.pipeline.predict.coregister import coregister
from groklst_cli.pipeline.predict.default_scale import FoundScale, finer_than_guides, settle_scale
from groklst_cli.pipeline.predict.estimate import Estimate, estimate, fitting_batch
from groklst_cli.pipeline.predict.plan import layout_of, open_scene, plan_of
from groklst_cli.pipeline.predict.ready import (
    check_model,
    find_device,
    memory_errors,
    prepare,
    reads_guide,
    share_processor,
)
from groklst_models.acceleration import keep_freed_memory
from groklst_models.contract import Method
from groklst_models.threads import threads

__all__ = ["Plan", "Progress", "Request", "Result", "downscale", "plan_downscale"]


def plan_downscale(request: Request) -> tuple[Plan, Estimate]:
    """Open the inputs, check all that can be checked, try one tile, and say what would be done.

    Raises:
        GroklstError: If the request cannot be carried out; nothing has been written.
    """
    _check(request)
    with memory_errors(), gdal_environment(online=request.online), threads(request.jobs) as machine:
        request, scale = settle_scale(request)
        check_memory(request, Inputs.of(request))
        with open_scene(request) as scene:
            plan = replace(plan_of(request, scene, scale.source), coverage=scene.coverage)
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
    _check(request)
    with ExitStack() as held:
        held.enter_context(memory_errors())
        held.enter_context(gdal_environment(online=request.online))
        machine = held.enter_context(threads(request.jobs))
        request, scale = settle_scale(request)
        inputs = Inputs.of(request)
        spare_inputs(request, [*inputs.named, *inputs.beside])
        check_memory(request, inputs)
        held.enter_context(inputs.watched())
        scene = held.enter_context(open_scene(request))
        plan = replace(plan_of(request, scene, scale.source), coverage=scene.coverage)
        for line in (*_explain(plan, scene, scale), *scene.doubts):
            note(line)
        shifts = coregister(scene, request.coregister, note)
        facts = facts_of(request, plan, shifts, inputs)
        job = Job(
            request.output,
            facts,
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
            fitted = method if plan.choice.is_fitted else None
            contents = inputs.contents() if request.shares_work else {}
            work = Work(request, shifts, contents, fitted, machine)
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
                    inputs,
                    progress,
                    note,
                )
                mean = run.write(_tags(plan, scene, shifts) | {JOB_TAG: job.digest})
    mean = mean - CELSIUS_ZERO if plan.units == "C" else mean
    return Result(request.output, plan, shifts, run.tiles, time.monotonic() - began, mean)


def _check(request: Request) -> None:
    """Refuse what needs no file to be opened for it: the method first, for it is what one typed."""
    check_model(request.model)
    check_targets(request)
    for device in request.devices:
        find_device(device)


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


def _explain(plan: Plan, scene: Scene, scale: FoundScale) -> list[str]:
    lines = [f"method {plan.choice.name}: {plan.choice.reason}"]
    if scale.reason:
        lines.append(f"scale {scale.value}: {scale.reason}")
    if plan.units_from == "values":
        lines.append(f"unit {plan.units}: from the range of values; --lst-units says otherwise")
    lines += [f"guide {path}: {method}" for path, method in plan.resampling.items()]
    lines += [
        f"guide {path} covers {share:.1%} of the LST; where it does not, less detail is known"
        for path, share in plan.coverage.items()
        if share < COVERED
    ]
    lines.append(
        f"output {plan.grid.height} × {plan.grid.width} pixels, "
        f"{plan.grid.pixel_size[0]:g} × {plan.grid.pixel_size[1]:g} CRS units"
    )
    return lines + finer_than_guides(scene)
