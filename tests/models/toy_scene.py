"""A small scene in memory, of which fitted methods see what the contract lets them see."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch

from groklst_models.contract import CPU, Block


@dataclass
class ToyScene:
    """An LST that follows its guides, with a smooth part of its own."""

    lst: np.ndarray
    guide: np.ndarray
    bands: tuple[str, ...]
    scale: int = 4
    psf: float | None = None
    device: torch.device = CPU

    @classmethod
    def make(
        cls, bands: tuple[str, ...], shape: tuple[int, int] = (30, 26), scale: int = 4
    ) -> Self:
        rng = np.random.default_rng(7)
        height, width = shape[0] * scale, shape[1] * scale
        coarse = rng.uniform(0.05, 0.5, (len(bands), -(-height // 3), -(-width // 3)))
        guide = coarse.repeat(3, 1).repeat(3, 2)[:, :height, :width]
        rows = np.linspace(0, 3, height)[:, None]
        fine = 300 + 2 * np.sin(rows) - 20 * (guide[-1] - 0.3) + 8 * (guide[0] - 0.3)
        lst = fine.reshape(shape[0], scale, shape[1], scale).mean((1, 3))
        return cls(lst.astype(np.float32), guide.astype(np.float32), bands, scale)

    @property
    def shape(self) -> tuple[int, int]:
        return self.lst.shape

    def window(self, rows: slice, columns: slice) -> Block:
        s = self.scale
        guide = self.guide[:, rows.start * s : rows.stop * s, columns.start * s : columns.stop * s]
        lst = self.lst[rows, columns]
        core = slice(0, len(lst))
        return Block(rows.start, columns.start, lst.copy(), guide.copy(), core, self.device)

    def blocks(self, margin: int = 0) -> Iterator[Block]:
        height, width = self.shape
        for start in range(0, height, 8):
            stop = min(height, start + 8)
            top, bottom = max(0, start - margin), min(height, stop + margin)
            whole = self.window(slice(top, bottom), slice(0, width))
            yield replace(whole, core=slice(start - top, stop - top))
