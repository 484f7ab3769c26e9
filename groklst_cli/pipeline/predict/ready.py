"""The one sequence: choose, plan, align, fit or load, lay out, share the processor, predict.

Files, arrays, Dask, the cluster's workers, estimates and evaluation all use it: a scene that is
``Planned`` becomes ``Ready``, and the part that another process needs is its ``Work``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from groklst_cli.geo.noise import Belief
from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.predict.batch import fitting_batch, untried_batch
from groklst_cli.pipeline.predict.belief import find_belief
from groklst_cli.pipeline.predict.devices import device_to_plan_on
from groklst_cli.pipeline.predict.layout import Layout, Strip
from groklst_cli.pipeline.predict.listeners import Note
from groklst_cli.pipeline.predict.method import (
    device_of_fitted,
    fit_or_load,
    share_processor,
    stated,
)
from groklst_cli.pipeline.predict.plan import Plan
from groklst_cli.pipeline.predict.planned import Planned, Recall
from groklst_cli.pipeline.predict.reading import Shift
from groklst_cli.pipeline.predict.settings import Settings
from groklst_cli.pipeline.predict.strips import OnResidual, finished_rows, nobody, surroundings
from groklst_cli.pipeline.predict.tile_rows import Fine, predict_tile_rows
from groklst_models.answer_spread import MeasuredSpread
from groklst_models.contract import Method
from groklst_models.on_device import on_device
from groklst_models.registry import find


@dataclass(frozen=True, eq=False)
class Work:
    """Everything except the scene that another process needs to predict the same rows.

    Attributes:
        settings: The settings, with a known scale.
        plan: The plan.
        layout: The tile lattice of the whole scene.
        shifts: The shift that was found for each guide, in order; empty if the method does not use
            guides.
        fitted: The method, if it was fitted; a network is loaded by each process.
        uses_guide: Whether the method uses guidance.
        threads: Threads of a process that runs alone.
    """

    settings: Settings
    plan: Plan
    layout: Layout
    shifts: tuple[Shift | None, ...]
    fitted: Method | None
    uses_guide: bool
    threads: int

    def ready(
        self, scene: Scene, *, own: int, method: Method | None = None, device: str | None = None
    ) -> "Ready":
        """Predict on a scene whose guides are registered.

        Args:
            scene: The same scene, or a part of it in the frame of the whole.
            own: Threads of this process.
            method: The network, if this process has already loaded it.
            device: Where to load the network or run the fitted method; the settings' first if None.
        """
        name = device or self.settings.devices[0]
        if self.fitted is not None:
            made = on_device(self.fitted, device_of_fitted(self.plan.choice.name, name))
        else:
            made = method or fit_or_load(self.plan.choice, scene, self.settings, device=name)
        at_once = share_processor(made, self.layout.count, own=own, machine=self.threads)
        return Ready(self, scene, made, at_once)


@dataclass(frozen=True, eq=False)
class Ready:
    """A scene and a method that are ready to predict.

    Attributes:
        work: The work.
        scene: The open scene, with registered guides.
        method: Fitted or loaded.
        at_once: Batches that this process predicts at the same time.
    """

    work: Work
    scene: Scene
    method: Method
    at_once: int

    @property
    def plan(self) -> Plan:
        """The plan."""
        return self.work.plan

    @property
    def layout(self) -> Layout:
        """The tile lattice of the whole scene."""
        return self.work.layout

    @property
    def spread(self) -> MeasuredSpread | None:
        """The answers whose spread is the standard deviation, if that was measured."""
        choice = self.plan.choice
        if choice.header is None:
            return None
        return MeasuredSpread.read(choice.header.scores, find(choice.name).load())

    def lanes(self, processes: int) -> int:
        """Return how many batches some processes compute at the same time; 0 means this one.

        A GPU computes one batch after the other, for all processes.
        """
        shared = max(1, processes)
        if self.method.device.type == "cpu":
            return self.at_once * shared
        return min(shared, len(self.work.settings.devices))

    def with_batch(self, batch: int) -> Self:
        """Predict with another batch size."""
        layout = replace(self.layout, batch=batch)
        return replace(self, work=replace(self.work, layout=layout))

    def needed(self) -> Strip:
        """Return what has to be predicted for the plan's strip."""
        return surroundings(self.plan.strip, self.scene, self.plan.conservation)

    def tile_rows(
        self,
        needed: Strip,
        groups: Sequence[range],
        *,
        method: Method | None = None,
        on_tiles: Callable[[int], None] = lambda count: None,
    ) -> Iterator[tuple[int, Fine]]:
        """Predict groups of rows of tiles, with another method if one is named."""
        return predict_tile_rows(
            self.scene,
            method or self.method,
            self.layout,
            needed,
            groups,
            at_once=self.at_once,
            on_tiles=on_tiles,
        )

    def finished(
        self,
        tile_rows: Iterator[tuple[int, Fine]],
        *,
        conserving: bool = True,
        cutting: bool = True,
        on_residual: OnResidual = nobody,
    ) -> Iterator[tuple[int, Fine]]:
        """Blend, conserve and mask predicted rows for the plan's strip."""
        return finished_rows(
            self.scene,
            self.layout,
            self.plan.strip,
            tile_rows,
            conservation=self.plan.conservation if conserving else None,
            on_residual=on_residual,
            cutting=cutting,
        )

    def rows(self) -> Iterator[tuple[int, Fine]]:
        """Predict and finish the plan's strip in this process, as ``finished_rows`` yields it."""
        needed = self.needed()
        return self.finished(self.tile_rows(needed, self.layout.groups_of(needed)))

    def whole(self) -> Fine:
        """Predict the plan's strip in this process and return all of it, kelvin."""
        return self.gathered(self.rows())

    def gathered(self, rows: Iterable[tuple[int, Fine]]) -> Fine:
        """Join the finished rows of the plan's strip."""
        made, top = np.empty(self.plan.grid.shape, np.float32), self.plan.strip.rows.start
        for first, fine in rows:
            row = (first - top) * self.plan.scale
            made[row : row + len(fine)] = fine
        return made


