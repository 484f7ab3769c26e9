"""Check that files that groklst wrote are still intact: ``groklst info --check``."""

import os
from collections.abc import Mapping
from pathlib import Path

from groklst_cli.errors import GroklstError, InputError, words_of
from groklst_cli.geo.flaws import find_flaw
from groklst_cli.pipeline.catalogue.entries import SUFFIX


def check(text: str) -> str | None:
    """Return what is wrong with a result or a checkpoint; None if it is intact.

    Args:
        text: The file's name.
    """
    path = Path(text)
    if not os.path.isfile(path):
        return "does not exist here; name a GeoTIFF or a checkpoint that groklst wrote"
    if path.suffix != SUFFIX:
        return find_flaw(path)
    from groklst_cli.pipeline.catalogue.checkpoints import (
        read_checked,
    )  # importing torch takes long

    try:
        read_checked(path)
    except GroklstError as error:
        return words_of(error).removeprefix(f"{path} ").removeprefix(f"{path}: ")
    return None


def refuse_flawed(found: Mapping[str, str | None]) -> None:
    """Raise an error that says how many files are not intact, and what is wrong with the first.

    Args:
        found: What `check` says, by file.

    Raises:
        InputError: If something is wrong with one.
    """
    flaws = [f"{text} {flaw}" for text, flaw in found.items() if flaw]
    if flaws:
        raise InputError(
            f"{len(flaws)} of {len(found)} files are not intact: {flaws[0]}; make it again, for "
            "example with the same command and --overwrite"
        )
