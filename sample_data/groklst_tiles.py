"""The valley as tiles in the form of the GrokLST dataset (arXiv 2409.19835).

As there, ``30m 60m 120m 240m`` hold ``lst`` and ``guidance`` each, and ``split`` names tiles by
their place in the listing, six to one to three. The tiles are ten and small.
"""

import io
from pathlib import Path

import numpy as np
import scipy.io
from valley import Array, block_means

TILE = 96  # fine pixels of 30 m
RESOLUTIONS = {"30m": 1, "60m": 2, "120m": 4, "240m": 8}
SPLITS = {"train": range(6), "val": [6], "trainval": range(7), "test": range(7, 10)}
TEXT = b"MATLAB 5.0 MAT-file, a tile of a valley that never existed".ljust(116)


def write_dataset(folder: Path, truth: dict[str, Array]) -> None:
    """Write ten tiles, row by row through the valley, and the splits."""
    bands = bands_of(truth)
    for number in range(10):
        top, left = (TILE * place for place in divmod(number, 5))
        part = slice(top, top + TILE), slice(left, left + TILE)
        for resolution, side in RESOLUTIONS.items():
            name = f"{number:03d}.mat"
            lst = {"data": block_means(truth["temperature"][part], side)}
            write_mat(folder / resolution / "lst" / name, lst)
            guidance = {band: block_means(plane[part], side) for band, plane in bands.items()}
            write_mat(folder / resolution / "guidance" / name, guidance)
    (folder / "split").mkdir(exist_ok=True)
    for split, numbers in SPLITS.items():
        (folder / "split" / f"{split}.txt").write_text("".join(f"{n}\n" for n in numbers))


def bands_of(truth: dict[str, Array]) -> dict[str, Array]:
    """Make the dataset's ten bands; two that the valley lacks lie between others."""
    blue, green, red, nir = (truth[name] for name in ("blue", "green", "red", "nir"))
    return {
        "dem": truth["elevation"],
        "deepblue": 0.9 * blue,
        "blue": blue,
        "green": green,
        "red": red,
        "vre": (red + nir) / 2,
        "nir": nir,
        "ndmvi": difference(nir, blue),
        "ndvi": difference(nir, red),
        "ndwi": difference(green, nir),
    }


def difference(one: Array, other: Array) -> Array:
    """Return the normalized difference of two reflectances."""
    return (one - other) / (one + other)


def write_mat(path: Path, variables: dict[str, Array]) -> None:
    """Write a MAT file that does not say when it was written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    held = io.BytesIO()
    stored = {name: values.astype(np.float32) for name, values in variables.items()}
    scipy.io.savemat(held, stored, do_compression=True)
    path.write_bytes(TEXT + held.getvalue()[len(TEXT) :])
