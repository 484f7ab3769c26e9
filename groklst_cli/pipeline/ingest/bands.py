"""The table of bands: the names of each sensor's bands, and the pixels of thermal sensors.

Names are the project's: ``deepblue blue green red vre nir swir1 swir2``; ``vre`` is the vegetation
red edge near 780 nm, ``vre1`` and ``vre2`` are those near 705 and 740 nm.

* Landsat: https://www.usgs.gov/faqs/what-are-band-designations-landsat-satellites
* Sentinel-2: https://sentiwiki.copernicus.eu/web/s2-mission#S2Mission-MSIInstrument
* HLS: https://lpdaac.usgs.gov/documents/1698/HLS_User_Guide_V2.pdf, table 6
* SDGSAT-1: centres of the bands as published programs that read the product have them
"""

from dataclasses import dataclass
from typing import Final

_OLI: Final = {
    1: "deepblue", 2: "blue", 3: "green", 4: "red", 5: "nir", 6: "swir1", 7: "swir2",
}  # fmt: skip
_TM: Final = {1: "blue", 2: "green", 3: "red", 4: "nir", 5: "swir1", 7: "swir2"}


@dataclass(frozen=True)
class Landsat:
    """A Landsat's instruments.

    Attributes:
        sensor: Platform and instrument.
        reflective: Names by the number of the band.
        surface: The band of Level 2 that is surface temperature.
        thermal: Thermal bands of Level 1; the first one is the default.
        native: Pixel of the thermal sensor, metres; its bands are delivered with 30 m pixels.
    """

    sensor: str
    reflective: dict[int, str]
    surface: str
    thermal: tuple[str, ...]
    native: float


LANDSAT: Final = {
    4: Landsat("Landsat 4 TM", _TM, "ST_B6", ("B6",), 120.0),
    5: Landsat("Landsat 5 TM", _TM, "ST_B6", ("B6",), 120.0),
    # the low gain (1) never saturates over land, the high gain (2) has half its noise
    7: Landsat("Landsat 7 ETM+", _TM, "ST_B6", ("B6_VCID_1", "B6_VCID_2"), 60.0),
    8: Landsat("Landsat 8 OLI/TIRS", _OLI, "ST_B10", ("B10", "B11"), 100.0),
    9: Landsat("Landsat 9 OLI-2/TIRS-2", _OLI, "ST_B10", ("B10", "B11"), 100.0),
}
"""By the number of the satellite."""

SENTINEL_2: Final = {
    "B01": "deepblue", "B02": "blue", "B03": "green", "B04": "red", "B05": "vre1", "B06": "vre2",
    "B07": "vre", "B08": "nir", "B8A": "nir", "B11": "swir1", "B12": "swir2",
}  # fmt: skip
"""Of two bands for one name the first gets it: B08 has pixels of 10 m, B8A of 20 m."""

SENTINEL_2_ORDER: Final = (
    "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12",
)  # fmt: skip
"""Bands by ``band_id`` of the product's metadata."""

SENTINEL_2_WORDS: Final = {
    "coastal": "B01", "blue": "B02", "green": "B03", "red": "B04", "rededge1": "B05",
    "rededge2": "B06", "rededge3": "B07", "nir": "B08", "nir08": "B8A", "swir16": "B11",
    "swir22": "B12", "scl": "SCL",
}  # fmt: skip
"""Names of Earth Search assets, for files that were saved under these names."""

HLS_S30: Final = {
    "B01": "deepblue", "B02": "blue", "B03": "green", "B04": "red", "B05": "vre1", "B06": "vre2",
    "B07": "vre", "B8A": "nir", "B11": "swir1", "B12": "swir2",
}  # fmt: skip
"""B8A and not B08 is the near infrared that L30's B05 is adjusted to."""

HLS_L30: Final = {f"B{number:02}": name for number, name in _OLI.items()}

SDGSAT_MII: Final = {
    1: "deepblue_1", 2: "deepblue", 3: "blue", 4: "green", 5: "red", 6: "vre", 7: "nir",
}  # fmt: skip
"""The GrokLST dataset has one of the two deep blues; that it is the second is a guess."""

SDGSAT_WAVELENGTHS: Final = {"B1": 9.35, "B2": 10.73, "B3": 11.72}
"""Effective wavelengths of the thermal imager, micrometres."""

MODIS_LAYERS: Final = {
    "LST_Day_1km": ("QC_Day", "day"),
    "LST_Night_1km": ("QC_Night", "night"),
    "LST_Day_1KM": ("QC_Day", "day"),
    "LST_Night_1KM": ("QC_Night", "night"),
    "LST_1KM": ("QC", ""),
}
"""Layers of MOD11, MOD21, VNP21 and their like: LST, the quality layer beside it, which part."""
