"""Downscaling one scene, from files to a file."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from groklst_cli import __version__
from groklst_cli.errors import UsageError
from groklst_cli.geo.align import gdal_environment
from groklst_cli.geo.raster import CELSIUS_ZERO, Units
from groklst_cli.geo.scene import Scene
from groklst_cli.geo.writer import STATUS_TAG, OutputFormat, ResultFile, check_target
from groklst_cli.pipeline.ahead import ahead
from groklst_cli.pipeline.cluster import Cluster, Work, open_cluster
from groklst_cli.pipeline.coregister import coregister
from groklst_cli.pipeline.estimate import Estimate, estimate, fitting_batch
from groklst_cli.pipeline.job import Job, Parts
from groklst_cli.pipeline.methods import memory_errors, prepare, reads_guide, share_processor
from groklst_cli.pipeline.picture import before_and_after
from groklst_cli.pipeline.plan import conservation_of, facts_of, layout_of, open_scene, plan_of
from groklst_cli.pipeline.request import Plan, Progress, Request, Result
from groklst_cli.pipeline.strips import finished_rows, surroundings
from groklst_cli.pipeline.tile_rows import Fine, Layout, Strip, predict_tile_rows
from groklst_cli.pipeline.uncertainty import Evidence, uncertainty_rows
from groklst_models.contract import Method
from groklst_models.threads import threads
from groklst_models.turns import TurnSpread

__all__ = ["Plan", "Progress", "Request", "Result", "downscale", "plan_downscale"]

_JOB_TAG: Final = "GROKLST_JOB"
_WORTH_SAYING: Final = 10.0  # seconds


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
            request = _with_batch(request, plan, scene, method, job, note)
            work = Work(request, shifts, method if plan.choice.is_fitted else None, machine)
            with open_cluster(request, note) as cluster:
                layout = layout_of(plan, request, scene, method)
                at_once = share_processor(method, layout.count, own=machine, machine=machine)
                run = _Run(
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


@dataclass
class _Run:
    """A run that is under way."""

    request: Request
    plan: Plan
    scene: Scene
    method: Method
    layout: Layout
    job: Job
    at_once: int
    cluster: Cluster | None
    work: Work
    progress: Progress
    note: Callable[[str], None]
    tiles: int = 0

    def write(self, tags: Mapping[str, str]) -> float:
        """Write all outputs; return the mean of the result, kelvin."""
        request, plan = self.request, self.plan
        kept = conservation_of(request) if plan.conserve else None
        needed = surroundings(plan.strip, self.scene, kept)
        evidence = Evidence(plan.strip)
        with ExitStack() as held:
            rows = finished_rows(
                self.scene,
                self.layout,
                plan.strip,
                self._tile_rows("lst", self.method, needed),
                conservation=kept,
                on_residual=evidence.add_residual,
            )
            finished = held.enter_context(ahead(rows))
            form = self._form(plan.units, tags)
            result = held.enter_context(self._file(request.output, form))
            mean = _write(result, plan, finished)
        if request.uncertainty is not None:
            self._write_uncertainty(request.uncertainty, evidence)
        return mean

    def _write_uncertainty(self, path: Path, evidence: Evidence) -> None:
        plan, factor = self.plan, self.plan.choice.spread_factor
        tags = {
            "GROKLST_QUANTITY": "standard deviation of the LST",
            "GROKLST_FROM": "coarse residuals" if factor is None else "flips and turns",
        }
        if factor is None:
            rows = uncertainty_rows(self.request, plan, self.scene, evidence)
        else:
            turned = self._tile_rows("deviation", TurnSpread(self.method, factor), plan.strip)
            rows = finished_rows(self.scene, self.layout, plan.strip, turned, conservation=None)
        form = self._form("K", tags)
        with ahead(rows) as finished, self._file(path, form) as result:
            _write(result, plan, finished)

    def _form(self, units: Units, tags: Mapping[str, str]) -> OutputFormat:
        threads = {"NUM_THREADS": str(self.request.jobs)} if self.request.jobs else {}
        creation = {**threads, **self.request.creation}
        return OutputFormat(units, self.request.nodata, creation, tags)

    def _file(self, path: Path, form: OutputFormat) -> ResultFile:
        overwrite = self.request.overwrite or self.request.resume
        return ResultFile(path, self.plan.grid, form, overwrite=overwrite, folder=self.job.folder)

    def _tile_rows(self, name: str, method: Method, needed: Strip) -> Iterator[tuple[int, Fine]]:
        """Bring all rows of tiles in order: those that are kept from the disk, others made now."""
        parts, groups = self.job.parts(name), self.layout.groups_of(needed)
        missing = [group for group in groups if not all(map(parts.done, group))]
        across = len(self.layout.columns_of(needed))
        total = across * sum(map(len, groups))
        done = total - across * sum(map(len, missing))

        began, made_here = time.monotonic(), 0
        self.note(_amount(total, done, self.plan))

        def count(tiles: int) -> None:
            nonlocal done, made_here
            if tiles and not made_here:
                lanes = self.at_once * max(1, self.request.processes)
                left = (time.monotonic() - began) * (total - done - tiles) / (tiles * lanes)
                if left > _WORTH_SAYING:
                    self.note(f"about {_duration(left)} left")
            done, made_here = done + tiles, made_here + tiles
            self.tiles += tiles
            self.progress(done, total)

        count(0)
        if self.cluster is not None:
            made = self.cluster.predict(self.work, name, self.job.folder, needed, missing, count)
        else:
            made = _saved(
                predict_tile_rows(
                    self.scene,
                    method,
                    self.layout,
                    needed,
                    missing,
                    reads_guide=reads_guide(method),
                    at_once=self.at_once,
                    on_tiles=count,
                ),
                parts,
            )
        wanted = {row for group in missing for row in group}
        for row in (row for group in groups for row in group):
            yield next(made) if row in wanted else (row, parts.load(row))


def _amount(total: int, done: int, plan: Plan) -> str:
    kept = f", {done} of them from an earlier run" if done else ""
    return f"{total} tiles of {plan.tile} × {plan.tile} fine pixels{kept}"


def _duration(seconds: float) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds:.0f} s"


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


def _saved(rows: Iterator[tuple[int, Fine]], parts: Parts) -> Iterator[tuple[int, Fine]]:
    """Keep each row on disk as it passes, while the next one is made."""
    with ahead(rows, depth=1) as made:
        for row, fine in made:
            parts.save(row, fine)
            yield row, fine


def _write(
    result: ResultFile, plan: Plan, rows: Iterator[tuple[int, NDArray[np.float32]]]
) -> float:
    """Write finished rows and return the mean of their valid pixels."""
    value, pixels = 0.0, 0
    for first, fine in rows:
        result.write((first - plan.strip.rows.start) * plan.scale, fine)
        valid = np.isfinite(fine)
        value += float(fine.sum(where=valid, dtype=np.float64))
        pixels += int(valid.sum())
    return value / pixels if pixels else float("nan")


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
