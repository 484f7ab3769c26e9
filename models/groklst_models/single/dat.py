"""DAT: cells that look at cells in oblong windows take turns with channels that look at channels.

Chen, Zhang, Gu, Kong, Yang, Yu, "Dual Aggregation Transformer for Image Super-Resolution",
ICCV 2023, https://arxiv.org/abs/2308.03364.

One layer lets the cells of wide and of high windows attend to each other, the next the channels,
each by its course over the whole map. Beside either attention runs a depthwise convolution, and
each of the two weighs the other: one by a gate for each channel, one by a gate for each cell.

Ours differs from the published code in three ways. Each pixel's channels are normalized by
themselves, not over the batch, with the same parameters; with `frozen_norms` the statistics of
published weights are kept instead. What forbids moved windows to look over the map's edges is made
from the map's size and not kept with the weights, where it took more space than they. And layers
are left out at random in training only if `drop_path` says so: it is 0 here, and 0.1 in the
benchmark. As there, cells that are only padding draw attention, and the light form, whose network
of positions is one channel wide, does not know where cells lie.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from groklst_models.blocks.normalization import ChannelNorm
from groklst_models.blocks.position_network import PositionNetwork
from groklst_models.blocks.swin_frame import SwinFrame, convolution
from groklst_models.blocks.tokens import start_small, to_map, to_tokens
from groklst_models.blocks.transformer_layer import TransformerLayer
from groklst_models.blocks.window import (
    between_cells,
    cut_off,
    from_windows,
    moved,
    neighbours,
    to_windows,
)

MakeNorm = Callable[[int], nn.Module]


class DAT(SwinFrame):
    """Downscale LST with attention among cells and among channels by turns.

    The light form has width 60, depths of 18, expansion 2, narrow tails and no head width.

    Args:
        scale: how many times finer the output is than the LST.
        width: channels of the features, a multiple of the heads, 32 at least.
        depths: layers of each group.
        heads: attention heads of a layer, even; half of them look at wide, half at high windows.
        window: rows and columns of a wide window, in coarse pixels; a high one trades them.
        expansion: how many times wider the hidden layer of the feed-forward part is.
        position_width: channels of the network of positions; None is a 32nd of the width.
        narrow_tails: whether three convolutions by way of a quarter of the width end a group, and
            all groups, and not one.
        head_width: channels of the features on their way to the fine grid; None goes there at once.
        drop_path: how often the last layer is left out in training; the first never is.
        frozen_norms: whether, in place of normalizations of what convolutions make, each channel
            has a factor and an offset, as batch normalizations become that have been trained.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = True

    def __init__(
        self,
        *,
        scale: int,
        width: int = 180,
        depths: Sequence[int] = (6, 6, 6, 6, 6, 6),
        heads: int = 6,
        window: Sequence[int] = (8, 32),
        expansion: int = 4,
        position_width: int | None = None,
        narrow_tails: bool = False,
        head_width: int | None = 64,
        drop_path: float = 0.0,
        frozen_norms: bool = False,
    ) -> None:
        rows, columns = window
        norm: MakeNorm = FrozenNorm if frozen_norms else partial(ChannelNorm, epsilon=1e-5)

        def layer(group: int, index: int, rate: float) -> nn.Module:
            if index % 2:
                far: nn.Module = ChannelSelfAttention(heads)
            else:
                moves = index % 4 == (0 if group % 2 else 2)
                positions = position_width or width // 32
                far = OblongAttention(heads, rows, columns, positions, moves=moves)
            attention = GatedAttention(width, far, norm, among_channels=bool(index % 2))
            return TransformerLayer(width, attention, SpatialGateMLP(width, expansion), rate=rate)

        super().__init__(
            width,
            depths,
            layer,
            scale=scale,
            head_width=head_width,
            drop_path=drop_path,
            tail=narrow_tail if narrow_tails else convolution,
        )
        self.apply(start_small)


