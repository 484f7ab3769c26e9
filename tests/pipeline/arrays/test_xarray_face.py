"""Laws of arrays: they give the bits of files, at once or in strips, and say where they lie."""

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import dask
import dask.array
import numpy as np
import pytest
import rasterio
import rioxarray
import torch
import xarray as xr
from affine import Affine
from rasterio.crs import CRS
from scipy.ndimage import gaussian_filter

import groklst_cli
from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.align import GuideSource
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.resamplings import RESAMPLINGS
from groklst_cli.pipeline.arrays.guide_window import guide_window
from groklst_cli.pipeline.arrays.rasters import ArrayRaster, Frame
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_models.checkpoint import Checkpoint, Header, save
from groklst_models.normalization import BandStatistics, Normalization
from tests.conftest import UTM, read, writer_in

NORTH = Affine(240, 0, 500000, 0, -240, 4390000)
ROTATED = Affine.translation(5e5, 4.39e6) * Affine.rotation(25) * Affine.scale(240, -240)
SCALE, SHAPE, TILE = 4, (44, 16), 32
TALL = (70, 16)
BANDS = ("red", "nir", "dem")

Files = dict[str, str]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Files:
    return write_files(tmp_path_factory.mktemp("files"), SHAPE)


def write_files(folder: Path, shape: tuple[int, int]) -> Files:
    """Write an LST with gaps, a guide on its lattice, one in degrees, one that is coarser."""
    write_raster = writer_in(folder)
    rng = np.random.default_rng(0)
    height, width = shape
    truth = 300 + 60 * gaussian_filter(rng.normal(0, 1, (height * SCALE, width * SCALE)), 3)
    lst = truth.reshape(height, SCALE, width, SCALE).mean((1, 3))
    lst[10:14, 3:9] = lst[30] = np.nan
    red = (truth - 290 + rng.normal(0, 0.3, truth.shape)).astype(np.float32)
    nir = rng.integers(0, 255, (520, 220)).astype(np.uint8)
    dem = rng.normal(500, 90, (40, 16)).astype(np.float32)
    degrees = Affine(0.0004, 0, 98.99, 0, -0.0004, 39.68)
    return {
        "lst": write_raster("lst.tif", lst.astype(np.float32), NORTH, tags={"units": "K"}),
        "red": write_raster("red.tif", red, NORTH * Affine.scale(1 / SCALE)),
        "nir": write_raster("nir.tif", nir, degrees, crs=CRS.from_epsg(4326), nodata=0),
        "dem": write_raster("dem.tif", dem, Affine(700, 0, 498000, 0, -700, 4392000)),
    }


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> str:
    bands = tuple(BandStatistics(name, 10, 20) for name in BANDS)
    tiny = {"width": 8, "stages": 1, "blocks": 1}
    header = Header("mocolsk", SCALE, Normalization(300, 5, bands), tiny, tile=TILE)
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("network") / "tiny.safetensors"
    save(Checkpoint(header, header.build_network().state_dict()), path)
    return str(path)


def opened(path: str, **options: Any) -> xr.DataArray:
    array = rioxarray.open_rasterio(path, **options)
    assert isinstance(array, xr.DataArray)
    return array.squeeze("band", drop=True).rename(Path(path).stem)


def arrays(files: Files, **options: Any) -> tuple[xr.DataArray, list[xr.DataArray]]:
    return opened(files["lst"], **options), [opened(files[name], **options) for name in BANDS]


@pytest.fixture(scope="module")
def written(files, tmp_path_factory) -> Callable[..., np.ndarray]:
    """Downscale the files, once for each method and its options."""

    @cache
    def write(method: str, **options: Any) -> np.ndarray:
        output = tmp_path_factory.mktemp("written") / "fine.tif"
        guides = [BandSource(files[name]) for name in BANDS]
        lst = BandSource(files["lst"])
        downscale(Request(lst, output, guides, scale=SCALE, model=method, tile=TILE, **options))
        return read(output)

    return write


