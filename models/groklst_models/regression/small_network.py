"""A small network of the features at each fine pixel, trained through the sensor.

The coarse LST is compared with what the sensor would see of the network's fine answer, so it is not
assumed that a relation between coarse pixels also holds between fine ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from groklst_models.sampling.sensor import Sensor
from groklst_models.sampling.training_set import TrainingSet, TrainingWindow, detail
from groklst_models.threads import one_thread

_LEARNING_RATE: Final = 3e-3
_CHUNK: Final = 8192  # pixels whose activations stay in the processor's cache


@dataclass(frozen=True)
class Schedule:
    """How long to train and on what.

    Attributes:
        steps: Of the optimizer.
        batch: Windows in each.
        crop: Their side, coarse pixels.
        width: Channels of a layer.
        depth: Layers.
    """

    steps: int = 300
    batch: int = 2
    crop: int = 12
    width: int = 32
    depth: int = 3


class SmallNetwork:
    """Layers of 1×1 and GELU beside a linear skip; kelvin out of standardised features."""

    def __init__(
        self, features: int, schedule: Schedule, unit: float, generator: torch.Generator
    ) -> None:
        """Draw the layers; the last one is zero, so training starts from the skip.

        Args:
            features: Channels that come in.
            schedule: Gives width and depth.
            unit: Kelvin for each unit of the last layer.
            generator: The only source of random numbers.
        """
        self.unit = unit
        sizes = [features] + [schedule.width] * schedule.depth
        self.layers = [
            torch.randn(before, after, generator=generator) * (2 / before) ** 0.5
            for before, after in pairwise(sizes)
        ]
        self.layers.append(torch.zeros(sizes[-1], 1))
        self.biases = [torch.zeros(layer.shape[1]) for layer in self.layers]
        self.skip = torch.zeros(features, 1)

    def to(self, device: torch.device) -> "SmallNetwork":
        """Bring what was drawn, on the CPU wherever it is used, to a device."""
        self.layers = [layer.to(device) for layer in self.layers]
        self.biases = [bias.to(device) for bias in self.biases]
        self.skip = self.skip.to(device)
        return self

    @property
    def parameters(self) -> list[Tensor]:
        """All that is trained."""
        return [*self.layers, *self.biases, self.skip]

    def forward(self, pixels: Tensor) -> Tensor:
        """Turn features ``(n, F)`` into ``(n, 1)`` units."""
        hidden = pixels
        for layer, bias in zip(self.layers[:-1], self.biases[:-1], strict=True):
            hidden = functional.gelu(torch.addmm(bias, hidden, layer))
        return torch.addmm(self.biases[-1], hidden, self.layers[-1]) + pixels @ self.skip

    @torch.no_grad()
    def answer(self, fine: Tensor) -> Tensor:
        """Turn features ``(F, H, W)`` into kelvin above the level ``(H, W)``."""
        parts = [self.forward(pixels) for pixels in torch.split(fine.flatten(1).T, _CHUNK)]
        return torch.cat(parts).view(fine.shape[1:]) * self.unit


def train_network(
    training: TrainingSet,
    skip: Tensor,
    *,
    seed: int,
    schedule: Schedule,
    left_out: int | None = None,
) -> SmallNetwork:
    """Train one network; the result depends on the arguments alone.

    Args:
        training: The windows.
        skip: ``(F,)``, the linear solution to start from, kelvin.
        seed: Of the layers and of the order of windows.
        schedule: How long to train.
        left_out: A fold that is not looked at.
    """
    generator = torch.Generator().manual_seed(seed)
    windows = [_without(window, left_out) for window in training.windows]
    lst = torch.cat([window.lst[window.usable] for window in windows])
    unit = max(float(lst.std(correction=0)) if len(lst) else 0.0, 0.05)
    network = SmallNetwork(training.features, schedule, unit, generator).to(lst.device)
    network.skip = (skip.float() / unit)[:, None].clone()
    crops = _Crops(windows, training.sensor, schedule, generator)
    with one_thread(), torch.enable_grad():
        _optimize(network, crops, schedule.steps)
    return network


def _optimize(network: SmallNetwork, crops: "_Crops", steps: int) -> None:
    for parameter in network.parameters:
        parameter.requires_grad_()
    optimizer = torch.optim.AdamW(network.parameters, lr=_LEARNING_RATE)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=_LEARNING_RATE, total_steps=max(steps, 4)
    )
    for _ in range(steps):
        pixels, lst, usable = crops.draw()
        seen = crops.see(network.forward(pixels))
        error = detail(seen * network.unit - lst, usable)
        loss = functional.smooth_l1_loss(error, torch.zeros_like(error), reduction="sum")
        optimizer.zero_grad()
        torch.autograd.backward(loss / usable.sum().clamp(min=1))
        optimizer.step()
        cycle.step()
    for parameter in network.parameters:
        parameter.requires_grad = False


class _Crops:
    """Random square parts of the windows, more often of those that hold more."""

    def __init__(
        self,
        windows: Sequence[TrainingWindow],
        sensor: Sensor,
        schedule: Schedule,
        generator: torch.Generator,
    ) -> None:
        self._windows, self._generator = windows, generator
        self._shares = torch.tensor([float(w.usable.sum()) for w in windows]) + 1e-3
        self._batch = schedule.batch
        self._side = min(schedule.crop, *(min(w.lst.shape) for w in windows))
        self._scale = sensor.scale
        self._matrix = sensor.matrix(self._side).float().to(windows[0].lst.device)

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return pixels ``(n, F)``, LST and what is usable, both ``(B, 1, h, h)``."""
        chosen = torch.multinomial(self._shares, self._batch, True, generator=self._generator)
        crops = [self._crop(self._windows[i]) for i in chosen.tolist()]
        pixels, lst, usable = zip(*crops, strict=True)
        return torch.cat(pixels), torch.stack(lst)[:, None], torch.stack(usable)[:, None]

    def see(self, answers: Tensor) -> Tensor:
        """Turn ``(n, 1)`` fine answers into what the sensor sees ``(B, 1, h, h)``."""
        side = self._side * self._scale
        fine = answers.view(self._batch, 1, side, side)
        return self._matrix @ fine @ self._matrix.T

    def _crop(self, window: TrainingWindow) -> tuple[Tensor, Tensor, Tensor]:
        row, column = (self._start(size) for size in window.lst.shape)
        coarse = (slice(row, row + self._side), slice(column, column + self._side))
        rows, columns = (slice(p.start * self._scale, p.stop * self._scale) for p in coarse)
        fine = window.fine[:, rows, columns].flatten(1).T
        return fine, window.lst[coarse], window.usable[coarse]

    def _start(self, size: int) -> int:
        last = size - self._side
        return int(torch.randint(0, last + 1, (1,), generator=self._generator))


def _without(window: TrainingWindow, fold: int | None) -> TrainingWindow:
    if fold is None:
        return window
    usable = window.usable & (window.fold != fold)
    return TrainingWindow(window.fine, window.lst, usable, window.fold)
