"""The log of a run, ``--log FILE``: every line on stderr with its time, and the exit code.

Everything that writes to stderr also writes here. Lines are kept in memory until it is certain that
the log overwrites nothing, and are written at once from then on. Credentials in paths are masked.
"""

import os
import sys
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Final, TextIO

from groklst_cli.errors import GroklstError, OutputExistsError, UsageError
from groklst_cli.shown_text import masked, printable

_MARK: Final = "groklst log"
"""How a log begins."""

_SUFFIXES: Final = ("", ".log", ".txt")
_HEAD: Final = 4096  # bytes that are read to find out whether a file is text


class RunLog:
    """A log that is being written.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        """Start to keep lines; nothing is written yet.

        Args:
            path: The file.
            overwrite: Whether to start a new log, even in place of a text file that is not a log.

        Raises:
            UsageError: If its ending is not that of a text file.
        """
        if path.suffix.lower() not in _SUFFIXES:
            raise UsageError(
                f"--log {path} must name a text file; give it a name that ends in .log"
            )
        self.path, self._overwrite = path, overwrite
        self._waiting: list[str] = []
        self._file: TextIO | None = None
        self._began = time.monotonic()

    def tell(self, text: str) -> None:
        """Write lines with their time."""
        stamp = datetime.now().astimezone().isoformat(timespec="milliseconds")
        for line in text.splitlines() or [""]:
            self._write(f"{stamp} {masked(printable(line))}\n")

    def open(self, spared: Iterable[Path]) -> None:
        """Write from now on, starting with the lines that were kept.

        Args:
            spared: Files that the run reads or writes.

        Raises:
            UsageError: If the log is one of them, or cannot be a file.
            OutputExistsError: If another text file exists there and must not be replaced.
            GroklstError: If it cannot be written.
        """
        from groklst_cli.geo.targets import check_target, same_file

        for path in spared:
            if same_file(self.path, path):
                raise UsageError(
                    f"--log {self.path} is an input or output of the run; name another file"
                )
        check_target(self.path, overwrite=True)
        try:
            head = _head(self.path)
            if head and not _is_log(head):
                self._refuse(head)
            anew = self._overwrite or not head
            self._file = open(  # noqa: SIM115
                self.path, "w" if anew else "a", buffering=1, encoding="utf-8"
            )
        except OSError as error:
            if isinstance(error, GroklstError):
                raise
            raise GroklstError(f"--log {self.path} cannot be written: {error.strerror}") from error
        waiting, self._waiting = self._waiting, []
        self._write(f"{_MARK}\n" if anew else "\n")
        for line in waiting:
            self._write(line)

    def close(self, code: int) -> None:
        """Log how the run ended."""
        self.tell(f"end: exit code {code} after {time.monotonic() - self._began:.1f} s")
        if self._file is not None:
            self._file.close()

    @property
    def is_open(self) -> bool:
        """Whether lines are written as they come."""
        return self._file is not None

    def _refuse(self, head: bytes) -> None:
        if b"\0" in head:
            raise OutputExistsError(
                f"{self.path} exists, and is not a text file; name another --log"
            )
        if not self._overwrite:
            raise OutputExistsError(
                f"{self.path} exists, and is not a log of groklst; name another --log, or add "
                "--overwrite to replace it"
            )

    def _write(self, line: str) -> None:
        if self._file is None:
            self._waiting.append(line)
            return
        try:
            self._file.write(line)
        except (OSError, ValueError) as error:  # a failing log does not stop the run
            self._file, self._waiting = None, []
            sys.stderr.write(f"--log {self.path} can no longer be written: {error}\n")
            _State.log = None


class _State:
    log: RunLog | None = None


def begin(path: Path, *, overwrite: bool) -> None:
    """Start a log.

    Raises:
        UsageError: If its ending is not that of a text file.
    """
    _State.log = RunLog(path, overwrite=overwrite)


def tell(text: str) -> None:
    """Write to the log, if there is one."""
    if _State.log is not None:
        _State.log.tell(text)


def open_beside(spared: Iterable[Path]) -> None:
    """Open the log, if there is one; see ``RunLog.open``."""
    if _State.log is not None:
        try:
            _State.log.open(spared)
        except BaseException:
            _State.log = None
            raise


def end(code: int) -> None:
    """Log how the run ended, if there is a log; an early failure is logged if that is safe."""
    log, _State.log = _State.log, None
    if log is None:
        return
    if not log.is_open:
        free = not os.path.lexists(log.path) or log.path.is_file()
        try:
            if free and _is_log(_head(log.path) or _MARK.encode()):
                log.open(())
        except (OSError, GroklstError):
            return
    log.close(code)


def _head(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_HEAD)
    except FileNotFoundError:
        return b""


def _is_log(head: bytes) -> bool:
    return head.startswith(_MARK.encode())
