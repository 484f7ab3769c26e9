"""Samples: random crops of patches, rotated and flipped, with bands left out.

Sample ``n`` of a run depends only on the seed and ``n``, so a run that is resumed, or divided over
several processes, sees the same samples as a run in one piece by one process.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from groklst_cli.data.patches import Patch, PatchSource
from groklst_cli.errors import InputError
from groklst_cli.geo.fill import fill_gaps

Sample = dict[str, Tensor]
"""``lst (1, h, w)`` kelvin without gaps, ``known (1, h, w)`` true where it was measured, ``guide
(G, s·h, s·w)`` physical units with NaN, ``truth (1, s·h, s·w)`` kelvin with NaN."""

_TRIES = 20


@dataclass(frozen=True)
class Sampling:
    """How samples are drawn from patches.

    Attributes:
        seed: Seed of all random numbers.
        crop: Side of a crop, coarse pixels; 0 for whole patches.
        augment: Whether to flip and rotate.
        band_dropout: Probability with which each band is left out; one is always kept.
        gain_jitter: Standard deviation of a random factor on the values of each band, as a share.
    """

    seed: int = 0
    crop: int = 0
    augment: bool = True
    band_dropout: float = 0.0
    gain_jitter: float = 0.0


class TrainingSamples(Dataset[Sample]):
    """Sample ``n`` of an endless run over the patches of a source, each once per epoch."""

    def __init__(self, source: PatchSource, sampling: Sampling, *, cached: int = 256) -> None:
        """Keep the source.

        Args:
            source: At least one patch.
            sampling: How to sample.
            cached: Patches that each reading process keeps in memory.

        Raises:
            InputError: If there are no patches.
        """
        if len(source) == 0:
            raise InputError(
                "there are no training patches; check the split, or prepare more scenes"
            )
        self._source, self._sampling, self._cached = source, sampling, cached
        self._read: Any = None

    def __getitem__(self, number: int) -> Sample:
        if self._read is None:  # created in the reading process, not in the parent
            self._read = lru_cache(self._cached)(self._source.read)
        generator = np.random.default_rng([self._sampling.seed, 1, number])
        patch = self._read(self._patch_of(number))
        return self._augmented(self._cropped(patch, generator), generator)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_read": None}

    def _patch_of(self, number: int) -> int:
        epoch, place = divmod(number, len(self._source))
        order = np.random.default_rng([self._sampling.seed, 0, epoch])
        return int(order.permutation(len(self._source))[place])

    def _cropped(self, patch: Patch, generator: np.random.Generator) -> Patch:
        """Cut a random crop of whole coarse pixels; a crop without LST values is drawn again."""
        size, scale = self._sampling.crop, self._source.scale
        if size == 0:
            return patch
        height, width = patch.lst.shape
        if size > min(height, width):
            raise InputError(
                f"patch {patch.name} is {height * scale} × {width * scale} fine pixels, smaller "
                f"than a crop of {size * scale}; add --set crop={min(height, width) * scale}"
            )
        for _ in range(_TRIES):
            row = int(generator.integers(height - size + 1))
            column = int(generator.integers(width - size + 1))
            part = _cut(patch, slice(row, row + size), slice(column, column + size), scale)
            if np.isfinite(part.truth).any() and np.isfinite(part.lst).any():
                return part
        raise InputError(
            f"patch {patch.name} is almost empty; prepare the set again with a lower --max-nodata"
        )

    def _augmented(self, patch: Patch, generator: np.random.Generator) -> Sample:
        turns, flip = int(generator.integers(4)), bool(generator.integers(2))
        bands = len(patch.guide)
        dropped = generator.random(bands) < self._sampling.band_dropout
        kept = int(generator.integers(max(1, bands)))
        gains = np.exp(self._sampling.gain_jitter * generator.standard_normal(bands))
        guide = patch.guide * gains.astype(np.float32)[:, None, None]
        there = np.isfinite(guide).any(axis=(1, 2))
        if bands and not (there & ~dropped).any():
            dropped[np.flatnonzero(there)[kept % there.sum()] if there.any() else kept] = False
        guide[dropped] = np.nan
        patch = Patch(patch.name, patch.lst, patch.truth, guide)
        return to_sample(_turned(patch, turns, flip=flip) if self._sampling.augment else patch)


class WholePatches(Dataset[Sample]):
    """Every patch of a source, unchanged."""

    def __init__(self, source: PatchSource) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Sample:
        return to_sample(self._source.read(index))

    def name(self, index: int) -> str:
        """Return a patch's name."""
        return self._source.name(index)


class StepBatches(Sampler[list[int]]):
    """The samples of each step from a given step on, for one of several processes.

    Each process takes ``batch`` samples per step, so two processes with a batch of 2 share the
    samples that one process with a batch of 4 would take.
    """

    def __init__(self, steps: range, batch: int, *, rank: int = 0, processes: int = 1) -> None:
        self._steps, self._batch, self._rank, self._processes = steps, batch, rank, processes

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[list[int]]:
        for step in self._steps:
            first = (step * self._processes + self._rank) * self._batch
            yield list(range(first, first + self._batch))


def to_sample(patch: Patch) -> Sample:
    """Turn a patch into tensors; gaps of the coarse LST are filled as ``downscale`` fills them."""
    known = np.isfinite(patch.lst)
    background = float(patch.lst[known].mean()) if known.any() else 0.0
    return {
        "lst": _tensor(fill_gaps(patch.lst, background)[None]),
        "known": _tensor(known[None]),
        "guide": _tensor(patch.guide),
        "truth": _tensor(patch.truth[None]),
    }


def _tensor(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(values))  # a contiguous copy, because rotated arrays are views


def _cut(patch: Patch, rows: slice, columns: slice, scale: int) -> Patch:
    fine = tuple(slice(part.start * scale, part.stop * scale) for part in (rows, columns))
    return Patch(
        patch.name, patch.lst[rows, columns], patch.truth[fine], patch.guide[:, fine[0], fine[1]]
    )


def _turned(patch: Patch, turns: int, *, flip: bool) -> Patch:
    planes = [np.rot90(v, turns, (-2, -1)) for v in (patch.lst, patch.truth, patch.guide)]
    if flip:
        planes = [plane[..., ::-1] for plane in planes]
    return Patch(patch.name, *planes)
