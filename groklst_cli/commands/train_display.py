"""Progress of a training run: a live line on a terminal, elsewhere one line per validation."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from groklst_cli.commands import console
from groklst_cli.pipeline.train.log import TrainProgress

Display = tuple[Callable[[str], None], Callable[[TrainProgress], None]]


@contextmanager
def display(*, quiet: bool) -> Iterator[Display]:
    """Show notes and progress on stderr; of several processes only the first one prints."""
    quiet = quiet or int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))) > 0
    note = console.Notes(quiet=quiet)
    if quiet:
        yield note, lambda progress: None
    elif not console.stderr.is_terminal:
        yield note, _lines(note)
    else:
        from rich.progress import (
            BarColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.completed}/{task.total} steps"),
            BarColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        with Progress(*columns, console=console.stderr) as bar:
            task = bar.add_task("", total=None)
            yield (
                note,
                lambda progress: bar.update(
                    task,
                    completed=progress.step,
                    total=progress.steps,
                    description=_describe(progress),
                ),
            )


def _lines(note: Callable[[str], None]) -> Callable[[TrainProgress], None]:
    """Write a line for each tenth of the run."""
    told = -1

    def watch(progress: TrainProgress) -> None:
        nonlocal told
        tenth = progress.step * 10 // progress.steps
        if tenth > told:
            told = tenth
            left = (progress.steps - progress.step) / max(progress.rate, 1e-9)
            note(f"step {progress.step}/{progress.steps}: {_describe(progress)}; {left:.0f} s left")

    return watch


def _describe(progress: TrainProgress) -> str:
    parts = [f"loss {progress.loss:.4f}", f"{progress.rate:.2f} steps/s"]
    if "rmse" in progress.scores:
        parts.append(f"validation RMSE {progress.scores['rmse']:.4f} K")
    return ", ".join(parts)
