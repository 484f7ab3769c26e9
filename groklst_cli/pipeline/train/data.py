"""What a training run stands on: its data, their statistics, and batches step by step."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch.utils.data import DataLoader

from groklst_cli.data.patches import PatchSource
from groklst_cli.data.samples import Sample, Sampling, StepBatches, TrainingSamples
from groklst_cli.data.sources import open_patches
from groklst_cli.data.statistics import RunningStatistics
from groklst_cli.errors import InputError, UsageError
from groklst_cli.pipeline.train.options import TrainOptions
from groklst_models.bands import derivable, derive_known
from groklst_models.normalization import BandStatistics, Normalization
from groklst_models.registry import find


@dataclass(frozen=True)
class TrainData:
    """The sets of a run.

    Attributes:
        train: Patches to train on.
        val: Patches to validate on; may be none.
        bands: The network's bands, in order; none for a single-image network.
        crop: Side of a crop, coarse pixels.
    """

    train: PatchSource
    val: PatchSource
    bands: tuple[str, ...]
    crop: int


def open_data(options: TrainOptions, begun_with: tuple[str, ...] | None = None) -> TrainData:
    """Open the training set and check that it holds what the options ask for.

    Args:
        options: Of the run.
        begun_with: The bands of a run that goes on, in order; None for a run that begins.

    Raises:
        UsageError: If options and data do not fit each other.
        InputError: If the data cannot be used.
    """
    if not options.data:
        raise UsageError("no training set is named; add --data DIR")
    train = open_patches(Path(options.data), options.train_split, options.scale)
    val = open_patches(Path(options.data), options.val_split, options.scale)
    if len(train) == 0:
        raise InputError(f"{options.data} has no patch in split {options.train_split!r}")
    if begun_with is not None:
        bands = _bands_again(begun_with, options, train)
    else:
        bands = _bands(options, train) if find(options.network).shelf == "guided" else ()
    smallest = min(train.sides())
    if options.crop > smallest * options.scale:
        raise UsageError(
            f"--set crop={options.crop} does not fit into the smallest patch, "
            f"{smallest * options.scale} fine pixels a side; choose a smaller crop"
        )
    crop = options.crop // options.scale or smallest
    return TrainData(train, val, bands, crop)


def _bands(options: TrainOptions, source: PatchSource) -> tuple[str, ...]:
    bands = options.bands or source.bands
    there = _there(source)
    missing = [name for name in bands if name not in there]
    if missing or not bands:
        raise UsageError(
            f"--set bands={','.join(bands)} asks for {', '.join(missing) or 'guidance'}; "
            f"the training set has {', '.join(there) or 'no band'}"
        )
    if not source.complete() and options.band_dropout == 0:
        raise UsageError(
            "some patches lack some bands, and a network must be told which are there; "
            "add --band-dropout 0.1, or --set bands=… and prepare with --bands"
        )
    return bands


def _bands_again(
    begun_with: tuple[str, ...], options: TrainOptions, source: PatchSource
) -> tuple[str, ...]:
    """Keep a run's bands, whatever their order in the folder that it goes on with."""
    there = _there(source)
    if missing := [name for name in begun_with if name not in there]:
        raise UsageError(
            f"the run began with bands {', '.join(begun_with)}, and {options.data} lacks "
            f"{', '.join(missing)}; name a folder of the same patches with --data"
        )
    return begun_with


def _there(source: PatchSource) -> tuple[str, ...]:
    return (*source.bands, *derivable(source.bands))


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
                f"{name or 'the LST'} holds {found.count} valid training pixels of spread "
                f"{found.std:g}; leave it out with --set bands=…, or add scenes"
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
