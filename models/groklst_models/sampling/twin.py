"""A scene seen twice as coarse: its pixels in squares of four, so that the true ones are known.

What a method makes of such a twin can be compared with the scene's own coarse pixels. That is as
near to the question that matters, what it will make of the scene itself, as a scene can answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from groklst_models.contract import CPU, Block, SceneView
from groklst_models.guidance import coarse_means
from groklst_models.sampling.places import Place

RATIO: Final = 2
"""The scene's coarse pixels along one of the twin's."""

_INSIDE: Final = 2
"""The twin's fine pixels along one of the scene's coarse ones; its guides are averaged to that."""

SCALE: Final = RATIO * _INSIDE
"""The twin's fine pixels along one of its coarse ones."""

_SIDE: Final = 64
_ALONG: Final = 2
"""Side of a window, the scene's coarse pixels, and windows along each axis of a large scene."""

_GAP: Final = 4
"""The twin's coarse rows without values between two windows."""


@dataclass(frozen=True)
class Twin:
    """A scene in memory as fitted methods see one, and what they should make of it.

    Attributes:
        lst: ``(h, w)``, means of ``RATIO²`` coarse pixels, kelvin, NaN where one of them is nodata.
        guide: ``(G, 4·h, 4·w)``.
        truth: ``(2·h, 2·w)``, the scene's coarse LST, kelvin.
        bands: Names of the guidance bands.
        psf: The scene's point spread, the twin's fine pixels; None where it plays no part.
        device: Where methods that are fitted to it compute.
    """

    lst: NDArray[np.float32]
    guide: NDArray[np.float32]
    truth: NDArray[np.float32]
    bands: tuple[str, ...]
    psf: float | None
    device: torch.device = CPU

    scale = SCALE

    @classmethod
    def of(cls, scene: SceneView, psf: float | None) -> Self | None:
        """Read some windows of a scene and put them one below the other.

        Args:
            scene: Of any size.
            psf: Its point spread, fine pixels; None where the method at hand knows of none.

        Returns:
            None where the scene has no four coarse pixels in a square.
        """
        parts = [_part(scene, place) for place in _places(scene.shape)]
        if not parts:
            return None
        lst, guide, truth = (
            _stacked([part[index] for part in parts], gap)
            for index, gap in enumerate((_GAP, _GAP * SCALE, _GAP * RATIO))
        )
        spread = None if psf is None else psf * _INSIDE / scene.scale
        return cls(lst, guide, truth, tuple(scene.bands), spread, scene.device)

    @property
    def shape(self) -> tuple[int, int]:
        """Coarse rows and columns."""
        return self.lst.shape[0], self.lst.shape[1]

    def window(self, rows: slice, columns: slice) -> Block:
        """Cut out one part."""
        r, c = (slice(part.start * SCALE, part.stop * SCALE) for part in (rows, columns))
        lst = self.lst[rows, columns].copy()
        guide = self.guide[:, r, c].copy()
        return Block(rows.start, columns.start, lst, guide, slice(0, len(lst)), self.device)

    def blocks(self, margin: int = 0) -> Iterator[Block]:
        """Hand out all of it at once; there is nothing around it."""
        yield self.window(slice(0, self.shape[0]), slice(0, self.shape[1]))

    def seen(self, fine: Tensor) -> Tensor:
        """Average the twin's fine pixels ``(1, 1, 4·h, 4·w)`` to the truth's ``(2·h, 2·w)``."""
        return coarse_means(fine, _INSIDE)[0, 0]


def _places(shape: tuple[int, int]) -> list[Place]:
    """Choose windows of whole squares, apart from each other; all of a small scene."""
    height, width = (size // RATIO * RATIO for size in shape)
    if not height or not width:
        return []
    if height * width <= (_ALONG * _SIDE) ** 2:
        return [(slice(0, height), slice(0, width))]
    down = _ALONG if width >= _ALONG * _SIDE else _ALONG**2
    across = _ALONG if height >= _ALONG * _SIDE else _ALONG**2
    return [(row, column) for row in _apart(height, down) for column in _apart(width, across)]


def _apart(size: int, count: int) -> list[slice]:
    """Spread windows of whole squares over an axis, so that none overlap."""
    side = min(_SIDE, size)
    count = min(count, size // side)
    first = [(size - side) * i // max(1, count - 1) // RATIO * RATIO for i in range(count)]
    return [slice(start, start + side) for start in first]


def _part(scene: SceneView, place: Place) -> tuple[NDArray[np.float32], ...]:
    """Read one window: the twin's LST and guides, and the truth."""
    block = scene.window(*place)
    truth = block.lst_tensor
    pairs = truth.unfold(0, RATIO, RATIO).unfold(1, RATIO, RATIO)
    guide = block.guide_tensor[None]
    if scene.scale % _INSIDE:  # each pixel twice along both axes, so that halves are whole
        guide = guide.repeat_interleave(_INSIDE, dim=-2).repeat_interleave(_INSIDE, dim=-1)
        fine = coarse_means(guide, scene.scale)
    else:
        fine = coarse_means(guide, scene.scale // _INSIDE)
    return pairs.mean(dim=(-2, -1)).cpu().numpy(), fine[0].cpu().numpy(), block.lst


def _stacked(parts: list[NDArray[np.float32]], gap: int) -> NDArray[np.float32]:
    """Put parts ``(…, h, w)`` one below the other, rows without values between them."""
    between = np.full((*parts[0].shape[:-2], gap, parts[0].shape[-1]), np.nan, np.float32)
    stack = [piece for part in parts for piece in (part, between)]
    return np.concatenate(stack[:-1], axis=-2)
