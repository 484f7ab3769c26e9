"""Files that are not there, which is known without GDAL, for which one would wait."""

import os
import re
from collections.abc import Iterable
from typing import Final

from groklst_cli.errors import InputError
from groklst_cli.geo.band_source import BandSource

_PLAIN: Final = re.compile(r"(?!/vsi)[\w./ +-]+\.tiff?", re.IGNORECASE)
"""A path that GDAL takes for nothing but a file's."""


def refuse_absent(texts: Iterable[str]) -> None:
    """Refuse what is named by a plain path at which there is nothing, as opening it would.

    Args:
        texts: Rasters as they are typed; whatever else they name is left to whoever opens them.

    Raises:
        InputError: If one is not there.
    """
    for text in texts:
        if not _PLAIN.fullmatch(text.partition(",")[0]):
            continue
        path = BandSource.parse(text).path
        if _PLAIN.fullmatch(path) and not os.path.lexists(path):
            raise InputError(
                f"{path} cannot be read as a raster: {path}: No such file or directory; name a "
                "GeoTIFF or another raster file"
            )
