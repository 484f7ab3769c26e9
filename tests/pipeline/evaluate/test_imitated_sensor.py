from dataclasses import replace

import numpy as np
import pytest

from groklst_cli.geo.conserve import block_means
from groklst_cli.geo.smoothing import gaussian_mean
from groklst_cli.pipeline.evaluate.imitated_sensor import Measured, detail_spread
from groklst_cli.pipeline.evaluate.protocol import WaldProtocol

EXACT = WaldProtocol(title="t", scale=4)
BLURRED = replace(EXACT, psf_sigma=0.42)
NOISY = replace(EXACT, noise_k=0.8)


@pytest.fixture
def truth() -> np.ndarray:
    """Rough land of 80 × 96 coarse pixels, kelvin, with a gap."""
    rough = np.random.default_rng(0).normal(size=(320, 384))
    land = (300 + 40 * gaussian_mean(rough, 3.0)).astype(np.float32)
    land[40:60, 80:120] = np.nan
    return land


def noise_in(truth: np.ndarray, protocol: WaldProtocol, scene: str = "field") -> np.ndarray:
    quiet = replace(protocol, noise_k=0.0, noise_of_detail=0.0)
    loud, still = (Measured.of(truth, p, scene).coarse for p in (protocol, quiet))
    return (loud - still).astype(float)


def test_an_exact_sensor_measures_means_to_the_last_bit(truth):
    measured = Measured.of(truth, EXACT, "field")
    assert np.array_equal(measured.coarse, block_means(truth, 4).astype(np.float32), equal_nan=True)
    assert measured.noise == 0
    assert EXACT.is_exact


def test_noise_has_the_size_that_is_stated_and_no_mean(truth):
    for protocol in (NOISY, replace(NOISY, psf_sigma=0.42)):
        noise = noise_in(truth, protocol)[np.isfinite(block_means(truth, 4))]
        error = 0.8 / np.sqrt(noise.size)
        assert abs(noise.mean()) < 4 * error
        assert abs(noise.std() - 0.8) < 4 * error / np.sqrt(2)
        assert Measured.of(truth, protocol, "field").noise == 0.8


def test_noise_of_neighbours_is_independent(truth):
    noise = noise_in(np.full_like(truth, 300), NOISY)
    for one, other in ((noise[1:], noise[:-1]), (noise[:, 1:], noise[:, :-1])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 4 / np.sqrt(one.size)


def test_a_share_of_detail_is_of_the_exact_means_whatever_the_blur(truth):
    exact = Measured.of(truth, EXACT, "field").coarse
    for psf in (0.0, 0.42):
        half = replace(EXACT, psf_sigma=psf, noise_of_detail=0.5)
        assert Measured.of(truth, half, "field").noise == 0.5 * detail_spread(exact)


def test_detail_follows_the_land_s_range_and_not_its_level(truth):
    coarse = block_means(truth, 4).astype(np.float32)
    spread = detail_spread(coarse)
    assert detail_spread(2 * coarse) == pytest.approx(2 * spread, rel=1e-4)
    assert detail_spread(coarse + 10) == pytest.approx(spread, rel=1e-4)
    assert detail_spread(np.full_like(coarse, 300)) == pytest.approx(0, abs=1e-4)
    assert detail_spread(np.full_like(coarse, np.nan)) == 0


def test_a_sensor_blurs_the_truth_before_it_averages(truth):
    seen = gaussian_mean(truth, 0.42 * 4)
    assert np.allclose(
        Measured.of(truth, BLURRED, "field").coarse, block_means(seen, 4), atol=1e-4, equal_nan=True
    )
    point = np.full((36, 36), 300, np.float32)
    point[18, 18] = 400  # in one coarse pixel, and not at its middle: neighbours see it unalike
    left, middle, right = Measured.of(point, BLURRED, "field").coarse[4, 3:6] - 300
    assert middle > right > left > 0


def test_the_same_request_has_the_same_bits_and_another_seed_or_scene_other_noise(truth):
    protocol = replace(BLURRED, noise_of_detail=1.0)
    once, twice = (Measured.of(truth, protocol, "field").coarse for _ in range(2))
    assert np.array_equal(once, twice, equal_nan=True)
    known = np.isfinite(once)
    mine = noise_in(truth, protocol)[known]
    for other in (
        noise_in(truth, replace(protocol, seed=1))[known],
        noise_in(truth, protocol, "town")[known],
    ):
        assert abs(np.corrcoef(mine, other)[0, 1]) < 4 / np.sqrt(mine.size)


def test_gaps_stay_where_they_are(truth):
    gaps = np.isnan(block_means(truth, 4))
    for protocol in (EXACT, BLURRED, NOISY):
        measured = Measured.of(truth, protocol, "field")
        assert np.array_equal(np.isnan(measured.coarse), gaps)
        assert np.array_equal(np.isnan(measured.exact), gaps)
