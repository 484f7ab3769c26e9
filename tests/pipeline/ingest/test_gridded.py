"""MODIS and VIIRS temperatures as AppEEARS, Earth Engine and LP DAAC deliver them."""

import h5py
import numpy as np
import pytest
import rasterio

from tests.pipeline.ingest.products import (
    SINUSOIDAL,
    counts,
    downscale,
    facts_of,
    ingest,
    stored,
    write,
)

SHAPE = (20, 24)
PLACE = {"pixel": 926.625433, "origin": (-11119505.196667, 4447802.078667), "crs": SINUSOIDAL}
TAGS = {"scale_factor": "0.02", "add_offset": "0", "units": "Kelvin"}


def layers(folder, product="MOD11A1.061", when="doy2019028", part="Day", quality=None, km="1km"):
    lst = counts(14400, 15600, SHAPE, seed=len(part))
    lst[0] = 0
    quality = np.zeros(SHAPE, "uint8") if quality is None else quality
    names = (f"LST_{part}_{km}", f"QC_{part}") if part else (f"LST_{km}", "QC")
    write(folder / f"{product}_{names[0]}_{when}_aid0001.tif", lst, nodata=0, tags=TAGS, **PLACE)
    write(folder / f"{product}_{names[1]}_{when}_aid0001.tif", quality, **PLACE)
    return lst


def kelvin(lst):
    return np.where(lst >= 7500, lst * 0.02, np.nan)


@pytest.mark.parametrize("when", ["doy2019028", "doy2019028000000"])
def test_appeears(when, tmp_path):
    folder = tmp_path / "order"
    lst = layers(folder, when=when)
    assert ingest(folder, "--out", tmp_path / "scene") == 0
    np.testing.assert_allclose(stored(tmp_path / "scene/lst.tif"), kelvin(lst), atol=2e-5)
    clear = stored(tmp_path / "scene/clear.tif")
    assert (clear[0] == 0).all()  # quality 0 is the best, and the fill of the LST is no value
    assert (clear[1:] == 1).all()
    facts = facts_of(tmp_path / "scene")
    assert (facts["date"], facts["sensor"], facts["part"]) == ("2019-01-28", "Terra MODIS", "day")
    assert downscale(tmp_path / "scene", "-o", tmp_path / "map.tif", "-s", "2") == 0


@pytest.mark.parametrize("nodata", [None, 0])
def test_quality_of_mod11_is_read_as_the_guide_has_it(nodata, tmp_path):
    values = np.resize(np.arange(256, dtype="uint8"), SHAPE)
    lst = layers(tmp_path / "order", quality=values)
    path = tmp_path / "order/MOD11A1.061_QC_Day_doy2019028_aid0001.tif"
    write(path, values, nodata=nodata, **PLACE)  # 0 means the best even where a file calls it none
    assert ingest(tmp_path / "order", "--out", tmp_path / "scene") == 0
    mandatory, error = values & 3, values >> 6
    expected = (mandatory == 0) | ((mandatory == 1) & (error <= 1))
    np.testing.assert_array_equal(
        stored(tmp_path / "scene/clear.tif") == 1, expected & (lst >= 7500)
    )


def test_day_and_night_and_dates_give_a_folder_each(tmp_path):
    folder = tmp_path / "order"
    for when in ("doy2019028", "doy2019029"):
        for part in ("Day", "Night"):
            layers(folder, when=when, part=part)
    assert ingest(folder, "--out", tmp_path / "scenes", "-q") == 0
    names = sorted(path.name for path in (tmp_path / "scenes").iterdir())
    assert names == ["20190128_day", "20190128_night", "20190129_day", "20190129_night"]


def test_dates_alone_name_the_folders(tmp_path):
    folder = tmp_path / "order"
    for when in ("doy2019028", "doy2019032"):
        layers(folder, "MYD11A2.061", when)
    assert ingest(folder, "--out", tmp_path / "scenes") == 0
    assert sorted(p.name for p in (tmp_path / "scenes").iterdir()) == ["20190128", "20190201"]


