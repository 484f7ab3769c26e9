"""What models that are trained through the sensor learn from: some windows of the scene, kept.

Windows are chosen by a fixed shuffle and their number is bounded, so reading, memory and training
cost the same for a large scene as for one of that many windows, and repeat exactly.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Self

import torch
from torch import Tensor
from torch.nn import functional

from groklst_models.contract import Block, SceneView
from groklst_models.guidance import coarse_means
from groklst_models.sampling.aggregation import sensor_means
from groklst_models.sampling.coverage import LEAST_COVERED, nothing_covered
from groklst_models.sampling.folds import FOUR
from groklst_models.sampling.places import shuffled_places
from groklst_models.sampling.sensor import Sensor
from groklst_models.sampling.standardization import Standardization

_SIDE: Final = 24  # coarse pixels
_WINDOWS: Final = 64
_VALUES: Final = 2**25  # features are kept in 128 MiB at most
_TRIES: Final = 4  # windows looked at for each that is wanted, where many hold no LST
_NEIGHBOURHOOD: Final = 5  # coarse pixels
_DISCOUNT: Final = 0.8


@dataclass(frozen=True)
class TrainingWindow:
    """Part of the scene at both resolutions.

    Attributes:
        fine: Standardised features ``(F, s·h, s·w)``, 0 where unknown.
        lst: ``(h, w)``, kelvin above the training set's level, 0 where it is not usable.
        usable: ``(h, w)``, where LST and guidance are both known.
        fold: ``(h, w)``, the part of the scene a pixel belongs to, one of ``FOUR``.
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
    windows: tuple[TrainingWindow, ...]

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


def read_training_set(scene: SceneView, standard: Standardization, sensor: Sensor) -> TrainingSet:
    """Read a bounded number of windows.

    Raises:
        FitError: If there is no coarse pixel with both LST and guidance.
    """
    windows = [_window(block, standard) for block in _blocks(scene, len(standard.mean))]
    windows = [window for window in windows if window.usable.any()]
    if not windows:
        raise nothing_covered()
    lst = torch.cat([window.lst[window.usable] for window in windows])
    level = float(lst.double().mean())
    centred = tuple(
        replace(window, lst=torch.where(window.usable, window.lst - level, 0.0))
        for window in windows
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
    wanted = max(1, min(_WINDOWS, _VALUES // (features * (_SIDE * scene.scale) ** 2)))
    found = 0
    for place in shuffled_places(scene.shape, _SIDE)[: _TRIES * wanted]:
        block = scene.window(*place)
        if (block.lst == block.lst).any():  # NaN differs from itself
            found += 1
            yield block
        if found == wanted:
            return


def _window(block: Block, standard: Standardization) -> TrainingWindow:
    guide = block.guide_tensor[None]
    scale = standard.features.scale
    known = (~torch.isnan(guide)).all(dim=1, keepdim=True)
    covered = coarse_means(known.float(), scale)[0, 0]
    lst = block.lst_tensor
    usable = torch.isfinite(lst) & (covered >= LEAST_COVERED)
    return TrainingWindow(standard.fine(guide)[0], lst, usable, FOUR.of(block))
