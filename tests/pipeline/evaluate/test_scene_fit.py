"""Fitted methods see the scene that a dataset's patches were cut from; an image may fail."""

import json
import shutil

import numpy as np
import pytest
import rasterio

from groklst_cli.data.degrade import valid_means
from groklst_cli.data.patches import MANIFEST, Manifest, PreparedFolder
from groklst_cli.data.truth import SceneFiles
from groklst_cli.errors import InputError, SomeFailedError, ThresholdError, UsageError
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.reference import read_lst
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.evaluate.contenders import Contender, Follow
from groklst_cli.pipeline.evaluate.protocol import WaldProtocol
from groklst_cli.pipeline.evaluate.scoreboard import Evaluation, method_head
from groklst_cli.pipeline.evaluate.threshold import Threshold, check_thresholds
from groklst_cli.pipeline.evaluate.trials import run_patches, run_protocol
from groklst_cli.pipeline.prepare.patches import Preparation, prepare
from tests.data.folders import TOWN, write_groklst, write_scene, write_tif

RIDGE = [Contender.parse("ridge")]
WALD = WaldProtocol(title="Wald ×2", scale=2)


def write_hills(folder, *, east=0.0):
    """A scene whose LST follows its bands in another way to the left than to the right."""
    scene = write_scene(folder, (48, 48), east=east)
    with rasterio.open(scene / "lst.tif") as raster:
        lst = raster.read(1)
    with rasterio.open(scene / "red.tif") as raster:
        lst[:, :24] -= 15 * raster.read(1)[:, :24]
    write_tif(scene / "lst.tif", lst, east=east)
    return scene


@pytest.fixture
def made(tmp_path):
    """Two scenes, cut into patches of 16 pixels."""
    scenes = [write_hills(tmp_path / "a"), write_hills(tmp_path / "b", east=90_000)]
    files = [SceneFiles.find(scene) for scene in scenes]
    whole = {"a": "test", "b": "train"}
    return prepare(Preparation(files, tmp_path / "set", 2, 16, whole=whole)).out


def by_method(found: Evaluation, method: str):
    return [outcome for outcome in found.outcomes if outcome.method == method]


def test_a_prepared_folder_keeps_its_scenes_as_downscale_sees_them(made, tmp_path):
    manifest = Manifest.read(made)
    assert [scene.name for scene in manifest.scenes] == ["a", "b"]
    with rasterio.open(tmp_path / "a" / "lst.tif") as raster:
        whole = raster.read(1)
    _, coarse = read_lst(BandSource(str(made / manifest.scenes[0].files["lst"])))
    np.testing.assert_array_equal(coarse, valid_means(whole, 2))
    with rasterio.open(made / manifest.scenes[0].files["guide"]) as raster:
        assert raster.descriptions == TOWN or set(raster.descriptions) == set(TOWN)


