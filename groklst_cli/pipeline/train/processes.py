"""Starting Fabric on one device, or on what ``torchrun`` and Slurm have laid out."""

import os
from functools import cache
from typing import Any, Final, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from torch import Tensor

from groklst_cli.pipeline.predict.devices import find_device, keep_fp32
from groklst_models.precisions import Precision

T = TypeVar("T")

_MIXED: Final = {"bf16": "bf16-mixed", "fp16": "16-mixed"}


class InputsAsTheyAre(MixedPrecision):
    """Autocast that leaves a network's inputs in fp32, as they are when a scene is computed.

    Fabric's own rounds them, and with them the coarse LST that many networks add to their answer.
    """

    def convert_input(self, data: Any) -> Any:
        """Return the inputs."""
        return data


def launch(device: str, precision: Precision) -> Fabric:
    """Start Fabric.

    Under ``torchrun`` or ``srun`` each process is one of a group, and the group's size comes from
    their environment variables; otherwise there is one process.

    Raises:
        DeviceError: If the device is not there.
    """
    chosen = find_device(device)
    keep_fp32(chosen)
    local, nodes = _laid_out()
    processes: Any = local
    if local == 1 and nodes == 1 and chosen.type == "cuda" and chosen.index is not None:
        processes = [chosen.index]
    mixed: Any = _MIXED.get(precision)
    fabric = Fabric(
        accelerator=chosen.type,
        devices=processes,
        num_nodes=nodes,
        strategy="ddp" if local * nodes > 1 else "auto",
        precision=None if mixed else "32-true",
        plugins=InputsAsTheyAre(mixed, chosen.type) if mixed else None,
    )
    fabric.launch()
    return fabric


def part(fabric: Fabric) -> None:
    """Wait for all processes and dissolve the group, so that none leaves another in the lurch."""
    if fabric.world_size > 1:
        fabric.barrier()
        torch.distributed.destroy_process_group()
        _among_processors.cache_clear()


def gather(fabric: Fabric, items: list[T]) -> list[T]:
    """Put together what every process holds, in the order of the processes."""
    if fabric.world_size == 1:
        return items
    held: list[list[T]] = [[] for _ in range(fabric.world_size)]
    torch.distributed.all_gather_object(held, items)
    return [item for part in held for item in part]


def mean_of_all(fabric: Fabric, value: Tensor) -> Tensor:
    """Average a tensor over all processes."""
    mean = fabric.all_reduce(value, reduce_op="mean")
    assert isinstance(mean, Tensor)
    return mean


def any_of_all(fabric: Fabric, holds: bool) -> bool:
    """Tell whether something holds in any process, so that all do the same."""
    if fabric.world_size == 1:
        return holds
    flag = torch.tensor(int(holds))
    torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX, _among_processors())
    return bool(flag)


@cache
def _among_processors() -> Any:
    """Return a group in which processes talk without waiting for what their GPUs are at."""
    return torch.distributed.new_group(backend="gloo")


def _laid_out() -> tuple[int, int]:
    """Return processes on this node, and nodes."""
    named = os.environ
    if "TORCHELASTIC_RUN_ID" in named:
        local = int(named["LOCAL_WORLD_SIZE"])
        return local, int(named["WORLD_SIZE"]) // local
    if "SLURM_NTASKS" in named and named.get("SLURM_JOB_NAME") != "interactive":
        nodes = int(named.get("SLURM_NNODES", "1"))
        return int(named["SLURM_NTASKS"]) // nodes, nodes
    return 1, 1
