"""The consoles for stdout and stderr, and progress bars on terminals."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import hypot
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from groklst_cli.commands import run_log
from groklst_cli.shown_text import printable

if TYPE_CHECKING:  # a broken library must not stop the doctor from printing
    from groklst_cli.pipeline.predict.listeners import Progress as Report


_GETTING_READY = "getting ready"
"""Shown next to the bar until there is something to count."""


class _Console(Console):
    """Escapes control characters, which names in files may contain."""

    def render_str(self, text: str, *args: Any, **kwargs: Any) -> Text:
        """Escape a text before it is rendered."""
        return super().render_str(printable(text, keep="\n\t"), *args, **kwargs)


stdout = _Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
stderr = _Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)


class Notes:
    """Prints notes on stderr unless quiet; the log receives them in both cases."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def __call__(self, text: str) -> None:
        """Print a note."""
        run_log.tell(text)
        if not self._quiet:
            stderr.print(text)


def print_json(data: Any) -> None:
    """Print one JSON document on stdout."""
    stdout.print(json.dumps(data, ensure_ascii=False, allow_nan=False))


@contextmanager
def progress_bar(unit: str, *, quiet: bool) -> "Iterator[Report]":
    """Show progress on stderr if it is a terminal and not quiet."""
    if quiet or not stderr.is_terminal:
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn())
    with Progress(*columns, TimeRemainingColumn(), console=stderr, transient=True) as bar:
        task = bar.add_task(_GETTING_READY, total=None)

        def report(done: int, total: int) -> None:
            nonlocal task
            if total:
                bar.update(task, description=f"{done}/{total} {unit}", completed=done, total=total)
            else:
                bar.remove_task(task)
                task = bar.add_task(_GETTING_READY, total=None)

        yield report


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print plain data as a table on stdout; the first column (names) is never shortened."""
    from rich.table import Table

    first, *others = rows[0]
    table = Table(box=None, pad_edge=False)
    table.add_column(first, no_wrap=True, min_width=max(len(str(row[first])) for row in rows))
    for head in others:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*map(str, row.values()))
    stdout.print(table)


def print_plan(plan: dict[str, Any], *, json: bool) -> None:
    """Print what a run would do on stdout, as JSON or as text."""
    if json:
        print_json(plan)
        return
    for line in _plan_lines(plan):
        stdout.print(line)


def _plan_lines(plan: dict[str, Any]) -> Iterator[str]:
    transform, estimate = plan["transform"], plan["estimate"]
    wide, high = hypot(transform[0], transform[3]), hypot(transform[1], transform[4])
    yield f"method    {plan['method']}: {plan['reason']}"
    if plan["checkpoint"]:
        yield f"weights   {plan['checkpoint']}"
    yield f"scale     {plan['scale']}, from: {plan['scale_from']}"
    yield f"output    {plan['height']} × {plan['width']} pixels of {wide:g} × {high:g} CRS units"
    yield f"CRS       {plan['crs']}"
    yield f"unit      {plan['units']}, from: {plan['units_from']}"
    yield f"values    {plan['valid_coarse_pixels']} valid pixels of the LST"
    if plan["mask"]:
        yield f"mask      {plan['mask']['clear_share']:.1%} of the LST is clear"
    for path, method in plan["resampling"].items():
        yield f"guide     {path}: {method}"
    if plan["bands"]:
        yield f"bands     {', '.join(plan['bands'])}"
    yield f"tiles     {estimate['tiles']} of {plan['tile']} × {plan['tile']} fine pixels"
    yield f"keeps     {_kept(plan)}"
    yield f"takes     about {estimate['seconds']:g} s on {estimate['device']}; nothing was written"


def _kept(plan: dict[str, Any]) -> str:
    if noise := plan["noise"]:
        return f"the coarse values, as far as a noise of {noise['believed']:.2f} K allows"
    return "the coarse values" if plan["conserve"] else "not the coarse values"


def print_failures(rows: Sequence[tuple[str, int, str]]) -> None:
    """Print which scenes failed, with which exit code and why, as a table on stderr."""
    from rich.table import Table

    wide = None if stderr.is_terminal else 2**15  # a log does not wrap lines
    table = Table("scene", "code", box=None, pad_edge=False)
    table.add_column("why", overflow="fold")
    for scene, code, why in rows:
        table.add_row(scene, str(code), why)
        run_log.tell(f"{scene} failed with exit code {code}: {why}")
    _Console(stderr=True, width=wide, highlight=False, markup=False, emoji=False).print(table)


def print_page(text: str) -> None:
    """Print a finished text on stdout unchanged."""
    stdout.print(text, end="")


def print_fields(facts: dict[str, Any], indent: str = "") -> None:
    """Print plain data as indented lines on stdout."""
    for key, value in facts.items():
        if isinstance(value, dict):
            stdout.print(f"{indent}{key}:")
            print_fields(value, indent + "  ")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            stdout.print(f"{indent}{key}:")
            for item in value:
                stdout.print(indent + "  " + ", ".join(f"{k} {v}" for k, v in item.items()))
        else:
            stdout.print(f"{indent}{key}: {value}")
