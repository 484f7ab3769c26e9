"""Files that survive a power cut: both content and name are on the disk."""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from groklst_cli.geo.private import open_private


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Write a file under a temporary name, and rename it when it is complete.

    An existing file of that name is replaced (a link itself, not its target); on an error it stays.

    Args:
        target: The file's name; its folder exists.

    Yields:
        Where to write it.
    """
    made = target.with_name(f".{target.name[:40]}.{secrets.token_hex(8)}")
    open_private(made).close()
    try:
        yield made
        put_in_place(made, target)
    except BaseException:
        made.unlink(missing_ok=True)
        raise


def put_in_place(made: Path, target: Path, *, leaving: Sequence[Path] = ()) -> None:
    """Give a finished file its final name, so that the name never belongs to an incomplete file.

    The content is on the disk before the name, and the name before this function returns.

    Args:
        made: The file, closed.
        target: Its name from now on, on the same file system; a file of that name is replaced.
        leaving: Companions of the file that is replaced. They are removed first, so that they are
            never next to the new file, and restored if the new file cannot be placed.
    """
    with open(made, "rb+") as written:
        os.fsync(written.fileno())
    with _set_aside(leaving, made.parent):
        os.replace(made, target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk."""
    if os.name == "nt":
        return  # Windows cannot open a folder
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _set_aside(files: Sequence[Path], folder: Path) -> Iterator[None]:
    """Move files aside for a while; on an error they come back, else they are deleted."""
    aside = {path: folder / f"aside-{number}" for number, path in enumerate(files)}
    moved: list[Path] = []
    try:
        for path, place in aside.items():
            os.replace(path, place)
            moved.append(path)
        if moved:
            sync_folder(moved[0].parent)
        yield
    except BaseException:
        for path in moved:
            os.replace(aside[path], path)
        raise
    for place in aside.values():
        place.unlink(missing_ok=True)