@pytest.fixture(params=["bicubic", "ridge", "network"])
def method(request, network) -> str:
    return network if request.param == "network" else request.param


@pytest.mark.parametrize("options", [{}, {"coregister": (0.3, -0.2), "conserve": "none"}])
def test_arrays_give_the_bits_of_files(files, written, method, options):
    fine = groklst_cli.downscale(*arrays(files), SCALE, method, tile=TILE, **options)
    expected = written(method, **options)
    assert fine.dtype == np.float32
    np.testing.assert_array_equal(fine.values, expected)


@pytest.mark.parametrize(
    ("method", "chunks"),
    [
        ("bicubic", 17),
        ("ridge", {"y": -1, "x": 31}),
        ("network", {"y": -1, "x": 31}),
        pytest.param("bicubic", {"y": -1, "x": 31}, marks=pytest.mark.slow),
        pytest.param("ridge", 17, marks=pytest.mark.slow),
        pytest.param("network", 17, marks=pytest.mark.slow),
    ],
    indirect=["method"],
)
def test_strips_give_the_bits_of_files_however_arrays_are_chunked(files, written, method, chunks):
    options = {"coregister": (0.3, -0.2)} if method == "ridge" else {}
    lst, guides = arrays(files, chunks=chunks)
    fine = groklst_cli.downscale(lst, guides, SCALE, method, tile=TILE, **options)
    assert fine.chunks is not None
    np.testing.assert_array_equal(fine.values, written(method, **options))
    first, *others, last = fine.chunks[0]
    assert set(others) <= {first}  # odc-geo's COG writer takes that for granted
    assert last <= first
    np.testing.assert_array_equal(fine[-last:].values, fine.values[-last:])


def test_resampling_and_radiance_reach_the_strips(files, written):
    options: dict[str, Any] = {
        "resampling": "lanczos",
        "conserve": "radiance",
    }
    fine = groklst_cli.downscale(*arrays(files, chunks=48), SCALE, "ridge", tile=TILE, **options)
    np.testing.assert_array_equal(fine.values, written("ridge", **options))


def test_one_dask_array_among_arrays_of_numpy_is_enough(files, written):
    lst, guides = arrays(files)
    guides[1] = guides[1].chunk(50)
    fine = groklst_cli.downscale(lst, guides, SCALE, "ridge", tile=TILE)
    assert fine.chunks is not None
    np.testing.assert_array_equal(fine.values, written("ridge"))


def test_the_number_of_torchs_threads_is_left_as_it_was(files, network):
    before = torch.get_num_threads()
    lst, guides = arrays(files)
    groklst_cli.downscale(lst[:9], guides, SCALE, network, tile=TILE)
    groklst_cli.downscale(lst[:9].chunk(65), guides, SCALE, network, tile=TILE).compute()
    assert torch.get_num_threads() == before


class Watched:
    """An array that notes which rows are read of it."""

    def __init__(self, array: xr.DataArray) -> None:
        self._values = array.values
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.read: set[int] = set()
        self.most = 0

    def __getitem__(self, key: Any) -> np.ndarray:
        values = self._values[key]
        rows = np.arange(self.shape[0])[key[0] if isinstance(key, tuple) else key]
        self.read.update(rows.tolist())
        self.most = max(self.most, len(rows))
        return values


def watched(array: xr.DataArray) -> tuple[Watched, xr.DataArray]:
    watch = Watched(array)
    lazy = dask.array.from_array(watch, chunks=(4, -1), asarray=False)
    return watch, array.copy(data=lazy)


@pytest.mark.parametrize("stated", ["attrs", "argument"])
def test_nothing_is_computed_before_it_is_asked_for(files, network, stated):
    lst, guides = arrays(files)
    pairs = [watched(array) for array in (lst, *guides)]
    lazy = [array for _, array in pairs]
    units = None
    if stated == "argument":
        del lazy[0].attrs["units"]
        units = "K"
    fine = groklst_cli.downscale(lazy[0], lazy[1:], SCALE, network, tile=TILE, lst_units=units)
    assert not any(watch.read for watch, _ in pairs)
    fine[:8].compute()
    assert all(watch.read for watch, _ in pairs)


