"""Files that outlast a power cut: what is written, and under which name, is on the disk."""

import os
from pathlib import Path


def put_in_place(made: Path, target: Path) -> None:
    """Give a finished file its final name; the name never stands for less than all of it.

    Contents go to the disk before the name does, and the name before this returns.

    Args:
        made: The file, closed.
        target: Its name from now on, on the same file system; a file of that name is replaced.
    """
    with open(made, "rb+") as written:
        os.fsync(written.fileno())
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
