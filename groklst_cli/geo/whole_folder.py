"""Folders that appear complete or not at all: written under another name, then renamed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from groklst_cli.errors import OutputExistsError, UsageError
from groklst_cli.geo.names import is_text
from groklst_cli.geo.workplace import Workplace


@contextmanager
def whole_folder(
    out: Path,
    *,
    overwrite: bool,
    inputs: Sequence[Path],
    foreign: Callable[[Path], Path | None],
    option: str = "--out",
) -> Iterator[Path]:
    """Write a folder under another name, and rename it when it is complete.

    Args:
        out: The folder's name; the folder around it exists.
        overwrite: Whether an existing folder may be replaced.
        inputs: Input files, which must not be inside it.
        foreign: Finds a file in an existing folder that the command did not write; returns the
            folder itself if the command wrote none of it.
        option: Names the folder on the command line, for messages.

    Yields:
        Where to write.

    Raises:
        OutputExistsError: If it exists and must not be replaced.
        UsageError: If it cannot be created.
    """
    refuse_loss(out, overwrite=overwrite, inputs=inputs, foreign=foreign, option=option)
    place = Workplace(out)
    place.enter()
    try:
        place.clear()
        made = place.folder / "made"
        made.mkdir()
        yield made
        refuse_loss(out, overwrite=overwrite, inputs=inputs, foreign=foreign, option=option)
        old = place.folder / "old"
        if out.exists():
            out.rename(old)
        try:
            made.rename(out)
        except OSError:
            if old.exists():
                old.rename(out)
            raise
    finally:
        place.leave(keep=False)


def refuse_loss(
    out: Path,
    *,
    overwrite: bool,
    inputs: Sequence[Path],
    foreign: Callable[[Path], Path | None],
    option: str = "--out",
) -> None:
    """Refuse a folder that cannot be made, or with which something would go that is not to go.

    See ``whole_folder`` for the arguments and what is raised; nothing is written.
    """
    if not out.name or not out.parent.is_dir():
        raise UsageError(
            f"{option} {out} cannot be created; name a new folder inside an existing one"
        )
    if not is_text(str(out)):
        raise UsageError(f"{option} {out} is not valid UTF-8; give the folder another name")
    if out.is_symlink():
        raise UsageError(f"{option} {out} is a symbolic link; name the folder that it points to")
    if not out.exists():
        return
    if out.is_dir() and not any(out.iterdir()):
        return
    if not overwrite:
        raise OutputExistsError(f"{out} exists; add --overwrite to replace it")
    other = foreign(out) if out.is_dir() else out
    if other == out:
        raise OutputExistsError(f"{out} was not written by this command; name another {option}")
    if other is not None:
        raise OutputExistsError(
            f"{other} was not written by this command and would be deleted with {out}; move it "
            f"away, or name another {option}"
        )
    for path in inputs:
        if path.resolve().is_relative_to(out.resolve()):
            raise UsageError(
                f"{path} is an input inside {out}, which would be replaced; name another {option}"
            )
