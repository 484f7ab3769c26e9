"""Real delivered files, from where they lie: each equals an independent reading of its own."""

import math
import shutil

import h5py
import numpy as np
import pytest
import rasterio

from tests import conftest
from tests.pipeline.ingest.products import downscale, facts_of, ingest, physical, stored

pytestmark = pytest.mark.scenes("data/products")

L5 = "landsat_odc/LT05_L2SP_090084_19980308_20200909_02_T1"
ECOSTRESS = (
    "ecostress_v2_L2T/ECOv002_L2T_LSTE_21485_013_11SPS_20220420T211350_0601_01/"
    "ECOv002_L2T_LSTE_21485_013_11SPS_20220420T211350_0601_01"
)
EXPORT = "appeears_ecostress/ECO_L2T_LSTE.002_{}_20240904T061421_aid0001_11N.tif"


def delivered(name):
    return conftest.SHARED / "data/products" / name


def same(found, expected):
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5, equal_nan=True)


@pytest.mark.parametrize(
    ("folder", "band"),
    [(L5, "ST_B6"), ("landsat_folder", "ST_B10")],
)
def test_landsat_level_2(folder, band, tmp_path):
    scene = tmp_path / "scene"
    assert ingest(delivered(folder), "--out", scene) == 0
    (path,) = delivered(folder).glob(f"*_{band}.TIF")
    stem = str(path).removesuffix(f"_{band}.TIF")
    counts, quality = stored(path), stored(f"{stem}_QA_PIXEL.TIF")
    uncertainty = stored(f"{stem}_ST_QA.TIF")
    valid = (counts > 293) & (counts < 65535)
    same(stored(scene / "lst.tif"), np.where(valid, counts * 0.00341802 + 149.0, np.nan))
    clear = valid & (quality & 0b11111 == 0) & (uncertainty != -9999)
    np.testing.assert_array_equal(stored(scene / "clear.tif") == 1, clear)
    stored_red = stored(f"{stem}_SR_B{3 if band == 'ST_B6' else 4}.TIF")
    usable = (stored_red != 0) & (quality & 0b11111 == 0)
    same(physical(scene / "red.tif"), np.where(usable, stored_red * 2.75e-05 - 0.2, np.nan))
    facts = facts_of(scene)
    assert facts["quality"]["clear"] == round(clear.sum() / valid.sum(), 6)
    assert facts["native_resolution_m"] == (120 if band == "ST_B6" else 100)
    assert downscale(scene, "-o", tmp_path / "map.tif", "-m", "ridge") == 0
    assert np.isfinite(stored(tmp_path / "map.tif")).any()


def test_what_has_a_temperature_where_quality_says_fill_is_not_clear(tmp_path):
    scene = tmp_path / "scene"
    assert ingest(delivered(L5), "--out", scene) == 0
    quality = stored(next(delivered(L5).glob("*_QA_PIXEL.TIF")))
    odd = np.isfinite(stored(scene / "lst.tif")) & (quality & 1 == 1)
    assert odd.sum() == 55
    assert not (stored(scene / "clear.tif")[odd] == 1).any()


def test_a_scene_of_clouds_at_the_lower_clamp_is_refused(tmp_path, capsys):
    folder = "landsat_c2_L2SP_clamp/LC08_L2SP_001062_20201031_20201106_02_T2"
    assert ingest(delivered(folder), "--out", tmp_path / "scene") == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "no pixel of LC08_L2SP_001062_20201031_20201106_02_T2 is clear" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "landsat_odc/LC09_L1TP_112081_20220209_20220209_02_T1.tar",
        "landsat_odc/LE07_L1TP_107068_20220310_20220405_02_T1.tar",
        "landsat_odc/LT05_L1TP_090085_19970406_20161231_01_T1.tar.gz",
    ],
)
def test_archives_are_read_where_they_lie(name, tmp_path):
    before = sorted(delivered("landsat_odc").iterdir())
    scene = tmp_path / "scene"
    assert ingest(delivered(name), "--out", scene, "--lst-pixel", "delivered") == 0
    assert sorted(delivered("landsat_odc").iterdir()) == before
    unpacked = tmp_path / "unpacked"
    shutil.unpack_archive(delivered(name), unpacked, filter="data")
    (mtl,) = unpacked.rglob("*_MTL.txt")
    band = {"C": "10", "E": "6_VCID_1", "T": "6"}[mtl.name[1]]
    counts = stored(str(mtl).replace("MTL.txt", f"B{band}.TIF")).astype(float)
    same(stored(scene / "lst.tif"), brightness(mtl, band, counts))
    assert facts_of(scene)["lst_kind"] == "brightness temperature"
    assert downscale(scene, "-o", tmp_path / "map.tif", "-m", "ridge") == 0


