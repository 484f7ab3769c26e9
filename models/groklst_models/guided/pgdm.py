"""PGDM: walk back from the interpolated LST to a fine one, drawing a little noise at each step.

Zhang, Tang, Hu, Jiang, Li, "PGDM: Physically guided diffusion model for land surface temperature
downscaling", arXiv 2511.05964 (2025), https://arxiv.org/abs/2511.05964; a residual-shifting
diffusion after Yue, Wang, Loy, "ResShift", NeurIPS 2023, https://arxiv.org/abs/2307.12348.

A short chain of states leads from the fine LST to the interpolated one, each nearer to that and
noisier. A U-Net that sees a state, the interpolated LST and the guidance guesses the fine LST, and
three such guesses, each from a less noisy state, draw one. Several draws differ most where the
guess is worst.

Ours differs from the published code in this:

* Guidance is any number of planes. The published network has an embedding of land cover, which
  its set-up for the GrokLST dataset masks everywhere; without it and without the table of time
  steps, which follows from their number, ours has 2,872 parameters fewer there.
* The features of the surface, which depend on neither state nor step, are computed once for all
  steps and draws.
* The chain runs in units of `reach`, half the LST's range: the published code scales the LST to
  −1 … 1, here it comes standardized.
* Maps whose sides the levels do not divide are extended below and on the right by repeating the
  last row and column, and cropped again; the published code takes fitting tiles alone.
* The LST is interpolated by cubic convolution with −0.75; which of two cubics the published
  weights were trained with is unknown.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from groklst_models.blocks.upsample import bicubic

_GROUPS = 8  # of channels that are normalized together
_TIME = 128  # channels that describe a step
_LONGEST = 10_000.0  # steps, of the slowest sine of those


class PGDM(nn.Module):
    """Draw fine LST from noise, the coarse LST and guidance.

    Args:
        scale: how many times finer the output is than the LST.
        guide_channels: guidance planes.
        width: channels at the finest level, a multiple of 8.
        multipliers: channels of each level over `width`, from the finest on; all but the last
            level have an encoder and a decoder.
        attention: levels at which all pixels attend to each other.
        heads: attention heads.
        roots: square roots of the shares that the states have of the way from the fine to the
            interpolated LST, in order; each in 0 … 1 and above the one before.
        kappa: deviation of the last state's noise, in units of `reach`.
        limit: how far a guess may lie from the interpolated LST, in units of `reach`; 0 for any.
        reach: half of the LST's range, in standard deviations; 3.04 for the GrokLST dataset.

    Raises:
        ValueError: if the levels or the states are impossible.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = True

    def __init__(
        self,
        *,
        scale: int,
        guide_channels: int,
        width: int = 32,
        multipliers: Sequence[int] = (1, 2, 4, 8, 16),
        attention: Sequence[int] = (3, 4),
        heads: int = 4,
        roots: Sequence[float] = (0.05, 0.6, 0.99),
        kappa: float = 0.02,
        limit: float = 40 / 180,
        reach: float = 3.04,
    ) -> None:
        super().__init__()
        if len(multipliers) < 2:
            raise ValueError(f"multipliers are {list(multipliers)}, expected at least two levels")
        if not all(low < high for low, high in pairwise((0.0, *roots))) or not roots[-1] <= 1:
            raise ValueError(
                f"roots are {list(roots)}, expected rising numbers above 0 and at most 1"
            )
        if not (kappa >= 0 and limit >= 0 and reach > 0):
            raise ValueError(
                f"kappa is {kappa}, limit {limit}, reach {reach}; expected 0 or more, 0 or "
                "more, and above 0"
            )
        self.scale, self.kappa, self.limit, self.reach = scale, kappa, limit, reach
        self.roots = tuple(roots)
        widths = [width * multiplier for multiplier in multipliers]
        inner = range(len(widths) - 1)
        attends = {level: heads if level in attention else 0 for level in range(len(widths))}
        self.step_network = nn.Sequential(
            nn.Linear(_TIME, 2 * _TIME), nn.SiLU(), nn.Linear(2 * _TIME, _TIME)
        )
        self.lst_stem, self.state_stem = stem(1, width), stem(1, width)
        self.guide_stem = stem(guide_channels, width)
        self.surface_encoders = nn.ModuleList(
            Block(widths[level], widths[level + 1], heads=attends[level], timed=False)
            for level in inner
        )
        self.state_encoders = nn.ModuleList(
            Block(widths[level], widths[level + 1], heads=attends[level]) for level in inner
        )
        self.surface_downs = nn.ModuleList(down(widths[level + 1]) for level in inner)
        self.state_downs = nn.ModuleList(down(widths[level + 1]) for level in inner)
        self.bridge = Block(widths[-1], widths[-1], heads=attends[len(inner)])
        self.ups = nn.ModuleList(up(widths[level + 1]) for level in inner)
        self.decoders = nn.ModuleList(
            Block(2 * widths[level + 1], widths[level], heads=attends[level]) for level in inner
        )
        self.head = nn.Conv2d(width, 1, 1)

    @property
    def steps(self) -> int:
        """Guesses that a draw takes, and planes of noise."""
        return len(self.roots)

    def forward(self, lst: Tensor, guide: Tensor, noise: Tensor | None = None) -> Tensor:
        """Draw fine LST (B, 1, sh, sw), or go the way without noise; arguments as of `draws`."""
        if noise is None:
            noise = torch.zeros_like(guide[:, :1]).expand(-1, self.steps, -1, -1)
        return next(self.draws(lst, guide, [noise]))

    def draws(self, lst: Tensor, guide: Tensor, noise: Iterable[Tensor]) -> Iterator[Tensor]:
        """Draw fine LST several times; the surface is looked at once.

        Args:
            lst: (B, 1, h, w).
            guide: (B, G, sh, sw).
            noise: standard normal, (B, T, sh, sw) for each draw: the first plane for the last
                state, the others for the steps back.

        Yields:
            Fine LST, (B, 1, sh, sw), for each noise.
        """
        height, width = guide.shape[-2:]
        interpolated, surface = self.look(lst, guide)
        for planes in noise:
            fine = self.draw(interpolated, surface, self.extended(planes)[:, :, None])
            yield self.reach * fine[..., :height, :width]

    def guess(
        self, lst: Tensor, guide: Tensor, truth: Tensor, noise: Tensor, step: Tensor
    ) -> Tensor:
        """Guess the fine LST from a state that the true one makes; it is what is trained.

        Args:
            lst: (B, 1, h, w).
            guide: (B, G, sh, sw).
            truth: the fine LST (B, 1, sh, sw).
            noise: standard normal, (B, 1, sh, sw).
            step: number of each sample's state, (B,), from 0 to the number of steps less 1.

        Returns:
            The guess, (B, 1, sh, sw).
        """
        height, width = truth.shape[-2:]
        interpolated, surface = self.look(lst, guide)
        truth, noise = self.extended(truth / self.reach), self.extended(noise)
        root = truth.new_tensor(self.roots)[step][:, None, None, None]
        state = truth + root**2 * (interpolated - truth) + self.kappa * root * noise
        guess = self.denoise(self.scaled(state, root), step, interpolated, surface)
        return self.reach * guess[..., :height, :width]

    def look(self, lst: Tensor, guide: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the interpolated LST and what is seen of the surface at each level."""
        interpolated = self.extended(bicubic(lst, self.scale) / self.reach)
        features = self.lst_stem(interpolated) + self.guide_stem(self.extended(guide))
        levels = []
        for encoder, shrink in zip(self.surface_encoders, self.surface_downs, strict=True):
            features = encoder(features)  # (B, C of the next level, H, W)
            levels.append(features)
            features = shrink(features)
        return interpolated, [*levels, features]

    def draw(self, interpolated: Tensor, surface: list[Tensor], noise: Tensor) -> Tensor:
        """Walk back from the interpolated LST (B, 1, H, W) with noise (B, T, 1, H, W)."""
        first, *fresh = noise.unbind(1)
        state = guess = interpolated + self.kappa * self.roots[-1] * first
        for step in reversed(range(self.steps)):
            root = self.roots[step]
            number = torch.full((len(state),), step, device=state.device)
            guess = self.denoise(self.scaled(state, root), number, interpolated, surface)
            if step:
                share = (self.roots[step - 1] / root) ** 2  # of the way that is left
                spread = self.kappa * self.roots[step - 1] * (1 - share) ** 0.5
                state = share * state + (1 - share) * guess + spread * fresh[-step]
        return guess

    def denoise(
        self, state: Tensor, step: Tensor, interpolated: Tensor, surface: list[Tensor]
    ) -> Tensor:
        """Guess the fine LST from a scaled state (B, 1, H, W) of a step (B,)."""
        time = self.step_network(waves(step).to(state.dtype))
        features, skips = self.state_stem(state), []
        for encoder, shrink, seen in zip(
            self.state_encoders, self.state_downs, surface[:-1], strict=True
        ):
            features = encoder(features, time)
            skips.append(features + seen)
            features = shrink(features)
        features = self.bridge(features + surface[-1], time)
        for level in reversed(range(len(skips))):
            joined = torch.cat([self.ups[level](features), skips[level]], dim=1)
            features = self.decoders[level](joined, time)
        residual: Tensor = self.head(features)
        if self.limit:
            residual = residual.clamp(-self.limit, self.limit)
        return interpolated + residual

    def scaled(self, state: Tensor, root: Tensor | float) -> Tensor:
        """Bring states of all steps to one range; the fine LST's is 1, that of noise 3 sigma."""
        return state / (1 + 3 * self.kappa * root)

    def extended(self, planes: Tensor) -> Tensor:
        """Repeat the last row and column as often as the levels need."""
        size = 2 ** len(self.ups)
        down, right = (max(-side % size, 2 * size - side) for side in planes.shape[-2:])
        if not down and not right:
            return planes
        return functional.pad(planes, (0, right, 0, down), mode="replicate")


class Block(nn.Module):
    """Add two normalized 3×3 convolutions to the features; attention follows, if asked for.

    Args:
        inputs: channels in.
        outputs: channels out.
        heads: attention heads; 0 for no attention.
        timed: whether the step scales and shifts what lies between the convolutions.
    """

    def __init__(self, inputs: int, outputs: int, *, heads: int, timed: bool = True) -> None:
        super().__init__()
        self.first_norm = nn.GroupNorm(_GROUPS, inputs)
        self.first = mirrored_convolution(inputs, outputs)
        self.second_norm = nn.GroupNorm(_GROUPS, outputs)
        self.second = mirrored_convolution(outputs, outputs)
        self.modulate: nn.Module | None = None
        if timed:
            self.modulate = nn.Sequential(
                nn.Linear(_TIME, 3 * outputs), nn.SiLU(), nn.Linear(3 * outputs, 3 * outputs)
            )
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)
        self.attention = MapAttention(outputs, heads=heads) if heads else nn.Identity()

    def forward(self, features: Tensor, time: Tensor | None = None) -> Tensor:
        """Return (B, outputs, H, W) for (B, inputs, H, W) and what describes the step (B, 128)."""
        inside = self.first(functional.silu(self.first_norm(features)))
        inside = self.second_norm(inside)
        if self.modulate is None:
            inside = self.second(functional.silu(inside))
        else:
            told = self.modulate(time)[..., None, None]
            gate, scale, shift = told.chunk(3, dim=1)  # (B, outputs, 1, 1) each
            inside = gate * self.second(functional.silu((1 + scale) * inside + shift))
        attended: Tensor = self.attention(inside + self.skip(features))
        return attended


