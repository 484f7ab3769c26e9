import copy
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from groklst_models import winograd
from groklst_models.winograd import CELL, FEWEST_CHANNELS, WinogradConv2d, rows_at_once

pytestmark = pytest.mark.skipif(
    not winograd.is_available(), reason="torch has no NNPACK for this processor"
)
CHANNELS = st.integers(FEWEST_CHANNELS, 70)
SIDES = st.integers(1, 40)


@pytest.fixture(autouse=True, scope="module")
def no_map_is_too_small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "FEWEST_PIXELS", 1)
        yield


def pair(inputs: int = 32, outputs: int = 48, *, bias: bool = True) -> tuple[nn.Conv2d, nn.Conv2d]:
    """A convolution and the same one after it was changed."""
    torch.manual_seed(0)
    plain = nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)
    fast = copy.deepcopy(plain)
    assert WinogradConv2d.fits(fast)
    fast.__class__ = WinogradConv2d
    return plain.eval(), fast.eval()


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@settings(max_examples=40)
@given(CHANNELS, CHANNELS, SIDES, SIDES, st.integers(1, 3), st.booleans())
def test_equals_the_plain_convolution(inputs, outputs, height, width, batch, bias):
    plain, fast = pair(inputs, outputs, bias=bias)
    features = noise(batch, inputs, height, width)
    with torch.inference_mode():
        torch.testing.assert_close(fast(features), plain(features), rtol=0, atol=1e-4)


@settings(max_examples=20)
@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 1500))
def test_bands_of_any_height_meet_without_a_seam(height, width, values):
    plain, fast = pair()
    features = noise(1, 32, height, width)
    with torch.inference_mode(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "BAND_VALUES", values * 48)
        torch.testing.assert_close(fast(features), plain(features), rtol=0, atol=1e-4)


@given(st.integers(1, 10**9))
def test_a_band_is_whole_cells_with_a_row_either_side(values):
    rows = rows_at_once(values)
    assert rows >= 1
    assert (rows + 2) % CELL == 0
    assert rows + 2 == CELL or (rows + 2) * values <= winograd.BAND_VALUES


def test_differs_by_less_than_a_ten_thousandth_of_a_deviation():
    plain, fast = pair(160, 160)
    features = noise(1, 160, 64, 64)
    with torch.inference_mode():
        expected, actual = plain(features), fast(features)
    assert (actual - expected).abs().max() < 2e-4 * expected.std()
    assert (actual - expected).square().mean().sqrt() < 3e-5 * expected.std()


def test_batch_of_two_equals_two_singles_bit_for_bit():
    _, fast = pair()
    features = noise(2, 32, 37, 23)
    with torch.inference_mode():
        assert torch.equal(fast(features), torch.cat([fast(own) for own in features.split(1)]))


def test_bits_do_not_depend_on_what_else_runs():
    _, fast = pair()
    features = noise(1, 32, 97, 83)
    found: list[Tensor] = []

    def compute() -> None:
        with torch.inference_mode():
            found.append(fast(features))

    others = [threading.Thread(target=compute) for _ in range(4)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert len(found) == 4
    assert all(torch.equal(result, found[0]) for result in found)


BITS = """
import hashlib, torch
from groklst_models.winograd import WinogradConv2d

def bits(threads):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    conv, features = torch.nn.Conv2d(64, 64, 3, padding=1), torch.randn(1, 64, 193, 190)
    assert WinogradConv2d.fits(conv)
    conv.__class__ = WinogradConv2d
    with torch.inference_mode():
        return hashlib.sha256(conv(features).numpy().tobytes()).hexdigest()
"""


def test_bits_are_the_same_in_another_process_with_more_threads():
    here: dict[str, Any] = {}
    exec(BITS, here)
    expected = here["bits"](torch.get_num_threads())
    told = BITS + "print(*map(bits, (2, 1, 3)))"
    there = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert there.stdout.split() == [expected] * 3


def test_any_memory_format_is_taken():
    _, fast = pair()
    features = noise(2, 32, 19, 21)
    with torch.inference_mode():
        other = fast(features.contiguous(memory_format=torch.channels_last))
        assert torch.equal(other, fast(features))


def test_autocast_other_dtypes_and_devices_take_the_plain_road():
    plain, fast = pair()
    features = noise(1, 32, 9, 9)
    with torch.inference_mode():
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(fast(features), plain(features))
        features, plain, fast = features.double(), plain.double(), fast.double()
        assert torch.equal(fast(features), plain(features))
        assert fast.to("meta")(features.to("meta")).shape == (1, 48, 9, 9)


def test_the_plain_road_is_taken_where_torch_has_no_other(monkeypatch):
    plain, fast = pair()
    features = noise(1, 32, 9, 9)
    monkeypatch.setattr(winograd, "is_available", lambda: False)
    assert not WinogradConv2d.fits(plain)
    with torch.inference_mode():
        assert torch.equal(fast(features), plain(features))


def test_small_maps_take_the_plain_road(monkeypatch):
    plain, fast = pair()
    features = noise(1, 32, 9, 9)
    monkeypatch.setattr(winograd, "FEWEST_PIXELS", 100)
    with torch.inference_mode():
        assert torch.equal(fast(features), plain(features))


def test_gradients_and_pickles_are_the_plain_ones():
    plain, fast = pair()
    features = noise(1, 32, 11, 13)
    expected, actual = (
        torch.autograd.grad(conv(features).square().mean(), conv.weight)[0]
        for conv in (plain, pickle.loads(pickle.dumps(fast)))
    )
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": 5, "padding": 2},
        {"kernel_size": 3},
        {"kernel_size": 3, "padding": 1, "stride": 2},
        {"kernel_size": 3, "padding": 2, "dilation": 2},
        {"kernel_size": 3, "padding": 1, "groups": 2},
        {"kernel_size": 3, "padding": 1, "padding_mode": "reflect"},
    ],
)
def test_other_convolutions_do_not_fit(arguments):
    assert not WinogradConv2d.fits(nn.Conv2d(32, 32, **arguments))


def test_narrow_convolutions_do_not_fit():
    assert not WinogradConv2d.fits(nn.Conv2d(FEWEST_CHANNELS - 1, 64, 3, padding=1))
    assert not WinogradConv2d.fits(nn.Conv2d(64, 1, 3, padding=1))
