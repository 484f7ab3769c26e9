"""What a training run makes of its sets: their statistics, and batches step by step."""

import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch.utils.data import DataLoader

from groklst_cli.data.samples import Sample, Sampling, StepBatches, TrainingSamples
from groklst_cli.data.statistics import RunningStatistics
from groklst_cli.errors import InputError
from groklst_cli.pipeline.train.options import TrainOptions
from groklst_cli.pipeline.train.sets import TrainData
from groklst_models.bands import derive_known
from groklst_models.normalization import BandStatistics, Normalization


def measure(data: TrainData, options: TrainOptions) -> Normalization:
    """Read the training patches once, and take means and standard deviations.

    Raises:
        InputError: If a band holds one value only, or none.
    """
    moments = {name: RunningStatistics() for name in ("", *data.bands)}  # "" stands for the LST
    for index in range(len(data.train)):
        patch = data.train.read(index)
        moments[""].add(patch.lst)
        planes = derive_known(torch.from_numpy(patch.guide), data.train.bands, data.bands)
        for name, plane in zip(data.bands, planes.numpy(), strict=True):
            moments[name].add(plane)
    for name, found in moments.items():
        if not found.count or not found.std > 0:
            raise InputError(
                f"{name or 'the LST'} holds {found.count} valid training pixels with a standard "
                f"deviation of {found.std:g}; leave it out with --set bands=…, or add scenes"
            )
    lst = moments.pop("")
    return Normalization(
        lst.mean,
        lst.std,
        tuple(BandStatistics(name, found.mean, found.std) for name, found in moments.items()),
        lst_center=options.lst_center,
        optional_bands=options.band_dropout > 0 and bool(data.bands),
        trend=options.trend and bool(data.bands),
    )


def batches(
    data: TrainData, options: TrainOptions, steps: range, fabric: Fabric
) -> Iterator[Sample]:
    """Make this process's batches of some steps, read ahead by worker processes; on the device."""
    sampling = Sampling(
        seed=options.seed,
        crop=data.crop,
        augment=options.augment,
        band_dropout=options.band_dropout,
        gain_jitter=options.gain_jitter,
    )
    ahead: dict[str, Any] = {}
    if options.workers:
        ahead = {"multiprocessing_context": "spawn", "prefetch_factor": 4}
    loader = DataLoader(
        TrainingSamples(data.train, sampling, cached=options.cached),
        batch_sampler=StepBatches(
            steps, options.batch, rank=fabric.global_rank, processes=fabric.world_size
        ),
        num_workers=options.workers,
        worker_init_fn=_start_worker,
        pin_memory=fabric.device.type == "cuda",
        **ahead,
    )
    for batch in loader:
        yield {k: values.to(fabric.device, non_blocking=True) for k, values in batch.items()}


def step_seed(options: TrainOptions, step: int, rank: int) -> int:
    """Return the seed of what a network draws itself in a step."""
    sequence = np.random.SeedSequence([options.seed, 2, step, rank])
    return int(sequence.generate_state(1, np.uint32)[0])


def _start_worker(number: int) -> None:
    """Leave Ctrl-C to the training process, and end on SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
