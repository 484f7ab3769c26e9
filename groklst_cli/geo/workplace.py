"""The hidden folder next to an output in which it is written, by one process at a time."""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from groklst_cli.errors import GroklstError, OutputExistsError, UsageError
from groklst_cli.geo.private import private_folder

LOCK: Final = "lock"
_LONGEST_NAME: Final = 255  # bytes, on most file systems


class Workplace:
    """A target's hidden folder; it is locked while a process works in it.

    The lock ends with the process, and the next process removes what a killed one left.

    Attributes:
        target: What is made there.
        folder: The hidden folder, on the same file system as the target.
    """

    def __init__(self, target: Path) -> None:
        """Name the folder; nothing is written yet."""
        self.target = target
        self.folder = target.with_name(_folder_name(target.name))

    def enter(self) -> None:
        """Create the folder, or use the existing one, and lock it.

        Raises:
            OutputExistsError: If another process has it.
            UsageError: If another user may have written to it.
            GroklstError: If it cannot be written.
        """
        lock = self.folder / LOCK
        try:
            private_folder(self.folder)
            if lock.is_symlink() or (lock.exists() and not lock.is_file()):
                raise UsageError(
                    f"{lock} is not a file, but groklst uses that name for a file; remove it, "
                    "then run again"
                )
            self._lock = FileLock(lock)
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise OutputExistsError(
                f"another process is writing {self.target}; wait for it, or name another output"
            ) from error
        except GroklstError:  # some are OSErrors too
            raise
        except OSError as error:
            raise GroklstError(f"cannot write in {self.target.parent}: {error}") from error

    def clear(self) -> None:
        """Remove all but the lock."""
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()

    def leave(self, *, keep: bool) -> None:
        """Unlock the folder; remove it unless it is to be kept."""
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()
        if not keep and os.name == "nt":  # systems where an open file cannot be removed
            shutil.rmtree(self.folder, ignore_errors=True)


def _folder_name(name: str) -> str:
    """Name the folder after the output; if that is too long, after its beginning and a hash."""
    whole = f".{name}.unfinished"
    if len(os.fsencode(whole)) <= _LONGEST_NAME:
        return whole
    return f".{name[:40]}.{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}.unfinished"
