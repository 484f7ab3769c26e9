"""Downscale many scenes one after another; a scene that fails does not stop the others."""

import hashlib
import os
from array import array
from collections.abc import Collection, Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from groklst_cli.errors import UsageError
from groklst_cli.geo.kept_open import keeping_open
from groklst_cli.pipeline.downscale.failure import exit_code, in_one_line
from groklst_cli.pipeline.downscale.one_scene import downscale, plan_downscale
from groklst_cli.pipeline.downscale.request import Refused, Request
from groklst_cli.pipeline.predict.listeners import Note, Progress, silent, unwatched
from groklst_models.freed_memory import return_freed_memory

Status = Literal["done", "planned", "skipped", "failed"]


@dataclass(frozen=True)
class SceneOutcome:
    """The outcome of one scene.

    Attributes:
        request: The request.
        status: Whether it was done, planned, already done, or failed.
        facts: The result or the plan, as plain data; empty if it failed.
        failure: Why it failed, or None.
    """

    request: Request
    status: Status
    facts: dict[str, Any]
    failure: Exception | None = None

    @property
    def code(self) -> int:
        """The exit code that this scene would have had alone."""
        return 0 if self.failure is None else exit_code(self.failure)

    @property
    def error(self) -> str | None:
        """Why it failed, in one line; None if it did not."""
        return None if self.failure is None else in_one_line(self.failure)

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {
            "lst": self.request.lst.path,
            "status": self.status,
            "output": str(self.request.output),
            "code": self.code,
            "error": self.error,
            **self.facts,
        }


def downscale_many(
    requests: Collection[Request],
    *,
    dry_run: bool = False,
    note: Note = silent,
    progress: Progress = unwatched,
) -> Iterator[SceneOutcome]:
    """Run requests one after another.

    Args:
        requests: What to do.
        dry_run: Only plan, as ``plan_downscale`` does.
        note: Called with messages, each starting with the name of its scene.
        progress: Told how far each scene is.

    Yields:
        The outcome of each, in order.

    Raises:
        UsageError: If two of them would write the same file, or one would write an input of
            another; nothing has been done then.
    """
    refuse_collisions(requests)
    with keeping_open():
        for number, request in enumerate(requests, 1):

            def say(text: str, name: str = request.lst.path) -> None:
                note(f"{name}: {text}")

            say(f"scene {number} of {len(requests)}")
            progress(0, 0)
            yield attempt(request, dry_run=dry_run, note=say, progress=progress)


def attempt(
    request: Request,
    *,
    own: int | None = None,
    dry_run: bool = False,
    note: Note = silent,
    progress: Progress = unwatched,
) -> SceneOutcome:
    """Run a request and return its outcome; no failure stops the next scene.

    Args:
        request: What to do.
        own: Threads to compute on if other scenes run at the same time.
        dry_run: Only plan, as ``plan_downscale`` does.
        note: Called with messages.
        progress: Called with the progress.
    """
    try:
        if isinstance(request, Refused):
            raise request.why
        outcome = _plan(request) if dry_run else _carry_out(request, own, note, progress)
    except Exception as error:
        outcome = SceneOutcome(request, "failed", {}, error)
    return_freed_memory()
    return outcome


def refuse_collisions(requests: Collection[Request]) -> None:
    """Refuse scenes that would overwrite each other's files; eight bytes are kept per file.

    Raises:
        UsageError: If two outputs are one file, or an output is another scene's input.
    """
    read, written = array("Q"), array("Q")
    for request in requests:
        read.extend(_mark(path) for path in _inputs(request))
        written.extend(map(_mark, request.targets))
    marks, counts = np.unique(np.array(written), return_counts=True)
    suspected = marks[(counts > 1) | np.isin(marks, np.array(read))]
    if suspected.size:
        _refuse_first_collision(requests, frozenset(suspected.tolist()))


def _refuse_first_collision(requests: Collection[Request], suspected: Set[int]) -> None:
    """Compare the files with the same hash by their full names."""
    inputs = {
        _file(path) for request in requests for path in _inputs(request) if _mark(path) in suspected
    }
    written: dict[Path | tuple[int, int], str] = {}
    for request in requests:
        for target in request.targets:
            place, lst = _file(target), request.lst.path
            if _mark(target) not in suspected:
                continue
            if place in written:
                raise UsageError(
                    f"{written[place]} and {lst} would both be written to {target}; "
                    "name each scene's output in a --batch-file"
                )
            if place in inputs:
                raise UsageError(
                    f"{target} would be written for {lst}, but it is an input; name another "
                    "--out-dir"
                )
            written[place] = lst


def _inputs(request: Request) -> list[Path]:
    return [Path(path) for path in request.rasters]


def _mark(path: Path) -> int:
    """Return a 64-bit hash that is the same for all names of a file."""
    name = os.fsencode(str(_file(path)))
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big")


def _file(path: Path) -> Path | tuple[int, int]:
    """Return the identity of a file: two hard links are the same file."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return path.resolve()
    return found.st_dev, found.st_ino


def _carry_out(request: Request, own: int | None, note: Note, progress: Progress) -> SceneOutcome:
    shared = {} if own is None else {"own": own}
    result = downscale(request, note=note, progress=progress, **shared)
    return SceneOutcome(request, "skipped" if result.skipped else "done", result.to_json())


def _plan(request: Request) -> SceneOutcome:
    plan, estimate = plan_downscale(request)
    return SceneOutcome(request, "planned", {**plan.to_json(), "estimate": estimate.to_json()})
