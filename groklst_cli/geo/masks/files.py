"""Masks: rasters on any grid that say which pixels are clear, read on the fine grid.

The values of a mask are classes and bits, which must not be mixed by resampling: a rule is applied
to them first. If a mask is finer than the fine grid, each fine pixel gets the share that is clear.
"""

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Final, Self

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from groklst_cli.errors import InputError
from groklst_cli.geo.band_source import BandSource
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.masks.rules import PLAIN, RULES, QualityRule, parse_rule
from groklst_cli.geo.opening import (
    UNREADABLE,
    alpha_band,
    check_band,
    damage,
    data_bands,
    grid_of,
    open_raster,
)
from groklst_cli.geo.projection import NoWayError
from groklst_cli.geo.raster import read_stored
from groklst_cli.geo.stored_band import StoredBand

GRAMMAR: Final = "FILE[,band=N][,nodata=V][:RULE]"

_RULED: Final = re.compile(r"(.*):([^:/\\]*)", re.DOTALL)
_IS_RULE: Final = re.compile(r"(bits|values|not)=.*", re.DOTALL)
_MAY_BE_RULE: Final = re.compile(r"[A-Za-z][\w-]*(=.*)?", re.DOTALL)
_FINEST: Final = 64
"""Largest number of points along a fine pixel at which a finer mask is sampled."""

_NEAR: Final = 0.02
_AT_ONCE: Final = 2**20  # values that are read together
_WARP_TOLERANCE: Final = 0.001  # mask pixels


