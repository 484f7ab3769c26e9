"""SGNet: structure comes to the LST by two ways, through gradients and through frequencies.

Wang, Yan, Yang, "SGNet: Structure Guided Network via Gradient-Frequency Awareness for Depth Map
Super-Resolution", AAAI 2024, https://arxiv.org/abs/2312.05799.

The guidance's gradients sharpen the LST's, and features of these calibrated gradients accompany
the LST. Three modules then carry the LST to the fine grid, merge it with the guidance there, pixel
by pixel in an invertible network and wave by wave in amplitude and phase, and carry it back.

Ours differs from the published version in its guidance gradients: those of all bands, for each has
edges of its own, where that takes the first three (with ten bands 2,520 parameters more). A wave
whose value is real has the phase π where it is negative; there, rounding picks π or −π in that.
The invertible 1×1 convolutions start as random rotations, as in that, but are learnt whole, not as
triangular factors beside a fixed permutation and fixed signs: 136,840 parameters fewer for the same
functions. The attention's deviation has 1e-8 under its root, a finite slope where a map is flat.
Spectra are merged in full precision under autocast. No layer is idle, which leaves out 404,561
parameters more, and the loss on the calibrated gradients is left out, as in the benchmark.
"""

from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groklst_models.blocks.attention import ChannelAttention, ContrastChannelAttention
from groklst_models.blocks.precision import without_autocast
from groklst_models.blocks.projection import DownProjection, UpProjection
from groklst_models.blocks.residual import ResidualBlock, ResidualGroup
from groklst_models.blocks.upsample import bicubic

LeakyReLU = partial(nn.LeakyReLU, 0.2, inplace=True)
SlightlyLeakyReLU = partial(nn.LeakyReLU, 0.1, inplace=True)
conv = partial(nn.Conv2d, kernel_size=3, padding=1)
pointwise = partial(nn.Conv2d, kernel_size=1)
residual = partial(ResidualBlock, activation=LeakyReLU)
group = partial(ResidualGroup, activation=LeakyReLU)

