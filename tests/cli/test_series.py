"""A series on the command line: a folder of scene folders, a map of each, all in one file."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from groklst_cli.app import app, run
from groklst_cli.pipeline.downscale import stacking
from tests.conftest import read

COARSE = Affine(240, 0, 500000, 0, -240, 4390000)
FINE = COARSE * Affine.scale(1 / 4)
DATES = {"20240715": "2024-07-15T03:42:00+00:00", "b": "2024-07-17", "c": "2024-07-16"}
NAMES = ["20240715_x4", "b_20240717_x4", "c_20240716_x4"]


@pytest.fixture
def series(write_raster, tmp_path, monkeypatch):
    """Three scenes of one place with a band each, a dem for all, and a folder for what is made."""
    rng = np.random.default_rng(0)
    dem = rng.uniform(0, 300, (48, 40))
    write_raster("dem.tif", dem.astype(np.float32), FINE)
    for name, moment in DATES.items():
        (tmp_path / "series" / name).mkdir(parents=True)
        red = rng.uniform(0.05, 0.5, (48, 40))
        fine = 300 + 20 * red - 0.02 * dem
        lst = fine.reshape(12, 4, 10, 4).mean((1, 3)) + rng.normal(0, 0.1, (12, 10))
        lst[0, 0] = np.nan
        write_raster(f"series/{name}/lst.tif", lst.astype(np.float32), COARSE)
        write_raster(f"series/{name}/red.tif", red.astype(np.float32), FINE)
        kind = "time" if "T" in moment else "date"
        (tmp_path / "series" / name / "scene.json").write_text(json.dumps({kind: moment}))
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "series"


def groklst(*arguments: str) -> int:
    return run(lambda: app(["downscale", *arguments, "-s", "4", "-m", "ridge", "-q"]))


def tags(path: str | Path) -> dict[str, str]:
    with rasterio.open(path) as raster:
        return dict(raster.tags())


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_each_date_is_a_map_that_is_what_it_is_alone(series, capsys, jobs):
    assert groklst("series", "--out-dir", "out", "-g", "dem.tif", "-j", jobs) == 0
    made = [os.path.join("out", f"{name}.tif") for name in NAMES]
    assert capsys.readouterr().out.splitlines() == made
    for path, scene in zip(made, DATES, strict=True):
        assert groklst(f"series/{scene}", "alone.tif", "-g", "dem.tif", "--overwrite") == 0
        np.testing.assert_array_equal(read(path), read("alone.tif"))
        own = {name: tags(path)[name] for name in ("GROKLST_JOB", "GROKLST_COMMAND")}
        assert tags(path) == tags("alone.tif") | own
    assert tags(made[0])["GROKLST_DATE"] == "2024-07-15T03:42:00Z"
    assert tags(made[0])["TIFFTAG_DATETIME"] == "2024:07:15 03:42:00"
    assert tags(made[1])["GROKLST_DATE"] == "2024-07-17"
    assert "TIFFTAG_DATETIME" not in tags(made[1])


def test_a_guide_for_all_stands_beside_or_instead_of_each_dates_own(series, write_raster):
    assert groklst("series", "-O", "out", "-g", "dem.tif") == 0
    assert tags(f"out/{NAMES[0]}.tif")["GROKLST_GUIDES"] == "red.tif, dem.tif"
    red = np.random.default_rng(1).uniform(0, 1, (48, 40)).astype(np.float32)
    write_raster("shared.tif", np.stack([red, red**2]), FINE, names=("red", "nir"))
    assert groklst("series", "-O", "out", "-g", "shared.tif", "--overwrite") == 0
    assert tags(f"out/{NAMES[0]}.tif")["GROKLST_GUIDES"] == "shared.tif"
    assert tags(f"out/{NAMES[0]}.tif")["GROKLST_BANDS"] == "red, nir"


def test_a_date_that_cannot_be_used_spoils_no_other(series, capsys):
    (series / "b" / "scene.json").write_text('{"scale": "none"}')
    assert groklst("series", "-O", "out", "--stack", "all.tif") == 6
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert "scene.json: scale is 'none'" in err
    assert "groklst: all.tif was not written: 1 of 3 scenes failed" in err
    assert not Path("all.tif").exists()


def test_a_scene_that_is_left_out_is_passed_over(series, capsys):
    (series / "b" / "scene.json").write_text('{"left_out": "dust"}')
    arguments = ["downscale", "series", "-O", "out", "-s", "4", "-m", "ridge"]
    assert run(lambda: app(arguments)) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert f"{Path('series', 'b')} is left out: dust" in err


def test_lists_and_out_dirs_take_scenes_series_and_rasters_together(series, capsys):
    Path("list.csv").write_text("lst,output\nseries/b,one.tif\nseries/c/lst.tif,two.tif\n")
    assert groklst("--batch-file", "list.csv", "-g", "dem.tif") == 0
    assert tags("one.tif")["GROKLST_GUIDES"] == "red.tif, dem.tif"
    assert tags("two.tif")["GROKLST_GUIDES"] == "dem.tif"
    assert tags("two.tif")["GROKLST_DATE"] == "2024-07-16"
    capsys.readouterr()
    Path("more").mkdir()
    assert groklst("series/b", "series/c/lst.tif", "-O", "more", "-g", "dem.tif") == 0
    assert sorted(os.listdir("more")) == ["b_20240717_x4.tif", "lst_x4.tif"]


def test_a_stack_holds_the_maps_in_the_order_of_their_dates(series, capsys):
    assert groklst("series", "-O", "out", "--stack", "all.tif", "--dst-nodata", "-9999") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "all.tif"
    with rasterio.open("all.tif") as stack:
        assert stack.descriptions == ("2024-07-15T03:42:00Z", "2024-07-16", "2024-07-17")
        assert stack.units == ("K",) * 3
        assert stack.tags(2)["GROKLST_DATE"] == "2024-07-16"
        assert stack.tags()["GROKLST_METHOD"] == "ridge"
        assert stack.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        bands, grid = stack.read(), (stack.crs, stack.transform)
    for band, name in zip(bands, [NAMES[0], NAMES[2], NAMES[1]], strict=True):
        with rasterio.open(f"out/{name}.tif") as alone:
            values = alone.read(1, masked=True).filled(np.nan)
            assert (alone.crs, alone.transform) == grid
        np.testing.assert_array_equal(band, values)
        assert np.isnan(band[:4, :4]).all()
    assert not [name for name in os.listdir(".") if name.startswith(".")]
    assert groklst("series", "-O", "out", "--stack", "all.tif") == 4
    assert groklst("series", "-O", "out", "--stack", "all.tif", "--overwrite") == 0


def test_a_zarr_is_read_by_xarray_with_place_and_times(series):
    pytest.importorskip("zarr")
    import rioxarray  # noqa: F401  (gives arrays their .rio)
    import xarray

    assert groklst("series", "-O", "out", "--stack", "all.zarr") == 0
    with xarray.open_zarr("all.zarr", decode_coords="all") as cube:
        assert cube.lst.dims == ("time", "y", "x")
        assert cube.lst.rio.crs == "EPSG:32647"
        assert cube.lst.attrs["units"] == "K"
        expected = np.array(["2024-07-15T03:42", "2024-07-16", "2024-07-17"], "M8[s]")
        np.testing.assert_array_equal(cube.time.values, expected)
        for number, name in enumerate([NAMES[0], NAMES[2], NAMES[1]]):
            np.testing.assert_array_equal(cube.lst[number].values, read(f"out/{name}.tif"))
        with rasterio.open(f"out/{NAMES[0]}.tif") as alone:
            assert (cube.x.values[0], cube.y.values[0]) == alone.xy(0, 0)
    assert groklst("series", "-O", "out", "--stack", "all.zarr") == 4
    assert groklst("series", "-O", "out", "--stack", "all.zarr", "--skip-existing") == 0


REFUSED = {
    "no out-dir": (["series"], 2, "series holds 3 scene folders; add --out-dir DIR"),
    "no series": (["out", "-O", "out"], 3, "out contains no scene folder"),
    "stack of one": (["series/b", "o.tif", "--stack", "s.tif"], 2, "--stack s.tif is for many"),
    "format": (["series", "-O", "out", "--stack", "s.nc"], 2, "give it the ending .tif or .zarr"),
    "stack in a folder": (["series", "-O", "out", "--stack", "no/s.tif"], 2, "no folder no"),
    "stack an input": (["series", "-O", "out", "--stack", "series/b/red.tif"], 4, "exists"),
    "stack an output": (
        ["series", "-O", "out", "--stack", f"out/{NAMES[0]}.tif"], 2, "is also the output of"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_one_line_and_nothing_is_made(series, capsys, name):
    arguments, code, says = REFUSED[name]
    assert groklst(*arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert says in err
    assert os.listdir("out") == []


def test_a_stack_needs_one_grid_and_is_told_before_anything_is_made(series, write_raster, capsys):
    moved = np.full((12, 10), 300, np.float32)
    write_raster("series/c/lst.tif", moved, COARSE * Affine.translation(1, 0))
    assert groklst("series", "-O", "out", "--stack", "all.tif") == 2
    err = capsys.readouterr().err
    assert "another grid than that of" in err
    assert "add --like RASTER" in err
    assert os.listdir("out") == []
    assert groklst("series", "-O", "out", "--stack", "all.tif", "--like", "dem.tif") == 0
    with rasterio.open("all.tif") as stack:
        assert stack.count == 3


def test_a_stack_that_cannot_be_written_leaves_nothing(series, capsys, monkeypatch):
    def full(*arguments: object, **named: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("groklst_cli.geo.stack.rasterio.shutil.copy", full)
    assert groklst("series", "-O", "out", "--skip-existing", "-j", "2") == 0
    assert groklst("series", "-O", "out", "--stack", "all.tif", "--skip-existing", "-j", "2") == 1
    assert "all.tif could not be written: disk full" in capsys.readouterr().err
    assert not [name for name in os.listdir(".") if "all" in name]


def test_a_zarr_without_its_package_or_a_date_is_refused_first(series, capsys, monkeypatch):
    monkeypatch.setattr(stacking, "find_spec", lambda name: None)
    assert groklst("series", "-O", "out", "--stack", "all.zarr") == 2
    assert "pip install 'groklst[zarr]'" in capsys.readouterr().err
    monkeypatch.setattr(stacking, "find_spec", lambda name: object())
    (series / "c" / "scene.json").unlink()
    assert groklst("series", "-O", "out", "--stack", "all.zarr") == 2
    assert "has no date, which a Zarr needs" in capsys.readouterr().err
    assert os.listdir("out") == []
