"""Laws of processes that train together, on devices that one has to wait for."""

from types import SimpleNamespace

import pytest
import torch

from groklst_cli.pipeline.train import processes


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
