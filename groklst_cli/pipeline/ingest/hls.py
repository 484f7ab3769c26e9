"""HLS version 2, Landsat (L30) and Sentinel-2 (S30) reflectance on 30 m, for guidance.

Reflectance is value × 0.0001, fill -9999; ``Fmask`` says what is clear, fill 255.

HLS Product User Guide: https://lpdaac.usgs.gov/documents/1698/HLS_User_Guide_V2.pdf
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from groklst_cli.pipeline.ingest import quality
from groklst_cli.pipeline.ingest.bands import HLS_L30, HLS_S30
from groklst_cli.pipeline.ingest.delivery import Delivery
from groklst_cli.pipeline.ingest.layers import FileLayer
from groklst_cli.pipeline.ingest.product import Check, Guide, Product
from groklst_cli.pipeline.ingest.wishes import Wishes

_FILE: Final = re.compile(
    r"(?P<id>HLS\.(?P<kind>[LS]30)\.T(?P<tile>\d{2}[A-Z]{3})\.(?P<day>\d{7})T(?P<time>\d{6})\."
    r"v(?P<version>\d\.\d))\.(?P<layer>B\d\w|Fmask)(?:\.subset)?\.tiff?",
    re.IGNORECASE,
)
_APPEEARS: Final = re.compile(
    r"(?P<id>HLS(?P<kind>[LS]30)\.(?P<version>\d{3}))_(?P<layer>B\d\w|Fmask)_doy(?P<day>\d{7})"
    r"(?P<time>\d{6})?_aid\d+(?:_(?P<tile>\w+))?\.tiff?",
    re.IGNORECASE,
)
_SCALE: Final = 0.0001
_FILL: Final = (-9999.0,)
_SENSORS: Final = {"L30": "HLS Landsat 8/9 OLI", "S30": "HLS Sentinel-2 MSI"}


def find(delivery: Delivery, wishes: Wishes) -> Iterator[Product]:
    """Find the HLS tiles of a delivery."""
    found: dict[str, dict[str, str]] = {}
    facts: dict[str, re.Match[str]] = {}
    for pattern in (_FILE, _APPEEARS):
        for name, match in delivery.matching(pattern):
            key = match["id"] if pattern is _FILE else f"{match['id']}_{match['day']}"
            layer = match["layer"]
            layer = "Fmask" if layer.lower() == "fmask" else layer.upper()
            found.setdefault(key, {})[layer] = delivery.files[name]
            facts[key] = match
    for identifier, layers in found.items():
        if delivery.concerns(layers.values()):
            yield _product(identifier, facts[identifier], layers)


def _product(identifier: str, facts: re.Match[str], layers: Mapping[str, str]) -> Product:
    names = HLS_L30 if facts["kind"].upper() == "L30" else HLS_S30
    checks: tuple[Check, ...] = ()
    if "Fmask" in layers:
        checks = (quality.fmask(FileLayer.of(layers["Fmask"], fills=(255.0,))),)
    guides = [
        Guide(
            name,
            FileLayer.of(layers[band], fills=_FILL),
            _SCALE,
            0.0,
            "surface reflectance",
            checks,
        )
        for band, name in names.items()
        if band in layers
    ]
    stamp = facts["day"] + (facts["time"] or "000000")
    return Product(
        identifier=identifier,
        sensor=_SENSORS[facts["kind"].upper()],
        level=f"HLS version {facts['version']}",
        moment=datetime.strptime(stamp, "%Y%j%H%M%S").replace(tzinfo=UTC),
        has_time=facts["time"] is not None,
        place=f"tile {facts['tile']}" if facts["tile"] else "",
        guides=tuple(guides),
        files=tuple(layers.values()),
        notes=() if checks else (f"{identifier} has no Fmask, so clouds are not masked",),
    )
