"""Laws of the main job, through the files, as the command line runs it."""

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from torch import nn
from torch.nn import functional

from groklst_cli.errors import GroklstError, InputError, UsageError
from groklst_cli.geo.conserve import Conservation
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.downscale.one_scene import downscale, plan_downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.predict.layout import Layout, Strip
from groklst_cli.pipeline.predict.strips import finished_rows, surroundings
from groklst_cli.pipeline.predict.tile_rows import predict_tile_rows
from groklst_models.contract import Method
from groklst_models.fitted.ridge import Ridge
from groklst_models.network_method import NetworkMethod
from groklst_models.normalization import BandStatistics, Normalization
from tests.conftest import SHARED, UTM, plane, read

NORTH = Affine(240, 0, 500000, 0, -240, 4390000)
SOUTH = Affine(240, 0, 500000, 0, 240, 4390000)
ROTATED = Affine.translation(5e5, 4.39e6) * Affine.rotation(25) * Affine.scale(240, -240)
DEGREES = Affine(0.002, 0, 99, 0, -0.002, 39)


class Pass(nn.Module):
    """The identity of this trade: hands out the guide that it was given."""

    multiple_of = 4

    def forward(self, lst: torch.Tensor, guide: torch.Tensor) -> torch.Tensor:
        assert lst.shape[-1] % 4 == lst.shape[-2] % 4 == 0
        return guide[:, :1] + 0 * functional.interpolate(lst, size=guide.shape[-2:])


def passing(scale: int) -> NetworkMethod:
    statistics = Normalization(300, 10, (BandStatistics("truth", 300, 10),))
    return NetworkMethod(
        Pass(), statistics, scale=scale, bands=("truth",), device=torch.device("cpu")
    )


def scene_of(write_raster, shape, scale, *, gaps=(), seed=0) -> tuple[Scene, np.ndarray]:
    """Make an LST of random values and a guide that is the truth behind it."""
    height, width = shape
    truth = np.random.default_rng(seed).normal(300, 10, (height * scale, width * scale))
    truth = truth.astype(np.float32)
    lst = truth.reshape(height, scale, width, scale).mean((1, 3))
    for gap in gaps:
        lst[gap] = np.nan
    fine = NORTH * Affine.scale(1 / scale)
    paths = (
        write_raster("lst.tif", lst.astype(np.float32), NORTH),
        write_raster("truth.tif", truth, fine),
    )
    return Scene(BandSource(paths[0]), [BandSource(paths[1])], scale), truth


def finished(scene: Scene, method: Method, layout: Layout, strip: Strip, kept: Conservation | None):
    needed = surroundings(strip, scene, kept)
    rows = predict_tile_rows(scene, method, layout, needed, layout.groups_of(needed))
    return finished_rows(scene, layout, strip, rows, conservation=kept)


def run(scene: Scene, method: Method, layout: Layout, strips: list[Strip], *, conserve=False):
    return [
        np.concatenate(
            [
                rows
                for _, rows in finished(
                    scene, method, layout, strip, Conservation(scene.scale) if conserve else None
                )
            ]
        )
        for strip in strips
    ]


@pytest.mark.parametrize(
    "transform", [NORTH, SOUTH, ROTATED, DEGREES], ids=["north", "south", "rotated", "degrees"]
)
@pytest.mark.parametrize("scale", [2, 3, 8])
@pytest.mark.parametrize("conserve", ["kelvin", "none"])
def test_an_interpolated_plane_is_the_plane(write_raster, tmp_path, transform, scale, conserve):
    step = 240 if transform is not DEGREES else 0.002
    slopes = 0.4 / step, -0.7 / step  # kelvin a CRS unit
    lst = plane(transform, 17, 23, *slopes).astype(np.float32)
    path = write_raster("lst.tif", lst, transform, crs=UTM if step == 240 else CRS.from_epsg(4326))
    output = tmp_path / "fine.tif"
    downscale(Request(BandSource(path), output, scale=scale, model="bicubic", conserve=conserve))
    with rasterio.open(output) as fine:
        expected = plane(fine.transform, *fine.shape, *slopes)
        assert fine.transform.almost_equals(transform * Affine.scale(1 / scale), 1e-12)
        np.testing.assert_allclose(fine.read(1), expected, atol=2e-3)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    scale=st.sampled_from([2, 4]),
    tile=st.integers(2, 24),
    share=st.floats(0, 0.5),
    batch=st.integers(1, 9),
)
def test_an_identity_network_returns_its_input_for_any_size_tile_and_overlap(
    write_raster, height, width, scale, tile, share, batch
):
    scene, truth = scene_of(write_raster, (height, width), scale)
    layout = Layout.of((height, width), tile=tile, overlap=int(tile * share), halo=0, batch=batch)
    whole = Strip(slice(0, height), slice(0, width))
    with scene:
        (made,) = run(scene, passing(scale), layout, [whole])
    np.testing.assert_allclose(made, truth, atol=1e-4)


