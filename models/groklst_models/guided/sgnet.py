"""SGNet: structure comes to the LST by two ways, through gradients and through frequencies.

Wang, Yan, Yang, "SGNet: Structure Guided Network via Gradient-Frequency Awareness for Depth Map
Super-Resolution", AAAI 2024, https://arxiv.org/abs/2312.05799.

The guidance's gradients sharpen the LST's, and features of these calibrated gradients accompany
the LST. Three modules then carry the LST to the fine grid, merge it with the guidance there, pixel
by pixel in an invertible network and wave by wave in amplitude and phase, and carry it back.

Ours differs from the published version in its guidance gradients: those of all bands, for each has
edges of its own, where that takes the first three (with ten bands 2,520 parameters more). Phase is
cosine and sine, for an angle jumps where rounding changes a sign, and the inverse transform keeps
its real part, not the magnitude. The invertible 1×1 convolutions start as the identity and keep
both triangular factors in one matrix, without the halves that are always zero: 179,200 parameters
fewer. No layer is idle, and the loss on the calibrated gradients is left out, as in the benchmark.
"""

from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groklst_models.blocks.attention import ChannelAttention, ContrastChannelAttention
from groklst_models.blocks.projection import DownProjection, UpProjection
from groklst_models.blocks.residual import ResidualBlock, ResidualGroup
from groklst_models.blocks.upsample import bicubic

LeakyReLU = partial(nn.LeakyReLU, 0.2, inplace=True)
conv = partial(nn.Conv2d, kernel_size=3, padding=1)
pointwise = partial(nn.Conv2d, kernel_size=1)
residual = partial(ResidualBlock, activation=LeakyReLU)
group = partial(ResidualGroup, activation=LeakyReLU)

# Is added to squares under a root: the slope at zero stays finite.
SMALL_SQUARE = 1e-6


