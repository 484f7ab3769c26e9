"""The scale: as requested, from the checkpoint, or from the finest guide."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from groklst_cli.errors import UsageError
from groklst_cli.geo.band_source import BandSource
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.opening import grid_of, open_raster
from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.predict.choice import header_of
from groklst_cli.pipeline.predict.settings import SCALES, Settings

ScaleSource = Literal["option", "checkpoint", "target", "guides", "default"]
"""The source of the scale."""

_WITHOUT_GUIDES: Final = 8
_NEAR: Final = 0.02
"""Largest distance of a ratio of pixels from a whole number, as a share of it."""


@dataclass(frozen=True)
class FoundScale:
    """A scale and where it comes from.

    Attributes:
        value: Fine pixels along a coarse pixel.
        source: Where it comes from.
        reason: The reason, as a clause; empty if it was requested.
    """

    value: int
    source: ScaleSource
    reason: str = ""


def scale_of_files(settings: Settings, lst: BandSource, guides: Sequence[BandSource]) -> FoundScale:
    """Find the scale for files, which are opened only if nothing else determines it.

    Raises:
        GroklstError: If it cannot be found, or a file cannot be opened.
    """
    found = _stated(settings)
    if found is not None:
        return found
    if not guides:
        return _of_grids(lst.path, None, {})
    with open_raster(lst.path) as opened:
        coarse = grid_of(opened)
    grids = {}
    for source in guides:
        with open_raster(source.path) as guide:
            grids[source.path] = grid_of(guide)
    return _of_grids(lst.path, coarse, grids)


def scale_of_grids(settings: Settings, coarse: Grid, guides: Mapping[str, Grid]) -> FoundScale:
    """Find the scale for rasters whose grids are known.

    Raises:
        GroklstError: If it cannot be found.
    """
    return _stated(settings) or _of_grids("lst", coarse, guides)


def finer_than_guides(scene: Scene) -> list[str]:
    """Warn where the result's pixels are finer than those of every guide."""
    finest = max(scene.guides, key=lambda guide: guide.ratio, default=None)
    if finest is None or not finest.ratio < 1 - _NEAR:
        return []
    return [
        f"warning: the result has pixels {1 / finest.ratio:.3g} times finer than {finest.path}, "
        "the finest guide; smaller detail is interpolated"
    ]


def _stated(settings: Settings) -> FoundScale | None:
    """Return a scale that was typed or is in the checkpoint."""
    if settings.scale is not None:
        return FoundScale(settings.scale, "option")
    if (header := header_of(settings.model)) is not None:
        return FoundScale(
            header.scale, "checkpoint", f"{settings.model} was trained for this scale"
        )
    return None


def _of_grids(name: str, coarse: Grid | None, guides: Mapping[str, Grid]) -> FoundScale:
    """Refine down to the finest guide's pixel.

    Raises:
        UsageError: If the LST's pixel is not a whole number of the guide's, from 2 to 64.
    """
    if coarse is None or not guides:
        return FoundScale(_WITHOUT_GUIDES, "default", "the default without guides")
    ratios = {path: grid.pixels_per_pixel_of(coarse) for path, grid in guides.items()}
    known = {path: ratio for path, ratio in ratios.items() if math.isfinite(ratio)}
    finest = max(known, key=lambda path: known[path], default=None)
    if finest is None or not guides[finest].copies_over(coarse):
        return FoundScale(_WITHOUT_GUIDES, "default", "no guide overlaps")
    ratio = known[finest]
    scale = min(max(round(ratio), SCALES[0]), SCALES[-1])
    wide = f"a pixel of {name} is as wide as {ratio:.4g} pixels of {finest}"
    if abs(ratio / scale - 1) > _NEAR:
        raise UsageError(
            f"{wide}, expected a whole number from {SCALES[0]} to {SCALES[-1]}; add --scale "
            f"{_nearest(ratio)}, or another whole number"
            + (" (were LST and guide swapped?)" if ratio < 1 else "")
        )
    return FoundScale(scale, "guides", wide)


def _nearest(ratio: float) -> int:
    """Propose a scale: the ratio, or its half, third, … where it is too large."""
    parts = math.ceil(ratio / SCALES[-1])
    return max(SCALES[0], round(ratio / parts))
