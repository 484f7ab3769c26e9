"""Parts of a page: texts, tables, pictures, a slider between two of them.

Texts come from files and their names. Each passes through ``text`` on its way into a page, so that
its marks stand for themselves; what returns HTML says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import count
from typing import Final

from groklst_cli.shown_text import masked, printable

_NUMBERS: Final = count(1)


def text(plain: str) -> str:
    """Return a plain text as HTML, for an element or an attribute in quotes.

    Nothing in it turns the direction of a line, and credentials in paths are masked.
    """
    return escape(masked(printable(plain)))


def image(source: str, alt: str, *, classes: str = "", shape: float | None = None) -> str:
    """Return a picture as HTML.

    Args:
        source: Its address, such as a data URI.
        alt: What it shows, for those who do not see it.
        classes: Of the style.
        shape: Its width over its height on the page; None for that of its pixels.
    """
    style = "" if shape is None else f' style="aspect-ratio:{shape:.6g}"'
    return f'<img src="{escape(source)}" alt="{text(alt)}" class="{classes}"{style} loading="lazy">'


def figure(content: str, caption: str) -> str:
    """Return HTML with a plain caption below."""
    return f"<figure>{content}<figcaption>{text(caption)}</figcaption></figure>"


def slider(
    before: str,
    after: str,
    names: tuple[str, str],
    *,
    alts: tuple[str, str] | None = None,
    sharp: bool = True,
    shape: float | None = None,
) -> str:
    """Return HTML with one picture over another, and a line between them that one can move.

    Args:
        before: The address of the picture to the left of the line.
        after: That of the picture to the right.
        names: What they are called.
        alts: What they show; None for their names.
        sharp: Whether their pixels are drawn as squares.
        shape: Their width over their height on the page; None for that of their pixels.
    """
    classes = "map sharp" if sharp else "map"
    left, right = alts or names
    name = f"slider-{next(_NUMBERS)}"
    return (
        f'<div class="slider"{_shape(shape)}><div class="ends"><span>{text(names[0])}</span>'
        f'<span>{text(names[1])}</span></div><div class="views">'
        f"{image(before, left, classes=classes, shape=shape)}"
        f"{image(after, right, classes=f'{classes} after')}"
        '<div class="line"></div></div>'
        f'<input type="range" id="{name}" min="0" max="100" value="50" step="0.5">'
        f'<label for="{name}">Move the line: drag it, or use the arrow keys. To its left: '
        f"{text(names[0])}; to its right: {text(names[1])}.</label></div>"
    )


def words(rows: Iterable[tuple[str, str]]) -> str:
    """Return a table of two columns as HTML: what it is, and what is said of it."""
    lines = "".join(
        f'<tr><th scope="row">{text(name)}</th><td>{text(said)}</td></tr>' for name, said in rows
    )
    return f'<table class="words"><tbody>{lines}</tbody></table>'


def table(
    heads: Sequence[str],
    rows: Iterable[str],
    titles: Mapping[str, str] | None = None,
    *,
    classes: str = "",
) -> str:
    """Return a table as HTML; what is too wide for the page scrolls.

    Args:
        heads: Plain texts.
        rows: Whole rows of HTML.
        titles: What some of the heads mean.
        classes: Of the style; ``cards`` has rows become cards on a narrow page, whose cells name
            their heads as ``data-head``.
    """
    meant = titles or {}
    head = "".join(f'<th scope="col"{_title(meant.get(name))}>{text(name)}</th>' for name in heads)
    return (
        f'<div class="scroll"><table class="{classes}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def notes(lines: Iterable[str]) -> str:
    """Return a list of plain lines as HTML; nothing for none."""
    items = "".join(f"<li>{text(line)}</li>" for line in lines)
    return f'<ul class="notes">{items}</ul>' if items else ""


def _shape(shape: float | None) -> str:
    return "" if shape is None else f' style="--shape:{shape:.6g}"'


def _title(meaning: str | None) -> str:
    return "" if meaning is None else f' title="{text(meaning)}"'
