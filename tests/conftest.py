import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from hypothesis import settings
from rasterio.crs import CRS

from groklst_models.errors import MissingPackageError
from groklst_models.registry import find
from tests.browser import browser as browser  # a fixture

torch.set_num_threads(1)  # tests compute little; waiting for a second thread costs more
settings.register_profile("any_machine", deadline=None)  # no test is about time
settings.load_profile("any_machine")
UTM = CRS.from_epsg(32647)
SHARED = Path(__file__).resolve().parents[2] / "shared"
"""Real scenes and specifications next to the checkout, if they exist: ``scenes`` marks
tests that read them."""
WriteRaster = Callable[..., str]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose folders beside the checkout, package or devices are not there."""
    for marker in item.iter_markers("scenes"):
        for folder in marker.args or ("data/scenes",):
            if not (SHARED / folder).is_dir():
                pytest.skip(f"{folder} is not in {SHARED}, beside the checkout")
    for marker in item.iter_markers("method"):
        try:
            find(marker.args[0]).check_package()
        except MissingPackageError as error:
            pytest.skip(str(error))
    for marker in item.iter_markers("gpu"):
        (needed,) = marker.args or (1,)
        if not torch.cuda.is_available() or torch.cuda.device_count() < needed:
            pytest.skip(f"there is no CUDA device {needed - 1}")


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Heed SIGINT, in this process and in those it starts, even if the suite was told to ignore it.

    A shell starts what it puts in the background (``nohup make test &``) with SIGINT ignored, and
    every process hands that on to its children.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def write_raster(tmp_path: Path) -> WriteRaster:
    return writer_in(tmp_path)


def writer_in(folder: Path) -> WriteRaster:
    """Write ``(rows, columns)`` or ``(bands, rows, columns)`` and return the file's path."""

    def write(
        name: str,
        values: np.ndarray,
        transform: Affine,
        *,
        crs: CRS = UTM,
        nodata: float | None = None,
        names: tuple[str, ...] = (),
        scale: float = 1.0,
        offset: float = 0.0,
        tags: dict[str, str] | None = None,
        mask: np.ndarray | None = None,
        **profile: Any,
    ) -> str:
        planes = values if values.ndim == 3 else values[None]
        path = folder / name
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
            rasterio.open(
                path,
                "w",
                driver="GTiff",
                count=len(planes),
                height=planes.shape[1],
                width=planes.shape[2],
                dtype=planes.dtype,
                crs=crs,
                transform=transform,
                nodata=nodata,
                **profile,
            ) as raster,
        ):
            raster.write(planes)
            for index, text in enumerate(names, 1):
                raster.set_band_description(index, text)
            if scale != 1.0 or offset != 0.0:
                raster.scales = (scale,) * len(planes)
                raster.offsets = (offset,) * len(planes)
            if tags:
                raster.update_tags(**tags)
            if mask is not None:
                raster.write_mask(mask)
        return str(path)

    return write


def plane(transform: Affine, height: int, width: int, a: float, b: float) -> np.ndarray:
    """Sample ``300 + a·(x - x0) + b·(y - y0)`` at pixel centres; x0, y0 is the grid's origin."""
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    t = transform
    x = t.a * columns + t.b * rows
    y = t.d * columns + t.e * rows
    return 300 + a * x + b * y


def read(path: str | Path) -> np.ndarray:
    with rasterio.open(path) as raster:
        return raster.read(1)
