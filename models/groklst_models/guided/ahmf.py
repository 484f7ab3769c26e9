"""AHMF: LST and guidance are fused at each depth, and the depths then talk to each other.

Zhong, Liu, Jiang, Zhao, Chen, Ji, "High-Resolution Depth Maps Imaging via Attention-Based
Hierarchical Multi-Modal Fusion", IEEE TIP 2022, https://arxiv.org/abs/2104.01530.

At each depth of two branches, gates choose what is of use in either modality, and channel weights
made from both bring the two to one measure. The fused maps are then read as a sequence, from deep
to shallow and back, by convolutional recurrent networks, so that structure and detail meet. All
happens on the coarse grid: the guidance is folded to it, and the result unfolded from it.

Ours starts the recurrent states as zeros on the device of the features. The published code also
makes a module for folding that it never uses; it has no parameters.
"""

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from groklst_models.blocks.residual import ResidualBlock
from groklst_models.blocks.upsample import PixelShuffleUpsampler, bicubic


class AHMF(nn.Module):
    """Downscale LST by attention-based fusion at several depths.

    Args:
        scale: how many times finer the output is than the LST, a power of two.
        guide_channels: bands of the guidance.
        width: channels of all features.
        depths: how many depths of the two branches are fused.
        layers: of each recurrent network.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = True

    def __init__(
        self,
        *,
        scale: int,
        guide_channels: int,
        width: int = 64,
        depths: int = 4,
        layers: int = 2,
    ) -> None:
        super().__init__()
        self.scale = scale
        kernel_size = 3 if scale > 4 else 1  # the published choice
        self.lst_branch = Branch(convolution(1, width), width, depths=depths)
        stem = [convolution(guide_channels, width), Fold(width, scale, kernel_size=kernel_size)]
        self.guide_branch = Branch(nn.Sequential(*stem), width, depths=depths)
        self.fusions = nn.ModuleList(MultiModalFusion(width) for _ in range(depths))
        self.collaboration = HierarchicalCollaboration(width, depths=depths, layers=layers)
        self.reconstruction = nn.Sequential(
            convolution(depths * width, width, 1),
            PixelShuffleUpsampler(width, scale=scale, kernel_size=kernel_size, activation=nn.PReLU),
            nn.Conv2d(width, 1, 3, padding=1),
        )

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        lst_maps = self.lst_branch(lst)  # of each depth, (B, F, h, w)
        guide_maps = self.guide_branch(guide)  # of each depth, (B, F, h, w)
        depths = zip(self.fusions, lst_maps, guide_maps, strict=True)
        fused = [fusion(lst_map, guide_map) for fusion, lst_map, guide_map in depths]
        hierarchy = torch.cat(self.collaboration(fused), dim=1)  # (B, depths · F, h, w)
        detail: Tensor = self.reconstruction(hierarchy)  # (B, 1, sh, sw)
        return bicubic(lst, self.scale) + detail


class Branch(nn.Module):
    """Chain convolutions after a stem, and keep the features of each depth.

    Args:
        stem: makes the features of the first depth.
        width: channels of all features.
        depths: how many.
    """

    def __init__(self, stem: nn.Module, width: int, *, depths: int) -> None:
        super().__init__()
        self.steps = nn.ModuleList([stem, *(convolution(width, width) for _ in range(depths - 1))])

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return features (B, F, h, w) from deep to shallow for what the stem takes."""
        features, maps = image, []
        for step in self.steps:
            features = step(features)
            maps.append(features)
        return maps[::-1]


class Fold(nn.Sequential):
    """Halve height and width without loss, and mix the four times as many channels to as many.

    Args:
        width: channels in and out.
        scale: how often as a whole, a power of two.
        kernel_size: of the convolutions that mix, odd.
    """

    def __init__(self, width: int, scale: int, *, kernel_size: int) -> None:
        steps: list[nn.Module] = []
        for _ in range(int(math.log2(scale))):
            steps += [nn.PixelUnshuffle(2), convolution(4 * width, width, kernel_size)]
        super().__init__(*steps)


