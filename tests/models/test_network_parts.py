"""Parts that networks share: mirrors, additions left out at random, biases by position."""

import numpy as np
import pytest
import torch
from torch import nn

from groklst_models.blocks.mirror import mirrored
from groklst_models.blocks.position_network import PositionNetwork
from groklst_models.blocks.stochastic_depth import DropPath
from groklst_models.blocks.swin_frame import SwinFrame
from groklst_models.blocks.window import from_windows, moved, to_windows


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 3), (5, 7)])
def test_mirrors_stand_in_the_last_cells_and_in_the_first(size):
    features = torch.randn(2, 3, *size)
    padded = np.pad(
        features.numpy(), ((0, 0), (0, 0), (0, 16 - size[0]), (0, 11 - size[1])), mode="reflect"
    )
    assert np.array_equal(mirrored(features, 16, 11).numpy(), padded)


def test_a_map_that_is_large_enough_is_not_mirrored():
    features = torch.randn(1, 2, 3, 4)
    assert mirrored(features, 3, 4) is features


def test_an_addition_is_left_out_of_whole_samples_and_its_mean_stays():
    torch.manual_seed(0)
    residual = torch.ones(4000, 2, 1, 2)
    dropped = DropPath(0.25)(residual).flatten(1)
    assert torch.equal(dropped.amin(1), dropped.amax(1))
    assert dropped.mean().item() == pytest.approx(1, abs=0.03)
    assert torch.equal(DropPath(0.25).eval()(residual), residual)


def test_layers_are_left_out_ever_more_often():
    rates = []

    def layer(group: int, index: int, rate: float) -> nn.Module:
        rates.append((group, index, rate))
        return nn.Identity()

    SwinFrame(4, [2, 3], layer, scale=2, head_width=None, drop_path=0.4)
    assert [row[:2] for row in rates] == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]
    assert [row[2] for row in rates] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_oblong_windows_are_cut_row_by_row_and_laid_out_again():
    features = torch.arange(2 * 3 * 4 * 12).reshape(2, 3, 4, 12)
    windows = to_windows(features, (2, 4))  # (2, 6, 8, 3)
    assert torch.equal(windows[1, 4], features[1, :, 2:, 4:8].flatten(1).T)
    assert torch.equal(from_windows(windows, 4, 12, rows=2), features)


def test_what_moves_comes_back():
    features = torch.randn(1, 2, 5, 7)
    assert torch.equal(moved(moved(features, -2, -3), 2, 3), features)
    assert torch.equal(moved(features, -2, -3)[..., 0, 0], features[..., 2, 3])
    assert moved(features, 0, 0) is features


def test_biases_are_those_of_the_offset_alone():
    torch.manual_seed(0)
    network = PositionNetwork(5, 3)
    offsets = torch.tensor([[0.0, 0.0], [1.0, -2.0], [0.0, 0.0], [-1.0, 2.0]])
    biases = network(offsets)
    assert biases.shape == (3, 4)
    torch.testing.assert_close(biases[:, 0], biases[:, 2])
    assert not torch.isclose(biases[:, 1], biases[:, 3]).any()
