"""One convention for scene folders, whichever command reads them."""

import json
import os
import shutil

import numpy as np
import pytest
import rasterio

from groklst_cli.data.scenes import SceneFacts, SceneFolder, scene_folders
from groklst_cli.data.truth import SceneFiles, SceneTruth
from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.conserve import block_means
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.evaluate.cases import cross_sensor_case, wald_case
from groklst_cli.pipeline.evaluate.contenders import Contender
from groklst_cli.pipeline.evaluate.protocol import CrossSensorProtocol, WaldProtocol
from groklst_cli.pipeline.evaluate.trials import run_protocol
from groklst_cli.pipeline.prepare.patches import Preparation, prepare
from tests.conftest import read
from tests.data.folders import TOWN, write_scene, write_tif
from tests.trust.refusal import groklst

WALD = WaldProtocol(title="Wald ×2", scale=2)
CROSS = CrossSensorProtocol(title="cross", scale=2, least_correlation=-1)
TRUTHS = ("reference_lst.tif", "reference_lst.tiff", "Reference_LST.TIF", "reference_lst.v2.tif")


@pytest.fixture
def town(tmp_path):
    """A scene with a truth beside it, which is finer than the LST."""
    folder = write_scene(tmp_path / "scenes" / "town", (32, 32), clear=True)
    with rasterio.open(folder / "lst.tif") as raster:
        fine = raster.read(1).repeat(2, 0).repeat(2, 1)
    write_tif(folder / "reference_lst.tif", fine, pixel=15.0)
    return folder


def state(folder, **facts):
    (folder / "scene.json").write_text(json.dumps(facts))


def guides(sources):
    return {os.path.basename(source.path).split(".")[0].lower() for source in sources}


def every_reader(folder):
    """The guides that each command takes from a scene folder."""
    scene = SceneFolder.read(folder)
    return {
        "prepare": SceneFiles.find(folder).guides,
        "evaluate wald": wald_case(scene, WALD).guides,
        "evaluate cross-sensor": cross_sensor_case(scene, CROSS).guides,
    }


@pytest.mark.parametrize("name", TRUTHS)
def test_the_truth_is_never_a_guide_in_any_command(town, tmp_path, name):
    if name != "reference_lst.tif":
        shutil.copy(town / "lst.tif", town / name)
    for command, found in every_reader(town).items():
        assert guides(found) == set(TOWN), command


@pytest.mark.parametrize("link", [True, False], ids=["a link", "a VRT"])
def test_the_truth_under_another_name_is_refused(town, link):
    if link:
        (town / "warm.tif").symlink_to(town / "reference_lst.tif")
    else:
        with rasterio.open(town / "reference_lst.tif") as raster:
            height, width = raster.shape
            transform = ", ".join(map(str, raster.transform.to_gdal()))
        (town / "warm.vrt").write_text(
            f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><SRS>EPSG:32647</SRS>'
            f"<GeoTransform>{transform}</GeoTransform>"
            '<VRTRasterBand dataType="Float32" band="1"><SimpleSource>'
            '<SourceFilename relativeToVRT="1">reference_lst.tif</SourceFilename>'
            "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
        )
    with pytest.raises(InputError, match=r"made of reference_lst\.tif, .* cannot be a guide"):
        SceneFolder.read(town)


def test_the_truth_named_one_by_one_is_refused(town):
    named = [BandSource(str(town / "reference_lst.tif"))]
    for scene in (town, town / "lst.tif"):
        with pytest.raises(UsageError, match="cannot be a guide; leave it out"):
            SceneFiles.find(scene, named)


def test_training_does_not_see_the_truth(town, tmp_path):
    whole = {"town": "train"}
    made = prepare(Preparation([SceneFiles.find(town)], tmp_path / "set", 2, 8, whole=whole))
    assert set(made.bands) == set(TOWN)


def test_what_groklst_wrote_is_no_guide_and_said(town, tmp_path):
    shutil.copy(town / "lst.tif", town / "lst_x2.tif")
    with rasterio.open(town / "lst_x2.tif", "r+") as raster:
        raster.update_tags(GROKLST_METHOD="ridge")
    assert SceneFolder.read(town).passed_over == {"lst_x2.tif": "groklst wrote it"}
    for command, found in every_reader(town).items():
        assert guides(found) == set(TOWN), command
    notes: list[str] = []
    request = Preparation([SceneFiles.find(town)], tmp_path / "set", 2, 8, whole={"town": "train"})
    prepare(request, note=notes.append)
    assert notes[0] == "scene town: lst_x2.tif is not used as a guide, groklst wrote it"


def test_a_scene_states_its_own_facts(town, tmp_path):
    state(town, aggregate_first_by=2, not_guides=["nir"], sensor="of any kind")
    assert SceneFacts.read(town / "scene.json") == SceneFacts(2, None, ("nir",))
    case = wald_case(SceneFolder.read(town), WALD)
    assert case.truth.shape == (16, 16)
    assert guides(case.guides) == {"green", "red"}
    request = Preparation([SceneFiles.find(town)], tmp_path / "set", 2, 8, whole={"town": "train"})
    assert prepare(request).bands == ("green", "red")
    facts = json.loads((tmp_path / "set" / "manifest.json").read_text())
    assert facts["provenance"]["scenes"][0]["aggregated_by"] == 2


def test_what_is_said_on_the_command_line_or_in_a_protocol_holds_before_scene_json(town, tmp_path):
    state(town, aggregate_first_by=4)
    named = WaldProtocol(title="t", scale=2, native={"town": 2})
    default = WaldProtocol(title="t", scale=2, native={"default": 2})
    scene = SceneFolder.read(town)
    assert wald_case(scene, named).truth.shape == (16, 16)
    assert wald_case(scene, default).truth.shape == (8, 8)
    request = Preparation(
        [SceneFiles.find(town)], tmp_path / "set", 2, 8, native={"": "1"}, whole={"town": "train"}
    )
    prepare(request)
    facts = json.loads((tmp_path / "set" / "manifest.json").read_text())
    assert facts["provenance"]["scenes"][0]["aggregated_by"] == 1


