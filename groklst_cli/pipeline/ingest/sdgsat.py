"""SDGSAT-1: the thermal imager TIS (30 m) and the multispectral imager MII (10 m), Level 4.

Radiance is count × gain + bias, W m⁻² sr⁻¹ µm⁻¹, by band in ``.calib.xml``, which lists all
sensors of the satellite; count 0 is the fill, which files do not declare. Brightness temperature
follows from Planck's law at the band's effective wavelength. No delivered file was available:
names, bands and calibration follow public programs.

A split window makes surface temperature of bands 2 and 3, in the form of Ulivieri and Cannizzaro
(1985): a0 + a1 T2 + a2 (T2 - T3) + a3 (1 - ε) + a4 Δε, with ε the mean of both emissivities, Δε
their difference, and coefficients that the user gives.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groklst_cli.errors import InputError
from groklst_cli.geo.opening import open_raster
from groklst_cli.pipeline.ingest.bands import SDGSAT_MII, SDGSAT_WAVELENGTHS
from groklst_cli.pipeline.ingest.delivery import Delivery
from groklst_cli.pipeline.ingest.layers import FileLayer, Layer, MosaicLayer
from groklst_cli.pipeline.ingest.plain_xml import Element, parse_xml
from groklst_cli.pipeline.ingest.product import Guide, Product, Stored, Thermal
from groklst_cli.pipeline.ingest.wishes import Wishes

_ID: Final = (
    r"(?P<id>KX10_(?P<sensor>TIS|MII)_(?P<day>\d{8})_(?P<place>[EW][\d.]+_[NS][\d.]+)_\d+_"
    r"(?P<level>L\d\w?))"
)
_RASTER: Final = re.compile(rf"{_ID}(?:_(?P<camera>[AB]))?\.tiff?", re.IGNORECASE)
_CALIBRATION: Final = re.compile(rf"{_ID}(?:_[AB])?\.calib\.xml", re.IGNORECASE)
_META: Final = re.compile(rf"{_ID}(?:_[AB])?\.meta\.xml", re.IGNORECASE)
_FILL: Final = (0.0,)

_C1: Final = 1.191042972e8  # 2 h c², W µm⁴ m⁻² sr⁻¹
_C2: Final = 14387.768775  # h c / k, µm K (CODATA 2018)

_Kelvin = Callable[[Sequence[Stored]], NDArray[np.float64]]


def find(delivery: Delivery, wishes: Wishes) -> Iterator[Product]:
    """Find the SDGSAT-1 scenes of a delivery."""
    found: dict[str, dict[str, str]] = {}
    facts: dict[str, re.Match[str]] = {}
    for name, match in delivery.matching(_RASTER):
        found.setdefault(match["id"].upper(), {})[match["camera"] or ""] = name
        facts[match["id"].upper()] = match
    for identifier, rasters in found.items():
        named = delivery.only or identifier
        if delivery.concerns(rasters.values()) or named.upper().startswith(identifier):
            yield _product(delivery, identifier, facts[identifier], rasters, wishes)


def _product(
    delivery: Delivery,
    identifier: str,
    facts: re.Match[str],
    rasters: Mapping[str, str],
    wishes: Wishes,
) -> Product:
    sensor = facts["sensor"].upper()
    known = _calibration(delivery, identifier, sensor)
    paths = [delivery.files[rasters[camera]] for camera in sorted(rasters)]
    moment, has_time = _moment(delivery, identifier, facts["day"])
    product = Product(
        identifier=identifier,
        sensor=f"SDGSAT-1 {sensor}",
        level=f"Level {facts['level'][1:].upper()}",
        moment=moment,
        has_time=has_time,
        place=facts["place"],
        files=tuple(paths),
        notes=(f"{identifier} has no quality band, so clouds are not masked",),
    )
    count = _bands_of(paths[0])
    if sensor == "TIS":
        return _with_thermal(product, paths[0], known, wishes)
    guides, shift = [], 0.0
    for number, name in SDGSAT_MII.items():
        if number > count:
            break
        gain, bias = _pair(known, identifier, number)
        parts = tuple(FileLayer.of(path, number, _FILL) for path in paths)
        layer: Layer = parts[0]
        if len(parts) > 1:
            mosaic = MosaicLayer.of(parts)
            layer, shift = mosaic, mosaic.shift
        guides.append(Guide(name, layer, gain, bias, "radiance, W m⁻² sr⁻¹ µm⁻¹"))
    notes = product.notes[1:]
    if shift > 0.01:
        notes += (f"the cameras of {identifier} lie {shift:.2f} pixel apart",)
    return _replaced(product, guides=tuple(guides), notes=notes)


def _with_thermal(
    product: Product, path: str, known: Mapping[tuple[str, int], float], wishes: Wishes
) -> Product:
    there = list(SDGSAT_WAVELENGTHS)[: _bands_of(path)]
    if wishes.split_window:
        if len(there) < 3:
            raise InputError(f"{path} has {len(there)} bands; a split window needs 2 and 3")
        bands = ["B2", "B3"]
    else:
        default = ["B2"] if "B2" in there else there
        bands = [wishes.band_of(product.identifier, [*default, *there])]
    laws = []
    for band in bands:
        gain, bias = _pair(known, product.identifier, int(band[1:]))
        laws.append(_planck(gain, bias, SDGSAT_WAVELENGTHS[band]))
    layers = tuple(FileLayer.of(path, int(band[1:]), _FILL) for band in bands)
    if not wishes.split_window:
        origin = f"{bands[0]} by Planck's law at {SDGSAT_WAVELENGTHS[bands[0]]} µm"
        thermal = Thermal(layers, laws[0], "brightness temperature", origin=origin)
        return _replaced(product, thermal=thermal)
    kelvin = _split(laws[0], laws[1], wishes)
    terms = ", ".join(f"{value:g}" for value in wishes.split_window)
    origin = f"split window of B2 and B3 with {terms}"
    if wishes.emissivity is not None:
        origin += f", emissivity {wishes.emissivity[0]:g} and {wishes.emissivity[1]:g}"
    thermal = Thermal(layers, kelvin, "land surface temperature", origin=origin)
    return _replaced(product, thermal=thermal)


def _replaced(product: Product, **changes: object) -> Product:
    return replace(product, **changes)  # type: ignore[arg-type]


def _planck(gain: float, bias: float, wavelength: float) -> _Kelvin:
    """Make brightness temperature of counts."""

    def kelvin(stored: Sequence[Stored]) -> NDArray[np.float64]:
        counts = stored[0].astype(np.float64)
        radiance = counts * gain + bias
        seen = np.where((counts > 0) & (radiance > 0), radiance, np.nan)
        return _C2 / (wavelength * np.log1p(_C1 / (wavelength**5 * seen)))

    return kelvin


def _split(second: _Kelvin, third: _Kelvin, wishes: Wishes) -> _Kelvin:
    a0, a1, a2, a3, a4 = (*wishes.split_window, 0.0, 0.0)[:5]
    e2, e3 = wishes.emissivity or (1.0, 1.0)
    constant = a0 + a3 * (1 - (e2 + e3) / 2) + a4 * (e2 - e3)

    def kelvin(stored: Sequence[Stored]) -> NDArray[np.float64]:
        t2, t3 = second(stored[:1]), third(stored[1:])
        return constant + a1 * t2 + a2 * (t2 - t3)

    return kelvin


def _bands_of(path: str) -> int:
    with open_raster(path) as dataset:
        return int(dataset.count)


def _calibration(delivery: Delivery, identifier: str, sensor: str) -> dict[tuple[str, int], float]:
    """Read gains and biases of one sensor.

    Raises:
        InputError: If the file is missing, or states several gains for a band, for ranges of rows.
    """
    for name, match in delivery.matching(_CALIBRATION):
        if match["id"].upper() == identifier:
            root = parse_xml(delivery.text(name, "gb18030"), name)
            break
    else:
        raise InputError(
            f"{identifier} has no .calib.xml, which has its gains; put it next to the raster"
        )
    known: dict[tuple[str, int], float] = {}
    for element in _of_sensor(root, sensor).iter():
        found = re.fullmatch(r"RADIANCE_(GAIN|BIAS)_BAND_(\d)", element.tag)
        if not found:
            continue
        key = found[1], int(found[2])
        try:
            value = float(element.text or "")
        except ValueError as error:
            raise InputError(f"{name}: {element.tag} is not a number") from error
        if known.get(key, value) != value:
            raise InputError(
                f"{name} has several values of {element.tag} for ranges of rows, as early "
                "products do, which cannot be read; order the product again"
            )
        known[key] = value
    return known


def _of_sensor(root: Element, sensor: str) -> Element:
    """Find the section of a sensor; a file without sensor names is for one sensor."""
    if (found := next(root.iter(sensor), None)) is not None:
        return found
    if any(next(root.iter(other), None) is not None for other in ("TIS", "MII", "GIU")):
        raise InputError(f"the calibration file has no section {sensor}; download the scene again")
    return root


def _pair(
    known: Mapping[tuple[str, int], float], identifier: str, number: int
) -> tuple[float, float]:
    try:
        gain, bias = known["GAIN", number], known["BIAS", number]
    except KeyError as error:
        raise InputError(
            f"the .calib.xml of {identifier} has no {error.args[0][0].lower()} of band {number}"
        ) from error
    if not (np.isfinite(gain) and gain > 0 and np.isfinite(bias)):
        raise InputError(f"the .calib.xml of {identifier} has gain {gain:g} of band {number}")
    return gain, bias


def _moment(delivery: Delivery, identifier: str, day: str) -> tuple[datetime, bool]:
    """Read the time from ``.meta.xml`` if it exists, else the day from the name."""
    for name, match in delivery.matching(_META):
        if match["id"].upper() == identifier:
            found = re.search(
                r"<CenterTime>.*?(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)",
                delivery.text(name, "gb18030"),
                re.DOTALL,
            )
            if found:
                text = f"{found[1]}T{found[2]}"
                return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC), True
    return datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC), False
