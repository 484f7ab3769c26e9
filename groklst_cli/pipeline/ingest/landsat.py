"""Landsat 4 to 9, Collection 2 Level 2 and Level 1, and Collection 1 Level 1.

Level 2: temperature and reflectance are value × scale + offset, which ``MTL`` states; fill is 0.
Level 1: radiance L = value × RADIANCE_MULT + RADIANCE_ADD, brightness temperature
K2 / ln(K1 / L + 1), reflectance at the top of the atmosphere (value × REFLECTANCE_MULT +
REFLECTANCE_ADD) / sin(SUN_ELEVATION).

* Landsat 8-9 Collection 2 Level 2 Science Product Guide, LSDS-1619; Landsat 4-7, LSDS-1618
* https://www.usgs.gov/landsat-missions/using-usgs-landsat-level-1-data-product
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from groklst_cli.errors import InputError
from groklst_cli.geo.grid import Grid
from groklst_cli.pipeline.ingest import quality
from groklst_cli.pipeline.ingest.bands import LANDSAT, Landsat
from groklst_cli.pipeline.ingest.delivery import Delivery
from groklst_cli.pipeline.ingest.landsat_metadata import LandsatMetadata
from groklst_cli.pipeline.ingest.layers import FileLayer
from groklst_cli.pipeline.ingest.product import Check, Guide, Product, Stored, Thermal
from groklst_cli.pipeline.ingest.wishes import Wishes

_FILE: Final = re.compile(
    r"(?P<id>L[CTEO]0(?P<number>[45789])_L(?P<level>[12])(?P<kind>[A-Z]{2})_(?P<place>\d{6})_"
    r"(?P<date>\d{8})_\d{8}_(?P<collection>0[12])_(?:T1|T2|RT|A1|A2))_(?P<rest>\w+)"
    r"\.(?P<ending>TIFF?|txt|xml|json)",
    re.IGNORECASE,
)
_RASTERS: Final = ("TIF", "TIFF")
_METADATA: Final = ("MTL_TXT", "MTL_XML", "MTL_JSON")
_FILL: Final = (0.0,)

_TEMPERATURE: Final = (0.00341802, 149.0)
_REFLECTANCE: Final = (0.0000275, -0.2)
"""Scale and offset of all of Collection 2 Level 2, for a product without its ``MTL``."""

_CLAMPS: Final = (293, 65535)
"""Saturated surface temperatures: 150.0 K and 373.0 K."""


def find(delivery: Delivery, wishes: Wishes) -> Iterator[Product]:
    """Find the Landsat products of a delivery."""
    found: dict[str, dict[str, str]] = {}
    facts: dict[str, re.Match[str]] = {}
    for name, match in delivery.matching(_FILE):
        ending, rest = match["ending"].upper(), match["rest"].upper()
        key = rest if ending in _RASTERS else f"{rest}_{ending}"
        found.setdefault(match["id"].upper(), {}).setdefault(key, name)
        facts.setdefault(match["id"].upper(), match)
    for identifier, files in found.items():
        if delivery.concerns(files.values()):
            yield _Scene.of(delivery, identifier, facts[identifier], files, wishes).product()


@dataclass(frozen=True)
class _Scene:
    """A product's files, by what their names end in."""

    delivery: Delivery
    identifier: str
    facts: re.Match[str]
    files: Mapping[str, str]
    metadata: LandsatMetadata | None
    wishes: Wishes

    @classmethod
    def of(
        cls,
        delivery: Delivery,
        identifier: str,
        facts: re.Match[str],
        files: Mapping[str, str],
        wishes: Wishes,
    ) -> "_Scene":
        named = next((files[key] for key in _METADATA if key in files), None)
        metadata = None if named is None else LandsatMetadata.read(delivery, named)
        return cls(delivery, identifier, facts, files, metadata, wishes)

    @property
    def satellite(self) -> Landsat:
        return LANDSAT[int(self.facts["number"])]

    @property
    def is_surface(self) -> bool:
        return self.facts["level"] == "2"

    def product(self) -> Product:
        checks = tuple(self._checks())
        thermal = self._surface(checks) if self.is_surface else self._at_sensor(checks)
        pixels = tuple(check for check in checks if check.kinds)  # ST_QA is of the temperature
        notes = list(self._doubts(pixels))
        guides = () if self._is_night else tuple(self._guides(pixels))
        moment, has_time = self._moment()
        read = [key for key in self.files if key in _METADATA[:1]]
        layers = [*(layer for layer in (thermal.layers if thermal else ()))]
        layers += [guide.layer for guide in guides] + [check.layer for check in checks]
        collection = int(self.facts["collection"])
        return Product(
            identifier=self.identifier,
            sensor=self.satellite.sensor,
            level=f"Collection {collection} Level {self.facts['level']} "
            f"(L{self.facts['level']}{self.facts['kind'].upper()})",
            moment=moment,
            has_time=has_time,
            place=f"path {self.facts['place'][:3]} row {self.facts['place'][3:]}",
            thermal=thermal,
            guides=guides,
            files=tuple([self.files[key] for key in read] + [layer.name for layer in layers]),
            notes=tuple(notes),
        )

    def _layer(self, key: str, fills: tuple[float, ...] = _FILL) -> FileLayer:
        path = self.delivery.files[self.files[key]]
        return FileLayer.of(path, fills=fills, place=self._place)

    def _place(self, path: str, height: int, width: int) -> Grid:
        """Find the grid of a file without a geotransform; corners in ``MTL`` are pixel centres."""
        known = self._needed_metadata()
        zone = known.needed("UTM_ZONE", "PROJECTION")
        left, top, right, bottom = (
            known.needed(f"CORNER_{corner}_PROJECTION_{axis}_PRODUCT", "")
            for corner in ("UL", "LR")
            for axis in "XY"
        )
        across, down = (right - left) / max(width - 1, 1), (bottom - top) / max(height - 1, 1)
        cell = known.needed("GRID_CELL_SIZE_THERMAL", "PROJECTION")
        if abs(across - cell) > 1e-6 * cell or abs(down + cell) > 1e-6 * cell:
            raise InputError(
                f"{path} has no CRS, and its {height} × {width} pixels do not match the corners "
                f"in {known.name}"
            )
        crs = CRS.from_epsg(32600 + int(zone))
        return Grid(
            crs, Affine(across, 0, left - across / 2, 0, down, top - down / 2), height, width
        )

    def _checks(self) -> Iterator[Check]:
        """Find the quality bands. Their fill is a bit of theirs, so no value of them is one."""
        for key in ("QA_PIXEL", "BQA"):
            if key in self.files:
                is_second = self.facts["collection"] == "02"
                take = quality.landsat if is_second else quality.landsat_first_collection
                yield take(self._layer(key, ()))
                break
        if self.is_surface and "ST_QA" in self.files:
            yield quality.uncertainty(self._layer("ST_QA", (-9999.0,)))

    def _surface(self, checks: tuple[Check, ...]) -> Thermal | None:
        band = self.satellite.surface
        if band not in self.files:
            return None
        scale, offset = _TEMPERATURE
        if self.metadata is not None:
            scale = self.metadata.needed(f"TEMPERATURE_MULT_BAND_{band}", "SURFACE_TEMPERATURE")
            offset = self.metadata.needed(f"TEMPERATURE_ADD_BAND_{band}", "SURFACE_TEMPERATURE")
        return Thermal(
            (self._layer(band),),
            _scaled(scale, offset),
            "land surface temperature",
            checks,
            self.satellite.native,
            f"{band} × {scale:g} + {offset:g}",
        )

    def _at_sensor(self, checks: tuple[Check, ...]) -> Thermal | None:
        bands = [band for band in self.satellite.thermal if band in self.files]
        if not bands:
            return None
        band = self.wishes.band_of(self.identifier, bands)
        number = band.removeprefix("B")
        known = self._needed_metadata()
        gain = known.needed(f"RADIANCE_MULT_BAND_{number}", "RADIOMETRIC_RESCALING")
        bias = known.needed(f"RADIANCE_ADD_BAND_{number}", "RADIOMETRIC_RESCALING")
        k1 = known.needed(f"K1_CONSTANT_BAND_{number}", "THERMAL_CONSTANTS")
        k2 = known.needed(f"K2_CONSTANT_BAND_{number}", "THERMAL_CONSTANTS")
        most = known.number(f"QUANTIZE_CAL_MAX_BAND_{number}", "PIXEL_VALUE")
        return Thermal(
            (self._layer(band),),
            _planck(gain, bias, k1, k2, most),
            "brightness temperature",
            checks,
            self.satellite.native,
            f"{band}: L = value × {gain:g} + {bias:g}, {k2:g} / ln({k1:g} / L + 1)",
        )

    def _guides(self, checks: tuple[Check, ...]) -> Iterator[Guide]:
        for number, name in self.satellite.reflective.items():
            key = f"SR_B{number}" if self.is_surface else f"B{number}"
            if key not in self.files:
                continue
            scale, offset = self._reflectance(number)
            quantity = "surface reflectance" if self.is_surface else "reflectance at the top of air"
            yield Guide(name, self._layer(key), scale, offset, quantity, checks)

    def _reflectance(self, number: int) -> tuple[float, float]:
        """Find a band's scale and offset; at Level 1 the sun's height is in them."""
        if self.is_surface and self.metadata is None:
            return _REFLECTANCE
        known = self._needed_metadata()
        group = "SURFACE_REFLECTANCE" if self.is_surface else "RADIOMETRIC_RESCALING"
        scale = known.needed(f"REFLECTANCE_MULT_BAND_{number}", group)
        offset = known.needed(f"REFLECTANCE_ADD_BAND_{number}", group)
        if self.is_surface:
            return scale, offset
        elevation = known.needed("SUN_ELEVATION", "IMAGE_ATTRIBUTES")
        height = math.sin(math.radians(elevation))
        return scale / height, offset / height

    @property
    def _is_night(self) -> bool:
        """Whether reflectance at the top of the atmosphere is not valid."""
        if self.is_surface or self.metadata is None:
            return False
        elevation = self.metadata.number("SUN_ELEVATION", "IMAGE_ATTRIBUTES")
        return elevation is not None and elevation <= 0

    def _doubts(self, checks: Sequence[Check]) -> Iterator[str]:
        if self.metadata is None and self.is_surface:
            yield self._without_metadata()
        if not checks:
            yield f"{self.identifier} has no QA_PIXEL, so clouds are not masked"
        if self._is_night:
            yield (
                f"{self.identifier} was acquired at night, so its reflective bands are not "
                "used as guides"
            )

    def _needed_metadata(self) -> LandsatMetadata:
        if self.metadata is None:
            raise InputError(
                f"{self.identifier} has no MTL file, which has the constants of its bands; put "
                f"{self.identifier}_MTL.txt next to them"
            )
        return self.metadata

    def _without_metadata(self) -> str:
        return (
            f"{self.identifier} has no MTL file; using the scale and offset that all of "
            "Collection 2 Level 2 has"
        )

    def _moment(self) -> tuple[datetime, bool]:
        day = datetime.strptime(self.facts["date"], "%Y%m%d").replace(tzinfo=UTC)
        time = self.metadata.text("SCENE_CENTER_TIME") if self.metadata is not None else None
        found = re.fullmatch(r"(\d\d):(\d\d):(\d\d)(?:\.\d*)?Z?", time or "")
        if not found:
            return day, False
        hour, minute, second = (int(part) for part in found.groups())
        return day.replace(hour=hour % 24, minute=minute % 60, second=second % 60), True


def _scaled(scale: float, offset: float) -> Callable[[Sequence[Stored]], NDArray[np.float64]]:
    def kelvin(stored: Sequence[Stored]) -> NDArray[np.float64]:
        values = stored[0].astype(np.float64)
        low, high = _CLAMPS
        return np.where((values > low) & (values < high), values * scale + offset, np.nan)

    return kelvin


def _planck(
    gain: float, bias: float, k1: float, k2: float, most: float | None
) -> Callable[[Sequence[Stored]], NDArray[np.float64]]:
    """Convert counts to kelvin; the largest count means a saturated detector."""

    def kelvin(stored: Sequence[Stored]) -> NDArray[np.float64]:
        counts = stored[0].astype(np.float64)
        radiance = counts * gain + bias
        seen = (radiance > 0) & (counts > 0) & (True if most is None else counts < most)
        return k2 / np.log1p(k1 / np.where(seen, radiance, np.nan))

    return kelvin
