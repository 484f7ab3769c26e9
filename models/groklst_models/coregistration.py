"""Estimate the misregistration of a guide from how well it explains the LST's detail.

The guide is shifted in steps under the sensor model, until a regression of the coarse LST's detail
on the guide's detail predicts held-out pixels best. Unlike image correlation, this needs neither
the same contrast nor the same resolution: the guide may be an index, a reflectance or a mixture.
From there, a second estimate solves for the shift and the slopes together, with the point spread of
the scene. The shift is applied only if both agree and every part of the scene confirms it: shifting
a registered guide by a twentieth of a coarse pixel costs a tenth of the accuracy at ×8.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from groklst_models.contract import Block, SceneView
from groklst_models.sampling.banded import weigh_columns, weigh_rows
from groklst_models.sampling.features import Features
from groklst_models.sampling.folds import FIVE
from groklst_models.sampling.sensor import Sensor, estimate_sensor
from groklst_models.sampling.sensor_windows import (
    bounded_features,
    high_pass,
    inner_pixels,
    left_out_error,
    lst_detail,
    sample_blocks,
)
from groklst_models.sampling.shift_step import RefinedShift, refine_shift
from groklst_models.sampling.side_by_side import side_by_side

BOUND: Final = 1.0
"""Largest shift that is tried, coarse pixels."""

_FIRST: Final = 0.5  # step of the lattice on which the search begins, coarse pixels
_STEPS: Final = (0.25, 0.1)  # of the search from there, coarse pixels
_BLUR: Final = 0.12  # point spread, coarse pixels: between those found on real scenes
_LEAST_PIXELS: Final = 400
_LEAST_EXPLAINED: Final = 0.1
_LARGEST_SPREAD: Final = 0.15
_LEAST_ERRORS: Final = 3.0
_AGREED: Final = 0.1
"""Coarse pixels by which the two estimates may differ, or twice the standard error."""

_BESIDE: Final = 0.02
"""Shifts that were found for registered guides, coarse pixels."""


@dataclass(frozen=True)
class Shift:
    """The misregistration of a guide against the LST.

    Attributes:
        rows: Shift down the rows, coarse pixels; the guide's content is this far from its
            georeference.
        columns: The same along the columns.
        spread: Standard error of the two, coarse pixels, from parts left out in turn.
        explained: Share of the LST's detail that the guide explains, 0 … 1.
        trusted: Whether it should be applied: certain, inside the bound, and not about zero.
    """

    rows: float
    columns: float
    spread: float
    explained: float
    trusted: bool

    def __str__(self) -> str:
        """Return it as text, in coarse pixels."""
        return f"{self.columns:+.2f},{self.rows:+.2f} ± {self.spread:.2f} coarse pixels"


def estimate_shift(scene: SceneView) -> Shift:
    """Estimate the shift that all of a scene's guidance has in common.

    Args:
        scene: With the bands of one file, which share one georeference.

    Returns:
        The shift; not trusted if the scene does not determine it.
    """
    features = Features(tuple(scene.bands), scene.scale)
    blocks = sample_blocks(scene)
    windows = list(side_by_side(lambda block: _Window.of(block, features), blocks))
    target = torch.cat([window.target for window in windows])
    if len(target) < _LEAST_PIXELS:
        return Shift(0.0, 0.0, math.inf, 0.0, trusted=False)
    search = _Search(windows, target, torch.cat([window.fold for window in windows]))
    place, errors = search.minimum()
    explained = max(0.0, 1 - float(errors / ((target - target.mean()) ** 2).sum()))
    sensor = estimate_sensor(scene, features)
    refined = refine_shift(blocks, features, sensor, place)
    if refined is None or not all(map(math.isfinite, (*refined.place, refined.row_error))):
        return Shift(*place, math.inf, explained, trusted=False)
    spread = max(refined.row_error, refined.column_error)
    trusted = (
        explained >= _LEAST_EXPLAINED
        and spread <= _LARGEST_SPREAD
        and _is_clear(refined)
        and max(map(abs, refined.place)) < BOUND
        and all(
            abs(one - other) <= max(_AGREED, 2 * spread)
            for one, other in zip(refined.place, place, strict=True)
        )
    )
    return Shift(*refined.place, spread, explained, trusted=trusted)


def _is_clear(shift: RefinedShift) -> bool:
    """Return whether a shift along either axis exceeds that of chance and of registered guides."""
    errors = shift.row_error, shift.column_error
    return any(
        abs(found) >= _LEAST_ERRORS * math.hypot(error, _BESIDE)
        for found, error in zip(shift.place, errors, strict=True)
    )


@dataclass(frozen=True)
class _Window:
    """A window's fine features; its known coarse pixels' places, detail and folds."""

    fine: Tensor
    scale: int
    shape: tuple[int, int]
    places: Tensor
    target: Tensor
    fold: Tensor

    @classmethod
    def of(cls, block: Block, features: Features) -> "_Window":
        fine = bounded_features(block, features)
        known = inner_pixels(block, features.scale)
        return cls(
            torch.cat([fine, fine**2]),
            features.scale,
            (block.lst.shape[0], block.lst.shape[1]),
            known.flatten().nonzero()[:, 0],
            lst_detail(block)[known],
            FIVE.of(block)[known],
        )

    def designs(self, row: float, columns: Sequence[float]) -> Tensor:
        """See the window from places moved down the rows and along the columns by some shifts.

        Returns:
            ``(shifts, F, n)`` of the known pixels.
        """
        height, width = self.shape
        down = torch.stack([self._matrix(height, row)])
        across = torch.stack([self._matrix(width, column) for column in columns])
        seen = weigh_columns(weigh_rows(down, self.fine), across).double()
        return high_pass(seen).flatten(2).index_select(2, self.places)

    def _matrix(self, size: int, shift: float) -> Tensor:
        sensor = Sensor(self.scale, _BLUR * self.scale)
        return sensor.matrix(size, shift * self.scale).to(self.fine)


class _Search:
    """Errors at shifts, each computed once."""

    def __init__(self, windows: Sequence[_Window], target: Tensor, fold: Tensor) -> None:
        self._windows, self._target, self._fold = windows, target, fold
        self._errors: dict[tuple[float, float], float] = {}
        steps = round(BOUND / _FIRST)
        grid = [i * _FIRST for i in range(-steps, steps + 1)]
        self._fill(grid, grid)

    def minimum(self) -> tuple[tuple[float, float], float]:
        """Find the shift of least error, and that error."""
        best = self._lowest(_STEPS[0])
        for step in _STEPS:
            rows, columns = ([_rounded(x + i * step) for i in (-1, 0, 1)] for x in best)
            self._fill(rows, columns)
            values = torch.tensor([[self._errors[r, c] for c in columns] for r in rows])
            best = tuple(  # type: ignore[assignment]
                _rounded(min(max(x + step * _vertex(line), -BOUND), BOUND))
                for x, line in zip(best, (values[:, 1], values[1]), strict=True)
            )
        self._fill([best[0]], [best[1]])
        return best, self._errors[best]

    def _lowest(self, step: float) -> tuple[float, float]:
        """Go down from the lowest place by steps to places that none beside them is below."""
        best = None
        while best != (lowest := min(self._errors, key=self._errors.__getitem__)):
            best = lowest
            rows, columns = (
                [x + i * step for i in (-1, 0, 1) if abs(x + i * step) <= BOUND] for x in best
            )
            self._fill(rows, columns)
        return lowest

    def _fill(self, rows: Sequence[float], columns: Sequence[float]) -> None:
        wanted = {row: [c for c in columns if (row, c) not in self._errors] for row in rows}
        for found in side_by_side(self._along, wanted.items()):
            self._errors |= found

    def _along(self, wanted: tuple[float, Sequence[float]]) -> dict[tuple[float, float], float]:
        """Compute the errors of one shift along the rows and some along the columns."""
        row, columns = wanted
        if not columns:
            return {}
        designs = torch.cat([window.designs(row, columns) for window in self._windows], dim=-1)
        return {
            (row, column): float(left_out_error(design, self._target, self._fold).sum())
            for column, design in zip(columns, designs, strict=True)
        }


def _vertex(values: Tensor) -> float:
    """Find the vertex of the parabola through three values, in steps from the middle one."""
    left, middle, right = (float(value) for value in values)
    curvature = left - 2 * middle + right
    if curvature <= 0:
        return -1.0 if left < right else 1.0
    return min(max(0.5 * (left - right) / curvature, -1.0), 1.0)


def _rounded(value: float) -> float:
    return round(value, 4)
