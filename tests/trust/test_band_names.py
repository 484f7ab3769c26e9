"""Names of bands that only their file's name tells: the sensor's, or what sets the files apart."""

from itertools import permutations

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from groklst_cli.errors import UsageError
from groklst_cli.geo.band_names import FileName, Unnamed, name_by_files
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.scene import Scene
from tests.trust.rasters import FINE, detail, kelvin, write

HLS = "HLS.{}.T33UUP.2024193T100601.v2.0.{}.tif"
APPEEARS = "{}.061_{}_doy2024193_aid0001.tif"
LANDSAT = "{}_L2SP_192024_20240711_20240718_02_T1_{}.TIF"

SENSORS = [
    (HLS.format("S30", "B01"), "deepblue"),
    (HLS.format("S30", "B04"), "red"),
    (HLS.format("S30", "B8A"), "nir"),
    (HLS.format("S30", "B05"), "B05"),
    (HLS.format("L30", "B04"), "red"),
    (HLS.format("L30", "B05"), "nir"),
    (HLS.format("L30", "B10"), "B10"),
    (HLS.format("L30", "Fmask"), "Fmask"),
    ("T33UUP_20240711T101559_B04_10m.jp2", "red"),
    ("T33UUP_20240711T101559_B08.jp2", "nir"),
    ("T33UUP_20240711T101559_B12_20m.jp2", "swir2"),
    ("/vsizip/S2.zip/a.b/T33UUP_20240711T101559_B02_10m.jp2", "blue"),
    (LANDSAT.format("LC08", "SR_B4"), "red"),
    (LANDSAT.format("LC09", "SR_B5"), "nir"),
    (LANDSAT.format("LE07", "SR_B4"), "nir"),
    (LANDSAT.format("LT05", "SR_B3"), "red"),
    (LANDSAT.format("LT04", "B7"), "swir2"),
    (LANDSAT.format("LC08", "ST_B10"), "ST_B10"),
    ("LM05_L1TP_192024_19900711_20200718_02_T2_B4.TIF", None),
    ("scene.2024.SR_B4.tif", "SR_B4"),
    ("site_SR_B4.tif", "SR_B4"),
    ("site.v2.B04.tif", "B04"),
    (APPEEARS.format("MOD09A1", "sur_refl_b01"), "red"),
    (APPEEARS.format("MYD09A1", "sur_refl_b02"), "nir"),
    (APPEEARS.format("MOD09GA", "sur_refl_b04_1"), "green"),
    (APPEEARS.format("MOD09A1", "sur_refl_b05"), "sur_refl_b05"),
    (APPEEARS.format("MCD43A4", "Nadir_Reflectance_Band6"), "swir1"),
    (APPEEARS.format("MOD13Q1", "_250m_16_days_NDVI"), "ndvi"),
    (APPEEARS.format("MOD13Q1", "_250m_16_days_EVI"), "EVI"),
    ("VNP09GA.002_SurfReflect_I2_1_doy2024193_aid0001.tif", "nir"),
    ("ECOv002_L2T_LSTE_18984_004_13TEF_20211103T173251_0710_01_water.tif", "water"),
    ("nir.tif", "nir"),
    ("nir", "nir"),
    ("site_B04.tif", "site_B04"),
    ("nir.2024.tif", "nir"),
    (".tif", "guide"),
]


@pytest.mark.parametrize(("file", "name"), [row for row in SENSORS if row[1]])
def test_a_file_tells_its_band(file, name):
    assert FileName.of(file).name == name


def test_a_band_whose_sensor_is_not_known_is_not_guessed():
    assert FileName.of("LM05_L1TP_192024_19900711_20200718_02_T2_B4.TIF").name.endswith("_B4")


def called(*files: str, taken: tuple[str, ...] = ()) -> list[str]:
    return name_by_files([Unnamed(file, 1, True) for file in files], taken)


TOGETHER = [
    ({"a.x.tif": "x", "a.y.tif": "y", "nir.tif": "nir"}),
    ({"MOD.A1.v6.tif": "A1", "MOD.A2.v6.tif": "A2"}),
    ({"MOD.A1.tif": "A1", "MOD.A1.cloud.tif": "A1_cloud"}),
    (
        {
            "T33UUP_20240711T101559_B08_10m.jp2": "nir",
            "T33UUP_20240711T101559_B8A_20m.jp2": "B8A",
        }
    ),
    (
        {
            "HLS.S30.T33UUP.2024193T100601.v2.0.B04.tif": "red_2024193T100601",
            "HLS.S30.T33UUP.2024198T100559.v2.0.B04.tif": "red_2024198T100559",
            "HLS.S30.T33UUP.2024198T100559.v2.0.B03.tif": "green",
        }
    ),
]


@pytest.mark.parametrize("names", TOGETHER, ids=lambda names: next(iter(names)))
def test_names_differ_and_do_not_depend_on_the_order(names):
    for files in permutations(names):
        assert called(*files) == [names[file] for file in files]


@given(
    words=st.lists(
        st.tuples(*[st.sampled_from(["MOD", "a1", "B04", "v2", "x"])] * 3), unique=True, min_size=2
    )
)
def test_files_of_one_pattern_never_share_a_name(words):
    names = called(*(".".join(parts) + ".tif" for parts in words))
    assert len(set(names)) == len(names)


def test_bands_of_one_file_are_told_apart_by_number():
    bands = [Unnamed("stack.tif", 1, True), Unnamed("stack.tif", 3, True)]
    assert name_by_files(bands) == ["stack_1", "stack_3"]
    whole = [Unnamed(file, band, False) for file in ("s.a.tif", "s.b.tif") for band in (1, 2)]
    assert name_by_files(whole) == ["a_1", "a_2", "b_1", "b_2"]


def test_a_name_that_was_given_stays_and_the_file_takes_another():
    assert called(HLS.format("S30", "B04"), taken=("red",)) == ["B04"]


def scene_of(folder, *guides: BandSource) -> tuple[str, ...]:
    write(folder / "lst.tif", kelvin())
    with gdal_environment(), Scene(BandSource(str(folder / "lst.tif")), guides, 4) as scene:
        return scene.bands


def test_a_scene_has_the_names_and_descriptions_win(tmp_path):
    pattern = detail().astype(np.float32)
    files = [HLS.format("L30", band) for band in ("B04", "B05", "B06")]
    for file in files:
        write(tmp_path / file, pattern, FINE)

    with rasterio.open(tmp_path / files[2], "r+") as raster:
        raster.descriptions = ("moist",)
    guides = [BandSource(str(tmp_path / file)) for file in files]
    assert scene_of(tmp_path, *guides) == ("red", "nir", "moist")
    assert scene_of(tmp_path, *reversed(guides)) == ("moist", "nir", "red")


def test_one_file_twice_is_refused_still(tmp_path):
    write(tmp_path / "g.tif", detail().astype(np.float32), FINE)
    guide = BandSource(str(tmp_path / "g.tif"))
    with pytest.raises(UsageError, match="several guidance bands"):
        scene_of(tmp_path, guide, guide)
