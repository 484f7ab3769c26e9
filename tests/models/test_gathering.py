"""Where DKN and FDKN read the LST."""

import torch
from torch.nn import functional

from groklst_models.guided.dkn import Gathering


def test_neighbours_are_those_of_a_window_with_zeros_around_it_and_around_the_image():
    torch.manual_seed(0)
    kernel, window, height, width = 3, 5, 6, 9
    fine = torch.randn(1, 1, height, width) + 3
    offsets = 6 * torch.rand(1, 2 * kernel**2, height, width) - 3  # some leave the window
    gathering = Gathering(kernel, window)
    windows = functional.unfold(fine, window, padding=window // 2)  # (1, W·W, H·W)
    windows = windows[0].T.reshape(-1, 1, window, window)
    moved = gathering.grid + offsets.reshape(1, 2, -1, height, width)  # (1, 2, K, H, W)
    places = moved[0].flip(0).flatten(2).permute(2, 1, 0)[:, :, None]  # (H·W, K, 1, columns first)
    places = places / (window / 2)
    expected = functional.grid_sample(windows, places, align_corners=False)  # (H·W, 1, K, 1)
    expected = expected[:, 0, :, 0].T.reshape(1, -1, height, width)
    torch.testing.assert_close(gathering(fine, offsets), expected, atol=1e-5, rtol=1e-5)
