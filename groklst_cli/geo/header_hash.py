"""A hash of a raster's header, which distinguishes rasters without reading pixels."""

import hashlib
import json
from typing import Any, Final

from rasterio.io import DatasetReader

from groklst_cli.geo.opening import UNREADABLE, grid_of

_OF_VIEWERS: Final = "STATISTICS_"
"""Prefixes of tags that programs write when they display a file."""


def header_hash(dataset: DatasetReader) -> str:
    """Hash the header of a raster: no pixel is read.

    It is the SHA-256 of a JSON document with sorted keys and no spaces, UTF-8: ``size`` (rows,
    columns), ``crs`` (WKT), ``transform`` (six numbers), ``tags`` of the file, and for each of the
    ``bands`` its ``type``, ``nodata``, ``scale``, ``offset``, ``unit``, ``name`` and ``tags``.
    Statistics, which programs add when they show a file, do not count.
    """
    grid = grid_of(dataset)
    header = {
        "size": list(grid.shape),
        "crs": "" if grid.crs is None else grid.crs.to_wkt(),
        "transform": list(grid.transform)[:6],
        "tags": _tags(dataset),
        "bands": [_band(dataset, number) for number in dataset.indexes],
    }
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _band(dataset: DatasetReader, number: int) -> dict[str, Any]:
    at = number - 1
    return {
        "type": dataset.dtypes[at],
        "nodata": dataset.nodatavals[at],
        "scale": dataset.scales[at],
        "offset": dataset.offsets[at],
        "unit": dataset.units[at],
        "name": dataset.descriptions[at],
        "tags": _tags(dataset, number),
    }


def _tags(dataset: DatasetReader, band: int = 0) -> dict[str, str]:
    try:
        found = dataset.tags(band)
    except UNREADABLE:  # the tags contain bytes that are not text
        return {}
    return {key: value for key, value in found.items() if not key.startswith(_OF_VIEWERS)}
