import copy
import ctypes
import platform

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from groklst_models import freed_memory
from groklst_models.acceleration import (
    PhasedConv2d,
    PlanarConvTranspose2d,
    accelerate,
)
from groklst_models.blocks.residual import ResidualGroup
from groklst_models.blocks.upsample import PixelShuffleUpsampler
from groklst_models.guided.mocolsk import MoCoLSKNet
from groklst_models.winograd import WinogradConv2d, is_available

CPU = torch.device("cpu")


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def loud(network: nn.Module) -> nn.Module:
    """Weights under which every layer's output is as large as its input."""
    torch.manual_seed(0)
    for weight in network.parameters():
        if weight.dim() > 1:
            nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
    return network.eval()


def mocolsk(scale: int = 2) -> nn.Module:
    return loud(MoCoLSKNet(scale=scale, guide_channels=3, width=24, stages=2, blocks=1))


def plain_chain() -> nn.Module:
    return loud(
        nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            ResidualGroup(32, 2),
            PixelShuffleUpsampler(32, scale=4),
            nn.Conv2d(32, 1, 3, padding=1),
        )
    )


CASES = {
    "mocolsk": (mocolsk, (noise(2, 1, 15, 14), noise(2, 3, 30, 28))),
    "mocolsk ×8": (lambda: mocolsk(8), (noise(1, 1, 5, 4), noise(1, 3, 40, 32))),
    "plain chain": (plain_chain, (noise(1, 1, 29, 25),)),
}


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_plain_network(case):
    build, inputs = CASES[case]
    plain = build()
    fast = accelerate(copy.deepcopy(plain), CPU)
    with torch.inference_mode():
        expected, actual = plain(*inputs), fast(*inputs)
    assert (actual - expected).abs().max() < 1e-4 * expected.std()


def test_changes_what_it_should():
    network = accelerate(mocolsk(), CPU)
    kinds = [type(module) for module in network.modules()]
    assert PhasedConv2d in kinds
    assert PlanarConvTranspose2d in kinds
    assert (WinogradConv2d in kinds) == is_available()


def test_state_stays_and_another_network_takes_it():
    plain = mocolsk()
    before = copy.deepcopy(plain.state_dict())
    fast = accelerate(plain, CPU)
    assert fast is plain
    assert list(fast.state_dict()) == list(before)
    for key, weight in fast.state_dict().items():
        assert torch.equal(weight, before[key])
    mocolsk().load_state_dict(fast.state_dict())


def test_twice_is_as_once():
    inputs = CASES["mocolsk"][1]
    network = accelerate(mocolsk(), CPU)
    with torch.inference_mode():
        once = network(*inputs)
        assert torch.equal(accelerate(network, CPU)(*inputs), once)


def test_a_subclass_keeps_its_own_way():
    class Doubling(nn.Conv2d):
        def forward(self, features: Tensor) -> Tensor:
            return 2 * super().forward(features)

    network = accelerate(nn.Sequential(Doubling(32, 32, 3, padding=1)), CPU)
    assert type(network[0]) is Doubling


def test_bfloat16_autocast_is_as_before():
    inputs = CASES["mocolsk"][1]
    plain = mocolsk()
    fast = accelerate(copy.deepcopy(plain), CPU)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        expected, actual = plain(*inputs).float(), fast(*inputs).float()
    assert (actual - expected).abs().max() < 0.1 * expected.std()  # some processors add in bfloat16


@settings(max_examples=30)
@given(
    st.integers(1, 25),
    st.integers(1, 25),
    st.integers(2, 4),
    st.sampled_from([1, 3, 7]),
    st.booleans(),
)
def test_phases_equal_the_dilated_convolution(height, width, dilation, size, bias):
    plain = nn.Conv2d(
        6, 12, size, padding=size // 2 * dilation, dilation=dilation, groups=6, bias=bias
    )
    assert PhasedConv2d.fits(plain) == (size == 7)
    fast = copy.deepcopy(plain)
    fast.__class__ = PhasedConv2d
    features = noise(2, 6, height, width)
    with torch.inference_mode():
        torch.testing.assert_close(fast(features), plain(features), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (6, 2, 2), (12, 8, 2)])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 9)])
def test_transposed_convolutions_keep_their_bits(kernel, stride, padding, height, width):
    plain = nn.ConvTranspose2d(24, 32, kernel, stride=stride, padding=padding).eval()
    fast = accelerate(copy.deepcopy(plain), CPU)
    features = noise(2, 24, height, width)
    with torch.inference_mode():
        expected, actual = plain(features), fast(features)
    assert type(fast) is PlanarConvTranspose2d
    assert actual.is_contiguous()
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-6)


def test_elsewhere_than_on_the_cpu_nothing_changes():
    network = accelerate(nn.Sequential(nn.Conv2d(32, 32, 3, padding=1)), torch.device("cuda"))
    assert type(network[0]) is nn.Conv2d
    assert network[0].weight.is_contiguous()


def test_memory_is_kept_under_glibc_and_left_alone_elsewhere(monkeypatch):
    asked: list[tuple[int, int]] = []

    class Library:
        def mallopt(self, option: int, value: int) -> int:
            asked.append((option, value))
            return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library())
    for libc in ("", "glibc"):
        freed_memory.keep_freed_memory.cache_clear()
        monkeypatch.setattr(platform, "libc_ver", lambda name=libc: (name, "2.36"))
        freed_memory.keep_freed_memory()
        freed_memory.keep_freed_memory()
        assert asked == ([(-4, 0), (-1, -1)] if libc else [])
    freed_memory.keep_freed_memory.cache_clear()
