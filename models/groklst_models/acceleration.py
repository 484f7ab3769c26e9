"""Make a loaded network faster without changing its results.

On the CPU, three kinds of convolution are computed in a faster way: plain 3×3 ones (see
`winograd`), large dilated depthwise ones and transposed ones. Weights and their names do not
change.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from groklst_models.winograd import FEWEST_CHANNELS, WinogradConv2d


def accelerate(network: nn.Module, device: torch.device) -> nn.Module:
    """Change a network for inference so that it runs faster.

    Args:
        network: Changed in place; its `state_dict` keeps its keys and values.
        device: Where it is and will run.

    Returns:
        The same network.
    """
    if device.type == "cpu":
        for module in network.modules():
            _change(module)
    return network


def _change(module: nn.Module) -> None:
    """Replace a convolution by a faster one; subclasses may behave differently, so they stay."""
    if type(module) is nn.Conv2d:
        if WinogradConv2d.fits(module):
            module.__class__ = WinogradConv2d
        elif PhasedConv2d.fits(module):
            module.__class__ = PhasedConv2d
    elif type(module) is nn.ConvTranspose2d and PlanarConvTranspose2d.fits(module):
        module.__class__ = PlanarConvTranspose2d
        _to_channels_last(module)


def _to_channels_last(module: nn.Module) -> None:
    for weight in module.parameters():
        if weight.dim() == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)


class PhasedConv2d(nn.Conv2d):
    """A dilated depthwise convolution, computed as an undilated one for each phase of the pixels.

    From 7×7 on, torch computes dilated ones in a slow general way; this is 4 times faster.
    """

    @staticmethod
    def fits(conv: nn.Conv2d) -> bool:
        """Tell whether a convolution is depthwise, dilated, large, and keeps height and width."""
        (rows, columns), dilation = conv.kernel_size, conv.dilation[0]
        return (
            conv.groups == conv.in_channels
            and conv.dilation == (dilation, dilation) != (1, 1)
            and conv.stride == (1, 1)
            and conv.padding == (rows // 2 * dilation, columns // 2 * dilation)
            and rows % 2 == columns % 2 == 1
            and min(rows, columns) >= 7
            and conv.padding_mode == "zeros"
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, outputs, H, W) for (B, inputs, H, W)."""
        batch, _, height, width = features.shape
        step = self.dilation[0]
        padding = [size // 2 for size in self.kernel_size]
        seen = features.new_empty(batch, self.out_channels, height, width)
        for row in range(min(step, height)):
            for column in range(min(step, width)):
                seen[..., row::step, column::step] = functional.conv2d(
                    features[..., row::step, column::step],
                    self.weight,
                    self.bias,
                    padding=padding,
                    groups=self.groups,
                )
        return seen


class PlanarConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution that works channels-last, its result brought back to planes.

    Its weights are channels-last. Up to 3 times faster, the same bits.
    """

    @staticmethod
    def fits(conv: nn.ConvTranspose2d) -> bool:
        """Tell whether a convolution is strided, and wide enough to gain."""
        channels = min(conv.in_channels, conv.out_channels)
        return conv.groups == 1 and conv.stride != (1, 1) and channels >= FEWEST_CHANNELS

    def forward(self, features: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Return (B, outputs, sH, sW) for (B, inputs, H, W)."""
        pixels = super().forward(features, output_size).permute(0, 2, 3, 1)
        batch, height, width, channels = pixels.shape
        fine = pixels.new_empty(batch, channels, height, width)
        for own, planes in zip(pixels, fine, strict=True):
            # Torch transposes matrices cell by cell, but images a column at a time.
            planes.view(channels, -1).copy_(own.reshape(-1, channels).T)
        return fine