@pytest.mark.parametrize("psf", [0.0, 0.5])
def test_a_patch_s_coarse_lst_is_its_scene_s(tmp_path, psf):
    scene = SceneFiles.find(write_hills(tmp_path / "a"))
    out = prepare(Preparation([scene], tmp_path / "set", 2, 16, psf=psf, whole={"a": "train"})).out
    _, coarse = read_lst(BandSource(str(out / Manifest.read(out).scenes[0].files["lst"])))
    source = PreparedFolder(out, "train")
    for index in range(len(source)):
        origin = source.origin(index)
        rows, columns = (slice(p.start // 2, p.stop // 2) for p in (origin.rows, origin.columns))
        np.testing.assert_allclose(source.read(index).lst, coarse[rows, columns], rtol=1e-6)


def test_a_fitted_method_is_fitted_once_to_the_scene_and_its_patches_are_scored(made, tmp_path):
    found = run_patches(PreparedFolder(made, "test"), RIDGE)
    source, scene = PreparedFolder(made, "test"), Manifest.read(made).scenes[0]
    guides = [BandSource(str(made / scene.files["guide"]))]
    target = tmp_path / "whole.tif"
    downscale(Request(lst=BandSource(str(made / scene.files["lst"])), output=target,
                      guides=guides, scale=2, model="ridge"))  # fmt: skip
    _, whole = read_lst(BandSource(str(target)))
    outcomes = by_method(found, "ridge")
    assert len(outcomes) == len(source) > 1
    for index, outcome in enumerate(outcomes):
        origin = source.origin(index)
        error = whole[origin.rows, origin.columns] - source.read(index).truth
        assert outcome.scores.rmse == pytest.approx(float(np.sqrt(np.mean(error**2))), rel=1e-5)
    assert [outcome.seconds is None for outcome in outcomes].count(False) == 1
    assert {outcome.fitted_to for outcome in found.outcomes} == {"scene"}
    assert method_head(found.outcomes) == "method"


def test_patches_without_their_scenes_say_that_methods_are_fitted_to_each(made):
    manifest = json.loads((made / MANIFEST).read_text())
    del manifest["scenes"]
    (made / MANIFEST).write_text(json.dumps(manifest))
    shutil.rmtree(made / "scenes")
    found = run_patches(PreparedFolder(made, "test"), RIDGE)
    assert {outcome.fitted_to for outcome in found.outcomes} == {"patch"}
    assert method_head(found.outcomes) == "method (fitted to each patch)"
    assert found.rows()[0]["fitted_to"] == "patch"


def test_the_dataset_of_patches_alone_says_so_too(tmp_path):
    from groklst_cli.data.groklst_dataset import GrokLST

    found = run_patches(GrokLST(write_groklst(tmp_path / "set"), "test", 2), RIDGE)
    assert method_head(found.outcomes) == "method (fitted to each patch)"
    assert found.to_json()["images"][0]["fitted_to"] == "patch"


def test_a_scene_whose_files_are_gone_is_refused_before_any_patch_is_scored(made):
    (made / "scenes" / "a_guide.tif").unlink()
    with pytest.raises(InputError, match=r"a_guide\.tif does not exist \(1 of 2 files"):
        run_patches(PreparedFolder(made, "test"), RIDGE)


def test_a_manifest_whose_patches_lie_beyond_their_scenes_is_refused(made):
    manifest = json.loads((made / MANIFEST).read_text())
    manifest["scenes"][0]["shape"] = [8, 8]
    (made / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="is not inside its scene 'a'"):
        PreparedFolder(made, "test")


@pytest.fixture
def scenes(tmp_path):
    """Three scenes, of which the middle one has no CRS."""
    folder = tmp_path / "scenes"
    for name in ("a", "b", "c"):
        write_hills(folder / name)
    with rasterio.open(folder / "b" / "lst.tif") as raster:
        values, profile = raster.read(1), raster.profile
    (folder / "b" / "lst.tif").unlink()
    with rasterio.open(folder / "b" / "lst.tif", "w", **{**profile, "crs": None}) as raster:
        raster.write(values, 1)
    return folder


def test_a_bad_scene_is_found_first_and_the_others_are_scored(scenes):
    steps: list[str] = []
    follow = Follow(note=steps.append, watch=lambda shown: steps.append(f"scored {shown.name}"))
    found = run_protocol(WALD, scenes, RIDGE, follow=follow)
    assert steps[0].startswith("b failed, the others continue:")
    assert steps[1:] == ["scored a", "scored c"]
    assert {outcome.image for outcome in found.outcomes} == {"a", "c"}
    (failure,) = found.failures
    assert (failure.name, failure.code) == ("b", 3)
    assert "no CRS" in failure.line
    assert found.to_json()["failed"] == [{"image": "b", "code": 3, "error": failure.line}]


def test_a_scene_that_fails_while_it_runs_does_not_stop_the_others(scenes):
    shutil.rmtree(scenes / "b")
    for guide in TOWN:
        (scenes / "a" / f"{guide}.tif").unlink()
    found = run_protocol(WALD, scenes, RIDGE)
    assert {outcome.image for outcome in found.outcomes} == {"c"}
    assert found.failures[0].line.startswith("ridge on a: ridge needs guides")
    assert found.failures[0].code == 2


def test_what_no_scene_can_use_is_refused_before_any_is_opened(scenes):
    for model, message in (("rigde", "rigde: --model rigde is neither"), ("mocolsk", "weights")):
        with pytest.raises(UsageError, match=message):
            run_protocol(WALD, scenes, [Contender.parse(model)])


def test_failures_come_before_thresholds_and_tell_what_those_found(scenes):
    found = run_protocol(WALD, scenes, RIDGE)
    with pytest.raises(
        SomeFailedError, match=r"1 of 3 images failed.*of the others, rmse of ridge"
    ):
        check_thresholds([Threshold.parse("rmse>0")], found, ["ridge"])
    with pytest.raises(SomeFailedError, match=r"run again$"):
        check_thresholds([], found)
    whole = run_protocol(WALD, scenes, RIDGE, scenes=["a", "c"])
    with pytest.raises(ThresholdError):
        check_thresholds([Threshold.parse("rmse>0")], whole, ["ridge"])


def test_a_damaged_patch_does_not_stop_the_others(made):
    source = PreparedFolder(made, "test")
    (made / "test" / f"{source.name(1)}_truth.tif").write_bytes(b"no raster")
    found = run_patches(source, RIDGE)
    assert [failure.name for failure in found.failures] == [source.name(1)]
    assert len(by_method(found, "ridge")) == len(source) - 1