def ready_of(
    planned: Planned,
    threads: int,
    *,
    own: int | None,
    note: Note,
    recall: Recall,
    network: Method | None,
    elsewhere: bool,
) -> Ready:
    """Implement ``Planned.ready``."""
    device = planned.settings.devices[0]
    here = device_to_plan_on(device) if elsewhere else device
    method = network or fit_or_load(
        planned.plan.choice, planned.scene, planned.settings, device=here, note=note
    )
    plan = planned.plan.believing(_belief(planned, method, note))
    guides = planned.scene.guides if method.uses_guide else ()
    work = Work(
        planned.settings,
        plan,
        _layout(planned, method, note, recall, None if here == device else device),
        tuple(planned.shifts.get(guide.path) for guide in guides),
        method if planned.plan.choice.is_fitted else None,
        method.uses_guide,
        threads,
    )
    mine = threads if own is None else own
    return work.ready(planned.scene, own=mine, method=method, device=here)


def _belief(planned: Planned, method: Method, note: Note) -> Belief | None:
    """Estimate how far coarse values are kept, if the settings leave that open."""
    settings, kept = planned.settings, planned.plan.conservation
    if settings.conserve != "auto" or kept is None or kept.psf:
        if settings.noise not in ("auto", 0):
            note(f"noise {settings.noise:g} K has no effect here: only --conserve auto uses it")
        return None
    return find_belief(planned.scene, method, settings.noise, stated(settings.psf), note)


def _layout(
    planned: Planned, method: Method, note: Note, recall: Recall, far: str | None
) -> Layout:
    """Divide the scene into tiles, and find the batch size here or on a remote device."""
    if planned.settings.batch != "auto":
        return planned.plan.layout(planned.scene, method, planned.settings.batch)
    single = planned.plan.layout(planned.scene, method, 1)
    channels = len(planned.scene.bands) if method.uses_guide else 0
    if far is None or planned.plan.choice.is_fitted:
        batch = recall(lambda: fitting_batch(method, single, channels, note))
    else:
        batch = recall(lambda: untried_batch(far, single))
    return planned.plan.layout(planned.scene, method, batch)


def move_guides(scene: Scene, shifts: Sequence[Shift | None]) -> None:
    """Move guides by shifts that were found before, in the guides' order."""
    for guide, shift in zip(scene.guides, shifts, strict=False):
        if shift is not None:
            guide.move(shift[0] * scene.scale, shift[1] * scene.scale)
