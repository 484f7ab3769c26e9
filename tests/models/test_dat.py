"""What is special about DAT: oblong windows, channels that attend, norms with fixed statistics."""

from itertools import product

import pytest
import torch
from torch import Tensor, nn

from groklst_models.registry import build
from groklst_models.single.dat import ChannelSelfAttention, FrozenNorm, OblongAttention

ROWS, COLUMNS = 2, 4


def shaken(part: nn.Module, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    for parameter in part.parameters():
        parameter.data.copy_(torch.randn(parameter.shape, generator=generator))
    return part


def cell_by_cell(attention: OblongAttention, parts: Tensor, *, moves: bool) -> Tensor:
    """What each cell gathers in its window of a map with zeros below and on the right."""
    _, channels, height, width = parts.shape
    whole = torch.zeros(channels, -(-height // 4) * 4, -(-width // 4) * 4, dtype=parts.dtype)
    whole[:, :height, :width] = parts[0]
    cells = list(product(range(whole.shape[1]), range(whole.shape[2])))
    query, key, value = whole.chunk(3)
    heads = query.shape[0] // 2  # of two channels each
    gathered = torch.zeros_like(query)
    for place, (rows, columns) in enumerate(((ROWS, COLUMNS), (COLUMNS, ROWS))):
        position = attention.branches[place].position
        before = (rows // 2, columns // 2) if moves else (0, 0)

        def window(cell, before=before, rows=rows, columns=columns):
            return (cell[0] - before[0]) // rows, (cell[1] - before[1]) // columns

        for head, (row, column) in product(range(heads // 2), cells):
            around = [cell for cell in cells if window(cell) == window((row, column))]
            own = slice(2 * (place * heads // 2 + head), 2 * (place * heads // 2 + head) + 2)
            apart = torch.tensor([[row - r, column - c] for r, c in around], dtype=parts.dtype)
            near = torch.stack([key[own, r, c] for r, c in around])
            scores = near @ query[own, row, column] / 2**0.5 + position(apart)[head]
            values = torch.stack([value[own, r, c] for r, c in around])
            gathered[own, row, column] = scores.softmax(0) @ values
    return gathered[None, :, :height, :width]


@pytest.mark.parametrize("moves", [False, True])
@pytest.mark.parametrize("size", [(5, 7), (8, 4), (4, 4)])
def test_cells_attend_in_windows_cut_at_the_edges_of_the_padded_map(size, moves):
    attention = shaken(OblongAttention(4, ROWS, COLUMNS, 3, moves=moves)).double()
    parts = torch.randn(1, 24, *size, generator=torch.Generator().manual_seed(1)).double()
    with torch.inference_mode():
        expected = cell_by_cell(attention, parts, moves=moves)
        torch.testing.assert_close(attention(parts), expected)


def test_windows_move_in_every_second_layer_among_cells_and_otherwise_in_the_next_group():
    network = build("dat", scale=2, width=32, depths=[7, 7], heads=2, window=(ROWS, COLUMNS))
    moved = [
        [
            index
            for index, layer in enumerate(group.layers)
            if isinstance(layer.attention.far, OblongAttention)
            and layer.attention.far.branches[0].shift == [1, 2]
            and layer.attention.far.branches[1].shift == [2, 1]
        ]
        for group in network.groups
    ]
    assert moved == [[2, 6], [0, 4]]


def test_a_network_of_positions_of_one_channel_says_nothing():
    parts = torch.randn(1, 24, 4, 8, generator=torch.Generator().manual_seed(1))
    first, second = (
        shaken(OblongAttention(4, ROWS, COLUMNS, 1, moves=True), seed) for seed in (0, 1)
    )
    torch.testing.assert_close(first(parts), second(parts))


def test_channels_attend_by_the_angle_of_their_courses_over_the_map():
    attention = ChannelSelfAttention(2)
    attention.temperature.data = torch.tensor([3.0, -1.0]).reshape(2, 1, 1)
    parts = torch.randn(1, 18, 5, 7, generator=torch.Generator().manual_seed(1))
    query, key, value = parts[0].chunk(3)
    expected = torch.zeros_like(query)
    for channel in range(6):
        head = channel // 3
        others = range(3 * head, 3 * head + 3)
        angles = [
            torch.cosine_similarity(query[channel].flatten(), key[other].flatten(), dim=0)
            for other in others
        ]
        weights = (attention.temperature[head].item() * torch.stack(angles)).softmax(0)
        expected[channel] = sum(w * value[c] for w, c in zip(weights, others, strict=True))
    torch.testing.assert_close(attention(parts)[0], expected)


def test_frozen_norms_are_batch_normalizations_with_fixed_statistics():
    published = shaken(nn.BatchNorm2d(5)).eval()
    published.running_mean.copy_(torch.linspace(-1, 1, 5))
    published.running_var.copy_(torch.linspace(0.1, 3, 5))
    ours = FrozenNorm(5)
    ours.weight.data = published.weight / (published.running_var + published.eps).sqrt()
    ours.bias.data = published.bias - published.running_mean * ours.weight
    features = torch.randn(2, 5, 3, 4)
    torch.testing.assert_close(ours(features), published(features))


def test_frozen_norms_have_the_parameters_of_others_and_keep_samples_apart():
    arguments = {"scale": 2, "width": 32, "depths": [2], "heads": 2, "window": (ROWS, COLUMNS)}
    frozen, other = (build("dat", frozen_norms=kind, **arguments) for kind in (True, False))
    count = [sum(p.numel() for p in network.parameters()) for network in (frozen, other)]
    assert count[0] == count[1]
    lst = torch.randn(2, 1, 5, 7)
    torch.testing.assert_close(frozen(lst)[1:], frozen(lst[1:]), atol=1e-5, rtol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = frozen(lst)
    torch.testing.assert_close(rounded.float(), frozen(lst), atol=0.05, rtol=0.05)
