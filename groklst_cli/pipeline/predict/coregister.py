"""Move misregistered guides."""

import math
from pathlib import Path

from groklst_cli.errors import UsageError
from groklst_cli.geo.align import GuideSource
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.predict.listeners import Note
from groklst_cli.pipeline.predict.reading import Shift
from groklst_cli.pipeline.predict.view import FileView
from groklst_models.coregistration import BOUND, estimate_shift


def coregister(scene: Scene, stated: Shift | None, note: Note) -> dict[str, Shift]:
    """Move the guides of a scene, those of one grid together.

    Args:
        scene: Its guides are moved in place.
        stated: The shift of all guides; None to estimate the shift of each grid.
        note: Called with the estimated shift of each file, applied or not.

    Returns:
        The shift of each file that was moved.

    Raises:
        UsageError: If a stated shift is beyond the bound.
    """
    shifts: dict[str, Shift] = {}
    for guides in _of_one_grid(scene):
        shift = _checked(stated) if stated else _found(scene, guides, note)
        if shift is None:
            continue
        for guide in guides:
            guide.move(shift[0] * scene.scale, shift[1] * scene.scale)
            shifts[guide.path] = shift
    return shifts


def _of_one_grid(scene: Scene) -> list[list[GuideSource]]:
    """Group guides of one grid, because they share one shift."""
    groups: dict[Grid, list[GuideSource]] = {}
    for guide in scene.guides:
        groups.setdefault(guide.grid, []).append(guide)
    return list(groups.values())


def _found(scene: Scene, guides: list[GuideSource], note: Note) -> Shift | None:
    found = estimate_shift(FileView(scene, guides))
    if not math.isfinite(found.spread):
        return None
    names = ", ".join(Path(guide.path).name for guide in guides)
    verdict = "moved back" if found.trusted else "not moved, because the shift is uncertain"
    note(f"guide {names} is misregistered by {found}: {verdict}")
    return (found.columns, found.rows) if found.trusted else None


def _checked(shift: Shift) -> Shift:
    if max(map(abs, shift)) > BOUND:
        raise UsageError(
            f"--coregister {shift[0]:g},{shift[1]:g} is more than {BOUND:g} coarse pixel; correct "
            "the guide's georeference instead"
        )
    return shift
