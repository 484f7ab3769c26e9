import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from groklst_cli.data.groklst_dataset import GrokLST
from groklst_cli.data.samples import Sampling, StepBatches, TrainingSamples, WholePatches
from groklst_cli.errors import InputError
from tests.data.folders import write_groklst


@pytest.fixture
def source(tmp_path):
    return GrokLST(write_groklst(tmp_path / "set"), "train", 2)


def same(first, second):
    return all(torch.equal(first[k].nan_to_num(-1), second[k].nan_to_num(-1)) for k in first)


FULL = Sampling(seed=3, crop=4, augment=True, band_dropout=0.4, gain_jitter=0.1)


def test_a_sample_depends_on_seed_and_number_only(source):
    first, again = TrainingSamples(source, FULL), TrainingSamples(source, FULL)
    sample = first[7]
    for number in (3, 900, 7):
        other = again[number]
    assert same(sample, other)
    assert not same(sample, first[8])
    assert not same(sample, TrainingSamples(source, replace(FULL, seed=4))[7])


def test_samples_travel_to_other_processes(source):
    samples = TrainingSamples(source, FULL)
    before = samples[5]
    assert same(before, pickle.loads(pickle.dumps(samples))[5])  # as the loader sends it


def test_each_patch_comes_once_an_epoch(source):
    samples = TrainingSamples(source, Sampling(augment=False))
    whole = [sample["truth"] for sample in (WholePatches(source)[i] for i in range(4))]
    for epoch in range(3):
        seen = [samples[epoch * 4 + place]["truth"] for place in range(4)]
        found = [next(i for i, w in enumerate(whole) if torch.equal(w, s)) for s in seen]
        assert sorted(found) == [0, 1, 2, 3]


def test_crops_are_whole_coarse_pixels_and_turns_keep_all_together(source):
    samples = TrainingSamples(source, replace(FULL, band_dropout=0, gain_jitter=0))
    seen = set()
    for number in range(40):
        sample = samples[number]
        assert sample["lst"].shape == (1, 4, 4)
        assert sample["guide"].shape == (10, 8, 8)
        means = torch.nn.functional.avg_pool2d(sample["truth"], 2)
        torch.testing.assert_close(means, sample["lst"], rtol=0, atol=1e-3)
        guide = sample["guide"]
        lst = 290 + 20 * guide[4] - 15 * guide[6] + 0.002 * guide[0]
        torch.testing.assert_close(sample["truth"][0], lst, rtol=0, atol=1e-3)
        seen.add(float(sample["truth"][0, 0, 0]))
    assert len(seen) > 30


def test_dropped_bands_are_missing_whole_and_one_is_always_left(source):
    samples = TrainingSamples(source, replace(FULL, band_dropout=0.95))
    lost = torch.stack([torch.isnan(samples[i]["guide"]).flatten(1).any(1) for i in range(60)])
    whole = torch.stack([torch.isnan(samples[i]["guide"]).flatten(1).all(1) for i in range(60)])
    assert torch.equal(lost, whole)
    kept = (~whole).sum(dim=1)
    assert kept.min() == 1
    assert 1 <= kept.float().mean() < 2


def test_gaps_are_filled_in_the_lst_and_told(source, monkeypatch):
    patch = source.read(0)
    patch.lst[1, 2] = np.nan
    monkeypatch.setattr(source, "read", lambda index: patch)
    sample = WholePatches(source)[0]
    assert torch.isfinite(sample["lst"]).all()
    assert (~sample["known"]).nonzero().tolist() == [[0, 1, 2]]


def test_a_crop_larger_than_a_patch_says_what_to_type(source):
    with pytest.raises(InputError, match="--set crop=16"):
        TrainingSamples(source, Sampling(crop=9))[0]


def test_processes_share_a_step_as_one_would_take_it_whole():
    one = list(StepBatches(range(2, 5), 4))
    two = [list(StepBatches(range(2, 5), 2, rank=r, processes=2)) for r in (0, 1)]
    assert one == [a + b for a, b in zip(*two, strict=True)]
    assert one[0] == [8, 9, 10, 11]
