"""The valley as a Landsat 9 product of Collection 2, Level 2: scaled integers, a file a band.

Names, scaling and quality bits are the product's; the pixels are made up. As in the real one, the
thermal band lies on 30 m pixels but was seen through much larger ones.
"""

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from scipy.ndimage import zoom
from valley import FINE, UTM, Array, block_means

PRODUCT = "LC09_L2SP_134033_20240716_20240717_02_T1"
SIDE = 480  # pixels of 30 m
FOOTPRINT = 3  # pixels along what the thermal sensor sees at once: 90 m, nearly its 100 m
THERMAL = (0.00341802, 149.0)  # scale and offset to kelvin
REFLECTANCE = (0.0000275, -0.2)
CLEAR, CLOUD, SHADOW, WATER = 21824, 22280, 23888, 21952  # of QA_PIXEL


def make_bands(truth: dict[str, Array]) -> dict[str, Array]:
    """Make the reflectances of bands 2 to 7."""
    soil, plants = truth["red"], truth["nir"] - truth["red"]
    return {
        "B2": truth["blue"], "B3": truth["green"], "B4": truth["red"], "B5": truth["nir"],
        "B6": np.clip(1.5 * soil + 0.3 * plants, 0.01, 0.9),
        "B7": np.clip(1.4 * soil + 0.1 * plants, 0.01, 0.9),
    }  # fmt: skip


def make_quality(truth: dict[str, Array]) -> NDArray[np.uint16]:
    """Make QA_PIXEL: one cloud, its shadow, water, and clear land."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    quality = np.full((SIDE, SIDE), CLEAR, np.uint16)
    quality[truth["nir"] < 0.05] = WATER
    quality[np.hypot(rows - 88, columns - 372) < 34] = SHADOW
    quality[np.hypot(rows - 70, columns - 400) < 34] = CLOUD
    return quality


def write_band(path: Path, stored: NDArray[np.uint16], nodata: int) -> None:
    """Write integers without their scale and offset, which the product keeps in its text file."""
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=SIDE, width=SIDE, dtype="uint16", crs=UTM,
        transform=FINE, nodata=nodata, compress="deflate", predictor=2, tiled=True,
    ) as raster:  # fmt: skip
        raster.write(stored, 1)


def write_metadata(path: Path) -> None:
    """Write the part of the product's text file that tells scales and offsets."""
    scale, offset = THERMAL
    lines = ["GROUP = LANDSAT_METADATA_FILE", "  GROUP = LEVEL2_SURFACE_TEMPERATURE_PARAMETERS"]
    lines += [f"    TEMPERATURE_MULT_BAND_ST_B10 = {scale}"]
    lines += [f"    TEMPERATURE_ADD_BAND_ST_B10 = {offset}"]
    lines += ["  END_GROUP = LEVEL2_SURFACE_TEMPERATURE_PARAMETERS"]
    lines += ["  GROUP = LEVEL2_SURFACE_REFLECTANCE_PARAMETERS"]
    lines += [f"    REFLECTANCE_MULT_BAND_{band} = {REFLECTANCE[0]}" for band in range(2, 8)]
    lines += [f"    REFLECTANCE_ADD_BAND_{band} = {REFLECTANCE[1]}" for band in range(2, 8)]
    lines += ["  END_GROUP = LEVEL2_SURFACE_REFLECTANCE_PARAMETERS"]
    lines += ["END_GROUP = LANDSAT_METADATA_FILE", "END", ""]
    path.write_text("\n".join(lines), encoding="ascii")


def write_product(folder: Path, truth: dict[str, Array]) -> None:
    """Write the product's folder."""
    stem = folder / PRODUCT / PRODUCT
    stem.parent.mkdir(parents=True, exist_ok=True)
    cut = {name: plane[:SIDE, :SIDE] for name, plane in truth.items()}
    quality = make_quality(cut)
    cloud = quality == CLOUD
    seen = zoom(block_means(np.where(cloud, 275, cut["temperature"]), FOOTPRINT), FOOTPRINT)
    scale, offset = THERMAL
    write_band(Path(f"{stem}_ST_B10.TIF"), np.round((seen - offset) / scale).astype("uint16"), 0)
    scale, offset = REFLECTANCE
    for name, plane in make_bands(cut).items():
        seen = np.where(cloud, 0.7, plane)
        path = Path(f"{stem}_SR_{name}.TIF")
        write_band(path, np.round((seen - offset) / scale).astype("uint16"), 0)
    write_band(Path(f"{stem}_QA_PIXEL.TIF"), quality, 1)
    write_metadata(Path(f"{stem}_MTL.txt"))
