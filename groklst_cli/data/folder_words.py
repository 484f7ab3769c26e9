"""Advice in error messages about files of a scene folder, which are not named with options."""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from groklst_cli.errors import InputError
from groklst_cli.geo.containers import setting_scale


@contextmanager
def in_words_of_folders(path: str, measured: str) -> Iterator[None]:
    """Rewrite errors about values so that they say how to correct the file itself.

    Args:
        path: The file that is read.
        measured: What to do if an isolated value was measured; ``{path}`` stands for the file.

    Raises:
        InputError: The same error with other advice.
    """
    try:
        yield
    except InputError as error:
        quoted = shlex.quote(path)
        text = re.sub(
            r"(add --src-nodata|write -g \S+,nodata=) ?(\S+); if it was measured, \w+ \S+( \S+)?",
            rf"declare it with: rio edit-info --nodata \2 {quoted}; if it was measured, "
            + measured.format(path=quoted),
            str(error),
        )
        text = re.sub(
            r"if they are applied already, write .*",
            f"if they are applied already, set the right ones with: {setting_scale(path)}",
            text,
        )
        classes = '; or leave it out with "not_guides" in scene.json'
        raise InputError(text + (classes if "codes of classes" in text else "")) from error
