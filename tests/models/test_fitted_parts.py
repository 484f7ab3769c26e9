"""Laws of what the fitted methods are made of."""

import numpy as np
import pytest
import torch

from groklst_models.bands import derive
from groklst_models.fitted.ridge import Ridge
from groklst_models.guidance import fill_within_coarse
from groklst_models.sampling.features import Features, has_gaps
from groklst_models.sampling.fold_moments import FoldMoments
from groklst_models.sampling.sensor import Sensor
from groklst_models.sampling.side_by_side import side_by_side
from groklst_models.threads import threads
from tests.models.toy_scene import ToyScene

BANDS = ("green", "red", "nir", "swir1", "dem")


def guidance(what: str, batch: int = 2) -> torch.Tensor:
    """Guidance ``(B, G, 160, 24)`` at scale 4, more rows than are worked on at once."""
    generator = torch.Generator().manual_seed(5)
    guide = torch.rand(batch, len(BANDS), 160, 24, generator=generator)
    if what == "gaps":
        guide[0, 1, 130:131, 3] = torch.nan
        guide[1, :, 8:12, 4:8] = torch.nan
    elif what == "zeros":
        guide[0, :4, 20] = 0
    elif what == "negative":
        guide[:, :4] -= 0.2
    return guide


@pytest.mark.parametrize("what", ["plain", "gaps", "zeros", "negative"])
class TestFeatures:
    def test_they_are_what_derive_makes_with_gaps_filled(self, what):
        features, guide = Features(BANDS, 4), guidance(what)
        derived = derive(guide, BANDS, features.names)
        expected = fill_within_coarse(derived, 4)
        torch.testing.assert_close(features.fine(guide), expected, equal_nan=True, rtol=0, atol=0)
        planes = torch.stack([*features.planes(guide)], dim=1)
        torch.testing.assert_close(planes, derived, equal_nan=True, rtol=0, atol=0)
        assert has_gaps(derived) == bool(derived.isnan().any())

    def test_weighed_ones_are_their_sum_and_samples_stay_apart(self, what):
        features, guide = Features(BANDS, 4), guidance(what)
        weights = torch.linspace(-2, 3, len(features.names), dtype=torch.float64)
        missing = torch.linspace(0, 1, len(features.names), dtype=torch.float64)
        fine = features.fine(guide).double()
        filled = torch.where(fine.isnan(), missing[:, None, None], fine)
        expected = (filled * weights[:, None, None]).sum(dim=1, keepdim=True) + 300
        found = features.weighed(guide, weights, missing, 300.0)
        torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-4)
        alone = [features.weighed(part[None], weights, missing, 300.0) for part in guide]
        torch.testing.assert_close(found, torch.cat(alone), rtol=0, atol=0)


@pytest.mark.parametrize("sigma", [0.0, 0.7, 2.5])
def test_the_sensors_matrix_is_its_blur_and_the_mean_of_a_coarse_pixel(sigma):
    sensor = Sensor(4, sigma)
    fine = torch.randn(1, 1, 20, 28, generator=torch.Generator().manual_seed(1)).double()
    expected = sensor.blur(fine)[0, 0].view(5, 4, 7, 4).mean(dim=(1, 3))
    seen = sensor.matrix(5) @ fine[0, 0] @ sensor.matrix(7).T
    torch.testing.assert_close(seen, expected, rtol=0, atol=1e-12)


def test_a_shifted_sensor_sees_a_linear_mixture():
    sensor = Sensor(3, 1.1)
    whole, next_one = sensor.matrix(6, 2.0), sensor.matrix(6, 3.0)
    torch.testing.assert_close(sensor.matrix(6, 2.25), 0.75 * whole + 0.25 * next_one)


@pytest.mark.parametrize("parts", [1, 3])
def test_sums_over_folds_give_the_errors_of_regressions_without_them(parts):
    generator = torch.Generator().manual_seed(2)
    planes = torch.randn(2, 4, 90, generator=generator, dtype=torch.float64) + 0.3
    target = planes[0].sum(dim=0) + torch.randn(90, generator=generator, dtype=torch.float64)
    fold = torch.randint(0, 3, (90,), generator=generator)
    pieces = [
        FoldMoments.of(p, t, f, 4)  # the last fold is empty
        for p, t, f in zip(
            planes.chunk(parts, -1), target.chunk(parts), fold.chunk(parts), strict=True
        )
    ]
    sums = sum(pieces[1:], pieces[0])
    found, slopes = sums.errors(0.01), sums.slopes(0.01)
    assert found.shape == (2, 4)
    assert (found[:, 3] == 0).all()
    for index in range(2):
        design = (planes[index] / planes[index].std(dim=1, keepdim=True)).T
        for left_out in range(3):
            test, rest = fold == left_out, fold != left_out
            normal = design[rest].T @ design[rest] + 0.01 * rest.sum() * torch.eye(4).double()
            weights = torch.linalg.solve(normal, design[rest].T @ target[rest])
            expected = (target[test] - design[test] @ weights).square().sum()
            torch.testing.assert_close(found[index, left_out], expected)
            left = target[test] - slopes[index, left_out] @ planes[index][:, test]
            torch.testing.assert_close(left.square().sum(), expected)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_work_side_by_side_comes_in_order_and_puts_threads_back(count):
    with threads(count):
        assert list(side_by_side(lambda number: number**2, range(7))) == [n**2 for n in range(7)]
        assert torch.get_num_threads() == count


def test_an_error_beside_others_comes_out():
    def work(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    with pytest.raises(ValueError, match="two"):
        list(side_by_side(work, range(5)))


def test_a_fit_has_the_same_bits_on_any_number_of_threads():
    scene = ToyScene.make(BANDS, shape=(60, 52))
    fits = []
    for count in (1, 2):
        ridge = Ridge(scale=scene.scale)
        with threads(count):
            ridge.fit(scene)
        fits.append((ridge.sensor.sigma, ridge.intercept, *ridge.coefficients.tolist()))
    np.testing.assert_array_equal(fits[0], fits[1])
