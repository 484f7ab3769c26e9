"""Measuring a training run: its loss, its speed, and how long it waits for data."""

import time
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class Meter:
    """Loss and time since the last report."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin anew."""
        self._began, self._waited = time.monotonic(), 0.0
        self._losses: list[Tensor] = []

    def waiting(self, items: Iterator[T]) -> Iterator[T]:
        """Hand items on, and time how long each took to come."""
        while True:
            asked = time.monotonic()
            item = next(items, None)
            self._waited += time.monotonic() - asked
            if item is None:
                return
            yield item

    def add(self, loss: Tensor) -> None:
        """Count a step."""
        self._losses.append(loss)

    def mean_loss(self) -> Tensor:
        """Average the losses; on a GPU this waits for the steps to be done."""
        return torch.stack(self._losses).mean()

    def rate(self) -> float:
        """Return steps a second."""
        return len(self._losses) / max(time.monotonic() - self._began, 1e-9)

    def wait(self) -> float:
        """Return the share of time that was spent waiting for samples."""
        return self._waited / max(time.monotonic() - self._began, 1e-9)
