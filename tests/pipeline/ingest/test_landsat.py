import numpy as np
import pytest
import rasterio

from groklst_cli.pipeline.ingest import quality
from tests.pipeline.ingest.products import (
    CLEAR,
    LANDSAT,
    counts,
    downscale,
    facts_of,
    ingest,
    landsat_level_2,
    pack,
    physical,
    stored,
    write,
    write_mtl,
)

USUAL = {0: "fill", 1: "dilated cloud", 2: "cirrus", 3: "cloud", 4: "cloud shadow"}


@pytest.mark.parametrize("ending", ["MTL.txt", "MTL.xml", "MTL.json"])
def test_scale_and_offset_come_from_whatever_form_the_metadata_has(ending, tmp_path):
    product = landsat_level_2(tmp_path, ending=ending)
    assert ingest(product, "--out", tmp_path / "scene", "--lst-pixel", "delivered") == 0
    lst = stored(product / f"{LANDSAT}_ST_B10.TIF") * 0.00341802 + 149.0
    np.testing.assert_allclose(stored(tmp_path / "scene/lst.tif"), lst, atol=2e-5)
    red = stored(product / f"{LANDSAT}_SR_B4.TIF") * 2.75e-05 - 0.2
    np.testing.assert_allclose(physical(tmp_path / "scene/red.tif"), red, atol=1e-7)
    assert facts_of(tmp_path / "scene")["time"] == "2024-07-16T18:21:05+00:00"


def test_without_metadata_the_constants_of_the_collection_hold_and_that_is_said(tmp_path, capsys):
    product = landsat_level_2(tmp_path)
    (product / f"{LANDSAT}_MTL.txt").unlink()
    assert ingest(product, "--out", tmp_path / "scene", "--lst-pixel", "delivered") == 0
    assert "has no MTL file" in capsys.readouterr().err
    lst = stored(product / f"{LANDSAT}_ST_B10.TIF") * 0.00341802 + 149.0
    np.testing.assert_allclose(stored(tmp_path / "scene/lst.tif"), lst, atol=2e-5)


@pytest.mark.parametrize("bit", range(16))
def test_each_bit_of_qa_pixel_means_what_the_guide_says(bit, tmp_path):
    marked = np.full((24, 30), CLEAR & 0b11111 | 64, "uint16")
    marked[:6] = 1 << bit
    product = landsat_level_2(tmp_path, quality=marked)
    assert ingest(product, "--out", tmp_path / "scene") == 0
    clear = stored(tmp_path / "scene/clear.tif")
    assert (clear[:6] == (bit not in USUAL)).all()
    assert (clear[6:] == 1).all()
    expected = {USUAL[bit]: 0.25} if bit in USUAL else {}
    assert facts_of(tmp_path / "scene")["quality"]["masked"] == expected


def test_bits_of_the_first_collection_mean_other_things():
    values = np.arange(2**13, dtype="uint16")
    clear = quality.LANDSAT_BQA.clear(values)
    fill, occluded, cloud = (values >> bit & 1 for bit in (0, 1, 4))
    shadow, cirrus = (values >> bit & 3 for bit in (7, 11))
    expected = (fill == 0) & (occluded == 0) & (cloud == 0) & (shadow < 3) & (cirrus < 3)
    np.testing.assert_array_equal(clear, expected)
    assert quality.LANDSAT_BQA.clear(np.array([2720, 672, 1, 2800], "uint16")).tolist() == [
        *(True, True, False, False)
    ]


def test_the_lst_is_the_mean_of_what_is_clear_of_the_sensors_own_pixel(tmp_path):
    marked = np.full((24, 30), CLEAR, "uint16")
    marked[0, :2] = 1 << 3
    marked[3:6, 3:6] = 1 << 3
    product = landsat_level_2(tmp_path, quality=marked)
    assert ingest(product, "--out", tmp_path / "scene") == 0
    kelvin = stored(product / f"{LANDSAT}_ST_B10.TIF") * 0.00341802 + 149.0
    lst = stored(tmp_path / "scene/lst.tif")
    assert lst.shape == (8, 10)
    block = np.append(kelvin[0, 2], kelvin[1:3, :3].ravel())
    assert lst[0, 0] == pytest.approx(block.mean(), abs=2e-5)
    assert np.isnan(lst[1, 1])
    assert lst[2, 2] == pytest.approx(kelvin[6:9, 6:9].mean(), abs=2e-5)
    facts = facts_of(tmp_path / "scene")
    assert (facts["joined_by"], facts["native_resolution_m"]) == (3, 100)
    assert facts["lst_pixel"] == [90.0, 90.0]


