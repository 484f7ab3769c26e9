"""A filter for two images together: a branch for each, and a third network that fuses them.

After Li et al., "Deep Joint Image Filtering", ECCV 2016.
"""

import torch
from torch import Tensor, nn


class JointFilter(nn.Module):
    """Extract maps from the guidance and from the target, and filter both together.

    Args:
        guide_channels: bands of the guidance.
        width: channels of a branch's first layer; its second has half as many.
        maps: channels that leave each branch.
        fusion_width: channels of the fusion's first layer; its second has half as many.
    """

    def __init__(self, guide_channels: int, *, width: int, maps: int, fusion_width: int) -> None:
        super().__init__()
        self.guide_branch = three_layers(guide_channels, width, maps)
        self.target_branch = three_layers(1, width, maps)
        self.fusion = three_layers(2 * maps, fusion_width, 1)

    def forward(self, target: Tensor, guide: Tensor) -> Tensor:
        """Return (B, 1, H, W) for the target (B, 1, H, W) and the guidance (B, G, H, W)."""
        maps = torch.cat([self.guide_branch(guide), self.target_branch(target)], dim=1)
        filtered: Tensor = self.fusion(maps)
        return filtered


def three_layers(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Make the layers of SRCNN: 9×9 to see, 1×1 to map, 5×5 to reconstruct."""
    return nn.Sequential(
        nn.Conv2d(inputs, width, 9, padding=4),
        nn.ReLU(),
        nn.Conv2d(width, width // 2, 1),
        nn.ReLU(),
        nn.Conv2d(width // 2, outputs, 5, padding=2),
    )
