"""Maps in a page: values as a PNG of 256 colours, and the bar that says what they mean.

All tables of colours are ordered in lightness, so that a print without colours reads the same, and
are made for colour-blind readers: ``inferno`` and ``viridis`` (van der Walt and Smith, 2015),
``cividis`` (Nuñez, Anderton and Renslow, "Optimizing colormaps with consideration for color vision
deficiency", PLOS ONE 13, 2018), whose middle is grey, for numbers about zero.
"""

import base64
import math
import struct
import zlib
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from groklst_cli.pages.parts import text

Values = NDArray[np.floating[Any]]
Colours = Literal["inferno", "viridis", "cividis"]
Limits = tuple[float, float]

_GONE: Final = 0
"""The colour of no value: nothing, so that the page's own hatching is seen."""

_STOPS: Final = 17


def png(values: Values, colours: Colours, limits: Limits) -> bytes:
    """Draw values as a PNG, a pixel each.

    Args:
        values: ``(height, width)``, NaN where there is none.
        colours: Names the table.
        limits: What has the first colour and the last; what lies beyond has these too.
    """
    height, width = values.shape
    low, high = limits
    share = np.clip((np.nan_to_num(values, nan=low) - low) / (high - low), 0, 1)
    index = np.where(np.isfinite(values), 1 + np.rint(share * 254), _GONE).astype(np.uint8)
    rows = np.zeros((height, 1 + width), np.uint8)  # each is led by its filter, 0 for none
    rows[:, 1:] = index
    palette = np.vstack([np.zeros((1, 3), np.uint8), _table(colours, 255)])
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", palette.tobytes()),
            _chunk(b"tRNS", b"\0"),
            _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)),
            _chunk(b"IEND", b""),
        )
    )


def data_uri(picture: bytes) -> str:
    """Return a PNG as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(picture).decode("ascii")


def colour_bar(colours: Colours, limits: Limits, label: str) -> str:
    """Return the legend of a map as HTML.

    Args:
        colours: Names the table.
        limits: What its ends stand for.
        label: What the numbers are, with their unit.
    """
    low, high = limits
    stops = ",".join(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in _table(colours, _STOPS).tolist())
    marks = "".join(
        f'<span style="left:{100 * (tick - low) / (high - low):.2f}%">{said}</span>'
        for tick, said in ticks(limits)
    )
    alt = text(f"{label}, colours from {low:.4g} (dark) to {high:.4g} (light)")
    return (
        f'<div class="bar"><div class="colours" role="img" aria-label="{alt}" '
        f'style="background:linear-gradient(to right,{stops})"></div>'
        f'<div class="ticks">{marks}</div><div class="note">{text(label)}</div></div>'
    )


def ticks(limits: Limits, most: int = 6) -> list[tuple[float, str]]:
    """Return round numbers between two limits, and how they are written."""
    low, high = limits
    whole = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(s * whole for s in (1, 2, 5, 10) if (high - low) / (s * whole) <= most)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    return [(n * step, f"{n * step:.{digits}f}".replace("-", "−")) for n in range(first, last + 1)]


def _table(colours: Colours, length: int) -> NDArray[np.uint8]:
    from matplotlib import colormaps

    found: NDArray[np.uint8] = colormaps[colours](np.linspace(0, 1, length), bytes=True)[:, :3]
    return found


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
