"""Rewrite messages of the command line for Python."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from groklst_cli.errors import GroklstError
from groklst_cli.pipeline.predict.listeners import Note

_TYPED: Final = (
    (r"; if it was measured, (add|write) [^;]*", ""),
    (
        r"write (?:-g )?(\w+),scaling=none, else (?:-g )?\w+,scaling=tags",
        r"drop them: \1.assign_attrs(scale_factor=1, add_offset=0); if not, apply them with "
        "mask_and_scale=True when the file is opened",
    ),
    (r"add --src-nodata (\S+)", r"take lst.rio.write_nodata(\1)"),
    (r"name it with --src-nodata V", "declare it with lst.rio.write_nodata(V)"),
    (r"-g (\w+),nodata=([^\s;]+)", r"\1.rio.write_nodata(\2)"),
    (r"(\w+),scaling=([\d.]+)([+-])([\d.]+)", r"\1 * \2 \3 \4"),
    (r"(\w+),scaling=([\d.]+)", r"\1 * \2"),
)
"""What is typed on the command line, and what is called in Python instead."""


@contextmanager
def in_words_of_python() -> Iterator[None]:
    """Name arrays and arguments in errors, not files in memory and flags."""
    try:
        yield
    except GroklstError as error:
        raise type(error)(in_python(str(error))) from error


def in_python(text: str) -> str:
    """Rewrite a message of the command line for Python."""
    text = re.sub(r"/vsimem/[^/\s]+/", "", text)
    for typed, called in _TYPED:
        text = re.sub(typed, called, text)
    return re.sub(r"--([a-z]+(?:-[a-z]+)*)", lambda flag: _argument(flag[1]), text)


def _argument(flag: str) -> str:
    name = flag.replace("-", "_")
    return {"model": "method", "guide": "guides"}.get(name, name)


def noting_in_python(note: Note) -> Note:
    """Return a listener that receives the same messages rewritten for Python."""
    return lambda text: note(in_python(text))
