"""What is special about DLGSANet: a kernel for each cell, and attention in overlapping windows."""

from itertools import pairwise

import pytest
import torch
from torch.nn import functional

from groklst_models.registry import build
from groklst_models.single.dlgsanet import GlobalLayer, filter_cells, starts


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)))


def test_each_cell_is_filtered_by_its_own_kernel():
    values, kernels = drawn(2, 6, 4, 5), drawn(2, 3, 7, 7, 4, 5)  # two channels share a kernel
    filtered = filter_cells(values, kernels)
    padded = functional.pad(values, (3, 3, 3, 3))
    for channel in range(6):
        for row in range(4):
            for column in range(5):
                around = padded[:, channel, row : row + 7, column : column + 7]
                own = kernels[:, channel // 2, :, :, row, column]
                expected = (around * own).sum(dim=(1, 2))
                torch.testing.assert_close(filtered[:, channel, row, column], expected)


def test_gradients_of_kernels_and_values_are_those_of_an_unfolded_sum():
    parts = drawn(1, 4, 5, 3).requires_grad_(), drawn(1, 2, 3, 3, 5, 3).requires_grad_()
    weights = drawn(1, 4, 5, 3)
    ours = torch.autograd.grad((filter_cells(*parts) * weights).sum(), parts)
    around = functional.unfold(parts[0], 3, padding=1).reshape(1, 2, 2, 3, 3, 5, 3)
    summed = (around * parts[1][:, :, None]).sum(dim=(3, 4)).flatten(1, 2)
    torch.testing.assert_close(ours, torch.autograd.grad((summed * weights).sum(), parts))


def test_sums_of_half_floats_lose_no_more_than_their_terms():
    values, kernels = drawn(1, 4, 16, 16), drawn(1, 2, 7, 7, 16, 16)
    halves = [part.bfloat16() for part in (values, kernels)]
    exact = filter_cells(*(part.double() for part in halves))
    torch.testing.assert_close(filter_cells(*halves).double(), exact, atol=1e-4, rtol=0)


@pytest.mark.parametrize("window", [1, 3, 16, 96])
def test_windows_cover_a_side_once_at_least_and_are_no_more_than_needed(window):
    for side in range(1, 250):
        found = starts(side, window)
        assert len(found) <= -(-side // window)
        assert found[0] == 0
        assert found[-1] == max(0, side - window)
        steps = [after - before for before, after in pairwise(found)]
        assert all(0 < step <= window for step in steps)
        assert len(set(steps[:-1])) <= 1  # equal steps; the last may be shorter
        assert all(step <= steps[0] for step in steps)


@pytest.mark.parametrize(
    ("side", "window", "found"),
    [(24, 16, [0, 8]), (32, 16, [0, 16]), (200, 96, [0, 52, 104]), (256, 72, [0, 62, 124, 184])],
)
def test_windows_begin_where_the_rule_puts_them(side, window, found):
    assert starts(side, window) == found


def test_each_cell_has_the_mean_of_the_windows_over_it():
    torch.manual_seed(0)
    layer = GlobalLayer(8, heads=2, window=4, expansion=1)
    parts = drawn(2, 24, 7, 10)
    attended = layer.attend_in_windows(parts)
    for row in range(7):
        for column in range(10):
            said = [
                layer.attend(parts[..., top : top + 4, left : left + 4])[
                    ..., row - top, column - left
                ]
                for top in starts(7, 4)
                for left in starts(10, 4)
                if 0 <= row - top < 4 and 0 <= column - left < 4
            ]
            torch.testing.assert_close(attended[..., row, column], torch.stack(said).mean(dim=0))


def test_evaluation_is_training_up_to_the_window_and_not_beyond():
    torch.manual_seed(0)
    network = build("dlgsanet", scale=2, width=8, groups=1, blocks=1, sharing=4, heads=2, window=8)
    for side, alike in ((8, True), (9, False)):
        lst = drawn(2, 1, 8, side)
        trained, evaluated = network.train()(lst), network.eval()(lst)
        assert torch.allclose(trained, evaluated, atol=1e-6) == alike


def test_channels_that_are_unlike_add_nothing():
    layer = GlobalLayer(2, heads=1, window=8, expansion=1)
    course = drawn(1, 1, 3, 3)
    parts = torch.cat([course, -course, -course, course, drawn(1, 2, 3, 3)], dim=1)
    attended = layer.attend(parts)  # each channel's query is the other's key
    torch.testing.assert_close(attended, parts[:, 4:].flip(1))