@dataclass(frozen=True)
class MaskFile:
    """A mask as it is typed; ``GRAMMAR`` describes it.

    Attributes:
        source: The file, and its band where it has several.
        rule: Which of its values are clear.
    """

    source: BandSource
    rule: QualityRule = PLAIN

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a file followed by a rule; the name of an existing file has no rule.

        Raises:
            UsageError: If the rule is not valid, or the file name is missing.
        """
        if text and os.path.exists(text):
            return cls(BandSource(text))
        if found := _RULED.fullmatch(text):
            path, rule = found.groups()
            if rule in RULES or _IS_RULE.fullmatch(rule) or _is_no_part_of_a_name(path, rule):
                return cls(BandSource.parse(path), parse_rule(rule))
        return cls(BandSource.parse(text))

    def __str__(self) -> str:
        """Write the mask as a user would."""
        return f"{self.source}:{self.rule.text}" if self.rule.text else str(self.source)


def _is_no_part_of_a_name(path: str, rule: str) -> bool:
    """Return whether the text behind a colon must be meant as a rule, although it is not valid."""
    return bool(_MAY_BE_RULE.fullmatch(rule)) and os.path.exists(BandSource.parse(path).path)


@dataclass(frozen=True)
class Masks:
    """The masks of a scene.

    Attributes:
        lst: Of the LST; a pixel is clear where all say so.
        guides: Of guidance; one that has a name is for the band of that name alone.
    """

    lst: tuple[MaskFile, ...] = ()
    guides: tuple[MaskFile, ...] = ()

    @property
    def sources(self) -> list[BandSource]:
        """Their files."""
        return [mask.source for mask in (*self.lst, *self.guides)]


NO_MASKS: Final = Masks()


class MaskSource:
    """A mask on the fine grid.

    Attributes:
        path: The file.
        grid: Its own grid.
    """

    def __init__(self, mask: MaskFile, fine: Grid) -> None:
        """Open a file and plan how it comes to the fine grid.

        Args:
            mask: The file and its rule.
            fine: The grid to bring it to.

        Raises:
            InputError: If the file cannot be used or lies elsewhere.
        """
        self.path, self._mask, self._fine = mask.source.path, mask, fine
        self._lock = Lock()
        self._dataset = open_raster(self.path)
        self._warped: list[tuple[int, int] | WarpedVRT] = []
        try:
            self._band = self._choose_band()
            self._declared = self._dataset.nodatavals[self._band.number - 1]
            self._nodata_is_clear = mask.rule != PLAIN and self._declared in (
                mask.rule.values or ()
            )
            self.grid = grid_of(self._dataset)
            copies = self._copies()
            ratio = copies[0].pixels_per_pixel_of(fine)
            finer = math.isfinite(ratio) and ratio > 1 + _NEAR
            self._grain = min(_FINEST, math.ceil(ratio - _NEAR)) if finer else 1
            grains = fine.refine(self._grain)
            for copy in copies:
                self._warped.append(grains.offset_of(copy) or self._warp(copy, grains))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        for warped in self._warped:
            if isinstance(warped, WarpedVRT):
                warped.close()
        self._dataset.close()

    def read(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Read a window of the fine grid; may be called from any thread.

        Returns:
            The share of each pixel that is clear, ``(rows, columns)``: 0 or 1, but where the mask
            is finer. Pixels are not clear where the mask has no value or does not reach.

        Raises:
            InputError: If the file breaks off or is damaged there, or or holds values other than 0
                and 1 without a rule.
        """
        grain = self._grain
        across = slice(columns.start * grain, columns.stop * grain)
        step = max(1, _AT_ONCE // (grain * max(1, across.stop - across.start)))
        shares = np.empty((rows.stop - rows.start, columns.stop - columns.start), np.float32)
        for start in range(rows.start, rows.stop, step):
            stop = min(rows.stop, start + step)
            clear = self._clear(slice(start * grain, stop * grain), across)
            part = shares[start - rows.start : stop - rows.start]
            if grain == 1:
                part[:] = clear
            else:
                blocks = clear.reshape(stop - start, grain, -1, grain)
                part[:] = blocks.mean(axis=(1, 3), dtype=np.float64)
        return shares

    def _clear(self, rows: slice, columns: slice) -> NDArray[np.bool_]:
        clear = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
        for warped in self._warped:
            try:
                with self._lock:
                    if isinstance(warped, WarpedVRT):
                        window = Window.from_slices(rows, columns)
                        values = warped.read(self._band.number, window=window)
                        self._judge(values, np.isfinite(values), clear)
                    else:
                        self._read_lattice(warped, rows, columns, clear)
            except UNREADABLE as error:
                raise damage(self.path, "its values", error) from error
        return clear

    def _read_lattice(
        self, offset: tuple[int, int], rows: slice, columns: slice, clear: NDArray[np.bool_]
    ) -> None:
        """Read a mask that is on the requested grid."""
        row, column = offset
        top, bottom = max(rows.start, row), min(rows.stop, row + self._dataset.height)
        left, right = max(columns.start, column), min(columns.stop, column + self._dataset.width)
        if top >= bottom or left >= right:
            return
        window = Window(left - column, top - row, right - left, bottom - top)
        if self._nodata_is_clear:
            values, valid = self._dataset.read(self._band.number, window=window), None
        else:
            values, valid = read_stored(self._dataset, self._band, window)
        inside = np.s_[
            top - rows.start : bottom - rows.start, left - columns.start : right - columns.start
        ]
        self._judge(values, valid, clear[inside])

    def _judge(
        self,
        values: NDArray[np.generic],
        valid: NDArray[np.bool_] | None,
        clear: NDArray[np.bool_],
    ) -> None:
        """Add what is clear by the rule."""
        present = self._band.present(values)
        if present is not None:
            valid = present if valid is None else valid & present
        if self._mask.rule == PLAIN:
            self._refuse_codes(values if valid is None else values[valid])
        clear |= self._mask.rule.clear(values, valid)

    def _refuse_codes(self, values: NDArray[np.generic]) -> None:
        """Refuse a mask without a rule that holds other values than 0 and 1."""
        others = values[(values != 0) & (values != 1) & (values == values)]
        if others.size:
            raise InputError(
                f"{self.path} holds {others[0]:g}, but a mask without a rule may only hold 0 and "
                f"1 (clear); say which values are clear, as in {self.path}:values=… or "
                f"{self.path}:not=…, or name its rule: {', '.join(RULES)}"
            )

    def _choose_band(self) -> StoredBand:
        source, dataset = self._mask.source, self._dataset
        bands = data_bands(dataset)
        if source.band is None and len(bands) != 1:
            raise InputError(
                f"{self.path} has {len(bands)} bands; say which one is the mask, as in "
                f"{self.path},band=1"
            )
        number = source.band or bands[0]
        of_classes = number in bands and dataset.colorinterp[number - 1] == ColorInterp.palette
        if not of_classes:  # whose codes, and not whose colours, are read
            check_band(dataset, self.path, number)
        return StoredBand.of(dataset, number, replace(source, scaling="none"))

    def _copies(self) -> Sequence[Grid]:
        try:
            copies = self.grid.copies_over(self._fine)
        except NoWayError as error:
            raise InputError(
                f"no transformation is known from {self._fine.crs} of the LST to {self.grid.crs} "
                f"of {self.path}; set the right CRS with: rio edit-info --crs EPSG:…"
            ) from error
        if not copies:
            raise InputError(
                f"the mask {self.path} does not overlap the LST, so nothing would be clear; name "
                "a mask that overlaps, or set the right CRS with: rio edit-info --crs EPSG:…"
            )
        return copies

    def _warp(self, here: Grid, grains: Grid) -> WarpedVRT:
        options: dict[str, str | Affine] = {
            "UNIFIED_SRC_NODATA": "NO"
        }  # each band has its own gaps
        if here != self.grid:
            options["src_transform"] = here.transform
        return WarpedVRT(
            self._dataset,
            crs=grains.crs,
            transform=grains.transform,
            height=grains.height,
            width=grains.width,
            src_alpha=alpha_band(self._dataset) or 0,
            src_nodata=None if self._nodata_is_clear else self._declared,
            nodata=math.nan,
            dtype="float64",
            resampling=Resampling.nearest,
            tolerance=_WARP_TOLERANCE,
            warp_mem_limit=64,
            **options,
        )
