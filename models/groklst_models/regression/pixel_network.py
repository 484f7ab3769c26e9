"""A network of single pixels, fitted until the means of fine pixels are the coarse LST.

The network of PixTransform (de Lutio et al., ICCV 2019): place and guidance meet in a wide layer.
"""

from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from groklst_models.threads import one_thread

Loss = Literal["l1", "l2"]

_CHUNK: Final = 4096  # pixels whose activations stay in the processor's cache


@dataclass(frozen=True)
class Fitting:
    """How a network is fitted.

    Attributes:
        steps: Of the optimizer.
        batch: Coarse pixels in each.
        rate: Learning rate at its highest.
        loss: What is small at the end: the error's size, or its square.
        decay: Weight decay of the stacks for place, for guidance, and for their sum.
    """

    steps: int
    batch: int
    rate: float
    loss: Loss
    decay: tuple[float, float, float]


class PixelNetwork(nn.Module):
    """Two stacks, for place and for guidance, and a third that reads their sum.

    Args:
        guides: Features that are not coordinates.
        width: Channels of the narrow layers.
        hidden: Channels of the layer in which place and guidance meet.
        generator: The only source of random numbers.
    """

    def __init__(self, guides: int, width: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.guides = guides
        self.place = _two_layers(2, width, hidden, generator)
        self.guide = _two_layers(guides, width, hidden, generator)
        self.head = _two_layers(hidden, width, 1, generator)

    def forward(self, pixels: Tensor) -> Tensor:
        """Turn features ``(…, F)``, coordinates first, into ``(…, 1)`` units."""
        place, guide = torch.split(pixels, [2, self.guides], dim=-1)
        answer: Tensor = self.head(functional.relu(self.place(place) + self.guide(guide)))
        return answer

    @torch.no_grad()
    def answer(self, fine: Tensor) -> Tensor:
        """Turn features ``(F, H, W)`` into units ``(H, W)``."""
        parts = [self(pixels) for pixels in torch.split(fine.flatten(1).T, _CHUNK)]
        return torch.cat(parts).view(fine.shape[1:])


def fit_network(
    network: PixelNetwork,
    pixels: Tensor,
    lst: Tensor,
    fitting: Fitting,
    generator: torch.Generator,
) -> None:
    """Fit until the means of fine pixels are the coarse LST; the arguments alone decide the result.

    Args:
        network: Changed in place.
        pixels: ``(n, s², F)``, features of the fine pixels in each coarse one.
        lst: ``(n,)``, units.
        fitting: How.
        generator: Draws the batches, on the CPU wherever the pixels are.
    """
    stacks = zip((network.place, network.guide, network.head), fitting.decay, strict=True)
    groups = [{"params": stack.parameters(), "weight_decay": decay} for stack, decay in stacks]
    optimizer = torch.optim.Adam(groups, lr=fitting.rate)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=fitting.rate, total_steps=max(fitting.steps, 4)
    )
    distance = functional.l1_loss if fitting.loss == "l1" else functional.mse_loss
    with one_thread(), torch.enable_grad():
        for _ in range(fitting.steps):
            chosen = torch.randint(len(lst), (fitting.batch,), generator=generator)
            chosen = chosen.to(lst.device)
            means = network(pixels[chosen]).mean(dim=(1, 2))
            optimizer.zero_grad()
            torch.autograd.backward(distance(means, lst[chosen]))
            optimizer.step()
            cycle.step()


def _two_layers(inputs: int, width: int, outputs: int, generator: torch.Generator) -> nn.Sequential:
    first, second = _linear(inputs, width, generator), _linear(width, outputs, generator)
    return nn.Sequential(first, nn.ReLU(), second)


def _linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """Draw a layer as torch does, from a source of chance of its own."""
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    bound = inputs**-0.5
    for values in layer.parameters():
        nn.init.uniform_(values, -bound, bound, generator=generator)
    return layer
