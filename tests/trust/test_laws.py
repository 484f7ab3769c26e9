"""Laws that hold for any grid, mask, unit, cut and orientation, on values that nobody chose."""

import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from rasterio.crs import CRS

from groklst_cli.geo.align import GuideSource
from groklst_cli.geo.conserve import Conservation, block_means
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.metrics import SCORE_NAMES, Scores
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.predict.layout import Layout, Strip
from groklst_cli.pipeline.predict.strips import finished_rows, surroundings
from groklst_cli.pipeline.predict.tile_rows import predict_tile_rows
from groklst_models.fitted.bicubic import Bicubic
from tests.conftest import UTM, read

DEGREES = CRS.from_epsg(4326)
ALBERS = CRS.from_epsg(5070)
ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)


@st.composite
def transforms(draw: st.DrawFn, *, turned: bool = True) -> Affine:
    """Pixels of a millimetre to a thousand kilometres, north-up, south-up or turned."""
    size, shape = 10 ** draw(st.floats(-3, 6)), draw(st.floats(0.5, 2))
    place = Affine.translation(*(draw(st.floats(-1e6, 1e6)) * size for _ in range(2)))
    angle = draw(st.floats(0, 360)) if turned else 0.0
    return (
        place
        * Affine.rotation(angle)
        * Affine.scale(size, draw(st.sampled_from([-1, 1])) * size * shape)
    )


@st.composite
def grids(draw: st.DrawFn, *, turned: bool = True) -> Grid:
    if draw(st.booleans()):
        return Grid(
            UTM,
            draw(transforms(turned=turned)),
            draw(st.integers(1, 9000)),
            draw(st.integers(1, 9000)),
        )
    step = draw(st.floats(1e-5, 0.01))
    height, width = draw(st.integers(1, 9000)), draw(st.integers(1, 9000))
    west, north = draw(st.floats(-180, 80)), draw(st.floats(0, 90))
    return Grid(DEGREES, Affine(step, 0, west, 0, -step, north), height, width)


def part_of(draw: st.DrawFn, length: int) -> slice:
    start = draw(st.integers(0, length - 1))
    return slice(start, draw(st.integers(start + 1, length)))


@given(grids(), st.integers(2, 16), st.data())
def test_a_part_refined_is_the_refined_part(grid, scale, data):
    rows, columns = part_of(data.draw, grid.height), part_of(data.draw, grid.width)
    fine = grid.refine(scale)
    assert (fine.transform.c, fine.transform.f) == (grid.transform.c, grid.transform.f)
    assert grid.crop(rows, columns).shape == (rows.stop - rows.start, columns.stop - columns.start)
    assert grid.offset_of(grid.crop(rows, columns)) == (rows.start, columns.start)
    assert fine.offset_of(grid.crop(rows, columns).refine(scale)) == (
        rows.start * scale, columns.start * scale,
    )  # fmt: skip
    assert fine.offset_of(grid) is None


@given(grids(), st.data())
def test_a_part_of_a_part_is_a_part(grid, data):
    rows, columns = part_of(data.draw, grid.height), part_of(data.draw, grid.width)
    part = grid.crop(rows, columns)
    down, across = part_of(data.draw, part.height), part_of(data.draw, part.width)
    inner = part.crop(down, across)
    assert grid.offset_of(inner) == (rows.start + down.start, columns.start + across.start)
    assert part.offset_of(grid) == (-rows.start, -columns.start)


@given(grids(turned=False), st.data())
def test_the_bounds_of_a_part_select_it_however_large_pixels_are(grid, data):
    rows, columns = part_of(data.draw, grid.height), part_of(data.draw, grid.width)
    assert grid.window_of(grid.crop(rows, columns).bounds) == (rows, columns)


@given(grids(), st.data())
def test_the_bounds_of_a_turned_part_select_at_least_it(grid, data):
    rows, columns = part_of(data.draw, grid.height), part_of(data.draw, grid.width)
    down, across = grid.window_of(grid.crop(rows, columns).bounds)
    assert down.start <= rows.start < rows.stop <= down.stop
    assert across.start <= columns.start < columns.stop <= across.stop


