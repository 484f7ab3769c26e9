"""Count the patches of a training set that were dropped, by reason."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from groklst_cli.data.patches import SPLITS, Split
from groklst_cli.errors import InputError

KEPT: Final = "kept"
NEAR: Final = "too near another split"
GAPS: Final = "too much nodata"

_ADVICE: Final = {
    NEAR: "put scenes of one place into one split with --whole",
    GAPS: "raise --max-nodata, or lower --patch",
}


class Drops:
    """Counts kept and dropped patches."""

    def __init__(self, max_nodata: float) -> None:
        self._max_nodata = max_nodata
        self._counts: Counter[tuple[str, Split, str]] = Counter()
        self._near: dict[tuple[str, Split], set[str]] = {}

    def count(self, scene: str, split: Split, fate: str, near: Iterable[str] = ()) -> None:
        """Count a patch.

        Args:
            scene: Its scene.
            split: Its split.
            fate: ``KEPT``, ``NEAR`` or ``GAPS``.
            near: Other scenes with held-out patches that are too near.
        """
        self._counts[scene, split, fate] += 1
        self._near.setdefault((scene, split), set()).update(near)

    def totals(self) -> dict[str, int]:
        """Count the patches that were not kept, by reason."""
        return {reason: self._sum(fate=reason) for reason in (NEAR, GAPS)}

    def told(self, scene: str) -> str:
        """Describe what was dropped from a scene, as the end of a line; empty if nothing was."""
        reasons = self._reasons([scene], SPLITS)
        return f"; left out: {reasons}" if reasons else ""

    def refuse_empty(self, whole: Mapping[str, Split]) -> None:
        """Refuse splits of which all patches were dropped.

        Args:
            whole: Scenes that belong to one split each.

        Raises:
            InputError: If a split, or the part of such a scene, is empty.
        """
        for scene, split in whole.items():
            self._refuse(f"--whole {scene}={split} gives no patches", [scene], [split])
        scenes = list(dict.fromkeys(scene for scene, _, _ in self._counts))
        for split in SPLITS:
            self._refuse(f"no {split} patches are left", scenes, [split])

    def _refuse(self, what: str, scenes: Sequence[str], splits: Sequence[Split]) -> None:
        found = {fate: self._sum(scenes, splits, fate) for fate in (NEAR, GAPS)}
        if self._sum(scenes, splits, KEPT) or not any(found.values()):
            return
        advice = "; ".join(_ADVICE[fate] for fate, count in found.items() if count)
        raise InputError(f"{what}: {self._reasons(scenes, splits)}; {advice}")

    def _reasons(self, scenes: Sequence[str], splits: Sequence[Split]) -> str:
        near, gaps = (self._sum(scenes, splits, fate) for fate in (NEAR, GAPS))
        others = {n for s in scenes for split in splits for n in self._near.get((s, split), ())}
        parts = [f"{near} too near held-out patches of {', '.join(sorted(others))}"] * bool(near)
        lacking = f"{gaps} where LST or a guide is missing in more than {self._max_nodata:g} of it"
        return ", ".join([*parts, *[lacking] * bool(gaps)])

    def _sum(
        self, scenes: Sequence[str] = (), splits: Sequence[Split] = (), fate: str = KEPT
    ) -> int:
        return sum(
            count
            for (scene, split, what), count in self._counts.items()
            if what == fate and (not scenes or scene in scenes) and (not splits or split in splits)
        )
