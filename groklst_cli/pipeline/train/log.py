"""What a training run leaves to read: a CSV, TensorBoard's files, pictures."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from groklst_cli.errors import UsageError
from groklst_cli.geo.durable import whole_file
from groklst_cli.shown_text import cell, printable

LOG: Final = "log.csv"

COLUMNS: Final = (
    "step", "loss", "learning_rate", "steps_per_second", "wait",
    "rmse", "mae", "bias", "cc", "rsd",
)  # fmt: skip
"""Of the CSV: scores are of the validation set, kelvin where they have a unit; ``wait`` is the
share of time that no sample was ready."""


@dataclass(frozen=True)
class Panel:
    """One validation patch to draw; all in kelvin, NaN where there is no value."""

    name: str
    coarse: NDArray[np.float32]
    prediction: NDArray[np.float32]
    truth: NDArray[np.float32]


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


def draw(panels: Sequence[Panel], picture: Path) -> None:
    """Draw patches in rows: coarse, prediction and truth on one scale, and the error."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.2 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 4, squeeze=False)
    for row, panel in zip(axes, panels, strict=True):
        low, high = (float(v) for v in np.nanpercentile(panel.truth, [1, 99]))
        error = panel.prediction - panel.truth
        reach = max(float(np.nanpercentile(np.abs(error), 99)), 1e-3)
        planes = [panel.coarse, panel.prediction, panel.truth]
        for axis, plane, title in zip(row, planes, ("", "fine", "truth"), strict=False):
            drawn = axis.imshow(plane, cmap="inferno", vmin=low, vmax=high, interpolation="none")
            axis.set_title(title)
        row[0].set_title(f"{printable(panel.name)}\ncoarse", loc="left", parse_math=False)
        figure.colorbar(drawn, ax=list(row[:3]), label="LST (K)", shrink=0.8)
        drawn = row[3].imshow(error, cmap="RdBu_r", vmin=-reach, vmax=reach, interpolation="none")
        row[3].set_title(f"error, RMSE {np.sqrt(np.nanmean(error**2)):.3f} K")
        figure.colorbar(drawn, ax=row[3], label="K", shrink=0.8)
        for axis in row:
            axis.set_axis_off()
    picture.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(picture) as made:
        figure.savefig(made, dpi=80, format="png")


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
