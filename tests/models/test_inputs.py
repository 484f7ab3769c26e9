import pytest
import torch
from torch.nn import functional

from groklst_models.checkpoint import Header
from groklst_models.errors import CheckpointError
from groklst_models.inputs import TREND_BLUR, network_inputs, standardized_guide, tile_trend
from groklst_models.normalization import BandStatistics, Normalization

BANDS = (BandStatistics("red", 0.2, 0.1), BandStatistics("nir", 0.3, 0.2))


def tiles(batch: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    lst = 300 + 4 * torch.randn(batch, 1, 16, 16, generator=generator)
    return lst, torch.rand(batch, 2, 64, 64, generator=generator)


@pytest.mark.parametrize("center", ["dataset", "tile"])
@pytest.mark.parametrize("trend", [False, True])
def test_what_is_standardised_is_restored(center, trend):
    lst, guide = tiles()
    normalization = Normalization(290, 5, BANDS, lst_center=center, trend=trend)
    inputs = network_inputs(normalization, lst, guide, 4)
    spread = functional.interpolate(inputs.lst, scale_factor=4)
    fine = inputs.restore(spread)
    torch.testing.assert_close(functional.avg_pool2d(fine, 4), lst, rtol=0, atol=1e-3)


def test_a_tile_is_standardised_by_itself():
    lst, guide = tiles()
    normalization = Normalization(290, 5, BANDS, lst_center="tile", trend=True)
    shifted = network_inputs(normalization, 2 * lst - 280, guide, 4)
    inputs = network_inputs(normalization, lst, guide, 4)
    torch.testing.assert_close(shifted.lst, inputs.lst, rtol=0, atol=1e-4)
    alone = network_inputs(normalization, lst[1:], guide[1:], 4)
    torch.testing.assert_close(alone.lst[0], inputs.lst[1], rtol=0, atol=1e-5)


def test_a_tile_of_one_temperature_is_not_blown_up():
    lst, guide = torch.full((1, 1, 4, 4), 290.0), torch.rand(1, 2, 16, 16)
    lst[0, 0, 0, 0] += 0.01
    inputs = network_inputs(Normalization(0, 1, BANDS, lst_center="tile"), lst, guide, 4)
    assert inputs.lst.abs().max() < 0.05


def test_a_trend_finds_what_the_bands_explain():
    _, guide = tiles()
    bands = (guide - 0.5) / 0.3
    truth = tile_trend(functional.avg_pool2d(bands[:, :1] - 2 * bands[:, 1:], 4), bands, 4)
    coarse = functional.avg_pool2d(truth, 4)
    found = tile_trend(coarse, bands, 4)
    assert (found - truth).square().mean() < 0.01 * truth.var()
    assert 0 < TREND_BLUR < 2


def test_a_band_that_is_missing_counts_for_nothing():
    lst, guide = tiles()
    both = torch.cat([guide[:, :1], torch.full_like(guide[:, 1:], torch.nan)], dim=1)
    pair, single = (Normalization(290, 5, bands, trend=True) for bands in (BANDS, BANDS[:1]))
    with_gap = network_inputs(pair, lst, both, 4)
    without = network_inputs(single, lst, guide[:, :1], 4)
    torch.testing.assert_close(with_gap.lst, without.lst, rtol=0, atol=1e-4)


def test_guides_are_standardised_plane_by_plane_as_all_at_once():
    _, guide = tiles()
    guide = guide * 3 + 1
    guide[0, 1, 3:9, 2:7] = torch.nan
    bands = tuple(
        BandStatistics(str(place), 0.1 + 0.3 * place, 0.7 + place)
        for place in range(guide.shape[1])
    )
    mean, std = (
        torch.tensor([getattr(band, name) for band in bands])[:, None, None]
        for name in ("mean", "std")
    )
    found = standardized_guide(Normalization(300, 5, bands), guide)
    assert torch.equal(found, ((guide - mean) / std).nan_to_num(nan=0.0))


def test_a_network_is_told_which_bands_are_there():
    lst, guide = tiles()
    guide[0, 1] = torch.nan
    guide[1, 0, :4, :4] = torch.nan  # a whole coarse pixel
    guide[1, 0, 8, 8] = torch.nan  # one of sixteen: filled from the others
    normalization = Normalization(290, 5, BANDS, optional_bands=True)
    inputs = network_inputs(normalization, lst, guide, 4)
    assert inputs.guide is not None
    assert inputs.guide.shape[1] == normalization.guide_channels == 4
    values, there = inputs.guide[:, :2], inputs.guide[:, 2:]
    assert not values[0, 1].any()
    assert not there[0, 1].any()
    assert there[0, 0].all()
    assert (there[1, 0] == 0).sum() == 16
    assert not values[1, 0, :4, :4].any()


def test_headers_keep_how_inputs_are_made():
    normalization = Normalization(290, 5, BANDS, lst_center="tile", optional_bands=True, trend=True)
    header = Header("mocolsk", 4, normalization, arguments={"width": 8, "stages": 1}, conserve=True)
    assert Header.from_json(header.to_json()) == header
    network = header.build_network()
    assert network.guide_stem[0].in_channels == normalization.guide_channels == 5
    with pytest.raises(CheckpointError, match="expected one of dataset, tile"):
        Normalization(290, 5, lst_center="scene")  # type: ignore[arg-type]


def test_headers_of_older_files_mean_what_they_meant():
    facts = Normalization(290, 5, BANDS).to_json()
    del facts["optional_bands"], facts["trend"], facts["lst"]["center"]
    assert Normalization.from_json(facts) == Normalization(290, 5, BANDS)
