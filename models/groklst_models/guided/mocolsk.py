"""MoCoLSK-Net: the guidance decides how far around itself each fine pixel looks.

Dai, Yuan, Dai, Li, Li, Ni, Xu, Shu, Yang, "MoCoLSK: Modality-Conditioned High-Resolution
Downscaling for Land Surface Temperature", IEEE TGRS 2025, https://arxiv.org/abs/2409.19835.

LST features are brought to the fine grid and seen through a near and a far kernel, and masks choose
between the two views at each pixel. The small convolution that makes the masks is itself made from
LST and guidance, so the receptive field follows the scene.

Ours differs from the published code in two ways. Each sample of a batch has its own convolution,
not the batch's mean, so a patch's result does not depend on its company. And that convolution is
part of the graph, so the pathway that makes it learns. One sample alone gives the published result.
"""

from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groklst_models.blocks.precision import without_autocast
from groklst_models.blocks.projection import DownProjection, UpProjection
from groklst_models.blocks.residual import ResidualGroup
from groklst_models.blocks.upsample import bicubic

LeakyReLU = partial(nn.LeakyReLU, 0.2, inplace=True)

# Cells a side of the grids that tokens are pooled on: 1 + 4 + 9 + 36 = 50 tokens.
PYRAMID = (1, 2, 3, 6)


class MoCoLSKNet(nn.Module):
    """Downscale LST with modality-conditioned large selective kernels.

    Args:
        scale: how many times finer the output is than the LST.
        guide_channels: bands of the guidance.
        width: channels of the stems; LST features gain as many with each stage.
        stages: how many times the LST meets the guidance.
        blocks: attention blocks in a residual group; the two fine groups have twice as many.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = True

    def __init__(
        self,
        *,
        scale: int,
        guide_channels: int,
        width: int = 32,
        stages: int = 4,
        blocks: int = 4,
    ) -> None:
        super().__init__()
        self.scale = scale
        group = partial(ResidualGroup, activation=LeakyReLU)
        widths = [width * (stage + 1) for stage in range(stages)]
        deep = width * (stages + 1)
        self.lst_stem = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), LeakyReLU())
        self.guide_stem = nn.Sequential(nn.Conv2d(guide_channels, width, 3, padding=1), LeakyReLU())
        self.lst_groups = nn.ModuleList(group(channels, blocks) for channels in widths)
        self.guide_groups = nn.ModuleList(group(width, blocks) for _ in widths)
        self.bridges = nn.ModuleList(Bridge(channels, width, scale=scale) for channels in widths)
        self.reconstruction = nn.Sequential(
            group(deep, blocks),
            UpProjection(deep, deep, scale=scale),
            group(deep, 2 * blocks),
            group(deep, 2 * blocks),
        )
        self.head = nn.Sequential(
            nn.Conv2d(deep, width, 3, padding=1),
            LeakyReLU(),
            nn.Conv2d(width, 1, 3, padding=1),
        )

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        coarse = self.lst_stem(lst)  # (B, F, h, w)
        fine = self.guide_stem(guide)  # (B, F, sh, sw)
        stages = zip(self.lst_groups, self.guide_groups, self.bridges, strict=True)
        for lst_group, guide_group, bridge in stages:
            fine = guide_group(fine)
            coarse = bridge(lst_group(coarse), fine)  # (B, F more, h, w)
        detail: Tensor = self.head(self.reconstruction(coarse))  # (B, 1, sh, sw)
        return bicubic(lst, self.scale) + detail


class Bridge(nn.Module):
    """Carry LST features to the fine grid, select there with the guidance, and carry both back.

    Args:
        channels: channels of the LST features; they leave with `width` more.
        width: channels of the guidance features.
        scale: how many times finer the guidance is.
    """

    def __init__(self, channels: int, width: int, *, scale: int) -> None:
        super().__init__()
        self.up = UpProjection(channels, width, scale=scale)
        self.selection = SelectiveKernel(width)
        self.down = DownProjection(2 * width, channels + width, scale=scale)

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return (B, C+F, h, w) for LST (B, C, h, w) and guidance (B, F, sh, sw) features."""
        lst = self.up(lst)  # (B, F, sh, sw)
        both = torch.cat([lst, self.selection(lst, guide)], dim=1)  # (B, 2F, sh, sw)
        carried: Tensor = self.down(both)  # (B, C+F, h, w)
        return carried


