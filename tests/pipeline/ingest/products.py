"""Products as they are delivered, made up and small; names, metadata and fills are real ones."""

import json
import tarfile
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS

from groklst_cli.app import app, run

UTM = CRS.from_epsg(32611)
SINUSOIDAL = CRS.from_proj4("+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs")
LANDSAT = "LC09_L2SP_134033_20240716_20240717_02_T1"
CLEAR = 21824


def ingest(*arguments) -> int:
    return run(lambda: app(["ingest", *map(str, arguments)]))


def downscale(*arguments) -> int:
    return run(lambda: app(["downscale", *map(str, arguments)]))


def facts_of(scene: Path) -> dict:
    return json.loads((scene / "scene.json").read_text(encoding="utf-8"))


def physical(path: Path) -> np.ndarray:
    """Read a band with its scale and offset, as any reader of GDAL would."""
    with rasterio.open(path) as raster:
        return (
            raster.read(1, masked=True).astype(float).filled(np.nan) * raster.scales[0]
            + raster.offsets[0]
        )


def stored(path: Path | str, band: int = 1) -> np.ndarray:
    with rasterio.open(path) as raster:
        return raster.read(band)


def write(
    path: Path,
    values: np.ndarray,
    *,
    pixel: float = 30.0,
    origin: tuple[float, float] = (600000.0, 3700020.0),
    crs: CRS | None = UTM,
    nodata: float | None = None,
    names: tuple[str, ...] = (),
    tags: dict[str, str] | None = None,
    driver: str = "GTiff",
) -> Path:
    planes = values if values.ndim == 3 else values[None]
    path.parent.mkdir(parents=True, exist_ok=True)
    left, top = origin
    options = {"QUALITY": "100", "REVERSIBLE": "YES"} if driver == "JP2OpenJPEG" else {}
    with rasterio.open(
        path,
        "w",
        driver=driver,
        count=len(planes),
        height=planes.shape[1],
        width=planes.shape[2],
        dtype=planes.dtype,
        crs=crs,
        transform=Affine(pixel, 0, left, 0, -pixel, top),
        nodata=nodata,
        **options,
    ) as raster:
        raster.write(planes)
        for number, name in enumerate(names, 1):
            raster.set_band_description(number, name)
        raster.update_tags(**(tags or {}))
    return path


def counts(low: int, high: int, shape: tuple[int, int] = (24, 30), seed: int = 1) -> np.ndarray:
    """Draw stored values that vary smoothly enough to be a scene's."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    wave = np.sin(rows / 5 + seed) + np.cos(columns / 4 - seed)
    noise = np.random.default_rng(seed).uniform(-0.1, 0.1, shape)
    share = (wave + noise - (wave + noise).min()) / np.ptp(wave + noise)
    return np.round(low + share * (high - low)).astype("uint16")


def landsat_level_2(
    folder: Path,
    *,
    name: str = LANDSAT,
    quality: np.ndarray | None = None,
    st: np.ndarray | None = None,
    ending: str = "MTL.txt",
    shape: tuple[int, int] = (24, 30),
) -> Path:
    """Write a Level 2 product, and return its folder."""
    product = folder / name
    thermal = "ST_B10" if name[3] in "89" else "ST_B6"
    numbers = range(1, 8) if name[3] in "89" else (1, 2, 3, 4, 5, 7)
    st = counts(41000, 46000, shape) if st is None else st
    write(product / f"{name}_{thermal}.TIF", st, nodata=0)
    for number in numbers:
        band = counts(8000, 20000, shape, seed=number)
        write(product / f"{name}_SR_B{number}.TIF", band, nodata=0)
    quality = np.full(shape, CLEAR, "uint16") if quality is None else quality
    write(product / f"{name}_QA_PIXEL.TIF", quality.astype("uint16"), nodata=1)
    write(product / f"{name}_ST_QA.TIF", np.full(shape, 150, "int16"), nodata=-9999)
    groups = {
        "IMAGE_ATTRIBUTES": {"SCENE_CENTER_TIME": '"18:21:05.9783990Z"', "SUN_ELEVATION": "55.0"},
        # the other group has the same keys, and comes first here
        "LEVEL1_RADIOMETRIC_RESCALING": {
            f"REFLECTANCE_MULT_BAND_{number}": "2.0000E-05" for number in numbers
        },
        "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": {
            **{f"REFLECTANCE_MULT_BAND_{number}": "2.75e-05" for number in numbers},
            **{f"REFLECTANCE_ADD_BAND_{number}": "-0.2" for number in numbers},
        },
        "LEVEL2_SURFACE_TEMPERATURE_PARAMETERS": {
            f"TEMPERATURE_MULT_BAND_{thermal}": "0.00341802",
            f"TEMPERATURE_ADD_BAND_{thermal}": "149.0",
        },
    }
    write_mtl(product / f"{name}_{ending}", groups)
    return product


def write_mtl(path: Path, groups: dict[str, dict[str, str]]) -> None:
    plain = {
        group: {key: value.strip('"') for key, value in values.items()}
        for group, values in groups.items()
    }
    if path.suffix == ".json":
        text = json.dumps({"LANDSAT_METADATA_FILE": plain})
    elif path.suffix == ".xml":
        inner = "".join(
            f"<{group}>{''.join(f'<{k}>{v}</{k}>' for k, v in values.items())}</{group}>"
            for group, values in plain.items()
        )
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n<LANDSAT_METADATA_FILE>{inner}'
        text += "</LANDSAT_METADATA_FILE>"
    else:
        lines = ["GROUP = LANDSAT_METADATA_FILE"]
        for group, values in groups.items():
            lines += [f"  GROUP = {group}", *(f"    {k} = {v}" for k, v in values.items())]
            lines += [f"  END_GROUP = {group}"]
        text = "\n".join([*lines, "END_GROUP = LANDSAT_METADATA_FILE", "END", ""])
    path.write_text(text, encoding="utf-8")


def pack(folder: Path, archive: Path, below: str = "", mode: str = "w") -> Path:
    """Put a product's files into an archive, in a folder of it or not."""
    with tarfile.open(archive, mode) as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, arcname=f"{below}{path.name}")
    return archive