def narrow_tail(width: int) -> nn.Module:
    """Make three convolutions that keep the channels, by way of a quarter of them."""
    narrow = width // 4
    return nn.Sequential(
        nn.Conv2d(width, narrow, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(narrow, narrow, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(narrow, width, 3, padding=1),
    )


class FrozenNorm(nn.Module):
    """Scale and shift each channel, as a batch normalization does whose statistics are fixed.

    Args:
        channels: channels in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        return torch.addcmul(self.bias[:, None, None], features, self.weight[:, None, None])


class GatedAttention(nn.Module):
    """Run a depthwise convolution beside an attention, and weigh each by the other (AIM).

    Attention between cells is weighted channel by channel, attention between channels cell by
    cell; the convolution takes the part that the attention does not.

    Args:
        width: channels in and out.
        far: the attention; takes query, key and value as one map (B, 3C, H, W) and returns
            features (B, C, H, W).
        norm: makes the normalizations of what the convolutions make.
        among_channels: whether the attention looks from channel to channel.
    """

    def __init__(self, width: int, far: nn.Module, norm: MakeNorm, *, among_channels: bool) -> None:
        super().__init__()
        self.among_channels = among_channels
        self.query_key_value = nn.Linear(width, 3 * width)
        self.far = far
        self.near = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, groups=width), norm(width), nn.GELU()
        )
        self.channel_gate = gate(width, width // 8, width, norm)
        self.cell_gate = gate(width, width // 16, 1, norm)
        self.project = nn.Linear(width, width)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        height, width = features.shape[-2:]
        parts = to_map(self.query_key_value(to_tokens(features)), height, width)  # (B, 3C, H, W)
        far, near = self.far(parts), self.near(parts.chunk(3, dim=1)[2])
        cells, channels = (near, far) if self.among_channels else (far, near)
        channel_gates = self.channel_gate(channels.mean(dim=(2, 3), keepdim=True))  # (B, C, 1, 1)
        mixed = cells * channel_gates + channels * self.cell_gate(cells)
        return to_map(self.project(to_tokens(mixed)), height, width)


def gate(channels: int, hidden: int, gates: int, norm: MakeNorm) -> nn.Sequential:
    """Build the layers that turn (B, C, H, W) features into gates in (0, 1)."""
    return nn.Sequential(
        nn.Conv2d(channels, hidden, 1),
        norm(hidden),
        nn.GELU(),
        nn.Conv2d(hidden, gates, 1),
        nn.Sigmoid(),
    )


class OblongAttention(nn.Module):
    """Let cells attend to each other, half of the channels in wide windows, half in high ones.

    Zeros that complete the windows below and on the right are looked at, too.

    Args:
        heads: attention heads.
        rows: of a wide window, columns of a high one.
        columns: of a wide window, rows of a high one.
        position_width: channels of the networks of positions.
        moves: whether the windows are moved by half.
    """

    def __init__(
        self, heads: int, rows: int, columns: int, position_width: int, *, moves: bool
    ) -> None:
        super().__init__()
        self.multiple = max(rows, columns)
        self.branches = nn.ModuleList(
            OblongWindows(heads // 2, sides, position_width, moves=moves)
            for sides in ((rows, columns), (columns, rows))
        )

    def forward(self, parts: Tensor) -> Tensor:
        """Return (B, C, H, W) for query, key and value (B, 3C, H, W)."""
        height, width = parts.shape[-2:]
        around = (0, -width % self.multiple, 0, -height % self.multiple)
        whole = functional.pad(parts, around) if any(around) else parts
        halves = whole.chunk(6, dim=1)  # two of query, key and value each, (B, C/2, H, W)
        attended = [branch(halves[place::2]) for place, branch in enumerate(self.branches)]
        return torch.cat(attended, dim=1)[..., :height, :width]


class OblongWindows(nn.Module):
    """Let the cells of each window attend to each other, aware of how they lie.

    Args:
        heads: attention heads.
        sides: rows and columns of a window.
        position_width: channels of the network of positions.
        moves: whether the windows are moved down and right by half.
    """

    def __init__(
        self, heads: int, sides: tuple[int, int], position_width: int, *, moves: bool
    ) -> None:
        super().__init__()
        self.heads = heads
        self.sides = sides
        self.shift = [side // 2 if moves else 0 for side in sides]
        self.position = PositionNetwork(position_width, heads)

    def forward(self, parts: Sequence[Tensor]) -> Tensor:
        """Return (B, C, H, W) for query, key and value, each (B, C, H, W), of whole windows."""
        down, right = self.shift
        rolled = [moved(part, -down, -right) for part in parts]
        query, key, value = (self.to_heads(part) for part in rolled)
        attended = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=self.biases(rolled[0])
        )  # (B·N, heads, T, C/heads)
        batch, channels, height, width = rolled[0].shape
        windows = attended.transpose(1, 2).reshape(batch, -1, attended.shape[2], channels)
        spread = from_windows(windows, height, width, rows=self.sides[0])
        return moved(spread, down, right)

    def to_heads(self, features: Tensor) -> Tensor:
        """Cut (B, C, H, W) features into windows and heads (B·N, heads, T, C/heads)."""
        windows = to_windows(features, self.sides)
        parted = windows.reshape(-1, windows.shape[2], self.heads, windows.shape[3] // self.heads)
        return parted.transpose(1, 2)

    def biases(self, rolled: Tensor) -> Tensor:
        """Return what is added to the scores of a window's cells.

        Args:
            rolled: features (B, C, H, W), which is looked at for its size only.

        Returns:
            (1, heads, T, T), or (B·N, heads, T, T) where windows are moved.
        """
        rows, columns = self.sides
        down = torch.arange(1 - rows, rows, dtype=rolled.dtype, device=rolled.device)
        right = torch.arange(1 - columns, columns, dtype=rolled.dtype, device=rolled.device)
        offsets = torch.cartesian_prod(down, right)
        table = self.position(offsets).reshape(-1, len(down), len(right))
        bias = between_cells(table)  # (heads, T, T)
        if not any(self.shift):
            return bias[None]
        allowed = neighbours(rolled, self.sides, *self.shift)  # (N, T, T)
        return cut_off(bias, allowed, len(rolled))


class ChannelSelfAttention(nn.Module):
    """Let the channels of each head attend to each other by their course over the map.

    Args:
        heads: attention heads.
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))

    def forward(self, parts: Tensor) -> Tensor:
        """Return (B, C, H, W) for query, key and value (B, 3C, H, W)."""
        batch, _, height, width = parts.shape
        courses = parts.reshape(batch, 3, len(self.temperature), -1, height * width)
        query, key, value = courses.unbind(1)  # (B, heads, C/heads, H·W) each
        query, key = functional.normalize(query, dim=-1), functional.normalize(key, dim=-1)
        scores = query @ key.transpose(-1, -2) * self.temperature
        attended = scores.softmax(dim=-1) @ value
        return attended.reshape(batch, -1, height, width)


class SpatialGateMLP(nn.Module):
    """Pass each cell through two linear layers; between them one half gates the other (SGFN).

    The half that is the gate is normalized and looks at its neighbours.

    Args:
        width: channels in and out.
        expansion: how many times wider the hidden layer is.
    """

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        half = expansion * width // 2
        self.widen = nn.Linear(width, 2 * half)
        self.norm = nn.LayerNorm(half)
        self.depthwise = nn.Conv2d(half, half, 3, padding=1, groups=half)
        self.narrow = nn.Linear(half, width)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        height, width = features.shape[-2:]
        hidden, gates = functional.gelu(self.widen(to_tokens(features))).chunk(2, dim=2)
        gates = self.depthwise(to_map(self.norm(gates), height, width))
        return to_map(self.narrow(hidden * to_tokens(gates)), height, width)
