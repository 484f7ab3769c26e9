"""Folders and files that no other user can have created: shared folders are not trusted."""

import os
import stat
import tempfile
from pathlib import Path
from typing import IO, Final

from groklst_cli.errors import UsageError

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_UNTIED: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_AT_ONCE: Final = getattr(os, "O_NONBLOCK", 0)


def private_folder(folder: Path) -> None:
    """Create a folder that only its owner may write to, or accept an existing one.

    Raises:
        UsageError: If something else has that name: a link, a file, a folder of somebody else, or
            one that others may write in.
        OSError: If the file system refuses.
    """
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        refuse_shared(folder, _OTHERS_WRITE)


def refuse_shared(
    folder: Path,
    forbidden: int = stat.S_IWOTH,
    advice: str = "remove it or name another output, then run again",
) -> None:
    """Refuse a folder that another user may have written to.

    Args:
        folder: An existing folder.
        forbidden: Mode bits that it must not have.
        advice: What to do, for the error message.

    Raises:
        UsageError: If it is a link, not a folder, of another owner, or has such a bit.
        OSError: If the file system refuses.
    """
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        kind = "link" if stat.S_ISLNK(found.st_mode) else "file"
        raise UsageError(
            f"{folder} is a {kind}, but groklst uses that name for a folder; remove it, then run "
            "again"
        )
    if os.name == "nt":
        return  # Windows has other owners and modes
    suspicious = found.st_uid != os.geteuid() or found.st_mode & forbidden
    if suspicious and not _looks_like_ours(found, folder.parent, forbidden):
        whose = (
            "belongs to another user"
            if found.st_uid != os.geteuid()
            else "can be written by other users"
        )
        raise UsageError(f"{folder} {whose}, so its content cannot be trusted; {advice}")


def open_private(path: Path) -> IO[bytes]:
    """Create a new file for writing, without following links.

    Raises:
        OSError: If it exists or cannot be created.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _UNTIED
    return os.fdopen(os.open(path, flags, 0o666), "wb")


def open_regular(path: Path) -> IO[bytes]:
    """Open a file for reading, without following links or waiting for pipes.

    Raises:
        OSError: If it cannot be read, or is not a regular file.
    """
    handle = os.open(path, os.O_RDONLY | _UNTIED | _AT_ONCE)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(f"{path} is not a regular file")
    return os.fdopen(handle, "rb")


def _looks_like_ours(found: os.stat_result, parent: Path, forbidden: int) -> bool:
    """Return whether new folders look the same: some file systems keep no owner or mode."""
    probe = tempfile.mkdtemp(prefix=".groklst.", dir=parent)
    try:
        ours = os.lstat(probe)
    finally:
        os.rmdir(probe)
    return ours.st_uid == found.st_uid and not found.st_mode & forbidden & ~ours.st_mode
