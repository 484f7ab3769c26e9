"""The valley as files of SDGSAT-1: the thermal imager at 30 m, the multispectral one at 10 m.

Names, bands and calibration files follow what is publicly known of the L4B products; pixels and
calibration coefficients are made up. The air is left out: radiance is that of a black body as warm
as the land, and reflected sunlight is proportional to reflectance.
"""

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from valley import FINE, UTM, Array, block_means

THERMAL = "KX10_TIS_20240716_E99.00_N39.60_202400070001_L4B"
MULTISPECTRAL = "KX10_MII_20240716_E99.00_N39.60_202400070002_L4B"
SIDE = 480  # pixels of 10 m; of 30 m a third
OVERLAP = 24  # pixels that the two cameras of the multispectral imager share

WAVELENGTHS = (9.35, 10.73, 11.72)  # effective, micrometres
THERMAL_CALIBRATION = ((0.003947, 0.167126), (0.003946, 0.124622), (0.005329, 0.222530))
SUN = (1180.0, 1720.0, 1950.0, 1850.0, 1540.0, 1240.0, 1040.0)  # W m⁻² µm⁻¹, roughly
GAINS = (0.05, 0.036, 0.023, 0.016, 0.016, 0.02, 0.014)


def planck(temperature: Array, wavelength: float) -> Array:
    """Radiance of a black body, W m⁻² sr⁻¹ µm⁻¹; temperature in kelvin, wavelength in µm."""
    return 1.191043e8 / wavelength**5 / np.expm1(14387.77 / (wavelength * temperature))


def write_counts(path: Path, counts: Array, transform: Affine) -> None:
    """Write counts ``(bands, rows, columns)`` without names, scale or nodata, as delivered."""
    with rasterio.open(
        path, "w", driver="GTiff", count=len(counts), height=counts.shape[1],
        width=counts.shape[2], dtype="uint16", crs=UTM, transform=transform, compress="deflate",
        predictor=2,
    ) as raster:  # fmt: skip
        raster.write(np.clip(np.round(counts), 0, 65535).astype("uint16"))


def write_calibration(path: Path, coefficients: list[tuple[float, float]]) -> None:
    """Write a calibration file: radiance is count times gain plus bias."""
    lines = ['<?xml version="1.0" encoding="GB2312"?>', "<root>", "<RADIOMETRIC_CALIBRATION>"]
    for band, (gain, bias) in enumerate(coefficients, 1):
        lines.append(f"  <RADIANCE_GAIN_BAND_{band}>{gain}</RADIANCE_GAIN_BAND_{band}>")
        lines.append(f"  <RADIANCE_BIAS_BAND_{band}>{bias}</RADIANCE_BIAS_BAND_{band}>")
    lines += ["</RADIOMETRIC_CALIBRATION>", "</root>", ""]
    path.write_text("\n".join(lines), encoding="ascii")


def make_reflectances(truth: dict[str, Array]) -> list[Array]:
    """Make the seven bands: two deep blues, blue, green, red, red edge, near infrared."""
    blue, green, red, nir = (truth[name] for name in ("blue", "green", "red", "nir"))
    return [0.8 * blue, 0.9 * blue, blue, green, red, 0.3 * red + 0.7 * nir, nir]


def write_products(folder: Path, truth: dict[str, Array]) -> None:
    """Write both products, and ``truth.tif``: the temperature at 10 m that they were made of."""
    fine = FINE * Affine.scale(1 / 3)
    cut = {name: plane[:SIDE, :SIDE] for name, plane in truth.items()}
    for name in (THERMAL, MULTISPECTRAL):
        (folder / name).mkdir(parents=True, exist_ok=True)
    radiance = [block_means(planck(cut["temperature"], w), 3) for w in WAVELENGTHS]
    pairs = zip(radiance, THERMAL_CALIBRATION, strict=True)
    counts = np.stack([(plane - bias) / gain for plane, (gain, bias) in pairs])
    stem = folder / THERMAL / THERMAL
    write_counts(Path(f"{stem}.tiff"), counts, FINE)
    write_calibration(Path(f"{stem}.calib.xml"), list(THERMAL_CALIBRATION))
    bands = zip(make_reflectances(cut), SUN, GAINS, strict=True)
    counts = np.stack([plane * sun / np.pi / gain for plane, sun, gain in bands])
    stem = folder / MULTISPECTRAL / MULTISPECTRAL
    middle = SIDE // 2
    write_counts(Path(f"{stem}_A.tif"), counts[:, :, : middle + OVERLAP // 2], fine)
    first = middle - OVERLAP // 2
    write_counts(Path(f"{stem}_B.tif"), counts[:, :, first:], fine * Affine.translation(first, 0))
    write_calibration(Path(f"{stem}.calib.xml"), [(gain, 0.0) for gain in GAINS])
    with rasterio.open(
        folder / "truth.tif", "w", driver="GTiff", count=1, height=SIDE, width=SIDE,
        dtype="float32", crs=UTM, transform=fine, compress="deflate", predictor=3,
    ) as raster:  # fmt: skip
        raster.write(cut["temperature"].astype("float32"), 1)
