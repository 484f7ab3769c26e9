"""The sets of a training run, and whether they hold what its options ask for."""

from dataclasses import dataclass
from pathlib import Path

from groklst_cli.data.patches import PatchSource
from groklst_cli.data.sources import open_patches
from groklst_cli.errors import InputError, UsageError
from groklst_cli.pipeline.train.options import TrainOptions
from groklst_models.indices import derivable
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
        raise UsageError("no training set was named; add --data DIR")
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
    if missing and options.init:
        raise UsageError(
            f"--init {options.init} takes bands {', '.join(bands)}, and {options.data} lacks "
            f"{', '.join(missing)}; prepare scenes that have them, or train without --init"
        )
    if missing or not bands:
        raise UsageError(
            f"--set bands={','.join(bands)} asks for {', '.join(missing) or 'guidance'}, but the "
            f"training set has {', '.join(there) or 'no bands'}"
        )
    if not source.complete() and options.band_dropout == 0:
        raise UsageError(
            "some patches lack some bands, and the network must be told which; add "
            "--band-dropout 0.1, or --set bands=… and prepare with --bands"
        )
    return bands


def _bands_again(
    begun_with: tuple[str, ...], options: TrainOptions, source: PatchSource
) -> tuple[str, ...]:
    """Keep a run's bands, whatever their order in the folder that it goes on with."""
    there = _there(source)
    if missing := [name for name in begun_with if name not in there]:
        raise UsageError(
            f"the run began with bands {', '.join(begun_with)}, but {options.data} lacks "
            f"{', '.join(missing)}; name a folder of the same patches with --data"
        )
    return begun_with


def _there(source: PatchSource) -> tuple[str, ...]:
    return (*source.bands, *derivable(source.bands))
