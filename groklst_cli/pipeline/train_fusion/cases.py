"""Training cases: a piece's planes as the method sees them, and what is missing of the truth."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from groklst_cli.data.variety import Piece
from groklst_cli.geo.conserve import block_means, smooth_field
from groklst_cli.pipeline.train_fusion.pieces import Cut
from groklst_models.contract import CPU, Block, Tiles
from groklst_models.errors import FitError
from groklst_models.regression.fusion_planes import FusionPlanes, filled
from groklst_models.sampling.features import Features
from groklst_models.sampling.interpolation import upsample_cubic
from groklst_models.sampling.sensor import estimate_sensor

_FEWEST = 60
"""Coarse pixels that must be known."""


@dataclass(frozen=True)
class PieceView:
    """A piece in memory as fitted methods see a scene."""

    lst: NDArray[np.float32]
    guide: NDArray[np.float32]
    bands: tuple[str, ...]
    scale: int
    psf: float | None = None
    device: torch.device = CPU

    @property
    def shape(self) -> tuple[int, int]:
        """Coarse rows and columns."""
        return self.lst.shape[0], self.lst.shape[1]

    def window(self, rows: slice, columns: slice) -> Block:
        """Cut out one part."""
        fine = [slice(part.start * self.scale, part.stop * self.scale) for part in (rows, columns)]
        lst = self.lst[rows, columns].copy()
        return Block(
            rows.start, columns.start, lst, self.guide[:, *fine].copy(), slice(0, len(lst))
        )

    def blocks(self, margin: int = 0) -> Iterator[Block]:
        """Hand out all of it at once; there is nothing around it."""
        yield self.window(slice(0, self.shape[0]), slice(0, self.shape[1]))


@dataclass(frozen=True)
class Case:
    """What one sample is cut from.

    Attributes:
        scene: Its scene's name.
        kind: As the cut's.
        scale: Fine pixels along a coarse pixel.
        planes: ``(PLANES, h, w)``, half precision.
        target: ``(h, w)``, the truth minus the conserved answer, in the scene's unit.
        numbers: What describes the scene.
        weight: What an error in the scene's unit is multiplied by.
        bicubic: RMSE of bicubic, kelvin.
        ratio: The answer's over that.
    """

    scene: str
    kind: str
    scale: int
    planes: Tensor
    target: Tensor
    numbers: Tensor
    weight: float
    bicubic: float
    ratio: float


def make_case(scene: str, cut: Cut) -> Case | None:
    """Fit to a piece; None where it holds too little.

    Args:
        scene: Its name.
        cut: The piece.
    """
    scale, piece = cut.scale, _whole(cut)
    if min(piece.truth.shape) < scale:
        return None
    coarse = block_means(piece.truth, scale).astype(np.float32)  # NaN where anything is missing
    known = np.isfinite(coarse)
    if known.sum() < _FEWEST or known.mean() < 0.3:
        return None
    view = PieceView(coarse, piece.guide, piece.bands, scale)
    features = Features(piece.bands, scale)
    try:
        planes = FusionPlanes(view, features, estimate_sensor(view, features))
    except FitError:
        return None
    if not planes.unit:
        return None
    lst = filled(torch.from_numpy(coarse), torch.from_numpy(known))
    seen = planes.of(Tiles(lst[None, None], torch.from_numpy(piece.guide)[None], (0,), (0,)))
    answer = conserved(seen.base[0, 0].numpy(), coarse, scale)
    inside = known.repeat(scale, 0).repeat(scale, 1)
    truth = np.where(inside, piece.truth, np.float32(np.nan))
    bicubic = _rmse(upsample_cubic(lst[None, None], scale)[0, 0].numpy(), truth)
    if not bicubic > 0.02:
        return None
    ratio = _rmse(answer, truth) / bicubic
    target = torch.from_numpy((truth - answer) / planes.unit).half()
    weight = planes.unit / bicubic / max(ratio, 0.3) ** 0.5
    return Case(
        scene,
        cut.kind,
        scale,
        seen.planes[0].half(),
        target,
        planes.numbers,
        weight,
        bicubic,
        ratio,
    )


def conserved(
    fine: NDArray[np.float32], coarse: NDArray[np.float32], scale: int
) -> NDArray[np.float32]:
    """Restore the coarse means of a fine LST, kelvin."""
    return fine + smooth_field(coarse - block_means(fine, scale), scale)


def _whole(cut: Cut) -> Piece:
    """Cut off what does not fill a coarse pixel."""
    height, width = (size // cut.scale * cut.scale for size in cut.piece.truth.shape)
    piece = cut.piece.cut(slice(0, height), slice(0, width))
    return Piece(
        np.ascontiguousarray(piece.truth),
        np.ascontiguousarray(piece.guide, np.float32),
        piece.bands,
    )


def _rmse(fine: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.nanmean((fine.astype(np.float64) - truth) ** 2)))
