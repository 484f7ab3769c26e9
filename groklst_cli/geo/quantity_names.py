"""Which quantity the names of bands and files indicate."""

import re
from typing import Final

_OTHERS: Final = re.compile(
    "blue|green|red|nir|nir[0-9]|vre|swir|swir[0-9]|rededge|pan|coastal|cirrus|albedo|"
    "ndvi|evi|evi2|savi|ndwi|ndbi|ndmi|mndwi|ndmvi|ndsi|lai|fapar|"
    "dem|dsm|dtm|srtm|elevation|height|slope|aspect|emissivity|emis|emis[0-9]+|emiswb|"
    "b0[1-5]|b0[7-9]|b8a|b12|qa|qc|scl|fmask|mask|cloud|landcover"
)
_THERMAL: Final = re.compile(
    "lst.*|st|sst|bt|tb|temp|temperature|kelvin|celsius|thermal|tir|tir[0-9]|tirs|skt"
)
_RESOLUTION: Final = re.compile("[0-9]+m")


def other_than_temperature(name: str) -> str | None:
    """Return the part of a name that says that the band is not a temperature; None for none.

    Only the first and the last word count, as in ``S2_2024_B04`` or ``ndvi_july``; a word for
    temperature outweighs them.
    """
    words = [word for word in re.split("[^a-z0-9]+", name.lower()) if word]
    while words and _RESOLUTION.fullmatch(words[-1]):
        words.pop()
    if not words or any(_THERMAL.fullmatch(word) for word in words):
        return None
    return next((word for word in (words[0], words[-1]) if _OTHERS.fullmatch(word)), None)
