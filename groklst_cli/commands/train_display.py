"""How a training run looks: a live line on a terminal, a line a validation elsewhere."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from groklst_cli.commands import console
from groklst_cli.pipeline.train.fit import Moment

Display = tuple[Callable[[str], None], Callable[[Moment], None]]


@contextmanager
def display(*, quiet: bool) -> Iterator[Display]:
    """Show notes and progress on stderr; of several processes only the first one speaks."""
    quiet = quiet or int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))) > 0
    note = console.Notes(quiet=quiet)
    if quiet:
        yield note, lambda moment: None
    elif not console.stderr.is_terminal:
        yield note, _lines(note)
    else:
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
                lambda moment: bar.update(
                    task,
                    completed=moment.step,
                    total=moment.steps,
                    description=_describe(moment),
                ),
            )


def _lines(note: Callable[[str], None]) -> Callable[[Moment], None]:
    """Write a line for each tenth of the run."""
    told = -1

    def watch(moment: Moment) -> None:
        nonlocal told
        tenth = moment.step * 10 // moment.steps
        if tenth > told:
            told = tenth
            left = (moment.steps - moment.step) / max(moment.rate, 1e-9)
            note(f"step {moment.step}/{moment.steps}: {_describe(moment)}; {left:.0f} s left")

    return watch


def _describe(moment: Moment) -> str:
    parts = [f"loss {moment.loss:.4f}", f"{moment.rate:.2f} steps/s"]
    if "rmse" in moment.scores:
        parts.append(f"validation RMSE {moment.scores['rmse']:.4f} K")
    return ", ".join(parts)
