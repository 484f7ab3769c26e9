"""Laws of what the project takes from others: only what they publish."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio.shutil
from affine import Affine

import groklst_cli
import groklst_models
from groklst_cli.errors import GroklstError
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.writer import OutputFormat, ResultFile
from tests.conftest import UTM

ROOTS = [Path(package.__file__).parent for package in (groklst_cli, groklst_models)]
MODULES = [module for root in ROOTS for module in sorted(root.rglob("*.py"))]
KNOWN = {"groklst_cli", "groklst_models", *sys.stdlib_module_names}


def imported(module: Path) -> Iterator[str]:
    """Yield the full names of all that a module imports from others."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_no_private_name_of_another_package_is_imported():
    private = [
        f"{module.name}: {name}"
        for module in MODULES
        for name in imported(module)
        if name.split(".")[0] not in KNOWN and any(part.startswith("_") for part in name.split("."))
    ]
    assert private == []


GRID = Grid(UTM, Affine(30, 0, 5e5, 0, -30, 4e6), 8, 8)


def test_gdals_own_errors_are_failures_of_the_file(tmp_path, monkeypatch):
    """A copy into a folder that is not there raises an error that rasterio lets through."""
    real = rasterio.shutil.copy
    nowhere = str(tmp_path / "nowhere" / "result.tif")
    with pytest.raises(Exception, match="nowhere") as told:
        real(write_plain(tmp_path), nowhere, driver="COG")
    assert not isinstance(told.value, OSError | rasterio.errors.RasterioError)
    monkeypatch.setattr(
        rasterio.shutil, "copy", lambda rows, made, **options: real(rows, nowhere, **options)
    )
    assert_it_fails(tmp_path / "fine.tif", GroklstError, "fine.tif could not be written: ")


def test_a_mistake_of_ours_is_not_taken_for_the_disk(tmp_path, monkeypatch):
    monkeypatch.delattr(rasterio.shutil, "copy")
    assert_it_fails(tmp_path / "fine.tif", AttributeError, "copy")


def assert_it_fails(path: Path, kind: type[Exception], says: str) -> None:
    before = sorted(path.parent.iterdir())
    with (
        pytest.raises(kind, match=says),
        ResultFile(path, GRID, OutputFormat(), overwrite=False) as result,
    ):
        result.write(0, np.full(GRID.shape, 300, np.float32))
    assert sorted(path.parent.iterdir()) == before


def write_plain(folder: Path) -> Path:
    path = folder / "plain.tif"
    with ResultFile(path, GRID, OutputFormat(), overwrite=False) as result:
        result.write(0, np.full(GRID.shape, 300, np.float32))
    return path
