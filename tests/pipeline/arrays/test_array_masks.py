"""Laws of masks in Python: they hold what files hold, at once or in strips."""

from functools import cache
from pathlib import Path

import dask.array
import numpy as np
import pytest
import rasterio
import rioxarray
from affine import Affine
from rasterio.crs import CRS
from scipy.ndimage import gaussian_filter

import groklst_cli
from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.band_source import BandSource
from groklst_cli.geo.masks import MaskFile, Masks
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from tests.conftest import read, writer_in

NORTH = Affine(240, 0, 500000, 0, -240, 4390000)
SCALE, SHAPE, TILE = 4, (36, 16), 32
MASKS = {
    "clear": ("clear.tif", ""),
    "qa": ("qa.tif", "landsat-qa"),
    "degrees": ("degrees.tif", "not=3"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A scene, and masks of it on its fine grid, on a finer one, and in degrees."""
    made = tmp_path_factory.mktemp("scene")
    write_raster = writer_in(made)
    rng = np.random.default_rng(0)
    height, width = (side * SCALE for side in SHAPE)
    guide = gaussian_filter(rng.normal(0, 1, (2, height, width)), (0, 2, 2)) * 8
    truth = 300 + guide[0] - guide[1] + rng.normal(0, 0.3, (height, width))
    clear = gaussian_filter(rng.normal(0, 1, (height, width)), 8) < 0.02
    lst = np.where(clear, truth, truth - 20).reshape(SHAPE[0], SCALE, SHAPE[1], SCALE)
    fine = NORTH * Affine.scale(1 / SCALE)
    write_raster("lst.tif", lst.mean((1, 3)).astype(np.float32), NORTH, tags={"units": "K"})
    write_raster("red.tif", guide[0].astype(np.float32), fine)
    write_raster("nir.tif", guide[1].astype(np.float32), fine)
    write_raster("clear.tif", clear.astype(np.uint8), fine)
    codes = np.where(clear, 21824, 22280).astype(np.uint16)
    finer = codes.repeat(2, 0).repeat(2, 1)
    write_raster("qa.tif", finer, fine * Affine.scale(1 / 2))
    degrees = Affine(0.0004, 0, 98.99, 0, -0.0004, 39.68)
    classes = rng.integers(0, 4, (56, 24)).repeat(10, 0).repeat(10, 1).astype(np.uint8)
    write_raster("degrees.tif", classes, degrees, crs=CRS.from_epsg(4326), nodata=0)
    return made


@pytest.fixture(autouse=True)
def there(folder, monkeypatch):
    monkeypatch.chdir(folder)


def opened(path, **options):
    array = rioxarray.open_rasterio(path, **options)
    return array.squeeze("band", drop=True).rename(Path(path).stem)


def in_python(lazy=False, **options):
    chunks = {"x": 13, "y": 17} if lazy else None
    lst, red, nir = (opened(f"{name}.tif", chunks=chunks) for name in ("lst", "red", "nir"))
    settled = {"scale": SCALE, "method": "ridge", "tile": TILE, "note": lambda text: None}
    return groklst_cli.downscale(lst, [red, nir], **settled | options)


@cache
def on_files(masks, **options):
    request = Request(
        lst=BandSource("lst.tif"),
        output=Path("out.tif"),
        guides=(BandSource("red.tif"), BandSource("nir.tif")),
        masks=masks,
        scale=SCALE,
        model="ridge",
        tile=TILE,
        overwrite=True,
        **options,
    )
    downscale(request)
    return read("out.tif")


@pytest.mark.parametrize("lazy", [False, True], ids=["at once", "in strips"])
@pytest.mark.parametrize("name", MASKS)
def test_a_mask_gives_the_bits_of_its_file(name, lazy):
    path, rule = MASKS[name]
    expected = on_files(Masks((MaskFile.parse(f"{path}:{rule}" if rule else path),)))
    mask = opened(path, chunks={"x": 19, "y": 23} if lazy else None)
    made = in_python(lazy, mask=(mask, rule) if rule else mask)
    assert isinstance(made.data, dask.array.Array if lazy else np.ndarray)
    assert 0.1 < np.isnan(expected).mean() < 0.9
    np.testing.assert_array_equal(made.values, expected)


@pytest.mark.parametrize("lazy", [False, True], ids=["at once", "in strips"])
@pytest.mark.parametrize("band", [None, "nir"])
def test_a_guide_s_mask_gives_the_bits_of_its_file(band, lazy):
    named = f"{band}=clear.tif" if band else "clear.tif"
    masks = Masks((MaskFile.parse("qa.tif:landsat-qa"),), (MaskFile.parse(named),))
    expected = on_files(masks, min_clear=0.3, fill_masked=True)
    mask = opened("clear.tif") == 1
    made = in_python(
        lazy,
        mask=(opened("qa.tif"), "landsat-qa"),
        guide_mask={band: mask} if band else mask,
        min_clear=0.3,
        fill_masked=True,
    )
    np.testing.assert_array_equal(made.values, expected)


def test_only_a_mask_of_dask_makes_it_lazy():
    made = in_python(mask=opened("clear.tif", chunks={"x": 40}))
    assert isinstance(made.data, dask.array.Array)
    np.testing.assert_array_equal(made.values, in_python(mask=opened("clear.tif")).values)


def test_what_is_no_mask_is_refused():
    with pytest.raises(UsageError, match=r"mask is a str, expected an xarray.DataArray"):
        in_python(mask="clear.tif")
    with pytest.raises(UsageError, match="expected one of landsat-qa"):
        in_python(mask=(opened("clear.tif"), "landsat"))
    with pytest.raises(InputError, match="mask holds 2"):
        in_python(mask=opened("qa.tif"))
    with pytest.raises(UsageError, match="band swir1, but the guides have red, nir"):
        in_python(guide_mask={"swir1": opened("clear.tif")})
    with rasterio.open("clear.tif") as clear:
        assert not clear.read(1).all()
    with pytest.raises(InputError, match="leaves no pixel of lst"):
        in_python(mask=opened("clear.tif") > 1)
