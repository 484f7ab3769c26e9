"""A run of ``downscale``: rows of tiles in, finished files out."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from groklst_cli.geo.pixel_hash import JOB_TAG
from groklst_cli.geo.targets import Finished
from groklst_cli.geo.unit_names import Units
from groklst_cli.geo.writer import OutputFormat, ResultFile
from groklst_cli.pipeline.downscale.cluster import Cluster, Task
from groklst_cli.pipeline.downscale.inputs import Inputs
from groklst_cli.pipeline.downscale.job import Job, Parts
from groklst_cli.pipeline.downscale.picture import draw
from groklst_cli.pipeline.downscale.regrid import Regridded
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.downscale.uncertainty import uncertainty_rows
from groklst_cli.pipeline.downscale.watched import Watched
from groklst_cli.pipeline.predict.deviation import Evidence
from groklst_cli.pipeline.predict.layout import Strip
from groklst_cli.pipeline.predict.listeners import Note, Progress
from groklst_cli.pipeline.predict.plan import Plan
from groklst_cli.pipeline.predict.prefetch import ahead
from groklst_cli.pipeline.predict.ready import Ready
from groklst_cli.pipeline.predict.strips import OnResidual
from groklst_cli.pipeline.predict.tile_rows import Fine
from groklst_models.contract import Method
from groklst_models.freed_memory import return_freed_memory

_WORTH_SAYING: Final = 10.0  # seconds


@dataclass
class Run:
    """A run in progress.

    Attributes:
        request: What was asked for.
        ready: The scene and the method, ready to predict.
        job: The store of finished rows.
        inputs: Its files as they were before they were opened.
        cluster: The workers that predict instead of this process, or None.
        task: What the workers need.
        progress: Called with the progress.
        note: Called with messages.
        tiles: Predicted so far, without those of an earlier run.
        coarse_means: How far they are off on another grid than the LST's own, once it is written.
        watched: What pictures and pages show of it, if there are to be any.
    """

    request: Request
    ready: Ready
    job: Job
    inputs: Inputs
    cluster: Cluster | None
    task: Task
    progress: Progress
    note: Note
    tiles: int = 0
    coarse_means: dict[str, Any] | None = None
    watched: Watched | None = None

    def write(self, tags: Mapping[str, str], provenance: Mapping[str, str]) -> float:
        """Write all outputs; return the mean of the result, kelvin.

        Args:
            tags: Of the result.
            provenance: Tags of all files.
        """
        request, plan = self.request, self.ready.plan
        evidence = None if request.uncertainty is None else Evidence(plan.strip)
        shows = request.picture is not None or request.page is not None
        watched = self.watched = Watched(plan, self.ready.scene) if shows else None
        with ExitStack() as files:
            rows = self.ready.finished(
                self._tile_rows("lst", self.ready.method, self.ready.needed()),
                on_residual=_heard(evidence, watched),
                cutting=plan.target is None,
            )
            form = self._form(plan.units, {**tags, **provenance})
            result = self._file(request.output, form)
            files.enter_context(result)
            with ahead(rows, depth=1) as finished:
                mean = _write(result, plan, watched.rows(finished) if watched else finished)
                self.inputs.check()
                return_freed_memory()  # the writer of the file makes its own folder
                made = [result.finish()]
            fine = made[0].made
            if isinstance(result, Regridded):
                mean = result.mean
                means = result.coarse_means(fine)
                self.note(str(means))
                self.coarse_means, fine = means.to_json(), result.native
            if request.uncertainty is not None and evidence is not None:
                deviation = self._deviation_file(request.uncertainty, provenance)
                files.enter_context(deviation)
                self._write_uncertainty(deviation, fine, evidence)
                made.append(deviation.finish())
            if request.picture is not None and watched is not None:
                made.append(self._draw(request.picture, watched, [file.made for file in made]))
            for file in made:  # all or none
                file.check()
            for file in made:
                file.place()
        return mean

    def _deviation_file(self, path: Path, provenance: Mapping[str, str]) -> ResultFile | Regridded:
        spread = self.ready.spread
        tags = {
            JOB_TAG: self.job.digest_of(path),
            "GROKLST_QUANTITY": "standard deviation of the LST",
            "GROKLST_FROM": spread.answers.source if spread else "edges and coarse residuals",
            **provenance,
        }
        return self._file(path, self._form("K", tags))

    def _write_uncertainty(
        self, file: ResultFile | Regridded, fine: Path, evidence: Evidence
    ) -> None:
        ready, plan = self.ready, self.ready.plan
        spread = ready.spread
        if spread is None:
            cutting = plan.target is None
            rows = uncertainty_rows(fine, plan, ready.scene, evidence, cutting=cutting)
        else:
            deviations = self._tile_rows("deviation", spread.of(ready.method), plan.strip)
            rows = ready.finished(deviations, conserving=False, cutting=plan.target is None)
        with ahead(rows) as finished:
            _write(file, plan, finished)
            self.inputs.check()

    def _draw(self, picture: Path, watched: Watched, made: Sequence[Path]) -> Finished:
        drawing = self.job.workplace(picture) / picture.name
        sigma = made[1] if len(made) > 1 else None
        draw(self.ready.plan, watched, made[0], sigma, drawing)
        return Finished(drawing, picture, self._may_replace)

    def _form(self, units: Units, tags: Mapping[str, str]) -> OutputFormat:
        threads = {"NUM_THREADS": str(self.request.jobs)} if self.request.jobs else {}
        creation = {**threads, **self.request.creation}
        return OutputFormat(units, self.request.dst_nodata, creation, tags)

    def _file(self, path: Path, form: OutputFormat) -> ResultFile | Regridded:
        plan, folder = self.ready.plan, self.job.workplace(path)
        file = ResultFile(
            path,
            plan.output,
            form,
            overwrite=self._may_replace,
            folder=folder,
            named=self.request.naming_of(path),
        )
        return file if plan.target is None else Regridded(file, plan, self.ready.scene, folder)

    @property
    def _may_replace(self) -> bool:
        return self.request.overwrite or self.request.resume

    def _tile_rows(self, name: str, method: Method, needed: Strip) -> Iterator[tuple[int, Fine]]:
        """Yield all rows of tiles in order: stored ones from the disk, the others predicted now."""
        layout, scale = self.ready.layout, self.ready.plan.scale
        parts, groups = self.job.parts(name), layout.groups_of(needed)
        missing = [
            group
            for group in groups
            if not all(parts.done(row, layout.row_shape(row, needed, scale)) for row in group)
        ]
        across = len(layout.columns_of(needed))
        total = across * sum(map(len, groups))
        done = total - across * sum(map(len, missing))

        began, made_here = time.monotonic(), 0
        self.note(_amount(total, done, self.ready.plan))

        def count(tiles: int) -> None:
            nonlocal done, made_here
            if tiles and not made_here:
                lanes = self.ready.lanes(self.request.processes)
                left = (time.monotonic() - began) * (total - done - tiles) / (tiles * lanes)
                if left > _WORTH_SAYING:
                    self.note(f"about {_duration(left)} left")
            done, made_here = done + tiles, made_here + tiles
            self.tiles += tiles
            self.progress(done, total)

        count(0)
        if self.cluster is not None:
            made = self.cluster.predict(self.task, name, self.job.folder, needed, missing, count)
        else:
            rows = self.ready.tile_rows(needed, missing, method=method, on_tiles=count)
            made = _saved(rows, parts, self.inputs)
        wanted = {row for group in missing for row in group}
        for row in (row for group in groups for row in group):
            yield next(made) if row in wanted else (row, parts.load(row))


def _heard(*listeners: Evidence | Watched | None) -> OnResidual:
    """Pass a residual to all listeners."""

    def tell(rows: slice, columns: slice, values: NDArray[np.float64]) -> None:
        for listener in listeners:
            if listener is not None:
                listener.add_residual(rows, columns, values)

    return tell


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
    """Store each row on disk while the next one is predicted."""
    with ahead(rows, depth=1) as made:
        for row, fine in made:
            inputs.check()
            parts.save(row, fine)
            yield row, fine


def _write(
    result: ResultFile | Regridded, plan: Plan, rows: Iterator[tuple[int, NDArray[np.float32]]]
) -> float:
    """Write finished rows and return the mean of their valid pixels."""
    value, pixels = 0.0, 0
    for first, fine in rows:
        result.write((first - plan.strip.rows.start) * plan.scale, fine)
        valid = np.isfinite(fine)
        count = int(np.count_nonzero(valid))
        known = fine if count == fine.size else fine[valid]
        value, pixels = value + float(known.sum(dtype=np.float64)), pixels + count
    return value / pixels if pixels else float("nan")
