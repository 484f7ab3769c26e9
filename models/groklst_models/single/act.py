"""ACT: tokens look over the whole map at two sizes while convolutions look near.

Yoo, Kim, Lee, Kim, Lee, Kim, "Enriched CNN-Transformer Feature Aggregation Networks for
Super-Resolution", WACV 2023, https://arxiv.org/abs/2203.07682.

Each token is a cell of 3 × 3 pixels. In every stage the tokens attend to all others and then, half
of their channels regrouped into larger overlapping tokens, across the two sizes; a convolutional
branch runs beside them, and both meet in a fusion, from which each takes the other's half.

Ours differs from the published code in three ways. Sizes are multiples of a cell, so no border
pixel is left without a token. Where large tokens overlap they are averaged, not summed. A fifth
convolution of the convolutional branch that nothing used (36,928 parameters) is left out.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groklst_models.blocks.residual import ResidualBlock, ResidualGroup
from groklst_models.blocks.tokens import TokenMLP, to_map, to_tokens
from groklst_models.blocks.upsample import PixelShuffleUpsampler

# Rows and columns of pixels in a token, and of tokens in a large token.
CELL, LARGE = 3, 2


class ACT(nn.Module):
    """Downscale LST with a transformer and a convolutional branch that meet at every stage.

    Args:
        scale: how many times finer the output is than the LST.
        width: channels of the features, even; a token has nine times as many.
        stages: how many times the branches run and meet.
        blocks: channel attention blocks in a stage's residual group.
        fusions: residual blocks in a fusion.
        heads: of the attention among tokens, even; across sizes there are half as many.
        expansion: how many times wider the hidden layer of a token's network is.
    """

    multiple_of: ClassVar[int] = CELL
    sees_whole_tile: ClassVar[bool] = True

    def __init__(
        self,
        *,
        scale: int,
        width: int = 64,
        stages: int = 4,
        blocks: int = 12,
        fusions: int = 4,
        heads: int = 8,
        expansion: int = 4,
    ) -> None:
        super().__init__()
        self.head = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            ResidualBlock(width, kernel_size=5),
            ResidualBlock(width, kernel_size=5),
        )
        self.embedding = nn.Linear(width * CELL**2, width * CELL**2)
        self.stages = nn.ModuleList(
            Stage(width, blocks=blocks, fusions=fusions, heads=heads, expansion=expansion)
            for _ in range(stages)
        )
        self.partings = nn.ModuleList(Parting(width, expansion) for _ in range(stages - 1))
        self.merge = nn.Conv2d(2 * width, width, 3, padding=1)
        self.tail = nn.Sequential(
            PixelShuffleUpsampler(width, scale=scale), nn.Conv2d(width, 1, 3, padding=1)
        )

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        shallow = self.head(lst)  # (B, F, h, w)
        tokens = to_tokens(F.pixel_unshuffle(shallow, CELL))  # (B, h/3·w/3, 9F)
        tokens, near, both = self.stages[0](tokens + self.embedding(tokens), shallow)
        for parting, stage in zip(self.partings, self.stages[1:], strict=True):
            tokens, near, both = stage(*parting(tokens, near, both))  # both: (B, 2F, h, w)
        fine: Tensor = self.tail(self.merge(both) + shallow)  # (B, 1, sh, sw)
        return fine


class Stage(nn.Module):
    """Run both branches, then fuse what they found.

    Args:
        width: channels of the features.
        blocks: channel attention blocks of the convolutional branch.
        fusions: residual blocks of the fusion.
        heads: of the attention among tokens.
        expansion: how many times wider the hidden layer of a token's network is.
    """

    def __init__(
        self, width: int, *, blocks: int, fusions: int, heads: int, expansion: int
    ) -> None:
        super().__init__()
        channels = width * CELL**2
        self.attention = Attention(channels, heads)
        self.feed_forward = FeedForward(channels, expansion)
        self.across = CrossScaleAttention(channels // 2, heads // 2)
        self.feed_forward_across = FeedForward(channels, expansion)
        self.group = ResidualGroup(width, blocks)
        self.fusion = nn.Sequential(
            *(ResidualBlock(2 * width, kernel_size=1, bias=False) for _ in range(fusions))
        )

    def forward(self, tokens: Tensor, near: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run for tokens (B, h/3·w/3, 9F) and features (B, F, h, w).

        Returns:
            New tokens and features of these shapes, and both fused, (B, 2F, h, w).
        """
        height, width = near.shape[2] // CELL, near.shape[3] // CELL
        tokens = self.feed_forward(tokens + self.attention(tokens))
        tokens = self.feed_forward_across(self.across(tokens, height, width))
        near = self.group(near)
        far = F.pixel_shuffle(to_map(tokens, height, width), CELL)  # (B, F, h, w)
        both = torch.cat([far, near], dim=1)  # (B, 2F, h, w)
        return tokens, near, both + self.fusion(both)


