"""Sentinel-2 Level 2A reflectance for guidance: SAFE folders of JPEG 2000 or COG, STAC folders.

Reflectance is (value + BOA_ADD_OFFSET) / BOA_QUANTIFICATION_VALUE, as ``MTD_MSIL2A.xml`` states;
the offset is -1000 from processing baseline 04.00 on (25 January 2022), before it there is none.
Value 0 is the fill, which files do not declare. Earth Search's ``sentinel-2-l2a`` has the offset
applied where its metadata says so, and its ``sentinel-2-c1-l2a`` has not.

* https://sentiwiki.copernicus.eu/web/s2-processing and https://sentiwiki.copernicus.eu/web/s2-products
* https://github.com/Element84/earth-search/issues/9
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Final

from groklst_cli.errors import InputError
from groklst_cli.pipeline.ingest import quality
from groklst_cli.pipeline.ingest.bands import SENTINEL_2, SENTINEL_2_ORDER, SENTINEL_2_WORDS
from groklst_cli.pipeline.ingest.delivery import Delivery
from groklst_cli.pipeline.ingest.layers import FileLayer
from groklst_cli.pipeline.ingest.plain_xml import parse_xml
from groklst_cli.pipeline.ingest.product import Check, Guide, Product
from groklst_cli.pipeline.ingest.wishes import Wishes

_GRANULE: Final = re.compile(
    r"(?:L2A_)?T(?P<tile>\d{2}[A-Z]{3})_(?P<moment>\d{8}T\d{6})_(?P<band>B\d\w|SCL)"
    r"(?:_(?P<size>\d\d)m)?\.(?:jp2|tiff?)",
    re.IGNORECASE,
)
_ITEM: Final = re.compile(
    r"(?P<mission>S2[A-D])_T?(?P<tile>\d{2}[A-Z]{3})_(?P<day>\d{8})(?:T(?P<time>\d{6}))?"
    r"(?:_\d+)?_L2A",
    re.IGNORECASE,
)
_BARE: Final = re.compile(
    rf"(?:(?P<item>{_ITEM.pattern})[._-])?(?P<band>B\d\w|SCL|{'|'.join(SENTINEL_2_WORDS)})"
    r"(?:_\d\dm)?\.(?:jp2|tiff?)",
    re.IGNORECASE,
)
_SAFE: Final = re.compile(
    r"(?P<mission>S2[A-D])_MSIL2A_(?P<moment>\d{8}T\d{6})_N(?P<baseline>\d{4})_R\d{3}_"
    r"T(?P<tile>\d{2}[A-Z]{3})_\d{8}T\d{6}",
    re.IGNORECASE,
)
_QUANTIFICATION: Final = 10000.0
_OFFSET: Final = -1000.0
_FIRST_OFFSET: Final = 400  # the baseline
_FIRST_DAY: Final = datetime(2022, 1, 25, tzinfo=UTC)
_FILL: Final = (0.0,)
_METADATA: Final = ("MTD_MSIL2A.xml", "manifest.safe")


@dataclass(frozen=True)
class _Radiometry:
    """The scaling of stored values, and its source."""

    quantification: float = _QUANTIFICATION
    offset: float = 0.0
    offsets: Mapping[str, float] = field(default_factory=dict)
    known_from: str = ""
    doubt: str = ""

    def of(self, band: str) -> tuple[float, float]:
        """Return scale and offset of a band."""
        scale = 1 / self.quantification
        return scale, self.offsets.get(band, self.offset) * scale


@dataclass(frozen=True)
class _Group:
    """A product's files."""

    folder: str
    identifier: str
    tile: str
    moment: datetime
    has_time: bool
    is_item: bool
    bands: dict[str, tuple[int, str]]


def find(delivery: Delivery, wishes: Wishes) -> Iterator[Product]:
    """Find the Sentinel-2 products of a delivery."""
    for group in [*_granules(delivery), *_items(delivery)]:
        names = [path for _, path in group.bands.values()]
        if delivery.only in _METADATA or delivery.concerns(names):
            yield _product(delivery, group)


