"""What holds for every product: places, archives, bounds, what is replaced and what is not."""

import io
import json
import tarfile
import zipfile

import numpy as np
import pytest
import rasterio

from groklst_cli.pipeline.ingest import delivery
from groklst_cli.pipeline.ingest.delivery import Delivery
from tests.pipeline.ingest.products import (
    LANDSAT,
    downscale,
    facts_of,
    ingest,
    landsat_level_2,
    pack,
    stored,
    write,
)


@pytest.fixture
def product(tmp_path):
    return landsat_level_2(tmp_path, shape=(48, 60))


def test_bounds_cut_whole_pixels_of_the_sensor_from_the_whole(product, tmp_path):
    bounds = ("--bounds", "600400", "3699200", "600900", "3699700")
    assert ingest(product, "--out", tmp_path / "whole") == 0
    assert ingest(product, "--out", tmp_path / "part", *bounds) == 0
    with rasterio.open(tmp_path / "part/lst.tif") as part:
        left, bottom, right, top = part.bounds
        assert left <= 600400 < left + 90
        assert right - 90 < 600900 <= right
        assert bottom <= 3699200 < bottom + 90
        assert top - 90 < 3699700 <= top
        row, column = round((3700020 - top) / 90), round((left - 600000) / 90)
        cut = stored(tmp_path / "whole/lst.tif")[
            row : row + part.height, column : column + part.width
        ]
        np.testing.assert_array_equal(part.read(1), cut)
    with rasterio.open(tmp_path / "part/red.tif") as guide:
        assert guide.bounds.left <= left
        assert guide.bounds.top >= top
    assert downscale(tmp_path / "part", "-o", tmp_path / "map.tif", "-m", "bicubic") == 0


def test_bounds_beside_the_product_are_refused(product, tmp_path, capsys):
    assert ingest(product, "--out", tmp_path / "part", "--bounds", "0", "0", "10", "10") == 3
    assert "has no whole pixel in the bounds" in capsys.readouterr().err
    assert ingest(product, "--out", tmp_path / "part", "--bounds", "5", "0", "1", "10") == 2


def test_a_folder_that_is_there_stays(product, tmp_path, capsys):
    assert ingest(product, "--out", tmp_path / "scene") == 0
    before = (tmp_path / "scene/lst.tif").read_bytes()
    assert ingest(product, "--out", tmp_path / "scene") == 4
    assert "add --overwrite" in capsys.readouterr().err
    assert (
        ingest(product, "--out", tmp_path / "scene", "--lst-pixel", "delivered", "--overwrite") == 0
    )
    assert (tmp_path / "scene/lst.tif").read_bytes() != before


def test_what_others_put_into_the_folder_is_not_thrown_away(product, tmp_path, capsys):
    assert ingest(product, "--out", tmp_path / "scene") == 0
    assert downscale(tmp_path / "scene", "-m", "bicubic") == 0
    assert ingest(product, "--out", tmp_path / "scene", "--overwrite") == 4
    assert "lst_x3.tif was not written by this command" in capsys.readouterr().err
    (tmp_path / "other").mkdir()
    (tmp_path / "other/thesis.txt").write_text("years of work")
    assert ingest(product, "--out", tmp_path / "other", "--overwrite") == 4
    assert (tmp_path / "other/thesis.txt").read_text() == "years of work"


def test_an_input_is_not_replaced(product, capsys):
    assert ingest(product, "--out", product, "--overwrite") in (2, 4)
    assert (product / f"{LANDSAT}_MTL.txt").is_file()


def test_a_failure_leaves_nothing(product, tmp_path, capsys):
    (product / f"{LANDSAT}_SR_B7.TIF").write_bytes(b"no raster")
    before = sorted(tmp_path.iterdir())
    assert ingest(product, "--out", tmp_path / "scene") == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "SR_B7" in line
    assert sorted(tmp_path.iterdir()) == before


def test_a_damaged_band_leaves_nothing(product, tmp_path):
    path = product / f"{LANDSAT}_SR_B7.TIF"
    path.write_bytes(path.read_bytes()[:-2000])
    before = sorted(tmp_path.iterdir())
    assert ingest(product, "--out", tmp_path / "scene") == 3
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["nothing_here", "https://host/x.tar", "/vsizip/x.zip"])
def test_what_is_not_there_is_said_in_a_line(name, tmp_path, capsys):
    assert ingest(name, "--out", tmp_path / "scene") in (2, 3)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_folder_of_something_else_is_no_product(tmp_path, capsys):
    write(tmp_path / "mine/dem.tif", np.ones((4, 4), "int16"))
    assert ingest(tmp_path / "mine", "--out", tmp_path / "scene") == 3
    assert (
        "is not a product by the names of its files; supported products: Landsat"
        in capsys.readouterr().err
    )


