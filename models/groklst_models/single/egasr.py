"""EGASR: every block looks at edges beside textures, and weighs the two.

Qiu, Shen, Yue, Zheng, "Cross-sensor remote sensing imagery super-resolution via an edge-guided
attention-based network", ISPRS Journal of Photogrammetry and Remote Sensing 2023.

In each block one branch is a plain residual block, the other convolves with Sobel and Laplace
templates whose strength is learned for each channel. A selective attention made from both says how
much of either each channel takes.

Ours computes what the published code computes with fewer parameters: 29.2 million at ×2, not 35.4
million. Its templates are constants; there each channel has a frozen copy, 276,480 parameters. A
3×3 convolution that each block declares and never calls is left out, 5,908,480. So is the bias of
the 1×1 convolution before a template, 30,720: the border around the map is set to that bias and a
template's weights sum to zero, so the bias never shows.
"""

from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groklst_models.blocks.attention import SpatialAttention
from groklst_models.blocks.residual import ResidualBlock
from groklst_models.blocks.upsample import PixelShuffleUpsampler, bilinear

TEMPLATES = (
    ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0)),  # Sobel, across columns
    ((1.0, 2.0, 1.0), (0.0, 0.0, 0.0), (-1.0, -2.0, -1.0)),  # Sobel, across rows
    ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0)),  # Laplace
)


class EGASR(nn.Module):
    """Downscale LST with edge-guided attention blocks.

    Args:
        scale: how many times finer the output is than the LST.
        width: channels of the features.
        groups: residual groups.
        blocks: edge-guided blocks in a group.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = True

    def __init__(self, *, scale: int, width: int = 64, groups: int = 10, blocks: int = 16) -> None:
        super().__init__()
        self.scale = scale
        self.head = nn.Conv2d(1, width, 3, padding=1)
        self.frame = nn.Conv2d(width, width, 3, padding=1)
        self.groups = nn.ModuleList(
            nn.Sequential(
                *(EdgeGuidedBlock(width) for _ in range(blocks)),
                nn.Conv2d(width, width, 3, padding=1),
            )
            for _ in range(groups)
        )
        self.recall = nn.Parameter(torch.zeros(1))
        self.upsampler = PixelShuffleUpsampler(width, scale=scale)
        self.last = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        deep = first = self.frame(self.head(lst))  # (B, F, h, w)
        for group in self.groups:
            deep = deep + group(deep) + self.recall * first
        detail: Tensor = self.last(self.upsampler(self.frame(deep)))  # (B, 1, sh, sw)
        return bilinear(lst, self.scale) + detail


class EdgeGuidedBlock(nn.Module):
    """Add to the features what two convolutions, then textures and edges, make of them.

    Args:
        width: channels in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.PReLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )
        self.textures = ResidualBlock(width, activation=partial(nn.PReLU, width))
        self.edges = EdgeBranch(width)
        self.selection = SelectiveAttention(width)
        for layer in self.textures.convolutions:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
                layer.weight.data.mul_(0.1)  # near identity at first
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, h, w) features for (B, F, h, w) features."""
        residual = self.convolutions(features)
        selected: Tensor = self.selection(self.textures(residual), self.edges(residual))
        return features + selected


class EdgeBranch(nn.Module):
    """Find edges by each template, mix them, and keep those where a spatial attention looks.

    Args:
        width: channels in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.templates = nn.ModuleList(
            TemplateConvolution(width, torch.tensor(template)) for template in TEMPLATES
        )
        self.mix = nn.Conv2d(len(TEMPLATES) * width, width, 1)
        self.gate = SpatialAttention()

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, h, w) features for (B, F, h, w) features."""
        found = torch.cat([template(features) for template in self.templates], dim=1)
        edges: Tensor = self.mix(found)  # (B, F, h, w)
        gate: Tensor = self.gate(edges)  # (B, 1, h, w)
        return edges * gate


class TemplateConvolution(nn.Module):
    """Mix the channels, then convolve each with a fixed template as strongly as is learned.

    A template's weights sum to zero, so a bias of the mix would change nothing.

    Args:
        width: channels in and out.
        template: (3, 3).
    """

    template: Tensor

    def __init__(self, width: int, template: Tensor) -> None:
        super().__init__()
        self.register_buffer("template", template, persistent=False)
        self.mix = nn.Conv2d(width, width, 1, bias=False)
        self.strength = nn.Parameter(0.001 * torch.randn(width, 1, 1, 1))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, h, w) features for (B, F, h, w) features."""
        kernels = self.strength * self.template  # (F, 1, 3, 3)
        mixed = self.mix(features)
        return F.conv2d(mixed, kernels, self.bias, padding=1, groups=mixed.shape[1])


class SelectiveAttention(nn.Module):
    """Weigh two branches against each other, channel by channel, by the mean of their sum.

    After selective kernel networks (Li et al., CVPR 2019), whose inner layer has at least 32
    channels.

    Args:
        width: channels of each branch.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        inner = max(32, width // 2)
        self.squeeze = nn.Linear(width, inner)
        self.excite = nn.Linear(inner, 2 * width)

    def forward(self, textures: Tensor, edges: Tensor) -> Tensor:
        """Return (B, F, h, w) features for two of that shape."""
        summary = (textures + edges).mean(dim=(2, 3))  # (B, F)
        scores: Tensor = self.excite(self.squeeze(summary))  # (B, 2F)
        shares = scores.reshape(-1, 2, self.width, 1, 1).softmax(dim=1)
        return textures * shares[:, 0] + edges * shares[:, 1]
