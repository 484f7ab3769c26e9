"""Check where a file may be written; all commands use these functions."""

import os
import re
import shlex
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from groklst_cli.errors import GroklstError, OutputExistsError, UsageError
from groklst_cli.geo.companions import companions, is_ours
from groklst_cli.geo.durable import put_in_place

Naming = Literal["option", "argument", "lst"]
"""How a target was named: by an option, by an argument that may have been meant as a guide, or
after the LST. Only an option may name a file that groklst did not write."""

_URL: Final = re.compile(r"\w{2,}:/")


@dataclass(frozen=True)
class Finished:
    """A complete file, and its final place.

    Attributes:
        made: The file, under a name of its own on the target's file system.
        target: Its place.
        overwrite: Whether a file that stands there may be replaced.
        named: Who named the target.
    """

    made: Path
    target: Path
    overwrite: bool
    named: Naming = "option"

    def check(self) -> None:
        """Refuse a place that was taken in the meantime.

        Raises:
            OutputExistsError: If it was, and must not be replaced.
            UsageError: If it cannot be a file any more.
        """
        check_target(self.target, overwrite=self.overwrite, named=self.named)
        refuse_left_behind(self.target, overwrite=self.overwrite, named=self.named)

    def place(self) -> None:
        """Give the file its final name, and delete companions of the old file.

        Raises:
            GroklstError: If it cannot be written.
        """
        try:
            put_in_place(self.made, self.target, leaving=companions(self.target))
        except OSError as error:
            raise GroklstError(f"{self.target} could not be written: {error}") from error


def check_target(path: Path, *, overwrite: bool, named: Naming = "option") -> None:
    """Refuse a target that cannot or must not be written.

    Args:
        path: The target.
        overwrite: Whether a file that stands there may be replaced.
        named: Who named it.

    Raises:
        OutputExistsError: If it exists and must not be replaced.
        UsageError: If it cannot be a file.
    """
    if "\0" in str(path):
        raise UsageError(f"{str(path)!r} holds a zero byte; name a file without one")
    if str(path).startswith("/vsi") or _URL.match(str(path)):
        raise UsageError(f"{path} is not a local file; write a local file, then copy it there")
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        if path.parent.is_dir():
            return
        raise UsageError(f"there is no folder {path.parent}; create it first") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be a file: {error.strerror}; name another") from error
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file in it")
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
        raise UsageError(f"{path} is a pipe, socket or device; name a file")
    if named != "option" and not is_ours(path):
        raise OutputExistsError(
            f"{path} exists, and groklst did not write it; {_instead(path, named)}"
        )
    if not overwrite:
        raise OutputExistsError(f"{path} exists; add --overwrite to replace it")


def refuse_left_behind(path: Path, *, overwrite: bool, named: Naming = "option") -> None:
    """Refuse a free place next to which there are companions that would change a new file.

    Args:
        path: A target that can be a file.
        overwrite: Whether the companions may be deleted.
        named: Who named the target.

    Raises:
        OutputExistsError: If there are any, and they must not be deleted.
    """
    if os.path.lexists(path) or not (left := companions(path)):
        return
    if not (overwrite and named == "option"):
        names = ", ".join(other.name for other in left)
        raise OutputExistsError(
            f"{names} would be read as part of {path}, but belongs to an earlier file; move it "
            f"away, or name the output with -o {_quoted(path)} --overwrite to remove it"
        )


def spare(targets: Iterable[Path], files: Iterable[Path]) -> None:
    """Refuse to overwrite an input, under any of its names.

    Raises:
        UsageError: If a target is one of the files.
    """
    read = list(files)
    for target in targets:
        for path in read:
            if same_file(target, path):
                raise UsageError(
                    f"{target} is an input too ({path}), which must not be changed; name another "
                    "file"
                )


def same_file(one: Path, other: Path) -> bool:
    """Return whether two names are one file: through links, or where case does not matter."""
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):  # at least one of them does not exist
        return False if "\0" in f"{one}{other}" else _real(one) == _real(other)


def _instead(path: Path, named: Naming) -> str:
    if named == "argument":
        name = _quoted(path)
        return (
            f"write -g before each guide, as in -g {name}; to replace it, name it with -o {name} "
            "--overwrite"
        )
    return "move it away, or name another output"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _real(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))
