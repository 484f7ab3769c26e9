"""SAN's non-local module looks at quadrants, and at the largest of each 2 × 2 keys and values."""

import torch
from torch import nn

from groklst_models.single.san import RegionNonLocal


def module() -> RegionNonLocal:
    torch.manual_seed(0)
    region = RegionNonLocal(16)
    nn.init.normal_(region.expand.weight)
    return region


def test_odd_sides_are_cut_so_that_the_upper_and_left_quadrants_are_the_smaller_ones():
    first = torch.randn(1, 16, 5, 7)
    second = first.clone()
    second[..., 2, 3] += 1  # belongs to the lower right quadrant of 3 × 4 pixels
    with torch.inference_mode():
        changed = (module()(first) != module()(second)).any(dim=1)[0]
    assert changed[2:4, 3:7].any()
    assert not changed[:2].any()
    assert not changed[:, :3].any()


def test_the_odd_last_row_and_column_of_a_quadrant_are_no_keys():
    first = torch.randn(1, 16, 6, 6)  # quadrants of 3 × 3: one pooled key each
    second = first.clone()
    second[..., 2, 2] += 1
    with torch.inference_mode():
        changed = (module()(first) != module()(second)).any(dim=1)[0]
    assert changed.nonzero().tolist() == [[2, 2]]


def test_a_map_of_one_row_and_one_of_one_pixel_pass():
    with torch.inference_mode():
        for height, width in ((1, 5), (5, 1), (1, 1)):
            assert torch.isfinite(module()(torch.randn(1, 16, height, width))).all()
