import numpy as np
import pytest

from groklst_cli.geo.metrics import Scores
from groklst_cli.geo.smoothing import gaussian_mean, reach


def framed(plane: np.ndarray, width: int = 9) -> np.ndarray:
    return np.pad(plane, width, constant_values=np.nan)


def inner(plane: np.ndarray, width: int = 9) -> np.ndarray:
    return plane[width:-width, width:-width]


@pytest.fixture
def plane() -> np.ndarray:
    """A sloping field with gaps inside and at an edge."""
    rows, columns = np.indices((24, 20))
    field = 300 + 0.3 * rows - 0.2 * columns + np.random.default_rng(0).normal(size=(24, 20))
    field[5:8, 3:9] = field[:4, 15:] = np.nan
    return field


@pytest.mark.parametrize("sigma", [0.7, 1.5, 3.4])
def test_a_frame_of_nodata_changes_no_mean(plane, sigma):
    np.testing.assert_array_equal(
        inner(gaussian_mean(framed(plane), sigma)), gaussian_mean(plane, sigma)
    )


def test_a_frame_of_nodata_changes_no_score(plane):
    other = plane + np.random.default_rng(1).normal(size=plane.shape)
    bare, held = (
        Scores.of(*(part.astype(np.float32) for part in pair))
        for pair in ((plane, other), (framed(plane), framed(other)))
    )
    assert vars(held) == pytest.approx(vars(bare), nan_ok=True)


def test_a_mean_keeps_a_constant_and_its_gaps(plane):
    constant = np.where(np.isnan(plane), np.nan, 300)
    mean = gaussian_mean(constant, 1.5)
    np.testing.assert_array_equal(np.isnan(mean), np.isnan(constant))
    np.testing.assert_allclose(mean[np.isfinite(mean)], 300)
    np.testing.assert_array_equal(gaussian_mean(plane, 0), plane)
    assert reach(0) == 0


def test_a_mean_looks_no_farther_than_its_reach():
    spike = np.zeros((31, 31))
    spike[15, 15] = 1
    rows, columns = np.nonzero(gaussian_mean(spike, 2.0))
    assert max(abs(rows - 15).max(), abs(columns - 15).max()) == reach(2.0)