def test_downscale_takes_the_folder_back_to_the_delivered_pixel(tmp_path):
    product = landsat_level_2(tmp_path, shape=(60, 60))
    assert ingest(product, "--out", tmp_path / "scene") == 0
    assert downscale(tmp_path / "scene", "-o", tmp_path / "map.tif", "-m", "ridge") == 0
    with rasterio.open(tmp_path / "map.tif") as raster:
        assert (raster.shape, raster.transform.a) == ((60, 60), 30)


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("LT04_L2SP_015033_19880716_20200917_02_T1", 4),
        ("LT05_L2SP_015033_19980716_20200917_02_T1", 4),
        ("LE07_L2SP_015033_20050716_20200917_02_T1", 2),
        ("LC08_L2SP_015033_20150716_20200917_02_T1", 3),
    ],
)
def test_every_landsat_has_its_own_bands_and_footprint(name, factor, tmp_path):
    product = landsat_level_2(tmp_path, name=name)
    assert ingest(product, "--out", tmp_path / "scene") == 0
    assert stored(tmp_path / "scene/lst.tif").shape == (24 // factor, 30 // factor)
    red = 4 if name.startswith("LC") else 3
    np.testing.assert_allclose(
        physical(tmp_path / "scene/red.tif"),
        stored(product / f"{name}_SR_B{red}.TIF") * 2.75e-05 - 0.2,
        atol=1e-7,
    )


def test_clamped_temperatures_are_none(tmp_path):
    st = counts(41000, 46000)
    st[0, :3] = (0, 293, 65535)
    product = landsat_level_2(tmp_path, st=st)
    assert ingest(product, "--out", tmp_path / "scene", "--lst-pixel", "delivered") == 0
    lst = stored(tmp_path / "scene/lst.tif")
    assert np.isnan(lst).sum() == 3
    assert np.isnan(lst[0, :3]).all()


@pytest.mark.parametrize("below", ["", "./", "data/some_folder/"])
@pytest.mark.parametrize(("ending", "mode"), [(".tar", "w"), (".tar.gz", "w:gz"), (".tgz", "w:gz")])
def test_archives_of_any_layout_give_what_the_folder_gives(below, ending, mode, tmp_path):
    product = landsat_level_2(tmp_path)
    archive = pack(product, tmp_path / f"order{ending}", below, mode)
    assert ingest(product, "--out", tmp_path / "one") == 0
    before = sorted(path.name for path in tmp_path.iterdir())
    assert ingest(archive, "--out", tmp_path / "two") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "two"])
    for path in (tmp_path / "one").glob("*.tif"):
        np.testing.assert_array_equal(stored(path), stored(tmp_path / "two" / path.name))


def test_a_file_brings_its_product_and_no_other(tmp_path):
    other = "LC08_L2SP_134033_20240708_20240719_02_T1"
    for name in (LANDSAT, other):
        made = landsat_level_2(tmp_path / "made", name=name)
        for path in made.iterdir():
            path.rename(tmp_path / path.name)
    named = tmp_path / f"{LANDSAT}_ST_B10.TIF"
    assert ingest(named, "--out", tmp_path / "scene") == 0
    assert facts_of(tmp_path / "scene")["provenance"]["products"][0]["product"] == LANDSAT


