"""Matrices that are zero but near their diagonal, such as a sensor's, cut into bands of rows."""

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor

_BAND: Final = 6  # rows


def bands(matrices: Tensor) -> Iterator[tuple[slice, slice]]:
    """Cut matrices ``(S, n, m)`` into bands of rows, and skip the columns that are zero there.

    Yields:
        Each band's rows, and the columns in which any of the matrices has a value.
    """
    height = matrices.shape[-2]
    for start in range(0, height, _BAND):
        rows = slice(start, min(height, start + _BAND))
        reached = torch.nonzero(matrices[:, rows].flatten(0, 1).any(dim=0))[:, 0]
        yield rows, slice(int(reached[0]), int(reached[-1]) + 1)


def weigh_rows(matrices: Tensor, planes: Tensor) -> Tensor:
    """Multiply planes ``(F, m, w)`` with matrices ``(S, n, m)`` from the left.

    Returns:
        ``(S, F, n, w)``.
    """
    count, height, _ = matrices.shape
    found = planes.new_empty(count, len(planes), height, planes.shape[-1])
    for rows, reached in bands(matrices):
        band = matrices[:, rows, reached].flatten(0, 1)
        parts = torch.bmm(band.expand(len(planes), -1, -1), planes[:, reached])
        by_matrix = parts.view(len(planes), count, rows.stop - rows.start, -1)
        found[:, :, rows] = by_matrix.transpose(0, 1)
    return found


def weigh_columns(planes: Tensor, matrices: Tensor) -> Tensor:
    """Multiply planes ``(S, F, h, m)`` with matrices ``(S, n, m)`` transposed, from the right.

    Returns:
        ``(S, F, h, n)``; planes ``(1, F, h, m)`` are multiplied with each matrix.
    """
    count, width, _ = matrices.shape
    found = planes.new_empty(count, *planes.shape[1:-1], width)
    for columns, reached in bands(matrices):
        band = matrices[:, columns, reached]
        near = planes[..., reached].flatten(1, 2)
        if len(planes) == 1:
            parts = near[0] @ band.flatten(0, 1).T
            parts = parts.view(len(parts), count, -1).transpose(0, 1)
        else:
            parts = torch.bmm(near, band.mT)
        found[..., columns] = parts.reshape(found[..., columns].shape)
    return found
