"""NGswin: before a window attends to itself, it hears of the windows around it.

Choi, Lee, Yang, "N-Gram in Swin Transformers for Efficient Lightweight Image Super-Resolution",
CVPR 2023, https://arxiv.org/abs/2211.11436.

Each window becomes one word, and neighbouring words attend to each other in 2 × 2 grams, read
forward and backward; what they say is added to the window's cells. Most layers work at a half and
a quarter of the resolution, and all depths meet on the coarse grid again before a decoder.

Ours differs from the published code in that a scale of 8 can be had, and in that masks for moved
windows are made from the map's size and not kept with the weights. As there, six heads share 60 of
64 channels in the attention, and a stage hands on the sum of its input and all blocks' outputs.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from groklst_models.blocks.ngram import NGramContext
from groklst_models.blocks.normalization import ChannelNorm
from groklst_models.blocks.tokens import TokenMLP, start_small, to_map, to_tokens
from groklst_models.blocks.upsample import SubPixelHead
from groklst_models.blocks.window import WindowAttention, attend_in_windows

# Scores are multiplied by at most this, so that attention does not freeze.
LARGEST_SCALE = 100.0

Norm = partial(ChannelNorm, epsilon=1e-5)


class NGswin(nn.Module):
    """Downscale LST with window attention that has N-gram context.

    Args:
        scale: how many times finer the output is than the LST.
        width: channels of the features, a multiple of 4 for each stage after the first.
        depths: blocks of each stage of the encoder; each stage halves the resolution.
        heads: attention heads of each stage of the encoder.
        decoder_depth: blocks of the decoder.
        decoder_heads: attention heads of the decoder.
        window: rows and columns of a window, in cells of the stage.
        ngram: rows and columns of windows in a gram.
        mlp_ratio: how many times wider the hidden layer of a token's network is.
    """

    multiple_of: int
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self,
        *,
        scale: int,
        width: int = 64,
        depths: Sequence[int] = (6, 4, 4),
        heads: Sequence[int] = (6, 4, 4),
        decoder_depth: int = 6,
        decoder_heads: int = 6,
        window: int = 8,
        ngram: int = 2,
        mlp_ratio: int = 2,
    ) -> None:
        super().__init__()
        self.multiple_of = window * 2 ** (len(depths) - 1)
        sizes = {"window": window, "ngram": ngram, "mlp_ratio": mlp_ratio}
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        stages = zip(depths, heads, strict=True)
        self.encoder = Encoder(width, [Stage(width, *stage, **sizes) for stage in stages])
        self.bottleneck = Bottleneck(width, len(depths))
        self.decoder = Stage(width, decoder_depth, decoder_heads, **sizes)
        self.decoder_norm = Norm(width)
        self.head = nn.Sequential(SubPixelHead(width, scale=scale), nn.Conv2d(1, 1, 3, padding=1))
        self.apply(start_small)

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        shallow = self.stem(lst)  # (B, F, h, w)
        levels = self.encoder(shallow)  # (B, F, h, w), then half of it, and half of that
        fused = self.bottleneck(shallow, levels)  # (B, F, h, w)
        decoded, _ = self.decoder(fused + levels[0])
        deep = self.decoder_norm(decoded)
        fine: Tensor = self.head(shallow + deep)  # (B, 1, sh, sw)
        return fine


class Encoder(nn.Module):
    """Chain stages of falling resolution, each of which hears what was handed on before.

    Args:
        width: channels of all features.
        stages: from the finest on.
    """

    def __init__(self, width: int, stages: list[nn.Module]) -> None:
        super().__init__()
        later = range(1, len(stages))
        self.stages = nn.ModuleList(stages)
        self.merges = nn.ModuleList(Merge(width) for _ in later)
        self.joins = nn.ModuleList(mixing((stage + 1) * width, width) for stage in later)

    def forward(self, features: Tensor) -> list[Tensor]:
        """Return each stage's features, (B, C, H, W) and smaller, for (B, C, H, W) features."""
        handed = [features]  # the stem's features, then what each merge made
        output, total = self.stages[0](features)
        outputs = [output]
        for merge, join, stage in zip(self.merges, self.joins, self.stages[1:], strict=True):
            handed = [*(functional.max_pool2d(each, 2) for each in handed), merge(total)]
            output, total = stage(join(torch.cat(handed, dim=1)))
            outputs.append(output)
        return outputs


