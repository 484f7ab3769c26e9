"""What the GPU benchmark has found so far, in a file that is whole at any moment."""

import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

PROCESSES = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
"""A fork has torch at once, for which another process would read for many seconds."""
POLL = 0.5
"""Seconds between looks at what a step has found."""
KEPT = 4000
"""Characters of a failed step's last words."""


@dataclass
class Record:
    """The file and its content: the conditions, and each step with its state and rows."""

    path: Path
    content: dict[str, Any]

    @classmethod
    def open(cls, path: Path, conditions: dict[str, object]) -> Self:
        """Go on with a file, or begin one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            return cls(path, {"conditions": conditions, "steps": {}})
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["conditions"] != conditions:
            raise SystemExit(
                f"{path} was measured under {content['conditions']}, but this is {conditions}; "
                "name another folder with --out"
            )
        return cls(path, content)

    def is_done(self, name: str) -> bool:
        """Tell whether a step has come to its end."""
        return self.content["steps"].get(name, {}).get("state") == "done"

    def rows_of(self, name: str) -> tuple[dict[str, Any], ...]:
        """Return the rows that a step has found before it was cut short; none that failed."""
        rows = self.content["steps"].get(name, {}).get("rows", ())
        return tuple(row for row in rows if "error" not in row)

    def skip(self, name: str, reason: str) -> str:
        """Note why a step was left out; what it had found before stays.

        Returns:
            Its state.
        """
        before = self.content["steps"].get(name, {})
        self.content["steps"][name] = {"seconds": 0.0, "rows": [], **before}
        self.content["steps"][name]["state"] = state = f"skipped: {reason}"
        self._save()
        return state

    def run(
        self,
        name: str,
        work: Callable[[Path], None],
        limit: float,
        before: Sequence[dict[str, Any]] = (),
    ) -> str:
        """Do a step in a process of its own, keep its rows as they come, end it at its limit.

        Args:
            name: The step.
            work: Does it, given the file to which it is to add a line of JSON for each row.
            limit: Seconds.
            before: Rows that were found before and stay.

        Returns:
            Its state: ``done``, ``failed`` or ``stopped at its limit``.
        """
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            rows, words = Path(folder) / "rows", Path(folder) / "words"
            process = PROCESSES.Process(target=_alone, args=(work, rows, words))
            process.start()
            try:
                while process.is_alive() and time.monotonic() - began < limit:
                    process.join(POLL)
                    self._keep(name, "under way", before, rows, time.monotonic() - began)
            finally:
                state = _end(process)
            self._keep(name, state, before, rows, time.monotonic() - began)
            if state != "done":
                said = words.read_text(encoding="utf-8", errors="replace")[-KEPT:]
                self.content["steps"][name]["words"] = said
                self._save()
        return state

    def _keep(
        self, name: str, state: str, before: Sequence[dict[str, Any]], rows: Path, seconds: float
    ) -> None:
        self.content["steps"][name] = {
            "state": state,
            "seconds": round(seconds, 1),
            "rows": [*before, *_whole_rows(rows)],
        }
        self._save()

    def _save(self) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(self.content, indent=1), encoding="utf-8")
        new.replace(self.path)


def _alone(work: Callable[[Path], None], rows: Path, words: Path) -> None:
    """Do a step's work as the first of a group of processes, with all that is said in a file."""
    if sys.platform != "win32":
        os.setsid()
    with open(words, "w", encoding="utf-8") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
        sys.stdout = sys.stderr = file
        try:
            work(rows)
        except Exception:
            traceback.print_exc()  # here, where the file is open
            sys.exit(1)


def _end(process: BaseProcess) -> str:
    """Say how a process ended; end it, with all that it has started, where it has not."""
    if not process.is_alive():
        return "failed" if process.exitcode else "done"
    if sys.platform == "win32":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.join()
    return "stopped at its limit"


def _whole_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows that were written to their end."""
    if not path.exists():
        return []
    *whole, _ = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in whole]
