import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine

from groklst_cli.data.degrade import valid_means
from groklst_cli.data.patches import MANIFEST, Manifest, PreparedFolder
from groklst_cli.data.truth import SceneFiles, SceneTruth, native_factor, sha256
from groklst_cli.errors import InputError, OutputExistsError, UsageError
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.masks import MaskFile, Masks
from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.prepare.patches import Preparation, parse_native, parse_whole, prepare
from tests.data.folders import TOWN, UTM, write_scene, write_tif


def request(tmp_path, *scenes, **values):
    files = [SceneFiles.find(scene) for scene in scenes]
    defaults = {"scale": 2, "patch": 8}
    return Preparation(scenes=files, out=tmp_path / "set", **{**defaults, **values})


@pytest.fixture
def scene(tmp_path):
    return write_scene(tmp_path / "town", (64, 20))


def squares(folder):
    """Rows and columns of every patch by set."""
    found = {}
    for entry in Manifest.read(folder).patches:
        found.setdefault(entry.split, []).append((entry.place["rows"], entry.place["columns"]))
    return found


def test_sets_are_a_patch_apart(tmp_path, scene):
    made = prepare(request(tmp_path, scene))
    places = squares(made.out)
    assert set(places) == {"train", "val", "test"}
    for one, other in (("train", "val"), ("val", "test"), ("train", "test")):
        for (a, b), _ in places[one]:
            for (c, d), _ in places[other]:
                assert c - b >= 8 or a - d >= 8


def test_patches_are_the_scene_and_coarse_means_of_it(tmp_path, scene):
    made = prepare(request(tmp_path, scene))
    with rasterio.open(scene / "lst.tif") as raster:
        whole, transform = raster.read(1), raster.transform
    with rasterio.open(scene / "nir.tif") as raster:
        nir = raster.read(1)
    entries = [e for e in Manifest.read(made.out).patches if e.split == "train"]
    source = PreparedFolder(made.out, "train")
    assert len(source) == len(entries) == made.patches["train"]
    for index, entry in enumerate(entries):
        (top, bottom), (left, right) = entry.place["rows"], entry.place["columns"]
        patch = source.read(index)
        np.testing.assert_array_equal(patch.truth, whole[top:bottom, left:right])
        np.testing.assert_array_equal(patch.lst, valid_means(patch.truth, 2))
        band = patch.guide[source.bands.index("nir")]
        np.testing.assert_array_equal(band, nir[top:bottom, left:right])
        with rasterio.open(made.out / entry.files["lst"]) as raster:
            expected = transform * Affine.translation(left, top) * Affine.scale(2)
            assert raster.transform.almost_equals(expected)


def test_the_manifest_tells_hashes_provenance_and_statistics(tmp_path, scene):
    made = prepare(request(tmp_path, scene))
    facts = json.loads((made.out / MANIFEST).read_text())
    for patch in facts["patches"]:
        for kind, name in patch["files"].items():
            assert sha256(made.out / name) == patch["sha256"][kind]
    (told,) = facts["provenance"]["scenes"]
    assert told["sha256"]["lst.tif"] == sha256(scene / "lst.tif")
    assert str(tmp_path) not in json.dumps(facts)
    source = PreparedFolder(made.out, "train")
    values = np.concatenate([source.read(i).guide[0].ravel() for i in range(len(source))])
    band = facts["statistics"][source.bands[0]]
    assert band["mean"] == pytest.approx(float(values.mean()), rel=1e-6)
    assert band["std"] == pytest.approx(float(values.std()), rel=1e-5)


def test_patches_alone_are_the_same_patches_without_their_scenes(tmp_path, scene):
    whole = Manifest.read(prepare(request(tmp_path, scene)).out)
    asked = replace(request(tmp_path, scene, patches_only=True), out=tmp_path / "alone")
    alone = prepare(asked).out
    assert whole.scenes
    assert Manifest.read(alone).scenes == ()
    assert Manifest.read(alone).patches == whole.patches
    assert not (alone / "scenes").exists()
    source = PreparedFolder(alone, "train")
    assert len(source)
    assert source.origin(0) is None


def test_native_resolution_aggregates_first(tmp_path):
    scene = write_scene(tmp_path / "landsat", (96, 24))
    made = prepare(request(tmp_path, scene, native={"": "100m"}, whole={"landsat": "train"}))
    with rasterio.open(scene / "lst.tif") as raster:
        expected = valid_means(raster.read(1), 3)
    first = PreparedFolder(made.out, "train").read(0)
    np.testing.assert_allclose(first.truth, expected[:8, :8], rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "pixel", "factor"), [("4", 30, 4), ("100m", 30, 3), ("30 m", 30, 1)]
)
def test_native_resolution_is_a_factor_or_metres(text, pixel, factor):
    grid = Grid(UTM, Affine(pixel, 0, 5e5, 0, -pixel, 4.4e6), 10, 10)
    assert native_factor(text, grid) == factor


