"""The tile lattice: which part of a scene each tile computes and sees, and its weights.

The lattice is anchored at the scene's origin and depends only on the scene's size, the tile and the
overlap, so a tile is the same in every process. All positions are coarse pixels.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Span:
    """One tile along one axis, coarse pixels.

    Attributes:
        start: First pixel of the core, the part that goes into the result.
        stop: One past the core's last pixel.
        outer_start: First pixel that the method sees: the core's minus the halo, inside the scene.
        outer_stop: One past the last pixel that the method sees.
    """

    start: int
    stop: int
    outer_start: int
    outer_stop: int

    @property
    def outer(self) -> slice:
        """What the method sees."""
        return slice(self.outer_start, self.outer_stop)

    @property
    def core(self) -> slice:
        """What goes into the result."""
        return slice(self.start, self.stop)


@dataclass(frozen=True)
class Cover:
    """Tiles of one size that cover an axis, with weights that sum to one.

    Tiles start every ``tile - overlap`` pixels; the last one is moved back so that it ends with the
    axis. An axis shorter than a tile is one tile. Towards a neighbour the weight falls along half a
    Hann window, so that the outermost pixels, which are the worst, have almost no weight.

    Attributes:
        size: The axis, coarse pixels.
        tile: A tile's core, coarse pixels.
        overlap: What neighbours share, coarse pixels, at most half a tile.
        halo: Context that a method sees beyond the core, coarse pixels.
    """

    size: int
    tile: int
    overlap: int = 0
    halo: int = 0

    def __post_init__(self) -> None:
        if self.size < 1 or self.tile < 1 or self.halo < 0:
            raise ValueError(f"{self!r}: size and tile must be at least 1, halo at least 0")
        if not 0 <= self.overlap <= self.tile // 2:
            raise ValueError(f"{self!r}: overlap must be between 0 and half a tile")

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """Every tile, in order."""
        tile = min(self.tile, self.size)
        starts = list(range(0, max(1, self.size - self.overlap), self.tile - self.overlap))
        starts[-1] = self.size - tile
        return tuple(self._span(start, start + tile) for start in starts)

    def touching(self, part: slice) -> range:
        """Return the numbers of the tiles whose cores touch a part of the axis."""
        hits = [i for i, s in enumerate(self.spans) if s.start < part.stop and s.stop > part.start]
        return range(hits[0], hits[-1] + 1)

    @cached_property
    def seams(self) -> tuple[slice, ...]:
        """The parts of the axis that more than one core covers, in order.

        Elsewhere the only weight is exactly one.
        """
        covering = np.zeros(self.size + 1, np.int64)
        for span in self.spans:
            covering[span.core] += 1
        shared = np.concatenate([[False], covering > 1])
        edges = np.flatnonzero(shared[1:] != shared[:-1]).tolist()
        return tuple(slice(*pair) for pair in zip(edges[::2], edges[1::2], strict=True))

    def pieces(self, index: int) -> list[tuple[slice, slice | None]]:
        """Cut a core where seams begin and end.

        Returns:
            The pieces in order, each with the seam that it is a part of, or None.
        """
        core, found = self.spans[index].core, list[tuple[slice, slice | None]]()
        done = core.start
        for seam in self.seams:
            start, stop = max(core.start, seam.start), min(core.stop, seam.stop)
            if start >= stop:
                continue
            if done < start:
                found.append((slice(done, start), None))
            found.append((slice(start, stop), seam))
            done = stop
        return [*found, (slice(done, core.stop), None)] if done < core.stop else found

    def weights(self, scale: int) -> tuple[NDArray[np.float64], ...]:
        """Compute the weight of every fine pixel of every core; weights sum to one over the tiles.

        Args:
            scale: Fine pixels along a coarse pixel.

        Returns:
            One array of ``(stop - start) · scale`` weights for each span.
        """
        raw = [self._raw_weights(i, scale) for i in range(len(self.spans))]
        total = np.zeros(self.size * scale)
        for span, weight in zip(self.spans, raw, strict=True):
            total[span.start * scale : span.stop * scale] += weight
        return tuple(
            weight / total[span.start * scale : span.stop * scale]
            for span, weight in zip(self.spans, raw, strict=True)
        )

    def _span(self, start: int, stop: int) -> Span:
        return Span(start, stop, max(0, start - self.halo), min(self.size, stop + self.halo))

    def _raw_weights(self, index: int, scale: int) -> NDArray[np.float64]:
        span = self.spans[index]
        weight = np.ones((span.stop - span.start) * scale)
        length = self.overlap * scale
        if length == 0:
            # Without an overlap, the last tile is moved back and only adds the missing pixels.
            if index > 0:
                weight[: (self.spans[index - 1].stop - span.start) * scale] = 0
            return weight
        ramp = np.sin(np.pi / 2 * (np.arange(length) + 0.5) / length) ** 2
        if index > 0:
            weight[:length] = ramp
        if index < len(self.spans) - 1:
            weight[-length:] *= ramp[::-1]
        return weight
