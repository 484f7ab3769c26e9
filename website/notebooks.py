"""Notebooks of ``docs/notebooks`` as pages; they hold no output, so text and code are all of it."""

import json
from pathlib import Path
from typing import Any


def cells(notebook: Path) -> list[tuple[str, str]]:
    """Read a notebook's cells: what each is (``markdown`` or ``code``), and its text."""
    stored: dict[str, Any] = json.loads(notebook.read_text(encoding="utf-8"))
    return [(cell["cell_type"], "".join(cell["source"])) for cell in stored["cells"]]


def page(notebook: Path) -> str:
    """Write a notebook as Markdown, with a link to the file under its title."""
    (_, opening), *others = cells(notebook)
    title, _, lead = opening.partition("\n")
    parts = [title, f"[Download this notebook]({notebook.name})", lead]
    parts += [text if kind == "markdown" else f"```python\n{text}\n```" for kind, text in others]
    return "\n\n".join(parts) + "\n"