def test_native_resolution_that_makes_no_sense_is_refused():
    grid = Grid(UTM, Affine(30, 0, 5e5, 0, -30, 4.4e6), 10, 10)
    for text in ("0", "100km", "65", "-1"):
        with pytest.raises(UsageError, match="--native-resolution"):
            native_factor(text, grid)


def test_what_is_not_clear_is_nodata_and_patches_of_it_are_left_out(tmp_path):
    scene = write_scene(tmp_path / "cloudy", (32, 32), clear=True)
    made = prepare(request(tmp_path, scene, whole={"cloudy": "train"}, max_nodata=0.5))
    assert made.left_out["too much nodata"] == 4
    assert made.patches["train"] == 12
    columns = [columns for _, columns in squares(made.out)["train"]]
    assert min(start for start, _ in columns) == 8


def test_a_point_spread_reaches_into_the_surroundings(tmp_path):
    lst = np.full((16, 16), 290.0)
    lst[:, 8:] = 300
    folder = write_scene(tmp_path / "edge", (16, 16))
    write_tif(folder / "lst.tif", lst)
    sharp = prepare(request(tmp_path, folder, whole={"edge": "train"}))
    still = PreparedFolder(sharp.out, "train").read(0).lst
    blurred = prepare(request(tmp_path, folder, whole={"edge": "train"}, psf=0.5, overwrite=True))
    moved = PreparedFolder(blurred.out, "train").read(0).lst
    np.testing.assert_array_equal(still, 290)
    assert moved[:, -1].min() > 291
    np.testing.assert_allclose(moved[:, 0], 290)


def test_scenes_of_one_place_do_not_meet_across_sets(tmp_path):
    first = write_scene(tmp_path / "spring", (32, 16))
    other = write_scene(tmp_path / "autumn", (32, 48), seed=1, east=8 * 30)
    made = prepare(request(tmp_path, first, other, whole={"spring": "test", "autumn": "train"}))
    assert made.patches["test"] == 8
    assert made.patches["train"] + made.left_out["too near another split"] == 24
    # spring ends 8 pixels into autumn; a patch of 8 lies between
    assert min(start for _, (start, _) in squares(made.out)["train"]) >= 16


def test_bands_that_a_scene_lacks_are_missing_in_its_patches(tmp_path):
    first = write_scene(tmp_path / "full", (16, 16))
    other = write_scene(tmp_path / "poor", (16, 16), east=10_000)
    (other / "nir.tif").unlink()
    made = prepare(request(tmp_path, first, other, whole={"full": "train", "poor": "train"}))
    source = PreparedFolder(made.out, "train")
    assert set(source.bands) == set(TOWN)
    assert not source.complete()
    last = source.read(len(source) - 1)
    assert np.isnan(last.guide[source.bands.index("nir")]).all()
    assert np.isfinite(last.guide[source.bands.index("red")]).all()


def test_a_folder_under_its_name_is_whole(tmp_path, scene, monkeypatch):
    def fail(*arguments, **keywords):
        raise InputError("the disk is gone")

    monkeypatch.setattr("groklst_cli.pipeline.prepare.patches.json.dumps", fail)
    with pytest.raises(InputError, match="the disk is gone"):
        prepare(request(tmp_path, scene))
    assert {path.name for path in tmp_path.iterdir()} == {"town"}


def test_nothing_is_replaced_unasked(tmp_path, scene):
    made = prepare(request(tmp_path, scene))
    with pytest.raises(OutputExistsError, match="--overwrite"):
        prepare(request(tmp_path, scene))
    assert prepare(request(tmp_path, scene, overwrite=True)).patches == made.patches
    with pytest.raises(
        OutputExistsError, match="was not written by this command and would be deleted with"
    ):
        prepare(Preparation([SceneFiles.find(scene)], scene, overwrite=True))
    assert (scene / "lst.tif").is_file()
    (made.out / MANIFEST).unlink()
    with pytest.raises(
        OutputExistsError, match=r"set was not written by this command; name another --out"
    ):
        prepare(request(tmp_path, scene, overwrite=True))


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"patch": 7}, UsageError, "--patch 7 is not a multiple"),
        ({"max_nodata": 1.0}, UsageError, "--max-nodata"),
        ({"psf": -1.0}, UsageError, "--psf"),
        ({"whole": {"village": "test"}}, UsageError, "--whole names village"),
        ({"patch": 32}, InputError, "add --whole town=train"),
        ({"whole": {"town": "test"}}, UsageError, "--whole puts every scene into test"),
    ],
)
def test_what_cannot_be_done_says_what_to_type(tmp_path, scene, values, error, message):
    with pytest.raises(error, match=message):
        prepare(request(tmp_path, scene, **values))


