"""Aggregate fine planes as the sensor does: blur and mean over coarse pixels in one pass."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from groklst_models.contract import Block, SceneView
from groklst_models.guidance import coarse_means
from groklst_models.sampling.coverage import LEAST_COVERED
from groklst_models.sampling.features import has_gaps
from groklst_models.sampling.sensor import Sensor
from groklst_models.sampling.side_by_side import side_by_side

Planes = Callable[[Tensor], Iterator[Tensor]]
"""Turns guidance ``(1, G, s·h, s·w)`` into groups of fine planes ``(1, f, s·h, s·w)``, no NaN."""


@dataclass(frozen=True)
class CoarseRows:
    """Whole coarse rows of a scene.

    Attributes:
        row: The first one.
        planes: ``(F, h, W)``, the fine planes as the sensor sees them.
        lst: ``(h, W)``, kelvin, NaN where nodata.
        usable: ``(h, W)``, where LST and guidance are both known.
    """

    row: int
    planes: Tensor
    lst: Tensor
    usable: Tensor

    @property
    def stop(self) -> int:
        """One past the last one."""
        return self.row + len(self.lst)

    def then(self, below: "CoarseRows") -> "CoarseRows":
        """Join the rows that follow."""
        return CoarseRows(
            self.row,
            torch.cat([self.planes, below.planes], dim=1),
            torch.cat([self.lst, below.lst]),
            torch.cat([self.usable, below.usable]),
        )

    def cut(self, rows: slice) -> "CoarseRows":
        """Keep some of the scene's rows."""
        part = slice(rows.start - self.row, rows.stop - self.row)
        return CoarseRows(rows.start, self.planes[:, part], self.lst[part], self.usable[part])

    def samples(self) -> tuple[Tensor, Tensor]:
        """Return ``(n, F)`` and ``(n,)`` of the usable pixels, double precision."""
        return self.planes[:, self.usable].T.double(), self.lst[self.usable].double()


def coarse_rows(scene: SceneView, planes: Planes, sensor: Sensor) -> Iterator[CoarseRows]:
    """Read the scene once, with the same planes as in prediction.

    Gaps in guidance are filled as in prediction, so the mean of a function that is linear in the
    planes over a coarse pixel is exactly its value for these rows.
    """
    blocks = scene.blocks(margin=sensor.halo)
    yield from side_by_side(lambda block: _block_rows(block, planes, sensor), blocks)


def _block_rows(block: Block, planes: Planes, sensor: Sensor) -> CoarseRows:
    guide = block.guide_tensor[None]
    seen = [sensor_means(group, sensor)[0, :, block.core] for group in planes(guide)]
    lst = block.lst_tensor[block.core]
    usable = torch.isfinite(lst)
    if has_gaps(guide):
        known = (~torch.isnan(guide)).all(dim=1, keepdim=True)
        covered = coarse_means(known.float(), sensor.scale)[0, 0, block.core]
        usable &= covered >= LEAST_COVERED
    return CoarseRows(block.row + block.core.start, torch.cat(seen), lst, usable)


def sensor_means(fine: Tensor, sensor: Sensor) -> Tensor:
    """Blur ``(B, C, s·h, s·w)`` and average over coarse pixels; edges are repeated outwards.

    Returns:
        ``(B, C, h, w)``: the same as ``coarse_means(sensor.blur(fine))``, at a fraction of its
        cost.
    """
    weights = _taps(sensor)
    down = _weigh_rows(fine, weights, sensor)
    return _weigh_rows(down.transpose(-1, -2), weights, sensor).transpose(-1, -2)


def _weigh_rows(fine: Tensor, weights: Tensor, sensor: Sensor) -> Tensor:
    """Apply weights to the fine rows under each coarse row; padding the planes would cost more."""
    *others, size, width = fine.shape
    count = size // sensor.scale
    total = fine.new_zeros(*others, count, width)
    for tap, weight in enumerate(weights.tolist(), start=-sensor.radius):
        above = min(count, max(0, -(tap // sensor.scale)))  # coarse rows for which it is outside
        inside = fine[..., tap + above * sensor.scale :: sensor.scale, :][..., : count - above, :]
        below = above + inside.shape[-2]
        total[..., :above, :].add_(fine[..., :1, :], alpha=weight)
        total[..., above:below, :].add_(inside, alpha=weight)
        total[..., below:, :].add_(fine[..., -1:, :], alpha=weight)
    return total


def _taps(sensor: Sensor) -> Tensor:
    """Convolve the point spread with the box of a coarse pixel."""
    middle = sensor.halo
    first, last = middle * sensor.scale, (middle + 1) * sensor.scale
    row = sensor.matrix(2 * middle + 1)[middle]
    return row[first - sensor.radius : last + sensor.radius]
