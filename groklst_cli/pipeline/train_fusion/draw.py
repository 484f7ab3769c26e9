"""Drawing samples: a scene, a kind of case, a case, a crop, and small changes to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from groklst_cli.pipeline.train_fusion.cases import Case
from groklst_cli.pipeline.train_fusion.options import FusionOptions

_KNOWN = 0.6
_JITTER = 0.15
_COMPONENTS = 8  # the first plane that is one


@dataclass(frozen=True)
class Batch:
    """Samples of one scale.

    Attributes:
        scale: Fine pixels along a coarse pixel.
        planes: ``(B, PLANES, n, n)``.
        numbers: ``(B, NUMBERS)``.
        target: ``(B, 1, n, n)``, NaN where unknown.
        weight: ``(B, 1, 1, 1)``.
    """

    scale: int
    planes: Tensor
    numbers: Tensor
    target: Tensor
    weight: Tensor


class Draw:
    """Draws batches; a seed says which."""

    def __init__(self, cases: Sequence[Case], options: FusionOptions, seed: int) -> None:
        self._options, self._rng = options, np.random.default_rng(seed)
        self._cases: dict[int, dict[str, dict[str, list[Case]]]] = {}
        sizes: dict[str, float] = {}
        for case in cases:
            height, width = case.target.shape
            if min(height, width) < options.crop:
                continue
            scenes = self._cases.setdefault(case.scale, {})
            scenes.setdefault(case.scene, {}).setdefault(case.kind, []).append(case)
            if case.kind == "main" and case.scale == 4:
                sizes[case.scene] = sizes.get(case.scene, 0.0) + height * width
        self._sizes = sizes
        shares = {int(scale): share for scale, share in options.scales.items()}
        self._scales = [scale for scale in sorted(shares) if scale in self._cases]
        self._shares = np.array([shares[scale] for scale in self._scales])
        self._shares /= self._shares.sum()

    def batch(self) -> Batch:
        """Draw a batch."""
        scale = int(self._rng.choice(self._scales, p=self._shares))
        samples = [self._sample(scale) for _ in range(self._options.batch)]
        planes, numbers, target, weight = zip(*samples, strict=True)
        return Batch(
            scale,
            torch.stack(planes),
            torch.stack(numbers),
            torch.stack(target)[:, None],
            torch.tensor(weight)[:, None, None, None],
        )

    def _sample(self, scale: int) -> tuple[Tensor, Tensor, Tensor, float]:
        rng, scenes, side = self._rng, self._cases[scale], self._options.crop
        names = sorted(scenes)
        chance = np.array([(self._sizes.get(n, 0.0) + 1e4) ** self._options.power for n in names])
        while True:
            kinds = scenes[names[rng.choice(len(names), p=chance / chance.sum())]]
            cases = kinds[sorted(kinds)[rng.integers(len(kinds))]]
            case = cases[rng.integers(len(cases))]
            top, left = (
                int(rng.integers((size - side) // scale + 1)) * scale for size in case.target.shape
            )
            target = case.target[top : top + side, left : left + side].float()
            if float(target.isfinite().float().mean()) >= _KNOWN:
                break
        planes = case.planes[:, top : top + side, left : left + side].float()
        turns, flipped = int(rng.integers(4)), rng.random() < 0.5
        planes, target = (torch.rot90(part, turns, (-2, -1)) for part in (planes, target))
        if flipped:
            planes, target = planes.flip(-1), target.flip(-1)
        planes = planes.clone()
        gain = float(np.exp(rng.normal(0, _JITTER)))
        planes[:7] *= gain
        if rng.random() < 0.2:
            dropped = torch.from_numpy(rng.random(len(planes) - _COMPONENTS) < 0.4)
            planes[_COMPONENTS:][dropped] = 0
        if rng.random() < 0.3:
            planes[_COMPONENTS:] += float(rng.normal()) * 0.1
        return planes, case.numbers, target * gain, case.weight / gain
