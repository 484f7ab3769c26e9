"""Laws of processes that train together, on devices that one has to wait for."""

import os
from types import SimpleNamespace

import pytest
import torch

from groklst_cli.pipeline.predict.devices import keep_order_in_training
from groklst_cli.pipeline.train import processes
from tests.models.toy_networks import NETWORKS, fits, inputs, tiny
from tests.operations import Operations


@pytest.mark.parametrize("holds", [False, True])
def test_processes_agree_on_stopping_without_asking_their_devices(holds, monkeypatch):
    def reduce(flag: torch.Tensor, kind: object, group: str) -> None:
        assert (flag.device.type, kind, group) == ("cpu", torch.distributed.ReduceOp.MAX, "gloo")
        flag.fill_(1)  # another process wants to stop

    monkeypatch.setattr(torch.distributed, "new_group", lambda backend: backend)
    monkeypatch.setattr(torch.distributed, "all_reduce", reduce)
    processes._among_processors.cache_clear()
    far = SimpleNamespace(world_size=2, device=torch.device("meta"))
    assert processes.any_of_all(far, holds)
    processes._among_processors.cache_clear()


@pytest.mark.parametrize("named", [None, ":16:8"])
def test_a_deterministic_run_on_a_gpu_names_its_workspace(tmp_path, monkeypatch, named):
    asked: list[tuple[bool, bool]] = []
    monkeypatch.setattr(
        torch, "use_deterministic_algorithms", lambda on, warn_only: asked.append((on, warn_only))
    )
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", named or "")
    if named is None:
        monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    keep_order_in_training(torch.device("cpu"))
    assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == named
    keep_order_in_training(torch.device("cuda"))
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == (named or ":4096:8")
    assert asked == [(True, False), (True, True)]


GRADIENTS_WITHOUT_ORDER = (
    "_adaptive_avg_pool2d_backward", "avg_pool3d_backward", "bincount", "cumsum",
    "grid_sampler_2d_backward", "median", "reflection_pad2d_backward", "scatter_add",
    "upsample_bicubic2d_backward",
)  # fmt: skip
"""Of what torch's page on ``use_deterministic_algorithms`` names as without such an algorithm on
CUDA; bilinear sampling and repeated edges it replaces there."""


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_learn_in_one_order_or_are_named(name):
    network, side = tiny(name, 2).train(), fits(tiny(name, 2), 16)
    with Operations() as operations:
        fine = network(*inputs(name, 2, side, side))
        fine.sum().backward()
    asked = {operation.partition(".")[0] for operation in operations.names}
    if name == "mocolsk":  # elsewhere than on the CPU it pools by products
        asked.discard("_adaptive_avg_pool2d_backward")
    assert bool(asked.intersection(GRADIENTS_WITHOUT_ORDER)) == (name in ("dkn", "fdkn", "pgdm"))
