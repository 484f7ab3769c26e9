"""The provenance of a result as tags: its files, their headers, and the software.

Credentials in paths are masked, because results are passed on.
"""

import json
import platform
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any, Final

import rasterio

from groklst_cli import __version__
from groklst_cli.errors import GroklstError
from groklst_cli.geo.header_hash import header_hash
from groklst_cli.geo.opening import open_raster
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.predict.choice import Choice
from groklst_cli.shown_text import masked, printable

INPUTS_TAG: Final = "GROKLST_INPUTS"
SOFTWARE_TAG: Final = "GROKLST_SOFTWARE"

_LIBRARIES: Final = ("numpy", "scipy", "torch", "rasterio", "pyproj")
"""Packages whose versions may change the pixels of any method."""


def provenance(request: Request, choice: Choice) -> dict[str, str]:
    """Return the tags of a request whose method is loaded, without reading pixels."""
    tags = {
        **request.provenance,
        INPUTS_TAG: json.dumps(list(_inputs(request)), ensure_ascii=False),
        SOFTWARE_TAG: ", ".join(f"{name} {version}" for name, version in _software(choice)),
    }
    return {key: shown(text) for key, text in tags.items()}


def shown(text: str) -> str:
    """Shorten a text for a tag, and mask credentials."""
    return masked(printable(text))


def _inputs(request: Request) -> Iterator[dict[str, str]]:
    """List each input as it was given, with the hash of its header."""
    given = [
        ("lst", request.lst, request.lst.path),
        *(("guide", guide, guide.path) for guide in request.guides),
        *(("mask", mask, mask.source.path) for mask in request.masks.lst),
        *(("guide mask", mask, mask.source.path) for mask in request.masks.guides),
        *([("like", request.like, request.like)] if request.like else []),
    ]
    headers = {path: _header(path) for path in dict.fromkeys(path for _, _, path in given)}
    for role, source, path in given:
        named: Any = {"is": role, "given": str(source), **headers[path]}
        yield named


def _header(path: str) -> dict[str, str]:
    with suppress(GroklstError), open_raster(path) as dataset:
        return {"header": f"sha256:{header_hash(dataset)}"}
    return {}


def _software(choice: Choice) -> Iterator[tuple[str, str]]:
    yield "groklst", __version__
    yield "Python", platform.python_version()
    yield "GDAL", rasterio.__gdal_version__
    for name in (*_LIBRARIES, choice.library):
        if name and (known := _version(name)) is not None:
            yield name, known


def _version(name: str) -> str | None:
    """Return a library's version, the same whether it is loaded; None where it is not installed."""
    found = getattr(sys.modules.get(name), "__version__", None)
    if found is None and find_spec(name) is not None:
        with suppress(PackageNotFoundError):
            found = version(name)
    return found
