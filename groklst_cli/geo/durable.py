"""Files that outlast a power cut: what is written, and under which name, is on the disk."""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from groklst_cli.geo.private import open_private


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Make a file beside its place, and give it its name when it is whole.

    What stood under that name is replaced, a link itself and not what it leads to; on an error it
    stays.

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
    """Give a finished file its final name; the name never stands for less than all of it.

    Contents go to the disk before the name does, and the name before this returns.

    Args:
        made: The file, closed.
        target: Its name from now on, on the same file system; a file of that name is replaced.
        leaving: What belongs to the file that is replaced. It leaves first, so that it never
            stands beside the new one, and comes back if the new one cannot be placed.
    """
    with open(made, "rb+") as written:
        os.fsync(written.fileno())
    with _set_aside(leaving, made.parent):
        os.replace(made, target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    if os.name == "nt":
        return  # Windows cannot open a folder
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _set_aside(files: Sequence[Path], folder: Path) -> Iterator[None]:
    """Move files into a folder of the same file system; they come back on an error, else go."""
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
