"""Masks: which pixels of an LST and of its guides are clear, and what that leaves of the LST."""

from groklst_cli.geo.masks.clear_rows import ClearRows
from groklst_cli.geo.masks.files import NO_MASKS, MaskFile, Masks, MaskSource
from groklst_cli.geo.masks.masked_lst import AROUND, HALF, WHOLLY, MaskedLst, Masking, look_at
from groklst_cli.geo.masks.rules import (
    ECOSTRESS,
    HLS_FMASK,
    LANDSAT_QA,
    LST_21_QC,
    MODIS_LST_QC,
    PLAIN,
    RULES,
    S2_SCL,
    Bits,
    QualityRule,
    parse_rule,
)
from groklst_cli.geo.masks.scene_masks import SceneMasks

__all__ = [
    "AROUND",
    "ECOSTRESS",
    "HALF",
    "HLS_FMASK",
    "LANDSAT_QA",
    "LST_21_QC",
    "MODIS_LST_QC",
    "NO_MASKS",
    "PLAIN",
    "RULES",
    "S2_SCL",
    "WHOLLY",
    "Bits",
    "ClearRows",
    "MaskFile",
    "MaskSource",
    "MaskedLst",
    "Masking",
    "Masks",
    "QualityRule",
    "SceneMasks",
    "look_at",
    "parse_rule",
]