def constants(mtl):
    lines = (line.split(" = ") for line in mtl.read_text().splitlines() if " = " in line)
    return {key.strip(): value.strip().strip('"') for key, value in lines}


def brightness(mtl, band, counts):
    known = constants(mtl)
    gain, bias = (float(known[f"RADIANCE_{word}_BAND_{band}"]) for word in ("MULT", "ADD"))
    k1, k2 = (float(known[f"K{number}_CONSTANT_BAND_{band}"]) for number in (1, 2))
    most = float(known[f"QUANTIZE_CAL_MAX_BAND_{band}"])
    seen = (counts > 0) & (counts < most) & (counts * gain + bias > 0)
    return k2 / np.log(k1 / np.where(seen, counts * gain + bias, np.nan) + 1)


@pytest.mark.parametrize(
    ("name", "band", "red", "native"),
    [
        ("LC08_L1TP_195025_20130707_20170503_01_T1", "10", 4, 3),
        ("LE07_L1TP_195025_20010730_20170204_01_T1", "6_VCID_1", 3, 2),
        ("LT05_L1TP_167055_20000309_20161214_01_T1", "6", 3, 4),
    ],
)
def test_landsat_collection_1(name, band, red, native, tmp_path):
    folder, scene = delivered(f"landsat_c1_L1TP/{name}"), tmp_path / "scene"
    assert ingest(folder, "--out", scene) == 0
    mtl = folder / f"{name}_MTL.txt"
    kelvin = brightness(mtl, band, stored(folder / f"{name}_B{band}.TIF").astype(float))
    height, width = (size // native for size in kelvin.shape)
    blocks = kelvin[: height * native, : width * native].reshape(height, native, width, native)
    same(stored(scene / "lst.tif"), blocks.mean((1, 3)))
    known = constants(mtl)
    counts = stored(folder / f"{name}_B{red}.TIF").astype(float)
    gain, bias = (float(known[f"REFLECTANCE_{word}_BAND_{red}"]) for word in ("MULT", "ADD"))
    sun = math.sin(math.radians(float(known["SUN_ELEVATION"])))
    np.testing.assert_allclose(physical(scene / "red.tif"), (counts * gain + bias) / sun, rtol=1e-6)
    assert downscale(scene, "-o", tmp_path / "map.tif", "-m", "ridge") == 0
    assert stored(tmp_path / "map.tif").shape == (height * native, width * native)


def test_a_band_can_be_chosen(tmp_path):
    name = "LE07_L1TP_195025_20010730_20170204_01_T1"
    folder = delivered(f"landsat_c1_L1TP/{name}")
    options = ("--thermal-band", "B6_VCID_2", "--lst-pixel", "delivered")
    assert ingest(folder, "--out", tmp_path / "scene", *options) == 0
    counts = stored(folder / f"{name}_B6_VCID_2.TIF").astype(float)
    same(
        stored(tmp_path / "scene/lst.tif"),
        brightness(folder / f"{name}_MTL.txt", "6_VCID_2", counts),
    )
    assert facts_of(tmp_path / "scene")["aggregate_first_by"] == 2


def test_a_file_that_lost_its_place_gets_it_from_the_metadata(tmp_path):
    name = "landsat_archive/LC08_L2SP_204023_20200927_20201006_02_T1-cropped.tar.gz"
    assert ingest(delivered(name), "--out", tmp_path / "scene") == 0
    with rasterio.open(tmp_path / "scene/red.tif") as raster:
        assert raster.crs.to_epsg() == 32630
        # corners in the metadata are middles of pixels
        assert raster.transform[:6] == (30, 0, 487020 - 15, 0, -30, 5929980 + 15)
    assert not [
        path for path in delivered("landsat_archive").iterdir() if "properties" in path.name
    ]
    assert downscale(tmp_path / "scene", "-o", tmp_path / "map.tif", "-m", "ridge") == 0


def test_ecostress_tile(tmp_path):
    scene = tmp_path / "scene"
    assert ingest(delivered(ECOSTRESS).parent, "--out", scene) == 0
    lst = stored(delivered(f"{ECOSTRESS}_LST.tif"))
    quality, cloud = (stored(delivered(f"{ECOSTRESS}_{name}.tif")) for name in ("QC", "cloud"))
    same(stored(scene / "lst.tif"), lst)
    clear = np.isfinite(lst) & (quality != 65535) & (quality & 3 <= 1) & (cloud == 0)
    np.testing.assert_array_equal(stored(scene / "clear.tif") == 1, clear)
    with rasterio.open(scene / "lst.tif") as raster:
        assert (raster.units, raster.descriptions) == (("K",), ("LST",))
    bounds = ("--bounds", "640000", "3650000", "645600", "3655600")
    part = tmp_path / "part"
    assert ingest(delivered(f"{ECOSTRESS}_LST.tif"), "--out", part, *bounds) == 0
    assert stored(part / "lst.tif").shape == (81, 81)
    assert downscale(part, "-o", tmp_path / "map.tif", "-s", "2") == 0


def test_ecostress_from_appeears_looks_at_fills_before_bits(tmp_path):
    scene = tmp_path / "scene"
    assert ingest(delivered("appeears_ecostress"), "--out", scene) == 0
    lst, quality, cloud = (
        stored(delivered(EXPORT.format(name))) for name in ("LST", "QC", "cloud")
    )
    same(stored(scene / "lst.tif"), lst)
    usable = np.isfinite(lst) & (quality != -99999) & (np.abs(quality) & 3 <= 1) & (cloud == 0)
    np.testing.assert_array_equal(stored(scene / "clear.tif") == 1, usable)
    assert facts_of(scene)["time"] == "2024-09-04T06:14:21+00:00"


def test_viirs_file_gets_its_place_from_its_structure(tmp_path):
    scene, folder = tmp_path / "scene", delivered("vnp21a1d")
    (path,) = folder.glob("*.h5")
    assert ingest(path, "--out", scene) == 0
    with h5py.File(path) as file:
        grid = file["HDFEOS/GRIDS/VIIRS_Grid_Daily_1km_LST21"]
        counts, quality = (grid["Data Fields"][name][()] for name in ("LST_1KM", "QC"))
        left, top = grid["XDim"][0], grid["YDim"][0]  # upper left corners, not middles
    same(stored(scene / "lst.tif"), np.where(counts >= 7500, counts * 0.02, np.nan))
    mandatory, cloud, accuracy = (quality >> shift & 3 for shift in (0, 4, 14))
    good = ((mandatory == 0) | ((mandatory == 1) & (accuracy >= 2))) & (cloud == 0)
    np.testing.assert_array_equal(stored(scene / "clear.tif") == 1, good & (counts >= 7500))
    with rasterio.open(scene / "lst.tif") as raster:
        assert (raster.transform.c, raster.transform.f) == pytest.approx((left, top), abs=1e-3)
        assert raster.transform.a == pytest.approx(926.625433, abs=1e-5)
        assert "6371007.181" in raster.crs.to_wkt()


@pytest.mark.parametrize(
    ("name", "file", "guide", "scale", "offset"),
    [
        (
            "s2_l2a_SAFE_jp2/S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454.SAFE",
            "*_B04_60m.jp2",
            "red",
            1e-4,
            -0.1,
        ),
        (
            "s2_l2a_PCstyle/S2A_MSIL2A_20190212T192651_N0212_R013_T07HFE_20201007T160857.SAFE",
            "*_B08_10m.tif",
            "nir",
            1e-4,
            0.0,
        ),
        ("s2_l2a_cog_element84/S2A_29RKH_20200219_0_L2A", "B11.tif", "swir1", 1e-4, 0.0),
    ],
)
def test_sentinel_2(name, file, guide, scale, offset, tmp_path, capsys):
    assert ingest(delivered(name), "--out", tmp_path / "guides") == 0
    assert "-g" in capsys.readouterr().err
    (path,) = delivered(name).rglob(file)
    (classes,) = (stored(found) for found in delivered(name).rglob("*SCL*"))
    counts = stored(path)
    per = counts.shape[0] // classes.shape[0]
    usable = np.isin(classes, (4, 5, 6)).repeat(per, 0).repeat(per, 1) & (counts != 0)
    expected = np.where(usable, counts * scale + offset, np.nan)
    same(physical(tmp_path / f"guides/{guide}.tif"), expected)


def test_quality_alone_is_no_product(tmp_path, capsys):
    assert ingest(delivered("hls"), "--out", tmp_path / "scene") == 3
    assert "neither a temperature nor a band for guides" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("slstr_stub", "swath"),
        (
            "modis_geotiff_style/MOD11A1.A2022103.h09v05.006.2022104093154_CDC_B11_cropped.TIF",
            "no layer",
        ),
        ("modis_geotiff_style", "cannot be read"),
    ],
)
def test_what_is_not_read_is_refused_in_a_line(name, words, tmp_path, capsys):
    path = delivered(name)
    path = next(path.iterdir()) if name == "slstr_stub" else path
    assert ingest(path, "--out", tmp_path / "scene") == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert "Landsat 4-9" in line
    assert list(tmp_path.iterdir()) == []