class Merge(nn.Sequential):
    """Turn each 2 × 2 cells into one: (B, C, H, W) becomes (B, C, H/2, W/2).

    Args:
        width: channels in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__(
            nn.PixelUnshuffle(2),
            Norm(4 * width),
            mixing(4 * width, width, bias=False),
        )


class Bottleneck(nn.Module):
    """Bring all stages' features to the finest stage's grid by pixel shuffles (SCDP).

    Args:
        width: channels of each stage's features, and out.
        stages: how many stages there are.
    """

    def __init__(self, width: int, stages: int) -> None:
        super().__init__()
        joined = sum(width // 4**stage for stage in range(stages))
        self.steps = nn.Sequential(
            nn.Conv2d(joined, joined, 3, padding=1, groups=joined),
            nn.GELU(),
            mixing(joined, width),
            Norm(width),
        )

    def forward(self, shallow: Tensor, levels: list[Tensor]) -> Tensor:
        """Return (B, C, H, W) for the stem's features (B, C, H, W) and those of all stages."""
        pooled = functional.leaky_relu(shallow)
        shuffled = []
        for level, features in enumerate(levels):
            shuffled.append(functional.pixel_shuffle(features + pooled, 2**level))
            if level + 1 < len(levels):
                pooled = functional.max_pool2d(pooled, 2)
        fused: Tensor = self.steps(torch.cat(shuffled, dim=1))  # C + C/4 + C/16 channels come in
        return fused


class Stage(nn.Module):
    """Chain blocks; each hears the sum of the stage's input and the outputs of all before it.

    Args:
        width: channels in and out.
        depth: how many blocks; every second one has its windows moved.
        heads: attention heads.
        window: rows and columns of a window.
        ngram: rows and columns of windows in a gram.
        mlp_ratio: of the blocks.
    """

    def __init__(
        self, width: int, depth: int, heads: int, *, window: int, ngram: int, mlp_ratio: int
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            NGramBlock(width, heads, window, ngram, mlp_ratio, shift=index % 2 * window // 2)
            for index in range(depth)
        )

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the last block's output and the sum of it and its input, (B, C, H, W) both."""
        output = torch.zeros_like(features)
        for block in self.blocks:
            output = block(features)
            features = features + output
        return output, features


class NGramBlock(nn.Module):
    """Attend in windows with N-gram context, then pass each token through its network (NSTB).

    Both results are normalized and added to the features.

    Args:
        width: channels in and out.
        heads: attention heads.
        window: rows and columns of a window.
        ngram: rows and columns of windows in a gram.
        mlp_ratio: how many times wider the hidden layer of a token's network is.
        shift: how far the windows move down and right.
    """

    def __init__(
        self, width: int, heads: int, window: int, ngram: int, mlp_ratio: int, *, shift: int
    ) -> None:
        super().__init__()
        self.window = window
        self.shift = shift
        half = width // 2
        self.context = NGramContext(
            width,
            word=nn.Conv2d(width, half, window, stride=window, groups=half),
            attention=CosineWindowAttention(half, heads=heads, size=ngram),
        )
        self.attention = CosineWindowAttention(width, heads=heads, size=window)
        self.attention_norm = Norm(width)
        self.mlp = TokenMLP(width, mlp_ratio * width)
        self.mlp_norm = Norm(width)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        context = functional.interpolate(self.context(features), scale_factor=self.window)
        attended = attend_in_windows(self.attention, features + context, shift=self.shift)
        features = features + self.attention_norm(attended)
        mixed = to_map(self.mlp(to_tokens(features)), *features.shape[-2:])
        normalized: Tensor = self.mlp_norm(mixed)
        return features + normalized


class CosineWindowAttention(WindowAttention):
    """Attend by the angle between query and key, times a learned scale for each head.

    After Swin Transformer V2 (Liu et al., CVPR 2022). Arguments as for `WindowAttention`.
    """

    def __init__(self, channels: int, *, heads: int, size: int) -> None:
        super().__init__(channels, heads=heads, size=size)
        self.log_scale = nn.Parameter(torch.full((heads, 1, 1), math.log(10)))

    def scaled(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """Return query and key so that their product is the score."""
        scale = self.log_scale.clamp(max=math.log(LARGEST_SCALE)).exp()
        return functional.normalize(query, dim=-1) * scale, functional.normalize(key, dim=-1)


def mixing(inputs: int, outputs: int, *, bias: bool = True) -> nn.Conv2d:
    """Make a linear layer of each pixel's channels that starts as `start_small` has it."""
    layer = nn.Conv2d(inputs, outputs, 1, bias=bias)
    nn.init.trunc_normal_(layer.weight, std=0.02)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
