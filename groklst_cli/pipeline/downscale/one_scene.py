"""Downscaling one scene, from files to a file.

All checks are here, before torch is imported; ``making`` does the rest.
"""

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from groklst_cli.geo.environment import gdal_environment, processors
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.scene import Scene
from groklst_cli.loading import uncollected
from groklst_cli.pipeline.downscale.inputs import Inputs
from groklst_cli.pipeline.downscale.memory import check_memory
from groklst_cli.pipeline.downscale.outputs import check_targets, spare_inputs
from groklst_cli.pipeline.downscale.request import Request, Result
from groklst_cli.pipeline.downscale.target import find_scale, target_of, toward
from groklst_cli.pipeline.predict.choice import check_model
from groklst_cli.pipeline.predict.default_scale import FoundScale
from groklst_cli.pipeline.predict.listeners import Note, Progress, silent, unwatched
from groklst_cli.pipeline.predict.memory_errors import memory_errors
from groklst_cli.pipeline.predict.opening import open_scene
from groklst_cli.pipeline.predict.plan import Plan
from groklst_cli.pipeline.predict.planned import Planned

if TYPE_CHECKING:
    from groklst_cli.pipeline.predict.estimate import Estimate

_ALWAYS_THERE: Final = ("auto", "cpu")


def plan_downscale(request: Request) -> tuple[Plan, "Estimate"]:
    """Open the inputs, check everything, time one tile, and return the plan.

    Raises:
        GroklstError: If the request cannot be run; nothing has been written.
    """
    _check(request)
    with memory_errors(), gdal_environment(online=request.online):
        request, found, target = _settled(request)
        check_memory(request, Inputs.of(request), target)
        with open_scene(request, request.lst, request.guides, masks=request.masks) as scene:
            planned = _planned(request, scene, found, target)
            with uncollected():
                from groklst_cli.pipeline.downscale.making import tried

            return tried(request, planned)


def downscale(
    request: Request,
    *,
    own: int | None = None,
    note: Note = silent,
    progress: Progress = unwatched,
) -> Result:
    """Run a request.

    Args:
        request: What to do.
        own: Threads of this run if others run at the same time; None for all that the request asks
            for. The pixels are the same.
        note: Called with messages about what was chosen.
        progress: Called with the progress.

    Raises:
        GroklstError: If it fails; nothing is left under an output's name. After a failure that a
            second try may repair, finished rows are kept for ``resume``.
    """
    began = time.monotonic()
    _check(request)
    with ExitStack() as held:
        held.enter_context(memory_errors())
        computing = own or request.jobs or processors()
        held.enter_context(gdal_environment(online=request.online, threads=computing))
        request, found, target = _settled(request)
        inputs = Inputs.of(request)
        spare_inputs(request, [*inputs.named, *inputs.beside])
        check_memory(request, inputs, target)
        held.enter_context(inputs.watched())
        scene = held.enter_context(
            open_scene(request, request.lst, request.guides, masks=request.masks)
        )
        planned = _planned(request, scene, found, target)
        said: list[str] = []

        def tell(text: str) -> None:
            said.append(text)
            note(text)

        for line in (*planned.explain(), *_output_lines(planned.plan)):
            tell(line)
        with uncollected():
            from groklst_cli.pipeline.downscale.making import make

        return make(
            request,
            inputs,
            planned,
            own=own,
            began=began,
            said=said,
            note=tell,
            progress=progress,
        )


def _check(request: Request) -> None:
    """Run the checks that need no open file, the method first."""
    check_model(request.model)
    check_targets(request)
    for device in () if request.scheduler is not None else request.devices:
        if device not in _ALWAYS_THERE:
            from groklst_cli.pipeline.predict.devices import find_device

            find_device(device)


def _settled(request: Request) -> tuple[Request, FoundScale, Grid | None]:
    """Find the scale for the request's files, and the target grid."""
    found = find_scale(request)
    return replace(request, scale=found.value), found, target_of(request)


def _planned(request: Request, scene: Scene, found: FoundScale, target: Grid | None) -> Planned:
    planned = Planned.of(request, scene, found)
    plan = toward(planned.plan, scene.coarse, target, request)
    return replace(planned, plan=plan).with_coverage()


def _output_lines(plan: Plan) -> list[str]:
    """Describe in words how files are read and what is written."""
    lines = []
    if plan.units_from == "values":
        lines.append(
            f"unit {plan.units}: guessed from the range of values; set --lst-units if this is wrong"
        )
    lines += [f"guide {path}: {method}" for path, method in plan.resampling.items()]
    lines.append(
        f"output {plan.output.height} × {plan.output.width} pixels, "
        f"{plan.output.pixel_size[0]:g} × {plan.output.pixel_size[1]:g} CRS units"
    )
    return lines