@pytest.mark.parametrize("conserve", [True, False])
@pytest.mark.parametrize("height", [1, 5, 16, 31])
def test_strips_of_any_height_hold_the_same_bits(write_raster, height, conserve):
    shape, scale = (70, 20), 4
    scene, _ = scene_of(write_raster, shape, scale, gaps=[np.s_[10:30, 3:9], np.s_[50, :]])
    layout = Layout.of(shape, tile=12, overlap=4, halo=0, batch=2)
    columns = slice(0, 20)
    cut = [Strip(slice(r, min(70, r + height)), columns) for r in range(0, 70, height)]
    with scene:
        (whole,) = run(
            scene, passing(scale), layout, [Strip(slice(0, 70), columns)], conserve=conserve
        )
        parts = run(scene, passing(scale), layout, cut, conserve=conserve)
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("conserve", [True, False])
def test_a_part_holds_the_bits_of_the_whole(write_raster, conserve):
    shape, scale = (50, 60), 4
    scene, _ = scene_of(write_raster, shape, scale, gaps=[np.s_[20:30, 30:40]])
    layout = Layout.of(shape, tile=12, overlap=4, halo=0, batch=3)
    part = Strip(slice(13, 37), slice(22, 41))
    with scene:
        whole, cut = (
            run(scene, passing(scale), layout, [strip], conserve=conserve)[0]
            for strip in (Strip(slice(0, 50), slice(0, 60)), part)
        )
    np.testing.assert_array_equal(cut, whole[13 * 4 : 37 * 4, 22 * 4 : 41 * 4])


def test_a_fitted_method_does_not_depend_on_its_tiles(write_raster):
    shape, scale = (40, 44), 4
    scene, _ = scene_of(write_raster, shape, scale)
    whole = Strip(slice(0, 40), slice(0, 44))
    with scene:
        from groklst_cli.pipeline.predict.view import FileView

        ridge = Ridge(scale=scale)
        ridge.fit(FileView(scene))
        assert ridge.sensor.sigma == 0  # the guide is the truth, unblurred
        ridge.sensor = type(ridge.sensor)(scale, 1.7)
        made = [
            run(scene, ridge, Layout.of(shape, tile=t, overlap=0, halo=ridge.halo), [whole])[0]
            for t in (44, 9, 16)
        ]
    np.testing.assert_allclose(made[1], made[0], atol=1e-3)
    np.testing.assert_allclose(made[2], made[0], atol=1e-3)


@pytest.mark.parametrize("model", ["bicubic", "ridge"])
def test_nodata_is_exactly_the_coarse_pixels_and_poisons_nobody(write_raster, tmp_path, model):
    gaps = [np.s_[4:7, 5], np.s_[0, 0], np.s_[11, :]]
    scene, _ = scene_of(write_raster, (20, 22), 4, gaps=gaps)
    scene.close()
    request = Request(
        BandSource(scene.lst.path),
        tmp_path / "fine.tif",
        [BandSource(guide.path) for guide in scene.guides],
        scale=4,
        model=model,
    )
    downscale(request)
    coarse, fine = read(scene.lst.path), read(tmp_path / "fine.tif")
    np.testing.assert_array_equal(np.isnan(fine), np.isnan(coarse).repeat(4, 0).repeat(4, 1))
    means = fine.reshape(20, 4, 22, 4).mean((1, 3))
    np.testing.assert_allclose(means, coarse, atol=0.01)


def test_gaps_in_a_guide_leave_no_gap_in_the_output(write_raster, tmp_path):
    truth = np.random.default_rng(0).normal(300, 5, (80, 80)).astype(np.float32)
    lst = write_raster("lst.tif", truth.reshape(20, 4, 20, 4).mean((1, 3)), NORTH)
    truth[10:30, 40:60] = np.nan
    truth[50, 3] = np.nan
    guide = write_raster("guide.tif", truth, NORTH * Affine.scale(0.25))
    downscale(Request(BandSource(lst), tmp_path / "f.tif", [BandSource(guide)], scale=4))
    assert np.isfinite(read(tmp_path / "f.tif")).all()


def test_celsius_comes_out_as_celsius(write_raster, tmp_path):
    celsius = np.linspace(10, 40, 30).reshape(6, 5).astype(np.float32)
    path = write_raster("lst.tif", celsius, NORTH)
    result = downscale(Request(BandSource(path), tmp_path / "f.tif", scale=2))
    means = read(tmp_path / "f.tif").reshape(6, 2, 5, 2).mean((1, 3))
    np.testing.assert_allclose(means, celsius, atol=0.01)
    assert result.mean == pytest.approx(25, abs=0.01)


