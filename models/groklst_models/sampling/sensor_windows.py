"""Windows of a scene for estimates that explain the LST's detail."""

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from groklst_models.contract import Block, SceneView
from groklst_models.sampling.features import Features
from groklst_models.sampling.fold_moments import FoldMoments
from groklst_models.sampling.folds import FIVE
from groklst_models.sampling.places import some_places

WINDOW: Final = 48
"""Side of a window, coarse pixels; its features fit into memory at any scale."""

SHRINKAGE: Final = 1e-2
"""Ridge parameter of such a regression, as a share of the number of pixels."""

_COUNT: Final = 6
_EDGE: Final = 2  # coarse pixels whose guides a shifted sensor may see beyond the window


def sample_blocks(scene: SceneView) -> list[Block]:
    """Read some windows spread evenly over the scene; all of it when it is small."""
    return [scene.window(*place) for place in some_places(scene.shape, WINDOW, _COUNT)]


def known_pixels(block: Block, scale: int) -> Tensor:
    """Mark ``(h, w)`` coarse pixels around which LST and guidance are known throughout."""
    guide = block.guide_tensor[None]
    missing = torch.isnan(guide).any(dim=1, keepdim=True).float()
    lst = torch.isnan(block.lst_tensor)[None, None].float()
    gaps = functional.max_pool2d(missing, scale) + lst
    near = functional.max_pool2d(gaps, 3, stride=1, padding=1)
    return near[0, 0] == 0


def inner_pixels(block: Block, scale: int) -> Tensor:
    """Mark the known ``(h, w)`` coarse pixels of which a shifted sensor sees nothing outside."""
    known = known_pixels(block, scale)
    inside = torch.zeros_like(known)
    inside[_EDGE:-_EDGE, _EDGE:-_EDGE] = True
    return known & inside


def bounded_features(block: Block, features: Features) -> Tensor:
    """Compute a window's fine features in its own deviations, clipped at four, gaps at 0."""
    fine = features.fine(block.guide_tensor[None])[0]
    fine = torch.nan_to_num_(fine - fine.nanmean(dim=(1, 2), keepdim=True))
    squares = torch.linalg.vector_norm(fine, dim=(1, 2), keepdim=True) ** 2
    spread = (squares / max(fine[0].numel() - 1, 1)).sqrt().clamp(min=1e-12)
    return fine.div_(spread).clamp_(-4, 4)


def lst_detail(block: Block) -> Tensor:
    """Return the LST's detail ``(h, w)``, its gaps at the mean; double precision."""
    lst = block.lst_tensor.double()
    return high_pass(torch.where(torch.isnan(lst), lst.nanmean(), lst)[None])[0]


def high_pass(planes: Tensor) -> Tensor:
    """Subtract from ``(…, h, w)`` a Gaussian mean of one coarse pixel."""
    down, across = (_smoothing(size).to(planes) for size in planes.shape[-2:])
    return planes - down @ planes @ across.T


def _smoothing(size: int) -> Tensor:
    """Write a Gaussian mean along one axis as a matrix; edges are repeated outwards."""
    distance = torch.arange(-3, 4)
    weights = torch.exp(-0.5 * distance.double() ** 2)
    seen = (torch.arange(size)[:, None] + distance).clamp(0, size - 1)
    matrix = torch.zeros(size, size, dtype=torch.float64)
    return matrix.scatter_add_(1, seen, (weights / weights.sum()).expand_as(seen))


def left_out_error(design: Tensor, target: Tensor, fold: Tensor) -> Tensor:
    """Regress with each fold left out and return its squared errors.

    Args:
        design: ``(F, n)``.
        target: ``(n,)``, kelvin.
        fold: ``(n,)``, which fold each sample is in.

    Returns:
        ``(5,)`` sums of squared errors, square kelvin.
    """
    return FoldMoments.of(design, target, fold, FIVE.count).errors(SHRINKAGE)
