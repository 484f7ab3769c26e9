"""Rasters that cannot be used: each ends in one line, a documented code and an unchanged folder."""

import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from tests.trust.broken import (
    fifo,
    gcps_only,
    huge_sparse,
    link,
    looping,
    paletted,
    rpcs_only,
    two_variables,
    with_alpha,
)
from tests.trust.rasters import (
    FINE,
    WGS84,
    Maker,
    both,
    contents,
    cut,
    damage,
    detail,
    guide,
    kelvin,
    lst,
    vrt,
    vrt_band,
)
from tests.trust.refusal import Case, refuse

GAPS = np.full((10, 12), np.nan, np.float32)
NOISE = np.random.default_rng(1).normal(300, 5, (128, 128)).astype(np.float32)
SHARP = detail().astype(np.float32)
TILED = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}
ASKEW = Affine.translation(7, 11) * FINE
EAST, WEST = Affine(0.01, 0, 99, 0, -0.01, 39.7), Affine(0.01, 0, -179, 0, -0.01, 39.7)
POLAR = CRS.from_epsg(3413)
SITE = CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')
MARS = CRS.from_wkt(
    'GEOGCS["Mars",DATUM["D_Mars",SPHEROID["Mars",3396190,169.89]],PRIMEM["Reference",0],'
    'UNIT["Degree",0.0174532925199433]]'
)


def bad(
    name: str, make: Maker, *says: str, typed: str | tuple[str, ...] = "lst.tif", code: int = 3
) -> object:
    """Put down a row: what is wrong, who makes it, words of the line in their order."""
    words = typed.split(" ") if isinstance(typed, str) else typed
    case = Case(name, ("downscale", "-s", "4", "-q", *words), code, says)
    return pytest.param(make, case, id=name.replace(" ", "-"))


def bad_guide(name: str, make: Maker, *says: str, code: int = 3) -> object:
    return bad(name, make, *says, typed="lst.tif -g guide.tif -m ridge", code=code)


def virtual(*bands: str, place: Affine | None = None, size: str = "") -> Maker:
    options = {} if place is None else {"transform": place}
    return contents("lst.vrt", vrt(*bands, size=size, **options))


def text(name: str) -> Maker:
    return contents(name, b"hello, world\n" * 9)


FILES = [
    bad("empty file", contents("lst.tif", b""), "lst.tif is empty"),
    bad("text", text("lst.tif"), "lst.tif cannot be read", "name a GeoTIFF"),
    bad("header cut", cut(lst(), "lst.tif", 0.1), "lst.tif cannot be read"),
    bad("data cut", cut(lst(NOISE), "lst.tif", 0.6), "damaged near row", "copy or download"),
    bad("tile damaged", damage(lst(NOISE, **TILED), "lst.tif", 0.5, 0.7), "damaged near row"),
    bad("directory loop", looping, "lst.tif cannot be read"),
    bad("huge and empty", huge_sparse, "200000000 × 100 pixels", "rio clip lst.tif"),
    bad("container", two_variables, "no band", "subdatasets", "//day", typed="lst.h5"),
    bad("subdataset without a place", two_variables, "no CRS", typed="HDF5:lst.h5://day o.tif"),
    bad("missing", lambda folder: None, "lst.tif", "No such file"),
    bad("folder", lambda folder: (folder / "lst.tif").mkdir(), "lst.tif", "is a folder"),
    bad("link to nothing", link("lst.tif", "gone.tif"), "lst.tif", "No such file"),
    bad("link loop", link("lst.tif", "lst.tif"), "lst.tif", "symbolic links"),
    bad("pipe", fifo("lst.tif"), "lst.tif is a pipe"),
    bad("zip", contents("lst.tif", b"PK\x03\x04" + b"\0" * 60), "cannot be read"),
    bad("vrt of nothing", virtual(vrt_band("gone.tif")), "gone.tif: No such", typed="lst.vrt"),
    bad("vrt of itself", virtual(vrt_band("lst.vrt")), "lst.vrt nests", typed="lst.vrt"),
    bad("vrt without bands", virtual(), "lst.vrt cannot be read", typed="lst.vrt"),
    bad("quotes", text("a 'b' \"c\".tif"), "cannot be read", typed=("a 'b' \"c\".tif", "o.tif")),
    bad("newline", text("a\nb.tif"), "b.tif cannot be read", typed=("a\nb.tif", "o.tif")),
    bad("unicode", text("температура ☀.tif"), "температура ☀", typed=("температура ☀.tif",)),
    bad("leading dash", text("-x.tif"), "-x.tif cannot be read", typed="-- -x.tif"),
    bad("leading dash by path", text("-x.tif"), "-x.tif cannot be read", typed="./-x.tif"),
]

