"""Laws of a GPU's precision, on cards that are made up."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from groklst_cli.pipeline.doctor.checks import check_devices
from groklst_cli.pipeline.predict.devices import find_precision

CARDS = (
    SimpleNamespace(name="old", total_memory=2**34),
    SimpleNamespace(name="new", total_memory=2**36),
)
"""The first imitates bf16, the second has it."""


@pytest.fixture(autouse=True)
def two_cards(monkeypatch):
    current = [0]

    @contextmanager
    def on(device: torch.device) -> Iterator[None]:
        before, current[0] = current[0], device.index or 0
        yield
        current[0] = before

    def is_supported(including_emulation: bool = True) -> bool:
        return including_emulation or current[0] == 1

    monkeypatch.setattr(torch.cuda, "device", on)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(CARDS))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: CARDS[number])
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)


@pytest.mark.parametrize(
    ("device", "expected"),
    [("cuda", "fp32"), ("cuda:0", "fp32"), ("cuda:1", "bf16"), ("cpu", "fp32")],
)
def test_auto_is_bf16_where_that_very_card_has_it(device, expected):
    assert find_precision("auto", torch.device(device)) == expected
    assert find_precision("fp16", torch.device(device)) == "fp16"


def test_the_doctor_tells_of_each_card():
    told = {finding.about: finding.found for finding in check_devices()}
    assert told["cuda:0"] == "old, 16 GiB, no bf16"
    assert told["cuda:1"] == "new, 64 GiB, bf16"