class SGNet(nn.Module):
    """Downscale LST by structure that gradients and spectra of the guidance show.

    Args:
        scale: how many times finer the output is than the LST.
        guide_channels: bands of the guidance.
        width: channels of the stems; the three modules have one, two and three times as many.
        blocks: attention blocks in a group at the coarse grid.
        gradient_blocks: attention blocks in a group on gradients; the LST's group has twice as
            many.
        fine_blocks: attention blocks in each of the last three groups, at the fine grid.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = True

    def __init__(
        self,
        *,
        scale: int,
        guide_channels: int,
        width: int = 40,
        blocks: int = 6,
        gradient_blocks: int = 4,
        fine_blocks: int = 8,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.gradients = GradientCalibration(
            guide_channels, width, scale=scale, blocks=gradient_blocks
        )
        self.lst_stem = nn.Sequential(conv(1, width), LeakyReLU(), group(width, blocks))
        self.guide_stem = nn.Sequential(conv(guide_channels, width), LeakyReLU(), residual(width))
        self.second_guide, self.third_guide = residual(width), residual(width)
        self.first = SpectrumDifferencing(width, width, width, scale=scale)
        self.first_group = group(2 * width, blocks)
        self.second = SpectrumDifferencing(2 * width, width, 2 * width, scale=scale)
        self.second_group = nn.Sequential(pointwise(4 * width, 2 * width), group(2 * width, blocks))
        self.third = SpectrumDifferencing(2 * width, width, 3 * width, scale=scale)
        deep = 3 * width
        self.reconstruction = nn.Sequential(
            pointwise(8 * width, deep),
            group(deep, blocks),
            UpProjection(deep, deep, scale=scale),
            *(group(deep, fine_blocks) for _ in range(3)),
            conv(deep, width),
            LeakyReLU(),
            conv(width, 1),
        )

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        gradient = self.gradients(lst, guide)  # (B, F, h, w)
        coarse = self.lst_stem(lst)  # (B, F, h, w)
        fine = self.guide_stem(guide)  # (B, F, sh, sw)
        first = self.first(coarse, gradient, fine)  # (B, F, h, w)
        coarse = self.first_group(torch.cat([coarse, first], dim=1))  # (B, 2F, h, w)
        fine = self.second_guide(fine)
        second = self.second(coarse, gradient, fine)  # (B, 2F, h, w)
        coarse = self.second_group(torch.cat([coarse, second], dim=1))  # (B, 2F, h, w)
        fine = self.third_guide(fine)
        third = self.third(coarse, gradient, fine)  # (B, 3F, h, w)
        deep = torch.cat([coarse, first, second, third], dim=1)  # (B, 8F, h, w)
        detail: Tensor = self.reconstruction(deep)  # (B, 1, sh, sw)
        return bicubic(lst, self.scale) + detail


class GradientCalibration(nn.Module):
    """Sharpen the LST's gradients by the guidance's and make features of them (GCM).

    Args:
        guide_channels: bands of the guidance.
        width: channels of all features.
        scale: how many times finer the guidance is.
        blocks: attention blocks in a group; the LST's group has twice as many.
    """

    def __init__(self, guide_channels: int, width: int, *, scale: int, blocks: int) -> None:
        super().__init__()
        strong = partial(group, width, reduction=8)
        self.up = UpProjection(1, 1, scale=scale)
        self.lst_gradients = nn.Sequential(conv(1, width), group(width, blocks))
        self.guide_gradients = nn.Sequential(conv(guide_channels, width), residual(width))
        self.calibrate = nn.Sequential(
            pointwise(2 * width, width),
            strong(blocks),
            strong(blocks),
            ChannelAttention(width, reduction=4),
            conv(width, width),
            conv(width, 1),
        )
        self.calibrated = nn.Sequential(conv(1, width), LeakyReLU(), conv(width, width))
        self.lst_features = nn.Sequential(conv(1, width), strong(2 * blocks))
        self.merge = nn.Sequential(strong(blocks), strong(blocks))
        self.down = DownProjection(width, width, scale=scale)

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return (B, F, h, w) features for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        lst = self.up(lst)  # (B, 1, sh, sw)
        ours = self.lst_gradients(gradient_magnitude(lst))  # (B, F, sh, sw)
        theirs = self.guide_gradients(gradient_magnitude(guide))  # (B, F, sh, sw)
        gradient = self.calibrate(torch.cat([ours, theirs], dim=1))  # (B, 1, sh, sw)
        merged = self.merge(self.lst_features(lst) + self.calibrated(gradient))  # (B, F, sh, sw)
        features: Tensor = self.down(merged)  # (B, F, h, w)
        return features


class SpectrumDifferencing(nn.Module):
    """Merge LST and guidance at the fine grid in space and in frequency (SDB), and come back.

    Args:
        inputs: channels of the LST features.
        guide_width: channels of the gradient features and of the guidance features.
        width: channels of the module and of what it returns.
        scale: how many times finer the guidance is.
    """

    def __init__(self, inputs: int, guide_width: int, width: int, *, scale: int) -> None:
        super().__init__()
        self.up = nn.Sequential(
            pointwise(inputs + guide_width, width), UpProjection(width, width, scale=scale)
        )
        self.widen = pointwise(guide_width, width)
        self.spatial = InvertibleFusion(width)
        self.frequency = FrequencyFusion(width)
        self.both = InvertibleFusion(width)
        self.attention = ContrastChannelAttention(width, reduction=4, activation=LeakyReLU)
        self.down = DownProjection(width, width, scale=scale)

    def forward(self, lst: Tensor, gradient: Tensor, guide: Tensor) -> Tensor:
        """Return (B, F, h, w) for LST and gradient (B, C, h, w) and guidance (B, C, sh, sw)."""
        lst = self.up(torch.cat([lst, gradient], dim=1))  # (B, F, sh, sw)
        guide = self.widen(guide)  # (B, F, sh, sw)
        merged = self.both(self.spatial(lst, guide), self.frequency(lst, guide))  # (B, F, sh, sw)
        carried: Tensor = self.down(lst + self.attention(merged))  # (B, F, h, w)
        return carried


class InvertibleFusion(nn.Module):
    """Merge two features by a step that loses nothing, and a 1×1 convolution that selects.

    The step is Glow's (Kingma & Dhariwal, NeurIPS 2018): multiply the channels of each pixel by an
    invertible matrix, then shift and scale each half of them by what the other half says.

    Args:
        width: channels of each input and of the output.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.zeros(2 * width, 2 * width))  # of the identity
        self.first_shift = DenseConvolutions(width)
        self.second_shift = DenseConvolutions(width)
        self.second_scale = DenseConvolutions(width)
        self.select = pointwise(2 * width, width)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return (B, F, H, W) for two features of that shape."""
        matrix = invertible_matrix(self.factors)[:, :, None, None]
        first, second = F.conv2d(torch.cat([first, second], dim=1), matrix).chunk(2, dim=1)
        first = first + self.first_shift(second)
        factor = torch.exp(0.8 * torch.tanh(self.second_scale(first) / 2))  # 0.45 to 2.2
        second = factor * second + self.second_shift(first)
        selected: Tensor = self.select(torch.cat([first, second], dim=1))
        return selected


class DenseConvolutions(nn.Module):
    """Chain three convolutions, each of which sees the input and all results before it.

    Args:
        width: channels in and out.
        growth: channels that each convolution but the last adds.
    """

    def __init__(self, width: int, *, growth: int = 8) -> None:
        super().__init__()
        self.first = conv(width, growth)
        self.second = conv(width + growth, growth)
        self.last = conv(width + 2 * growth, width)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, H, W) features for (B, F, H, W) features."""
        features = torch.cat([features, F.leaky_relu(self.first(features), 0.2)], dim=1)
        features = torch.cat([features, F.leaky_relu(self.second(features), 0.2)], dim=1)
        result: Tensor = self.last(features)
        return result