def test_without_a_unit_the_lst_is_read_and_no_guide(files, network):
    lst, guides = arrays(files)
    pairs = [watched(array) for array in (lst, *guides)]
    lazy = [array for _, array in pairs]
    del lazy[0].attrs["units"]
    fine = groklst_cli.downscale(lazy[0], lazy[1:], SCALE, network, tile=TILE)
    assert fine.attrs["units"] == "K"
    assert [bool(watch.read) for watch, _ in pairs] == [True, False, False, False]


def test_a_strip_reads_only_its_part(files, network):
    lst, guides = arrays(files)
    pairs = [watched(array) for array in guides]
    fine = groklst_cli.downscale(
        lst.chunk(4), [array for _, array in pairs], SCALE, network, tile=TILE
    )
    fine[: fine.chunks[0][0]].compute(scheduler="synchronous")
    red, nir, dem = (watch for watch, _ in pairs)
    assert max(red.read) < 64  # two tiles of 32 rows that share 16 reach row 48
    assert max(nir.read) < 150
    assert max(dem.read) < 20
    assert all(watch.most <= 4 for watch, _ in pairs)  # chunks, never more


def test_a_strip_without_guides_in_its_method_reads_none(files):
    lst, guides = arrays(files)
    pairs = [watched(array) for array in guides]
    groklst_cli.downscale(lst, [a for _, a in pairs], SCALE, "bicubic", tile=TILE).compute()
    assert not any(watch.read for watch, _ in pairs)


def test_fitting_reads_at_once_and_strips_read_again(tmp_path):
    lst, guides = arrays(write_files(tmp_path, TALL))
    watch, red = watched(guides[0])
    fine = groklst_cli.downscale(lst, [red], SCALE, "ridge", tile=TILE)
    assert len(watch.read) == watch.shape[0]
    watch.read.clear()
    fine[:8].compute(scheduler="synchronous")
    assert 0 < len(watch.read) < watch.shape[0] // 2


@pytest.mark.parametrize("chunks", [None, 48])
def test_a_result_knows_where_it_lies_and_what_it_is(files, chunks):
    lst, guides = arrays(files, chunks=chunks)
    lst = lst.assign_coords(time=np.datetime64("2024-06-26", "ns"))
    fine = groklst_cli.downscale(lst, guides, SCALE, "ridge", tile=TILE)
    assert fine.rio.crs == UTM
    assert fine.rio.transform() == NORTH * Affine.scale(1 / SCALE)
    assert fine.rio.transform(recalc=True).almost_equals(fine.rio.transform())
    assert np.isnan(fine.rio.nodata)
    assert (fine.name, fine.dims) == ("lst", ("y", "x"))
    assert fine.coords["time"] == lst.coords["time"]
    described = {name: fine.attrs[name] for name in ("units", "method", "scale")}
    assert described == {"units": "K", "method": "ridge", "scale": SCALE}
    gaps = np.isnan(lst.values).repeat(SCALE, 0).repeat(SCALE, 1)
    np.testing.assert_array_equal(np.isnan(fine.values), gaps)


