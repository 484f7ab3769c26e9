"""Laws of a device that one has to wait for: nothing of a tile is read back but the answer.

The meta device stands for it: its tensors hold no values, so whoever asks for one fails.
"""

from contextlib import nullcontext

import pytest
import torch

from groklst_models import guidance
from groklst_models.contract import Tiles
from groklst_models.guidance import coarse_means, fill_within_coarse
from groklst_models.network_method import NetworkMethod
from groklst_models.normalization import BandStatistics, Normalization
from groklst_models.padding import run_padded
from groklst_models.registry import build
from tests.models.toy_networks import NETWORKS, TABLE, is_guided

FAR = torch.device("meta")
BANDS = ("red", "nir")
SCALE = 2


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_is_read_back(name, monkeypatch):
    def copied(*arguments: object, **options: object) -> None:
        raise AssertionError("numbers of the processor's are copied to the device")

    statistics = tuple(BandStatistics(band, 0.3, 0.1) for band in BANDS) if is_guided(name) else ()
    known = Normalization(300, 5, statistics, trend=True, optional_bands=True)
    guided = {"guide_channels": known.guide_channels} if statistics else {}
    method = NetworkMethod(
        build(name, scale=SCALE, **TABLE[name]["tiny"], **guided),
        known,
        scale=SCALE,
        bands=BANDS,
        device=FAR,
    )
    lst = torch.zeros(2, 1, 24, 24, device=FAR)
    guide = torch.zeros(2, len(BANDS), 24 * SCALE, 24 * SCALE, device=FAR)
    monkeypatch.setattr(torch.Tensor, "new_tensor", copied)
    monkeypatch.setattr(NetworkMethod, "_autocast", lambda method: nullcontext())
    with torch.inference_mode():
        inputs = method._inputs(Tiles(lst, guide, (0, 0), (0, 0)))
        fine = run_padded(method.network, inputs.lst, inputs.guide, SCALE)
    assert inputs.restore(fine).shape == (2, 1, 24 * SCALE, 24 * SCALE)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_what_is_missing_is_allowed_for_alike_whether_one_looks_first_or_not(missing, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    guide = torch.randn(2, 3, 32, 32, generator=generator)
    guide[torch.rand(guide.shape, generator=generator) < missing] = torch.nan
    looked = fill_within_coarse(guide, 4), coarse_means(guide, 4)
    monkeypatch.setattr(guidance, "_is_whole", lambda values: False)
    allowed = fill_within_coarse(guide, 4), coarse_means(guide, 4)
    torch.testing.assert_close(looked, allowed, rtol=0, atol=0, equal_nan=True)
