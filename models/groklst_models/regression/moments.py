"""First and second moments of samples, from which a linear regression follows."""

import torch
from torch import Tensor


class Moments:
    """Sums of features, LST and their products, shifted by the first samples for precision.

    Attributes:
        count: Samples so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._shift = self._sum = self._products = torch.zeros(0, dtype=torch.float64)

    def add(self, features: Tensor, lst: Tensor) -> None:
        """Add samples ``(n, F)`` and ``(n,)``, double precision."""
        if len(lst) == 0:
            return
        rows = torch.cat([features, lst[:, None]], dim=1)
        if self.count == 0:
            self._shift = rows.mean(dim=0)
            self._sum = torch.zeros_like(self._shift)
            self._products = torch.outer(self._sum, self._sum)
        rows = rows - self._shift
        self.count += len(rows)
        self._sum += rows.sum(dim=0)
        self._products += rows.T @ rows

    @property
    def mean(self) -> Tensor:
        """Means of the features and, last, of the LST ``(F + 1,)``."""
        return self._shift + self._sum / self.count

    def first(self, count: int) -> "Moments":
        """Return the moments of the first ``count`` features."""
        kept = torch.tensor([*range(count), len(self._sum) - 1], device=self._sum.device)
        few = Moments()
        few.count, few._shift, few._sum = self.count, self._shift[kept], self._sum[kept]
        few._products = self._products[kept[:, None], kept]
        return few

    def solve(self, shrinkage: float, least: float = 0.0) -> tuple[Tensor, Tensor, float, Tensor]:
        """Solve the ridge regression.

        Args:
            shrinkage: Ridge parameter as a share of the number of samples.
            least: Deviation up to which a feature counts as constant.

        Returns:
            The features' means and standard deviations, the intercept where every feature is at
            its mean, and the coefficients for each standard deviation.
        """
        offset, mean = self._sum / self.count, self.mean
        covariance = self._products / self.count - torch.outer(offset, offset)
        std = covariance.diagonal()[:-1].clamp(min=0).sqrt()
        varies = std > (1e-9 * mean[:-1].abs()).clamp(min=max(least, 1e-18))
        std = torch.where(varies, std, 1.0)
        scaled = covariance[:-1, :-1] / torch.outer(std, std)
        target = torch.where(varies, covariance[:-1, -1] / std, 0.0)
        identity = torch.eye(len(std), dtype=torch.float64, device=std.device)
        # A constant band explains nothing: its row becomes the identity's, its coefficient 0.
        scaled = torch.where(torch.outer(varies, varies), scaled, 0.0)
        penalty = identity * (shrinkage + (~varies).double() + 1e-12)
        coefficients = torch.linalg.solve(scaled + penalty, target)
        return mean[:-1], std, float(mean[-1]), coefficients
