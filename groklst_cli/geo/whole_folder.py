"""A folder that appears whole, or not at all: made beside its place, then given its name."""

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
    """Make a folder under another name, and give it its own when it is whole.

    Args:
        out: The folder's name; the folder around it exists.
        overwrite: Whether a folder that stands there may be replaced.
        inputs: What is read, and must not lie in it.
        foreign: Finds a file, in a folder that stands there, that the command did not write;
            returns the folder itself if it wrote nothing of it.
        option: Names the folder on the command line, for messages.

    Yields:
        Where to write.

    Raises:
        OutputExistsError: If it stands there and may not be replaced.
        UsageError: If it cannot be made.
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
        raise UsageError(f"{option} {out} cannot be made; name a new folder in one that is there")
    if not is_text(str(out)):
        raise UsageError(f"{option} {out} is no UTF-8 text; name a folder that is")
    if out.is_symlink():
        raise UsageError(f"{option} {out} is a link; name the folder that it leads to")
    if not out.exists():
        return
    if out.is_dir() and not any(out.iterdir()):
        return
    if not overwrite:
        raise OutputExistsError(f"{out} exists; add --overwrite to replace it")
    other = foreign(out) if out.is_dir() else out
    if other == out:
        raise OutputExistsError(f"{out} is not of this command; name another {option}")
    if other is not None:
        raise OutputExistsError(
            f"{other} is not of this command and would go with {out}; move it away, or name "
            f"another {option}"
        )
    for path in inputs:
        if path.resolve().is_relative_to(out.resolve()):
            raise UsageError(
                f"{path} is an input and lies in {out}, which would be replaced; name another "
                f"{option}"
            )
