"""Guides that are odd but right: every value arrives where on Earth it belongs."""

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from pyproj import Transformer
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from groklst_cli.geo.align import GuideSource
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.arrays.guide_window import guide_window
from groklst_cli.pipeline.arrays.rasters import ArrayRaster, Frame
from tests.trust.rasters import COARSE, FINE, WGS84, guide, vrt, vrt_band, write
from tests.trust.refusal import groklst

RADIUS = 6_371_000.0
LST = 20  # pixels along each side
SCALE = 4
NORTH, SOUTH, UTM60 = CRS.from_epsg(3413), CRS.from_epsg(3031), CRS.from_epsg(32660)
UTM47 = CRS.from_epsg(32647)


def degrees(west: float, north: float, pixel: float, height: int, width: int) -> Grid:
    return Grid(WGS84, Affine(pixel, 0, west, 0, -pixel, north), height, width)


def metres(crs: CRS, west: float, north: float, pixel: float, height: int, width: int) -> Grid:
    return Grid(crs, Affine(pixel, 0, west, 0, -pixel, north), height, width)


def on_sphere(grid: Grid) -> np.ndarray:
    """Find the pixel centres as points ``(3, rows, columns)`` of a unit sphere."""
    columns, rows = np.meshgrid(np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5)
    t = grid.transform
    x, y = t.a * columns + t.b * rows + t.c, t.d * columns + t.e * rows + t.f
    x, y = Transformer.from_crs(grid.crs, 4326, always_xy=True).transform(x, y)
    east, north = np.radians(x), np.radians(y)
    level = np.cos(north)
    return np.stack([level * np.cos(east), level * np.sin(east), np.sin(north)])


def pattern(grid: Grid, wavelength: float) -> np.ndarray:
    """Draw waves that know no map: a function of where on Earth a pixel is; wavelength in m."""
    turns = 2 * np.pi * RADIUS / wavelength
    waves = [turns * np.tensordot(way, on_sphere(grid), 1) for way in np.eye(3)]
    return sum(map(np.sin, waves)).astype(np.float32) / 3


