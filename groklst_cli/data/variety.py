"""Vary training scenes: worse guides, clouds, blur, other bands.

All random numbers come from a generator that is passed in, so a seed determines the result. Arrays
are ``(rows, columns)`` of LST in kelvin and ``(bands, rows, columns)`` of guides, NaN where
missing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

ELEVATION: Final = "dem"

_SUBSETS: Final = (
    ("blue", "green", "red"),
    ("nir", "red"),
    ("green", "nir", "swir1"),
    ("blue", "green", "red", "nir"),
    ("red", "nir", "swir1", "swir2"),
)
"""Bands that are often used together: those of a sensor, or common choices."""


@dataclass(frozen=True)
class Piece:
    """A part of a scene at the resolution of its truth.

    Attributes:
        truth: ``(h, w)``, kelvin.
        guide: ``(G, h, w)``.
        bands: Their names.
    """

    truth: Plane
    guide: Plane
    bands: tuple[str, ...]

    def with_bands(self, numbers: NDArray[np.int64]) -> "Piece":
        """Keep some bands, by their numbers."""
        return replace(
            self, guide=self.guide[numbers], bands=tuple(self.bands[number] for number in numbers)
        )

    def cut(self, rows: slice, columns: slice) -> "Piece":
        """Cut out a part."""
        return Piece(self.truth[rows, columns], self.guide[:, rows, columns], self.bands)


def coarser(piece: Piece, factor: float) -> Piece:
    """Aggregate a piece, in half pixels if the factor is not a whole number.

    Args:
        piece: The piece.
        factor: 1, 1.5, 2, 2.5, …
    """
    if factor == 1:
        return piece
    twice = round(2 * factor)
    if twice % 2 == 0:
        return Piece(
            _means(piece.truth, twice // 2, 1.0), _means(piece.guide, twice // 2, 0.5), piece.bands
        )
    doubled = (plane.repeat(2, -1).repeat(2, -2) for plane in (piece.truth, piece.guide))
    truth, guide = doubled
    return Piece(_means(truth, twice, 1.0), _means(guide, twice, 0.5), piece.bands)


def fewer_bands(piece: Piece, rng: np.random.Generator) -> Piece:
    """Keep a set of bands that are often used together; all if there are few."""
    there = [subset for subset in _SUBSETS if set(subset) < set(piece.bands)]
    if not there:
        return piece
    chosen = there[int(rng.integers(len(there)))]
    return piece.with_bands(np.array([piece.bands.index(band) for band in chosen]))


def with_elevation(piece: Piece, rng: np.random.Generator) -> Piece:
    """Add an artificial relief, a fractal surface that is unrelated to the LST."""
    height, width = piece.truth.shape
    waves = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    waves[0, 0] = 1.0
    phases = rng.normal(size=waves.shape) + 1j * rng.normal(size=waves.shape)
    spectrum = phases * waves ** -rng.uniform(1.6, 2.4)
    spectrum[0, 0] = 0.0
    relief = np.fft.irfft2(spectrum, s=(height, width))
    relief = (500 + 100 * relief / max(float(relief.std()), 1e-9)).astype(np.float32)
    guide = np.concatenate([piece.guide, relief[None]])
    return replace(piece, guide=guide, bands=(*piece.bands, ELEVATION))


def with_clouds(piece: Piece, rng: np.random.Generator) -> Piece:
    """Remove clouds of about eight pixels from the truth, 3 to 20 % of it."""
    field = _smooth(rng.normal(size=piece.truth.shape).astype(np.float32), 8.0)
    hidden = field > np.quantile(field, rng.uniform(0.8, 0.97))
    return replace(piece, truth=np.where(hidden, np.float32(np.nan), piece.truth))


def blurred_truth(piece: Piece, rng: np.random.Generator) -> Piece:
    """Blur the truth by 0.3 to 0.8 pixels."""
    blurred = _smooth(piece.truth, rng.uniform(0.3, 0.8))
    return replace(piece, truth=np.where(np.isnan(piece.truth), np.float32(np.nan), blurred))


def one_band(piece: Piece, rng: np.random.Generator) -> Piece:
    """Keep a single band, misregistered by up to 1.3 pixels."""
    return shifted(piece.with_bands(rng.permutation(len(piece.bands))[:1]), rng)


def two_bands(piece: Piece, rng: np.random.Generator) -> Piece:
    """Keep two bands."""
    return piece.with_bands(rng.permutation(len(piece.bands))[:2])


def shifted(piece: Piece, rng: np.random.Generator) -> Piece:
    """Move all guides together by up to 1.3 pixels along each axis."""
    down, across = rng.uniform(-1.3, 1.3, 2)
    moved = _moved(_moved(piece.guide, down, -2), across, -1)
    return replace(piece, guide=moved)


def noisy(piece: Piece, rng: np.random.Generator) -> Piece:
    """Add noise of 0.1 to 0.6 of its standard deviation to each guide."""
    spread = np.nanstd(piece.guide, axis=(1, 2), keepdims=True) * rng.uniform(0.1, 0.6)
    noise = rng.normal(size=piece.guide.shape) * spread
    return replace(piece, guide=piece.guide + noise.astype(np.float32))


def blurred(piece: Piece, rng: np.random.Generator) -> Piece:
    """Blur the guides by 0.5 to 1.5 pixels."""
    sigma = rng.uniform(0.5, 1.5)
    return replace(piece, guide=np.stack([_smooth(plane, sigma) for plane in piece.guide]))


SPOILS: Final[Mapping[str, Callable[[Piece, np.random.Generator], Piece]]] = MappingProxyType(
    {"one": one_band, "two": two_bands, "shift": shifted, "noise": noisy, "blur": blurred}
)
"""Ways to degrade guides, by name."""


def varied(piece: Piece, rng: np.random.Generator) -> Piece:
    """Degrade a piece at random, as real scenes are degraded.

    A third of the pieces get fewer bands and a third worse guides; independently, a third get
    clouds and a quarter a blurred truth.
    """
    if rng.random() < 1 / 3:
        piece = fewer_bands(piece, rng)
    elif len(piece.bands) and rng.random() < 1 / 2:
        ways = list(SPOILS)
        piece = SPOILS[ways[int(rng.integers(len(ways)))]](piece, rng)
    if rng.random() < 1 / 3:
        piece = with_clouds(piece, rng)
    return blurred_truth(piece, rng) if rng.random() < 1 / 4 else piece


def _means(planes: Plane, factor: int, least: float) -> Plane:
    """Average blocks of which at least a share is valid; incomplete blocks are dropped."""
    height, width = (size // factor for size in planes.shape[-2:])
    inner = planes[..., : height * factor, : width * factor].astype(np.float64)
    blocks = inner.reshape(*planes.shape[:-2], height, factor, width, factor)
    valid = np.isfinite(blocks)
    share = valid.mean(axis=(-3, -1))
    total = np.where(valid, blocks, 0.0).mean(axis=(-3, -1))
    means = np.full(share.shape, np.nan)
    np.divide(total, share, out=means, where=share >= max(least, 1e-9))
    return means.astype(np.float32)


def _smooth(plane: Plane, sigma: float) -> Plane:
    """Average the known values around each pixel with Gaussian weights; edges are repeated."""
    from scipy.ndimage import gaussian_filter

    known = np.isfinite(plane)
    share = gaussian_filter(known.astype(np.float32), sigma, mode="nearest")
    total = gaussian_filter(np.where(known, plane, 0).astype(np.float32), sigma, mode="nearest")
    smooth: Plane = np.where(share > 1e-3, total / np.maximum(share, 1e-3), np.float32(np.nan))
    return smooth


def _moved(planes: Plane, distance: float, axis: int) -> Plane:
    """Shift planes along an axis by linear interpolation; edges are repeated."""
    size = planes.shape[axis]
    place = np.arange(size) - distance
    first = np.floor(place).astype(int)
    share = (place - first).astype(np.float32)
    shape = [1] * planes.ndim
    shape[axis] = size
    share = share.reshape(shape)
    before = planes.take(first.clip(0, size - 1), axis=axis)
    after = planes.take((first + 1).clip(0, size - 1), axis=axis)
    moved: Plane = before * (1 - share) + after * share
    return moved
