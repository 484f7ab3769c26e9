"""DCTNet: the fine LST's edges are the guidance's, found by solving for them in cosine space.

Zhao, Zhang, Xu, Lin, Pfister, "Discrete Cosine Transform Network for Guided Depth Map
Super-Resolution", CVPR 2022, https://arxiv.org/abs/2104.06977.

Features of LST and of guidance come from convolutions that share half their kernels. In each
channel the result minimizes ½|result - lst|² + ½λ|Δresult - gates · Δguide|²: it stays near the
LST and takes its Laplacian from the guidance where the gates are open. The discrete cosine
transform turns that into a division.

Ours differs from the published version in four ways. The division is by the eigenvalues of the very
Laplacian that the guidance passes, five points with mirrored edges, so the result is that minimum.
λ starts where `trust` says; there the argument has no effect. No ReLU follows the last convolution;
there it keeps all predictions above the mean. And no layer is idle: 484,577 parameters for 486,897.
"""

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groklst_models.blocks.attention import EnhancedSpatialAttention
from groklst_models.blocks.precision import without_autocast
from groklst_models.blocks.upsample import bicubic


class DCTNet(nn.Module):
    """Downscale LST by transferring gated edges of the guidance in closed form.

    Args:
        scale: how many times finer the output is than the LST.
        guide_channels: bands of the guidance.
        width: channels of all features.
        shared: how many of them both modalities make with the same kernels.
        layers: coupled residual layers.
        trust: λ at the start of training, how much more the guidance's edges count than the
            LST's values; each channel learns its own.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = True

    def __init__(
        self,
        *,
        scale: int,
        guide_channels: int,
        width: int = 64,
        shared: int = 32,
        layers: int = 4,
        trust: float = 1.1,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.lst_stem = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU())
        self.guide_stem = nn.Sequential(nn.Conv2d(guide_channels, width, 3, padding=1), nn.ReLU())
        self.layers = nn.ModuleList(CoupledResidual(width, shared) for _ in range(layers))
        self.edges = EnhancedSpatialAttention(width, hidden=max(1, width // 4))
        self.transfer = EdgeTransfer(width, trust=trust)
        self.decoder = nn.Sequential(
            nn.Conv2d(width, width // 2, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width // 2, width // 4, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width // 4, 1, 3, padding=1),
        )

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        lst = self.lst_stem(bicubic(lst, self.scale))  # (B, F, sh, sw)
        guide = self.guide_stem(guide)  # (B, F, sh, sw)
        for layer in self.layers:
            lst, guide = layer(lst, guide)
        features = self.transfer(lst, guide, self.edges.gate(guide))  # (B, F, sh, sw)
        fine: Tensor = self.decoder(features)  # (B, 1, sh, sw)
        return fine


class CoupledConv(nn.Module):
    """Convolve two modalities, with some kernels that both use and some that each has alone.

    Args:
        width: channels in and out.
        shared: how many of those out come from shared kernels.
    """

    def __init__(self, width: int, shared: int) -> None:
        super().__init__()
        self.both = nn.Conv2d(width, shared, 3, padding=1)
        self.lst = nn.Conv2d(width, width - shared, 3, padding=1)
        self.guide = nn.Conv2d(width, width - shared, 3, padding=1)

    def forward(self, lst: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
        """Return two (B, F, H, W) features for two (B, F, H, W) features."""
        lst = torch.cat([self.both(lst), self.lst(lst)], dim=1)
        guide = torch.cat([self.both(guide), self.guide(guide)], dim=1)
        return lst, guide


class CoupledResidual(nn.Module):
    """Add two coupled convolutions with ReLU between them to both modalities.

    Args:
        width: channels in and out.
        shared: how many channels of each convolution come from shared kernels.
    """

    def __init__(self, width: int, shared: int) -> None:
        super().__init__()
        self.first = CoupledConv(width, shared)
        self.second = CoupledConv(width, shared)

    def forward(self, lst: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
        """Return two (B, F, H, W) features for two (B, F, H, W) features."""
        lst_residual, guide_residual = self.first(lst, guide)
        lst_residual, guide_residual = self.second(F.relu(lst_residual), F.relu(guide_residual))
        return F.relu(lst + lst_residual), F.relu(guide + guide_residual)


class EdgeTransfer(nn.Module):
    """Solve (1 + λΔ²) result = lst + λΔ(gates · Δguide), the minimum of the header's sum.

    Args:
        width: channels; each has its λ.
        trust: λ at the start.
    """

    def __init__(self, width: int, *, trust: float) -> None:
        super().__init__()
        self.log_trust = nn.Parameter(torch.full((width, 1, 1), math.log(trust)))

    def forward(self, lst: Tensor, guide: Tensor, gates: Tensor) -> Tensor:
        """Return (B, F, H, W) features for LST and guidance features and gates of that shape."""
        with without_autocast(lst.device):  # half floats cannot sum whole rows
            return self.solve(lst.float(), guide.float(), gates.float()).to(lst.dtype)

    def solve(self, lst: Tensor, guide: Tensor, gates: Tensor) -> Tensor:
        """Return the solution, as `forward` does, for features of 32 bits."""
        trust = self.log_trust.float().exp()  # (F, 1, 1)
        height, width = lst.shape[2:]
        rows, columns = cosines(height, lst), cosines(width, lst)
        eigenvalues = laplacian_factors(height, lst)[:, None] + laplacian_factors(width, lst)
        wanted = lst + trust * laplacian(gates * laplacian(guide))
        transformed = rows @ wanted @ columns.T
        return rows.T @ (transformed / (1 + trust * eigenvalues.square())) @ columns


def laplacian(features: Tensor) -> Tensor:
    """Return each pixel's four neighbours' sum less four times itself; edges are mirrored."""
    padded = F.pad(features, (1, 1, 1, 1), mode="replicate")
    rows, columns = padded[:, :, :, 1:-1], padded[:, :, 1:-1]
    return rows[:, :, :-2] + rows[:, :, 2:] + columns[..., :-2] + columns[..., 2:] - 4 * features


def cosines(count: int, like: Tensor) -> Tensor:
    """Return the orthonormal DCT-II matrix (count, count); each row is one wave."""
    index = torch.arange(count, device=like.device)
    phase = index[:, None] * (2 * index + 1) % (4 * count)  # whole numbers wrap without rounding
    waves = torch.cos(phase.to(like.dtype) * (math.pi / (2 * count)))
    power = (1 + (index > 0)).to(like.dtype) / count
    return power.sqrt()[:, None] * waves


def laplacian_factors(count: int, like: Tensor) -> Tensor:
    """Return what a mirrored second difference multiplies each of the cosines by: (count,)."""
    index = torch.arange(count, device=like.device, dtype=like.dtype)
    return 2 * torch.cos(index * (math.pi / count)) - 2