VALUES = [
    bad("complex", lst(kelvin().astype(np.complex64)), "complex"),
    bad("palette", paletted, "palette"),
    bad("all NaN", lst(GAPS), "no valid pixel"),
    bad("all infinite", lst(np.full_like(GAPS, np.inf)), "no valid pixel"),
    bad("all nodata", lst(np.full_like(GAPS, -9999), nodata=-9999), "no valid pixel"),
    bad("mask all off", lst(mask=np.zeros((10, 12), np.uint8)), "no valid pixel"),
    bad("all zero", lst(np.zeros_like(GAPS)), "only 0", "--nodata 0"),
    bad("no unit fits", lst(kelvin() * 100), "not clearly kelvin or °C", "scaling=0.01 if"),
    bad("int64 counts", lst((kelvin() * 1000).astype(np.int64)), "not clearly kelvin or °C"),
    bad("uint64 counts", lst((kelvin() * 1000).astype(np.uint64)), "not clearly kelvin or °C"),
    bad(
        "0 among kelvin",
        lst(np.where(kelvin() > 300, 0, kelvin())),
        "exactly 0 and all others",
        "--src-nodata 0",
    ),
    bad("says C, is K", lst(units="C"), "unit tag says C", "--lst-units"),
    bad("says K, is C", lst(kelvin() - 273.15, units="kelvin"), "unit tag says K"),
    bad("option lies", lst(), "--lst-units says C", typed="lst.tif --lst-units C"),
    bad("tags differ", lst(units="K", tags={"units": "celsius"}), "contradict", "--lst-units"),
    bad("fahrenheit", lst(kelvin() - 240, units="F"), "says 'F'", "--lst-units"),
    bad("kelvin*2", lst(units="kelvin*2"), "says 'kelvin*2'", "--lst-units"),
    bad("metres", lst(units="m"), "says 'm'", "--lst-units"),
    bad("scale 0", lst(scale=0.0), "scale 0", "lst.tif,scaling=none", "python -c"),
    bad("scale NaN", lst(scale=math.nan), "scale nan", "lst.tif,scaling=none", "python -c"),
    bad("offset NaN", lst(offset=math.nan), "offset nan", "lst.tif,scaling=none", "python -c"),
    bad("offset infinite", lst(offset=math.inf), "offset inf", "lst.tif,scaling=none", "python -c"),
    bad("several bands", lst(np.stack([kelvin()] * 3)), "3 bands", "band=1"),
    bad("band 0", lst(), "N from 1", typed="lst.tif,band=0", code=2),
    bad("band 99", lst(), "no band 99", typed="lst.tif,band=99"),
    bad("alpha as LST", with_alpha, "alpha band", "band=1", typed="lst.tif,band=2"),
]

PLACES = [
    bad("no CRS", lst(crs=None), "no CRS", "edit-info"),
    bad("identity geotransform", lst(transform=Affine.identity()), "no usable geotransform"),
    bad(
        "degenerate geotransform",
        virtual(vrt_band("x.tif"), place=Affine(240, 240, 5e5, 240, 240, 4e6)),
        "no usable geotransform",
        typed="lst.vrt",
    ),
    bad(
        "NaN in the geotransform",
        virtual(vrt_band("x.tif"), place=Affine(240, 0, math.nan, 0, -240, 4e6)),
        "no usable geotransform",
        typed="lst.vrt",
    ),
    bad(
        "huge and virtual",
        virtual(vrt_band("x.tif"), size='rasterXSize="2000000000" rasterYSize="10"'),
        "2000000000",
        "memory",
        typed="lst.vrt",
        code=5,
    ),
    bad("control points only", gcps_only, "control points", "rio warp"),
    bad("RPCs only", rpcs_only, "RPCs", "reproject(rpcs=…)"),
    bad("metres called degrees", lst(crs=WGS84), "degrees", "edit-info"),
    bad("wide", lst(crs=WGS84, transform=Affine(50, 0, -180, 0, -2, 10)), "-180 to 420 east"),
    bad("beyond the pole", lst(crs=WGS84, transform=Affine(1, 0, 0, 0, -1, 97)), "to 97 north"),
]

