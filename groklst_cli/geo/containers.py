"""Advice for files that hold rasters but cannot be used directly."""

import re
import shlex
from pathlib import Path
from typing import Final

from rasterio.io import DatasetReader

_HDF4: Final = b"\x0e\x03\x13\x01"
_NETCDF: Final = re.compile(
    r"""(?:netcdf:|zarr:)?"?(?P<file>[^"]*?\.(?:nc|nc4|cdf|zarr))/?"?(?::/*(?P<name>\w+))?""",
    re.IGNORECASE,
)


def advice_of(path: str) -> str:
    """Return what to type for a file that could not be opened as a raster."""
    if _is_hdf4(path):
        return (
            "it is HDF4, which rasterio from pip cannot read; order the product as GeoTIFF, or "
            "install rasterio and libgdal-hdf4 from conda-forge"
        )
    if found := _NETCDF.fullmatch(path):
        code = (
            f"import rioxarray, xarray; xarray.open_dataset({found['file']!r}, "
            f"decode_coords='all')[{found['name'] or 'VARIABLE'!r}].rio.to_raster('copy.tif')"
        )
        return (
            f"groklst reads netCDF and Zarr through xarray; copy a variable with: {running(code)} "
            "(netCDF-4 needs h5netcdf, Zarr zarr), or call groklst_cli.downscale with the xarray "
            "object"
        )
    return "name a GeoTIFF or another raster file"


def copying(source: str, target: str = "copy.tif") -> str:
    """Return the command that copies a raster to a GeoTIFF, with its scale, unit and nodata."""
    code = f"import rasterio.shutil as s; s.copy({source!r}, {target!r}, driver='GTiff')"
    return running(code)


def placing(dataset: DatasetReader, path: str) -> str:
    """Return how to give a raster with control points or RPCs a geotransform."""
    points, crs = dataset.gcps
    if not points:
        return (
            "is placed by RPCs only, not by a geotransform; warp it to a grid first, with its "
            "provider's tools or rasterio.warp.reproject(rpcs=…)"
        )
    code = crs.to_epsg() if crs else None
    fill = float("nan") if "float" in dataset.dtypes[0] else 0
    nodata = fill if dataset.nodata is None else dataset.nodata
    missing = f"--src-nodata {nodata!r} --dst-nodata {nodata!r}"
    target = f"--dst-crs EPSG:{code or '…'}"
    return (
        "is placed by control points only, not by a geotransform; warp it first with: "
        f"rio warp {shlex.quote(path)} warped.tif {target} {missing}"
    )


def setting_scale(path: str, scale: float = 1) -> str:
    """Write the command that sets a scale, and offset 0."""
    code = (
        f"import rasterio; d = rasterio.open({path!r}, 'r+'); "
        f"d.scales = ({scale},) * d.count; d.offsets = (0,) * d.count; d.close()"
    )
    return running(code)


def setting_crs(dataset: DatasetReader, path: str) -> str:
    """Write the commands that give a raster a CRS, of a copy where its format takes none."""
    if not dataset.driver.startswith("HDF"):
        return f"rio edit-info --crs EPSG:… {shlex.quote(path)}"
    place = "rio edit-info --crs EPSG:… --transform '[dx, 0, left, 0, -dy, top]' copy.tif"
    return f"{copying(path)} && {place}"


def running(code: str) -> str:
    """Return the command that runs Python code, in double quotes if that is safe in a shell."""
    quoted = shlex.quote(code) if re.search(r'["$`\\!]', code) else f'"{code}"'
    return f"python -c {quoted}"


def _is_hdf4(path: str) -> bool:
    if path.upper().startswith("HDF4"):
        return True
    try:
        with Path(path).open("rb") as opened:
            return opened.read(len(_HDF4)) == _HDF4
    except (OSError, ValueError):
        return False
