"""Laws of products with matrices that are zero but near their diagonal."""

import pytest
import torch

from groklst_models.sampling.banded import bands, weigh_columns, weigh_rows
from groklst_models.sampling.sensor import Sensor


def sensors(size: int, scale: int = 4) -> torch.Tensor:
    return torch.stack([Sensor(scale, sigma).matrix(size) for sigma in (0.0, 0.7, 2.0)])


@pytest.mark.parametrize("size", [1, 6, 13])
def test_products_are_those_with_whole_matrices(size):
    planes = torch.randn(5, 4 * size, 28, dtype=torch.float64)
    down, across = sensors(size), sensors(7)
    rows = weigh_rows(down, planes)
    torch.testing.assert_close(rows, torch.einsum("snm,fmw->sfnw", down, planes))
    both = weigh_columns(rows, across)
    torch.testing.assert_close(both, torch.einsum("sfhm,snm->sfhn", rows, across))
    each = weigh_columns(planes[None], across)
    torch.testing.assert_close(each, torch.einsum("fhm,snm->sfhn", planes, across))


def test_bands_leave_out_zeros_alone():
    matrices = sensors(13)
    covered = torch.zeros_like(matrices)
    for rows, reached in bands(matrices):
        covered[:, rows, reached] += 1
    assert int(covered.max()) == 1
    assert not matrices[covered == 0].any()
    assert float(covered.mean()) < 0.8