@pytest.mark.parametrize("chunks", [None, 48])
def test_a_result_can_be_written(files, written, tmp_path, chunks):
    fine = groklst_cli.downscale(*arrays(files, chunks=chunks), SCALE, "ridge", tile=TILE)
    fine.rio.to_raster(tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as raster:
        assert (raster.crs, raster.transform) == (UTM, NORTH * Affine.scale(1 / SCALE))
        assert np.isnan(raster.nodata)
        assert raster.tags()["units"] == "K"
        np.testing.assert_array_equal(raster.read(1), written("ridge"))


def test_scaled_integers_and_celsius_are_those_of_files(write_raster, tmp_path):
    counts = np.random.default_rng(0).integers(40000, 45000, (20, 20)).astype(np.uint16)
    counts[3, 4] = 0
    landsat = write_raster("a.tif", counts, NORTH, nodata=0, scale=0.00341802, offset=149.0)
    celsius = write_raster("b.tif", (counts / 1000 - 20).astype(np.float64), NORTH)
    for path, units in ((landsat, "K"), (celsius, "degC")):
        output = tmp_path / f"{units}.tif"
        downscale(Request(BandSource(path), output, scale=2))
        for chunks in (None, 6):
            fine = groklst_cli.downscale(opened(path, chunks=chunks), scale=2)
            assert fine.attrs["units"] == units
            assert "scale_factor" not in fine.attrs
            np.testing.assert_array_equal(fine.values, read(output))


@pytest.mark.parametrize(
    ("transform", "crs"),
    [
        (Affine(240, 0, 500000, 0, 240, 4390000), UTM),
        (ROTATED, UTM),
        (Affine(0.002, 0, 99, 0, -0.002, 39), CRS.from_epsg(4326)),
    ],
    ids=["south", "rotated", "degrees"],
)
def test_any_grid_stays_what_it_is(write_raster, tmp_path, transform, crs):
    kelvin = np.random.default_rng(0).normal(300, 5, (12, 9)).astype(np.float32)
    path = write_raster("lst.tif", kelvin, transform, crs=crs)
    downscale(Request(BandSource(path), tmp_path / "f.tif", scale=3))
    fine = groklst_cli.downscale(opened(path), scale=3)
    with rasterio.open(tmp_path / "f.tif") as raster:
        assert fine.rio.crs == raster.crs
        assert fine.rio.transform().almost_equals(raster.transform, 1e-9)
        np.testing.assert_array_equal(fine.values, raster.read(1))


def test_a_part_of_an_array_lies_where_its_coordinates_say(files):
    lst, guides = arrays(files)
    part = groklst_cli.downscale(lst[20:40, 5:], guides, SCALE, "bicubic")
    assert part.rio.transform().almost_equals(
        NORTH * Affine.translation(5, 20) * Affine.scale(1 / SCALE)
    )


def test_guides_come_as_dataset_mapping_or_sequence(files):
    lst, (red, *_) = arrays(files)
    both = xr.concat([red, red + 1], "band").assign_attrs(long_name=("red", "green"))
    made = [
        groklst_cli.downscale(lst, guides, SCALE, "ridge").values
        for guides in (
            xr.Dataset({"red": red, "green": red + 1, "level": 3}),
            {"red": red, "green": red + 1},
            [red, (red + 1).rename("green")],
            [both.rename("both")],
            [both.rename(None)],
            both,
        )
    ]
    for other in made[1:]:
        np.testing.assert_array_equal(other, made[0])


def no_crs(lst: xr.DataArray) -> xr.DataArray:
    return lst.drop_vars("spatial_ref")


def no_place(lst: xr.DataArray) -> xr.DataArray:
    bare = lst.drop_vars(["x", "y"])
    return bare.rio.write_transform(Affine.identity())


def of_no_unit(lst: xr.DataArray) -> xr.DataArray:
    del lst.attrs["units"]
    return lst * 1000


def scaled_or_not(lst: xr.DataArray) -> xr.DataArray:
    return lst.assign_attrs(scale_factor=0.1)


def uneven(lst: xr.DataArray) -> xr.DataArray:
    return lst.assign_coords(x=lst.x + 20 * (np.arange(lst.x.size) % 2))


@pytest.mark.parametrize("chunks", [None, 20])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (no_crs, "lst has no CRS"),
        (no_place, "has no position"),
        (of_no_unit, "not clearly kelvin or °C; .*lst.rio.write_nodata"),
        (scaled_or_not, "may have been applied already"),
        (uneven, "not evenly spaced"),
        (lambda lst: lst.rename(x="abscissa"), "has dimensions y, abscissa"),
        (lambda lst: lst.expand_dims(band=2), "lst has 2 bands"),
        (lambda lst: lst.astype(complex), "complex"),
        (lambda lst: lst[:0], "is empty"),
    ],
)
def test_an_lst_that_cannot_be_used_is_refused(
    files, change: Callable[[xr.DataArray], xr.DataArray], says, chunks
):
    lst = opened(files["lst"], chunks=chunks)
    lst = change(lst)
    with pytest.raises(InputError, match=says):
        groklst_cli.downscale(lst)