class Parting(nn.Module):
    """Part fused features, and add to each branch what comes of the half that the other gave.

    Args:
        width: channels of each branch.
        expansion: how many times wider the hidden layer of a token's network is.
    """

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        self.far = FeedForward(width * CELL**2, expansion)
        self.near = ResidualBlock(width)

    def forward(self, tokens: Tensor, near: Tensor, both: Tensor) -> tuple[Tensor, Tensor]:
        """Return tokens (B, h/3·w/3, 9F) and features (B, F, h, w) for these and (B, 2F, h, w)."""
        for_near, for_far = both.chunk(2, dim=1)  # the halves trade places
        for_tokens = to_tokens(F.pixel_unshuffle(for_far, CELL))
        return tokens + self.far.added(for_tokens), near + self.near.convolutions(for_near)


class CrossScaleAttention(nn.Module):
    """Let half of the channels, regrouped into large tokens, and the other half attend in turn.

    A large token is made of 2 × 2 neighbouring tokens, and one begins at each token.

    Args:
        half: half of the tokens' channels.
        heads: of each of the two attentions.
    """

    def __init__(self, half: int, heads: int) -> None:
        super().__init__()
        several = half * LARGE**2
        self.gather = nn.Sequential(
            nn.LayerNorm(several), nn.Linear(several, half), nn.GELU(), nn.Linear(half, half)
        )
        self.small_to_large = Attention(half, heads, crosses=True)
        self.large_to_small = Attention(half, heads, crosses=True)
        self.scatter = nn.Sequential(
            nn.LayerNorm(half), nn.Linear(half, half), nn.GELU(), nn.Linear(half, several)
        )

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """Return tokens (B, height·width, C) for tokens of that shape."""
        small, rest = tokens.chunk(2, dim=2)  # (B, height·width, C/2) each
        rest = to_map(rest, height, width)
        rest = F.pad(rest, (0, max(0, LARGE - width), 0, max(0, LARGE - height)))
        large = self.gather(F.unfold(rest, LARGE).transpose(1, 2))  # (B, N, C/2), N large tokens
        small, large = (
            small + self.small_to_large(small, large),
            large + self.large_to_small(large, small),
        )
        windows = self.scatter(large).transpose(1, 2)  # (B, 2C, N)
        rest = overlay(windows, rest.shape[2], rest.shape[3])[..., :height, :width]
        return torch.cat([small, to_tokens(rest)], dim=2)


def overlay(windows: Tensor, height: int, width: int) -> Tensor:
    """Lay windows (B, 4C, N) on a map (B, C, height, width), their mean where they overlap."""
    ones = torch.ones(1, LARGE**2, windows.shape[2], device=windows.device, dtype=windows.dtype)
    counts = F.fold(ones, (height, width), LARGE)
    return F.fold(windows, (height, width), LARGE) / counts


class Attention(nn.Module):
    """Let each token gather from all tokens of a context, by several heads.

    Multi-head attention (Vaswani et al., NeurIPS 2017) of normalized tokens.

    Args:
        channels: of the tokens, in and out.
        heads: how many parts of the channels attend on their own.
        crosses: whether the context is other than the tokens.
    """

    def __init__(self, channels: int, heads: int, *, crosses: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.context_norm = nn.LayerNorm(channels) if crosses else None
        self.query = nn.Linear(channels, channels, bias=False)
        self.key = nn.Linear(channels, channels, bias=False)
        self.value = nn.Linear(channels, channels, bias=False)
        self.project = nn.Linear(channels, channels)

    def forward(self, tokens: Tensor, context: Tensor | None = None) -> Tensor:
        """Return what tokens (B, N, C) gather from a context (B, M, C) or from themselves."""
        tokens = self.norm(tokens)
        if context is None or self.context_norm is None:
            context = tokens
        else:
            context = self.context_norm(context)
        parts = self.query(tokens), self.key(context), self.value(context)
        split = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts)
        gathered = F.scaled_dot_product_attention(*split)  # (B, heads, N, C/heads)
        projected: Tensor = self.project(gathered.transpose(1, 2).flatten(2))
        return projected


class FeedForward(nn.Module):
    """Add to each token what a network makes of it.

    Args:
        channels: of the tokens, in and out.
        expansion: how many times wider the hidden layer is.
    """

    def __init__(self, channels: int, expansion: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.network = TokenMLP(channels, expansion * channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens (B, N, C) for tokens (B, N, C)."""
        return tokens + self.added(tokens)

    def added(self, tokens: Tensor) -> Tensor:
        """Return what is added to tokens (B, N, C)."""
        added: Tensor = self.network(self.norm(tokens))
        return added
