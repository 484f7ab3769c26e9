"""Coarse pixels that a regression is fitted to: the LST, and features as the sensor sees them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from groklst_models.bands import derive
from groklst_models.contract import Block, SceneView
from groklst_models.fitted.features import Features
from groklst_models.fitted.sensor import Sensor
from groklst_models.guidance import coarse_means

_LEAST_COVERED: Final = 0.5
"""Share of a coarse pixel that guidance must cover for it to count."""


@dataclass(frozen=True)
class CoarseSamples:
    """Some coarse pixels, in double precision.

    Attributes:
        features: ``(n, F)``, means over the coarse pixels of blurred fine features.
        lst: ``(n,)``, kelvin.
    """

    features: Tensor
    lst: Tensor


def coarse_samples(scene: SceneView, features: Features, sensor: Sensor) -> Iterator[CoarseSamples]:
    """Read the scene once and hand out, block by block, the pixels where all is known."""
    for block in scene.blocks(margin=sensor.halo):
        yield block_samples(block, features, sensor)


def block_samples(block: Block, features: Features, sensor: Sensor) -> CoarseSamples:
    """Take the samples of one block's own rows."""
    fine = derive(torch.from_numpy(block.guide)[None], features.bands, features.names)
    covered = coarse_means((~torch.isnan(fine)).float(), features.scale).amin(dim=1)[0]
    means = coarse_means(_blur_known(fine, sensor), features.scale)[0]
    lst = torch.from_numpy(block.lst)
    usable = torch.isfinite(lst) & (covered >= _LEAST_COVERED)
    means, lst, usable = means[:, block.core], lst[block.core], usable[block.core]
    return CoarseSamples(means[:, usable].T.double(), lst[usable].double())


def _blur_known(fine: Tensor, sensor: Sensor) -> Tensor:
    """Blur what is known over what is known; gaps stay gaps."""
    missing = torch.isnan(fine)
    if sensor.radius == 0 or not missing.any():
        return sensor.blur(fine)
    total = sensor.blur(torch.where(missing, 0.0, fine))
    share = sensor.blur((~missing).to(fine.dtype))
    return torch.where(missing, torch.nan, total / share)
