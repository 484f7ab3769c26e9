"""``uncertainty=True`` gives the bits of ``--uncertainty``, beside those of the result."""

from pathlib import Path

import numpy as np
import pytest
import rioxarray
import xarray as xr
from affine import Affine
from scipy.ndimage import gaussian_filter

import groklst_cli
from groklst_cli.errors import UsageError
from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_models.answer_spread import TURNS
from groklst_models.checkpoint import Checkpoint, Header, save
from groklst_models.normalization import BandStatistics, Normalization
from tests.conftest import UTM, read

NORTH = Affine(240, 0, 500000, 0, -240, 4390000)
SCALE = 4


SHAPE = (24, 20)


@pytest.fixture(autouse=True)
def files(write_raster, tmp_path, monkeypatch) -> None:
    height, width = SHAPE
    rng = np.random.default_rng(0)
    red = gaussian_filter(rng.normal(0, 1, (height * SCALE, width * SCALE)), 2)
    means = red.reshape(height, SCALE, width, SCALE).mean((1, 3))
    lst = 290 + 30 * means + rng.normal(0, 0.2, SHAPE)
    lst[10:14, 3:9] = np.nan
    write_raster("lst.tif", lst.astype(np.float32), NORTH, tags={"units": "K"})
    write_raster("celsius.tif", (lst - 273.15).astype(np.float32), NORTH, tags={"units": "degC"})
    write_raster("red.tif", red.astype(np.float32), NORTH * Affine.scale(1 / SCALE))
    monkeypatch.chdir(tmp_path)


def opened(path: str, **options: object) -> xr.DataArray:
    array = rioxarray.open_rasterio(path, **options)
    assert isinstance(array, xr.DataArray)
    return array.squeeze("band", drop=True).rename(Path(path).stem)


@pytest.fixture
def network(tmp_path) -> str:
    tiny = {"width": 8, "stages": 1, "blocks": 1}
    normalization = Normalization(290, 5, (BandStatistics("red", 0, 1),))
    header = Header("mocolsk", SCALE, normalization, tiny, tile=64, scores={TURNS.score: 2.0})
    path = tmp_path / "tiny.safetensors"
    save(Checkpoint(header, header.build_network().state_dict()), path)
    return str(path)


@pytest.mark.parametrize("lst", ["lst.tif", "celsius.tif"])
@pytest.mark.parametrize("conserve", ["auto", "none"])
@pytest.mark.parametrize("method", ["ridge", "bicubic", "network"])
def test_both_have_the_bits_of_the_files(lst, conserve, method, request):
    model = request.getfixturevalue("network") if method == "network" else method
    words = {"scale": SCALE, "model": model, "conserve": conserve, "device": "cpu"}
    sigma, guides = Path("sigma.tif"), (BandSource("red.tif"),)
    downscale(Request(BandSource(lst), Path("fine.tif"), guides, uncertainty=sigma, **words))
    made = groklst_cli.downscale(
        opened(lst), [opened("red.tif")], SCALE, model, conserve=conserve, device="cpu",
        uncertainty=True,
    )  # fmt: skip
    assert list(made) == [Path(lst).stem, "uncertainty"]
    np.testing.assert_array_equal(made[Path(lst).stem].values, read("fine.tif"))
    np.testing.assert_array_equal(made["uncertainty"].values, read("sigma.tif"))
    assert made["uncertainty"].attrs["units"] == "K"
    assert made[Path(lst).stem].attrs["units"] == ("K" if lst == "lst.tif" else "degC")


def test_the_dataset_says_where_it_lies_and_what_belongs_together():
    lst, red = opened("lst.tif"), opened("red.tif")
    made = groklst_cli.downscale(lst, [red], SCALE, "ridge", uncertainty=True)
    assert made.rio.crs == UTM
    assert made["uncertainty"].rio.transform() == NORTH * Affine.scale(1 / SCALE)
    assert made["lst"].attrs["ancillary_variables"] == "uncertainty"
    made.to_netcdf("made.nc", engine="scipy")
    with xr.open_dataset("made.nc", engine="scipy", decode_coords="all") as again:
        assert again["uncertainty"].rio.crs == UTM
    named = groklst_cli.downscale(
        lst.rename("uncertainty"), [red], SCALE, "ridge", uncertainty=True
    )
    assert list(named) == ["lst", "uncertainty"]


def test_without_it_an_array_comes_back():
    made = groklst_cli.downscale(opened("lst.tif"), [opened("red.tif")], SCALE, "ridge")
    assert isinstance(made, xr.DataArray)
    assert "ancillary_variables" not in made.attrs


def test_a_cube_has_each_date_with_its_own():
    lst, red = opened("lst.tif"), opened("red.tif")
    days = [lst, lst + 3 * (lst > 290)]
    cube = xr.concat(days, dim="time", combine_attrs="override")
    made = groklst_cli.downscale(cube, [red], SCALE, "ridge", uncertainty=True)
    for number in range(len(days)):
        alone = groklst_cli.downscale(
            cube.isel(time=number), [red], SCALE, "ridge", uncertainty=True
        )
        for name in ("lst", "uncertainty"):
            np.testing.assert_array_equal(made[name].isel(time=number), alone[name])


def test_arrays_of_dask_are_refused():
    with pytest.raises(UsageError, match=r"uncertainty=True needs the whole result.*lst\.load"):
        groklst_cli.downscale(
            opened("lst.tif", chunks=8), [opened("red.tif")], SCALE, "ridge", uncertainty=True
        )
