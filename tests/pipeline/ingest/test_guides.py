"""HLS and Sentinel-2 as guides for the temperature of another sensor."""

import json

import numpy as np
import pytest
import rasterio

from tests.pipeline.ingest.products import (
    counts,
    downscale,
    facts_of,
    ingest,
    physical,
    stored,
    write,
)

ORIGIN = (600000.0, 3700020.0)
METADATA = """<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product.xsd">
<PROCESSING_BASELINE>05.10</PROCESSING_BASELINE>
<BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>
<BOA_ADD_OFFSET_VALUES_LIST>{}</BOA_ADD_OFFSET_VALUES_LIST></n1:Level-2A_User_Product>
"""


def ecostress(folder, moment="20220420T211350", side=16):
    stem = f"ECOv002_L2T_LSTE_21485_013_11SPS_{moment}_0601_01"
    lst = (counts(2950, 3200, (side, side)) / 10).astype("float32")
    lst[0, 0] = np.nan
    quality = np.zeros((side, side), "uint16")
    quality[0, 0], quality[1, :2] = 65535, 2
    cloud = np.zeros((side, side), "uint8")
    cloud[2, :3] = 1
    water = np.zeros((side, side), "uint8")
    water[3] = 1
    for name, values in (("LST", lst), ("QC", quality), ("cloud", cloud), ("water", water)):
        write(folder / stem / f"{stem}_{name}.tif", values, pixel=70.0, origin=ORIGIN)
    return folder / stem


def hls(folder, kind, tile="11SPS", day="2022110", origin=ORIGIN, cloud=None, size=40):
    stem = f"HLS.{kind}.T{tile}.{day}T181921.v2.0"
    bands = {"L30": ("B02", "B04", "B05", "B06"), "S30": ("B02", "B04", "B8A", "B11")}[kind]
    for seed, band in enumerate((*bands, "B08"), 1):
        values = counts(200, 5000, (size, size), seed=seed).astype("int16")
        values[:2] = -9999
        write(folder / stem / f"{stem}.{band}.tif", values, origin=origin, nodata=-9999)
    mask = np.full((size, size), 64, "uint8")
    if cloud is not None:
        mask[cloud] = 0b10
    mask[:2] = 255
    write(folder / stem / f"{stem}.Fmask.tif", mask, origin=origin, nodata=255)
    return folder / stem


@pytest.mark.parametrize(("kind", "nir"), [("L30", "B05"), ("S30", "B8A")])
def test_ecostress_with_hls(kind, nir, tmp_path):
    thermal, guides = ecostress(tmp_path), hls(tmp_path, kind, cloud=np.s_[10:12])
    assert ingest(thermal, guides, "--out", tmp_path / "scene") == 0
    names = {path.stem for path in (tmp_path / "scene").glob("*.tif")}
    assert names == {"lst", "clear", "blue", "red", "nir", "swir1"}
    counts_of = stored(guides / f"{guides.name}.{nir}.tif").astype(float)
    counts_of[:2], counts_of[10:12] = np.nan, np.nan
    np.testing.assert_allclose(physical(tmp_path / "scene/nir.tif"), counts_of * 1e-4, atol=1e-9)
    clear = stored(tmp_path / "scene/clear.tif")
    assert (clear == 0).sum() == 6
    facts = facts_of(tmp_path / "scene")
    assert facts["quality"]["kept"] == {"water": round(16 / 250, 6)}
    assert facts["scale"] == 2  # 70 m over 30 m
    assert len(facts["provenance"]["products"]) == 2
    assert downscale(tmp_path / "scene", "-o", tmp_path / "map.tif", "-m", "ridge") == 0
    assert stored(tmp_path / "map.tif").shape == (32, 32)


@pytest.mark.parametrize("bit", range(8))
def test_each_bit_of_fmask_means_what_the_guide_says(bit, tmp_path):
    guides = hls(tmp_path, "L30")
    mask = np.full((40, 40), 1 << bit, "uint8")
    mask[:, :20] = 0
    write(guides / f"{guides.name}.Fmask.tif", mask, origin=ORIGIN, nodata=255)
    assert ingest(guides, "--out", tmp_path / "guides") == 0
    masked = np.isnan(physical(tmp_path / "guides/red.tif"))[2:]
    assert not masked[:, :20].any()
    assert masked[:, 20:].all() == (bit in (1, 2, 3))


