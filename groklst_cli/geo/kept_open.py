"""Guides that stay open between the scenes of a run, with the blocks that GDAL has decoded of them.

Scenes of several dates have guides in common. A guide is taken again if its file has not been
written since it was opened.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

from rasterio.io import DatasetReader

from groklst_cli.geo.opening import open_raster

State = tuple[int, ...]

_MOST: Final = 32
"""Datasets that wait for the next scene."""

_lock: Final = Lock()
_idle: Final[list[tuple[str, DatasetReader, State]]] = []
_taken: Final[dict[DatasetReader, State]] = {}
_users = 0


@contextmanager
def keeping_open() -> Iterator[None]:
    """Keep guides open from now on, until all who asked for it have left."""
    global _users
    with _lock:
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            left = [] if _users else [dataset for _, dataset, _ in _idle]
            if left:
                _idle.clear()
        for dataset in left:
            dataset.close()


def open_guide(path: str) -> DatasetReader:
    """Open a guide as ``open_raster`` does, or take one that an earlier scene has left.

    Raises:
        UsageError: If it is on the network, which is not allowed.
        InputError: If it cannot be used.
    """
    before = _state_of(path)
    with _lock:
        for place, (name, dataset, state) in enumerate(_idle):
            if name == path and state == before:
                del _idle[place]
                _taken[dataset] = state
                return dataset
    dataset = open_raster(path)
    after = state_of(dataset)
    with _lock:
        if _users and after is not None and after == before:
            _taken[dataset] = after
    return dataset


def leave_guide(dataset: DatasetReader) -> None:
    """Keep a guide for the next scene, or close it."""
    with _lock:
        state = _taken.pop(dataset, None)
        if state is not None and _users:
            _idle.append((dataset.name, dataset, state))
            if len(_idle) <= _MOST:
                return
            _, dataset, _ = _idle.pop(0)
    dataset.close()


def state_of(dataset: DatasetReader) -> State | None:
    """Return what changes if a dataset's only file is written again.

    None if it is not one local file: a VRT, for example, names others.
    """
    return _state_of(dataset.name) if dataset.driver == "GTiff" else None


def _state_of(path: str) -> State | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
