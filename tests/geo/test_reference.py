import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer
from rasterio.crs import CRS

from groklst_cli.errors import InputError
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.reference import best_shift, bring_reference

UTM = CRS.from_epsg(32631)
SINUSOIDAL = CRS.from_proj4("+proj=sinu +R=6371007.181 +units=m")
THERE = Grid(UTM, Affine(100, 0, 500_000, 0, -100, 5_005_000), 30, 40)


def centres(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.indices(grid.shape) + 0.5
    t = grid.transform
    return t.a * columns + t.b * rows + t.c, t.d * columns + t.e * rows + t.f


def plane(grid: Grid) -> np.ndarray:
    """A temperature that is linear in UTM, whose area mean is its value at the centre."""
    x, y = centres(grid)
    x, y = Transformer.from_crs(grid.crs, UTM, always_xy=True).transform(x, y)
    return (290 + (x - 500_000) / 1000 + (y - 5_000_000) / 1500).astype(np.float32)


def around(size: float, angle: float = 0) -> Grid:
    """A grid of other pixels that covers ``THERE`` and more, turned about its corner."""
    count = int(9000 / size)
    place = Affine.translation(498_000, 5_007_000) * Affine.rotation(angle)
    return Grid(UTM, place * Affine.scale(size, -size), count, count)


@pytest.mark.parametrize("size", [10, 30, 70, 100, 130])
@pytest.mark.parametrize("angle", [0, 12])
def test_a_plane_stays_where_it_is_whatever_the_other_grid(size, angle):
    here = around(size, angle)
    got = bring_reference(plane(here), here, THERE)
    known = np.isfinite(got)
    step = 100 / 1000 + 100 / 1500  # kelvin from pixel to pixel
    assert known.mean() > 0.5
    assert np.abs(got - plane(THERE))[known].max() < 0.25 * step
    assert abs((got - plane(THERE))[known].mean()) < 0.01 * step


def test_a_plane_stays_where_it_is_across_projections_that_shear():
    x, y = Transformer.from_crs(UTM, SINUSOIDAL, always_xy=True).transform(500_000, 5_005_000)
    here = Grid(SINUSOIDAL, Affine(60, 0, x - 3000, 0, -60, y + 3000), 160, 200)
    got = bring_reference(plane(here), here, THERE)
    known = np.isfinite(got)
    assert known.mean() > 0.9
    assert np.abs(got - plane(THERE))[known].max() < 0.02


def test_a_finer_reference_is_averaged_exactly():
    here = THERE.refine(4)
    values = np.random.default_rng(0).normal(300, 3, here.shape).astype(np.float32)
    got = bring_reference(values, here, THERE)
    means = values.astype(float).reshape(30, 4, 40, 4).mean((1, 3))
    assert np.abs(got - means).max() < 1e-4


def test_area_is_kept_on_a_turned_grid():
    here = around(40, 20)
    inside = np.zeros(here.shape, np.float32)
    column, row = (int(v) for v in ~here.transform * (502_000, 5_003_500))
    inside[row - 20 : row + 20, column - 20 : column + 20] = 100  # pixels of 40 m
    got = bring_reference(inside + 250, here, THERE) - 250
    assert got[np.isfinite(got)].sum() * 100**2 == pytest.approx(100 * 1600 * 40**2, rel=1e-3)


def test_one_lattice_is_taken_as_it_is_and_cut():
    values = np.random.default_rng(0).normal(300, 3, (50, 60)).astype(np.float32)
    here = Grid(UTM, THERE.transform * Affine.translation(-7, 5), 50, 60)
    got = bring_reference(values, here, THERE)
    assert np.array_equal(got[5:], values[:25, 7:47])
    assert np.isnan(got[:5]).all()


def test_pixels_that_are_covered_too_little_are_left_out():
    here = THERE.refine(10)
    values = np.full(here.shape, 300, np.float32)
    values[:10, :10].flat[:10] = np.nan  # 10 % of the first pixel
    values[:10, 10:20].flat[:11] = np.nan  # 11 % of the second
    got = bring_reference(values, here, THERE)
    assert got[0, 0] == 300
    assert np.isnan(got[0, 1])
    assert np.isfinite(got).sum() == got.size - 1
    assert np.isfinite(bring_reference(values, here, THERE, least_covered=0.5)).all()


def test_the_reference_s_edge_counts_as_not_covered():
    here = Grid(UTM, Affine(10, 0, 500_050, 0, -10, 5_005_000), 300, 395)
    got = bring_reference(np.full(here.shape, 300, np.float32), here, THERE)
    assert np.isnan(got[:, 0]).all()
    assert np.isfinite(got[:, 1:]).all()


def test_gaps_do_not_leak_into_means():
    here = THERE.refine(10)
    values = plane(here)
    values[5::10, 5::10] = np.nan
    got = bring_reference(values, here, THERE)
    assert np.abs(got - plane(THERE)).max() < 0.01


def test_a_reference_elsewhere_or_much_coarser_is_refused():
    far = Grid(UTM, Affine(10, 0, 700_000, 0, -10, 5_005_000), 10, 10)
    with pytest.raises(InputError, match=r"ref\.tif covers .* must overlap"):
        bring_reference(np.zeros((10, 10), np.float32), far, THERE, path="ref.tif")
    coarse = Grid(UTM, Affine(201, 0, 500_000, 0, -201, 5_005_000), 15, 20)
    with pytest.raises(InputError, match=r"2\.01 times as long.*--scale"):
        bring_reference(np.zeros((15, 20), np.float32), coarse, THERE)


@pytest.mark.parametrize("move", [(0, 0), (1, 0), (-2, 1), (2, 2)])
def test_a_shift_put_in_by_hand_is_found(move):
    truth = np.random.default_rng(0).normal(300, 3, (30, 40)).astype(np.float32)
    found = best_shift(np.roll(truth, (-move[0], -move[1]), (0, 1)), truth)
    assert found is not None
    assert (found.rows, found.columns) == move
    assert found.rmse == 0
    assert (found.rmse_unmoved == 0) == (move == (0, 0))


def test_shifts_are_compared_over_the_same_pixels():
    truth = np.random.default_rng(0).normal(300, 3, (30, 40)).astype(np.float32)
    prediction = truth.copy()
    prediction[10, 10] = np.nan
    found = best_shift(prediction, truth, reach=1)
    assert found is not None
    assert found.rmse == found.rmse_unmoved == 0
    assert best_shift(np.full_like(truth, np.nan), truth) is None


@pytest.mark.parametrize("angle", [0, 20, 45])
def test_means_are_over_the_pixel_as_it_lies(angle):
    here = around(60, angle)
    values = np.random.default_rng(0).normal(300, 3, here.shape).astype(np.float32)
    got = bring_reference(values, here, THERE)
    x, y = centres(THERE.refine(20))
    t = ~here.transform
    rows, columns = (
        np.floor(v).astype(int) for v in (t.d * x + t.e * y + t.f, t.a * x + t.b * y + t.c)
    )
    inside = (rows >= 0) & (rows < here.height) & (columns >= 0) & (columns < here.width)
    sampled = values[np.where(inside, rows, 0), np.where(inside, columns, 0)].astype(float)
    means = sampled.reshape(30, 20, 40, 20).mean((1, 3))
    known = np.isfinite(got) & inside.reshape(30, 20, 40, 20).all((1, 3))
    assert known.mean() > 0.5
    assert np.sqrt(np.mean((got - means)[known] ** 2)) < 0.1 * means[known].std()