def test_json_tells_what_was_written(product, tmp_path, capsys):
    assert ingest(product, "--out", tmp_path / "scene", "--json", "-q") == 0
    out, err = capsys.readouterr()
    assert err == ""
    (told,) = json.loads(out)
    assert told.pop("path") == str(tmp_path / "scene")
    assert told == facts_of(tmp_path / "scene")


def test_two_dates_give_two_folders(tmp_path, capsys):
    other = LANDSAT.replace("20240716", "20240801").replace("20240717", "20240802")
    products = [landsat_level_2(tmp_path, name=name) for name in (other, LANDSAT)]
    assert ingest(*products, "--out", tmp_path / "scenes") == 0
    folders = [tmp_path / "scenes" / name for name in ("20240716", "20240801")]
    assert capsys.readouterr().out.splitlines() == [str(folder) for folder in folders]
    for folder in folders:
        assert downscale(folder, "-o", tmp_path / f"{folder.name}.tif", "-m", "bicubic") == 0


def test_a_date_without_a_clear_pixel_does_not_stop_the_others(tmp_path, capsys):
    cloudy = LANDSAT.replace("20240716", "20240801")
    hidden = np.full((24, 30), 1 << 3, "uint16")
    products = [landsat_level_2(tmp_path, name=cloudy, quality=hidden), landsat_level_2(tmp_path)]
    assert ingest(*products, "--out", tmp_path / "scenes") == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [str(tmp_path / "scenes/20240716")]
    assert f"no pixel of {cloudy} is clear" in err
    assert [path.name for path in (tmp_path / "scenes").iterdir()] == ["20240716"]


def test_a_product_named_twice_is_refused(product, tmp_path, capsys):
    pack(product, tmp_path / "order.tar")
    assert ingest(product, tmp_path / "order.tar", "--out", tmp_path / "scene") == 2
    assert "was given twice" in capsys.readouterr().err


def test_a_zip_is_read_too(product, tmp_path):
    with zipfile.ZipFile(tmp_path / "order.zip", "w") as archive:
        for path in product.iterdir():
            archive.write(path, f"{product.name}/{path.name}")
    assert ingest(tmp_path / "order.zip", "--out", tmp_path / "scene") == 0


def test_names_in_an_archive_never_lead_out_of_it(tmp_path):
    with tarfile.open(tmp_path / "order.tar", "w") as tar:
        for name in ("../../evil.TIF", "/etc/evil.TIF", "a/../../evil.TIF", "fine.TIF"):
            member = tarfile.TarInfo(name)
            member.size = 4
            tar.addfile(member, io.BytesIO(b"text"))
        link = tarfile.TarInfo("link.TIF")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert list(Delivery.find(tmp_path / "order.tar").files) == ["fine.TIF"]


def test_an_archive_that_unpacks_to_too_much_is_refused(product, tmp_path, capsys, monkeypatch):
    with tarfile.open(tmp_path / "order.tar.gz", "w:gz") as tar:
        tar.add(product, arcname=product.name)
    monkeypatch.setattr(delivery, "_LARGEST_ARCHIVE", 2000)
    assert ingest(tmp_path / "order.tar.gz", "--out", tmp_path / "scene") == 3
    assert "more than a product has" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["order.tar", "order.tar.gz", "order.zip"])
def test_what_is_no_archive_is_refused(name, tmp_path, capsys):
    (tmp_path / name).write_bytes(b"half of something")
    assert ingest(tmp_path / name, "--out", tmp_path / "scene") == 3
    assert "archive" in capsys.readouterr().err


@pytest.mark.parametrize("scale", [1, 65, "2", True])
def test_a_scale_that_a_folder_states_has_to_be_one(scale, product, tmp_path, capsys):
    assert ingest(product, "--out", tmp_path / "scene") == 0
    facts = facts_of(tmp_path / "scene") | {"scale": scale}
    (tmp_path / "scene/scene.json").write_text(json.dumps(facts))
    assert downscale(tmp_path / "scene", "-m", "bicubic") == 3
    assert "scale is" in capsys.readouterr().err


def test_the_scale_that_a_folder_states_is_what_downscale_takes(product, tmp_path):
    assert ingest(product, "--out", tmp_path / "scene", "--lst-pixel", "delivered") == 0
    assert facts_of(tmp_path / "scene")["scale"] == 2
    assert downscale(tmp_path / "scene", "-m", "bicubic") == 0
    assert (tmp_path / "scene/lst_x2.tif").is_file()
