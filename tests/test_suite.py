"""Laws of the suite itself, where a GPU is and where none is."""

import warnings
from types import SimpleNamespace

import pytest
import torch

from tests.conftest import pytest_runtest_setup


def test_what_cudnn_says_of_a_way_it_tried_is_no_failure():
    warnings.warn("Plan failed with a cudnnException: CUDNN_STATUS_NOT_SUPPORTED", stacklevel=1)
    with pytest.raises(UserWarning, match="another"):
        warnings.warn("another", stacklevel=1)


@pytest.mark.parametrize(
    ("needed", "there", "runs"), [((), 0, False), ((), 1, True), ((2,), 1, False)]
)
def test_tests_of_gpus_are_skipped_without_them(needed, there, runs, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    marks = {"gpu": [SimpleNamespace(args=needed)]}
    item = SimpleNamespace(iter_markers=lambda name: marks.get(name, []))
    if runs:
        pytest_runtest_setup(item)
    else:
        with pytest.raises(pytest.skip.Exception, match="no CUDA device"):
            pytest_runtest_setup(item)
