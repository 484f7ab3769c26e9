"""Each network against the authors' own code: the same weights, the same input, one answer."""

import numpy as np
import pytest
import torch

from groklst_models.registry import REGISTRY
from tests.models.reference.rule import NUMBERS, Reference, unit

WITHOUT = {"mocolsk", "pgdm"}
"""Networks whose references have a test of their own."""

NAMES = sorted(
    path.stem for path in NUMBERS.glob("*.json") if path.stem.split("_")[0] not in WITHOUT
)
CLOSE = 1e-5
"""Standard deviations of the answer; the epsilons of normalizations show from 1e-4 on."""

ROUNDED = {"hit_sng_x4": 1e-4, "cunet_x4": 2e-5, "pmba_x8": 2e-5, "svlrm_benchmark_x4": 2e-5}
"""Answers that float32 settles no better: one rounding of the input alone moves them by 8e-6, or
processors whose convolutions sum in another order by 1.3e-5."""


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", NAMES)
def test_imported_weights_answer_as_the_published_code(name, tmp_path):
    reference = Reference.read(name)
    prefix = "generator." if NAMES.index(name) % 2 else ""
    network = reference.imported(tmp_path / "published.pth", prefix=prefix)
    assert reference.difference(network) < ROUNDED.get(name, CLOSE)


def test_every_network_has_a_reference():
    networks = {name for name, entry in REGISTRY.items() if entry.needs_weights}
    assert {Reference.read(name).network for name in NAMES} | WITHOUT == networks


@pytest.mark.parametrize("name", ["edsr_x4", "djf_x4"])
def test_a_tensor_that_is_amiss_shows(name):
    reference = Reference.read(name)
    network = reference.built()
    with torch.no_grad():
        next(network.parameters()).neg_()
    assert reference.difference(network) > 100 * CLOSE


def test_the_rule_is_the_one_that_the_answers_were_made_by():
    numbers = unit("lst", [3])
    assert np.abs(numbers).max() <= 3**0.5
    np.testing.assert_array_equal(numbers, unit("lst", [3]))
    assert not np.array_equal(numbers, unit("guide", [3]))
