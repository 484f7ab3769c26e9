"""The state of a training run on disk, and the checkpoint that comes of it."""

import struct
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import torch
from torch import Tensor

from groklst_cli import __version__
from groklst_cli.errors import InputError
from groklst_cli.geo.durable import whole_file
from groklst_cli.pipeline.train.options import TrainOptions
from groklst_models.checkpoint import Checkpoint, Header
from groklst_models.normalization import Normalization
from groklst_models.torch_archive import TorchArchive

STATE: Final = "state.pt"
_DAMAGE: Final = (
    UnpicklingError, struct.error, ArithmeticError, AssertionError, AttributeError, EOFError,
    LookupError, OSError, RuntimeError, TypeError, ValueError,
)  # fmt: skip
"""What torch raises of a damaged pickle: a pickle is a program, and any step of it may fail."""
_FORMAT: Final = 1


def save_state(state: Mapping[str, Any], path: Path) -> None:
    """Write a state beside its place and rename it, so that a file of that name is whole.

    Args:
        state: Tensors, numbers, texts, and lists and dicts of them.
        path: Where to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as made, open(made, "wb") as opened:
        torch.save({"format": _FORMAT, **state}, opened)


def load_state(path: Path) -> dict[str, Any]:
    """Read a state; only tensors and plain data are taken, nothing in the file runs.

    Raises:
        InputError: If there is none, or it is none of ours.
    """
    if not path.exists():
        raise InputError(
            f"there is no {path} to resume from; leave out --resume, or name the run with --out"
        )
    try:
        with TorchArchive(path) as archive:
            archive.check()
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} cannot be read as a state: {reason}; start anew") from error
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise InputError(f"{path} is no state of this version; start anew")
    return state


def make_checkpoint(
    weights: Mapping[str, Tensor],
    options: TrainOptions,
    normalization: Normalization,
    *,
    tile: int,
    step: int,
    data: Mapping[str, Any],
    scores: Mapping[str, Any],
) -> Checkpoint:
    """Put weights together with all that is needed to use them.

    Args:
        weights: Of the network, or their running mean.
        options: Of the run.
        normalization: What the network was trained with.
        tile: Side of the crops, fine pixels.
        step: Steps done.
        data: Where the patches come from.
        scores: Of the validation set.
    """
    told = {key: value for key, value in options.to_json().items() if key not in ("data", "out")}
    header = Header(
        network=options.network,
        scale=options.scale,
        normalization=normalization,
        arguments=options.arguments,
        tile=tile,
        conserve=options.conserve,
        training={
            "version": __version__,
            "torch": str(torch.__version__),
            "steps": step,
            "options": told,
            "data": dict(data),
        },
        scores=scores,
        licence=options.licence,
    )
    return Checkpoint(header, weights)