def level_1(folder, sun="41.0", **more):
    name = "LC08_L1TP_015033_20150716_20200917_02_T1"
    product = folder / name
    for band in ("B4", "B5", "B10", "B11"):
        write(product / f"{name}_{band}.TIF", counts(20000, 30000, seed=int(band[1:])))
    write(product / f"{name}_QA_PIXEL.TIF", np.full((24, 30), CLEAR, "uint16"))
    groups = {
        "IMAGE_ATTRIBUTES": {"SUN_ELEVATION": sun},
        "LEVEL1_RADIOMETRIC_RESCALING": {
            "RADIANCE_MULT_BAND_10": "3.3420E-04",
            "RADIANCE_ADD_BAND_10": "0.10000",
            "REFLECTANCE_MULT_BAND_4": "2.0000E-05",
            "REFLECTANCE_ADD_BAND_4": "-0.100000",
            "REFLECTANCE_MULT_BAND_5": "2.0000E-05",
            "REFLECTANCE_ADD_BAND_5": "-0.100000",
        },
        "LEVEL1_THERMAL_CONSTANTS": {
            "K1_CONSTANT_BAND_10": "774.8853",
            "K2_CONSTANT_BAND_10": "1321.0789",
        },
    } | more
    write_mtl(product / f"{name}_MTL.txt", groups)
    return product


def test_level_1_is_made_of_the_constants_of_its_metadata(tmp_path):
    product = level_1(tmp_path)
    assert ingest(product, "--out", tmp_path / "scene", "--lst-pixel", "delivered") == 0
    radiance = stored(product / f"{product.name}_B10.TIF") * 3.342e-4 + 0.1
    kelvin = 1321.0789 / np.log(774.8853 / radiance + 1)
    np.testing.assert_allclose(stored(tmp_path / "scene/lst.tif"), kelvin, atol=2e-5)
    red = (stored(product / f"{product.name}_B4.TIF") * 2e-5 - 0.1) / np.sin(np.radians(41))
    np.testing.assert_allclose(physical(tmp_path / "scene/red.tif"), red, atol=1e-6)
    facts = facts_of(tmp_path / "scene")
    assert facts["lst_kind"] == "brightness temperature"
    assert facts["aggregate_first_by"] == 3


@pytest.mark.parametrize(
    ("change", "options", "words", "code"),
    [
        ({"LEVEL1_THERMAL_CONSTANTS": {}}, (), "has no K1_CONSTANT_BAND_10", 3),
        ({"IMAGE_ATTRIBUTES": {"SUN_ELEVATION": "high"}}, (), "expected a number", 3),
        ({}, ("--thermal-band", "B12"), "which has B10, B11", 2),
    ],
)
def test_constants_that_are_missing_are_not_made_up(change, options, words, code, tmp_path, capsys):
    product = level_1(tmp_path, **change)
    assert ingest(product, "--out", tmp_path / "scene", *options) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not (tmp_path / "scene").exists()


def test_by_night_the_temperature_comes_without_guides(tmp_path, capsys):
    product = level_1(tmp_path, sun="-8.0")
    assert ingest(product, "--out", tmp_path / "scene") == 0
    assert "at night" in capsys.readouterr().err
    assert sorted(p.name for p in (tmp_path / "scene").glob("*.tif")) == ["clear.tif", "lst.tif"]


def test_water_and_snow_are_masked_where_that_is_wanted(tmp_path, capsys):
    marked = np.full((24, 30), CLEAR, "uint16")
    marked[:6], marked[6:12] = CLEAR | 1 << 7, CLEAR | 1 << 5
    product = landsat_level_2(tmp_path, quality=marked)
    assert ingest(product, "--out", tmp_path / "all") == 0
    assert facts_of(tmp_path / "all")["quality"]["kept"] == {"snow": 0.25, "water": 0.25}
    assert ingest(product, "--out", tmp_path / "dry", "--mask-also", "water") == 0
    assert facts_of(tmp_path / "dry")["quality"]["masked"] == {"water": 0.25}
    assert (stored(tmp_path / "dry/clear.tif")[:6] == 0).all()
    assert (stored(tmp_path / "dry/clear.tif")[6:] == 1).all()
    assert ingest(product, "--out", tmp_path / "x", "--mask-also", "sand") == 2
    assert "is not one of water, snow" in capsys.readouterr().err


def test_metadata_with_a_document_type_is_not_read(tmp_path, capsys):
    product = landsat_level_2(tmp_path, ending="MTL.xml")
    path = product / f"{LANDSAT}_MTL.xml"
    secret = tmp_path / "secret"
    secret.write_text("0.5")
    typed = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{secret}">]>\n<LANDSAT'
    path.write_text(path.read_text().replace("<LANDSAT", typed, 1))
    assert ingest(product, "--out", tmp_path / "scene") == 3
    assert "declares a document type" in capsys.readouterr().err
