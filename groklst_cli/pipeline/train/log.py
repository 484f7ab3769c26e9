"""How a training run is followed, and the logs that it leaves."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from groklst_cli.errors import UsageError
from groklst_cli.geo.durable import whole_file
from groklst_cli.shown_text import cell

LOG: Final = "log.csv"

COLUMNS: Final = (
    "step", "loss", "learning_rate", "steps_per_second", "wait",
    "rmse", "mae", "bias", "cc", "rsd",
)  # fmt: skip
"""Of the CSV: scores are of the validation set, kelvin where they have a unit; ``wait`` is the
share of time that no sample was ready."""


@dataclass(frozen=True)
class TrainProgress:
    """How far a run is, for whoever watches it.

    Attributes:
        step: Steps done.
        steps: Steps in all.
        loss: Mean since the last report.
        rate: Steps a second since then.
        scores: The last validation's means over images, empty before the first.
    """

    step: int
    steps: int
    loss: float
    rate: float
    scores: dict[str, float]


class TrainLog:
    """Writes rows as they come; used as a context manager."""

    def __init__(self, folder: Path, *, step: int = 0, tensorboard: bool = False) -> None:
        """Open the logs of a run.

        Args:
            folder: Of the run.
            step: Where the run starts; rows beyond it are of an attempt that was lost.
            tensorboard: Whether to write TensorBoard's files too.

        Raises:
            UsageError: If TensorBoard is asked for and not installed.
        """
        self._path = folder / LOG
        self._board: Any = _board(folder / "tensorboard", step) if tensorboard else None
        kept = _rows_until(self._path, step)
        with whole_file(self._path) as made, open(made, "w", newline="", encoding="utf-8") as anew:
            writer = csv.DictWriter(anew, COLUMNS)
            writer.writeheader()
            writer.writerows({key: cell(value) for key, value in row.items()} for row in kept)
        self._file = open(self._path, "a", newline="", encoding="utf-8")  # noqa: SIM115
        self._writer = csv.DictWriter(self._file, COLUMNS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write a row; what it does not hold stays empty."""
        told = {key: f"{value:.7g}" for key, value in values.items() if key in COLUMNS}
        self._writer.writerow({"step": step, **told})
        self._file.flush()
        if self._board is not None:
            for key, value in values.items():
                self._board.add_scalar(key, value, step)


def _rows_until(path: Path, step: int) -> list[dict[str, str]]:
    if step == 0 or not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as opened:
        rows = [row for row in csv.DictReader(opened) if (row["step"] or "").isdecimal()]
    return [{k: row.get(k) or "" for k in COLUMNS} for row in rows if int(row["step"]) <= step]


def _board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError(
            "--set tensorboard=true needs the tensorboard package, which is not installed; "
            "type: pip install 'groklst[tensorboard]'"
        ) from error
    return SummaryWriter(str(folder), purge_step=step)
