"""Missing files, which are found without importing GDAL."""

import os
import re
from collections.abc import Iterable
from typing import Final

from groklst_cli.errors import InputError
from groklst_cli.geo.band_source import BandSource

_PLAIN: Final = re.compile(r"(?!/vsi)[\w./ +-]+\.tiff?", re.IGNORECASE)
"""A path that can only be that of a local file."""


def refuse_absent(texts: Iterable[str]) -> None:
    """Refuse plain paths of files that do not exist, with the error that opening would give.

    Args:
        texts: Rasters as they are typed; everything that is not a plain path is skipped.

    Raises:
        InputError: If one does not exist.
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
