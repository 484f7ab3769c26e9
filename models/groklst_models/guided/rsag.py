"""RSAG: edges are split off, rebuilt under the guidance, and rebuilt again from the first result.

Yuan, Jiang, Li, Qian, Li, Yang, "Recurrent Structure Attention Guidance for Depth
Super-Resolution", AAAI 2023, https://arxiv.org/abs/2301.13419.

A contrast network splits the interpolated LST into edges and a smooth rest. The edges climb from
the coarse grid to the fine one; at each level attention picks structures of the guidance by the
contrasts in it and in the LST, and a second climb with the same weights knows the first one's LST.

Ours climbs by any power of two; the published code knows ×4 and ×8. At ×2 the smooth branch reads
the coarse edges, since the half grid is the coarse one; at ×4, where the published code's indices
run past the end, it reads the first climb in both turns as at ×8. The guidance has a head of its
own, since it may have several bands. The published attentions and contrast network hold layers that
nothing uses; they are left out. The published loss sees the first climb's LST too; ours sees the
last one's.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from groklst_models.blocks.attention import ChannelAttention, SpatialAttention
from groklst_models.blocks.upsample import PixelShuffleUpsampler, bicubic


class RSAG(nn.Module):
    """Downscale LST with recurrent structure attention.

    Args:
        scale: how many times finer the output is than the LST, a power of two.
        guide_channels: bands of the guidance.
        width: channels of the features on the fine grid; each level below has twice as many.
        blocks: attention blocks at each level of the climb.
        passes: how many times the edges climb.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = True

    def __init__(
        self,
        *,
        scale: int,
        guide_channels: int,
        width: int = 16,
        blocks: int = 30,
        passes: int = 2,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.passes = passes
        widths = [width * 2**level for level in range(scale.bit_length())]  # fine to coarse
        self.contrast = ContrastNetwork()
        self.lst_head = nn.Conv2d(1, width, 3, padding=1)
        self.guide_head = nn.Conv2d(guide_channels, width, 3, padding=1)
        self.descents = nn.ModuleList(Descent(channels) for channels in widths[:-1])
        self.lst_stems = nn.ModuleList(
            nn.Conv2d(1, channels, 3, padding=1) for channels in widths[:-1]
        )
        below = [4 * channels for channels in widths[1:-1]] + widths[-1:]
        self.climbs = nn.ModuleList(
            Climb(*channels, blocks=blocks) for channels in zip(below, widths[:-1], strict=True)
        )
        self.edge_tail = nn.Conv2d(4 * width, 1, 3, padding=1)
        self.smooth_branch = SmoothBranch(width)

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        edges, rest = self.contrast(bicubic(lst, self.scale))  # (B, 1, sh, sw) each
        edge_levels = self.descend(self.lst_head(edges))
        guide_levels = self.descend(self.guide_head(guide))
        fine_edges, risen = self.climb(edge_levels, guide_levels, self.enlarge(lst))
        smooth = rest + self.smooth_branch(self.lst_head(rest), *risen[:2])
        fine: Tensor = fine_edges + smooth
        for _ in range(self.passes - 1):
            latest = self.descend(self.lst_head(fine))
            fine = self.climb(edge_levels, guide_levels, latest)[0] + smooth
        return fine

    def descend(self, features: Tensor) -> list[Tensor]:
        """Return fine features (B, F, sh, sw) at each level, (B, 2ˡF, sh/2ˡ, sw/2ˡ), fine first."""
        levels = [features]
        for descent in self.descents:
            levels.append(descent(levels[-1]))
        return levels

    def enlarge(self, lst: Tensor) -> list[Tensor]:
        """Return features of the LST (B, 1, h, w) doubled again and again, the finest first."""
        levels: list[Tensor] = []
        for stem in reversed(self.lst_stems):
            lst = bicubic(lst, 2)
            levels.insert(0, stem(lst))
        return levels

    def climb(
        self, edges: list[Tensor], guide: list[Tensor], latest: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Climb with all levels of edges, guidance and LST features.

        Returns:
            The fine edges (B, 1, sh, sw), and what rose to each level, (B, 2ˡF, sh/2ˡ, sw/2ˡ), the
            finest first, with the coarse edges last.
        """
        climbing, risen = edges[-1], [edges[-1]]  # (B, sF, h, w)
        for level, step in reversed(list(enumerate(self.climbs))):
            climbing, rose = step(climbing, edges[level], guide[level], latest[level])
            risen.insert(0, rose)
        return self.edge_tail(climbing), risen


class ContrastNetwork(nn.Module):
    """Split a map into its edges and the rest, by the contrast of small and large filters."""

    def __init__(self) -> None:
        super().__init__()
        self.contrasts = nn.ModuleList(
            Contrast(1, small, large, bias=False) for small, large in ((5, 7), (3, 5), (1, 3))
        )
        self.first_activations = pair_of_activations()
        self.last_activations = pair_of_activations()

    def forward(self, lst: Tensor) -> tuple[Tensor, Tensor]:
        """Return edges and rest (B, 1, H, W), of which the LST (B, 1, H, W) is the sum."""
        edges = lst
        first, last = self.first_activations, self.last_activations
        for contrast, activations in zip(self.contrasts, (first, first, last), strict=True):
            edges = torch.sigmoid(contrast(edges, activations))
        return edges, lst - edges


class Contrast(nn.Module):
    """Tell how different features look through a small and a large filter.

    Args:
        channels: channels in and out.
        small: rows and columns of the small filter, odd.
        large: rows and columns of the large filter, odd.
        bias: whether the filters have one.
    """

    def __init__(self, channels: int, small: int, large: int, *, bias: bool = True) -> None:
        super().__init__()
        self.small = nn.Conv2d(channels, channels, small, padding=small // 2, bias=bias)
        self.large = nn.Conv2d(channels, channels, large, padding=large // 2, bias=bias)

    def forward(self, features: Tensor, activations: nn.ModuleList) -> Tensor:
        """Return (B, C, H, W) contrasts, zero or more, for (B, C, H, W) features.

        Args:
            features: what is looked at.
            activations: what follows the small filter and what follows the large one.
        """
        after_small, after_large = activations
        small: Tensor = after_small(self.small(features))
        large: Tensor = after_large(self.large(features))
        return (small - large).abs()


def pair_of_activations() -> nn.ModuleList:
    """Make what follows the small filter of a contrast and what follows the large one."""
    return nn.ModuleList([nn.PReLU(), nn.PReLU()])


class Descent(nn.Sequential):
    """Halve height and width, double the channels.

    Args:
        channels: channels in.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, channels, 3, stride=2, padding=1, bias=False),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, 2 * channels, 3, padding=1, bias=False),
        )


