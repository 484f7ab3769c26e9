"""What is special about HiT-SR: how windows are filled, summarized and told of each other."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from groklst_models.blocks.mirror import mirrored
from groklst_models.blocks.ngram import NGramContext
from groklst_models.blocks.window import WindowAttention
from groklst_models.errors import ArgumentsError
from groklst_models.registry import build
from groklst_models.single.hit_sr import Correlation, PairWord, see_channels

WIDTH, HEADS, SIZE, GRID = 48, 2, 8, 4
CELLS, SQUARE, HALF = SIZE**2, SIZE // GRID, WIDTH // 2


def correlation(*, has_context: bool = False) -> Correlation:
    torch.manual_seed(0)
    return Correlation(WIDTH, HEADS, SIZE, GRID, has_context=has_context)


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)))


def means_over_squares(cells: torch.Tensor) -> torch.Tensor:
    """Average (…, T) over squares, (…, M²)."""
    squares = cells.reshape(*cells.shape[:-1], GRID, SQUARE, GRID, SQUARE)
    return squares.mean(dim=(-3, -1)).flatten(-2)


@pytest.mark.parametrize("size", [(5, 7), (8, 9), (2, 15)])
def test_a_mirror_goes_on_as_torch_has_it_and_further(size):
    features, (height, width) = drawn(2, 3, *size), size
    once = functional.pad(features, (0, width - 1, 0, height - 1), mode="reflect")
    assert torch.equal(mirrored(features, 2 * height - 1, 2 * width - 1), once)
    far = mirrored(features, 7 * height, 7 * width)
    down, right = 2 * (height - 1), 2 * (width - 1)  # the pattern's periods
    assert torch.equal(far[..., down:, :], far[..., :-down, :])
    assert torch.equal(far[..., right:], far[..., :-right])
    assert torch.equal(far[..., : 2 * height - 1, : 2 * width - 1], once)


def test_a_single_row_is_repeated():
    features = drawn(1, 2, 1, 3)
    assert torch.equal(mirrored(features, 4, 3), features.expand(1, 2, 4, 3))


@pytest.mark.parametrize("has_context", [False, True])
@pytest.mark.parametrize("size", [(1, 2), (7, 9), (8, 16), (17, 3)])
def test_a_map_is_seen_as_what_its_mirrors_make_of_it(size, has_context):
    part, features = correlation(has_context=has_context), drawn(2, WIDTH, *size)
    whole = 2 * SIZE if has_context else SIZE
    height, width = (-(-side // whole) * whole for side in size)
    with torch.inference_mode():
        filled = part(mirrored(features, height, width))
        torch.testing.assert_close(part(features), filled[..., : size[0], : size[1]])


def test_position_biases_are_means_over_all_cells_of_a_square():
    part = correlation()
    places = torch.cartesian_prod(torch.arange(SIZE), torch.arange(SIZE)).float()
    pairs = places[:, None] - places  # from the key to the query
    every = part.position(pairs.reshape(-1, 2)).reshape(HEADS, CELLS, CELLS)
    expected = means_over_squares(every).mT
    torch.testing.assert_close(part.position_bias(), expected)


def test_a_square_is_summarized_by_one_number_for_each_of_its_cells():
    part, value = correlation(), drawn(2, 3, CELLS, HALF)
    nn.init.normal_(part.summary.bias)
    summary = part.summarized(value)
    cells = value.reshape(2, 3, SIZE, SIZE, HALF)
    for row in range(GRID):
        for column in range(GRID):
            square = cells[:, :, row * SQUARE :, column * SQUARE :][:, :, :SQUARE, :SQUARE]
            flat = square.permute(0, 1, 4, 2, 3).flatten(3)
            expected = part.summary(flat)[..., 0]
            torch.testing.assert_close(summary[:, :, row * GRID + column], expected)


def test_cells_see_the_summary_by_scores_without_softmax():
    part, query, value = correlation(), drawn(2, 3, CELLS, HALF), drawn(3, 2, CELLS, HALF)
    value = value.transpose(0, 1)
    seen = part.see_cells(query, value)
    bias, summary, channels = part.position_bias().mT, part.summarized(value), HALF // HEADS
    for head in range(HEADS):
        own = slice(head * channels, (head + 1) * channels)
        scores = query[..., own] @ summary[..., own].mT / channels + bias[head]
        torch.testing.assert_close(seen[..., own], scores @ summary[..., own])


def test_channels_see_each_other_over_the_window():
    query, value = drawn(2, 3, 5, 4), drawn(2, 3, 5, 4) + 1
    seen = see_channels(query, value)
    for cell in range(5):
        alike = sum(query[:, :, i, :, None] * value[:, :, i, None] for i in range(5)) / 5
        expected = (alike @ value[:, :, cell, :, None])[..., 0]
        torch.testing.assert_close(seen[:, :, cell], expected)


def test_a_word_has_a_channel_for_two_neighbouring_ones_made_alike():
    torch.manual_seed(0)
    word, features = PairWord(3), drawn(2, 6, 6, 9)
    words = word(features)
    for pair in range(3):
        expected = word.conv(features[:, 2 * pair : 2 * pair + 2])[:, 0]
        torch.testing.assert_close(words[:, pair], expected)


def test_a_window_hears_the_grams_that_begin_and_end_with_it():
    torch.manual_seed(0)
    attention = WindowAttention(4, heads=2, size=2)
    context = NGramContext(8, word=nn.Identity(), attention=attention)
    words = drawn(2, 4, 3, 5)
    heard = context(words)
    for row in range(3):
        for column in range(5):
            means = []
            for step in (1, -1):  # beyond an edge stands the row or column before it
                rows = [row, row + step if 0 <= row + step < 3 else row - step]
                columns = [column, column + step if 0 <= column + step < 5 else column - step]
                gram = words[:, :, sorted_by(rows, step)][..., sorted_by(columns, step)]
                means.append(attention(gram.flatten(2).mT[:, None]).mean(dim=2)[:, 0])
            expected = context.merge(torch.cat(means, dim=1)[..., None, None])[..., 0, 0]
            torch.testing.assert_close(heard[..., row, column], expected)


def sorted_by(places: list[int], step: int) -> list[int]:
    """Put the window's own place first in a gram that begins with it, last in one that ends so."""
    return places[::step]


def test_training_keeps_no_table_of_all_pairs():
    kept = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel())
        return tensor

    part = Correlation(WIDTH, HEADS, 32, GRID, has_context=False)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        part(drawn(1, WIDTH, 32, 32)).sum()
    assert max(kept) < 32**4


def test_windows_are_refused_that_squares_do_not_fill():
    with pytest.raises(ArgumentsError, match="a window of 12 is not a multiple of a grid of 8"):
        build("hit_sir", scale=2, windows=[4, 12])
