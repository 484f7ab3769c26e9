"""The network that fuses fitted answers: small, on a grid of a quarter of the fine pixels.

It sees planes of any scene in the scene's own unit, and numbers that describe it, which steer its
channels (E. Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer", AAAI 2018).
It answers with a correction, and with gates on some planes; it begins at zero.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

STEP: Final = 4
"""Fine pixels along one of the network's own."""

GATED: Final = (0, 1, 2, 5)
"""Planes of which gates take a share."""

_ANY: Final = 1e4
"""Limit of the numbers before a training sets others."""


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        """Refine ``(B, width, h, w)``."""
        inner: Tensor = self.second(functional.relu(self.first(features)))
        return features + inner


class FusionNetwork(nn.Module):
    """A correction of a fitted answer, in the scene's unit.

    Attributes:
        lowest: ``(C,)``, the least of each number that it was trained on.
        highest: ``(C,)``, the largest.
    """

    lowest: Tensor
    highest: Tensor

    def __init__(self, *, planes: int, numbers: int, width: int = 32, blocks: int = 3) -> None:
        """Choose the size.

        Args:
            planes: How many it sees.
            numbers: That describe a scene.
            width: Channels.
            blocks: Pairs of convolutions.
        """
        super().__init__()
        self.head = nn.Conv2d(planes * STEP**2, width, 1)
        self.steering = nn.Sequential(nn.Linear(numbers, 32), nn.ReLU(), nn.Linear(32, 2 * width))
        self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))
        self.tail = nn.Conv2d(width, STEP**2 + len(GATED), 3, padding=1)
        for last in (self.steering[2], self.tail):
            nn.init.zeros_(last.weight)  # type: ignore[arg-type]
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.register_buffer("lowest", torch.full((numbers,), -_ANY))
        self.register_buffer("highest", torch.full((numbers,), _ANY))

    @property
    def reach(self) -> int:
        """Fine pixels around one on which its answer depends, wherever the grid lies."""
        return STEP * (2 * len(self.blocks) + 2) + STEP - 1

    def forward(self, planes: Tensor, numbers: Tensor) -> Tensor:
        """Correct.

        Args:
            planes: ``(B, P, H, W)``, sides in multiples of four.
            numbers: ``(B, C)``; those beyond what it was trained on count as its limits.

        Returns:
            ``(B, 1, H, W)``.
        """
        features = self.head(functional.pixel_unshuffle(planes, STEP))
        steering = self.steering(numbers.clamp(self.lowest, self.highest))
        gain, offset = steering[..., None, None].chunk(2, dim=1)
        features = functional.relu(features * (1 + gain) + offset)
        for block in self.blocks:
            features = block(features)
        answer = self.tail(functional.relu(features))
        gates = functional.interpolate(
            answer[:, STEP**2 :], scale_factor=STEP, mode="bilinear", align_corners=False
        )
        gated = (gates * planes[:, GATED]).sum(dim=1, keepdim=True)
        return functional.pixel_shuffle(answer[:, : STEP**2], STEP) + gated
