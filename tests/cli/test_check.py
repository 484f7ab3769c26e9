"""``groklst info --check``: what is whole, what is not, and what is told of it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine

from groklst_cli.geo.grid import Grid
from groklst_cli.geo.pixel_hash import PIXELS_TAG
from groklst_cli.geo.writer import OutputFormat, ResultFile
from tests.conftest import UTM
from tests.trust.refusal import groklst, write_checkpoint

GRID = Grid(UTM, Affine(30, 0, 5e5, 0, -30, 4e6), 700, 600)
Spoil = Callable[[Path], None]


def write(path: Path, **form: object) -> None:
    values = np.random.default_rng(0).normal(300, 9, GRID.shape).astype(np.float32)
    values[:40, :70] = np.nan
    with ResultFile(path, GRID, OutputFormat(**form), overwrite=False) as result:
        result.write(0, values)


@pytest.fixture
def made(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(Path("fine.tif"))
    return Path("fine.tif")


def changed(path: Path):
    return rasterio.open(path, "r+", driver="GTiff", IGNORE_COG_LAYOUT_BREAK="YES")


def lose_a_byte(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def lose_all_but_the_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


def change_a_pixel(path: Path) -> None:
    with changed(path) as opened:
        values = opened.read(1)
        values[300, 200] += 0.01
        opened.write(values, 1)


def damage_a_block(path: Path) -> None:
    with rasterio.open(path) as opened:
        start = int(opened.get_tag_item("BLOCK_OFFSET_1_1", "TIFF", 1))
    held = bytearray(path.read_bytes())
    held[start + 500 : start + 600] = bytes(100)
    path.write_bytes(bytes(held))


def add_a_tag(path: Path) -> None:
    with changed(path) as opened:
        opened.update_tags(NOTE="mine")


def copy_without_layout(path: Path) -> None:
    rasterio.shutil.copy(path, "copy.tif", driver="GTiff")
    shutil.move("copy.tif", path)


def lose_the_status(path: Path) -> None:
    with changed(path) as opened:
        opened.update_tags(GROKLST_STATUS="begun")


def lose_the_hash(path: Path) -> None:
    with changed(path) as opened:
        opened.update_tags(**{PIXELS_TAG: "0" * 64})


def put_a_mask_beside(path: Path) -> None:
    shutil.copy(path, f"{path}.msk")


def become_text(path: Path) -> None:
    path.write_text("no raster")


def vanish(path: Path) -> None:
    path.unlink()


SPOILED = [
    (lose_a_byte, "is truncated: block"),
    (lose_all_but_the_header, "is truncated: block"),
    (change_a_pixel, "its pixels do not match its tag"),
    (damage_a_block, "its pixels do not match its tag"),
    (add_a_tag, "was changed in place"),
    (copy_without_layout, "is no longer a cloud-optimised GeoTIFF"),
    (lose_the_status, "has no tag GROKLST_STATUS=complete"),
    (lose_the_hash, "its pixels do not match its tag"),
    (put_a_mask_beside, "fine.tif.msk next to it was not written by groklst"),
    (become_text, "cannot be read: "),
    (vanish, "does not exist here"),
]


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"units": "C"},
        {"nodata": -9999.0},
        *({"creation": {"COMPRESS": name}} for name in ("NONE", "ZSTD", "LERC")),
        {"creation": {"OVERVIEWS": "NONE"}},
        {"creation": {"SPARSE_OK": "YES", "BLOCKSIZE": "128"}},
    ],
    ids=str,
)
def test_what_groklst_wrote_is_whole(tmp_path, capsys, form):
    write(tmp_path / "fine.tif", **form)
    assert groklst("info", "--check", str(tmp_path / "fine.tif")) == 0
    assert capsys.readouterr() == (f"{tmp_path / 'fine.tif'}: intact\n", "")


@pytest.mark.parametrize(("spoil", "says"), SPOILED, ids=[s.__name__ for s, _ in SPOILED])
def test_what_is_wrong_is_one_line_each_and_code_3(made, capfd, spoil: Spoil, says):
    shutil.copy(made, "other.tif")
    spoil(made)
    assert groklst("info", "--check", "fine.tif", "other.tif") == 3
    out, err = capfd.readouterr()
    first, second = out.splitlines()
    assert first.startswith("fine.tif: ")
    assert says in first
    assert second == "other.tif: intact"
    assert err.startswith("groklst: 1 of 2 files are not intact: fine.tif ")
    assert err.count("\n") == 1


def test_json_says_it_for_scripts(made, capsys):
    shutil.copy(made, "other.tif")
    lose_a_byte(made)
    assert groklst("info", "--check", "--json", "fine.tif", "other.tif") == 3
    first, second = json.loads(capsys.readouterr().out)
    assert (first["file"], first["whole"]) == ("fine.tif", False)
    assert first["flaw"].startswith("is truncated")
    assert second == {"file": "other.tif", "whole": True, "flaw": None}


def test_what_may_have_changed_the_bits_cannot_be_checked(tmp_path, capsys):
    write(tmp_path / "fine.tif", creation={"COMPRESS": "LERC", "MAX_Z_ERROR": "0.01"})
    assert groklst("info", "--check", str(tmp_path / "fine.tif")) == 3
    assert "to check its pixels with (lossy --co?)" in capsys.readouterr().out


def test_a_cut_overview_is_found_though_no_pixel_is_lost(made, capsys):
    """Overviews stand first in the file, so one is made to point past its end."""
    with rasterio.open(made) as opened:
        start = opened.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", 1, 0)
    held = made.read_bytes()
    there = int(start).to_bytes(4, "little")
    assert held.count(there) == 1
    made.write_bytes(held.replace(there, (2**31).to_bytes(4, "little")))
    assert groklst("info", "--check", "fine.tif") == 3
    assert "of the overview by 2 ends at byte" in capsys.readouterr().out


def test_a_checkpoint_is_checked_with_its_weights(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_checkpoint(Path("x4.safetensors"))
    assert groklst("info", "--check", "x4.safetensors") == 0
    held = Path("x4.safetensors").read_bytes()
    Path("x4.safetensors").write_bytes(held[:-8])
    assert groklst("info", "--check", "x4.safetensors") == 3
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "x4.safetensors: intact"
    assert out.splitlines()[1].startswith("x4.safetensors: is not a safetensors file")
    assert "1 of 1 files are not intact: x4.safetensors is not" in err
