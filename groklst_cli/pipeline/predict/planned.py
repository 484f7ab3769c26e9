"""A scene and its plan, before anything is computed.

All checks are done up to here, and torch has not been imported yet; the next step imports it:
``aligned`` or ``ready``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from groklst_cli.geo.scene import COVERED, Scene
from groklst_cli.pipeline.predict.default_scale import FoundScale, finer_than_guides
from groklst_cli.pipeline.predict.listeners import Note, silent
from groklst_cli.pipeline.predict.plan import Plan, plan_of
from groklst_cli.pipeline.predict.reading import Shift
from groklst_cli.pipeline.predict.settings import Settings

if TYPE_CHECKING:
    from groklst_cli.pipeline.predict.ready import Ready
    from groklst_models.contract import Method

Recall = Callable[[Callable[[], int]], int]
"""Returns a number that an earlier run has chosen, or chooses it now."""


@dataclass(frozen=True, eq=False)
class Planned:
    """A scene and its plan.

    Attributes:
        settings: The settings, with a known scale.
        scene: Open.
        plan: The plan.
        found: Where the scale comes from.
        shifts: The shift that was found for each guide, by file.
    """

    settings: Settings
    scene: Scene
    plan: Plan
    found: FoundScale
    shifts: Mapping[str, Shift]

    @classmethod
    def of(cls, settings: Settings, scene: Scene, found: FoundScale) -> Self:
        """Choose the method and compute the lattice.

        Raises:
            GroklstError: If the settings cannot be used for the scene.
        """
        return cls(settings, scene, plan_of(settings, scene, found), found, {})

    def with_coverage(self) -> Self:
        """Measure the share of the LST that each guide covers, if the method uses guides."""
        if not self.plan.choice.uses_guide:
            return self
        return replace(self, plan=replace(self.plan, coverage=self.scene.coverage))

    def explain(self) -> list[str]:
        """Describe in words what was chosen."""
        lines = [f"method {self.plan.choice.name}: {self.plan.choice.reason}"]
        if self.found.reason:
            lines.append(f"scale {self.found.value}: {self.found.reason}")
        lines += [
            f"guide {path} covers {share:.1%} of the LST; elsewhere the result has less detail"
            for path, share in self.plan.coverage.items()
            if share < COVERED
        ]
        masked = self.plan.masked.explain() if self.plan.masked else []
        return [*lines, *finer_than_guides(self.scene), *masked, *self.scene.doubts]

    def aligned(self, note: Note = silent) -> Self:
        """Move misregistered guides, as the settings say."""
        choice, how = self.plan.choice, self.settings.coregister
        wanted = choice.is_fitted if how == "fitted" else how != "none"
        if not (wanted and choice.uses_guide):
            return self
        from groklst_cli.pipeline.predict.coregister import coregister

        stated = None if isinstance(how, str) else how
        return replace(self, shifts=coregister(self.scene, stated, note))

    def ready(
        self,
        threads: int,
        *,
        own: int | None = None,
        note: Note = silent,
        recall: Recall = lambda choose: choose(),
        network: "Method | None" = None,
        elsewhere: bool = False,
    ) -> "Ready":
        """Fit or load the method, divide the scene into tiles, and share the processor.

        Args:
            threads: Threads of a process that runs alone.
            own: Threads of this process; all of them if None.
            note: Called with messages.
            recall: Returns the number of tiles in a batch, if the settings leave it open.
            network: The method, if it is already loaded.
            elsewhere: Whether other machines will predict, so that the device need not exist here.

        Raises:
            DeviceError: If the device is not available.
            InputError: If the scene or the checkpoint lacks what the method needs.
        """
        from groklst_cli.pipeline.predict.ready import ready_of

        return ready_of(
            self,
            threads,
            own=own,
            note=note,
            recall=recall,
            network=network,
            elsewhere=elsewhere,
        )
