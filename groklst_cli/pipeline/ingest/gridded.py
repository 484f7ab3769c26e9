"""MODIS, VIIRS and ECOSTRESS temperatures as AppEEARS and Earth Engine deliver them: GeoTIFFs.

AppEEARS writes a file a layer and day, ``PRODUCT.VERSION_LAYER_doyYYYYDDD[HHMMSS]_aidNNNN.tif``,
numbers as they are stored, with scale, offset and unit as texts in the tags. Earth Engine exports
a file with all bands, named by their descriptions, or a file a band. LST is number × 0.02 K from
7500 on, 0 is the fill; quality 0 is the best, so fill values are excluded first.

* https://appeears.earthdatacloud.nasa.gov/help
* https://developers.google.com/earth-engine/datasets/catalog/MODIS_061_MOD11A1
* https://lpdaac.usgs.gov/products/mod11a1v061/ and https://lpdaac.usgs.gov/products/vnp21a1dv002/
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Final

import numpy as np

from groklst_cli.errors import InputError
from groklst_cli.geo.opening import open_raster
from groklst_cli.pipeline.ingest import ecostress, quality
from groklst_cli.pipeline.ingest.bands import MODIS_LAYERS
from groklst_cli.pipeline.ingest.delivery import Delivery
from groklst_cli.pipeline.ingest.kelvins import STEP, as_kelvin, in_steps
from groklst_cli.pipeline.ingest.layers import FileLayer
from groklst_cli.pipeline.ingest.product import Check, Product, Thermal
from groklst_cli.pipeline.ingest.wishes import Wishes

_APPEEARS: Final = re.compile(
    r"(?P<product>(?:M[OY]D[12]1A\d[DN]?|V(?:NP|J1|J2)21A\d[DN]?|ECO_L2[TG]_LSTE))\.(?P<version>\d{3})_"
    r"(?P<layer>\w+?)_(?:doy(?P<doy>\d{7})(?P<time>\d{6})?|(?P<stamp>\d{8}T\d{6}))"
    r"(?P<rest>(?:_aid\d+)?(?:_\w+)?)\.tiff?",
    re.IGNORECASE,
)
_NAMED: Final = re.compile(
    rf"(?P<start>.*?)[._-]?(?P<layer>{'|'.join(MODIS_LAYERS)}|QC_Day|QC_Night|QC)(?i:\.tiff?)"
)
_TIFF: Final = re.compile(r".+\.tiff?", re.IGNORECASE)
_PRODUCT: Final = re.compile(r"(?:M[OY]D[12]1|V(?:NP|J1|J2)21)(?:A\d)?[DN]?", re.IGNORECASE)
_JULIAN: Final = re.compile(r"(?:A|doy)((?:19|20)\d{2})([0-3]\d{2})(?!\d)")
_DAY: Final = re.compile(r"(?<!\d)((?:19|20)\d{2})[-_]?(0[1-9]|1[0-2])[-_]?([0-3]\d)(?!\d)")
_MOST_LOOKED_AT: Final = 2000
_MEANS: Final = re.compile("21A2", re.IGNORECASE)

_PLATFORMS: Final = {
    "MOD": "Terra MODIS", "MYD": "Aqua MODIS", "VNP": "Suomi NPP VIIRS", "VJ1": "NOAA-20 VIIRS",
    "VJ2": "NOAA-21 VIIRS", "ECO": "ECOSTRESS",
}  # fmt: skip


@dataclass(frozen=True)
class _Band:
    """A band of a file."""

    path: str
    number: int = 1


def find(delivery: Delivery, wishes: Wishes) -> Iterator[Product]:
    """Find the temperatures of a delivery that come on a grid, a layer a file or a band."""
    taken: set[str] = set()
    yield from _appeears(delivery, taken)
    yield from _a_file_a_band(delivery, taken)
    yield from _all_in_one(delivery, taken)


def _appeears(delivery: Delivery, taken: set[str]) -> Iterator[Product]:
    groups: dict[tuple[str, ...], dict[str, str]] = {}
    facts: dict[tuple[str, ...], re.Match[str]] = {}
    for name, match in delivery.matching(_APPEEARS):
        when = match["stamp"] or match["doy"] + (match["time"] or "")
        folder = str(PurePosixPath(name).parent)
        key: tuple[str, ...] = (folder, match["product"], match["version"], when, match["rest"])
        groups.setdefault(key, {})[match["layer"]] = delivery.files[name]
        facts[key] = match
        taken.add(name)
    for key, layers in groups.items():
        match = facts[key]
        if not delivery.concerns(layers.values()):
            continue
        identifier = f"{match['product']}.{match['version']}_{_stamp_of(match)}"
        moment = _moment_of(match)
        has_time = bool(match["stamp"] or match["time"])
        if match["product"].upper().startswith("ECO"):
            if "LST" not in layers:
                continue
            yield Product(
                identifier=identifier,
                sensor="ECOSTRESS",
                level=f"{match['product']} version {int(match['version'])}, AppEEARS",
                moment=moment,
                has_time=has_time,
                thermal=ecostress.lste(layers),
                files=tuple(
                    layers[name] for name in ("LST", "QC", "cloud", "water") if name in layers
                ),
                notes=tuple(ecostress.doubts(identifier, layers)),
            )
            continue
        level = f"{match['product']} version {int(match['version'])}, AppEEARS"
        bands = {layer: _Band(path) for layer, path in layers.items()}
        yield from _products(identifier, match["product"], level, moment, has_time, bands)


def _a_file_a_band(delivery: Delivery, taken: set[str]) -> Iterator[Product]:
    """Take ``…LST_Day_1km.tif`` and ``…QC_Day.tif`` beside it."""
    groups: dict[tuple[str, str], dict[str, _Band]] = {}
    for name, match in delivery.matching(_NAMED):
        if name in taken:
            continue
        folder = str(PurePosixPath(name).parent)
        groups.setdefault((folder, match["start"]), {})[match["layer"]] = _Band(
            delivery.files[name]
        )
        taken.add(name)
    for (folder, start), bands in groups.items():
        if not delivery.concerns(band.path for band in bands.values()):
            continue
        there = f"{delivery.name}/{folder}/{start}"
        identifier = start or PurePosixPath(folder).name or delivery.name
        product = _product_in(there, bands)
        level = f"{product or 'LST'}, GeoTIFF"
        yield from _products(identifier, product, level, _date_in(start or there), False, bands)


def _all_in_one(delivery: Delivery, taken: set[str]) -> Iterator[Product]:
    """Find files whose band descriptions are layer names, as Earth Engine exports them."""
    looked = 0
    for name, _ in delivery.matching(_TIFF):
        if name in taken or not delivery.concerns([name]):
            continue
        looked += 1
        if looked > _MOST_LOOKED_AT:
            return
        try:
            with open_raster(delivery.files[name]) as dataset:
                described = {text: i for i, text in enumerate(dataset.descriptions, 1) if text}
        except InputError:
            continue
        if not any(layer in described for layer in MODIS_LAYERS):
            continue
        stem = PurePosixPath(name).stem
        bands = {text: _Band(delivery.files[name], i) for text, i in described.items()}
        product = _product_in(f"{delivery.name}/{name}", bands)
        level = f"{product or 'LST'}, Earth Engine"
        yield from _products(stem, product, level, _date_in(stem), False, bands)


def _products(
    identifier: str,
    product: str,
    level: str,
    moment: datetime | None,
    has_time: bool,
    bands: Mapping[str, _Band],
) -> Iterator[Product]:
    """Make a product of every temperature: by day, and by night."""
    for layer, (beside, part) in MODIS_LAYERS.items():
        if layer not in bands:
            continue
        lst = FileLayer.of(bands[layer].path, bands[layer].number, (0.0,))
        checks = []
        if beside in bands:
            checks = [_check(product, layer, bands[beside])]
        missing = f"{identifier} has no {beside} next to {layer}, so clouds are not masked"
        scale = _scale_of(bands[layer])
        yield Product(
            identifier=identifier,
            sensor=_PLATFORMS.get(product[:3].upper(), "MODIS or VIIRS"),
            level=level,
            moment=moment,
            has_time=has_time,
            part=part or {"D": "day", "N": "night"}.get(product[-1:].upper(), ""),
            thermal=Thermal(
                (lst,),
                as_kelvin(layer) if scale is None else in_steps(scale),
                "land surface temperature",
                tuple(checks),
                origin=layer if scale is None else f"{layer} × {scale:g}",
            ),
            files=tuple(dict.fromkeys([lst.name, *(check.layer.name for check in checks)])),
            notes=() if checks else (missing,),
        )


def _check(product: str, layer: str, band: _Band) -> Check:
    """Interpret a quality band by the table of its product: MOD11, or MOD21 and VNP21.

    Its 0 means the best, even if a file declares it as nodata.
    """
    found = FileLayer.of(band.path, band.number, masked=False)
    if _MEANS.search(product):
        return quality.lst_21_mean(found)
    if "21" in product[3:5] or (not product and layer == "LST_1KM"):
        return quality.lst_21(found)
    return quality.modis(found)


def _scale_of(band: _Band) -> float | None:
    """Return the scale of stored numbers; None if they are kelvin already.

    Raises:
        InputError: If they are neither.
    """
    with open_raster(band.path) as dataset:
        tags = {**dataset.tags(), **dataset.tags(band.number)}
        declared = dataset.scales[band.number - 1]
        dtype = np.dtype(dataset.dtypes[band.number - 1])
        step = max(1, dataset.height // 512), max(1, dataset.width // 512)
        shape = max(1, dataset.height // step[0]), max(1, dataset.width // step[1])
        sample = dataset.read(band.number, out_shape=shape).astype(np.float64)
        nodata = dataset.nodatavals[band.number - 1]
    known = sample[np.isfinite(sample) & (sample > 0)]
    if nodata is not None:
        known = known[known != nodata]
    if dtype.kind in "iu" or (known.size and known.max() >= 1000):
        stated = declared if declared != 1 else _number(tags.get("scale_factor"))
        return stated if stated not in (None, 0.0, 1.0) else STEP
    if not known.size or (known.min() >= 150 and known.max() <= 600):
        return None
    raise InputError(
        f"{band.path} holds {known.min():.4g} to {known.max():.4g}, which is neither kelvin nor "
        "multiples of 0.02 K; export the layer unchanged"
    )


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _product_in(text: str, bands: Mapping[str, _Band]) -> str:
    """Find the product of a file by its name, or its folder's."""
    found = _PRODUCT.search(text)
    return found[0].upper() if found else ""


def _stamp_of(match: re.Match[str]) -> str:
    """Say time and zone as the name has them."""
    zone = re.sub(r"^_aid\d+", "", match["rest"])
    return f"{match['stamp'] or match['doy'] + (match['time'] or '')}{zone}"


def _moment_of(match: re.Match[str]) -> datetime:
    if match["stamp"]:
        return datetime.strptime(match["stamp"], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    if match["time"]:
        stamp = match["doy"] + match["time"]
        return datetime.strptime(stamp, "%Y%j%H%M%S").replace(tzinfo=UTC)
    return datetime.strptime(match["doy"], "%Y%j").replace(tzinfo=UTC)


def _date_in(text: str) -> datetime | None:
    """Find a date in a name; the last one, as names begin with what all have."""
    if found := _JULIAN.search(text):
        return _parsed("".join(found.groups()), "%Y%j")
    days = list(_DAY.finditer(text))
    return _parsed("".join(days[-1].groups()), "%Y%m%d") if days else None


def _parsed(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return None
