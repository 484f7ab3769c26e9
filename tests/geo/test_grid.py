import math

import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS

from groklst_cli.geo.grid import Grid

UTM = CRS.from_epsg(32647)
GRIDS = [
    Grid(UTM, Affine(240, 0, 500000.25, 0, -240, 4390000.75), 20, 30),
    Grid(UTM, Affine(240, 0, 500000, 0, 240, 4390000), 20, 30),  # south-up
    Grid(UTM, Affine.translation(5e5, 4e6) * Affine.rotation(33) * Affine.scale(240, -240), 20, 30),
    Grid(CRS.from_epsg(4326), Affine(1 / 480, 0, 99.1, 0, -1 / 480, 39.9), 20, 30),
]


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_refining_keeps_origin_bounds_and_area(grid, scale):
    fine = grid.refine(scale)
    assert (fine.transform.c, fine.transform.f) == (grid.transform.c, grid.transform.f)
    assert fine.bounds == pytest.approx(grid.bounds, rel=1e-12)
    assert fine.pixel_size[0] * scale == pytest.approx(grid.pixel_size[0], rel=1e-14)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("scale", [2, 3, 4, 7])
def test_coarsening_undoes_refining_and_leaves_out_what_fills_no_pixel(grid, scale):
    fine = grid.refine(scale)
    assert fine.coarsen(scale).shape == grid.shape
    assert fine.coarsen(scale).transform.almost_equals(grid.transform, precision=1e-9)
    coarse = grid.coarsen(scale)
    assert coarse.shape == (20 // scale, 30 // scale)
    assert coarse.transform == grid.transform * Affine.scale(scale)
    assert coarse.offset_of(coarse) == (0, 0)
    assert grid.coarsen(1) == grid


@pytest.mark.parametrize("grid", GRIDS)
def test_cropping_moves_the_origin_by_whole_pixels(grid):
    part = grid.crop(slice(3, 9), slice(5, 25))
    assert part.shape == (6, 20)
    assert part.transform * (0, 0) == pytest.approx(grid.transform * (5, 3), rel=1e-14)
    assert grid.offset_of(part) == (3, 5)
    assert grid.crop(slice(0, 20), slice(0, 30)) == grid


@pytest.mark.parametrize("grid", GRIDS[:2] + GRIDS[3:])
@given(
    top=st.integers(0, 18), left=st.integers(0, 28), down=st.integers(1, 5), right=st.integers(1, 5)
)
def test_bounds_of_a_part_select_that_part(grid, top, left, down, right):
    rows, columns = slice(top, min(20, top + down)), slice(left, min(30, left + right))
    assert grid.window_of(grid.crop(rows, columns).bounds) == (rows, columns)


def test_bounds_outside_select_nothing():
    rows, columns = GRIDS[0].window_of((0, 0, 1, 1))
    assert rows.start == rows.stop or columns.start == columns.stop


def test_a_shift_of_half_a_pixel_or_another_crs_is_another_lattice():
    grid = GRIDS[0]
    half = Grid(grid.crs, grid.transform * Affine.translation(0.5, 0), 20, 30)
    other = Grid(CRS.from_epsg(32648), grid.transform, 20, 30)
    assert grid.offset_of(half) is None
    assert grid.offset_of(other) is None
    assert grid.offset_of(grid.refine(2)) is None


def test_pixels_along_a_pixel_are_counted_across_crs():
    coarse = GRIDS[0]
    assert coarse.refine(8).pixels_per_pixel_of(coarse) == pytest.approx(8)
    assert coarse.pixels_per_pixel_of(coarse.refine(8)) == pytest.approx(1 / 8)
    degrees = 240 / 111_320
    world = Grid(CRS.from_epsg(4326), Affine(degrees, 0, 98.95, 0, -degrees, 39.7), 60, 60)
    expected = 1 / math.sqrt(math.cos(math.radians(39.66)))
    assert world.pixels_per_pixel_of(coarse) == pytest.approx(expected, rel=0.01)


def test_overlap_is_told_across_crs():
    coarse = GRIDS[0]
    near = Grid(CRS.from_epsg(4326), Affine(0.01, 0, 98.9, 0, -0.01, 39.8), 20, 20)
    far = Grid(CRS.from_epsg(4326), Affine(0.01, 0, -60, 0, -0.01, -10), 20, 20)
    assert near.overlaps(coarse)
    assert not far.overlaps(coarse)


@pytest.mark.parametrize(
    ("zone", "east", "left", "turns"),
    [
        (32647, 500000, 98.5, [0]),
        (32647, 500000, 98.5 + 360, [-360]),
        (32647, 500000, 98.5 - 360, [360]),
        (32660, 730000, 178.5, [0, -360, 360]),  # 180° lies within
    ],
)
def test_only_the_turns_of_longitudes_that_are_met_are_looked_at(zone, east, left, turns):
    scene = Grid(CRS.from_epsg(zone), Affine(30, 0, east, 0, -30, 4390000), 2000, 2000)
    guide = Grid(CRS.from_epsg(4326), Affine(0.001, 0, left, 0, -0.001, 40.5), 2500, 2500)
    found = [round(copy.transform.c - guide.transform.c) for copy in guide.copies_over(scene)]
    assert found == turns
