"""SDGSAT-1 by what is publicly known of its files; none was at hand."""

import numpy as np
import pytest
import rasterio

from tests.pipeline.ingest.products import counts, downscale, facts_of, ingest, stored, write

TIS = "KX10_TIS_20240626_E0.57_N50.57_202400065617_L4B"
MII = "KX10_MII_20240626_E0.60_N50.50_202400065618_L4B"
PAIRS = ((0.003947, 0.167126), (0.003946, 0.124622), (0.005329, 0.222530))
WAVELENGTHS = (9.35, 10.73, 11.72)


def calibration(path, sensor, pairs, versions=1):
    """Write a file that lists all sensors, as delivered ones do, in a Chinese encoding."""

    def part(name, values):
        inner = "".join(
            f"<RADIANCE_GAIN_BAND_{i}>{g}</RADIANCE_GAIN_BAND_{i}>"
            f"<RADIANCE_BIAS_BAND_{i}>{b}</RADIANCE_BIAS_BAND_{i}>"
            for i, (g, b) in enumerate(values, 1)
        )
        blocks = f"<VERSION>{inner}</VERSION>"
        if versions > 1:
            blocks += blocks.replace("0.003946", "0.0041")
        return f"<{name}><中文说明>定标系数</中文说明>{blocks}</{name}>"

    others = {"MII": ((9.0, 9.0),) * 7, "GIU": ((8.0, 8.0),) * 3, "TIS": ((7.0, 7.0),) * 3}
    others[sensor] = pairs
    inside = "".join(part(name, values) for name, values in others.items())
    text = '<?xml version="1.0" encoding="GB2312"?>\n<root><RADIOMETRIC_CALIBRATION>'
    path.write_bytes(f"{text}{inside}</RADIOMETRIC_CALIBRATION></root>".encode("gb18030"))


def tis(folder, versions=1):
    values = np.stack([counts(2000, 3400, (30, 30), seed=i) for i in (1, 2, 3)])
    values[:, 0] = 0
    write(folder / TIS / f"{TIS}.tiff", values)
    calibration(folder / TIS / f"{TIS}.calib.xml", "TIS", PAIRS, versions)
    return folder / TIS, values


def mii(folder):
    whole = np.stack([counts(100, 900, (90, 90), seed=i) for i in range(7)])
    write(folder / MII / f"{MII}_A.tif", whole[:, :, :50], pixel=10.0)
    east = (600000.0 + 400, 3700020.0)
    write(folder / MII / f"{MII}_B.tif", whole[:, :, 40:], pixel=10.0, origin=east)
    calibration(folder / MII / f"{MII}.calib.xml", "MII", [(0.01 * i, 0.5) for i in range(1, 8)])
    return folder / MII, whole


def planck(counts, band):
    gain, bias = PAIRS[band - 1]
    wavelength = WAVELENGTHS[band - 1]
    radiance = np.where(counts > 0, counts * gain + bias, np.nan)
    return 14387.77 / (wavelength * np.log1p(1.191043e8 / (wavelength**5 * radiance)))


@pytest.mark.parametrize(
    ("band", "counts", "kelvin"),
    [(1, 2473, 300), (2, 967, 250), (2, 2427, 300), (2, 4161, 340), (3, 1675, 300)],
)
def test_counts_are_those_of_a_table_made_by_other_means(band, counts, kelvin):
    assert planck(np.array([counts]), band)[0] == pytest.approx(kelvin, abs=0.03)


def test_both_products_make_a_scene(tmp_path):
    (thermal, heat), (cameras, light) = tis(tmp_path), mii(tmp_path)
    assert ingest(thermal, cameras, "--out", tmp_path / "scene") == 0
    np.testing.assert_allclose(stored(tmp_path / "scene/lst.tif"), planck(heat[1], 2), atol=1e-3)
    with rasterio.open(tmp_path / "scene/red.tif") as raster:
        assert (raster.scales[0], raster.offsets[0]) == (0.05, 0.5)
        np.testing.assert_array_equal(raster.read(1), light[4])
    names = {path.stem for path in (tmp_path / "scene").glob("*.tif")}
    bands = {"deepblue_1", "deepblue", "blue", "green", "red", "vre", "nir"}
    assert names == {"lst", *bands}  # there is no quality band, so no mask
    facts = facts_of(tmp_path / "scene")
    assert facts["lst_kind"] == "brightness temperature"
    assert "no quality band" in facts["quality"]["mask"]
    assert downscale(tmp_path / "scene", "-o", tmp_path / "map.tif", "-m", "ridge") == 0
    assert stored(tmp_path / "map.tif").shape == (90, 90)


def test_another_band(tmp_path):
    thermal, heat = tis(tmp_path)
    assert ingest(thermal, "--out", tmp_path / "scene", "--thermal-band", "3") == 0
    np.testing.assert_allclose(stored(tmp_path / "scene/lst.tif"), planck(heat[2], 3), atol=1e-3)


def test_a_split_window(tmp_path):
    thermal, heat = tis(tmp_path)
    options = ("--split-window", "-3.6,1.015,1.793,36.5,-95.1", "--emissivity", "0.97,0.98")
    assert ingest(thermal, "--out", tmp_path / "scene", *options) == 0
    t2, t3 = planck(heat[1], 2), planck(heat[2], 3)
    expected = -3.6 + 1.015 * t2 + 1.793 * (t2 - t3) + 36.5 * 0.025 + 95.1 * 0.01
    np.testing.assert_allclose(stored(tmp_path / "scene/lst.tif"), expected, atol=3e-3)
    assert facts_of(tmp_path / "scene")["lst_kind"] == "land surface temperature"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--split-window", "1,2"), "expected A0,A1,A2"),
        (("--split-window", "1,2,x"), "not a list of numbers"),
        (("--split-window", "0,1,2,3,4"), "add --emissivity"),
        (("--emissivity", "0.9,0.9"), "needs --split-window"),
        (("--split-window", "0,1,2,3,4", "--emissivity", "97,98"), "0.5 … 1"),
        (("--split-window", "0,1,2", "--thermal-band", "3"), "leave one"),
        (("--thermal-band", "B4"), "which has"),
    ],
)
def test_wishes_that_make_no_sense(options, words, tmp_path, capsys):
    thermal, _ = tis(tmp_path)
    assert ingest(thermal, "--out", tmp_path / "scene", *options) == 2
    assert words in capsys.readouterr().err


def test_gains_for_ranges_of_rows_are_refused(tmp_path, capsys):
    thermal, _ = tis(tmp_path, versions=2)
    assert ingest(thermal, "--out", tmp_path / "scene") == 3
    assert "ranges of rows" in capsys.readouterr().err


def test_without_calibration_nothing_is_made_up(tmp_path, capsys):
    thermal, _ = tis(tmp_path)
    (thermal / f"{TIS}.calib.xml").unlink()
    assert ingest(thermal, "--out", tmp_path / "scene") == 3
    assert "has no .calib.xml" in capsys.readouterr().err
    calibration(thermal / f"{TIS}.calib.xml", "TIS", PAIRS[:1])
    assert ingest(thermal, "--out", tmp_path / "scene") == 3
    assert "no gain of band 2" in capsys.readouterr().err