class FrequencyFusion(nn.Module):
    """Merge two features wave by wave: their amplitudes, and their phases.

    Args:
        width: channels of each input and of the output.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lst = pointwise(width, width)
        self.guide = pointwise(width, width)
        self.amplitude = SpectrumFusion(width, width)
        self.phase = SpectrumFusion(2 * width, width)
        self.select = pointwise(width, width)

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return (B, F, H, W) for LST and guidance features of that shape."""
        lst_amplitude, lst_phase = to_spectrum(self.lst(lst))  # (B, F, H, W), (B, 2F, H, W)
        guide_amplitude, guide_phase = to_spectrum(self.guide(guide))
        amplitude = self.amplitude(lst_amplitude, guide_amplitude)
        phase = self.phase(lst_phase, guide_phase)
        selected: Tensor = self.select(from_spectrum(amplitude, phase))
        return selected


class SpectrumFusion(nn.Module):
    """Add what two spectra have together to what sets them apart.

    Args:
        channels: of each input and of the output.
        hidden: channels between the two convolutions of each way.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.together = nn.Sequential(
            pointwise(2 * channels, hidden), LeakyReLU(), pointwise(hidden, channels)
        )
        self.apart = nn.Sequential(
            pointwise(channels, hidden), LeakyReLU(), pointwise(hidden, channels)
        )

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return (B, C, H, W) for two spectra of that shape."""
        together: Tensor = self.together(torch.cat([first, second], dim=1))
        apart: Tensor = self.apart((first - second).abs())
        return together + apart


def invertible_matrix(factors: Tensor) -> Tensor:
    """Multiply a lower triangle with ones on the diagonal by an upper with positive values there.

    Args:
        factors: (C, C), the one below its diagonal, the other above, and its values' logarithms on
            the diagonal.
    """
    diagonal = factors.diagonal()
    lower = factors.tril(-1) + torch.ones_like(diagonal).diag_embed()
    upper = factors.triu(1) + diagonal.exp().diag_embed()
    return lower @ upper


def gradient_magnitude(maps: Tensor) -> Tensor:
    """Return how steep each of the (B, C, H, W) maps is, by central differences."""
    padded = F.pad(maps, (1, 1, 1, 1), mode="replicate")
    down = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    right = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    return (down.square() + right.square() + SMALL_SQUARE).sqrt()


def to_spectrum(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return the waves' amplitudes (B, C, H, W) and phases (B, 2C, H, W), cosines before sines."""
    waves = torch.fft.fft2(features.float(), norm="ortho")  # there is no transform of half floats
    amplitude = (waves.real.square() + waves.imag.square() + SMALL_SQUARE).sqrt()
    phase = torch.cat([waves.real / amplitude, waves.imag / amplitude], dim=1)
    return amplitude.to(features.dtype), phase.to(features.dtype)


def from_spectrum(amplitude: Tensor, phase: Tensor) -> Tensor:
    """Return the features (B, C, H, W) that have these amplitudes and phases."""
    cosine, sine = phase.float().chunk(2, dim=1)
    waves = torch.complex(amplitude.float() * cosine, amplitude.float() * sine)
    features: Tensor = torch.fft.ifft2(waves, norm="ortho").real
    return features.to(phase.dtype)