def test_a_plan_says_what_a_run_does_and_writes_nothing(write_raster, tmp_path):
    scene, _ = scene_of(write_raster, (20, 22), 4)
    scene.close()
    before = sorted(os.listdir(tmp_path))
    request = Request(
        BandSource(scene.lst.path),
        tmp_path / "f.tif",
        [BandSource(scene.guides[0].path)],
        scale=4,
        bounds=(500000, 4388000, 502000, 4389900),
    )
    plan, expected = plan_downscale(request)
    assert sorted(os.listdir(tmp_path)) == before
    result = downscale(request)
    assert result.plan == plan
    assert expected.tiles == result.tiles
    assert expected.seconds > 0
    with rasterio.open(tmp_path / "f.tif") as fine:
        assert fine.shape == plan.grid.shape == (36, 36)  # whole coarse pixels that touch
        assert fine.transform == plan.grid.transform


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"scale": 1}, UsageError, "at least 2"),
        ({"model": "mocolsk"}, UsageError, "needs weights"),
        ({"model": "ridge"}, UsageError, "--guide"),
        ({"model": "nothing"}, UsageError, "neither a method"),
        ({"tile": 100}, UsageError, "multiple of the scale"),
        ({"overlap": 300}, UsageError, "half the tile"),
        ({"bounds": (5, 1, 1, 5)}, UsageError, "LEFT BOTTOM RIGHT TOP"),
        ({"bounds": (0, 0, 1, 1)}, InputError, "outside"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(
    write_raster, tmp_path, options, error, says
):
    path = write_raster("lst.tif", np.full((6, 5), 300, np.float32), NORTH)
    with pytest.raises(error, match=says):
        downscale(Request(BandSource(path), tmp_path / "f.tif", **options))
    assert os.listdir(tmp_path) == ["lst.tif"]


def test_two_bands_of_one_name_are_refused(write_raster, tmp_path):
    scene, _ = scene_of(write_raster, (6, 6), 4)
    scene.close()
    twice = [BandSource(scene.guides[0].path)] * 2
    with pytest.raises(UsageError, match="named truth"):
        downscale(Request(BandSource(scene.lst.path), tmp_path / "f.tif", twice, scale=4))


def test_a_scene_of_one_pixel_works(write_raster, tmp_path):
    path = write_raster("lst.tif", np.full((1, 1), 300, np.float32), NORTH)
    downscale(Request(BandSource(path), tmp_path / "f.tif", scale=8))
    np.testing.assert_allclose(read(tmp_path / "f.tif"), np.full((8, 8), 300), atol=1e-3)


SCENES = {"talca_l7_20130215": 2, "chiapas_l7_19991118": 2, "hongkong_l8_20131129": 1}


def average(values: np.ndarray, factor: int) -> np.ndarray:
    height, width = (size // factor * factor for size in values.shape)
    cut = values[:height, :width]
    return cut.reshape(height // factor, factor, width // factor, factor).mean((1, 3))


@pytest.mark.scenes
@pytest.mark.parametrize("scale", [4, 8])
@pytest.mark.parametrize("name", SCENES)
def test_the_sharpener_beats_bicubic_on_real_scenes(write_raster, tmp_path, name, scale):
    folder, native = SHARED / "data" / "scenes" / name, SCENES[name]

    def fine(path: Path) -> tuple[np.ndarray, Affine, CRS]:
        with rasterio.open(path) as raster:
            values = raster.read(1, masked=True).astype(np.float64).filled(np.nan)
            transform = raster.transform * Affine.scale(native)
            return average(values * raster.scales[0], native), transform, raster.crs

    truth, transform, crs = fine(folder / "lst.tif")
    height, width = (size // scale * scale for size in truth.shape)
    truth = truth[:height, :width]
    coarse = average(truth, scale).astype(np.float32)
    lst = write_raster("lst.tif", coarse, transform * Affine.scale(scale), crs=crs)
    guides = []
    for band in ("blue", "green", "red", "nir", "swir1", "swir2"):
        values = fine(folder / f"{band}.tif")[0].astype(np.float32)
        guides.append(BandSource(write_raster(f"{band}.tif", values, transform, crs=crs)))
    errors = {}
    for model, conserve in (("bicubic", "none"), ("ridge", "kelvin")):
        output = tmp_path / f"{model}_fine.tif"
        downscale(
            Request(BandSource(lst), output, guides, scale=scale, model=model, conserve=conserve)
        )
        errors[model] = np.sqrt(np.nanmean((read(output) - truth) ** 2))
    assert errors["ridge"] < 0.8 * errors["bicubic"]


@pytest.mark.parametrize("conserve", [True, False])
def test_a_method_that_gives_no_number_is_an_error(write_raster, conserve):
    class Silent(Pass):
        def forward(self, lst: torch.Tensor, guide: torch.Tensor) -> torch.Tensor:
            fine = super().forward(lst, guide).clone()
            fine[..., 5, 5] = torch.inf
            return fine

    scene, _ = scene_of(write_raster, (12, 12), 4, gaps=[(3, 3)])
    method = passing(4)
    method.network = Silent()
    layout = Layout.of((12, 12), tile=12, overlap=0, halo=0)
    with scene, pytest.raises(GroklstError, match="returned NaN for"):
        run(scene, method, layout, [Strip(slice(0, 12), slice(0, 12))], conserve=conserve)