@pytest.mark.parametrize("value", range(12))
def test_each_class_of_scl_means_what_the_guide_says(value, tmp_path):
    folder = tmp_path / "S2A_11SPS_20220101_0_L2A"
    write(folder / "B04.tif", counts(300, 4000, (40, 40)), pixel=10.0, nodata=0)
    write(folder / "SCL.tif", np.full((20, 20), value, "uint8"), pixel=20.0, nodata=0)
    assert ingest(folder, "--out", tmp_path / "guides") == 0
    assert np.isfinite(physical(tmp_path / "guides/red.tif")).all() == (value in (4, 5, 6))


def safe(folder, ending="jp2", offsets=True, side=80):
    name = "S2B_MSIL2A_20230415T182919_N0510_R027_T11SPS_20230415T214911.SAFE"
    inside = folder / name / "GRANULE/L2A_T11SPS_A031894_20230415T183730/IMG_DATA"
    driver = "JP2OpenJPEG" if ending == "jp2" else "GTiff"
    stem = "T11SPS_20230415T182919"
    for band, size in (("B04", 10), ("B08", 10), ("B05", 20), ("B8A", 20), ("B04", 60)):
        values = counts(1200, 5000, (side * 10 // size,) * 2, seed=size)
        values[0, 0] = 0
        path = inside / f"R{size}m/{stem}_{band}_{size}m.{ending}"
        write(path, values, pixel=size, driver=driver, origin=ORIGIN)
    scl = np.full((side // 2,) * 2, 5, "uint8")
    scl[5] = 9
    path = inside / f"R20m/{stem}_SCL_20m.{ending}"
    write(path, scl, pixel=20, driver=driver, origin=ORIGIN)
    listed = "".join(
        f'<BOA_ADD_OFFSET band_id="{i}">{-1000 - i}</BOA_ADD_OFFSET>' for i in range(13)
    )
    text = METADATA.format(listed if offsets else "")
    (folder / name / "MTD_MSIL2A.xml").write_text(text)
    return folder / name, inside


@pytest.mark.parametrize("ending", ["jp2", "tif"])
def test_a_safe_folder(ending, tmp_path):
    folder, inside = safe(tmp_path, ending)
    assert ingest(folder, "--out", tmp_path / "guides") == 0
    names = {path.stem for path in (tmp_path / "guides").glob("*.tif")}
    assert names == {"red", "nir", "vre1"}  # B8A gives way to B08
    expected = stored(inside / f"R10m/T11SPS_20230415T182919_B04_10m.{ending}").astype(float)
    expected = (np.where(expected == 0, np.nan, expected) - 1003) / 1e4  # B04 is band 3 of the list
    expected[10:12] = np.nan
    np.testing.assert_allclose(physical(tmp_path / "guides/red.tif"), expected, atol=1e-7)
    assert facts_of(tmp_path / "guides")["level"] == "Level 2A, baseline 05.10"


@pytest.mark.parametrize(
    ("folder", "item", "offset"),
    [
        ("S2A_11SPS_20220420_0_L2A", {"earthsearch:boa_offset_applied": True}, 0.0),
        ("S2A_11SPS_20220420_0_L2A", {"earthsearch:boa_offset_applied": False}, -0.1),
        ("S2A_T11SPS_20220420T182931_L2A", {"earthsearch:boa_offset_applied": False}, -0.1),
        ("S2A_11SPS_20220420_0_L2A", None, 0.0),
        ("S2A_T11SPS_20220420T182931_L2A", None, -0.1),
    ],
)
@pytest.mark.parametrize("by_word", [False, True])
def test_stac_folders(folder, item, offset, by_word, tmp_path, capsys):
    there = tmp_path / folder
    red = counts(1200, 5000, (40, 40))
    write(there / ("red.tif" if by_word else "B04.tif"), red, pixel=10.0, nodata=0)
    narrow = "nir08.tif" if by_word else "B8A.tif"
    write(there / narrow, counts(1200, 5000, (20, 20)), pixel=20.0, nodata=0)
    scl = "scl.tif" if by_word else "SCL.tif"
    write(there / scl, np.full((20, 20), 4, "uint8"), pixel=20.0, nodata=0)
    if item is not None:
        properties = {"s2:processing_baseline": "04.00", **item}
        stated = {"id": folder, "properties": properties}
        (there / f"{folder}.json").write_text(json.dumps(stated))
    assert ingest(there, "--out", tmp_path / "guides") == 0
    np.testing.assert_allclose(
        physical(tmp_path / "guides/red.tif"), red * 1e-4 + offset, atol=1e-7
    )
    assert ("has no metadata" in capsys.readouterr().err) == (item is None)
    assert {path.stem for path in (tmp_path / "guides").glob("*.tif")} == {"red", "nir"}


@pytest.mark.parametrize(
    ("name", "offset"),
    [
        ("S2B_MSIL2A_20230415T182919_N0510_R027_T11SPS_20230415T214911", -0.1),
        ("S2B_MSIL2A_20210415T182919_N0300_R027_T11SPS_20210415T214911", 0.0),
        ("S2B_MSIL2A_20210415T182919_N0500_R027_T11SPS_20230115T214911", -0.1),  # made anew
        ("bands", None),
    ],
)
def test_planetary_computer_folders_without_metadata(name, offset, tmp_path, capsys):
    year = "2021" if "_2021" in name else "2023"
    red = counts(1200, 5000, (40, 40))
    write(tmp_path / name / f"T11SPS_{year}0415T182919_B04_10m.tif", red, pixel=10.0)
    scl = np.full((20, 20), 4, "uint8")
    write(tmp_path / name / f"T11SPS_{year}0415T182919_SCL_20m.tif", scl, pixel=20.0)
    assert ingest(tmp_path / name, "--out", tmp_path / "guides") == 0
    expected = red * 1e-4 + (-0.1 if offset is None else offset)
    np.testing.assert_allclose(physical(tmp_path / "guides/red.tif"), expected, atol=1e-7)
    assert ("assumed to be -1000" in capsys.readouterr().err) == (offset is None)


def test_one_band_of_a_safe_folder_brings_the_others(tmp_path):
    folder, inside = safe(tmp_path, "tif")
    named = inside / "R10m/T11SPS_20230415T182919_B04_10m.tif"
    assert ingest(folder, "--out", tmp_path / "one") == 0
    for path in (named, folder / "MTD_MSIL2A.xml"):
        assert ingest(path, "--out", tmp_path / "two", "--overwrite") == 0
        assert (
            stored(tmp_path / "one/red.tif").tolist() == stored(tmp_path / "two/red.tif").tolist()
        )


def test_tiles_of_one_pass_lie_side_by_side(tmp_path):
    thermal = ecostress(tmp_path, side=32)
    west = hls(tmp_path, "S30", "11SPS")
    east = hls(tmp_path, "S30", "11SQS", origin=(ORIGIN[0] + 1200, ORIGIN[1]))
    assert ingest(thermal, west, east, "--out", tmp_path / "scene") == 0
    with rasterio.open(tmp_path / "scene/red.tif") as raster:
        assert raster.shape == (40, 80)
    expected = stored(east / f"{east.name}.B04.tif")
    np.testing.assert_array_equal(stored(tmp_path / "scene/red.tif")[:, 40:], expected)


def test_each_date_gets_the_guides_nearest_to_it(tmp_path):
    dates = [ecostress(tmp_path, moment) for moment in ("20220420T211350", "20220610T211350")]
    guides = [hls(tmp_path, "L30", day=day) for day in ("2022108", "2022160")]
    assert ingest(*dates, *guides, "--out", tmp_path / "scenes") == 0
    for name, guide in zip(("20220420", "20220610"), guides, strict=True):
        told = facts_of(tmp_path / "scenes" / name)["guides"]["red"]["of"]
        assert told == f"{guide.name}.B04.tif"


def test_guides_that_lie_elsewhere_are_left_out_and_that_is_said(tmp_path, capsys):
    far = hls(tmp_path, "L30", origin=(700000.0, 3700020.0))
    assert ingest(ecostress(tmp_path), far, "--out", tmp_path / "scene") == 0
    assert "does not overlap" in capsys.readouterr().err
    assert facts_of(tmp_path / "scene")["guides"] == {}