SMALL_SQUARE = 1e-6  # under the root of a gradient: its slope at zero stays finite
SMALL_WAVE = 1e-8  # added to waves: amplitude and phase of a flat map have slopes


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
        self.lst_stem = nn.Sequential(conv(1, width), LeakyReLU())
        self.guide_stem = nn.Sequential(conv(guide_channels, width), LeakyReLU(), residual(width))
        self.second_guide, self.third_guide = residual(width), residual(width)
        self.first_group = group(width, blocks)
        self.first = SpectrumDifferencing(width, width, width, scale=scale)
        self.second_group = group(2 * width, blocks)
        self.second = SpectrumDifferencing(2 * width, width, 2 * width, scale=scale)
        self.widen = conv(width, 2 * width)
        self.third_group = nn.Sequential(pointwise(4 * width, 2 * width), group(2 * width, blocks))
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
        stem = self.lst_stem(lst)  # (B, F, h, w)
        fine = self.guide_stem(guide)  # (B, F, sh, sw)
        coarse = [self.first_group(stem)]  # (B, F, h, w)
        merged, fine = self.first(coarse[0], gradient, fine)  # (B, F, h, w), (B, F, sh, sw)
        coarse.append(self.second_group(torch.cat([coarse[0], merged + stem], dim=1)))  # 2F
        merged, fine = self.second(coarse[1], gradient, self.second_guide(fine))  # 2F, F
        merged = merged + self.widen(stem)
        coarse.append(self.third_group(torch.cat([coarse[1], merged], dim=1)))  # 2F
        merged, _ = self.third(coarse[2], gradient, self.third_guide(fine))  # 3F
        deep = torch.cat([*coarse, merged], dim=1)  # (B, 8F, h, w)
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
        self.lst_gradients = conv(1, width)
        self.lst_group = group(width, blocks)
        self.guide_gradients = nn.Sequential(conv(guide_channels, width), residual(width))
        self.calibrate = nn.Sequential(
            pointwise(2 * width, width),
            strong(blocks),
            strong(blocks),
            ChannelAttention(width, reduction=4),
        )
        self.calibrated = nn.Sequential(conv(width, width), conv(width, 1))
        self.gradient_features = nn.Sequential(conv(1, width), LeakyReLU(), conv(width, width))
        self.lst_features = nn.Sequential(conv(1, width), strong(2 * blocks))
        self.merge = nn.Sequential(strong(blocks), strong(blocks))
        self.down = DownProjection(width, width, scale=scale)

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return (B, F, h, w) features for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        lst = self.up(lst)  # (B, 1, sh, sw)
        ours = self.lst_gradients(gradient_magnitude(lst))  # (B, F, sh, sw)
        theirs = self.guide_gradients(gradient_magnitude(guide))  # (B, F, sh, sw)
        both = torch.cat([theirs, self.lst_group(ours)], dim=1)  # (B, 2F, sh, sw)
        gradient = self.calibrated(ours + self.calibrate(both))  # (B, 1, sh, sw)
        features = self.gradient_features(gradient) + self.lst_features(lst)  # (B, F, sh, sw)
        carried: Tensor = self.down(self.merge(features))  # (B, F, h, w)
        return carried


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
        self.guide = conv(guide_width, guide_width)
        self.select = pointwise(guide_width, guide_width)
        self.spatial = InvertibleFusion(width, guide_width)
        self.frequency = FrequencyFusion(width, guide_width)
        self.both = InvertibleFusion(width, width)
        self.attention = ContrastChannelAttention(width, reduction=2, activation=SlightlyLeakyReLU)
        self.down = DownProjection(width, width, scale=scale)

    def forward(self, lst: Tensor, gradient: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
        """Return merged features (B, W, h, w) and the guidance's next ones (B, F, sh, sw).

        Args:
            lst: features (B, C, h, w).
            gradient: features (B, F, h, w).
            guide: features (B, F, sh, sw).
        """
        lst = self.up(torch.cat([lst, gradient], dim=1))  # (B, W, sh, sw)
        guide = self.guide(guide)
        selected = self.select(guide)
        merged = self.both(self.spatial(lst, selected), self.frequency(lst, selected))
        return self.down(lst + self.attention(merged)), guide


class InvertibleFusion(nn.Module):
    """Merge two features by a step that loses nothing, and a 1×1 convolution that selects.

    The step is Glow's (Kingma & Dhariwal, NeurIPS 2018): multiply the channels of each pixel by an
    invertible matrix, then shift and scale each part of them by what the other part says.

    Args:
        width: channels of the first input and of the output.
        other_width: channels of the second input.
    """

    def __init__(self, width: int, other_width: int) -> None:
        super().__init__()
        self.widths = (width, other_width)
        self.mix = pointwise(width + other_width, width + other_width, bias=False)
        nn.init.orthogonal_(self.mix.weight)
        self.first_shift = DenseConvolutions(other_width, width)
        self.second_shift = DenseConvolutions(width, other_width)
        self.second_scale = DenseConvolutions(width, other_width)
        self.select = pointwise(width + other_width, width)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return (B, F, H, W) for features (B, F, H, W) and (B, C, H, W)."""
        mixed = self.mix(torch.cat([first, second], dim=1))
        first, second = mixed.split(self.widths, dim=1)
        first = first + self.first_shift(second)
        factor = torch.exp(0.8 * torch.tanh(self.second_scale(first) / 2))  # 0.45 to 2.2
        second = factor * second + self.second_shift(first)
        selected: Tensor = self.select(torch.cat([first, second], dim=1))
        return selected


class DenseConvolutions(nn.Module):
    """Chain two units and a convolution that sees the input and both units' results.

    Args:
        inputs: channels in.
        outputs: channels out.
        growth: channels of each unit's result.
    """

    def __init__(self, inputs: int, outputs: int, *, growth: int = 8) -> None:
        super().__init__()
        self.first = DenseUnit(inputs, growth)
        self.second = DenseUnit(growth, growth)
        self.last = conv(inputs + 2 * growth, outputs)
        self.apply(start_small)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, outputs, H, W) features for (B, inputs, H, W) features."""
        first = self.first(features)
        seen = torch.cat([features, first, self.second(first)], dim=1)
        return F.leaky_relu(self.last(seen), 0.2)


class DenseUnit(nn.Module):
    """Add two activated 3×3 convolutions to a 1×1 convolution of the input, and activate the sum.

    Args:
        inputs: channels in.
        outputs: channels out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            conv(inputs, outputs), SlightlyLeakyReLU(), conv(outputs, outputs), SlightlyLeakyReLU()
        )
        self.shortcut = pointwise(inputs, outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, outputs, H, W) features for (B, inputs, H, W) features."""
        return F.leaky_relu(self.convolutions(features) + self.shortcut(features), 0.2)


def start_small(layer: nn.Module) -> None:
    """Let a convolution start with a tenth of Xavier's weights, and no bias."""
    if isinstance(layer, nn.Conv2d) and layer.bias is not None:
        nn.init.xavier_normal_(layer.weight, gain=0.1)
        nn.init.zeros_(layer.bias)


class FrequencyFusion(nn.Module):
    """Merge two features wave by wave: their amplitudes, and their phases.

    Args:
        width: channels of the LST features and of the output.
        guide_width: channels of the guidance features.
    """

    def __init__(self, width: int, guide_width: int) -> None:
        super().__init__()
        self.lst = pointwise(width, width)
        self.guide = pointwise(guide_width, guide_width)
        self.amplitude = SpectrumFusion(width, guide_width)
        self.phase = SpectrumFusion(width, guide_width)
        self.select = pointwise(width, width)

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return (B, F, H, W) for LST (B, F, H, W) and guidance features (B, C, H, W)."""
        precise = self.select.weight.dtype
        with without_autocast(lst.device):  # phases jump where half floats change a sign
            return self.merge(lst.to(precise), guide.to(precise)).to(lst.dtype)

    def merge(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return the merged features, as `forward` does, as precisely as the weights are."""
        lst_amplitude, lst_phase = to_spectrum(self.lst(lst))  # (B, F, H, W/2+1) twice
        guide_amplitude, guide_phase = to_spectrum(self.guide(guide))
        amplitude = self.amplitude(lst_amplitude, guide_amplitude)
        phase = self.phase(lst_phase, guide_phase)
        selected: Tensor = self.select(from_spectrum(amplitude, phase, lst.shape[-2:]))
        return selected


class SpectrumFusion(nn.Module):
    """Join what the LST's spectrum says to what sets the guidance's apart from it.

    Args:
        width: channels of the LST's spectrum and of the output.
        guide_width: channels of the guidance's.
    """

    def __init__(self, width: int, guide_width: int) -> None:
        super().__init__()
        self.lst = pointwise(width, width)
        self.guide = pointwise(guide_width, width)
        self.alone = two_steps(width)
        self.apart = two_steps(width)
        self.select = pointwise(2 * width, width)

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return (B, F, H, W) for spectra (B, F, H, W) and (B, C, H, W)."""
        lst, guide = self.lst(lst), self.guide(guide)
        both = torch.cat([self.alone(lst), self.apart((guide - lst).abs())], dim=1)
        selected: Tensor = self.select(both)
        return selected


def two_steps(width: int) -> nn.Sequential:
    """Make two 1×1 convolutions with an activation between them."""
    return nn.Sequential(pointwise(width, width), SlightlyLeakyReLU(), pointwise(width, width))


def gradient_magnitude(maps: Tensor) -> Tensor:
    """Return how steep each of the (B, C, H, W) maps is, by central differences; zeros outside."""
    padded = F.pad(maps, (1, 1, 1, 1))
    down = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    right = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    return (down.square() + right.square() + SMALL_SQUARE).sqrt()


def to_spectrum(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return amplitudes and phases from −π to π of real features' waves, each (B, C, H, W/2+1)."""
    precise = torch.promote_types(features.dtype, torch.float32)  # half floats have no transform
    waves = torch.fft.rfft2(features.to(precise))
    real = waves.real + SMALL_WAVE
    flat = real_waves(*features.shape[-2:], device=features.device)
    imaginary = waves.imag.masked_fill(flat, 0.0)
    amplitude = (real.square() + imaginary.square()).sqrt()
    return amplitude.to(features.dtype), torch.atan2(imaginary, real).to(features.dtype)


def real_waves(height: int, width: int, *, device: torch.device) -> Tensor:
    """Return where the waves (H, W/2+1) of real features are real: not or fastest in both axes.

    Rounding gives such waves imaginary parts of either sign, and the phase of a negative one jumps
    from π to −π with that sign.
    """
    rows = torch.arange(height, device=device) * 2 % height == 0
    columns = torch.arange(width // 2 + 1, device=device) * 2 % width == 0
    return rows[:, None] & columns


def from_spectrum(amplitude: Tensor, phase: Tensor, size: tuple[int, ...]) -> Tensor:
    """Return the magnitudes (B, C, H, W) of the features that have these amplitudes and phases."""
    precise = torch.promote_types(amplitude.dtype, torch.float32)
    real, imaginary = amplitude * phase.cos(), amplitude * phase.sin()
    waves = torch.complex(real.to(precise), imaginary.to(precise))
    features: Tensor = torch.fft.irfft2(waves, s=size).abs()
    return features.to(amplitude.dtype)
