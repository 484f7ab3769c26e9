"""Windows of a scene that are read before the whole scene, in coarse pixels."""

from itertools import pairwise

import torch

Place = tuple[slice, slice]
"""Rows and columns of a window, coarse pixels."""


def even_places(shape: tuple[int, int], side: int, along: int) -> list[Place]:
    """Spread windows evenly from edge to edge.

    Args:
        shape: Coarse rows and columns of the scene.
        side: Of a window; shorter where the scene is.
        along: Windows along each axis, fewer where they would coincide.
    """
    rows, columns = (_spread(size, side, along) for size in shape)
    return [(row, column) for row in rows for column in columns]


def some_places(shape: tuple[int, int], side: int, count: int) -> list[Place]:
    """Return evenly spaced windows of those that cover the scene; all if they are few.

    Args:
        shape: Coarse rows and columns of the scene.
        side: Of a window; less of it at the scene's end, where at least a third is left.
        count: Windows at most.
    """
    height, width = shape
    rows, columns = (range(0, max(1, size - side // 3), side) for size in shape)
    places = [
        (slice(r, min(height, r + side)), slice(c, min(width, c + side)))
        for r in rows
        for c in columns
    ]
    step = max(1, len(places) // count)
    return places[step // 2 :: step][:count]


def shuffled_places(shape: tuple[int, int], side: int) -> list[Place]:
    """Cut the scene into windows of about one size, in an order that is always the same."""
    rows, columns = (_cut(size, side) for size in shape)
    places = [(row, column) for row in rows for column in columns]
    order = torch.randperm(len(places), generator=torch.Generator().manual_seed(0)).tolist()
    return [places[place] for place in order]


def _spread(size: int, side: int, along: int) -> list[slice]:
    side = min(side, size)
    last = size - side
    starts = sorted({round(i * last / (along - 1)) for i in range(along)})
    return [slice(start, start + side) for start in starts]


def _cut(size: int, side: int) -> list[slice]:
    parts = -(-size // side)
    edges = [size * i // parts for i in range(parts + 1)]
    return [slice(start, stop) for start, stop in pairwise(edges)]
