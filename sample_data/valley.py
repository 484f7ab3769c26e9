"""A valley with fields, a river and a town that never existed, 512 × 512 pixels."""

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.warp import Resampling, calculate_default_transform, reproject
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

Array = NDArray[np.float64]

SIDE = 512  # fine pixels of 30 m
UTM = CRS.from_epsg(32647)
FINE = Affine(30, 0, 500_000, 0, -30, 4_390_000)


def fractal(rng: np.random.Generator, exponent: float) -> Array:
    """Draw noise whose amplitude falls with a power of the frequency; mean 0, deviation 1."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
    frequency[0, 0] = 1.0
    spectrum = np.fft.fft2(rng.normal(size=(SIDE, SIDE))) / frequency**exponent
    field = np.fft.ifft2(spectrum).real
    return (field - field.mean()) / field.std()


def make_fields(rng: np.random.Generator) -> tuple[Array, Array]:
    """Cut the land into fields; return each pixel's greenness (0 … 1) and soil brightness."""
    centres = rng.uniform(0, SIDE, (1800, 2)) * (1.0, 0.6)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    _, nearest = cKDTree(centres).query(np.stack([rows.ravel(), columns.ravel() * 0.6], axis=1))
    green = rng.beta(0.7, 0.9, len(centres))[nearest].reshape(SIDE, SIDE)
    bright = rng.normal(0.2, 0.03, len(centres))[nearest].reshape(SIDE, SIDE)
    return green, bright


def make_truth(rng: np.random.Generator) -> dict[str, Array]:
    """Make elevation, reflectances and temperature, all at 30 m."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    middle = 256 + 60 * np.sin(columns / 70) + 25 * np.sin(columns / 23 + 1)
    from_river = np.abs(rows - middle)
    elevation = 1500 + 2.2 * np.maximum(from_river - 60, 0) + 130 * fractal(rng, 1.8)
    green, bright = make_fields(rng)
    wild = np.clip(0.35 + 0.15 * fractal(rng, 1.3), 0, 0.9)
    slope = gaussian_filter((elevation > 1620).astype(float), 6)
    green = (1 - slope) * green + slope * wild
    town = gaussian_filter(np.hypot(rows - 330, columns - 150) + 14 * fractal(rng, 1.2), 2) < 45
    water = from_river < 5
    green = np.where(water, 0, np.where(town, 0.1 * green, green))
    bright = np.where(water, 0.03, np.where(town, 0.26, bright))
    green = gaussian_filter(green, 0.6)
    sun = -np.gradient(elevation)[1]  # eastern slopes face the morning sun
    temperature = (
        303.0 - 0.0065 * (elevation - 1500) - 11 * green + 0.09 * sun
        + 25 * (bright - 0.2) + 3.5 * town - 9 * water + 0.5 * fractal(rng, 1.0)
    )  # fmt: skip
    return {
        "elevation": elevation,
        "blue": 0.5 * bright * (1 - 0.6 * green),
        "green": 0.7 * bright * (1 - 0.35 * green),
        "red": bright * (1 - 0.8 * green),
        "nir": np.where(water, 0.02, bright * 1.2 + 0.28 * green),
        "temperature": gaussian_filter(temperature, 1.0),
    }


def block_means(fine: Array, side: int) -> Array:
    """Average squares of pixels, as a coarser sensor does."""
    height, width = (size // side for size in fine.shape)
    return fine.reshape(height, side, width, side).mean((1, 3))


def write(path: Path, bands: dict[str, Array], transform: Affine, crs: CRS, scale: float) -> None:
    """Write bands as they are (scale 1) or as scaled 16-bit integers."""
    values = np.stack(list(bands.values()))
    stored = values.astype("float32") if scale == 1 else np.round(values / scale).astype("uint16")
    with rasterio.open(
        path, "w", driver="GTiff", count=len(stored), height=stored.shape[1],
        width=stored.shape[2], dtype=stored.dtype, crs=crs, transform=transform,
        compress="deflate", predictor=3 if scale == 1 else 2, tiled=True,
    ) as raster:  # fmt: skip
        raster.write(stored)
        raster.descriptions = tuple(bands)
        raster.scales = (scale,) * len(stored)


def geographic(elevation: Array, transform: Affine) -> tuple[Array, Affine]:
    """Bring elevation to latitude and longitude, as elevation models come."""
    world = CRS.from_epsg(4326)
    left, top = transform.c, transform.f
    bounds = (left, top - 30 * SIDE, left + 30 * SIDE, top)
    there, width, height = calculate_default_transform(UTM, world, SIDE, SIDE, *bounds)
    moved = np.zeros((height, width))
    reproject(
        np.pad(elevation, 8, mode="edge"), moved, src_crs=UTM, dst_crs=world,
        src_transform=transform * Affine.translation(-8, -8), dst_transform=there,
        resampling=Resampling.bilinear,
    )  # fmt: skip
    return moved, there
