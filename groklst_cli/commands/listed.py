"""The requests of a list of scenes, in bounded memory."""

import os
import stat
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final

from groklst_cli.errors import InputError
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.downscale.scene_list import SceneRow, read_scene_list
from groklst_cli.pipeline.predict.listeners import Note, silent

_FEW: Final = 10_000
"""Scenes that are kept, about 15 MiB; a longer list is not kept but read again."""

_OFTEN: Final = 50_000
"""Scenes after which progress of reading the list is reported."""


class ListedRequests(Collection[Request]):
    """A list of any length in bounded memory.

    A long list is read again in every pass, and refused if it changed since the first pass. A pipe
    can be read only once, so it is kept in full.
    """

    def __init__(
        self,
        path: Path,
        ask: Callable[[SceneRow], Request],
        note: Note = silent,
    ) -> None:
        """Read the list once, so that a line that is not valid is found first.

        Args:
            path: The list.
            ask: Makes a request of a row.
            note: Told how far a long list is read.

        Raises:
            UsageError: If a line does not make sense.
            InputError: If the list cannot be read.
        """
        self._path, self._ask = path, ask
        self._mark = _mark(path)
        most = _FEW if _can_be_read_again(path) else sys.maxsize
        self._kept: list[Request] | None = []
        self._count = 0
        for request in map(ask, read_scene_list(path)):
            self._count += 1
            if self._count > most:
                self._kept = None
            if self._kept is not None:
                self._kept.append(request)
            if self._count % _OFTEN == 0:
                note(f"{path}: {self._count} scenes read")

    def __len__(self) -> int:
        return self._count

    def __contains__(self, request: object) -> bool:
        return any(request == other for other in self)

    def __iter__(self) -> Iterator[Request]:
        if self._kept is not None:
            yield from self._kept
            return
        for row in read_scene_list(self._path):
            if _mark(self._path) != self._mark:
                raise InputError(
                    f"{self._path} changed while its scenes were being downscaled; run again with "
                    "--skip-existing"
                )
            yield self._ask(row)


def _can_be_read_again(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return True


def _mark(path: Path) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns
