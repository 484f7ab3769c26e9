"""Two histograms over each other, as SVG in the page's own colours."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from groklst_cli.pages.maps import Limits, ticks
from groklst_cli.pages.parts import text

Values = NDArray[np.floating[Any]]

_LEFT, _RIGHT, _TOP, _BOTTOM = 42.0, 390.0, 24.0, 178.0
_SIZE: Final = (400, 214)
_BINS: Final = 60


def histograms(
    coarse: Values, fine: Values, names: tuple[str, str], label: str, limits: Limits
) -> str:
    """Return the shares of coarse and fine pixels by their values as SVG.

    Args:
        coarse: Drawn as a dashed line; NaN where there is none.
        fine: Drawn as an area.
        names: What they are called.
        label: What the values are, with their unit.
        limits: Of the values that are drawn.
    """
    shares = [_shares(values, limits) for values in (coarse, fine)]
    most = max(float(max(share.max() for share in shares)), 1e-6)
    line, area = (_steps(share / most) for share in shares)
    marks = "".join(_tick(value, said, limits) for value, said in ticks(limits))
    levels = "".join(
        f'<text x="{_LEFT - 5}" y="{_y(value / (100 * most)) + 4:.1f}" text-anchor="end">'
        f"{said}</text>"
        for value, said in ticks((0.0, 100 * most), 4)
    )
    alt = f"Histograms of {names[0]} (dashed line) and {names[1]} (area) over {label}"
    across = (_LEFT + _RIGHT) / 2
    return (
        f'<svg viewBox="0 0 {_SIZE[0]} {_SIZE[1]}" role="img" aria-label="{text(alt)}">'
        f'<path class="area" d="{area} L{_RIGHT} {_BOTTOM} L{_LEFT} {_BOTTOM} Z"/>'
        f'<path class="step" d="{line}"/>'
        f'<path class="axis" d="M{_LEFT} {_TOP} V{_BOTTOM} H{_RIGHT}"/>{marks}{levels}'
        f'<text x="{across}" y="{_BOTTOM + 33}" text-anchor="middle">{text(label)}</text>'
        f'<text x="4" y="13">% of pixels</text>'
        f'<path class="step" d="M{_RIGHT - 190} 9 h22"/>'
        f'<text x="{_RIGHT - 163}" y="13">{text(names[0])}</text>'
        f'<rect class="area" x="{_RIGHT - 90}" y="4" width="22" height="11"/>'
        f'<text x="{_RIGHT - 63}" y="13">{text(names[1])}</text></svg>'
    )


def _shares(values: Values, limits: Limits) -> NDArray[np.float64]:
    """Return the share of known values in each bin."""
    known = values[np.isfinite(values)]
    counts, _ = np.histogram(known, bins=_BINS, range=limits)
    return counts / max(1, known.size)


def _steps(heights: NDArray[np.float64]) -> str:
    """Return the outline of bars as a path."""
    wide = (_RIGHT - _LEFT) / _BINS
    parts = [f"M{_LEFT} {_BOTTOM}"]
    for number, height in enumerate(heights):
        parts.append(f"V{_y(height):.1f}H{_LEFT + (number + 1) * wide:.1f}")
    return "".join(parts)


def _y(height: float) -> float:
    return _BOTTOM - height * (_BOTTOM - _TOP)


def _tick(value: float, said: str, limits: Limits) -> str:
    low, high = limits
    x = _LEFT + (value - low) / (high - low) * (_RIGHT - _LEFT)
    return (
        f'<path class="axis" d="M{x:.1f} {_BOTTOM} v4"/>'
        f'<text x="{x:.1f}" y="{_BOTTOM + 16}" text-anchor="middle">{said}</text>'
    )
