"""Coarse pixels that a regression is fitted to: the LST, and features as the sensor sees them."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from groklst_models.contract import Block, SceneView
from groklst_models.guidance import coarse_means
from groklst_models.sampling.aggregation import sensor_means
from groklst_models.sampling.coverage import LEAST_COVERED
from groklst_models.sampling.features import Features, has_gaps
from groklst_models.sampling.sensor import Sensor
from groklst_models.sampling.side_by_side import side_by_side


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
    blocks = scene.blocks(margin=sensor.halo)
    yield from side_by_side(lambda block: block_samples(block, features, sensor), blocks)


def block_samples(block: Block, features: Features, sensor: Sensor) -> CoarseSamples:
    """Take the samples of one block's own rows."""
    guide = block.guide_tensor[None]
    seen, known = zip(*(_seen(p[None], sensor) for p in features.planes(guide)), strict=True)
    means, covered = torch.cat(seen), torch.cat(known).amin(dim=0)
    lst = block.lst_tensor
    usable = torch.isfinite(lst) & (covered >= LEAST_COVERED)
    means, lst, usable = means[:, block.core], lst[block.core], usable[block.core]
    return CoarseSamples(means[:, usable].T.double(), lst[usable].double())


def _seen(fine: Tensor, sensor: Sensor) -> tuple[Tensor, Tensor]:
    """Return what the sensor sees of one plane ``(1, h, w)``, and the share that is known."""
    means = sensor_means(fine, sensor)[0]
    if not has_gaps(means):
        return means, torch.ones_like(means)
    missing = torch.isnan(fine)
    covered = coarse_means((~missing).float(), sensor.scale)[0]
    return coarse_means(_blur_known(fine, missing, sensor), sensor.scale)[0], covered


def _blur_known(fine: Tensor, missing: Tensor, sensor: Sensor) -> Tensor:
    """Blur what is known over what is known; gaps stay gaps."""
    if sensor.radius == 0:
        return fine
    total = sensor.blur(torch.where(missing, 0.0, fine))
    share = sensor.blur((~missing).to(fine.dtype))
    return torch.where(missing, torch.nan, total / share)
