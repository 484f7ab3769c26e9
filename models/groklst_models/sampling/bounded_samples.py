"""A bounded number of coarse pixels, for models that cannot be fitted in a stream.

The pixels are chosen by a hash of their position in the scene, so the choice does not depend on how
the scene was read, and the pixels are spread evenly.
"""

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from groklst_models.contract import Block, SceneView
from groklst_models.guidance import coarse_means
from groklst_models.sampling.coverage import LEAST_COVERED, nothing_covered
from groklst_models.sampling.features import Features
from groklst_models.sampling.sensor import Sensor

LIMIT: Final = 50_000
"""Coarse pixels that are kept."""


@dataclass(frozen=True)
class BoundedSamples:
    """Some coarse pixels.

    Attributes:
        features: ``(n, F)``, means over the coarse pixels of blurred fine features.
        spread: ``(n, F)``, the fine features' deviation inside the coarse pixel.
        lst: ``(n,)``, kelvin.
        rank: ``(n,)``, hash of the place.
    """

    features: NDArray[np.float32]
    spread: NDArray[np.float32]
    lst: NDArray[np.float32]
    rank: NDArray[np.uint64]

    def smallest(self, count: int) -> Self:
        """Keep the pixels of smallest hash, in the hash's order."""
        kept = np.argsort(self.rank, kind="stable")[:count]
        return replace(
            self,
            features=self.features[kept],
            spread=self.spread[kept],
            lst=self.lst[kept],
            rank=self.rank[kept],
        )

    def joined(self, other: Self) -> Self:
        """Put two sets together."""
        return replace(
            self,
            features=np.concatenate([self.features, other.features]),
            spread=np.concatenate([self.spread, other.spread]),
            lst=np.concatenate([self.lst, other.lst]),
            rank=np.concatenate([self.rank, other.rank]),
        )


def bounded_samples(
    scene: SceneView, features: Features, sensor: Sensor, limit: int = LIMIT
) -> BoundedSamples:
    """Read the scene once and keep some pixels where all is known.

    Raises:
        FitError: If there is no coarse pixel with both LST and guidance.
    """
    kept: BoundedSamples | None = None
    for block in scene.blocks(margin=sensor.halo):
        found = block_pixels(block, features, sensor)
        kept = found.smallest(limit) if kept is None else kept.joined(found).smallest(limit)
    if kept is None or not len(kept.lst):
        raise nothing_covered()
    return kept


def block_pixels(block: Block, features: Features, sensor: Sensor) -> BoundedSamples:
    """Take the pixels of one block's own rows where all is known."""
    guide = block.guide_tensor[None]
    fine = features.fine(guide)
    known = (~torch.isnan(guide)).all(dim=1, keepdim=True)
    covered = coarse_means(known.float(), features.scale)[0, 0]
    means = coarse_means(sensor.blur(fine), features.scale)
    spread = inside_spread(fine, features.scale)
    lst = block.lst_tensor
    usable = torch.isfinite(lst) & (covered >= LEAST_COVERED) & torch.isfinite(means[0]).all(0)
    usable, rows = usable[block.core], block.core
    return BoundedSamples(
        means[0, :, rows][:, usable].T.numpy(),
        spread[0, :, rows][:, usable].T.numpy(),
        lst[rows][usable].numpy(),
        _hash(block)[usable.numpy()],
    )


def inside_spread(fine: Tensor, scale: int) -> Tensor:
    """Return the standard deviation inside each coarse pixel, ``(B, F, h, w)``."""
    means = coarse_means(fine, scale)
    squares = coarse_means(fine.double() ** 2, scale)
    return (squares - means.double() ** 2).clamp(min=0).sqrt().float()


def _hash(block: Block) -> NDArray[np.uint64]:
    """Mix row and column (the finalizer of splitmix64: Steele et al., OOPSLA 2014)."""
    first = block.row + block.core.start
    rows = np.arange(first, block.row + block.core.stop, dtype=np.uint64)
    columns = np.arange(block.column, block.column + block.lst.shape[1], dtype=np.uint64)
    mixed = (rows[:, None] << np.uint64(32)) + columns + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
