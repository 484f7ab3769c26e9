from dataclasses import replace

import numpy as np
import pytest

from groklst_cli.geo.error_model import LEAST, MEASURED, CoarseTerms, Factors, Terms, roughness

SCALE = 8


@pytest.fixture
def planes() -> tuple[np.ndarray, ...]:
    """An LST, what a method left of it, and the energy of what it put in."""
    rng = np.random.default_rng(0)
    return rng.normal(300, 3, (30, 30)), rng.normal(0, 1, (30, 30)), np.full((30, 30), 9.0)


def terms(**energies: float) -> Terms:
    names = ("edges", "put_in", "left", "expected", "interpolated")
    filled = {name: np.full((2, 3), energies.pop(name, 0.2)) for name in names}
    return Terms(**filled, **({"means": 0.0, "pixels": 1000} | energies))


@pytest.mark.parametrize("name", ["edges", "put_in", "left", "expected", "means"])
def test_more_of_any_energy_means_more_variance(name):
    assert (MEASURED.variance(terms(**{name: 5.0})) > MEASURED.variance(terms())).all()


def test_fewer_coarse_pixels_mean_more_variance():
    few, many = (MEASURED.variance(terms(pixels=pixels)) for pixels in (100, 100_000))
    assert (few > 1.5 * many).all()


def test_without_any_energy_the_least_deviation_is_left():
    nothing = dict.fromkeys(("edges", "put_in", "left", "expected"), 0.0)
    np.testing.assert_allclose(MEASURED.variance(terms(**nothing)), LEAST**2)


def test_where_a_method_only_interpolated_nothing_but_expectation_counts():
    only = Factors(edges=1, put_in=1, left=1, expected=0.5, few=1000)
    variance = only.variance(terms(interpolated=1.0, edges=9.0, put_in=9.0, left=9.0, expected=4.0))
    np.testing.assert_allclose(variance, 2 + LEAST**2)


def test_a_larger_residual_is_a_larger_share_and_leaves_more(planes):
    lst, residual, detail = planes
    less, more = (CoarseTerms.of(lst, part * residual, detail, SCALE) for part in (0.5, 1.0))
    assert more.share == pytest.approx(4 * less.share)
    np.testing.assert_allclose(more.left, 4 * less.left)


def test_interpolation_is_known_by_what_it_did_not_put_in(planes):
    lst, residual, detail = planes
    assert (CoarseTerms.of(lst, 0 * residual, 0 * detail, SCALE).interpolated > 0.99).all()
    assert (CoarseTerms.of(lst, residual, detail, SCALE).interpolated < 0.05).all()
    assert (CoarseTerms.of(lst, residual, detail, SCALE).expected > 9).all()


def test_where_guidance_ends_interpolation_begins(planes):
    lst, residual, detail = planes
    detail = detail.copy()
    detail[:, 15:] = 0
    sure = CoarseTerms.of(lst, residual, detail, SCALE).interpolated
    assert sure[:, :8].max() < 0.1
    assert sure[:, 27:].min() > 0.9


def test_a_frame_of_nodata_changes_no_term(planes):
    lst, residual, detail = planes
    lst[5:8, 3:9] = residual[5:8, 3:9] = np.nan
    framed = [np.pad(plane, 14, constant_values=np.nan) for plane in (lst, residual, detail)]
    bare, held = CoarseTerms.of(lst, residual, detail, 4), CoarseTerms.of(*framed, 4)
    assert held.share == pytest.approx(bare.share)
    for name in ("left", "expected", "interpolated"):
        inner = getattr(held, name)[14:-14, 14:-14]
        np.testing.assert_allclose(inner, np.where(np.isnan(lst), np.nan, getattr(bare, name)))


def test_roughness_is_that_of_an_edge_and_none_of_a_plane():
    plane = np.full((12, 12), 300.0)
    np.testing.assert_array_equal(roughness(plane), 0)
    plane[:, 6:] += 3
    rough = roughness(plane)
    assert (rough[:, 5:7] > 0.6).all()
    np.testing.assert_array_equal(rough[:, [0, 1, 2, 3, 8, 9, 10, 11]], 0)


def test_roughness_of_a_window_is_that_of_the_whole_two_pixels_inside():
    plane = np.random.default_rng(1).normal(300, 2, (30, 20))
    plane[4:7, 3] = plane[20, 11:] = np.nan
    whole, part = roughness(plane), roughness(plane[8:26])
    np.testing.assert_array_equal(part[2:-2], whole[10:24])
    np.testing.assert_array_equal(np.isnan(whole), np.isnan(plane))


def test_factors_count_each_for_its_own_term():
    doubled = replace(MEASURED, left=2 * MEASURED.left)
    assert (doubled.variance(terms()) > MEASURED.variance(terms())).all()
    np.testing.assert_array_equal(doubled.variance(terms(left=0)), MEASURED.variance(terms(left=0)))
