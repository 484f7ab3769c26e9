"""Describe files: rasters and checkpoints."""

import json
from collections.abc import Mapping
from typing import Any, Final

from groklst_cli.errors import GroklstError
from groklst_cli.geo.band_names import Unnamed, name_by_files
from groklst_cli.geo.companions import STATUS_TAG
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.opening import BandSource, data_bands, grid_of, open_raster
from groklst_cli.geo.raster import LstSource
from groklst_cli.pipeline.catalogue.methods import checkpoint

SUFFIX: Final = ".safetensors"
_TAGS: Final = "GROKLST_"


def explain(text: str) -> dict[str, Any]:
    """Describe a checkpoint or a raster, and how ``downscale`` would use it.

    Raises:
        InputError: If it is neither.
    """
    if text.endswith(SUFFIX):
        return checkpoint(text)
    with gdal_environment():
        return _raster(BandSource.parse(text))


def _raster(source: BandSource) -> dict[str, Any]:
    with open_raster(source.path) as dataset:
        grid, bands = grid_of(dataset), data_bands(dataset)
        called = name_by_files([Unnamed(source.path, b, len(bands) == 1) for b in bands])
        names = dict(zip(bands, called, strict=True))
        facts: dict[str, Any] = {
            "file": source.path,
            "kind": "raster",
            "driver": dataset.driver,
            "height": grid.height,
            "width": grid.width,
            "crs": grid.crs.to_string(),
            "pixel_size": list(grid.pixel_size),
            "bounds": list(grid.bounds),
            "bands": [
                {
                    "band": b,
                    "name": dataset.descriptions[b - 1] or names[b],
                    "type": dataset.dtypes[b - 1],
                    "nodata": _plain(dataset.nodatavals[b - 1]),
                    "scale": dataset.scales[b - 1],
                    "offset": dataset.offsets[b - 1],
                }
                for b in bands
            ],
        }
        made = _made_by(dataset.tags())
    return {**facts, **made, **_as_lst(source)}


def _made_by(tags: Mapping[str, str]) -> dict[str, Any]:
    """Return the provenance of a result from its tags; empty for other rasters."""
    own = {key: text for key, text in tags.items() if key.startswith(_TAGS) and text}
    if STATUS_TAG not in own:
        return {}
    return {"made": {key.removeprefix(_TAGS).lower(): _untied(text) for key, text in own.items()}}


def _untied(text: str) -> Any:
    """Parse a tag that holds facts, or a list of them, as JSON; other tags stay texts."""
    try:
        found = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return text
    is_list = isinstance(found, list) and found
    return found if all(map(_is_flat, found if is_list else [found])) else text


def _no_number(text: str) -> None:
    raise ValueError(text)


def _is_flat(found: object) -> bool:
    """Return whether a value is a mapping of plain facts, as in the tags of results."""
    if not isinstance(found, dict):
        return False
    values = [
        v for value in found.values() for v in (value if isinstance(value, list) else [value])
    ]
    return all(isinstance(value, str | int | float) for value in values)


def _as_lst(source: BandSource) -> dict[str, Any]:
    """Describe the raster as an LST."""
    try:
        lst = LstSource(source)
    except GroklstError as error:
        return {"as_lst": f"no: {error}"}
    lst.close()
    fine = lst.grid.refine(8)
    return {
        "as_lst": f"yes: {lst.valid} valid pixels in {lst.units} (known from its {lst.units_from})",
        "downscaled_by_8": f"{fine.height} × {fine.width} pixels of {fine.pixel_size[0]:g}",
    }


def _plain(value: float | None) -> float | str | None:
    return "nan" if value is not None and value != value else value
