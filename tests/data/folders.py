"""Small training sets, in exactly the formats that real ones come in."""

from pathlib import Path

import h5py
import numpy as np
import rasterio
import scipy.io
from affine import Affine
from rasterio.crs import CRS

from groklst_cli.data.groklst_dataset import BANDS, RESOLUTIONS

SCALE = 2
SIDE = 16  # fine pixels
UTM = CRS.from_epsg(32647)
TOWN = ("green", "red", "nir")


def fields(seed: int, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """LST in kelvin that follows the bands, and ten bands."""
    generator = np.random.default_rng(seed)
    guide = 0.05 + 0.4 * generator.random((len(BANDS), side, side))
    guide[0] = 2000 + 500 * guide[0]
    return 290 + 20 * guide[4] - 15 * guide[6] + 0.002 * guide[0], guide


def means(fine: np.ndarray, factor: int) -> np.ndarray:
    rows, columns = (size // factor for size in fine.shape)
    return fine.reshape(rows, factor, columns, factor).mean(axis=(1, 3))


def write_mat(path: Path, variables: dict[str, np.ndarray], *, version: str = "5") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if version == "5":
        scipy.io.savemat(path, variables)
        return
    with h5py.File(path, "w", userblock_size=512) as opened:
        for name, values in variables.items():
            opened[name] = values.T  # MATLAB stores columns first
    with open(path, "r+b") as opened:
        opened.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8) + b"\0\2IM")


def write_groklst(folder: Path, count: int = 6, *, version: str = "5") -> Path:
    """The dataset's four resolutions and split files, ``count`` tiles of 16 fine pixels."""
    names = [f"tile_{number:03d}.mat" for number in range(count)]
    for number, name in enumerate(names):
        lst, guide = fields(number)
        for resolution, factor in ((30, 1), (60, 2), (120, 4), (240, 8)):
            here = folder / f"{resolution}m"
            bands = {b: means(plane, factor) for b, plane in zip(BANDS, guide, strict=True)}
            write_mat(here / "lst" / name, {"data": means(lst, factor)}, version=version)
            write_mat(here / "guidance" / name, bands, version=version)
    assert set(RESOLUTIONS.values()) == {"60m", "120m", "240m"}
    train, val, test = range(count - 2), [count - 2], [count - 1]
    (folder / "split").mkdir()
    for split, chosen in (
        ("train", train), ("val", val), ("trainval", [*train, *val]), ("test", test),
    ):  # fmt: skip
        (folder / "split" / f"{split}.txt").write_text("".join(f"{i}\n" for i in chosen))
    return folder


def write_scene(
    folder: Path, shape: tuple[int, int], *, seed: int = 0, east: float = 0.0, clear: bool = False
) -> Path:
    """A scene folder on a 30 m grid: lst.tif, three bands, maybe clear.tif."""
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    bands = {name: 0.05 + 0.4 * generator.random(shape) for name in TOWN}
    planes = {"lst": 290 + 20 * bands["red"] - 15 * bands["nir"], **bands}
    if clear:
        mask = np.ones(shape)
        mask[:, : shape[1] // 4] = 0
        planes["clear"] = mask
    for name, values in planes.items():
        write_tif(folder / f"{name}.tif", values, east=east)
    return folder


def write_tif(path: Path, values: np.ndarray, *, east: float = 0.0, pixel: float = 30.0) -> None:
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        dtype="float32",
        count=1,
        height=values.shape[0],
        width=values.shape[1],
        crs=UTM,
        transform=Affine(pixel, 0, 500_000 + east, 0, -pixel, 4_400_000),
        nodata=float("nan"),
    ) as raster:
        raster.write(values.astype("float32"), 1)
