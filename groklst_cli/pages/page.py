"""A page: its head, its style, its one script, and a policy that lets nothing else in."""

import base64
import hashlib
from importlib.resources import files
from string import Template

from groklst_cli import __version__
from groklst_cli.pages.parts import text


def page(title: str, facts: str, body: str, *, of: str) -> str:
    """Lay out a page; it loads nothing from elsewhere but pictures that lie beside it.

    The policy lets no script run but ours, whose hash it names
    (https://www.w3.org/TR/CSP3/#match-element-to-source-list), whatever a text may hold.

    Args:
        title: Plain text.
        facts: Plain text, one line below the title.
        body: HTML.
        of: The command that writes it.
    """
    script = _resource("script.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    policy = (
        "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    return Template(_resource("page.html")).substitute(
        generator=f"{mark(of)} {__version__}",
        policy=policy,
        title=text(title),
        style=_resource("style.css"),
        facts=text(facts),
        body=body,
        script=script,
    )


def mark(of: str) -> str:
    """Return how the generator of a command's pages is named, before its version."""
    return f"groklst {of}"


def _resource(name: str) -> str:
    return files("groklst_cli.pages").joinpath(name).read_text("utf-8")