@pytest.mark.parametrize("chunks", [None, 20])
def test_values_without_any_valid_one_are_refused_when_they_are_seen(files, chunks):
    lst = xr.full_like(opened(files["lst"], chunks=chunks), np.nan)
    with pytest.raises(InputError, match="lst has no valid pixel"):
        groklst_cli.downscale(lst).compute()


@pytest.mark.parametrize("chunks", [None, 20])
def test_what_makes_no_sense_is_refused_in_words_of_python(files, chunks):
    lst, (red, *_) = arrays(files, chunks=chunks)
    far = red.assign_coords(x=red.x + 1e6)
    for guides, options, says in (
        ([red, red], {}, "named red"),
        ([red.rename(None)], {}, "guide 1 has no name"),
        ([far], {}, "^red does not overlap the LST"),
        ([red], {"tile": 30}, "^tile 30 is not a multiple of the scale 4"),
        ([red], {"method": "nothing"}, "^method nothing is neither"),
        ([], {"method": "ridge"}, "add guides FILE"),
        ([red], {"device": "cuda:0,cuda:1"}, "names several"),
    ):
        with pytest.raises((UsageError, InputError), match=says):
            groklst_cli.downscale(lst, guides, SCALE, **options)


POLAR, DEGREES = CRS.from_epsg(3413), CRS.from_epsg(4326)


@pytest.mark.parametrize("resampling", RESAMPLINGS)
@pytest.mark.parametrize(
    ("fine", "guide"),
    [
        (
            Grid(UTM, NORTH, 300, 260),
            Grid(DEGREES, Affine(3e-3, 0, 98, 0, -2e-3, 40), 700, 700),
        ),
        (
            Grid(UTM, ROTATED, 300, 260),
            Grid(UTM, Affine(47, 0, 48e4, 0, -47, 44e5), 2200, 2200),
        ),
        (
            Grid(POLAR, Affine(9e3, 0, -1e6, 0, -9e3, 1e6), 220, 220),
            Grid(DEGREES, Affine(0.5, 0, -180, 0, -0.25, 90), 320, 720),
        ),
    ],
    ids=["degrees", "rotated", "pole"],
)
def test_a_guides_part_is_warped_like_the_whole(fine, guide, resampling):
    values = np.random.default_rng(0).normal(0, 1, (1, *guide.shape)).astype(np.float32)
    values[:, ::7, ::5] = np.nan
    whole = ArrayRaster(Frame("guide", guide, "float32", ("guide",)), values)
    rows, columns = slice(100, 140), slice(0, fine.width)
    window = guide_window(guide, fine, rows, columns, aligned=resampling == "auto")
    part = whole.cut(*window)
    assert part.values.size < values.size
    made = []
    for raster in (whole, part):
        with raster.in_memory() as memory:
            source = GuideSource(BandSource(memory.name), fine, resampling)
            made.append(source.read(rows, columns))
            source.close()
    assert np.isfinite(made[0]).any()
    np.testing.assert_array_equal(made[1], made[0])


def test_importing_the_package_is_light():
    says = "import sys, groklst_cli; print({'torch', 'xarray', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", says], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    with pytest.raises(AttributeError, match="no attribute 'upscale'"):
        groklst_cli.upscale  # noqa: B018
