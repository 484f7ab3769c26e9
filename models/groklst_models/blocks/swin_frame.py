"""The frame of SwinIR, which its successors keep: groups of layers between a stem and a head.

After Liang et al., "SwinIR: Image Restoration Using Swin Transformer", ICCVW 2021.
"""

from collections.abc import Callable, Iterable, Sequence

from torch import Tensor, nn

from groklst_models.blocks.normalization import ChannelNorm
from groklst_models.blocks.upsample import SubPixelHead, UpsamplingHead

EPSILON = 1e-5
"""What every normalization adds to the variance."""


def convolution(width: int) -> nn.Module:
    """Make a 3×3 convolution that keeps the channels."""
    return nn.Conv2d(width, width, 3, padding=1)


class SwinFrame(nn.Module):
    """Turn LST into features, those into deeper ones, and the sum of both into fine LST.

    Args:
        width: channels of the features.
        depths: how many layers each group has.
        layer: makes a layer, which takes and returns features (B, C, H, W), from its group's
            number, its own in the group, and how often it is left out in training.
        scale: how many times finer the output is than the LST.
        head_width: channels of the features on their way to the fine grid; None goes there at once.
        drop_path: how often the last layer is left out in training; the first never is.
        tail: makes what ends each group, and all of them.
    """

    def __init__(
        self,
        width: int,
        depths: Sequence[int],
        layer: Callable[[int, int, float], nn.Module],
        *,
        scale: int,
        head_width: int | None,
        drop_path: float,
        tail: Callable[[int], nn.Module] = convolution,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.stem_norm = ChannelNorm(width, epsilon=EPSILON)
        self.groups = nn.Sequential()
        step = drop_path / max(1, sum(depths) - 1)
        for group, depth in enumerate(depths):
            before = sum(depths[:group])
            layers = (layer(group, index, step * (before + index)) for index in range(depth))
            self.groups.append(SwinGroup(width, layers, tail))
        self.groups_norm = ChannelNorm(width, epsilon=EPSILON)
        self.conv = tail(width)
        self.head = (
            SubPixelHead(width, scale=scale)
            if head_width is None
            else UpsamplingHead(width, head_width, scale=scale)
        )

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        fine: Tensor = self.head(self.features(lst))
        return fine

    def features(self, lst: Tensor) -> Tensor:
        """Return what the head makes fine LST of, (B, F, h, w), for LST (B, 1, h, w)."""
        shallow = self.stem(lst)  # (B, F, h, w)
        deep = self.groups(self.stem_norm(shallow))
        deep = self.conv(self.groups_norm(deep))
        together: Tensor = shallow + deep
        return together


class SwinGroup(nn.Module):
    """Chain layers and a tail, with a skip over all of it (RSTB).

    Args:
        width: channels in and out.
        layers: take and return features (B, C, H, W).
        tail: makes what follows them.
    """

    def __init__(
        self, width: int, layers: Iterable[nn.Module], tail: Callable[[int], nn.Module]
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.conv = tail(width)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        residual: Tensor = self.conv(self.layers(features))
        return features + residual
