"""Quality rules: which values of a quality band mean that a pixel can be used.

A rule is named after the product whose band it reads, or lists bits or values. Fill values are
never clear; they are excluded before bits are read.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groklst_cli.errors import UsageError

_MOST_BITS: Final = 32
_LARGEST: Final = 2**_MOST_BITS - 1


@dataclass(frozen=True)
class Bits:
    """Neighbouring bits of a value, read as a number, and which of those numbers are good.

    Attributes:
        first: The lowest bit, counted from 0.
        last: The highest.
        good: The numbers that are good.
    """

    first: int
    last: int
    good: tuple[int, ...] = (0,)

    def are_good(self, values: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return where the bits are good, for values that are not negative."""
        found = (values >> self.first) & (2 ** (self.last - self.first + 1) - 1)
        return np.isin(found, self.good)


@dataclass(frozen=True)
class QualityRule:
    """What a quality band's values mean.

    Attributes:
        text: How the rule is typed.
        any_of: Sets of bits; a value is clear if all bits of one set are good. None: bits do not
            matter.
        values: The only values that are clear, where that is said.
        others: Values that are not clear.
    """

    text: str
    any_of: tuple[tuple[Bits, ...], ...] = ((),)
    values: tuple[int, ...] | None = None
    others: tuple[int, ...] = ()

    def clear(
        self, values: NDArray[np.generic], valid: NDArray[np.bool_] | None = None
    ) -> NDArray[np.bool_]:
        """Tell which pixels are clear.

        Args:
            values: A quality band as it is stored, of any shape and type.
            valid: Where it holds a value, as the file's own nodata value says; None for everywhere.

        Returns:
            True where the pixel can be used. A value that is missing, no whole number, or, for
            rules of bits, negative or beyond 32 bits is a fill, and not clear.
        """
        whole = np.ones(values.shape, bool) if valid is None else valid.astype(bool)
        if values.dtype.kind == "f":
            finite = np.isfinite(values) & (np.abs(np.nan_to_num(values)) <= _LARGEST)
            rounded = np.where(finite, values, 0)
            whole &= finite & (rounded == np.rint(rounded))
            stored = rounded.astype(np.int64)
        else:
            stored = values.astype(np.int64)
        clear = whole & ~np.isin(stored, self.others)
        if self.values is not None:
            return clear & np.isin(stored, self.values)
        if self.any_of == ((),):
            return clear
        clear &= (stored >= 0) & (stored <= _LARGEST)
        within = np.where(clear, stored, 0)
        good = [np.all([bits.are_good(within) for bits in every], axis=0) for every in self.any_of]
        return np.asarray(clear & np.any(good, axis=0))


LANDSAT_QA: Final = QualityRule("landsat-qa", ((Bits(0, 4),),))
"""``QA_PIXEL`` of Landsat Collection 2: fill (bit 0), dilated cloud (1), cirrus (2), cloud (3) and
cloud shadow (4) are unset. Snow (5) and water (7) are clear.

Landsat 8-9 Collection 2 Level 2 Science Product Guide, LSDS-1619, and Landsat 4-7, LSDS-1618, both
"Pixel Quality Assessment Band": https://www.usgs.gov/landsat-missions/landsat-collection-2
"""

MODIS_LST_QC: Final = QualityRule(
    "modis-lst-qc", ((Bits(0, 1, (0,)),), (Bits(0, 1, (1,)), Bits(6, 7, (0, 1))))
)
"""``QC_Day`` and ``QC_Night`` of MOD11 and MYD11: bits 0-1 say good quality (00), or other quality
(01) with an average error of the LST of 2 K at most (bits 6-7: 00, 01).

Collection-6 MODIS LST Products Users' Guide (Wan 2013), tables 8 and 13:
https://lpdaac.usgs.gov/products/mod11a1v061/
"""

