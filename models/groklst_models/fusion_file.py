"""Whether a file holds weights of ``fusion``, which is told without reading them."""

from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open

KEY: Final = "groklst_fusion"
"""Metadata under which such a file says what it is, in JSON."""


def holds_fusion(path: Path) -> bool:
    """Tell whether a file says that it holds weights of ``fusion``."""
    try:
        with safe_open(path, framework="numpy") as opened:
            return KEY in (opened.metadata() or {})
    except (SafetensorError, OSError, ValueError):
        return False