@st.composite
def layouts(draw: st.DrawFn, height: int, width: int, halo: int) -> Layout:
    tile = draw(st.integers(1, 12))
    overlap, batch = draw(st.integers(0, tile // 2)), draw(st.integers(1, 7))
    return Layout.of((height, width), tile=tile, overlap=overlap, halo=halo, batch=batch)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([0, 2]), st.data())
def test_parts_use_batches_of_the_whole_and_all_they_touch(height, width, halo, data):
    layout = data.draw(layouts(height, width, halo))
    strip = Strip(part_of(data.draw, height), part_of(data.draw, width))
    groups, across = layout.groups_of(strip), layout.columns_of(strip)
    whole = layout.groups_of(Strip(slice(0, height), slice(0, width)))
    assert all(group in whole for group in groups)
    assert set(layout.rows.touching(strip.rows)) <= {row for group in groups for row in group}
    assert set(layout.columns.touching(strip.columns)) <= set(across)
    assert across.start % layout.batch == 0
    assert [row for group in whole for row in group] == list(range(len(layout.rows.spans)))


@ONE_FOLDER
@given(st.integers(1, 23), st.integers(1, 23), st.sampled_from([2, 3, 5]), st.data())
def test_any_part_in_any_batches_on_any_threads_is_that_of_the_whole(
    write_raster, height, width, scale, data
):
    draw, method = data.draw, Bicubic(scale=scale)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    lst = rng.normal(300, 9, (height, width)).astype(np.float32)
    lst[rng.random(lst.shape) < draw(st.sampled_from([0, 0.3, 0.9]))] = np.nan
    lst.flat[0] = 300
    path = write_raster("lst.tif", lst, Affine(240, 0, 5e5, 0, -240, 4.39e6))
    kept = draw(st.sampled_from([None, Conservation(scale), Conservation(scale, radiance=True)]))
    layout = draw(layouts(height, width, method.halo))

    def made(scene: Scene, strip: Strip, at_once: int) -> np.ndarray:
        needed = surroundings(strip, scene, kept)
        rows = predict_tile_rows(
            scene, method, layout, needed, layout.groups_of(needed),
            at_once=at_once,
        )  # fmt: skip
        parts = finished_rows(scene, layout, strip, rows, conservation=kept)
        return np.concatenate([fine for _, fine in parts])

    with Scene(BandSource(path), [], scale, units="K") as scene:
        whole = made(scene, Strip(slice(0, height), slice(0, width)), 1)
        strip = Strip(part_of(draw, height), part_of(draw, width))
        part = made(scene, strip, draw(st.integers(1, 4)))
        fine = scene.to_fine(strip.rows), scene.to_fine(strip.columns)
    np.testing.assert_array_equal(part, whole[fine])
    np.testing.assert_array_equal(np.isnan(whole[::scale, ::scale]), np.isnan(lst))


@settings(max_examples=40)
@given(
    st.integers(2, 16), st.integers(1, 14), st.integers(1, 14), st.booleans(),
    st.sampled_from([0, 0.1, 0.7]), st.integers(0, 999),
)  # fmt: skip
def test_coarse_means_are_restored_once_and_for_all(scale, height, width, radiance, gaps, seed):
    rng = np.random.default_rng(seed)
    lst = rng.normal(300, 8, (height, width)).astype(np.float32)
    lst[rng.random(lst.shape) < gaps] = np.nan
    known = np.isfinite(lst)
    assume(known.any())
    fine = rng.normal(300, 4, (height * scale, width * scale)).astype(np.float32)
    kind = Conservation(scale, radiance=radiance)

    def restored(values: np.ndarray) -> np.ndarray:
        parts = list(kind.apply([(0, values)], lambda rows: lst[rows], height))
        return np.concatenate([part for _, part in parts])

    once = restored(fine)
    power = 4 if radiance else 1
    means = block_means(once.astype(np.float64) ** power, scale) ** (1 / power)
    assert np.abs(means - lst)[known].max() < 0.01
    assert np.abs(restored(once) - once).max() < 0.02


def scene_files(folder: Path, seed: int, gaps: float) -> tuple[Path, Path, Path, np.ndarray]:
    """One scene in kelvin and in °C, and its guide."""
    rng = np.random.default_rng(seed)
    guide = rng.random((48, 40)).astype(np.float32)
    lst = block_means(290 + 20 * guide, 4).astype(np.float32)
    lst[rng.random(lst.shape) < gaps] = np.nan
    lst.flat[:3] = 299, 300, 301
    fine = Affine(30, 0, 5e5, 0, -30, 4.39e6)
    coarse = fine * Affine.scale(4)
    paths = folder / "k.tif", folder / "c.tif", folder / "guide.tif"
    planes = lst, (lst - np.float32(273.15)), guide
    for path, plane, place in zip(paths, planes, (coarse, coarse, fine), strict=True):
        height, width = plane.shape
        with rasterio.open(
            path, "w", driver="GTiff", count=1, height=height, width=width, dtype="float32",
            crs=UTM, transform=place, nodata=math.nan,
        ) as raster:  # fmt: skip
            raster.write(plane, 1)
    return *paths, lst


@pytest.mark.parametrize("model", ["bicubic", "ridge", "local"])
@settings(ONE_FOLDER, max_examples=4)
@given(st.integers(0, 99), st.sampled_from([0, 0.2, 0.6]))
def test_kelvin_and_celsius_give_one_result_with_the_gaps_of_the_coarse(
    tmp_path, model, seed, gaps
):
    kelvin, celsius, guide, lst = scene_files(tmp_path, seed, gaps)
    made = []
    for path, units in ((kelvin, "K"), (celsius, "C")):
        out = tmp_path / f"{units}.out.tif"
        guides = [BandSource(str(guide))]
        downscale(
            Request(
                BandSource(str(path)),
                out,
                guides,
                scale=4,
                model=model,
                lst_units=units,
                overwrite=True,
                psf="none",
            )
        )
        made.append(read(out))
    np.testing.assert_allclose(made[1] + 273.15, made[0], atol=4e-4)
    for fine in made:
        np.testing.assert_array_equal(np.isnan(fine), np.isnan(lst).repeat(4, 0).repeat(4, 1))


def plane_on(grid: Grid) -> np.ndarray:
    """Sample one plane in UTM metres at a grid's pixel centres; 0.01 and 0.02 a fine pixel."""
    columns, rows = np.meshgrid(np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5)
    a, b, c, d, e, f = tuple(grid.transform)[:6]
    x, y = Transformer.from_crs(grid.crs, UTM, always_xy=True).transform(
        a * columns + b * rows + c, d * columns + e * rows + f
    )
    return (x - 5e5) / 30 * 0.01 + (y - 4.4e6) / 30 * 0.02


@st.composite
def covering(draw: st.DrawFn, fine: Grid) -> Grid:
    """A grid of any CRS, pixel and orientation with all of the fine grid well inside."""
    crs = draw(st.sampled_from([UTM, CRS.from_epsg(32646), DEGREES, CRS.from_epsg(3857)]))
    pixel = draw(st.floats(9, 100)) * (1 / 111_320 if crs.is_geographic else 1)
    left, bottom, right, top = fine.bounds
    xs, ys = Transformer.from_crs(fine.crs, crs, always_xy=True).transform(
        [left, left, right, right], [bottom, top, bottom, top]
    )
    reach = max(max(xs) - min(xs), max(ys) - min(ys)) * 0.75 + 6 * pixel
    turn = 0.0 if crs.is_geographic else draw(st.sampled_from([0.0, 17.0, 90.0, 201.0]))
    up = draw(st.sampled_from([-1, 1]))
    middle = Affine.translation((min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2)
    side = 2 * math.ceil(reach * (1.45 if turn else 1) / pixel) + 1
    shift = Affine.translation(-side / 2 + draw(st.floats(0, 1)), -side / 2)
    transform = middle * Affine.rotation(turn) * Affine.scale(pixel, up * pixel) * shift
    return Grid(crs, transform, side, side)


def assert_same_plane(found: np.ndarray, expected: np.ndarray) -> None:
    """Allow for GDAL's mean, which is over whole guide pixels; half a fine pixel is 0.005."""
    error = found - expected
    assert np.abs(error).max() < 4e-3
    assert abs(error.mean()) < 3e-4


@settings(ONE_FOLDER, max_examples=15)
@given(st.sampled_from([0.0, 33.0, 180.0]), st.sampled_from([-1, 1]), st.data())
def test_a_plane_comes_from_anywhere_in_any_windows_and_can_be_moved(write_raster, turn, up, data):
    place = Affine.translation(5e5, 4.4e6) * Affine.rotation(turn) * Affine.scale(30, 30 * up)
    fine = Grid(UTM, place, 40, 36)
    there = data.draw(covering(fine))
    path = write_raster(
        "guide.tif", plane_on(there).astype(np.float32), there.transform, crs=there.crs
    )
    guide = GuideSource(BandSource(path), fine)
    whole = guide.read(slice(0, 40), slice(0, 36))
    assert_same_plane(whole[0], plane_on(fine))
    rows, columns = part_of(data.draw, 40), part_of(data.draw, 36)
    np.testing.assert_array_equal(guide.read(rows, columns), whole[:, rows, columns])
    right, down = data.draw(st.floats(-2, 2)), data.draw(st.floats(-2, 2))
    guide.move(right, down)
    moved = guide.read(slice(0, 40), slice(0, 36))[0]
    guide.close()
    beside = Grid(UTM, place * Affine.translation(right, down), 40, 36)
    assert_same_plane(moved, plane_on(beside))


@settings(max_examples=40)
@given(st.integers(2, 30), st.integers(2, 30), st.sampled_from([0, 0.3]), st.integers(0, 999))
def test_scores_do_not_know_left_from_right_nor_who_is_who(height, width, gaps, seed):
    rng = np.random.default_rng(seed)
    truth = rng.normal(300, 6, (height, width)).astype(np.float32)
    fine = (truth + rng.normal(0.4, 2, truth.shape)).astype(np.float32)
    fine[rng.random(fine.shape) < gaps] = np.nan
    here, swapped = Scores.of(fine, truth), Scores.of(truth, fine)
    for name in ("pixels", "rmse", "mae", "cc", "rmse_free", "gradient_cc"):
        assert getattr(swapped, name) == pytest.approx(getattr(here, name), nan_ok=True)
    if here.pixels:
        assert swapped.bias == pytest.approx(-here.bias)
        assert abs(here.bias) <= here.mae * (1 + 1e-9) <= here.rmse * (1 + 1e-6)
        assert math.isnan(here.cc) or -1 - 1e-9 <= here.cc <= 1 + 1e-9
        assert math.isnan(here.ssim) or here.ssim <= 1
    for turn in (np.flipud, np.fliplr, np.transpose):
        turned = Scores.of(turn(fine), turn(truth))
        for name in SCORE_NAMES:
            assert getattr(turned, name) == pytest.approx(
                getattr(here, name), rel=1e-6, nan_ok=True
            )
