"""Text from files and names, made fit to be shown: on a terminal, in a page, in a table.

A file's name or tag may hold what a terminal would obey instead of show, what turns the direction
of a line, bytes that are no text, or what a spreadsheet takes for a formula.
"""

import json
import re
import traceback
from typing import Any, Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that spreadsheets may evaluate
(https://owasp.org/www-community/attacks/CSV_Injection)."""

_MASK: Final = "***"
_SECRET: Final = "sig|token|key|secret|passw|pwd|credential|auth|session|policy"
_SECRETS: Final = (
    re.compile(r"(?<=://)[^/\s?#]*(?=@)"),
    re.compile(r"(?<=%3a%2f%2f)(?:(?!%2f)[^\s&/])*(?=%40)", re.IGNORECASE),  # a URL in a query
    re.compile(rf"(?<=[?&;])([\w.%-]*(?:{_SECRET})[\w.%-]*?=)[^&;\s'\"]*", re.IGNORECASE),
    re.compile(
        rf"(?<=%3f|%26)((?:(?!%3d)[\w.%-])*(?:{_SECRET})[\w.-]*%3d)(?:(?!%26)[^&\s'\"])*", re.I
    ),
    re.compile(r"(\b(?:password|passwd)=)[^\s'\"&;]+", re.IGNORECASE),
)
"""What lets a reader in where it stands in a path: who is before a host's ``@``, and values of a
query whose names say so (signatures, tokens, keys)."""


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


def masked(text: str) -> str:
    """Put stars in the place of credentials in paths and addresses, for what others may read."""
    for secret in _SECRETS:
        text = secret.sub(lambda found: (found[1] if found.re.groups else "") + _MASK, text)
    return text


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