DATE_LINE = degrees(179.9, 20, 0.01, LST, LST)
DATE_LINE_WEST = degrees(-180.1, 20, 0.01, LST, LST)
WIDE_DATE_LINE = degrees(175, 60, 0.5, LST, LST)
GREENWICH = degrees(-5, 60, 0.5, LST, LST)
TURNED = Affine.translation(5e5, 439e4) * Affine.rotation(25) * Affine.scale(240, -240)
PLACES = {
    "date line, guide from the west": (DATE_LINE, degrees(-180.2, 20.1, 0.002, 200, 200)),
    "date line, guide from the east": (DATE_LINE, degrees(179.8, 20.1, 0.002, 200, 200)),
    "date line, same lattice a turn away": (DATE_LINE, degrees(-180.1, 20, 0.0025, 80, 80)),
    "date line west, guide from the east": (DATE_LINE_WEST, degrees(179.8, 20.1, 0.002, 200, 200)),
    "date line, world from -180": (WIDE_DATE_LINE, degrees(-180, 65, 0.1, 200, 3600)),
    "date line, world from 0": (WIDE_DATE_LINE, degrees(0, 65, 0.1, 200, 3600)),
    "date line, world on the lattice": (WIDE_DATE_LINE, degrees(-180, 65, 0.125, 160, 2880)),
    "Greenwich, world from 0": (GREENWICH, degrees(0, 65, 0.1, 200, 3600)),
    "Greenwich, world from 0 on the lattice": (GREENWICH, degrees(0, 65, 0.125, 160, 2880)),
    "date line in UTM, guide from the west": (
        metres(UTM60, 800_000, 2_220_000, 1000, LST, LST),
        degrees(-180.3, 20.2, 0.002, 250, 350),
    ),
    "date line in UTM, guide from the east": (
        metres(UTM60, 800_000, 2_220_000, 1000, LST, LST),
        degrees(179.7, 20.2, 0.002, 250, 350),
    ),
    "date line, guide in UTM": (DATE_LINE, metres(UTM60, 795_000, 2_225_000, 200, 200, 200)),
    "North Pole, guide askew": (
        metres(NORTH, -50_000, 50_000, 5000, LST, LST),
        metres(NORTH, -61_234, 61_234, 1000, 125, 125),
    ),
    "South Pole, guide of the other projection": (
        metres(SOUTH, 200_000, 300_000, 5000, LST, LST),
        metres(CRS.from_epsg(3976), 180_000, 320_000, 1000, 140, 140),
    ),
    "North Pole, guide in degrees": (
        metres(NORTH, 50_000, 150_000, 5000, LST, LST),
        Grid(WGS84, Affine(0.05, 0, -180, 0, -0.01, 90), 300, 7200),
    ),
    "degrees, guide in UTM": (
        degrees(99, 39.6, 0.002, LST, LST),
        metres(UTM47, 499_000, 4_385_000, 40, 160, 160),
    ),
    "turned, guide south-up": (
        Grid(UTM47, TURNED, LST, LST),
        Grid(UTM47, Affine(50, 0, 499_000, 0, 50, 4_384_000), 200, 200),
    ),
    "south-up, guide turned": (
        Grid(UTM47, Affine(240, 0, 5e5, 0, 240, 438e4), LST, LST),
        Grid(UTM47, TURNED * Affine.translation(-20, -20) * Affine.scale(0.2), 300, 300),
    ),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_guide_arrives_where_it_belongs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lst, source = PLACES[name]
    fine = lst.refine(SCALE)
    points = on_sphere(fine)
    pixel = RADIUS * np.linalg.norm(points[:, 40, 40] - points[:, 40, 41])
    truth = pattern(fine, 40 * pixel)
    blocks = truth.reshape(LST, SCALE, LST, SCALE).mean((1, 3))
    write(tmp_path / "lst.tif", 300 + 5 * blocks, lst.transform, lst.crs)
    write(tmp_path / "guide.tif", pattern(source, 40 * pixel), source.transform, source.crs)
    with Scene(BandSource("lst.tif"), [BandSource("guide.tif")], SCALE) as scene:
        (arrived,) = scene.read_guide(slice(0, LST), slice(0, LST))
    reached = ~np.isnan(arrived)
    assert reached.mean() > 0.8
    if name.startswith("date line") or name.startswith("Greenwich"):
        assert reached.all()
    assert np.abs(arrived - truth)[reached].max() < 0.03
    typed = ("lst.tif", "out.tif", "-g", "guide.tif", "-m", "ridge", "-s", str(SCALE), "-q")
    assert groklst("downscale", *typed) == 0
    with rasterio.open("out.tif") as result:
        assert (result.crs, result.transform) == (fine.crs, fine.transform)
        assert np.abs(result.read(1) - 300 - 5 * truth).mean() < 0.1


@pytest.mark.parametrize("name", PLACES)
def test_a_part_of_a_guide_holds_all_that_a_window_needs(name):
    lst, source = PLACES[name]
    fine, values = lst.refine(SCALE), np.random.default_rng(0).normal(0, 1, (1, *source.shape))
    whole = ArrayRaster(Frame("guide", source, "float32", ("guide",)), values.astype(np.float32))
    rows, columns = slice(20, 44), slice(0, fine.width)
    part = whole.cut(*guide_window(source, fine, rows, columns, aligned=False))
    assert part.values.size < values.size
    made = []
    for raster in (whole, part):
        with raster.in_memory() as memory:
            guide = GuideSource(BandSource(memory.name), fine, "bilinear")
            made.append(guide.read(rows, columns))
            guide.close()
    np.testing.assert_array_equal(made[1], made[0])


def read_guide(path: str) -> np.ndarray:
    with Scene(BandSource("lst.tif"), [BandSource(path)], SCALE) as scene:
        return scene.read_guide(slice(0, 10), slice(0, 12))


def downscaled() -> np.ndarray:
    typed = ("lst.tif", "out.tif", "-g", "guide.tif", "-m", "ridge", "-s", str(SCALE), "-q")
    assert groklst("downscale", *typed) == 0
    with rasterio.open("out.tif") as result:
        return result.read(1)


ASKEW = Affine.translation(-50, 40) * FINE * Affine.scale(0.8)
BANDS = np.random.default_rng(3).uniform(0, 1, (16, 60, 70)).astype(np.float32)


@pytest.mark.parametrize("transform", [FINE, ASKEW], ids=["aligned", "warped"])
@pytest.mark.parametrize("interleave", ["band", "pixel"])
def test_sixteen_bands_arrive_in_their_order(transform, interleave, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ordered = np.stack([np.full((60, 70), band, np.float32) for band in range(16)])
    guide(ordered, transform=transform, interleave=interleave)(tmp_path)
    together = read_guide("guide.tif")
    assert together.shape == (16, 40, 48)
    assert [np.unique(plane).tolist() for plane in together] == [[band] for band in range(16)]


@pytest.mark.parametrize("transform", [FINE, ASKEW], ids=["aligned", "warped"])
def test_every_band_may_have_a_nodata_value_of_its_own(transform, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    guide(transform=FINE)(tmp_path)
    sources = []
    for number, nodata in enumerate((-9999.0, 0.25, -1.0), 1):
        values = np.full((60, 70), 0.5, np.float32)
        values[:, 20 * number - 10 : 20 * number] = nodata
        write(tmp_path / f"{number}.tif", values, transform)
        empty = f"<NoDataValue>{nodata}</NoDataValue>"
        sources.append(vrt_band(f"{number}.tif", number, empty))
    size = 'rasterXSize="70" rasterYSize="60"'
    (tmp_path / "guide.vrt").write_bytes(vrt(*sources, transform=transform, size=size))
    for number, band in enumerate(read_guide("guide.vrt"), 1):
        gaps = np.isnan(band)
        assert 0 < gaps.mean() < 0.3 or number == 3
        assert np.unique(band[~gaps]).tolist() == [0.5]


@pytest.mark.parametrize("hole", [np.nan, np.inf, -9999.0])
@pytest.mark.parametrize("transform", [FINE, ASKEW], ids=["aligned", "warped"])
def test_holes_of_a_guide_are_filled_in_the_result(hole, transform, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = BANDS[0].copy()
    values[10:20, 10:20] = hole
    values[30, 30] = np.nan
    guide(values, transform=transform, nodata=-9999)(tmp_path)
    gaps = np.isnan(read_guide("guide.tif")[0])
    assert 40 < gaps.sum() < 200
    assert np.isfinite(downscaled()).all()


@pytest.mark.parametrize("how", ["mask", "alpha"])
@pytest.mark.parametrize("transform", [FINE, ASKEW], ids=["aligned", "warped"])
def test_masks_of_a_guide_are_heeded(how, transform, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = (BANDS[0] * 200).astype(np.uint8)
    mask = np.full((60, 70), 255, np.uint8)
    mask[10:20, 10:20] = 0
    if how == "mask":
        guide(values, transform=transform, mask=mask)(tmp_path)
    else:
        guide(np.stack([values, mask]), transform=transform)(tmp_path)
        with rasterio.open("guide.tif", "r+") as raster:
            raster.colorinterp = (ColorInterp.gray, ColorInterp.alpha)
    (band,) = read_guide("guide.tif")
    assert 50 < np.isnan(band).sum() < 150
    assert np.isfinite(downscaled()).all()


@pytest.mark.parametrize(
    ("height", "width"), [(4, 4), (1, 1), (6, 5)], ids=["a coarse pixel", "a pixel", "a corner"]
)
def test_a_guide_may_cover_but_a_corner(height, width, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    guide(BANDS[0][:height, :width], transform=FINE)(tmp_path)
    (band,) = read_guide("guide.tif")
    np.testing.assert_array_equal(band[:height, :width], BANDS[0][:height, :width])
    assert np.isnan(band).sum() == band.size - height * width


def test_a_small_guide_in_the_middle_of_a_large_lst_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "lst.tif", np.full((900, 1000), 300, np.float32))
    place = FINE * Affine.translation(1990, 1790)
    write(tmp_path / "guide.tif", BANDS[0][:5, :5], place)
    with Scene(BandSource("lst.tif"), [BandSource("guide.tif")], SCALE) as scene:
        (band,) = scene.read_guide(slice(440, 460), slice(490, 510))
    np.testing.assert_array_equal(band[30:35, 30:35], BANDS[0][:5, :5])


@pytest.mark.parametrize(
    ("driver", "name", "kind"),
    [
        ("JP2OpenJPEG", "guide.jp2", "uint16"),
        ("HFA", "guide.img", "float32"),
        ("ENVI", "guide.bil", "int16"),
    ],
)
def test_guides_of_other_formats_arrive_to_the_bit(driver, name, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = (BANDS[0] * 9000).astype(kind)
    guide(values, transform=FINE)(tmp_path)
    options = {"QUALITY": "100", "REVERSIBLE": "YES"} if driver == "JP2OpenJPEG" else {}
    rasterio.shutil.copy(tmp_path / "guide.tif", tmp_path / name, driver=driver, **options)
    (band,) = read_guide(name)
    np.testing.assert_array_equal(band, values[:40, :48])


def test_the_lst_may_share_its_file_with_a_guide(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "lst.tif", np.stack([BANDS[0][:10, :12] + 300, BANDS[1][:10, :12]]), COARSE)
    typed = ("lst.tif,band=1", "out.tif", "-g", "lst.tif,band=2", "-m", "ridge", "-s", "4")
    assert groklst("downscale", *typed) == 0