class SelectiveKernel(nn.Module):
    """Choose at each pixel between a near and a far view of the LST, as the guidance says.

    The MoCoLSK module; its two views are those of LSKNet (Li et al., IJCV 2024).

    Args:
        width: channels of the LST and of the guidance features.
        kernel_size: of the convolution that is made for each sample.
    """

    def __init__(self, width: int, *, kernel_size: int = 3) -> None:
        super().__init__()
        self.near_view = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.far_view = nn.Conv2d(width, width, 7, padding=9, dilation=3, groups=width)
        self.near_squeeze = nn.Conv2d(width, width // 2, 1)
        self.far_squeeze = nn.Conv2d(width, width // 2, 1)
        self.weight_generation = WeightGeneration(width, kernel_size=kernel_size)
        self.expand = nn.Conv2d(width // 2, width, 1)

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return (B, F, H, W) for LST and guidance features of that shape."""
        view = self.near_view(lst)
        near = self.near_squeeze(view)  # (B, F/2, H, W)
        far = self.far_squeeze(self.far_view(view))  # (B, F/2, H, W)
        views = torch.cat([near, far], dim=1)
        summary = torch.cat([views.mean(1, keepdim=True), views.amax(1, keepdim=True)], dim=1)
        kernels = self.weight_generation(lst, guide)  # (B, 2, 2, k, k)
        masks = torch.sigmoid(convolve_each(summary, kernels))  # (B, 2, H, W)
        selected: Tensor = self.expand(near * masks[:, :1] + far * masks[:, 1:])  # (B, F, H, W)
        return selected * guide


class WeightGeneration(nn.Module):
    """Make one selection kernel for each sample from its LST and its guidance.

    After the dynamic MLP, variant A (Yang et al., CVPR 2022): each guidance token becomes the
    matrix that its LST token passes through. The kernel is the mean of what the tokens propose.

    Args:
        width: channels of the LST and of the guidance features.
        kernel_size: rows and columns of the kernel.
    """

    def __init__(self, width: int, *, kernel_size: int) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        values = 4 * kernel_size**2
        self.query = nn.Linear(width, width)
        self.guide_matrix = nn.Linear(width, width**2)
        self.query_norm = nn.LayerNorm(width)
        self.proposal = nn.Linear(width, values)
        self.proposal_norm = nn.LayerNorm(values)
        self.shortcut = nn.Linear(width, values)

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return kernels (B, 2, 2, k, k), out before in, for two (B, F, H, W) features."""
        lst, guide = pyramid_tokens(lst), pyramid_tokens(guide)  # (B, 50, F) each
        batch, tokens, width = lst.shape
        matrices = self.guide_matrix(guide).reshape(batch, tokens, width, width)  # input × output
        query = torch.einsum("bti,btij->btj", self.query(lst), matrices)
        query = F.relu(self.query_norm(query))
        values = self.proposal_norm(self.proposal(query)) + self.shortcut(lst)  # (B, 50, 4k²)
        kernels: Tensor = values.mean(dim=1)
        return kernels.reshape(batch, 2, 2, self.kernel_size, self.kernel_size)


def pyramid_tokens(features: Tensor) -> Tensor:
    """Pool (B, C, H, W) features on the grids of the pyramid to tokens (B, 50, C)."""
    if features.device.type == "cpu":
        pooled = [F.adaptive_avg_pool2d(features, side).flatten(2) for side in PYRAMID]
        return torch.cat(pooled, dim=2).transpose(1, 2)
    return pooled_by_products(features)


def pooled_by_products(features: Tensor) -> Tensor:
    """Do as ``pyramid_tokens`` by products with averaging matrices.

    Apple's GPUs pool to no size that does not divide, and CUDA's gradient of pooling adds up in
    the order in which threads come.
    """
    with without_autocast(features.device):  # half floats cannot hold how much a pixel counts
        maps = features.to(torch.promote_types(features.dtype, torch.float32))
        down, across = (averages(length, maps) for length in maps.shape[-2:])
        parts = torch.split(maps @ across.T, list(PYRAMID), dim=-1)  # (B, C, H, side) each
        rows = torch.split(down, list(PYRAMID))
        grids = [average @ part for average, part in zip(rows, parts, strict=True)]
    return torch.cat([grid.flatten(2) for grid in grids], dim=2).transpose(1, 2).to(features.dtype)


def averages(length: int, like: Tensor) -> Tensor:
    """Return what each pixel counts in each cell of all grids (12, length); cells may overlap."""
    cells = [(cell, side) for side in PYRAMID for cell in range(side)]
    counts = like.new_zeros(len(cells), length)
    for row, (cell, side) in zip(counts, cells, strict=True):
        first, stop = cell * length // side, -(-(cell + 1) * length // side)
        row[first:stop] = 1 / (stop - first)
    return counts


def convolve_each(maps: Tensor, kernels: Tensor) -> Tensor:
    """Convolve each sample of (B, I, H, W) with its own of the kernels (B, O, I, k, k)."""
    batch, outputs, _, _, size = kernels.shape
    channels, stacked = maps.flatten(0, 1), kernels.flatten(0, 1)  # a sample is a group of channels
    convolved = F.conv2d(channels, stacked, padding=size // 2, groups=batch)  # (B·O, H, W)
    return convolved.reshape(batch, outputs, *maps.shape[2:])
