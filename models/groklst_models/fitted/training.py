"""What models that are trained through the sensor learn from: some windows of the scene, kept.

Windows are chosen by a fixed shuffle and their number is bounded, so reading, memory and training
cost the same for a large scene as for one of that many windows, and repeat exactly.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, Self

import torch
from torch import Tensor
from torch.nn import functional

from groklst_models.contract import Block, SceneView
from groklst_models.errors import FitError
from groklst_models.fitted.aggregation import sensor_means
from groklst_models.fitted.features import Features
from groklst_models.fitted.sensor import Sensor, estimate_sensor
from groklst_models.fitted.standardization import Standardization
from groklst_models.guidance import coarse_means

FOLDS: Final = 4
"""Parts of the scene that are left out in turn."""

_SIDE: Final = 24  # coarse pixels
_WINDOWS: Final = 64
_VALUES: Final = 2**25  # features are kept in 128 MiB at most
_TRIES: Final = 4  # windows looked at for each that is wanted, where many hold no LST
_FOLD_BLOCK: Final = 5  # coarse pixels
_LEAST_COVERED: Final = 0.5  # share of a coarse pixel that guidance must cover
_LEAST_SPREAD: Final = 0.1  # coarse pixels; scenes with good guidance show 0.10 to 0.25
_NEIGHBOURHOOD: Final = 5  # coarse pixels
_DISCOUNT: Final = 0.8


@dataclass(frozen=True)
class Window:
    """Part of the scene at both resolutions.

    Attributes:
        fine: Standardised features ``(F, s·h, s·w)``, 0 where unknown.
        lst: ``(h, w)``, kelvin above the training set's level, 0 where it is not usable.
        usable: ``(h, w)``, where LST and guidance are both known.
        fold: ``(h, w)``, the part of the scene a pixel belongs to, 0 … ``FOLDS`` - 1.
    """

    fine: Tensor
    lst: Tensor
    usable: Tensor
    fold: Tensor


@dataclass(frozen=True)
class TrainingSet:
    """Windows of a scene that hold both LST and guidance.

    Attributes:
        sensor: How fine temperatures become a coarse pixel.
        level: Mean LST of the usable pixels, kelvin.
        lowest: Smallest LST among them, kelvin.
        highest: Largest LST among them, kelvin.
        windows: At least one.
    """

    sensor: Sensor
    level: float
    lowest: float
    highest: float
    windows: tuple[Window, ...]

    @property
    def features(self) -> int:
        """Number of features."""
        return len(self.windows[0].fine)

    @property
    def count(self) -> int:
        """Number of usable coarse pixels."""
        return sum(int(window.usable.sum()) for window in self.windows)

    def seen_by(self, sensor: Sensor) -> Self:
        """Return the same windows under another sensor."""
        return replace(self, sensor=sensor)


def plausible_sensor(scene: SceneView, features: Features) -> Sensor:
    """Estimate the point spread, but believe no sharper one than thermal products have.

    Poor guidance or few pixels can hide the spread, and a model without it promises detail that
    is not there. What the user states is taken as it is.
    """
    sensor = estimate_sensor(scene, features)
    if scene.psf is not None:
        return sensor
    return Sensor(scene.scale, max(sensor.sigma, _LEAST_SPREAD * scene.scale))


def read_training_set(scene: SceneView, standard: Standardization, sensor: Sensor) -> TrainingSet:
    """Read a bounded number of windows.

    Raises:
        FitError: If there is no coarse pixel where LST and guidance meet.
    """
    windows = [_window(block, standard) for block in _blocks(scene, len(standard.mean))]
    windows = [window for window in windows if window.usable.any()]
    if not windows:
        raise FitError(
            "no coarse pixel has both a valid LST and guidance over half of it; "
            "check that the guides cover the LST"
        )
    lst = torch.cat([window.lst[window.usable] for window in windows])
    level = float(lst.double().mean())
    centred = tuple(
        Window(w.fine, torch.where(w.usable, w.lst - level, 0.0), w.usable, w.fold) for w in windows
    )
    return TrainingSet(sensor, level, float(lst.min()), float(lst.max()), centred)


def detail(planes: Tensor, usable: Tensor) -> Tensor:
    """Discount what coarse pixels have in common with their neighbours.

    Conserving the coarse means restores most of it, whatever a model says of it.

    Args:
        planes: ``(B, 1, h, w)``.
        usable: ``(B, 1, h, w)`` or ``(1, 1, h, w)``, where the planes count.

    Returns:
        ``(B, 1, h, w)``, 0 where not usable.
    """
    weight = usable.to(planes.dtype)
    total = _local_sum(planes * weight)
    share = _local_sum(weight).clamp(min=1e-6)
    return (planes - _DISCOUNT * total / share) * weight


def coarse_answer(sharp: Tensor, sensor: Sensor) -> Tensor:
    """Turn a window's fine answer ``(s·h, s·w)`` into what the sensor sees of it ``(h, w)``."""
    return sensor_means(sharp[None, None], sensor)[0, 0]


def _local_sum(planes: Tensor) -> Tensor:
    side = _NEIGHBOURHOOD
    return functional.avg_pool2d(planes, side, stride=1, padding=side // 2)


def _blocks(scene: SceneView, features: int) -> Iterator[Block]:
    """Read windows in shuffled order until enough of them hold LST."""
    rows, columns = (_cut(size) for size in scene.shape)
    places = [(row, column) for row in rows for column in columns]
    shuffle = torch.randperm(len(places), generator=torch.Generator().manual_seed(0)).tolist()
    wanted = max(1, min(_WINDOWS, _VALUES // (features * (_SIDE * scene.scale) ** 2)))
    found = 0
    for place in shuffle[: _TRIES * wanted]:
        block = scene.window(*places[place])
        if (block.lst == block.lst).any():  # NaN differs from itself
            found += 1
            yield block
        if found == wanted:
            return


def _cut(size: int) -> list[slice]:
    parts = -(-size // _SIDE)
    edges = [size * i // parts for i in range(parts + 1)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def _window(block: Block, standard: Standardization) -> Window:
    guide = torch.from_numpy(block.guide)[None]
    scale = standard.features.scale
    known = (~torch.isnan(guide)).all(dim=1, keepdim=True)
    covered = coarse_means(known.float(), scale)[0, 0]
    lst = torch.from_numpy(block.lst)
    usable = torch.isfinite(lst) & (covered >= _LEAST_COVERED)
    return Window(standard.fine(guide)[0], lst, usable, _folds(block))


def _folds(block: Block) -> Tensor:
    """Number square blocks of the scene so that neighbours differ."""
    height, width = block.lst.shape
    rows = (torch.arange(height) + block.row) // _FOLD_BLOCK
    columns = (torch.arange(width) + block.column) // _FOLD_BLOCK
    return (rows % 2 * 2)[:, None] + columns % 2
