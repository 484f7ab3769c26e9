"""The last steps of a shift: refine it together with the fit of the LST on guides.

The slopes and the shift are solved for together (Gauss and Newton): what the sensor would see of
the guides, and of their fit a little farther down or across, are both regressed on the LST's
detail. The standard error comes from leaving out parts of the scene in turn (jackknife), because
errors of a shift, for example at a coast, affect a part and not single pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, Self

import numpy as np
import torch
from torch import Tensor

from groklst_models.contract import Block
from groklst_models.sampling.banded import weigh_columns, weigh_rows
from groklst_models.sampling.features import Features
from groklst_models.sampling.sensor import Sensor
from groklst_models.sampling.sensor_windows import bounded_features, high_pass, inner_pixels
from groklst_models.sampling.side_by_side import side_by_side
from groklst_models.threads import one_thread

_STEPS: Final = 4
_LONGEST: Final = 0.3  # of a step, coarse pixels
_APART: Final = 0.02  # of two places whose difference is a derivative, coarse pixels
_RIDGE: Final = 1e-3
_CUTS: Final = 4
_LEAST_SIDE: Final = 6
"""Parts along an axis at most, and their side at least, coarse pixels."""


@dataclass(frozen=True)
class RefinedShift:
    """A shift and its standard errors, coarse pixels.

    Attributes:
        rows: Shift of the guides' content down the rows.
        columns: The same along the columns.
        row_error: Standard error of the first.
        column_error: Standard error of the second.
    """

    rows: float
    columns: float
    row_error: float
    column_error: float

    @property
    def place(self) -> tuple[float, float]:
        """Rows and columns."""
        return self.rows, self.columns


@dataclass(frozen=True)
class _Window:
    """A window's fine features, its coarse LST about its mean, and where both are known."""

    fine: Tensor
    lst: Tensor
    known: Tensor
    sensor: Sensor

    @classmethod
    def of(cls, block: Block, features: Features, sensor: Sensor) -> Self | None:
        known = inner_pixels(block, features.scale)
        if not known.any():
            return None
        lst = block.lst_tensor.double()
        centred = torch.where(known, lst - lst[known].mean(), 0.0)
        return cls(bounded_features(block, features).double(), centred, known, sensor)

    def design(self, place: Sequence[float], slopes: Tensor | None) -> Tensor:
        """Return detail ``(n, h, w)``: of features, of their fit's two derivatives, of the LST."""
        down, across = (
            [self._matrix(size, at + step) for step in (0.0, _APART, -_APART)]
            for size, at in zip(self.lst.shape, place, strict=True)
        )
        seen = weigh_columns(weigh_rows(down[0][None], self.fine), across[0][None])[0]
        seen = self._centred(seen)
        planes = [seen]
        if slopes is not None:
            fit = torch.einsum("f,fhw->hw", slopes, self.fine)
            planes += [
                ((down[1] - down[2]) @ fit @ across[0].T)[None] / (2 * _APART),
                (down[0] @ fit @ (across[1] - across[2]).T)[None] / (2 * _APART),
            ]
        return high_pass(torch.cat([*planes, self.lst[None]]) * self.known) * self.known

    def sums(self, place: Sequence[float], slopes: Tensor | None) -> tuple[Tensor, Tensor]:
        """Sum products ``(parts, n, n)`` and moments ``(parts, n)`` over each part."""
        design, products, moments = self.design(place, slopes), [], []
        for rows, columns in self.parts():
            planes = design[:, rows, columns].flatten(1)
            products.append(planes[:-1] @ planes[:-1].T)
            moments.append(planes[:-1] @ planes[-1])
        return torch.stack(products), torch.stack(moments)

    def parts(self) -> list[tuple[slice, slice]]:
        """Cut the window."""
        rows, columns = (
            np.array_split(np.arange(size), max(1, min(_CUTS, size // _LEAST_SIDE)))
            for size in self.lst.shape
        )
        return [
            (slice(int(r[0]), int(r[-1]) + 1), slice(int(c[0]), int(c[-1]) + 1))
            for r, c in product(rows, columns)
        ]

    def _centred(self, planes: Tensor) -> Tensor:
        return planes - planes[:, self.known].mean(dim=1)[:, None, None]

    def _matrix(self, size: int, shift: float) -> Tensor:
        return self.sensor.matrix(size, shift * self.sensor.scale)


def refine_shift(
    blocks: Sequence[Block], features: Features, sensor: Sensor, start: tuple[float, float]
) -> RefinedShift | None:
    """Refine a shift of the guides.

    Args:
        blocks: Windows of the scene.
        features: Of the guides that lie on one grid.
        sensor: How they become coarse.
        start: Rows and columns to start from, coarse pixels.

    Returns:
        None if nothing is known, or only one part of the scene.
    """
    found = side_by_side(lambda block: _Window.of(block, features, sensor), blocks)
    windows = [window for window in found if window is not None]
    if sum(len(window.parts()) for window in windows) < 2:
        return None
    place, slopes = start, _solve(*_sums(windows, start, None), len(features.names))
    for _ in range(_STEPS):
        products, moments = _sums(windows, place, slopes)
        solved = _solve(products, moments, len(slopes))
        slopes, step = solved[:-2], solved[-2:].nan_to_num().clamp(-_LONGEST, _LONGEST).tolist()
        place = place[0] + step[0], place[1] + step[1]
    whole_products, whole_moments = products.sum(dim=0), moments.sum(dim=0)
    left_out = torch.stack([
        _solve((whole_products - part)[None], (whole_moments - sums)[None], len(slopes))[-2:]
        for part, sums in zip(products, moments, strict=True)
    ])  # fmt: skip
    spread = (left_out - left_out.mean(dim=0)).square().sum(dim=0)
    errors = (spread * (len(left_out) - 1) / len(left_out)).sqrt().tolist()
    return RefinedShift(*place, *errors)


def _sums(
    windows: Sequence[_Window], place: Sequence[float], slopes: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Sum products ``(parts, n, n)`` and moments ``(parts, n)`` over the parts of all windows."""
    sums = list(side_by_side(lambda window: window.sums(place, slopes), windows))
    return torch.cat([products for products, _ in sums]), torch.cat([m for _, m in sums])


def _solve(products: Tensor, moments: Tensor, features: int) -> Tensor:
    """Solve the normal equations of all parts; features are shrunk a little, the shift is not."""
    normal = products.sum(dim=0)
    shrunk = torch.zeros(len(normal), dtype=torch.float64)
    shrunk[:features] = _RIDGE
    diagonal = normal.diagonal().clone()
    normal = normal + torch.diag(diagonal * shrunk + 1e-9)
    with one_thread():
        solved: Tensor = torch.linalg.solve(normal, moments.sum(dim=0))
    return solved
