"""A scene: one coarse LST raster and its guidance, on one pair of grids."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.align import GuideSource, tell_apart
from groklst_cli.geo.conserve import block_means
from groklst_cli.geo.fill import REACH, fill_gaps
from groklst_cli.geo.joint_warp import GuideReader
from groklst_cli.geo.masks import (
    AROUND,
    HALF,
    WHOLLY,
    ClearRows,
    MaskedLst,
    Masking,
    SceneMasks,
    look_at,
)
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.raster import LstSource
from groklst_cli.geo.resamplings import ResamplingName
from groklst_cli.geo.summary import ValueSummary
from groklst_cli.geo.unit_names import Units

READ_ROWS: Final = 128
"""Fine rows that are read at once."""

COVERED: Final = 0.99
"""Share of the LST that a guide must cover to count as complete."""

_ROWS_LOOKED_AT: Final = 24
_PIXELS_LOOKED_AT: Final = 2**20
"""Coarse rows, or fine pixels where that is more, from which a guide's coverage is estimated."""

_COARSEST: Final = 4.0
"""A guide is refused if a pixel of it is this many LST pixels long."""


class Scene:
    """An LST raster and its guides, read window by window.

    Attributes:
        lst: The coarse raster.
        guides: The guidance files, each on the fine grid.
        scale: Fine pixels along a coarse pixel.
        coarse: The LST's grid.
        fine: The LST's grid refined by the scale.
        bands: Names of all guidance bands, in the order of every guide array.
        doubts: Warnings about the values of guides, one line each.
        masking: Its masks and their use.
        masked: The effect of masks on the LST; None without masks.
    """

    def __init__(
        self,
        lst: BandSource,
        guides: Sequence[BandSource],
        scale: int,
        *,
        units: Units | None = None,
        resampling: ResamplingName = "auto",
        summary: ValueSummary | None = None,
        masking: Masking | None = None,
        masked: MaskedLst | None = None,
    ) -> None:
        """Open all files; use as a context manager, or close.

        Args:
            lst: The coarse raster.
            guides: Guidance files, in order.
            scale: At least 2.
            units: The LST's unit, or None to find out.
            resampling: How guidance comes to the fine grid.
            summary: Summary of the LST's values if it is known, so that they are not read again.
            masking: Masks of the LST and of guides, if there are any.
            masked: The effect of masks if it is known, so that they are not read again.

        Raises:
            InputError: If a file cannot be used, or masks leave no pixel.
            UsageError: If the scale is below 2, two bands have one name, or the LST is its own
                guide.
        """
        if scale < 2:
            raise UsageError(f"the scale is {scale}, expected at least 2")
        with ExitStack() as opened:
            self.scale = scale
            self.lst = LstSource(lst, units, summary=summary)
            opened.callback(self.lst.close)
            self.coarse = self.lst.grid
            self.fine = self.coarse.refine(scale)
            self._reader = GuideReader()
            self.guides: list[GuideSource] = []
            self.doubts: list[str] = []
            for source in guides:
                guide = GuideSource(source, self.fine, resampling)
                opened.callback(guide.close)
                _refuse_useless(lst, source, guide, scale)
                self.guides.append(guide)
            opened.callback(self._reader.close)  # before the guides, which its threads may read
            if summary is None:  # otherwise a part of a file may be read, with zeros around it
                self.doubts += self._reader.doubts(self.guides)
            tell_apart(self.guides)
            self.bands = tuple(name for guide in self.guides for name in guide.names)
            _refuse_twins(self.bands)
            self.masking = masking or Masking()
            self._masks = SceneMasks(self.masking, self.fine, self.bands)
            opened.callback(self._masks.close)
            self._shares = ClearRows(self._read_shares, self.chunk_rows, self.coarse.height)
            self.masked = masked
            if self.masking.lst and masked is None:
                self.masked = self._look_at_masks()
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all files."""
        self._opened.close()

    @property
    def known(self) -> int:
        """Number of coarse pixels with a known value."""
        return self.lst.valid if self.masked is None else self.masked.known

    @property
    def mean(self) -> float:
        """Mean of the coarse values that are used, kelvin."""
        return self.lst.mean if self.masked is None else self.masked.mean

    @cached_property
    def coverage(self) -> dict[str, float]:
        """Estimate the share of the LST's valid pixels that each guide covers, by file.

        The share of a guide is that of its band with the least coverage. In a small scene all rows
        are read, in a large one rows at equal distances, including the first and the last. What
        has a value everywhere by what its file says is not read.
        """
        doubtful = [guide for guide in self.guides if self.masking.guides or not guide.is_whole]
        known = np.zeros(sum(len(guide.names) for guide in doubtful))
        total, columns = 0.0, slice(0, self.coarse.width)
        for rows in self._sampled_rows() if doubtful else ():
            valid = self.read_known(rows, columns)
            total += np.count_nonzero(valid)
            there = np.isfinite(self.read_guide(rows, columns, doubtful))
            blocks = there.reshape(-1, len(valid), self.scale, self.coarse.width, self.scale)
            known += blocks.mean(axis=(2, 4))[:, valid].sum(axis=1)
        found = {guide.path: 1.0 for guide in self.guides}
        shares = iter(known / total if total else np.ones_like(known))
        for guide in doubtful:
            least = min(float(next(shares)) for _ in guide.names)
            found[guide.path] = min(found[guide.path], least)
        return found

    @property
    def covered_in_part(self) -> dict[str, float]:
        """Those of the guides' shares that are below 99 %."""
        return {path: share for path, share in self.coverage.items() if share < COVERED}

    def _sampled_rows(self) -> list[slice]:
        height, width = self.coarse.shape
        count = max(_ROWS_LOOKED_AT, _PIXELS_LOOKED_AT // (width * self.scale**2))
        if count >= height:
            return list(self.chunks(slice(0, height)))
        rows = np.linspace(0, height - 1, count).round().astype(int).tolist()
        return [slice(row, row + 1) for row in rows]

    def read_counting(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Read the coarse values that are used, also uncertain ones, kelvin, NaN elsewhere.

        The result conserves these values as far as they are certain.
        """
        if self.masked is None:
            return self.read_values(rows, columns)
        shares = self.read_shares(rows, columns)
        if self.masked.reason == "cloudy":
            values = self._read_without_cloud(rows)[:, columns]
        else:
            values = self.read_values(rows, columns)
        least = 1e-6 if self.masked.counting or self.masked.reason == "cloudy" else WHOLLY
        counts = shares >= max(self.masking.min_clear, least)
        return np.where(counts, values, np.float32(np.nan))

    def _read_without_cloud(self, rows: slice) -> NDArray[np.float32]:
        """Read whole rows of values after the cloud's part was subtracted."""
        assert self.masked is not None
        around = slice(max(0, rows.start - AROUND), min(self.coarse.height, rows.stop + AROUND))
        columns = slice(0, self.coarse.width)
        land = self.masked.without_cloud(
            self.read_values(around, columns).astype(np.float64),
            self.read_shares(around, columns).astype(np.float64),
        )
        return land[rows.start - around.start : rows.stop - around.start].astype(np.float32)

    def read_lst(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Read the certain coarse values ``(rows, columns)``, kelvin, NaN elsewhere.

        A method is fitted to these: with masks, only to fully clear pixels if they are enough.
        """
        values = self.read_counting(rows, columns)
        if self.masked is None or not self.masked.enough:
            return values
        return np.where(self.read_shares(rows, columns) >= WHOLLY, values, np.float32(np.nan))

    def read_values(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Read coarse LST ``(rows, columns)`` as it is, kelvin, NaN where nodata."""
        return self.lst.read(rows)[:, columns]

    def read_known(self, rows: slice, columns: slice) -> NDArray[np.bool_]:
        """Tell which coarse pixels have a value and are clear enough for a result."""
        there = np.isfinite(self.read_values(rows, columns))
        if self.masked is None:
            return there
        return np.asarray(there & (self.read_shares(rows, columns) >= self.masking.min_clear))

    def read_shares(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Read the clear share of coarse pixels ``(rows, columns)``."""
        return self._shares.read(rows)[:, columns]

    def read_clear(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Read the clear share of fine pixels over coarse rows and columns, by all masks."""
        return self._masks.read_clear(self.to_fine(rows), self.to_fine(columns))

    def cut_out(self, values: NDArray[np.float32], rows: slice, columns: slice) -> None:
        """Set fine pixels over coarse rows and columns to NaN where there is no result."""
        unknown = ~self.read_known(rows, columns)
        if unknown.any():
            values[unknown.repeat(self.scale, axis=0).repeat(self.scale, axis=1)] = np.nan
        if self.masked is not None and not self.masking.fill:
            values[self.read_clear(rows, columns) < HALF] = np.nan

    def read_filled_lst(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Read coarse LST with gaps filled from their surroundings, as input of a method."""
        top, bottom = max(0, rows.start - REACH), min(self.coarse.height, rows.stop + REACH)
        left, right = max(0, columns.start - REACH), min(self.coarse.width, columns.stop + REACH)
        around = self.read_counting(slice(top, bottom), slice(left, right))
        filled = fill_gaps(around, self.mean)
        return filled[
            rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]

    def read_guide(
        self, rows: slice, columns: slice, guides: Sequence[GuideSource] | None = None
    ) -> NDArray[np.float32]:
        """Read guidance over coarse rows and columns, of all guides unless some are named.

        Returns:
            ``(G, rows · scale, columns · scale)`` in physical units, NaN where it is missing.
        """
        chosen = self.guides if guides is None else guides
        fine_rows, fine_columns = self.to_fine(rows), self.to_fine(columns)
        count = sum(len(guide.names) for guide in chosen)
        height, width = (part.stop - part.start for part in (fine_rows, fine_columns))
        values = np.empty((count, height, width), np.float32)
        self._reader.read_into(chosen, values, fine_rows, fine_columns)
        names = [name for guide in chosen for name in guide.names]
        self._masks.hide(values, names, fine_rows, fine_columns)
        return values

    @property
    def chunk_rows(self) -> int:
        """Coarse rows that are read together."""
        return max(1, READ_ROWS // self.scale)

    def chunks(self, rows: slice) -> Iterator[slice]:
        """Cut coarse rows where whole reads begin, counted from the scene's first row."""
        step, start = self.chunk_rows, rows.start
        while start < rows.stop:
            stop = min(rows.stop, start - start % step + step)
            yield slice(start, stop)
            start = stop

    def to_fine(self, part: slice) -> slice:
        """Turn coarse rows or columns into fine ones."""
        return slice(part.start * self.scale, part.stop * self.scale)

    def _look_at_masks(self) -> MaskedLst:
        """Compute the effect of masks on the LST.

        Raises:
            InputError: If they leave no pixel.
        """
        columns = slice(0, self.coarse.width)
        masked = look_at(
            self.chunks(slice(0, self.coarse.height)),
            self.coarse.height,
            lambda rows: self.read_values(rows, columns),
            lambda rows: self.read_shares(rows, columns),
            self.masking.min_clear,
        )
        if not masked.known:
            names = ", ".join(map(str, self.masking.lst))
            raise InputError(
                f"{names} leaves no pixel of {self.lst.path}: none has a clear share of "
                f"{self.masking.min_clear:.0%} or more; use a lower --min-clear, or check that "
                "the rule fits the mask"
            )
        return masked

    def _read_shares(self, rows: slice) -> NDArray[np.float32]:
        clear = self.read_clear(rows, slice(0, self.coarse.width))
        return block_means(clear, self.scale).astype(np.float32)


def _refuse_useless(lst: BandSource, source: BandSource, guide: GuideSource, scale: int) -> None:
    """Refuse a guide that is too coarse to add detail to the LST."""
    if source.path == lst.path and source.band in (None, lst.band or 1):
        raise UsageError(
            f"{lst.path} is both the LST and a guide; name another guide, or its bands other than "
            f"the LST, as in --guide {lst.path},band=2"
        )
    coarser = 1 / (guide.ratio * scale)
    if coarser >= _COARSEST:
        raise InputError(
            f"{guide.path} is {coarser:.3g} times coarser than the LST and adds no detail; name a "
            "finer guide (were LST and guide swapped?)"
        )


def _refuse_twins(names: Sequence[str]) -> None:
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise UsageError(
            f"several guidance bands are named {', '.join(twins)}; give each its own name, "
            "as in --guide red=FILE"
        )
