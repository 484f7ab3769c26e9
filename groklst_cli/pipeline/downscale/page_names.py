"""Names that pages about scenes share."""

from typing import Final

INDEX: Final = "index.html"
"""The page that leads to all others, or the only one."""

COMMAND: Final = "downscale"
"""Names the pages' generator."""