class MapAttention(nn.Module):
    """Let all pixels of a map attend to each other, and add what they find.

    Args:
        channels: channels in and out, a multiple of the heads.
        heads: attention heads.
    """

    def __init__(self, channels: int, *, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(_GROUPS, channels)
        self.query_key_value = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.project = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) for (B, C, H, W)."""
        parts = self.query_key_value(self.norm(features)).flatten(2)  # (B, 3·C, H·W)
        cut = parts.unflatten(1, (3, self.heads, -1)).transpose(3, 4)
        query, key, value = cut.unbind(1)  # (B, heads, H·W, C/heads) each
        found = functional.scaled_dot_product_attention(query, key, value)
        joined = found.transpose(2, 3).reshape(features.shape)
        projected: Tensor = self.project(joined)
        return features + projected


def stem(inputs: int, outputs: int) -> nn.Sequential:
    """Make two 3×3 convolutions with SiLU between them."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.SiLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1),
    )


def down(channels: int) -> nn.Conv2d:
    """Make what halves height and width."""
    return nn.Conv2d(channels, channels, 3, stride=2, padding=1)


def up(channels: int) -> nn.Sequential:
    """Make what doubles height and width."""
    return nn.Sequential(nn.Conv2d(channels, 4 * channels, 3, padding=1), nn.PixelShuffle(2))


def mirrored_convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """Make a 3×3 convolution that sees the map mirrored beyond its edges."""
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")


def waves(step: Tensor) -> Tensor:
    """Describe steps (B,) by sines and cosines of falling frequency in turns, (B, 128)."""
    frequency = _LONGEST ** (-2 * torch.arange(_TIME // 2, device=step.device) / _TIME)
    angle = step[:, None] * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)
