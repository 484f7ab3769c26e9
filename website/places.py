"""Where files of the repository stand on the site, and links that lead there."""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]

BORROWED = {
    "README.md": "repository/overview.md",
    "CHANGELOG.md": "repository/changes.md",
    "CONTRIBUTING.md": "repository/contributing.md",
    "SECURITY.md": "repository/security.md",
    "benchmarks/README.md": "repository/benchmarks.md",
    "models/README.md": "repository/methods.md",
}
"""Pages that stand outside ``docs/``, and their place on the site."""

ITEM = re.compile(r"^(?P<mark>\* )\[[\w./]+\.md\]\((?P<path>[^)\s#:]+)\)", re.MULTILINE)
"""An item of a list that begins with the name of a page."""

LINK = re.compile(r"(?<=\]\()(?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?(?=\))")
FENCED = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)


def place_of(path: str) -> str:
    """Tell where a file of the repository stands on the site."""
    if path in BORROWED:
        return BORROWED[path]
    if path.startswith("docs/"):
        return re.sub(r"^(notebooks/.*)\.ipynb$", r"\1.md", path.removeprefix("docs/"))
    return f"repository/{path}"


def origin_of(place: str) -> str:
    """Tell which file of the repository a page of the site was made from."""
    lent = {there: path for path, there in BORROWED.items()}
    return lent.get(place, f"docs/{place}")


def links(text: str, origin: str) -> Iterator[str]:
    """List the files of the repository that a page made from ``origin`` links to."""
    for part in FENCED.split(text)[::2]:
        for found in LINK.finditer(part):
            yield _meant(origin, found["path"])


def titled(text: str, origin: str) -> str:
    """Name pages by their titles, not by their files, in lists of pages."""

    def named(found: re.Match[str]) -> str:
        target = ROOT / _meant(origin, found["path"])
        title = target.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        return f"{found['mark']}[{title}]({found['path']})"

    return ITEM.sub(named, text)


def moved(text: str, origin: str, place: str) -> str:
    """Turn the links of a page so that they lead from its place on the site."""

    def turned(found: re.Match[str]) -> str:
        there = place_of(_meant(origin, found["path"]))
        relative = posixpath.relpath(there, PurePosixPath(place).parent.as_posix())
        return relative + (found["anchor"] or "")

    parts = FENCED.split(text)
    parts[::2] = [LINK.sub(turned, part) for part in parts[::2]]
    return "".join(parts)


def _meant(origin: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
