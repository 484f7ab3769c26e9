"""The folder of a run: its files, whether a run may begin or go on there, and the saved state."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

from groklst_cli.errors import InputError, OutputExistsError, UsageError, words_of
from groklst_cli.geo.durable import whole_file
from groklst_cli.geo.targets import check_target, spare
from groklst_cli.pipeline.train.log import LOG
from groklst_cli.pipeline.train.options import TrainOptions
from groklst_cli.pipeline.train.recipes import OPTIONS
from groklst_models.normalization import Normalization

STATE: Final = "state.pt"
BEST: Final = "best.safetensors"
LAST: Final = "last.safetensors"

_DAMAGE: Final = (
    UnpicklingError, struct.error, ArithmeticError, AssertionError, AttributeError, EOFError,
    LookupError, OSError, RuntimeError, TypeError, ValueError,
)  # fmt: skip
"""What torch raises of a damaged pickle: a pickle is a program, and any step of it may fail."""
_NOT_PLAIN: Final = "it is damaged, or contains more than tensors and plain data"
_FORMAT: Final = 1


@dataclass(frozen=True)
class Trained:
    """What a run came to.

    Attributes:
        checkpoint: The file to use: the best by validation RMSE, the last without validation.
        steps: Steps done.
        scores: Of that checkpoint.
        seconds: Wall time of this part of the run.
        speaks: Whether this is the first of the processes, which speaks for all.
    """

    checkpoint: Path
    steps: int
    scores: dict[str, Any]
    seconds: float
    speaks: bool = True

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {
            "checkpoint": str(self.checkpoint),
            "steps": self.steps,
            "scores": self.scores,
            "seconds": round(self.seconds, 1),
        }


def check(options: TrainOptions, *, resume: bool, overwrite: bool) -> None:
    """Refuse a folder whose files may not be replaced, whoever wrote them.

    Raises:
        UsageError: If it is a file.
        OutputExistsError: If there are some, and the run is not to be resumed.
    """
    folder = Path(options.out)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {folder} is a file; name a folder")
    if resume or not folder.is_dir():
        return
    if (folder / STATE).exists() and not overwrite:
        raise OutputExistsError(
            f"{folder} contains a run; add --resume to continue it, or --overwrite to replace it"
        )
    for name in (STATE, BEST, LAST, OPTIONS, LOG):
        check_target(folder / name, overwrite=overwrite)
    if options.init:
        spare([folder / BEST, folder / LAST], [Path(options.init)])


def lay_out(options: TrainOptions, *, resume: bool) -> None:
    """Make the folder, take away what an earlier run left unless it goes on, and write options."""
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    for name in () if resume else (STATE, BEST, LAST):
        (folder / name).unlink(missing_ok=True)
    with whole_file(folder / OPTIONS) as made:
        made.write_text(options.to_toml(), encoding="utf-8")


def state_to_resume(options: TrainOptions) -> dict[str, Any]:
    """Read the state of the run to resume, which must have begun with the same options.

    Raises:
        InputError: If there is none, or it is none of ours.
        UsageError: If an option that would change the weights is another.
    """
    state = load_state(Path(options.out) / STATE)
    changed = options.changed(state["options"])
    if changed:
        first, (before, now) = next(iter(changed.items()))
        raise UsageError(
            f"the run in {options.out} has {first} = {before!r}, not {now!r}; resume with the "
            f"same options ({', '.join(changed)} differ), or start a new run in another --out"
        )
    return state


def bands_of(state: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    """Name the bands that a state's network was begun with, in order; None without a state."""
    return None if state is None else Normalization.from_json(state["normalization"]).band_names


def save_state(state: Mapping[str, Any], path: Path) -> None:
    """Write a state beside its place and rename it, so that a file of that name is whole.

    Args:
        state: Tensors, numbers, texts, and lists and dicts of them.
        path: Where to.
    """
    import torch

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
            f"{path} does not exist, so there is no run to resume; leave out --resume, or name "
            "the run with --out"
        )
    import torch

    from groklst_models.torch_archive import TorchArchive

    try:
        with TorchArchive(path) as archive:
            archive.check()
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGE as error:
        reason = _NOT_PLAIN if isinstance(error, UnpicklingError) else words_of(error)
        raise InputError(
            f"{path} cannot be read as a training state: {reason}; start a new run"
        ) from error
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise InputError(f"{path} is not a training state of this version; start a new run")
    return state