@pytest.mark.parametrize(
    ("product", "sensor"),
    [
        ("MOD21A1D.061", "Terra MODIS"),
        ("MYD21A1N.061", "Aqua MODIS"),
        ("VNP21A1D.002", "Suomi NPP VIIRS"),
        ("VJ121A1N.002", "NOAA-20 VIIRS"),
    ],
)
def test_mod21_and_its_like_count_accuracy_the_other_way_round(product, sensor, tmp_path):
    quality = np.zeros(SHAPE, "uint16")
    quality[1] = 0b1100_0000_0000_0001  # nominal, better than 1 K
    quality[2] = 0b0000_0000_0000_0001  # nominal, worse than 2 K
    quality[3] = 0b0000_0000_0010_0000  # good, but next to cloud
    lst = layers(tmp_path / "order", product, part="", quality=quality, km="1KM")
    assert ingest(tmp_path / "order", "--out", tmp_path / "scene") == 0
    clear = stored(tmp_path / "scene/clear.tif")
    assert [int(clear[row].min()) for row in range(5)] == [0, 1, 0, 0, 1]
    facts = facts_of(tmp_path / "scene")
    assert (facts["sensor"], facts["quality"]["masked"]["next to cloud"]) == (
        sensor,
        round(1 / 19, 6),
    )
    np.testing.assert_allclose(stored(tmp_path / "scene/lst.tif"), kelvin(lst), atol=2e-5)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_earth_engine_with_all_bands_in_a_file(dtype, tmp_path):
    lst, quality = counts(14400, 15600, SHAPE), np.zeros(SHAPE, "uint16")
    lst[0], quality[3] = 0, 0b10
    night = np.zeros(SHAPE)
    night[5:] = counts(13800, 14200, SHAPE)[5:]
    planes = np.stack([lst, quality, night, quality]).astype(dtype)
    names = ("LST_Day_1km", "QC_Day", "LST_Night_1km", "QC_Night")
    path = write(tmp_path / "MODIS_061_MOD11A1_2019_01_28.tif", planes, names=names, **PLACE)
    assert ingest(path, "--out", tmp_path / "scenes") == 0
    day, night_folder = sorted((tmp_path / "scenes").iterdir())
    np.testing.assert_allclose(stored(day / "lst.tif"), kelvin(lst), atol=2e-5)
    assert (stored(day / "clear.tif")[[0, 3]] == 0).all()
    np.testing.assert_allclose(stored(night_folder / "lst.tif"), kelvin(night), atol=2e-5)
    assert facts_of(day)["date"] == "2019-01-28"


def test_earth_engine_with_a_file_a_band_and_kelvin(tmp_path):
    folder = tmp_path / "export"
    values = counts(14400, 15600, SHAPE) * np.float32(0.02)
    write(folder / "2019_01_28.LST_Day_1km.tif", values.astype("float32"), **PLACE)
    write(folder / "2019_01_28.QC_Day.tif", np.zeros(SHAPE, "uint8"), **PLACE)
    assert ingest(folder, "--out", tmp_path / "scene") == 0
    np.testing.assert_array_equal(stored(tmp_path / "scene/lst.tif"), values.astype("float32"))
    assert facts_of(tmp_path / "scene")["date"] == "2019-01-28"


def test_numbers_that_are_neither_are_refused(tmp_path, capsys):
    folder = tmp_path / "export"
    celsius = np.full(SHAPE, 21.5, "float32")
    write(folder / "2019_01_28.LST_Day_1km.tif", celsius, **PLACE)
    assert ingest(folder, "--out", tmp_path / "scene") == 3
    assert "neither kelvin nor multiples of 0.02 K" in capsys.readouterr().err


def viirs(path, lst, quality):
    structure = (
        'GROUP=GridStructure\n\tGROUP=GRID_1\n\t\tGridName="VIIRS_Grid_Daily_1km_LST21"\n'
        f"\t\tXDim={SHAPE[1]}\n\t\tYDim={SHAPE[0]}\n"
        "\t\tUpperLeftPointMtrs=(-11119505.196667,4447802.078667)\n"
        f"\t\tLowerRightMtrs=({-11119505.196667 + 926.625433 * SHAPE[1]:.6f},"
        f"{4447802.078667 - 926.625433 * SHAPE[0]:.6f})\n"
        "\t\tProjection=HE5_GCTP_SNSOID\n\t\tProjParams=(6371007.181000,0,0,0,0,0,0,0,0,0,0,0,0)\n"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["HDFEOS INFORMATION/StructMetadata.0"] = np.bytes_(structure)
        fields = file.create_group("HDFEOS/GRIDS/VIIRS_Grid_Daily_1km_LST21/Data Fields")
        fields["LST_1KM"], fields["QC"] = lst, quality
        fields["LST_1KM"].attrs["_Fillvalue"] = np.array([0], "uint16")
        fields["LST_1KM"].attrs["scale_factor"] = np.array([0.02])
    return path


def test_a_viirs_file(tmp_path):
    lst, quality = counts(14400, 15600, SHAPE), np.zeros(SHAPE, "uint16")
    lst[0], quality[3] = 0, 0b11_0000
    path = viirs(tmp_path / "VNP21A1N.A2025147.h08v05.002.2025148135613.h5", lst, quality)
    assert ingest(path, "--out", tmp_path / "scene") == 0
    np.testing.assert_allclose(stored(tmp_path / "scene/lst.tif"), kelvin(lst), atol=2e-5)
    assert (stored(tmp_path / "scene/clear.tif")[[0, 3]] == 0).all()
    with rasterio.open(tmp_path / "scene/lst.tif") as raster:
        assert raster.transform.c == pytest.approx(-11119505.196667)
    assert facts_of(tmp_path / "scene")["place"] == "tile h08v05"


@pytest.mark.parametrize("text", ["no structure", ""])
def test_a_viirs_file_without_a_grid_is_refused(text, tmp_path, capsys):
    path = tmp_path / "VNP21A1N.A2025147.h08v05.002.2025148135613.h5"
    with h5py.File(path, "w") as file:
        if text:
            file["HDFEOS INFORMATION/StructMetadata.0"] = np.bytes_(text)
    assert ingest(path, "--out", tmp_path / "scene") == 3
    assert len(capsys.readouterr().err.splitlines()) == 1
    path.write_bytes(b"\x89HDF\r\n\x1a\nand no more")
    assert ingest(path, "--out", tmp_path / "scene") == 3
