"""What is believed of coarse values: found where it was put in, nothing where there is nothing."""

import numpy as np
import pytest

from groklst_cli.geo.conserve import Conservation, block_means
from groklst_cli.geo.noise import REACH, Covariance, Noise, Spectra, kernel, seen_power

SCALE, SIDE = 4, 24


def fields(length: float, spread: float, noise: float, count: int = 9) -> list[np.ndarray]:
    """Draw what the sensor sees of fields of one kelvin, with noise of its own."""
    rng = np.random.default_rng(1)
    power = np.sqrt(seen_power(SIDE, SCALE, length, spread))
    made = []
    for _ in range(count):
        white = np.fft.fft2(rng.normal(size=power.shape))
        seen = np.fft.ifft2(white * power).real[:SIDE, :SIDE]
        made.append(seen + noise * rng.normal(size=seen.shape))
    return made


@pytest.mark.parametrize("spread", [0.0, 1.6])
@pytest.mark.parametrize("noise", [0.1, 0.4, 0.9])
def test_noise_put_in_is_found(spread, noise):
    spectra = Spectra(SIDE, SCALE, spread)
    found = spectra.likeliest(spectra.power(fields(16, spread, noise)))
    assert found is not None
    assert 0.7 < found.noise / noise < 1.4
    assert 0.6 < found.variance < 1.7


def test_where_none_was_put_in_next_to_none_is_found():
    spectra = Spectra(SIDE, SCALE, 1.6)
    found = spectra.likeliest(spectra.power(fields(16, 1.6, 0.0)))
    assert found is not None
    assert found.noise < 0.05


@pytest.mark.parametrize("noise", [0.05, 0.5, 3.0])
def test_noise_that_is_stated_is_taken(noise):
    spectra = Spectra(SIDE, SCALE, 0.0)
    found = spectra.likeliest(spectra.power(fields(16, 0.0, 0.3)), noise)
    assert found is not None
    assert found.noise == pytest.approx(noise)


@pytest.mark.parametrize("value", [0.0, 300.0])
def test_a_constant_says_nothing(value):
    spectra = Spectra(8, SCALE, 0.0)
    assert spectra.likeliest(spectra.power([np.full((8, 8), value)])) is None


@pytest.mark.parametrize("scale", [2, 3, 8, 64])
@pytest.mark.parametrize("ratio", [0.01, 1.0, 8.0])
def test_weights_sum_to_one_and_are_the_same_from_all_sides(scale, ratio):
    weights = np.array(kernel(scale, 2.0 * scale, 0.3 * scale, ratio))
    assert weights.shape == (2 * REACH + 1,) * 2
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    for turn in range(4):
        np.testing.assert_allclose(np.rot90(weights, turn), weights, atol=1e-14)
    np.testing.assert_allclose(weights.T, weights, atol=1e-14)


def test_the_less_is_believed_the_less_a_value_counts_for_itself():
    middle = [kernel(4, 8.0, 0.0, ratio)[REACH][REACH] for ratio in (1e-6, 0.1, 1.0, 8.0)]
    assert middle == sorted(middle, reverse=True)
    assert middle[0] == pytest.approx(1, abs=1e-3)


def test_exact_sensors_and_rough_land_are_believed():
    rough, smooth = Covariance(8, 1.0, 1.0), Covariance(8, 0.05, 1.0)
    assert Noise.of(smooth, smooth, 0.0).believed == 0
    assert Noise.of(rough, rough, 0.0).believed == 0
    assert Noise.of(rough, smooth, 0.0).believed > 0  # whiter than the land can be
    assert Noise.of(rough, rough, 0.6).believed == pytest.approx(1, abs=0.05)  # blurred away


def test_smoothing_by_belief_brings_a_noisy_residual_nearer_to_the_land():
    spectra, rng = Spectra(SIDE, SCALE, 0.0), np.random.default_rng(2)
    clean = fields(32, 0.0, 0.0)
    noisy = [land + 0.8 * rng.normal(size=land.shape) for land in clean]
    power = spectra.power(noisy)
    found = spectra.likeliest(power)
    assert found is not None
    belief = spectra.believe(found, found.ratio, power, spread=0.0)
    kept = Conservation(SCALE, belief=belief)
    restored = np.array([block_means(kept.field(seen), SCALE) for seen in noisy])
    off = np.sqrt(np.mean((restored - clean) ** 2))
    assert off < 0.7 * np.sqrt(np.mean(np.subtract(noisy, clean) ** 2))
    assert belief.doubt == pytest.approx(off, rel=0.3)
    assert belief.departure == pytest.approx(np.sqrt(np.mean((restored - noisy) ** 2)), rel=0.2)
