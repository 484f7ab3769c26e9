"""PAC-Net: enlarge LST features with kernels that do not reach across edges of the guidance.

Su, Jampani, Sun, Gallo, Learned-Miller, Kautz, "Pixel-Adaptive Convolutional Neural Networks",
CVPR 2019, https://arxiv.org/abs/1904.05373.

A pixel-adaptive convolution multiplies its filter, at each pixel, by how alike the guidance is
there and at the neighbour. LST features are doubled octave by octave with transposed convolutions
of this kind, each of which has guidance features of its own.

Ours differs from the published version in how it computes, not in what: only the pixels that hold a
value are sent on by the transposed convolution, each into its own neighbourhood, so the zeros that
would lie between them cost nothing: a quarter as many values are held, in plain operations.
"""

import math
from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PACNet(nn.Module):
    """Downscale LST by pixel-adaptive transposed convolutions, one for each octave.

    Args:
        scale: how many times finer the output is than the LST, a power of two.
        guide_channels: bands of the guidance.
        width: channels of all features.
        kernel_channels: guidance features by which an octave tells pixels apart.
        kernel_size: of all convolutions, odd.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self,
        *,
        scale: int,
        guide_channels: int,
        width: int = 32,
        kernel_channels: int = 16,
        kernel_size: int = 5,
    ) -> None:
        super().__init__()
        octaves = int(math.log2(scale))

        def chain(*channels: int) -> nn.Sequential:
            return convolutions(*channels, kernel_size=kernel_size)

        self.lst_branch = chain(1, width, width, width)
        self.guide_branch = chain(guide_channels, width, width, octaves * kernel_channels)
        self.doublings = nn.ModuleList(
            AdaptiveDoubling(width, kernel_size=kernel_size) for _ in range(octaves)
        )
        self.reconstruction = chain(width, width, 1)

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        features = self.lst_branch(lst)  # (B, F, h, w)
        octaves = self.guide_branch(guide).chunk(len(self.doublings), dim=1)  # (B, K, sh, sw) each
        for doubling, alike in zip(self.doublings, octaves, strict=True):
            size = [2 * side for side in features.shape[2:]]
            alike = F.interpolate(alike, size, mode="bilinear", align_corners=False)
            features = F.relu(doubling(features, alike))  # (B, F, 2h, 2w), then twice that
        fine: Tensor = self.reconstruction(features)  # (B, 1, sh, sw)
        return fine


class AdaptiveDoubling(nn.Module):
    """Double height and width by a transposed convolution that the guidance adapts.

    A pixel sends its features, through the filter, into the neighbourhood of its place on the finer
    grid; a neighbour takes exp(-d²/2) of that, where d is their distance in guidance features.

    Args:
        width: channels in and out.
        kernel_size: rows and columns of the neighbourhood, odd.
    """

    def __init__(self, width: int, *, kernel_size: int) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.send = nn.Conv2d(width, width * kernel_size**2, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(width, 1, 1))

    def forward(self, features: Tensor, guide: Tensor) -> Tensor:
        """Return (B, F, 2h, 2w) for features (B, F, h, w) and guidance features (B, K, 2h, 2w)."""
        size, padding = self.kernel_size, self.kernel_size // 2
        shape = (len(features), -1, size**2, features[0, 0].numel())
        near = F.unfold(guide, size, padding=padding, stride=2).reshape(shape)  # (B, K, k², h·w)
        here = near[:, :, size**2 // 2, None]  # (B, K, 1, h·w)
        kernels = torch.exp(-0.5 * (near - here).square().sum(dim=1, keepdim=True))
        sent = self.send(features).reshape(shape)  # (B, F, k², h·w)
        received = (sent * kernels).flatten(1, 2)
        fine = F.fold(received, guide.shape[2:], size, padding=padding, stride=2)
        return fine + self.bias


def convolutions(*channels: int, kernel_size: int) -> nn.Sequential:
    """Chain convolutions from the first to the last number of channels, with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(channels):
        layers += [nn.Conv2d(inputs, outputs, kernel_size, padding=kernel_size // 2), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
