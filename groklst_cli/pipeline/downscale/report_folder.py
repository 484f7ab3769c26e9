"""The folder of a report: a page for each scene, and ``index.html``, which leads to them.

It appears whole when the run is over, or not at all. A page of one scene is ``index.html`` itself.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from groklst_cli.errors import GroklstError, UsageError
from groklst_cli.geo.whole_folder import refuse_loss, whole_folder
from groklst_cli.pages import parts
from groklst_cli.pages.page import mark, page
from groklst_cli.pipeline.downscale.many_scenes import SceneOutcome
from groklst_cli.pipeline.downscale.page_names import COMMAND, INDEX
from groklst_cli.pipeline.downscale.request import Request

_HEAD: Final = 512  # bytes of a page in which its generator is named
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]+")
_HEADS: Final = ("scene", "state", "method", "scale", "mean", "noise", "time")
_SAID: Final = {
    "done": "done",
    "skipped": "done by an earlier run",
    "failed": "failed",
    "planned": "planned",
}


@contextmanager
def report_folder(
    out: Path, requests: Collection[Request], others: Sequence[Path | None] = ()
) -> Iterator[Path]:
    """Make the folder of a report, which takes its place when it is whole.

    Args:
        out: The folder.
        requests: The scenes that it is about.
        others: What else the run writes.

    Yields:
        Where to write pages.

    Raises:
        OutputExistsError: If it stands there, and may not be replaced or is not a report.
        UsageError: If it cannot be made, or the run writes something else into it.
    """
    check_report_folder(out, requests, others)
    may_replace = _may_replace(requests)
    with whole_folder(
        out, overwrite=may_replace, inputs=(), foreign=not_a_report, option="--report"
    ) as made:
        yield made


def check_report_folder(
    out: Path, requests: Collection[Request], others: Sequence[Path | None] = ()
) -> None:
    """Refuse a folder for a report, as ``report_folder`` does, and write nothing."""
    beside = [path for path in others if path is not None]
    for path in (*beside, *(target for request in requests for target in request.targets)):
        if _lies_in(path.parent, out):
            raise UsageError(
                f"{path} would be written into --report {out}, which only holds pages; name "
                "another folder"
            )
    refuse_loss(
        out,
        overwrite=_may_replace(requests),
        inputs=(),
        foreign=not_a_report,
        option="--report",
    )


def not_a_report(folder: Path) -> Path | None:
    """Find a file in a folder that is not a page of ours; the folder itself where none is."""
    files = sorted(folder.iterdir())
    for path in files:
        if not _is_page(path):
            return path if (folder / INDEX).is_file() and _is_page(folder / INDEX) else folder
    return None if folder / INDEX in files else folder


class WithPages(Collection[Request]):
    """Requests, each with the page about it."""

    def __init__(self, requests: Collection[Request], folder: Path) -> None:
        """Give each a page in a folder."""
        self._requests, self._folder = requests, folder

    def __len__(self) -> int:
        return len(self._requests)

    def __contains__(self, request: object) -> bool:
        return any(request == other for other in self)

    def __iter__(self) -> Iterator[Request]:
        for number, request in enumerate(self._requests, 1):
            yield replace(request, page=self._folder / _page_name(number, request))


@dataclass
class Index:
    """The page that leads to the pages of many scenes.

    Attributes:
        folder: Where it is to stand.
        command: As it was typed.
    """

    folder: Path
    command: str
    _rows: list[str] = field(default_factory=list)
    _states: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: SceneOutcome) -> None:
        """Take what became of a scene."""
        self._states[_SAID[outcome.status]] += 1
        self._rows.append(_row(outcome))

    def write(self) -> None:
        """Write the page.

        Raises:
            GroklstError: If the disk refuses.
        """
        counts = ", ".join(f"{count} {what}" for what, count in self._states.items())
        body = (
            parts.table(_HEADS, self._rows, classes="cards"),
            "<h2>How to repeat it</h2>",
            f"<pre><code>{parts.text(self.command)}</code></pre>" if self.command else "",
        )
        total = sum(self._states.values())
        facts = f"{total} scene{'' if total == 1 else 's'}: {counts}"
        text = page("Downscaled scenes", facts, "\n".join(body), of=COMMAND)
        try:
            (self.folder / INDEX).write_text(text, encoding="utf-8")
        except OSError as error:
            raise GroklstError(
                f"the report could not be written: {error.strerror or error}; the maps themselves "
                "are whole"
            ) from error


def _row(outcome: SceneOutcome) -> str:
    """Return a row of the index as HTML: the scene's figures, or why it failed."""
    request, facts = outcome.request, outcome.facts
    named = parts.text(request.output.name if outcome.failure is None else request.lst.path)
    if outcome.failure is not None:
        why = parts.text(f"exit code {outcome.code}: {outcome.error}")
        return (
            f'<tr><td>{named}</td><td class="why" colspan="{len(_HEADS) - 1}">'
            f"<b>failed</b>, {why}</td></tr>"
        )
    if request.page is not None and request.page.is_file():
        named = f'<a href="{parts.text(request.page.name)}">{named}</a>'
    noise, mean = facts.get("noise"), facts.get("mean")
    unit = "°C" if facts["units"] == "C" else "K"
    cells = (
        _SAID[outcome.status],
        facts["method"],
        f"×{facts['scale']}",
        "" if mean is None else f"{mean:.2f} {unit}",
        "" if noise is None else f"{noise['believed']:.2f} K",
        f"{facts['seconds']:.1f} s",
    )
    rest = "".join(
        f'<td data-head="{head}">{parts.text(str(cell)) or "–"}</td>'
        for head, cell in zip(_HEADS[1:], cells, strict=True)
    )
    return f"<tr><td>{named}</td>{rest}</tr>"


def _page_name(number: int, request: Request) -> str:
    """Name a scene's page by its number and, for people, after its output."""
    told = _UNSAFE.sub("-", request.output.stem)[:60].strip("-")
    return f"{number:04d}-{told or 'scene'}.html"


def _is_page(path: Path) -> bool:
    if path.suffix != ".html" or path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return f'content="{mark(COMMAND)} '.encode() in file.read(_HEAD)


def _may_replace(requests: Collection[Request]) -> bool:
    first = next(iter(requests))
    return first.overwrite or first.resume or first.skip_existing


@lru_cache(maxsize=1024)
def _lies_in(folder: Path, other: Path) -> bool:
    return folder.resolve().is_relative_to(other.resolve())
