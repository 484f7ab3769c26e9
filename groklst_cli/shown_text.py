"""Escape text from files and names before it is shown on a terminal, in a page or in a table.

A file's name or tag may contain control characters of terminals, characters that reverse the
direction of a line, bytes that are not text, or formulas of spreadsheets.
"""

import json
import re
import traceback
from typing import Any, Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""First characters of cells that spreadsheets may evaluate
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
"""Credentials in a path: what is before the ``@`` of a host, and values of a query that are
signatures, tokens or keys by their names."""


def printable(text: str, *, keep: str = "") -> str:
    """Escape every character that cannot be printed by its number, as JSON does.

    Args:
        text: Any text.
        keep: Characters to leave, such as a newline.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else _escaped(c) for c in text)


def one_line(what: object) -> str:
    """Put a text on one line, with unprintable characters escaped."""
    return printable(" ".join(str(what).split()))


def masked(text: str) -> str:
    """Replace credentials in paths and addresses by stars, for texts that others may read."""
    for secret in _SECRETS:
        text = secret.sub(lambda found: (found[1] if found.re.groups else "") + _MASK, text)
    return text


def cell(value: Any) -> Any:
    """Escape a value for a cell of CSV so that spreadsheets do not evaluate text as a formula.

    A quote is put before it, which is how spreadsheets mark such a text.
    """
    if not isinstance(value, str):
        return value
    shown = printable(value)
    return f"'{shown}" if value.startswith(_FORMULA) and not _is_number(value) else shown


def traced(error: BaseException) -> str:
    """Return a traceback with unprintable characters escaped."""
    return printable("".join(traceback.format_exception(error)), keep="\n\t")


def _escaped(character: str) -> str:
    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
