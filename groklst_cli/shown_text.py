"""Text from files and names, made fit to be shown: on a terminal, in a page, in a table.

A file's name or tag may hold what a terminal would obey instead of show, what turns the direction
of a line, bytes that are no text, or what a spreadsheet takes for a formula.
"""

import json
import traceback
from typing import Any, Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that spreadsheets may evaluate
(https://owasp.org/www-community/attacks/CSV_Injection)."""


def printable(text: str, *, keep: str = "") -> str:
    """Write out every character that is not printed by its number, as JSON does.

    Args:
        text: Anything.
        keep: Characters to leave, such as a newline.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else _escaped(c) for c in text)


def one_line(what: object) -> str:
    """Put a text on one line, without what is not printed."""
    return printable(" ".join(str(what).split()))


def cell(value: Any) -> Any:
    """Make a value fit for a cell of CSV: a text that is no number stays a text for spreadsheets.

    A quote is put before what would be a formula, which is how spreadsheets write such a text.
    """
    if not isinstance(value, str):
        return value
    shown = printable(value)
    return f"'{shown}" if value.startswith(_FORMULA) and not _is_number(value) else shown


def traced(error: BaseException) -> str:
    """Write a traceback, without what is not printed."""
    return printable("".join(traceback.format_exception(error)), keep="\n\t")


def _escaped(character: str) -> str:
    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