def test_a_scene_may_be_named_by_its_files(tmp_path, scene):
    guides = (BandSource(str(scene / "red.tif")),)
    files = SceneFiles.find(scene / "lst.tif", guides)
    made = prepare(Preparation([files], tmp_path / "set", scale=2, patch=8))
    assert made.bands == ("red",)
    with pytest.raises(InputError, match="neither a raster nor a folder"):
        SceneFiles.find(tmp_path)


def test_texts_of_the_command_line():
    assert parse_native(["3", "hk=100m"]) == {"": "3", "hk": "100m"}
    assert parse_whole(["a=test"]) == {"a": "test"}
    for text in ("a", "a=all", "=test"):
        with pytest.raises(UsageError, match="--whole"):
            parse_whole([text])


def test_a_manifest_that_names_files_elsewhere_is_refused(tmp_path, scene):
    made = prepare(request(tmp_path, scene))
    text = (made.out / MANIFEST).read_text()
    (made.out / MANIFEST).write_text(text.replace('"train/town_0000_lst.tif"', '"../secret.tif"'))
    with pytest.raises(InputError, match="outside the folder"):
        PreparedFolder(made.out, "train")
    with pytest.raises(InputError, match=r"groklst prepare SCENE"):
        PreparedFolder(tmp_path, "train")


def test_masks_hide_truth_and_guides(tmp_path, scene):
    clear, seen = np.ones((64, 20)), np.ones((128, 40))
    clear[5:9, 2:6] = 0
    seen[60:90, 10:30] = 0
    write_tif(tmp_path / "clear.tif", clear)
    write_tif(tmp_path / "seen.tif", seen, pixel=15.0)
    masks = Masks(
        (MaskFile.parse(str(tmp_path / "clear.tif")),),
        (MaskFile.parse(f"nir={tmp_path / 'seen.tif'}"),),
    )
    plain, masked = SceneFiles.find(scene), SceneFiles.find(scene, masks=masks)
    whole = slice(0, 64), slice(0, 20)
    with SceneTruth(plain) as before, SceneTruth(masked) as after:
        lst, bands = before.read_lst(*whole), before.read_guide(*whole)
        lst[clear == 0] = np.nan
        bands[before.bands.index("nir")][seen[::2, ::2] == 0] = np.nan
        np.testing.assert_array_equal(after.read_lst(*whole), lst)
        np.testing.assert_array_equal(after.read_guide(*whole), bands)
        assert {"clear.tif", "seen.tif"} <= after.provenance()["sha256"].keys()


class TestVariety:
    def test_training_patches_have_poorer_versions_that_repeat(self, tmp_path, scene):
        plain = prepare(request(tmp_path, scene))
        once, again, other = (
            prepare(replace(request(tmp_path, scene, vary=2, seed=s), out=tmp_path / name))
            for name, s in (("once", 0), ("again", 0), ("other", 1))
        )
        assert once.patches["train"] == 3 * plain.patches["train"]
        assert once.patches["val"] == plain.patches["val"]

        def hashes(folder):
            return {e.name: e.sha256 for e in Manifest.read(folder).patches}

        kept = hashes(plain.out)
        assert {name: value for name, value in hashes(once.out).items() if name in kept} == kept
        assert hashes(once.out) == hashes(again.out) != hashes(other.out)

    def test_a_version_is_its_truth_made_coarse(self, tmp_path, scene):
        made = prepare(request(tmp_path, scene, vary=3))
        source = PreparedFolder(made.out, "train")
        fewer = 0
        for index in range(len(source)):
            patch = source.read(index)
            np.testing.assert_array_equal(patch.lst, valid_means(patch.truth, 2))
            fewer += bool(np.isnan(patch.guide).all(axis=(1, 2)).any())
        assert fewer  # bands that a version lacks are gaps

    def test_fewer_than_none_is_refused(self, tmp_path, scene):
        with pytest.raises(UsageError, match="--vary -1"):
            request(tmp_path, scene, vary=-1)
