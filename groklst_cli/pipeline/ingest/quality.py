"""The table of quality bands: which values are clear, and the names of the other values.

Rules that can be typed are in ``geo/masks/rules.py`` with their sources; here are the reasons for
their bits, and rules that only whole products need.
"""

from typing import Final

from groklst_cli.geo.masks import (
    ECOSTRESS,
    HLS_FMASK,
    LANDSAT_QA,
    LST_21_QC,
    MODIS_LST_QC,
    S2_SCL,
    Bits,
    QualityRule,
)
from groklst_cli.pipeline.ingest.layers import Layer
from groklst_cli.pipeline.ingest.product import Check


def _unless(first: int, last: int, *bad: int) -> QualityRule:
    """Make a rule that certain numbers in neighbouring bits break."""
    good = tuple(n for n in range(2 ** (last - first + 1)) if n not in bad)
    return QualityRule(f"bits {first}-{last}", ((Bits(first, last, good),),))


def _not(*values: int) -> QualityRule:
    return QualityRule("not", others=values)


_LANDSAT_REASONS: Final = {
    "fill": _unless(0, 0, 1),
    "dilated cloud": _unless(1, 1, 1),
    "cirrus": _unless(2, 2, 1),
    "cloud": _unless(3, 3, 1),
    "cloud shadow": _unless(4, 4, 1),
}

LANDSAT_BQA: Final = QualityRule(
    "landsat-bqa",
    ((Bits(0, 1), Bits(4, 4), Bits(7, 8, (0, 1, 2)), Bits(11, 12, (0, 1, 2))),),
)
"""``BQA`` of Landsat Collection 1 Level 1: fill (bit 0), terrain occlusion or dropped pixel (1) and
cloud (4) are unset, confidence of cloud shadow (7-8) and of cirrus (11-12) is below high (11).

Landsat Collection 1 Level 1 Product Definition, LSDS-1656, tables of the quality band:
https://www.usgs.gov/landsat-missions/landsat-collection-1-level-1-quality-assessment-band
"""

_BQA_REASONS: Final = {
    "fill": _unless(0, 0, 1),
    "terrain occlusion or dropped pixel": _unless(1, 1, 1),
    "cloud": _unless(4, 4, 1),
    "cloud shadow": _unless(7, 8, 3),
    "cirrus": _unless(11, 12, 3),
}

_LANDSAT_KINDS: Final = {"snow": _unless(5, 5, 1), "water": _unless(7, 7, 1)}
_BQA_KINDS: Final = {"snow": _unless(9, 10, 3)}
_WATER_KINDS: Final = {"water": _not(1)}

_MODIS_REASONS: Final = {
    "not produced: cloud": _unless(0, 1, 2),
    "not produced: other": _unless(0, 1, 3),
    "error above 2 K": _unless(6, 7, 2, 3),
}

_LST_21_REASONS: Final = {
    "not produced: cloud": _unless(0, 1, 2),
    "not produced: other": _unless(0, 1, 3),
    "thin cirrus": _unless(4, 5, 1),
    "next to cloud": _unless(4, 5, 2),
    "cloud": _unless(4, 5, 3),
    "accuracy worse than 1.5 K": _unless(14, 15, 0, 1),
}

MEAN_LST_QC: Final = QualityRule("lst-8-day-qc", ((Bits(0, 1, (0, 1)),),))
"""Quality of the 8-day means MOD21A2 and VNP21A2: produced, in good (bits 0-1: 00) or other quality
(01). https://lpdaac.usgs.gov/products/mod21a2v061/
"""

_ECOSTRESS_REASONS: Final = {
    "cloud by QC": _unless(0, 1, 2),
    "not produced": _unless(0, 1, 3),
}

_FMASK_REASONS: Final = {
    "cloud": _unless(1, 1, 1),
    "next to cloud or shadow": _unless(2, 2, 1),
    "cloud shadow": _unless(3, 3, 1),
}

_SCL_REASONS: Final = {
    "no data": _not(0),
    "saturated or defective": _not(1),
    "dark area": _not(2),
    "cloud shadow": _not(3),
    "unclassified": _not(7),
    "cloud": _not(8, 9),
    "thin cirrus": _not(10),
    "snow or ice": _not(11),
}

PLAIN_CLOUD: Final = QualityRule("values=0", values=(0,))
"""``cloud`` of ECOSTRESS Collection 2: 1 is cloud. The guide asks for it beside ``QC``.

ECOSTRESS Collection 2 Level-2 LSTE User Guide (JPL D-94636):
https://lpdaac.usgs.gov/products/eco_l2t_lstev002/
"""

ST_QA_KNOWN: Final = QualityRule("known", others=(-9999,))
"""``ST_QA`` of Landsat Collection 2 Level 2 is an uncertainty in 0.01 K and no mask; where it is
missing the temperature was made without what it needs. LSDS-1619, "Surface Temperature QA".
"""


def landsat(layer: Layer) -> Check:
    """Take ``QA_PIXEL`` of Collection 2."""
    return Check(layer, LANDSAT_QA, _LANDSAT_REASONS, "fill", _LANDSAT_KINDS)


def landsat_first_collection(layer: Layer) -> Check:
    """Take ``BQA`` of Collection 1, whose bits mean other things."""
    return Check(layer, LANDSAT_BQA, _BQA_REASONS, "fill", _BQA_KINDS)


def uncertainty(layer: Layer) -> Check:
    """Take ``ST_QA``."""
    return Check(layer, ST_QA_KNOWN, {}, "no uncertainty")


def modis(layer: Layer) -> Check:
    """Take ``QC_Day`` or ``QC_Night`` of MOD11."""
    return Check(layer, MODIS_LST_QC, _MODIS_REASONS)


def lst_21(layer: Layer) -> Check:
    """Take ``QC`` of a day's MOD21 or VNP21."""
    return Check(layer, LST_21_QC, _LST_21_REASONS)


def lst_21_mean(layer: Layer) -> Check:
    """Take the quality of eight days' MOD21 or VNP21."""
    return Check(layer, MEAN_LST_QC, {"not produced": MEAN_LST_QC})


def ecostress(layer: Layer) -> Check:
    """Take ``QC`` of ECOSTRESS."""
    return Check(layer, ECOSTRESS, _ECOSTRESS_REASONS)


def cloud_layer(layer: Layer) -> Check:
    """Take ``cloud`` of ECOSTRESS."""
    return Check(layer, PLAIN_CLOUD, {"cloud": PLAIN_CLOUD})


def water_layer(layer: Layer) -> Check:
    """Take ``water`` of ECOSTRESS, 1 where there is; it is clear, and 0 outside the swath too."""
    return Check(layer, QualityRule("any"), {}, kinds=_WATER_KINDS)


def fmask(layer: Layer) -> Check:
    """Take ``Fmask`` of HLS."""
    return Check(layer, HLS_FMASK, _FMASK_REASONS)


def scl(layer: Layer) -> Check:
    """Take the scene classification of Sentinel-2."""
    return Check(layer, S2_SCL, _SCL_REASONS)
