"""Ridge regression of the coarse LST's detail on that of features as the sensor sees them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from groklst_models.sampling.aggregation import sensor_means
from groklst_models.sampling.training_set import TrainingSet, TrainingWindow, detail


@dataclass(frozen=True)
class Detail:
    """Detail of the usable coarse pixels, double precision.

    Attributes:
        planes: ``(n, K)``.
        lst: ``(n,)``, kelvin.
        fold: ``(n,)``.
    """

    planes: Tensor
    lst: Tensor
    fold: Tensor

    @classmethod
    def of(cls, training: TrainingSet) -> "Detail":
        """Compute what the sensor sees of the features."""
        parts = [
            _window_detail(window, sensor_means(window.fine[None], training.sensor)[0])
            for window in training.windows
        ]
        return cls(
            torch.cat([planes for planes, _ in parts]),
            torch.cat([lst for _, lst in parts]),
            torch.cat([window.fold[window.usable] for window in training.windows]),
        )

    def solve(self, shrinkage: float, left_out: int | None = None) -> Tensor:
        """Return the coefficients ``(K,)``, kelvin for each unit of a plane.

        Args:
            shrinkage: Ridge parameter as a share of the number of samples; planes are scaled to
                one deviation for it.
            left_out: A fold that is not looked at.
        """
        kept = torch.ones_like(self.fold, dtype=torch.bool)
        if left_out is not None:
            kept = self.fold != left_out
        planes, lst = self.planes[kept], self.lst[kept]
        if not len(lst):
            return planes.new_zeros(planes.shape[1])
        deviation = planes.square().mean(dim=0).sqrt()
        inverse = torch.where(deviation > 1e-9, 1 / deviation.clamp(min=1e-9), 0.0)
        planes = planes * inverse
        gram = planes.T @ planes / len(lst)
        gram.diagonal().add_(shrinkage)
        coefficients: Tensor = torch.linalg.solve(gram, planes.T @ lst / len(lst))
        return coefficients * inverse


def _window_detail(window: TrainingWindow, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Return the detail of coarse planes ``(K, h, w)`` as ``(n, K)``, and of the LST ``(n,)``."""
    both = torch.cat([seen, window.lst[None]])[:, None]
    kept = detail(both, window.usable[None, None])[:, 0, window.usable].double()
    return kept[:-1].T, kept[-1]
