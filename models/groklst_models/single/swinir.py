"""SwinIR: cells attend to each other in windows that move by half from layer to layer.

Liang, Cao, Sun, Zhang, Van Gool, Timofte, "SwinIR: Image Restoration Using Swin Transformer",
ICCVW 2021, https://arxiv.org/abs/2108.10257.

All attention stays in windows of 8 × 8 coarse pixels, so the cost grows with the area alone; every
second layer moves the windows, so that what one cannot see its successor can. A convolution ends
each group of layers and brings back what attention lacks: a fixed sense of neighbourhood.

Ours differs from the published code in two ways. What forbids moved windows to look over the map's
edges is made from the map's size and not kept with the weights, where it took six times their
space at ×2. And layers are left out at random in training only if `drop_path` says so: it is 0
here, and 0.1 in the benchmark.
"""

from typing import ClassVar

from torch import Tensor, nn

from groklst_models.blocks.normalization import ChannelNorm
from groklst_models.blocks.stochastic_depth import DropPath
from groklst_models.blocks.swin_frame import EPSILON, SwinFrame
from groklst_models.blocks.tokens import TokenMLP, start_small, to_map, to_tokens
from groklst_models.blocks.window import WindowAttention, attend_in_windows


class SwinIR(SwinFrame):
    """Downscale LST with attention in shifted windows.

    Args:
        scale: how many times finer the output is than the LST.
        width: channels of the features, a multiple of the heads.
        groups: how many groups of layers.
        layers: layers in a group; every second one has its windows moved.
        heads: attention heads of a layer.
        window: rows and columns of a window, in coarse pixels.
        mlp_ratio: how many times wider the hidden layer of a token's network is.
        head_width: channels of the features on their way to the fine grid.
        drop_path: how often the last layer is left out in training; the first never is.
    """

    multiple_of: int
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self,
        *,
        scale: int,
        width: int = 180,
        groups: int = 6,
        layers: int = 6,
        heads: int = 6,
        window: int = 8,
        mlp_ratio: int = 2,
        head_width: int = 64,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__(
            width,
            groups * [layers],
            lambda _, layer, rate: SwinLayer(
                width, heads, window, mlp_ratio, shift=layer % 2 * window // 2, rate=rate
            ),
            scale=scale,
            head_width=head_width,
            drop_path=drop_path,
        )
        self.multiple_of = window
        self.apply(start_small)


class SwinLayer(nn.Module):
    """Attend in windows, then pass each token through its network; both add to the features.

    Args:
        width: channels in and out.
        heads: attention heads.
        window: rows and columns of a window.
        mlp_ratio: how many times wider the hidden layer of a token's network is.
        shift: how far the windows move down and right.
        rate: how often either addition is left out in training.
    """

    def __init__(
        self, width: int, heads: int, window: int, mlp_ratio: int, *, shift: int, rate: float
    ) -> None:
        super().__init__()
        self.shift = shift
        self.attention_norm = ChannelNorm(width, epsilon=EPSILON)
        self.attention = WindowAttention(width, heads=heads, size=window)
        self.mlp_norm = ChannelNorm(width, epsilon=EPSILON)
        self.mlp = TokenMLP(width, mlp_ratio * width)
        self.drop_path = DropPath(rate)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        normalized = self.attention_norm(features)
        attended = attend_in_windows(self.attention, normalized, shift=self.shift)
        features = features + self.drop_path(attended)
        mixed = to_map(self.mlp(to_tokens(self.mlp_norm(features))), *features.shape[-2:])
        residual: Tensor = self.drop_path(mixed)
        return features + residual
