"""What is special about SRFormer: cells look at squares, whose channels are those of four cells."""

from itertools import product

import pytest
import torch
from torch import Tensor

from groklst_models.blocks.mirror import mirrored
from groklst_models.errors import ArgumentsError
from groklst_models.registry import build
from groklst_models.single.srformer import PermutedAttention, from_squares, to_squares

WINDOW = 8


def started(width: int, heads: int, shift: int) -> PermutedAttention:
    generator = torch.Generator().manual_seed(0)
    attention = PermutedAttention(width, heads, WINDOW, shift=shift).double()
    for parameter in attention.parameters():
        parameter.data.copy_(torch.randn(parameter.shape, generator=generator) / 3)
    return attention


def cell_by_cell(attention: PermutedAttention, features: Tensor, shift: int) -> Tensor:
    """What each cell gathers from the squares of its window, projected."""
    channels, height, width = features.shape
    query = attention.query(features.permute(1, 2, 0))  # (H, W, C)
    pieces = attention.key_value(features.permute(1, 2, 0))  # (H, W, C/2)
    squares = {
        (row, column): [
            torch.cat([part[2 * row + i, 2 * column + j] for i, j in product((0, 1), (0, 1))])
            for part in pieces.chunk(2, dim=2)
        ]
        for row, column in product(range(height // 2), range(width // 2))
    }
    middle, size = WINDOW // 2 - 1, channels // attention.heads
    gathered = torch.zeros_like(query)
    for head, row, column in product(range(attention.heads), range(height), range(width)):
        home = ((row - shift) // WINDOW, (column - shift) // WINDOW)
        around = [
            square
            for square in squares
            if ((2 * square[0] - shift) // WINDOW, (2 * square[1] - shift) // WINDOW) == home
        ]
        own = slice(head * size, head * size + size)
        keys, values = (torch.stack([squares[s][part][own] for s in around]) for part in (0, 1))
        table = attention.position_bias.table[head]
        bias = [table[row // 2 - r + middle, column // 2 - c + middle] for r, c in around]
        scores = keys @ query[row, column, own] / size**0.5 + torch.stack(bias)
        gathered[row, column, own] = scores.softmax(0) @ values
    return attention.project(gathered).permute(2, 0, 1)


@pytest.mark.parametrize("shift", [0, WINDOW // 2])
@pytest.mark.parametrize("heads", [2, 3])  # heads of a whole number of pieces, and not
@pytest.mark.parametrize("size", [(16, 8), (8, 8)])
def test_cells_attend_to_squares_in_windows_cut_at_the_edges_of_the_map(size, heads, shift):
    attention = started(12, heads, shift)
    features = torch.randn(1, 12, *size, generator=torch.Generator().manual_seed(1)).double()
    with torch.inference_mode():
        expected = cell_by_cell(attention, features[0], shift)
        torch.testing.assert_close(attention(features)[0], expected)


def test_a_square_holds_its_cells_row_by_row_and_is_laid_out_again():
    features = torch.arange(2 * 3 * 8 * 12).reshape(2, 3, 8, 12)
    squares = to_squares(features, 4)  # (2, 6, 4, 4, 3)
    second = features[1, :, 4:6, 2:4].flatten(1).T  # the second square of the fourth window
    assert torch.equal(squares[1, 3, 1], second)
    assert torch.equal(from_squares(squares, 8, 12), features)


@pytest.mark.parametrize("size", [(1, 2), (5, 7), (4, 8)])
def test_a_map_is_mirrored_to_whole_windows(size):
    torch.manual_seed(0)
    network = build("srformer", scale=2, width=8, groups=1, layers=2, heads=2, window=4)
    lst = torch.randn(1, 1, *size)
    height, width = (-(-side // 4) * 4 for side in size)
    whole = network(mirrored(lst, height, width))
    torch.testing.assert_close(network(lst), whole[..., : 2 * size[0], : 2 * size[1]])


def test_a_window_whose_half_would_part_squares_is_refused():
    with pytest.raises(ArgumentsError, match="window is 6, expected a multiple of 4"):
        build("srformer", scale=2, window=6)
