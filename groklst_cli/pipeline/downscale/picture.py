"""Pictures of results: the LST, the result, the residual and the standard deviation.

The residual is the LST minus the coarse means of the method's answer before conservation, because
almost nothing of it is left afterwards.

Brightness rises with the value in every panel, also in the residual's, so that a print without
colours reads the same; all colour maps are perceptually uniform and made for colour-blind readers.
A panel has at most 1 200 pixels along a side, for scenes of any size: the LST and the residual are
averaged while rows are written, results are read from their overviews.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from groklst_cli.errors import GroklstError
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.units import CELSIUS_ZERO
from groklst_cli.pipeline.downscale.preview import (
    LEAST_RESIDUAL,
    crs_name,
    height_by_width,
    length_words,
    limits_of,
    metres_of,
    pixel_words,
    read_small,
)
from groklst_cli.pipeline.downscale.provenance import shown
from groklst_cli.pipeline.downscale.watched import Watched
from groklst_cli.pipeline.predict.plan import Plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = NDArray[np.floating[Any]]

_PANEL: Final = 5.2  # inches across
_BAR: Final = 0.3  # of a panel's width, at most


@dataclass(frozen=True)
class _Panel:
    title: str
    grid: Grid
    values: Values
    label: str
    colours: str
    low: float
    high: float


def draw(plan: Plan, watched: Watched, fine: Path, sigma: Path | None, drawing: Path) -> None:
    """Draw the LST, the result, the residual and the standard deviation, each with its legend.

    Args:
        plan: The plan.
        watched: Data that were collected during the run.
        fine: The result.
        sigma: Its standard deviation, if there is one.
        drawing: The PNG to write.

    Raises:
        GroklstError: If a file cannot be written.
    """
    from matplotlib.figure import Figure

    panels = list(_panels(plan, watched, fine, sigma))
    down, wide = plan.output.height * height_by_width(plan.output), plan.output.width
    columns = 1 if wide > 2.5 * down else 2 if len(panels) == 4 else len(panels)
    rows = -(-len(panels) // columns)
    high = min(max(_PANEL * down / wide, 1.5), 2 * _PANEL) + 0.7
    figure = Figure(figsize=((_PANEL + 1.1) * columns, high * rows + 0.5), layout="constrained")
    axes = np.ravel(figure.subplots(rows, columns))
    for panel, axis in zip(panels, axes, strict=True):
        drawn = axis.imshow(
            panel.values,
            cmap=panel.colours,
            vmin=panel.low,
            vmax=panel.high,
            interpolation="none",
            extent=(0, panel.grid.width, panel.grid.height, 0),
            aspect=height_by_width(panel.grid),
        )
        axis.set_title(panel.title, parse_math=False)
        axis.set_axis_off()
        figure.colorbar(drawn, ax=axis, label=panel.label, shrink=0.85, extend="both")
        if panel.title.startswith("result") or plan.target is not None:
            _scale_bar(axis, panel.grid)
    figure.suptitle(_caption(plan), parse_math=False)
    try:
        figure.savefig(drawing, dpi=110)
    except OSError as error:
        raise GroklstError(f"{drawing.name} could not be written: {error}") from error


def _panels(plan: Plan, watched: Watched, fine: Path, sigma: Path | None) -> Iterator[_Panel]:
    celsius = plan.units == "C"
    unit = "LST (°C)" if celsius else "LST (K)"
    before = watched.lst.values - (CELSIUS_ZERO if celsius else 0.0)
    after = read_small(fine)
    low, high = limits_of(before if np.isfinite(before).any() else after)
    here, there = plan.grid, plan.output
    yield _Panel(f"LST, {pixel_words(here, plan.scale)}", here, before, unit, "inferno", low, high)
    yield _Panel(f"result, {pixel_words(there)}", there, after, unit, "inferno", low, high)
    residual = watched.residual
    most = max(LEAST_RESIDUAL, *map(abs, limits_of(residual)))
    title = f"LST − coarse means of the result, RMS {watched.lacking}"
    if plan.conserve:
        title = (
            f"LST − coarse means of the method, RMS {watched.left}\nafter conservation: "
            f"{watched.lacking}"
        )
    yield _Panel(title, here, residual, "residual (K)", "cividis", -most, most)
    if sigma is not None:
        deviation = read_small(sigma)
        yield _Panel(
            "standard deviation of the result",
            there,
            deviation,
            "standard deviation (K)",
            "viridis",
            *limits_of(deviation),
        )


def _caption(plan: Plan) -> str:
    guides = ", ".join(plan.bands) if plan.choice.uses_guide else ""
    by = f" by {guides}" if guides else ""
    return shown(f"{plan.choice.name} ×{plan.scale}{by[:90]}; {crs_name(plan.output.crs)}")


def _scale_bar(axis: "Axes", grid: Grid) -> None:
    """Draw a bar of a round length below a panel."""
    metres = metres_of(grid)
    if metres is None:
        return
    pixel = grid.pixel_size[0] * metres
    most = _BAR * grid.width * pixel
    whole = 10.0 ** math.floor(math.log10(most))
    length = max(step * whole for step in (1, 2, 5) if step * whole <= most)
    across, below = length / pixel, grid.height * 1.03
    axis.plot([0, across], [below, below], color="black", linewidth=3, clip_on=False)
    axis.annotate(
        length_words(length),
        (across, below),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        annotation_clip=False,
    )
    axis.set_xlim(0, grid.width)
    axis.set_ylim(grid.height, 0)
