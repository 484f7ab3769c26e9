import numpy as np
import pytest
import torch

from groklst_cli.geo.conserve import smooth_field
from groklst_models.sampling.mean_spline import MeanSpline


@pytest.mark.parametrize("scale", [2, 3, 8])
@pytest.mark.parametrize("shape", [(9, 7), (2, 1)])
def test_the_field_has_the_means_and_is_the_one_that_conserving_adds(scale, shape):
    means = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))
    spline = MeanSpline(scale)
    field = spline.evaluate(spline.coefficients(means), 0, 0, *shape)
    seen = torch.nn.functional.avg_pool2d(field, scale)
    torch.testing.assert_close(seen, means, atol=1e-4, rtol=0)
    expected = smooth_field(means[0].double().numpy(), scale)
    np.testing.assert_allclose(field[0].numpy(), expected, atol=1e-5)
    down, across = (spline.spread(size) for size in shape)
    torch.testing.assert_close(down @ means[0] @ across.T, field[0], atol=1e-5, rtol=0)


def test_a_window_is_a_part_of_the_whole():
    means = torch.randn(2, 11, 12, generator=torch.Generator().manual_seed(1))
    spline = MeanSpline(4)
    coefficients = spline.coefficients(means)
    whole = spline.evaluate(coefficients, 0, 0, 11, 12)
    part = spline.evaluate(coefficients, 3, 5, 4, 7)
    torch.testing.assert_close(part, whole[:, 12:28, 20:48], atol=1e-5, rtol=0)
