"""A scene and what is to be done with it, before anything is computed.

All that can be refused is refused up to here, and nobody has waited for torch yet, which comes with
the first step after: ``aligned`` or ``ready``.
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
"""Returns a number that an earlier run has chosen, or has it chosen now."""


@dataclass(frozen=True, eq=False)
class Planned:
    """A scene and what is to be done with it.

    Attributes:
        settings: What was asked for, its scale settled.
        scene: Open.
        plan: What the settings come to on it.
        found: Where the scale comes from.
        shifts: By how much each guide was found to be off, by its file.
    """

    settings: Settings
    scene: Scene
    plan: Plan
    found: FoundScale
    shifts: Mapping[str, Shift]

    @classmethod
    def of(cls, settings: Settings, scene: Scene, found: FoundScale) -> Self:
        """Choose the method and lay the lattice.

        Raises:
            GroklstError: If the settings cannot be carried out on the scene.
        """
        return cls(settings, scene, plan_of(settings, scene, found), found, {})

    def with_coverage(self) -> Self:
        """Look at which share of the LST each guide covers, if the method looks at guides."""
        if not self.plan.choice.uses_guide:
            return self
        return replace(self, plan=replace(self.plan, coverage=self.scene.coverage))

    def explain(self) -> list[str]:
        """Say, for people, what was chosen."""
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
        """Move guides that are misregistered to where they belong, as the settings say."""
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
        """Fit or load the method, cut the scene into tiles, share the processor.

        Args:
            threads: That a process would compute with alone.
            own: Threads that are this process's; all of them if None.
            note: Called with messages.
            recall: Asked for the number of tiles in a batch, where the settings leave it open.
            network: The method, where it is loaded already.
            elsewhere: Whether other machines will predict, so that the device may be theirs alone.

        Raises:
            DeviceError: If the device is not there.
            InputError: If scene or checkpoint do not hold what the method needs.
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
