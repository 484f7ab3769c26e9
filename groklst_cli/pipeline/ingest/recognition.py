"""Recognise the products of a delivery; each sensor's module looks for its own."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from groklst_cli.errors import InputError
from groklst_cli.pipeline.ingest import ecostress, gridded, hls, landsat, sdgsat, sentinel2, viirs
from groklst_cli.pipeline.ingest.delivery import Delivery
from groklst_cli.pipeline.ingest.product import Product
from groklst_cli.pipeline.ingest.wishes import Wishes

_SENSORS: Final[tuple[Callable[[Delivery, Wishes], Iterator[Product]], ...]] = (
    landsat.find,
    sdgsat.find,
    ecostress.find,
    viirs.find,
    hls.find,
    sentinel2.find,
    gridded.find,
)

SUPPORTED: Final = (
    "Landsat 4-9 (Collection 2 Level 2 and 1, Collection 1 Level 1), SDGSAT-1 TIS and MII, "
    "ECOSTRESS tiles, MODIS and VIIRS LST (AppEEARS, Earth Engine, VNP21A1 HDF5), HLS, "
    "Sentinel-2 L2A"
)

_UNREAD: Final = (
    (
        re.compile(r"S3[ABC]_SL_2_LST.*"),
        "Sentinel-3 SLSTR is delivered along its swath, not on a grid",
    ),
    (re.compile(r"ECO(?:STRESS|v\d+)_L2_(?!T).*\.h5"), "an ECOSTRESS swath is not on a grid"),
    (
        re.compile(r"M[OY]D\d\w*\.A\d{7}.*\.hdf", re.IGNORECASE),
        "HDF4 is not read; order the product from AppEEARS as GeoTIFF",
    ),
    (re.compile(r"V(?:NP|J1|J2)21(?:IMG)?\.A.*\.nc"), "a VIIRS swath is not on a grid"),
    (
        re.compile(r"(?:M[OY]D|V(?:NP|J1|J2))[12]1.*\.tiff?", re.IGNORECASE),
        "it has no layer of temperature (LST_Day_1km, LST_Night_1km, LST_1KM)",
    ),
    (
        re.compile(r".*_MSIL1C_.*"),
        "Sentinel-2 Level 1C is not corrected for the atmosphere; order Level 2A",
    ),
)
"""Products that are recognised by name but cannot be read, and why."""


def products_in(path: Path, wishes: Wishes) -> list[Product]:
    """Find the products of a folder, an archive or a file.

    Raises:
        InputError: If there is none, or one cannot be used.
        UsageError: If an option does not fit it.
    """
    delivery = Delivery.find(path)
    found = [product for find in _SENSORS for product in find(delivery, wishes)]
    useful = [product for product in found if product.thermal or product.guides]
    if useful:
        return useful
    raise InputError(_refusal(delivery, found))


def _refusal(delivery: Delivery, found: list[Product]) -> str:
    """Return what was found instead, and what is supported."""
    named = [delivery.name, *(name.rsplit("/", 1)[-1] for name in delivery.files)]
    if delivery.only is not None:
        named = [delivery.only]
    for pattern, why in _UNREAD:
        if any(pattern.fullmatch(name) for name in named):
            return f"{delivery.path} cannot be read: {why}; supported products: {SUPPORTED}"
    if found:
        return (
            f"{delivery.path} holds {found[0].identifier} with neither a temperature nor a band "
            "for guides; add the other files of the product"
        )
    return (
        f"{delivery.path} is not a product by the names of its files; supported products: "
        f"{SUPPORTED}"
    )
