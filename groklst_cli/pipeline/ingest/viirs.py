"""VIIRS temperatures as LP DAAC delivers them: HDF-EOS5 files on the sinusoidal grid.

GDAL gives these files no position on the Earth, or a wrong one, and ignores their fill value, whose
attribute is spelt ``_Fillvalue``. So the grid is read from ``StructMetadata.0``: the upper left and
the lower right corner of the whole tile, and the radius of the sphere.

VNP21 User Guide: https://lpdaac.usgs.gov/products/vnp21a1dv002/
"""

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from groklst_cli.errors import InputError
from groklst_cli.geo.grid import Grid
from groklst_cli.pipeline.ingest import quality
from groklst_cli.pipeline.ingest.bands import MODIS_LAYERS
from groklst_cli.pipeline.ingest.delivery import Delivery
from groklst_cli.pipeline.ingest.kelvins import STEP, in_steps
from groklst_cli.pipeline.ingest.layers import ArrayLayer
from groklst_cli.pipeline.ingest.product import Product, Thermal
from groklst_cli.pipeline.ingest.wishes import Wishes

_FILE: Final = re.compile(
    r"(?P<product>V(?P<platform>NP|J1|J2)21A(?P<days>\d)(?P<part>[DN]?))\.A(?P<day>\d{7})\."
    r"(?P<tile>h\d\dv\d\d)\.(?P<version>\d{3})\.\d+\.(?:h5|hdf5?|he5)",
    re.IGNORECASE,
)
_PLATFORMS: Final = {"NP": "Suomi NPP", "J1": "NOAA-20", "J2": "NOAA-21"}
_LARGEST: Final = 2**28  # bytes of a file that is read from an archive
_LONGEST: Final = 2**20  # bytes of the text that tells the grid
_MOST_PIXELS: Final = 2**25
_PAIR: Final = r"\(\s*(-?[\d.]+)\s*,\s*(-?[\d.]+)\s*\)"


def find(delivery: Delivery, wishes: Wishes) -> Iterator[Product]:
    """Find the VIIRS files of a delivery."""
    for name, match in delivery.matching(_FILE):
        if delivery.concerns([name]):
            yield from _read(delivery, name, match)


def _read(delivery: Delivery, name: str, match: re.Match[str]) -> Iterator[Product]:
    import h5py  # other sensors do not need it

    path = delivery.files[name]
    opened = io.BytesIO(delivery.content(name, _LARGEST)) if path.startswith("/vsi") else path
    try:
        with h5py.File(opened, "r") as file:
            grid = _grid(_structure(file["HDFEOS INFORMATION/StructMetadata.0"]), path)
            fields = next(iter(file["HDFEOS/GRIDS"].values()))["Data Fields"]
            for layer, (beside, part) in MODIS_LAYERS.items():
                if layer in fields:
                    lst = _layer(path, fields[layer], grid, 0.0)
                    scale = float(np.ravel(fields[layer].attrs.get("scale_factor", STEP))[0])
                    found = _layer(path, fields[beside], grid, None) if beside in fields else None
                    yield _product(path, match, part, lst, scale, found)
    except (OSError, KeyError, StopIteration, ValueError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} is not a complete VIIRS file of temperatures: {error}; download it again"
        ) from error


def _product(
    path: str,
    match: re.Match[str],
    part: str,
    lst: ArrayLayer,
    scale: float,
    beside: ArrayLayer | None,
) -> Product:
    take = quality.lst_21_mean if match["days"] != "1" else quality.lst_21
    checks = () if beside is None else (take(beside),)
    return Product(
        identifier=f"{match['product']}.A{match['day']}.{match['tile']}",
        sensor=f"{_PLATFORMS[match['platform'].upper()]} VIIRS",
        level=f"{match['product']} version {int(match['version'])}",
        moment=datetime.strptime(match["day"], "%Y%j").replace(tzinfo=UTC),
        has_time=False,
        place=f"tile {match['tile']}",
        part=part or {"D": "day", "N": "night"}.get(match["part"].upper(), ""),
        thermal=Thermal(
            (lst,),
            in_steps(scale),
            "land surface temperature",
            checks,
            origin=f"{lst.name.rsplit(':', 1)[-1]} × {scale:g}",
        ),
        files=(path,),
    )


def _layer(path: str, field: Any, grid: Grid, fill: float | None) -> ArrayLayer:
    import h5py

    if not isinstance(field, h5py.Dataset) or field.shape != grid.shape:
        raise InputError(f"{path} has a field whose size differs from its grid; download it again")
    values: NDArray[np.generic] = field[()]
    return ArrayLayer(f"{path}:{field.name.rsplit('/', 1)[-1]}", grid, values, fill)


def _grid(text: str, path: str) -> Grid:
    """Make the grid from ``StructMetadata.0``."""
    found = {
        "size": re.search(r"XDim=(\d+)\s+YDim=(\d+)", text),
        "top": re.search(rf"UpperLeftPointMtrs={_PAIR}", text),
        "end": re.search(rf"LowerRightMtrs={_PAIR}", text),
        "sphere": re.search(r"Projection=HE5_GCTP_SNSOID\s+ProjParams=\(([\d.]+)", text),
    }
    missing = [name for name, match in found.items() if match is None]
    if missing:
        raise InputError(
            f"{path} is not on a sinusoidal grid: its StructMetadata has no {missing[0]}"
        )
    size, top, end, sphere = (match.groups() for match in found.values() if match is not None)
    width, height = (int(number) for number in size)
    if not 0 < width * height <= _MOST_PIXELS:
        raise InputError(f"{path} has {height} × {width} pixels, more than a tile")
    (left, upper), (right, lower) = (tuple(map(float, pair)) for pair in (top, end))
    crs = CRS.from_proj4(
        f"+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R={float(sphere[0])} +units=m +no_defs"
    )
    transform = Affine((right - left) / width, 0, left, 0, (lower - upper) / height, upper)
    return Grid(crs, transform, height, width)


def _structure(field: Any) -> str:
    if field.nbytes > _LONGEST:
        raise ValueError(f"its StructMetadata has {field.nbytes} bytes")
    value = field[()]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
