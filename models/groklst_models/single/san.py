"""SAN: channels are weighted by how they vary together, not by their means.

Dai, Cai, Zhang, Xia, Zhang, "Second-Order Attention Network for Single Image Super-Resolution",
CVPR 2019.

Residual groups end in a channel attention that is made from the square root of the channels'
covariance. A non-local module before and after the groups lets each pixel of a quadrant of the map
gather from all others of the quadrant, and its first result is offered to every group again.

The keys and values of the non-local module are max-pooled 2 × 2, as in the published code and its
published numbers. Ours computes the covariance from centred features, channels × channels, so
memory grows with the map and not with its square, and over the whole of a large map; 1e-6 is added
to the variances, so that a flat map has a root too. A single row or column is a half by itself, and
is not pooled. The published code counts 38,044 parameters more, which it never uses: a covariance
attention inside the non-local module, a weight in each group, and one more 3×3 convolution.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groklst_models.blocks.attention import ChannelAttention
from groklst_models.blocks.precision import without_autocast
from groklst_models.blocks.residual import ResidualBlock
from groklst_models.blocks.tokens import to_map, to_tokens
from groklst_models.blocks.upsample import PixelShuffleUpsampler

_EPSILON = 1e-6  # added to each channel's variance


class SAN(nn.Module):
    """Downscale LST with second-order channel attention.

    Args:
        scale: how many times finer the output is than the LST.
        width: channels of the features.
        groups: residual groups.
        blocks: residual blocks in a group.
        reduction: how much narrower the attentions' inner layers are; the non-local module's are
            an eighth of the width.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = True

    def __init__(
        self,
        *,
        scale: int,
        width: int = 64,
        groups: int = 20,
        blocks: int = 10,
        reduction: int = 16,
    ) -> None:
        super().__init__()
        self.head = nn.Conv2d(1, width, 3, padding=1)
        self.non_local = RegionNonLocal(width)
        self.groups = nn.ModuleList(
            SecondOrderGroup(width, blocks, reduction=reduction) for _ in range(groups)
        )
        self.share = nn.Parameter(torch.zeros(1))
        self.tail = nn.Sequential(
            PixelShuffleUpsampler(width, scale=scale), nn.Conv2d(width, 1, 3, padding=1)
        )

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        shallow = self.head(lst)  # (B, F, h, w)
        source = self.non_local(shallow)
        features = source
        for group in self.groups:
            features = group(features) + self.share * source
        fine: Tensor = self.tail(self.non_local(features) + shallow)  # (B, 1, sh, sw)
        return fine


class SecondOrderGroup(nn.Module):
    """Chain residual blocks, second-order attention and a convolution, with a skip over all.

    Args:
        width: channels in and out.
        blocks: how many residual blocks.
        reduction: of the attention.
    """

    def __init__(self, width: int, blocks: int, *, reduction: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(ResidualBlock(width) for _ in range(blocks)),
            SecondOrderAttention(width, reduction=reduction),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, h, w) features for (B, F, h, w) features."""
        residual: Tensor = self.body(features)
        return features + residual


class SecondOrderAttention(ChannelAttention):
    """Weigh each channel by a gate made from all channels' covariances (SOCA).

    Arguments as for `ChannelAttention`.
    """

    def summary(self, features: Tensor) -> Tensor:
        """Return (B, C, 1, 1), each channel's mean over its row of the covariance's root."""
        with without_autocast(features.device):
            root = square_root(covariance(features.float()))
        return root.mean(dim=2)[..., None, None].to(features.dtype)


def covariance(features: Tensor) -> Tensor:
    """Return the covariances (B, C, C) of (B, C, H, W) features over their pixels."""
    values = features.flatten(2)
    centred = values - values.mean(dim=2, keepdim=True)
    covariances = centred @ centred.transpose(1, 2) / values.shape[2]
    return covariances + _EPSILON * torch.eye(values.shape[1], device=values.device)


def square_root(matrices: Tensor, *, iterations: int = 5) -> Tensor:
    """Return the square roots of positive matrices (B, C, C) by Newton-Schulz iterations.

    The iteration converges where the eigenvalues are at most one; the trace sees to that, as in
    iSQRT-COV (Li et al., CVPR 2018).
    """
    trace = matrices.diagonal(dim1=1, dim2=2).sum(dim=1)[:, None, None]
    identity = torch.eye(matrices.shape[1], device=matrices.device)
    root, inverse = matrices / trace, identity.expand_as(matrices)
    for _ in range(iterations):
        step = 1.5 * identity - 0.5 * inverse @ root
        root, inverse = root @ step, step @ inverse
    return root * trace.sqrt()


class RegionNonLocal(nn.Module):
    """Let each pixel gather from all pixels of its quadrant of the map (RL-NL).

    The embedded Gaussian of non-local networks (Wang et al., CVPR 2018). It starts as identity.

    Args:
        width: channels in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = max(1, width // 8)
        self.query = nn.Conv2d(width, inner, 1)
        self.key = nn.Conv2d(width, inner, 1)
        self.value = nn.Conv2d(width, inner, 1)
        self.expand = nn.Conv2d(inner, width, 1)
        nn.init.zeros_(self.expand.weight)
        nn.init.zeros_(self.expand.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, h, w) features for (B, F, h, w) features; one row or column is one half."""
        return torch.cat([self.across(half) for half in halves(features, 2)], dim=2)

    def across(self, half: Tensor) -> Tensor:
        """Return the upper or lower half of a map, its left and right quadrant each enriched."""
        return torch.cat([self.enrich(quadrant) for quadrant in halves(half, 3)], dim=3)

    def enrich(self, region: Tensor) -> Tensor:
        """Return a region (B, F, h, w), each pixel with what it gathered from all of them."""
        query = to_tokens(self.query(region))  # (B, h·w, F/8)
        key, value = (to_tokens(pooled(layer(region))) for layer in (self.key, self.value))
        gathered = F.scaled_dot_product_attention(query, key, value, scale=1.0)  # (B, h·w, F/8)
        added: Tensor = self.expand(to_map(gathered, *region.shape[2:]))
        return region + added


def halves(features: Tensor, dim: int) -> list[Tensor]:
    """Cut a map in two along a dimension, the first the smaller one; a side of 1 stays whole."""
    first = features.shape[dim] // 2
    return list(features.tensor_split([first] if first else [], dim))


def pooled(features: Tensor) -> Tensor:
    """Keep the largest of each 2 × 2 pixels (B, C, H, W), and of each pair in a single row."""
    return F.max_pool2d(features, [min(2, side) for side in features.shape[2:]])
