"""SRFormer: windows nine times as large as SwinIR's, in which four cells give one key.

Zhou, Li, Guo, Bai, Cheng, Hou, "SRFormer: Permuted Self-Attention for Single Image
Super-Resolution", ICCV 2023, https://arxiv.org/abs/2303.09735.

Keys and values have a quarter of the channels, and those of the four cells of each square are laid
side by side, so that a window holds a quarter as many keys and none of its cells goes unheard. What
the squares lose of fine detail, a depthwise convolution in each feed-forward part brings back.

Ours differs from the published code in four ways. Windows are moved on a map of any size, where
the published code decides that once, by the size that it was built for. What forbids moved windows
to look over the map's edges is made from the map's size and not kept with the weights. A map that
is too small to be mirrored up to a whole window is mirrored again. And layers are left out at
random in training only if `drop_path` says so: it is 0 here, and 0.1 in the benchmark.
"""

import math
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from groklst_models.blocks.convolved_mlp import ConvolvedMLP
from groklst_models.blocks.mirror import mirrored
from groklst_models.blocks.swin_frame import SwinFrame
from groklst_models.blocks.tokens import start_small
from groklst_models.blocks.transformer_layer import TransformerLayer
from groklst_models.blocks.window import RelativePositionBias, cut_off, moved, neighbours

_REACH = 3  # how far the head looks, in coarse pixels; what lies farther out need not be made


class SRFormer(SwinFrame):
    """Downscale LST with attention among large windows' cells and squares of cells.

    The light form has width 60, 4 groups, window 16 and no head width.

    Args:
        scale: how many times finer the output is than the LST.
        width: channels of the features, a multiple of the heads and of 4.
        groups: how many groups of layers.
        layers: layers in a group; every second one has its windows moved.
        heads: attention heads of a layer.
        window: rows and columns of a window, in coarse pixels, a multiple of 4.
        mlp_ratio: how many times wider the hidden layer of the feed-forward part is.
        head_width: channels of the features on their way to the fine grid; None goes there at once.
        drop_path: how often the last layer is left out in training; the first never is.

    Raises:
        ValueError: If the window is not a multiple of 4.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self,
        *,
        scale: int,
        width: int = 180,
        groups: int = 6,
        layers: int = 6,
        heads: int = 6,
        window: int = 24,
        mlp_ratio: int = 2,
        head_width: int | None = 64,
        drop_path: float = 0.0,
    ) -> None:
        if window % 4:
            raise ValueError(f"window is {window}, expected a multiple of 4")
        super().__init__(
            width,
            groups * [layers],
            lambda _, layer, rate: TransformerLayer(
                width,
                PermutedAttention(width, heads, window, shift=layer % 2 * window // 2),
                ConvolvedMLP(width, mlp_ratio * width),
                rate=rate,
            ),
            scale=scale,
            head_width=head_width,
            drop_path=drop_path,
        )
        self.scale = scale
        self.window = window
        self.apply(start_small)

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        height, width = lst.shape[-2:]
        whole = mirrored(lst, height + -height % self.window, width + -width % self.window)
        features = self.features(whole)[..., : height + _REACH, : width + _REACH]
        fine: Tensor = self.head(features)  # (B, 1, s(h + 3), s(w + 3)) at most
        return fine[..., : height * self.scale, : width * self.scale]


class PermutedAttention(nn.Module):
    """Let the cells of each window look at its squares of 2 × 2 cells (PSA).

    Args:
        width: channels in and out.
        heads: attention heads.
        window: rows and columns of a window.
        shift: how far the windows move down and right, even.
    """

    def __init__(self, width: int, heads: int, window: int, *, shift: int) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.shift = shift
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, width // 2)
        self.position_bias = RelativePositionBias(window // 2, heads)
        self.project = nn.Linear(width, width)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        rolled = moved(features, -self.shift, -self.shift)
        cells = to_squares(rolled, self.window)  # (B, N, S, 4, C), S squares in a window
        key, value = self.key_value(cells).chunk(2, dim=-1)  # (B, N, S, 4, C/4) each
        attended = functional.scaled_dot_product_attention(
            self.to_heads(self.query(cells).flatten(2, 3)),  # (B·N, heads, 4S, C/heads)
            self.to_heads(key.flatten(3)),  # (B·N, heads, S, C/heads)
            self.to_heads(value.flatten(3)),
            attn_mask=self.biases(rolled),
        )
        projected: Tensor = self.project(attended.transpose(1, 2).reshape(cells.shape))
        spread = from_squares(projected, *features.shape[-2:])
        return moved(spread, self.shift, self.shift)

    def to_heads(self, tokens: Tensor) -> Tensor:
        """Part tokens (B, N, T, C) into heads (B·N, heads, T, C/heads)."""
        _, _, count, channels = tokens.shape
        return tokens.reshape(-1, count, self.heads, channels // self.heads).transpose(1, 2)

    def biases(self, rolled: Tensor) -> Tensor:
        """Return what is added to the scores of a window's cells and squares.

        Args:
            rolled: features (B, C, H, W), which is looked at for its size only.

        Returns:
            (1, heads, 4S, S), or (B·N, heads, 4S, S) where windows are moved. The four cells of a
            square share their biases and may look at the same squares.
        """
        bias: Tensor = self.position_bias()  # (heads, S, S)
        if not self.shift:
            return bias.repeat_interleave(4, dim=1)[None]
        half = self.shift // 2
        allowed = neighbours(rolled[..., ::2, ::2], self.window // 2, half, half)  # (N, S, S)
        return cut_off(bias, allowed, len(rolled)).repeat_interleave(4, dim=2)


def to_squares(features: Tensor, window: int) -> Tensor:
    """Cut (B, C, H, W) features into windows of squares of 2 × 2 cells, (B, N, S, 4, C)."""
    batch, channels, height, width = features.shape
    down, right, squares = height // window, width // window, window // 2
    cut = features.reshape(batch, channels, down, squares, 2, right, squares, 2)
    return cut.permute(0, 2, 5, 3, 6, 4, 7, 1).reshape(batch, -1, squares**2, 4, channels)


def from_squares(cells: Tensor, height: int, width: int) -> Tensor:
    """Lay windows of squares (B, N, S, 4, C) out as features (B, C, height, width) again."""
    batch, _, count, _, channels = cells.shape
    squares = math.isqrt(count)
    down, right = height // (2 * squares), width // (2 * squares)
    cut = cells.reshape(batch, down, right, squares, squares, 2, 2, channels)
    rows = cut.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(batch, height, width, channels)
    return rows.permute(0, 3, 1, 2)