LST_21_QC: Final = QualityRule(
    "lst-21-qc",
    ((Bits(0, 1, (0,)), Bits(4, 5)), (Bits(0, 1, (1,)), Bits(4, 5), Bits(14, 15, (2, 3)))),
)
"""``QC`` of MOD21, MYD21 and VNP21, whose accuracy bits count the other way round than MOD11's:
good quality (bits 0-1: 00), or nominal (01) with an LST accuracy of 1.5 K or better (bits 14-15:
10, 11); and in both cases free of cloud (bits 4-5: 00).

MOD21 Users' Guide (Hulley et al. 2017), table of the QC bit field:
https://lpdaac.usgs.gov/products/mod21a1dv061/ and https://lpdaac.usgs.gov/products/vnp21a1dv002/
"""

ECOSTRESS: Final = QualityRule("ecostress", ((Bits(0, 1, (0, 1)),),))
"""``QC`` of ECOSTRESS L2 and L2T LSTE: best (bits 0-1: 00) or nominal (01) quality; pixels with
cloud (10) and those that were not produced (11) are not clear. Collection 2 wants the ``cloud``
layer beside it, which is 1 where there is cloud: ``values=0``.

ECOSTRESS Level-2 Product Specification Document (JPL D-94635), table 3-5:
https://lpdaac.usgs.gov/products/eco_l2t_lstev002/
"""

HLS_FMASK: Final = QualityRule("hls-fmask", ((Bits(1, 3),),))
"""``Fmask`` of HLS version 2: cloud (bit 1), adjacent to cloud or shadow (2) and cloud shadow (3)
are unset. Cirrus (0) is reserved and not used; snow (4), water (5) and aerosol (6-7) are clear.

HLS Product User Guide version 2.0, table 9:
https://lpdaac.usgs.gov/documents/1698/HLS_User_Guide_V2.pdf
"""

S2_SCL: Final = QualityRule("s2-scl", values=(4, 5, 6))
"""The scene classification of Sentinel-2 Level 2A: vegetation (4), not vegetated (5) and water (6).

Sentinel-2 Level-2A Algorithm Theoretical Basis Document, "Scene Classification":
https://sentiwiki.copernicus.eu/web/s2-processing
"""

PLAIN: Final = QualityRule("", values=(1,))
"""A mask of 0 and 1, which needs no rule: 1 is clear."""

RULES: Final = {
    rule.text: rule for rule in (LANDSAT_QA, MODIS_LST_QC, LST_21_QC, ECOSTRESS, HLS_FMASK, S2_SCL)
}
"""The rules that have a name."""


def parse_rule(text: str) -> QualityRule:
    """Parse a rule: a name, ``bits=3,4``, ``values=4,5,6`` or ``not=…``; empty for a plain mask.

    ``bits`` lists bits that must be unset, ``values`` the only values that are clear, and ``not``
    values that are not clear.

    Raises:
        UsageError: If it is not one of these.
    """
    if not text:
        return PLAIN
    if text in RULES:
        return RULES[text]
    kind, equals, listed = text.partition("=")
    if not equals or kind not in ("bits", "values", "not"):
        raise UsageError(
            f"the mask's rule {text} is not valid, expected one of {', '.join(RULES)}, bits=N,…, "
            "values=N,…, not=N,…"
        )
    numbers = _numbers(text, listed)
    if kind == "values":
        return QualityRule(text, values=numbers)
    if kind == "not":
        return QualityRule(text, others=numbers)
    if not all(0 <= bit < _MOST_BITS for bit in numbers):
        raise UsageError(
            f"the mask's rule {text} names a bit out of range, expected 0 to {_MOST_BITS - 1}"
        )
    return replace(_unset(numbers), text=text)


def _unset(bits: Iterable[int]) -> QualityRule:
    return QualityRule("", (tuple(Bits(bit, bit) for bit in bits),))


def _numbers(text: str, listed: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in listed.replace("_", "no digit").split(","))
    except ValueError:
        raise UsageError(
            f"the mask's rule {text} lacks whole numbers; write them as in values=4,5,6"
        ) from None
