"""Features in standard deviations, known before the scene is read from end to end.

Products of features require centred and bounded features, so means and standard deviations must be
known before the pass in which a regression is fitted. They are taken from windows spread evenly
over the scene.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor

from groklst_models.contract import SceneView
from groklst_models.sampling.features import Features, has_gaps
from groklst_models.sampling.places import even_places

LIMIT: Final = 4.0
"""Deviations from the mean at which a feature is clipped."""

_WINDOW: Final = 16  # coarse pixels
_WINDOWS: Final = 5  # along each axis


@dataclass(frozen=True)
class Standardization:
    """How features become dimensionless.

    Attributes:
        features: What is computed from guidance.
        mean: ``(F,)``, physical units.
        std: ``(F,)``, physical units; 0 marks a feature that does not vary.
    """

    features: Features
    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, scene: SceneView, features: Features) -> Self:
        """Estimate means and deviations from windows of the scene."""
        count, total, squares = torch.zeros(
            3, len(features.names), dtype=torch.float64, device=scene.device
        )
        for guide in sample_windows(scene):
            fine = features.fine(guide)[0].flatten(1).double()
            count += (~torch.isnan(fine)).sum(dim=1)
            total += fine.nansum(dim=1)
            squares += (fine**2).nansum(dim=1)
        mean = total / count.clamp(min=1)
        std = (squares / count.clamp(min=1) - mean**2).clamp(min=0).sqrt()
        varies = std > 1e-6 * mean.abs().clamp(min=1e-6)  # what float32 can tell apart
        return cls(features, mean, torch.where(varies, std, 0.0))

    def fine(self, guide: Tensor) -> Tensor:
        """Compute ``(B, F, s·h, s·w)`` within ``±LIMIT``; what is unknown or constant is 0."""
        fine = self.features.fine(guide)
        inverse = torch.where(self.std > 0, 1 / self.std, 0.0)
        for plane, mean, factor in zip(fine.unbind(1), self.mean, inverse, strict=True):
            plane.sub_(mean.to(fine)).mul_(factor.to(fine)).clamp_(-LIMIT, LIMIT)
        return torch.nan_to_num_(fine, nan=0.0) if has_gaps(fine) else fine


def sample_windows(scene: SceneView) -> Iterator[Tensor]:
    """Read the guidance ``(1, G, …)`` of windows spread evenly over the scene."""
    for place in even_places(scene.shape, _WINDOW, _WINDOWS):
        yield scene.window(*place).guide_tensor[None]
