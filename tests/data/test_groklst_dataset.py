import numpy as np
import pytest

from groklst_cli.data.groklst_dataset import BANDS, GrokLST, is_groklst
from groklst_cli.data.mat import read_mat
from groklst_cli.errors import InputError, UsageError
from tests.data.folders import fields, means, write_groklst, write_mat


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_a_patch_is_what_was_written(tmp_path, version):
    source = GrokLST(write_groklst(tmp_path / "set", version=version), "train", 4)
    assert len(source) == 4
    patch = source.read(2)
    lst, guide = fields(2)
    assert patch.name == source.name(2) == "tile_002"
    np.testing.assert_allclose(patch.truth, lst, rtol=1e-6)
    np.testing.assert_allclose(patch.guide, guide, rtol=1e-6)
    np.testing.assert_allclose(patch.lst, means(lst, 4), rtol=1e-6)
    assert source.bands == BANDS
    assert source.sides() == (4, 4)


def test_axes_of_version_73_are_turned_back(tmp_path):
    values = np.arange(6.0).reshape(2, 3)
    for version in ("5", "7.3"):
        path = tmp_path / f"v{version}.mat"
        write_mat(path, {"data": values}, version=version)
        np.testing.assert_array_equal(read_mat(path, ["data"])[0], values)


def test_official_splits_are_positions_in_the_sorted_listing(tmp_path):
    folder = write_groklst(tmp_path / "set")
    (folder / "split" / "test.txt").write_text("5 rest of the line\n\n0\n")
    source = GrokLST(folder, "test", 2)
    assert [source.name(i) for i in range(len(source))] == ["tile_005", "tile_000"]
    assert len(GrokLST(folder, "trainval", 8)) == 5


@pytest.mark.parametrize("where", ["30m/lst", "30m/guidance", "120m/lst"])
@pytest.mark.parametrize("missing", ["tile_000.mat", "tile_005.mat"])
def test_a_missing_file_is_named(tmp_path, where, missing):
    folder = write_groklst(tmp_path / "set")
    (folder / where / missing).unlink()
    with pytest.raises(InputError, match=rf"{missing} has no partner of the same name in .*"):
        GrokLST(folder, "train", 4)


def test_a_file_that_other_folders_lack_is_named(tmp_path):
    folder = write_groklst(tmp_path / "set")
    lst, _ = fields(0)
    write_mat(folder / "120m" / "lst" / "tile_0000.mat", {"data": lst})
    with pytest.raises(
        InputError, match=r"120m/lst/tile_0000.mat has no partner of the same name in .*30m/lst"
    ):
        GrokLST(folder, "train", 4)


def test_a_stray_file_is_named_because_it_shifts_positions(tmp_path):
    folder = write_groklst(tmp_path / "set")
    (folder / "30m" / "guidance" / "Thumbs.db").write_bytes(b"")
    with pytest.raises(InputError, match=r"Thumbs\.db is not a \.mat file"):
        GrokLST(folder, "train", 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [("6\n", "position '6'"), ("-1\n", "position '-1'"), ("a\n", "'a'"), ("1\n1\n", "twice")],
)
def test_split_files_that_do_not_fit_are_refused(tmp_path, text, message):
    folder = write_groklst(tmp_path / "set")
    (folder / "split" / "val.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        GrokLST(folder, "val", 4)


def test_sizes_that_do_not_fit_are_refused(tmp_path):
    folder = write_groklst(tmp_path / "set")
    write_mat(folder / "120m" / "lst" / "tile_000.mat", {"data": np.full((5, 4), 290.0)})
    with pytest.raises(InputError, match="needs 20 × 16"):
        GrokLST(folder, "train", 4).read(0)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"lst": np.zeros((4, 4))}, "no field 'data'"),
        ({"data": np.zeros((4, 4, 2))}, "3 dimensions"),
        ({"data": np.array([["a"]])}, "expected a matrix of real numbers"),
        ({"data": np.zeros((4, 4), complex)}, "expected a matrix of real numbers"),
    ],
)
def test_fields_of_another_kind_are_refused(tmp_path, variables, message):
    write_mat(tmp_path / "odd.mat", variables)
    with pytest.raises(InputError, match=message):
        read_mat(tmp_path / "odd.mat", ["data"])


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "bad.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(50))
    with pytest.raises(InputError, match="cannot be read as a MAT file"):
        read_mat(tmp_path / "bad.mat", ["data"])


def test_only_its_own_scales_are_taken(tmp_path):
    folder = write_groklst(tmp_path / "set")
    assert is_groklst(folder)
    assert not is_groklst(tmp_path)
    with pytest.raises(UsageError, match="--scale 2, 4 or 8"):
        GrokLST(folder, "train", 3)
