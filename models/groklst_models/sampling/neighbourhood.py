"""Coarse rows and what lies around them, row by row of a scene that is never held whole."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from groklst_models.sampling.aggregation import CoarseRows
from groklst_models.sampling.sensor import Sensor

_STEP: Final = 32
"""Rows that are worth working on at once."""


def with_surroundings(rows: Iterable[CoarseRows], reach: int) -> Iterator[tuple[CoarseRows, slice]]:
    """Gather rows until those around them are known.

    Args:
        rows: Consecutive, from the scene's first to its last.
        reach: Rows that are needed above and below, as far as the scene has them.

    Yields:
        Rows, and the scene's rows among them that are due; every row of the scene is due once.
    """
    held: CoarseRows | None = None
    due = 0
    for part in rows:
        held = part if held is None else held.then(part)
        end = held.stop - reach
        if end >= due + _STEP:
            yield held, slice(due, end)
            held, due = held.cut(slice(max(held.row, end - reach), held.stop)), end
    if held is not None:
        yield held, slice(due, held.stop)


@dataclass(frozen=True)
class Neighbourhood:
    """A Gaussian window over coarse pixels; what lies outside the scene has no weight.

    Attributes:
        sigma: Its standard deviation, coarse pixels.
    """

    sigma: float

    @property
    def reach(self) -> int:
        """Coarse pixels beyond which the weight counts as zero."""
        return Sensor(1, self.sigma).radius

    def share(self, usable: Tensor) -> Tensor:
        """Return the share ``(h, W)`` of the window's weight that falls on usable pixels."""
        return self._total(usable.float()[None])[0]

    def mean(self, planes: Tensor, usable: Tensor) -> Tensor:
        """Average the usable pixels around each; 0 where there is none.

        Args:
            planes: ``(F, h, W)`` without NaN.
            usable: ``(h, W)``.
        """
        weight = usable.to(planes.dtype)
        return self._total(planes * weight) / self.share(usable).clamp(min=1e-6).to(planes)

    def detail(self, rows: CoarseRows) -> CoarseRows:
        """Subtract the mean around from planes and LST, where they are usable; elsewhere 0."""
        values = torch.cat([rows.planes, torch.nan_to_num(rows.lst)[None]])
        detail = (values - self.mean(values, rows.usable)) * rows.usable
        return replace(rows, planes=detail[:-1], lst=detail[-1])

    def _total(self, planes: Tensor) -> Tensor:
        pad = self.reach
        padded = functional.pad(planes[None], (pad, pad, pad, pad))
        return Sensor(1, self.sigma).blur(padded)[0, :, pad:-pad, pad:-pad]