def _granules(delivery: Delivery) -> list[_Group]:
    """Group files whose names contain tile and time, in any folders."""
    groups: dict[tuple[str, str, str], _Group] = {}
    for name, match in delivery.matching(_GRANULE):
        folder = name.partition("/GRANULE/")[0] if "/GRANULE/" in f"/{name}" else ""
        folder = "" if name.startswith("GRANULE/") else folder
        key = folder, match["tile"].upper(), match["moment"]
        if key not in groups:
            safe = _SAFE.search(folder) or _SAFE.search(delivery.name)
            identifier = safe[0] if safe else f"T{key[1]}_{key[2]}"
            moment = datetime.strptime(key[2].upper(), "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
            groups[key] = _Group(folder, identifier, key[1], moment, True, False, {})
        size = int(match["size"] or 0)
        band = match["band"].upper()
        if band not in groups[key].bands or size < groups[key].bands[band][0]:
            groups[key].bands[band] = (size, delivery.files[name])
    return list(groups.values())


def _items(delivery: Delivery) -> list[_Group]:
    """Group files that are named after their band, in a folder named after its item."""
    groups: dict[str, _Group] = {}
    for name, match in delivery.matching(_BARE):
        parent = PurePosixPath(name).parent.as_posix()
        told = [match["item"] or "", PurePosixPath(parent).name, delivery.name]
        if delivery.only is not None:
            told.append(delivery.path.absolute().parent.name)
        item = next((found for text in told if (found := _ITEM.search(text))), None)
        if item is None:
            continue
        key = f"{parent}/{item[0]}"
        if key not in groups:
            stamp = item["day"] + (item["time"] or "000000")
            moment = datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
            folder = "" if parent == "." else parent
            tile, has_time = item["tile"].upper(), bool(item["time"])
            groups[key] = _Group(folder, item[0], tile, moment, has_time, True, {})
        band = match["band"]
        band = SENTINEL_2_WORDS.get(band.lower(), band.upper())
        groups[key].bands.setdefault(band, (0, delivery.files[name]))
    return list(groups.values())


def _product(delivery: Delivery, group: _Group) -> Product:
    radiometry = _radiometry(delivery, group)
    checks: tuple[Check, ...] = ()
    if "SCL" in group.bands:
        checks = (quality.scl(FileLayer.of(group.bands["SCL"][1], fills=_FILL)),)
    guides: dict[str, Guide] = {}
    for band, name in SENTINEL_2.items():
        if band in group.bands and name not in guides:
            scale, offset = radiometry.of(band)
            layer = FileLayer.of(group.bands[band][1], fills=_FILL)
            guides[name] = Guide(name, layer, scale, offset, "surface reflectance", checks)
    notes = [radiometry.doubt] if radiometry.doubt else []
    if not checks:
        notes.append(f"{group.identifier} has no SCL, so clouds are not masked")
    return Product(
        identifier=group.identifier,
        sensor="Sentinel-2 MSI",
        level=f"Level 2A{f', {radiometry.known_from}' if radiometry.known_from else ''}",
        moment=group.moment,
        has_time=group.has_time,
        place=f"tile {group.tile}",
        guides=tuple(guides.values()),
        files=tuple(path for _, path in group.bands.values()),
        notes=tuple(notes),
    )


def _radiometry(delivery: Delivery, group: _Group) -> _Radiometry:
    """Find scale and offset: in the metadata, else in the product's name, else by its date."""
    prefix = f"{group.folder}/" if group.folder else ""
    for name in delivery.files:
        below = name.removeprefix(prefix)
        if name.startswith(prefix) and below.upper() == "MTD_MSIL2A.XML":
            return _from_metadata(delivery.text(name), name)
    for name in delivery.files:
        is_json = name.startswith(prefix) and name.lower().endswith(".json")
        if is_json and "/" not in name.removeprefix(prefix):
            found = _from_item(delivery.text(name), group)
            if found is not None:
                return found
    safe = _SAFE.search(group.identifier) or _SAFE.search(delivery.path.absolute().parent.name)
    if safe:
        return _of_baseline(int(safe["baseline"]), f"baseline {safe['baseline']} by its name")
    return _by_date(group)


def _from_metadata(text: str, name: str) -> _Radiometry:
    root = parse_xml(text, name)
    try:
        quantification = float(_first(root, "BOA_QUANTIFICATION_VALUE") or _QUANTIFICATION)
        offsets = {
            SENTINEL_2_ORDER[int(element.attrib["band_id"])]: float(element.text or "")
            for element in root.iter("BOA_ADD_OFFSET")
        }
    except (ValueError, KeyError, IndexError) as error:
        raise InputError(f"{name} has an offset that is not valid: {error}") from error
    if not quantification > 0:
        raise InputError(
            f"{name} has {quantification:g} for a reflectance of one, which is not valid"
        )
    baseline = _first(root, "PROCESSING_BASELINE") or ""
    return _Radiometry(quantification, 0.0, offsets, f"baseline {baseline}" if baseline else "")


def _first(root: Any, tag: str) -> str | None:
    found = next(root.iter(tag), None)
    return None if found is None else found.text


def _from_item(text: str, group: _Group) -> _Radiometry | None:
    """Read the STAC item of Earth Search or of the Planetary Computer, if it is this product's."""
    try:
        stated = json.loads(text)
        properties = stated["properties"]
        identifier = str(stated["id"])
        baseline = properties.get("s2:processing_baseline", properties.get("processing:version"))
        number = None if baseline is None else round(float(baseline) * 100)
    except (ValueError, KeyError, TypeError, RecursionError, AttributeError):
        return None
    if group.tile not in identifier.upper() or number is None:
        return None
    applied = properties.get(
        "earthsearch:boa_offset_applied", properties.get("sentinel:boa_offset_applied", False)
    )
    if applied:
        return _Radiometry(known_from=f"baseline {baseline}, offset applied by the provider")
    found = _of_baseline(number, f"baseline {baseline}")
    if not found.offset or not _is_first_of_earth_search(group):
        return found
    doubt = (
        f"{group.identifier} states that its offset is not applied, but Earth Search states that "
        "of some products whose offset is applied: if dark water is below 0, it was applied"
    )
    return replace(found, doubt=doubt)


def _of_baseline(baseline: int, known_from: str) -> _Radiometry:
    offset = _OFFSET if baseline >= _FIRST_OFFSET else 0.0
    return _Radiometry(offset=offset, known_from=known_from)


def _is_first_of_earth_search(group: _Group) -> bool:
    """Return whether an item's name is of ``sentinel-2-l2a``, which has the offset applied."""
    return group.is_item and not group.has_time


def _by_date(group: _Group) -> _Radiometry:
    """Guess from the form of the name and the date; the message says that it is a guess."""
    is_first = _is_first_of_earth_search(group)
    offset = _OFFSET if group.moment >= _FIRST_DAY and not is_first else 0.0
    doubt = (
        f"{group.identifier} has no metadata; its offset is assumed to be {offset:g} from its "
        "name and date: put MTD_MSIL2A.xml or the STAC item's .json next to its bands to be sure"
    )
    return _Radiometry(offset=offset, doubt=doubt)
