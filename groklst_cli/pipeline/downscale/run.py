"""A run of ``downscale`` under way: rows of tiles in, finished files out."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groklst_cli.geo.pixel_hash import JOB_TAG
from groklst_cli.geo.scene import Scene
from groklst_cli.geo.targets import Finished
from groklst_cli.geo.units import Units
from groklst_cli.geo.writer import OutputFormat, ResultFile
from groklst_cli.pipeline.downscale.cluster import Cluster, Work
from groklst_cli.pipeline.downscale.inputs import Inputs
from groklst_cli.pipeline.downscale.job import Job, Parts
from groklst_cli.pipeline.downscale.picture import before_and_after
from groklst_cli.pipeline.downscale.request import Plan, Progress, Request
from groklst_cli.pipeline.downscale.uncertainty import Evidence, uncertainty_rows
from groklst_cli.pipeline.predict.plan import conservation_of
from groklst_cli.pipeline.predict.prefetch import ahead
from groklst_cli.pipeline.predict.ready import reads_guide
from groklst_cli.pipeline.predict.strips import finished_rows, nobody, surroundings
from groklst_cli.pipeline.predict.tile_rows import Fine, Layout, Strip, predict_tile_rows
from groklst_models.acceleration import return_freed_memory
from groklst_models.contract import Method
from groklst_models.turns import TurnSpread

_WORTH_SAYING: Final = 10.0  # seconds


@dataclass
class Run:
    """A run that is under way.

    Attributes:
        request: What was asked for, with its batch settled.
        plan: What it comes to.
        scene: Its files, open.
        method: Ready to predict.
        layout: The scene's tiles.
        job: Where finished rows are kept.
        at_once: Batches that this process predicts at the same time.
        cluster: Who predicts instead of this process, or None.
        work: What they need to know.
        inputs: Its files as they were before they were opened.
        progress: Told how far it is.
        note: Told what is worth knowing.
        tiles: Predicted so far, without those of an earlier run.
    """

    request: Request
    plan: Plan
    scene: Scene
    method: Method
    layout: Layout
    job: Job
    at_once: int
    cluster: Cluster | None
    work: Work
    inputs: Inputs
    progress: Progress
    note: Callable[[str], None]
    tiles: int = 0

    def write(self, tags: Mapping[str, str]) -> float:
        """Write all outputs; return the mean of the result, kelvin."""
        request, plan = self.request, self.plan
        kept = conservation_of(request) if plan.conserve else None
        needed = surroundings(plan.strip, self.scene, kept)
        evidence = None if request.uncertainty is None else Evidence(plan.strip)
        with ExitStack() as files:
            rows = finished_rows(
                self.scene,
                self.layout,
                plan.strip,
                self._tile_rows("lst", self.method, needed),
                conservation=kept,
                on_residual=evidence.add_residual if evidence else nobody,
            )
            form = self._form(plan.units, tags)
            result = files.enter_context(self._file(request.output, form))
            with ahead(rows, depth=1) as finished:
                mean = _write(result, plan, finished)
                self.inputs.check()
                return_freed_memory()  # what now makes the file takes its own
                made = [result.finish()]
            fine = made[0].made
            if request.uncertainty is not None and evidence is not None:
                deviation = files.enter_context(self._deviation_file(request.uncertainty))
                self._write_uncertainty(deviation, fine, evidence)
                made.append(deviation.finish())
            if request.picture is not None:
                made.append(self._draw(request.picture, fine))
            for file in made:  # all or none
                file.check()
            for file in made:
                file.place()
        return mean

    def _deviation_file(self, path: Path) -> ResultFile:
        turns = self.plan.choice.spread_factor is not None
        tags = {
            JOB_TAG: self.job.digest_of(path),
            "GROKLST_QUANTITY": "standard deviation of the LST",
            "GROKLST_FROM": "flips and turns" if turns else "coarse residuals",
        }
        return self._file(path, self._form("K", tags))

    def _write_uncertainty(self, file: ResultFile, fine: Path, evidence: Evidence) -> None:
        plan, factor = self.plan, self.plan.choice.spread_factor
        if factor is None:
            rows = uncertainty_rows(fine, plan, self.scene, evidence)
        else:
            turned = self._tile_rows("deviation", TurnSpread(self.method, factor), plan.strip)
            rows = finished_rows(self.scene, self.layout, plan.strip, turned, conservation=None)
        with ahead(rows) as finished:
            _write(file, plan, finished)
            self.inputs.check()

    def _draw(self, picture: Path, fine: Path) -> Finished:
        drawing = self.job.workplace(picture) / picture.name
        before_and_after(self.request.lst, fine, drawing)
        return Finished(drawing, picture, self._may_replace)

    def _form(self, units: Units, tags: Mapping[str, str]) -> OutputFormat:
        threads = {"NUM_THREADS": str(self.request.jobs)} if self.request.jobs else {}
        creation = {**threads, **self.request.creation}
        return OutputFormat(units, self.request.nodata, creation, tags)

    def _file(self, path: Path, form: OutputFormat) -> ResultFile:
        return ResultFile(
            path,
            self.plan.grid,
            form,
            overwrite=self._may_replace,
            folder=self.job.workplace(path),
            named=self.request.naming_of(path),
        )

    @property
    def _may_replace(self) -> bool:
        return self.request.overwrite or self.request.resume

    def _tile_rows(self, name: str, method: Method, needed: Strip) -> Iterator[tuple[int, Fine]]:
        """Bring all rows of tiles in order: those that are kept from the disk, others made now."""
        parts, groups = self.job.parts(name), self.layout.groups_of(needed)
        missing = [
            group
            for group in groups
            if not all(
                parts.done(row, self.layout.row_shape(row, needed, self.scene.scale))
                for row in group
            )
        ]
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
                self.inputs,
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


def _saved(
    rows: Iterator[tuple[int, Fine]], parts: Parts, inputs: Inputs
) -> Iterator[tuple[int, Fine]]:
    """Keep each row on disk as it passes, while the next one is made."""
    with ahead(rows, depth=1) as made:
        for row, fine in made:
            inputs.check()
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