GUIDES = [
    bad_guide("pipe as guide", both(lst(), fifo("guide.tif")), "guide.tif is a pipe"),
    bad_guide("guide is text", both(lst(), text("guide.tif")), "guide.tif cannot be read"),
    bad_guide("guide missing", lst(), "guide.tif", "No such file"),
    bad_guide("guide cut", cut(guide(SHARP), "guide.tif", 0.4), "guide.tif is damaged"),
    bad_guide(
        "guide damaged",
        damage(guide(SHARP, **TILED), "guide.tif", 0.3, 0.6),
        "guide.tif is damaged",
    ),
    bad_guide(
        "guide damaged late", damage(guide(SHARP, **TILED), "guide.tif", 0.85, 0.97), "is damaged"
    ),
    bad_guide(
        "warped guide damaged",
        damage(guide(SHARP, transform=ASKEW, **TILED), "guide.tif", 0.6, 0.8),
        "guide.tif is damaged",
    ),
    bad_guide("guide scale 0", guide(scale=0.0), "guide.tif band 1 has scale 0"),
    bad_guide("complex guide", guide(detail().astype(np.complex64)), "guide.tif", "complex"),
    bad_guide(
        "guide with a fill value and no nodata",
        guide(np.where(np.median(SHARP) < SHARP, np.finfo(np.float32).min, SHARP)),
        "exactly -3.4028235e+38",
        "-g guide.tif,nodata=-3.4028235e+38",
    ),
    bad_guide(
        "warped guide with a fill value and no nodata",
        guide(np.where(np.median(SHARP) < SHARP, 3e38, SHARP), transform=ASKEW),
        "exactly 3e+38",
        "-g guide.tif,nodata=3e+38",
    ),
    bad(
        "vrt that is no text",
        contents("lst.vrt", b'<VRTDataset rasterXSize="4"><SourceFilename>\xff.tif'),
        "lst.vrt",
        "not UTF-8 text",
        typed="lst.vrt",
    ),
    bad_guide("guide all nodata", guide(np.full_like(SHARP, np.nan)), "guides cover the LST"),
    bad_guide(
        "guide in a site CRS", guide(crs=SITE), "no transformation is known from", "guide.tif"
    ),
    bad_guide(
        "guide on Mars",
        guide(crs=MARS, transform=EAST),
        "no transformation is known from",
        "guide.tif",
    ),
    bad_guide("guide of a wrong CRS", guide(crs=CRS.from_epsg(32618)), "does not overlap"),
    bad_guide("guide at the pole", guide(crs=POLAR, transform=FINE), "does not overlap"),
    bad_guide(
        "guide elsewhere", guide(transform=Affine.translation(1e5, 0) * FINE), "does not overlap"
    ),
    bad_guide(
        "guide touches the edge",
        guide(transform=Affine.translation(12 * 240, 0) * FINE),
        "does not overlap",
    ),
    bad_guide(
        "guide on the other side of the Earth",
        both(guide(crs=WGS84, transform=WEST), lst(crs=WGS84, transform=EAST)),
        "does not overlap",
    ),
    bad_guide(
        "guide far coarser",
        guide(kelvin(4, 4), transform=Affine(24000, 0, 490000, 0, -24000, 4400000)),
        "guide.tif is 100 times coarser",
    ),
    bad("guide band 99", guide(), "no band 99", typed="lst.tif -g guide.tif,band=99"),
    bad("LST guides itself", lst(), "both the LST and a guide", typed="lst.tif -g lst.tif", code=2),
    bad(
        "one name twice",
        guide(),
        "several guidance bands",
        typed="lst.tif -g guide.tif -g guide.tif",
        code=2,
    ),
]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes and few links as files")
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")  # of the makers
@pytest.mark.parametrize(("make", "case"), FILES + VALUES + PLACES + GUIDES)
def test_a_bad_raster_is_one_line_and_leaves_nothing(make, case, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    capfd.readouterr()
    refuse(case, capfd)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_nothing_but_the_line_comes_from_a_process_of_its_own(tmp_path: Path):
    """GDAL and Python print of themselves where no test listens; a user would see it."""
    two_variables(tmp_path)
    gcps_only(tmp_path)
    for name in ("lst.h5", "lst.tif"):
        command = [sys.executable, "-m", "groklst_cli", "downscale", name, "-q"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (3, "")
        assert re.fullmatch(r"groklst: .*\n", done.stderr), done.stderr