def test_a_scene_that_says_so_is_left_out_of_many_unless_it_is_named(town, tmp_path):
    other = write_scene(tmp_path / "scenes" / "field", (32, 32), east=10_000)
    state(town, left_out="most of it is cloud")
    notes: list[str] = []
    files = [SceneFiles.find(town), SceneFiles.find(other)]
    prepare(Preparation(files, tmp_path / "set", 2, 4), note=notes.append)
    assert notes[0] == "scene town is left out by its scene.json: most of it is cloud"
    methods = [Contender.parse("bicubic")]
    assert run_protocol(WALD, tmp_path / "scenes", methods).left_out == {
        "town": "most of it is cloud"
    }
    named = run_protocol(WALD, tmp_path / "scenes", methods, scenes=["town"])
    assert {outcome.image for outcome in named.outcomes} == {"town"}
    with pytest.raises(InputError, match="to use one anyway, add --whole"):
        prepare(Preparation(files[:1], tmp_path / "alone", 2, 4))
    whole = Preparation(files[:1], tmp_path / "alone", 2, 4, whole={"town": "train"})
    assert prepare(whole).patches["train"] > 0


def test_a_mask_hides_the_lst_from_every_command(town):
    scene = SceneFolder.read(town)
    for make, protocol in ((wald_case, WALD), (cross_sensor_case, CROSS)):
        case = make(scene, protocol)
        quarter = case.coarse.shape[1] // 4
        assert np.isnan(case.coarse[:, :quarter]).all()
        np.testing.assert_array_equal(case.lst.values[0], case.coarse)


def test_a_mask_may_lie_on_another_grid(town):
    mask = np.ones((16, 16))
    mask[:8] = 0
    write_tif(town / "clear.tif", mask, pixel=60.0)
    case = wald_case(SceneFolder.read(town), WALD)
    assert np.isnan(case.truth[:16]).all()
    assert np.isfinite(case.truth[16:]).all()


def test_scenes_are_listed_by_name(tmp_path, town):
    write_scene(tmp_path / "scenes" / "field", (8, 8))
    (tmp_path / "scenes" / "notes").mkdir()
    found = scene_folders(tmp_path / "scenes")
    assert [SceneFolder.read(path).name for path in found] == ["field", "town"]
    assert scene_folders(town) == [town]


def test_the_truth_of_wald_s_protocol_is_the_lst_and_not_the_reference(town, tmp_path):
    write_tif(town / "reference_lst.tif", np.full((32, 32), 400.0))
    (town / "clear.tif").unlink()
    case = wald_case(SceneFolder.read(town), WALD)
    with rasterio.open(town / "lst.tif") as raster:
        np.testing.assert_allclose(case.coarse, block_means(raster.read(1), 2), rtol=1e-6)


def test_bands_have_the_names_that_downscale_gives_them(town):
    for name in TOWN:
        shutil.move(town / f"{name}.tif", town / f"HLS.S30.T47SND.2024188.{name}.2.0.tif")
    files = SceneFiles.find(town)
    with SceneTruth(files) as truth, Scene(files.lst, files.guides, 2) as scene:
        assert truth.bands == scene.bands
        assert set(truth.bands) == set(TOWN)


def test_downscale_takes_the_mask_of_a_scene_folder(town, tmp_path):
    bands = [word for band in sorted(TOWN) for word in ("-g", str(town / f"{band}.tif"))]
    settled = ["-q", "-s", "2", "-m", "ridge", "-o"]
    outputs = [str(tmp_path / name) for name in ("folder.tif", "files.tif", "more.tif")]
    assert groklst("downscale", str(town), *settled, outputs[0]) == 0
    mask = f"{town / 'clear.tif'}:values=1"
    named = ["downscale", str(town / "lst.tif"), *bands, "--mask", mask, *settled, outputs[1]]
    assert groklst(*named) == 0
    folder, files = map(read, outputs[:2])
    np.testing.assert_array_equal(folder, files)
    quarter = folder.shape[1] // 4
    assert np.isnan(folder[:, :quarter]).all()
    assert np.isfinite(folder[:, quarter:]).all()
    ones = np.ones((32, 32))
    ones[:10] = 0
    write_tif(tmp_path / "more_clear.tif", ones)
    more = ["--mask", str(tmp_path / "more_clear.tif"), *settled, outputs[2]]
    assert groklst("downscale", str(town), *more) == 0
    both = np.isfinite(folder)
    both[:20] = False
    np.testing.assert_array_equal(np.isfinite(read(outputs[2])), both)


def test_downscale_takes_a_scene_folder_for_its_lst_and_guides(town, tmp_path):
    (town / "clear.tif").unlink()
    named = [word for band in sorted(TOWN) for word in ("-g", str(town / f"{band}.tif"))]
    outputs = [str(tmp_path / name) for name in ("folder.tif", "files.tif")]
    settled = ["-q", "-s", "2", "-m", "ridge", "-o"]
    assert groklst("downscale", str(town), *settled, outputs[0]) == 0
    assert groklst("downscale", str(town / "lst.tif"), *named, *settled, outputs[1]) == 0
    folder, files = (rasterio.open(path) for path in outputs)
    with folder, files:
        assert folder.tags()["GROKLST_BANDS"] == files.tags()["GROKLST_BANDS"]
        np.testing.assert_array_equal(folder.read(1), files.read(1))
