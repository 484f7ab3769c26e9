"""The pace of a training run, and its loss."""

import time
from collections.abc import Iterator

import torch
from torch import Tensor

from groklst_cli.data.samples import Sample


class ProgressMeter:
    """Measures loss and time since the last report."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin anew."""
        self._began, self._waited = time.monotonic(), 0.0
        self._losses: list[Tensor] = []

    def waiting(self, items: Iterator[Sample]) -> Iterator[Sample]:
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

    def pace(self) -> dict[str, float]:
        """Return steps a second, and the share of time that was spent waiting for samples."""
        passed = max(time.monotonic() - self._began, 1e-9)
        return {"steps_per_second": len(self._losses) / passed, "wait": self._waited / passed}
