"""ECOSTRESS Collection 2 (and later) tiles of LST, as LP DAAC delivers them.

``LST`` is float32 kelvin with NaN for missing values, without a unit or a description: the layer is
known only from the file name. ``QC`` declares no fill, which is 65535; ``cloud`` and ``water`` are
0 outside the swath as well.

ECOSTRESS Collection 2 Level-2 LSTE Product Specification: https://lpdaac.usgs.gov/products/eco_l2t_lstev002/
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from groklst_cli.pipeline.ingest import quality
from groklst_cli.pipeline.ingest.delivery import Delivery
from groklst_cli.pipeline.ingest.kelvins import as_kelvin
from groklst_cli.pipeline.ingest.layers import FileLayer
from groklst_cli.pipeline.ingest.product import Check, Product, Thermal
from groklst_cli.pipeline.ingest.wishes import Wishes

_FILE: Final = re.compile(
    r"(?P<id>ECOv(?P<version>\d{3})_L2[TG]_LSTE_(?P<orbit>\d{5})_(?P<scene>\d{3})_"
    r"(?P<tile>\d{2}[A-Z]{3})_(?P<moment>\d{8}T\d{6})_\d{4}_\d{2})_(?P<layer>\w+)\.tiff?",
    re.IGNORECASE,
)

QC_FILLS: Final = (65535.0, -99999.0)
"""Of the tile, and of AppEEARS, which makes it an int32."""

CLOUD_FILLS: Final = (255.0,)


def find(delivery: Delivery, wishes: Wishes) -> Iterator[Product]:
    """Find the ECOSTRESS tiles of a delivery."""
    found: dict[str, dict[str, str]] = {}
    facts: dict[str, re.Match[str]] = {}
    for name, match in delivery.matching(_FILE):
        found.setdefault(match["id"], {})[match["layer"]] = delivery.files[name]
        facts[match["id"]] = match
    for identifier, layers in found.items():
        if "LST" in layers and delivery.concerns(layers.values()):
            yield _product(identifier, facts[identifier], layers)


def lste(layers: Mapping[str, str]) -> Thermal:
    """Find the layers of a tile or an export by their names."""
    lst = FileLayer.of(layers["LST"])
    return Thermal((lst,), as_kelvin("LST"), "land surface temperature", tuple(checks_of(layers)))


def checks_of(layers: Mapping[str, str]) -> Iterator[Check]:
    """Return the quality layers that are present."""
    if "QC" in layers:
        yield quality.ecostress(FileLayer.of(layers["QC"], fills=QC_FILLS))
    if "cloud" in layers:
        yield quality.cloud_layer(FileLayer.of(layers["cloud"], fills=CLOUD_FILLS))
    if "water" in layers:
        yield quality.water_layer(FileLayer.of(layers["water"], fills=CLOUD_FILLS))


def doubts(identifier: str, layers: Mapping[str, str]) -> Iterator[str]:
    """Return messages about missing quality layers."""
    if "cloud" not in layers:
        yield (
            f"{identifier} has no cloud layer, which the product's guide requires in addition to QC"
        )
    if "QC" not in layers:
        yield f"{identifier} has no QC layer"


def _product(identifier: str, facts: re.Match[str], layers: Mapping[str, str]) -> Product:
    return Product(
        identifier=identifier,
        sensor="ECOSTRESS",
        level=f"Level 2 tiled LSTE, version {int(facts['version'])}",
        moment=datetime.strptime(facts["moment"], "%Y%m%dT%H%M%S").replace(tzinfo=UTC),
        has_time=True,
        place=f"tile {facts['tile']}",
        thermal=lste(layers),
        files=tuple(layers[name] for name in ("LST", "QC", "cloud", "water") if name in layers),
        notes=tuple(doubts(identifier, layers)),
    )