class Climb(nn.Module):
    """Bring features one level up and join them there with all that is known at that level.

    Args:
        inputs: channels in.
        width: channels of each of the four parts that leave.
        blocks: attention blocks before the step.
    """

    def __init__(self, inputs: int, width: int, *, blocks: int) -> None:
        super().__init__()
        self.step = nn.Sequential(
            *(AttentionBlock(inputs) for _ in range(blocks)),
            PixelShuffleUpsampler(inputs, scale=2),
            nn.Conv2d(inputs, width, 1),
        )
        self.structure = StructureAttention(width)

    def forward(
        self, features: Tensor, edges: Tensor, guide: Tensor, latest: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return all that is known at the upper level, and the part of it that rose there.

        Args:
            features: of the lower level, (B, I, H, W).
            edges: features of the edges at the upper level, (B, F, 2H, 2W).
            guide: features of the guidance there, (B, F, 2H, 2W).
            latest: features of the latest LST there, (B, F, 2H, 2W).
        """
        risen = self.step(features)  # (B, F, 2H, 2W)
        return torch.cat([risen, edges, self.structure(guide, latest), latest], dim=1), risen


class AttentionBlock(nn.Module):
    """Add two convolutions, gated for each channel and each pixel, to the input.

    After CBAM (Woo et al., ECCV 2018).

    Args:
        channels: channels in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            ChannelAttention(channels),
        )
        self.gate = SpatialAttention(kernel_size=3)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        residual: Tensor = self.convolutions(features)
        gate: Tensor = self.gate(residual)  # (B, 1, H, W)
        return features + residual * gate


class StructureAttention(nn.Module):
    """Pick the structures that the guidance or the latest LST shows as contrast.

    A share of the guidance itself is added, none at first.

    Args:
        width: channels of the guidance and of the LST features.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.guide_contrast = Contrast(width, 1, 3)
        self.guide_activations = pair_of_activations()
        self.lst_contrast = Contrast(width, 1, 3)
        self.lst_activations = pair_of_activations()
        self.channel_attention = ChannelAttention(width)
        self.gate = SpatialAttention(kernel_size=3)
        self.whole = nn.Sequential(nn.Conv2d(width, width, 1), nn.PReLU())
        self.share = nn.Parameter(torch.zeros(1))

    def forward(self, guide: Tensor, lst: Tensor) -> Tensor:
        """Return (B, F, H, W) for guidance and LST features of that shape."""
        structures = self.guide_contrast(guide, self.guide_activations)
        structures = structures + self.lst_contrast(lst, self.lst_activations)
        structures = self.channel_attention(structures)
        picked = structures * self.gate(structures)
        attended: Tensor = picked + self.share * self.whole(guide)
        return attended


class SmoothBranch(nn.Module):
    """Refine the smooth rest of the LST, with what rose in the climb beside it.

    Args:
        width: channels of the features on the fine grid.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down = Descent(width)
        self.up = nn.Sequential(
            nn.ConvTranspose2d(4 * width, width, 5, stride=2, padding=2, output_padding=1),
            nn.PReLU(),
        )
        self.tail = nn.Conv2d(2 * width, 1, 3, padding=1)

    def forward(self, rest: Tensor, fine: Tensor, half: Tensor) -> Tensor:
        """Return (B, 1, H, W) for two (B, F, H, W) and one (B, 2F, H/2, W/2) features."""
        below = torch.cat([self.down(rest), half], dim=1)  # (B, 4F, H/2, W/2)
        both = torch.cat([self.up(below), fine], dim=1)  # (B, 2F, H, W)
        refined: Tensor = self.tail(both)
        return refined
