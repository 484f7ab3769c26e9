"""Regressions with a fold of the pixels left out, from sums over each fold."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class FoldMoments:
    """Sums over the pixels of each of ``K`` folds; sums over several parts of a scene add up.

    Attributes:
        count: ``(K,)``, how many pixels.
        planes: ``(…, K, F)``, sums of what is regressed on.
        products: ``(…, K, F, F)``, sums of its products.
        moments: ``(…, K, F)``, sums of its products with the target.
        squares: ``(K,)``, sums of the target's squares, square kelvin.
    """

    count: Tensor
    planes: Tensor
    products: Tensor
    moments: Tensor
    squares: Tensor

    @classmethod
    def of(cls, planes: Tensor, target: Tensor, fold: Tensor, folds: int) -> Self:
        """Sum over some pixels.

        Args:
            planes: ``(…, F, n)``, double precision; the leading axes are regressions of their own.
            target: ``(n,)``, kelvin.
            fold: ``(n,)``, which fold each pixel is in.
            folds: How many there are.
        """
        order = torch.argsort(fold, stable=True)
        count = torch.bincount(fold, minlength=folds)
        parts = torch.split(planes[..., order], count.tolist(), dim=-1)
        targets = torch.split(target[order], count.tolist())
        return cls(
            count,
            torch.stack([part.sum(dim=-1) for part in parts], dim=-2),
            torch.stack([part @ part.mT for part in parts], dim=-3),
            torch.stack([p @ t for p, t in zip(parts, targets, strict=True)], dim=-2),
            torch.stack([part.square().sum() for part in targets]),
        )

    def __add__(self, other: "FoldMoments") -> "FoldMoments":
        return FoldMoments(
            self.count + other.count,
            self.planes + other.planes,
            self.products + other.products,
            self.moments + other.moments,
            self.squares + other.squares,
        )

    def errors(self, shrinkage: float) -> Tensor:
        """Regress on all folds but one, in turn, and return the squared errors on that one.

        Args:
            shrinkage: Ridge parameter as a share of the number of pixels; planes are scaled to one
                deviation for it.

        Returns:
            ``(…, K)`` sums, square kelvin; 0 where a fold is empty or holds all there is.
        """
        _, products, moments = self._scaled()
        errors = torch.zeros_like(moments[..., 0])
        for fold, weights in self._weights(products, moments, shrinkage):
            explained = 2 * moments[..., None, fold, :] @ weights
            square = weights.mT @ products[..., fold, :, :] @ weights
            errors[..., fold] = self.squares[fold] - (explained - square)[..., 0, 0]
        return errors

    def slopes(self, shrinkage: float) -> Tensor:
        """Return ``(…, K, F)``, kelvin for each unit of a plane, with each fold left out in turn.

        Args:
            shrinkage: As for ``errors``.
        """
        scale, products, moments = self._scaled()
        slopes = torch.zeros_like(moments)
        for fold, weights in self._weights(products, moments, shrinkage):
            slopes[..., fold, :] = weights[..., 0]
        return slopes * scale

    def _scaled(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return what brings planes to one deviation, and the sums of planes so scaled."""
        total = int(self.count.sum())
        mean_square = self.products.sum(dim=-3).diagonal(dim1=-2, dim2=-1)
        variance = (mean_square - self.planes.sum(dim=-2) ** 2 / total) / max(total - 1, 1)
        scale = 1 / variance.clamp(min=0).sqrt().clamp(min=1e-12)[..., None, :]
        products = self.products * scale[..., None, :] * scale[..., None]
        return scale, products, self.moments * scale

    def _weights(
        self, products: Tensor, moments: Tensor, shrinkage: float
    ) -> Iterator[tuple[int, Tensor]]:
        """Yield each fold that can be left out, and the weights ``(…, F, 1)`` found without it."""
        total = int(self.count.sum())
        for fold, count in enumerate(self.count.tolist()):
            if count in (0, total):
                continue
            normal = products.sum(dim=-3) - products[..., fold, :, :]
            normal.diagonal(dim1=-2, dim2=-1).add_(shrinkage * (total - count))
            rest = moments.sum(dim=-2) - moments[..., fold, :]
            yield fold, torch.linalg.solve(normal, rest[..., None])