class MultiModalFusion(nn.Module):
    """Choose what is of use in LST and guidance, weigh their channels, and add the two (MMAF).

    Args:
        width: channels of both, and of the result.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lst_enhancement = GatedConvolution(width)
        self.guide_enhancement = GatedConvolution(width)
        self.squeeze = convolution(2 * width, width // 2)
        self.lst_excite = nn.Conv2d(width // 2, width, 1)
        self.guide_excite = nn.Conv2d(width // 2, width, 1)
        self.refinement = refinement(width)

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return (B, F, h, w) for LST and guidance features of that shape."""
        lst, guide = self.lst_enhancement(lst), self.guide_enhancement(guide)
        both = self.squeeze(torch.cat([lst, guide], dim=1))  # (B, F/2, h, w)
        variance, mean = torch.var_mean(both, dim=(2, 3), correction=0, keepdim=True)
        summary = mean + variance  # (B, F/2, 1, 1)
        lst = lst * torch.sigmoid(self.lst_excite(summary))
        guide = guide * torch.sigmoid(self.guide_excite(summary))
        fused: Tensor = self.refinement((lst + guide) / 2)
        return fused


class GatedConvolution(nn.Module):
    """Multiply what a convolution finds by a gate in (0, 1) that another makes for each value.

    Args:
        width: channels in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Conv2d(width, width, 3, padding=1)
        self.conv = convolution(width, width)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, h, w) features for (B, F, h, w) features."""
        found: Tensor = self.conv(features)
        return found * torch.sigmoid(self.gate(features))


class HierarchicalCollaboration(nn.Module):
    """Read the depths as a sequence in both directions, and add what the two readings say (BHFC).

    Args:
        width: channels of all features.
        depths: how many.
        layers: of each recurrent network.
    """

    def __init__(self, width: int, *, depths: int, layers: int) -> None:
        super().__init__()
        self.downward = nn.ModuleList(ConvGRU(width) for _ in range(layers))
        self.upward = nn.ModuleList(ConvGRU(width) for _ in range(layers))
        self.refinements = nn.ModuleList(refinement(width) for _ in range(depths))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Return as many (B, F, h, w) features for those of each depth."""
        there, back = maps, maps[::-1]
        for downward, upward in zip(self.downward, self.upward, strict=True):
            there, back = downward(there), upward(back)
        depths = zip(self.refinements, there, back[::-1], strict=True)
        return [refine(one + other) for refine, one, other in depths]


class ConvGRU(nn.Module):
    """Read a sequence of maps with a convolutional gated recurrent unit.

    After Ballas et al., "Delving Deeper into Convolutional Networks for Learning Video
    Representations", ICLR 2016.

    Args:
        width: channels of the maps and of the state.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(2 * width, 2 * width, 3, padding=1)
        self.candidate = nn.Conv2d(2 * width, width, 3, padding=1)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return the state after each of the maps; all are (B, F, h, w)."""
        states = [torch.zeros_like(maps[0])]
        for features in maps:
            states.append(self.step(features, states[-1]))
        return states[1:]

    def step(self, features: Tensor, state: Tensor) -> Tensor:
        """Return the next state for the features met in this state."""
        gates = torch.sigmoid(self.gates(torch.cat([features, state], dim=1)))  # (B, 2F, h, w)
        reset, update = gates.chunk(2, dim=1)
        candidate = torch.tanh(self.candidate(torch.cat([features, reset * state], dim=1)))
        return state + update * (candidate - state)


def convolution(inputs: int, outputs: int, kernel_size: int = 3) -> nn.Sequential:
    """Make a convolution that keeps height and width, with its activation."""
    conv = nn.Conv2d(inputs, outputs, kernel_size, padding=kernel_size // 2)
    return nn.Sequential(conv, nn.PReLU())


def refinement(width: int) -> nn.Sequential:
    """Make a residual block with an activation after it."""
    return nn.Sequential(ResidualBlock(width, activation=nn.PReLU), nn.PReLU())
