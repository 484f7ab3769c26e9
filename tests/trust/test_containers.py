"""Containers, control points and CRSs of other kinds: the truth, or a line whose advice works."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401  (brings .rio)
import xarray
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

from tests.trust.broken import gcps_only, rpcs_only, two_variables
from tests.trust.rasters import (
    COARSE,
    FINE,
    UTM,
    Maker,
    both,
    contents,
    detail,
    guide,
    kelvin,
    lst,
    vrt,
    write,
)
from tests.trust.refusal import case, groklst, refuse

SITE = CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')
SHARP = detail().astype(np.float32)
HDF4_PATH = 'HDF4_EOS:EOS_GRID:"lst.hdf":Grid:LST_Day_1km'
TURNED = Affine.translation(5e5, 4.39e6) * Affine.rotation(20) * Affine.scale(240, -240)


def netcdf(folder: Path) -> None:
    """Write a file of netCDF 3 as xarray does."""
    t, (height, width) = COARSE, kelvin().shape
    x, y = t.c + t.a * (np.arange(width) + 0.5), t.f + t.e * (np.arange(height) + 0.5)
    made = xarray.Dataset({"LST": (("y", "x"), kelvin())}, coords={"x": x, "y": y})
    made.rio.write_crs(UTM).to_netcdf(folder / "lst.nc", engine="scipy")


def points_of(transform: Affine, height: int, width: int) -> list[GroundControlPoint]:
    corners = [(0, 0), (0, width), (height, 0), (height, width)]
    return [GroundControlPoint(r, c, *(transform * (c, r))) for r, c in corners]


def placed_by_points(name: str, values: np.ndarray, transform: Affine) -> Maker:
    def make(folder: Path) -> None:
        planes = values if values.ndim == 3 else values[None]
        count, height, width = planes.shape
        shape = {"count": count, "height": height, "width": width, "dtype": values.dtype}
        place = {"gcps": points_of(transform, height, width), "crs": UTM}
        with rasterio.open(folder / name, "w", driver="GTiff", **shape, **place) as raster:
            raster.write(planes)

    return make


def raw_vrt(folder: Path) -> None:
    kelvin().tofile(folder / "lst.bin")
    band = (
        '<VRTRasterBand dataType="Float32" band="1" subClass="VRTRawRasterBand">'
        '<SourceFilename relativeToVRT="1">lst.bin</SourceFilename><ImageOffset>0</ImageOffset>'
        "<PixelOffset>4</PixelOffset><LineOffset>48</LineOffset></VRTRasterBand>"
    )
    (folder / "lst.vrt").write_bytes(vrt(band))


def hdf5_group(folder: Path) -> None:
    with h5py.File(folder / "lst.h5", "w") as file:
        file["grid/LST"], file["grid/QC"] = kelvin(), kelvin()


def bad(name: str, make: Maker, *says: str, typed: str | tuple[str, ...] = "lst.tif") -> object:
    words = tuple(typed.split(" ")) if isinstance(typed, str) else typed
    row = case(name, ("downscale", "-s", "4", "-q", *words), 3, *says)
    return pytest.param(make, row.values[0], id=row.id)


ROWS = [
    bad(
        "netCDF",
        netcdf,
        "reads netCDF and Zarr through xarray",
        "copy a variable with",
        typed="lst.nc",
    ),
    bad("netCDF by name", netcdf, "['LST'].rio", typed="NETCDF:lst.nc:LST o.tif"),
    bad("netCDF quoted", netcdf, "['LST'].rio", typed='NETCDF:"lst.nc":LST o.tif'),
    bad("Zarr", contents("x", b""), "Zarr", "xarray", typed="lst.zarr"),
    bad("netCDF of nothing", contents("lst.nc", b"CDF\x01\0"), "xarray", typed="lst.nc"),
    bad("HDF4", contents("lst.hdf", b"\x0e\x03\x13\x01" + b"\0" * 99), "HDF4", typed="lst.hdf"),
    bad("HDF4 by name", contents("lst.hdf", b"x"), "HDF4, which", typed=(HDF4_PATH, "o.tif")),
    bad("HDF4 not there", contents("x", b""), "HDF4, which", typed=(HDF4_PATH, "o.tif")),
    bad("HDF5 of two", two_variables, "subdatasets", "//day", typed="lst.h5"),
    bad("HDF5 unplaced", two_variables, "no CRS", "s.copy(", typed="HDF5:lst.h5://day o.tif"),
    bad("HDF5 in groups", hdf5_group, "no CRS", typed="HDF5:lst.h5://grid/LST o.tif"),
    bad("points", gcps_only, "rio warp lst.tif warped.tif --dst-crs EPSG:32647 --src-nodata nan"),
    bad("points turned", placed_by_points("lst.tif", kelvin(), TURNED), "control points"),
    bad("RPCs", rpcs_only, "RPCs"),
    bad(
        "guide of points",
        both(lst(), placed_by_points("guide.tif", SHARP, FINE)),
        "rio warp guide.tif",
        typed="lst.tif -g guide.tif -m ridge",
    ),
    bad(
        "integers of points",
        placed_by_points("lst.tif", kelvin().astype(np.uint16), COARSE),
        "--src-nodata 0 --dst-nodata 0",
    ),
    bad("raw VRT", raw_vrt, "rio convert lst.vrt", typed="lst.vrt"),
    bad(
        "site and UTM",
        guide(crs=SITE),
        "no transformation is known",
        typed="lst.tif -g guide.tif -m ridge",
    ),
    bad("metres in a plain CRS", lst(units="metre"), "says 'metre'"),
]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(("make", "row"), ROWS)
def test_what_cannot_be_used_says_what_to_type(make, row, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    capfd.readouterr()
    refuse(row, capfd)


ADVICE = [
    (netcdf, "NETCDF:lst.nc:LST", r"with: (python -c \".*?\")", "copy.tif"),
    (
        placed_by_points("lst.tif", kelvin(), COARSE),
        "lst.tif",
        r"with: (rio warp .*)",
        "warped.tif",
    ),
    (
        placed_by_points("lst.tif", kelvin(), TURNED),
        "lst.tif",
        r"with: (rio warp .*)",
        "warped.tif",
    ),
    (raw_vrt, "lst.vrt", r"with: (rio convert .*)", "FILE.tif"),
    (lst(scale=0.0), "lst.tif", r"with: (python -c \".*\")", "lst.tif"),
    (lst(crs=None), "lst.tif", r"with: (rio edit-info .*)", "lst.tif"),
    (
        two_variables,
        "HDF5:lst.h5://day",
        r"with: (python -c \".*?\" && rio edit-info .*)",
        "copy.tif",
    ),
]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(("make", "typed", "command", "result"), ADVICE)
def test_the_command_that_a_line_names_mends_it(
    make, typed, command, result, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    assert groklst("downscale", "-s", "4", "-m", "bicubic", "-q", typed, "o.tif") == 3
    line = re.search(command, capfd.readouterr().err)
    assert line
    run_as_typed(line[1])
    assert groklst("downscale", "-s", "4", "-m", "bicubic", "-q", result, "o.tif") == 0
    with rasterio.open("o.tif") as made:
        assert made.crs == UTM
        np.testing.assert_allclose(np.nanmean(made.read(1)), kelvin().mean(), atol=0.3)


def run_as_typed(commands: str) -> None:
    """Run what a person would paste, with what a line leaves to be filled in."""
    place = f"[240, 0, {COARSE.c}, 0, -240, {COARSE.f}]"
    filled = commands.replace("EPSG:…", "EPSG:32647").replace("[dx, 0, left, 0, -dy, top]", place)
    for command in filled.split(" && "):
        program, *words = shlex.split(command)
        tool = {"python": [sys.executable], "rio": [sys.executable, "-m", "rasterio.rio.main"]}
        run = [*tool[program], *words]
        if program == "rio":
            run = [sys.executable, "-c", "from rasterio.rio.main import main_group; main_group()"]
            run += words
        done = subprocess.run(run, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


CRSS = [
    (CRS.from_user_input("EPSG:32647+5773"), UTM),
    (UTM, CRS.from_user_input("EPSG:32647+5773")),
    (CRS.from_user_input("EPSG:32647+5773"), CRS.from_user_input("EPSG:32647+5773")),
    (CRS.from_user_input("EPSG:32647+8228"), UTM),  # heights in feet
    (SITE, SITE),
]


@pytest.mark.parametrize(("coarse", "fine"), CRSS)
@pytest.mark.parametrize("shift", [0, 7])
def test_the_crs_that_files_share_places_them(coarse, fine, shift, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "lst.tif", kelvin(), COARSE, coarse)
    write(tmp_path / "guide.tif", SHARP, Affine.translation(shift, shift) * FINE, fine)
    typed = ["lst.tif", "o.tif", "-s", "4", "-g", "guide.tif", "-m", "ridge", "-q"]
    code = groklst("downscale", *typed)
    assert code == 0, capfd.readouterr().err


def test_degrees_with_heights_are_no_unit_of_temperature(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = Affine(0.01, 0, 99, 0, -0.01, 39)
    write(tmp_path / "lst.tif", kelvin(), place, CRS.from_user_input("EPSG:4979"))
    assert groklst(*["downscale", "lst.tif", "o.tif", "-s", "4", "-m", "bicubic", "-q"]) == 0
