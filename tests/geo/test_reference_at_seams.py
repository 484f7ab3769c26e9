"""References that are compared across the antimeridian, where longitudes wrap."""

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from groklst_cli.geo.grid import Grid
from groklst_cli.geo.reference import bring_reference
from tests.trust.test_wrapping_crs import (
    FRAMES,
    SEAMS,
    WGS84,
    degrees_grid,
    grid_at,
    pattern,
    truth_on,
)


def degrees_values(grid: Grid) -> np.ndarray:
    longitudes = grid.transform.c + (np.arange(grid.width) + 0.5) * grid.transform.a
    latitudes = grid.transform.f + (np.arange(grid.height) + 0.5) * grid.transform.e
    near = np.abs((longitudes % 360) - 180) < 1
    values = np.full(grid.shape, np.float32(99))
    values[:, near] = pattern(*np.meshgrid(longitudes[near], latitudes))
    return values


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("seam", SEAMS)
def test_a_reference_is_averaged_across_the_seam_without_gap_or_step(seam, frame):
    crs, latitude = SEAMS[seam]
    there = grid_at(crs, 180, latitude, 1000, 12)
    here = degrees_grid(FRAMES[frame], latitude, 0.004)
    brought = bring_reference(degrees_values(here), here, there)
    truth = truth_on(there.refine(8)).reshape(12, 8, 12, 8).mean((1, 3))
    assert np.isfinite(brought).all()
    assert np.abs(brought - truth).max() < 0.1


def test_a_reference_in_other_longitudes_is_found():
    here = Grid(WGS84, Affine(0.01, 0, -180, 0, -0.01, 1), 20, 100)
    there = Grid(WGS84, Affine(0.01, 0, 180.2, 0, -0.01, 1), 20, 30)
    values = np.arange(2000, dtype=np.float32).reshape(20, 100)
    brought = bring_reference(values, here, there)
    np.testing.assert_array_equal(brought, values[:, 20:50])


def test_the_two_ends_of_the_world_meet_in_one_reference():
    world = Grid(WGS84, Affine(0.5, 0, -180, 0, -0.5, 1), 4, 720)
    there = Grid(CRS.from_epsg(4326), Affine(0.5, 0, 179, 0, -0.5, 1), 4, 4)
    values = np.tile(np.arange(720, dtype=np.float32), (4, 1))
    brought = bring_reference(values, world, there)
    np.testing.assert_allclose(brought, np.tile([718, 719, 0, 1], (4, 1)), atol=1e-3)
