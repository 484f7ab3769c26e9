"""Whatever is wrong with a folder of scenes or patches: one line and a documented code."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.data.folders import TOWN, write_scene, write_tif
from tests.trust.refusal import Case, case, groklst, refuse, state

WALD = "evaluate -q --protocol wald_x2 -m bicubic --data"
CROSS = "evaluate -q --protocol cross_sensor_modis_aster -m bicubic --data"
PREPARE = "prepare -q -s 2 --patch 8 --out new"
DATA = "evaluate -q -s 2 -m bicubic --split train --data"

ALONE = [
    case("facts no json", f"{WALD} torn", 3, "torn/scene.json cannot be read", "JSON object"),
    case("facts a list", f"{WALD} listed", 3, "listed/scene.json does not hold a JSON object"),
    case("facts no text", f"{WALD} binary", 3, "binary/scene.json cannot be read"),
    case("facts too deep", f"{WALD} deep", 3, "deep/scene.json cannot be read"),
    case("factor 0", f"{PREPARE} zero", 3, "aggregate_first_by is 0", "from 1 to 64"),
    case("factor a word", f"{PREPARE} word", 3, "aggregate_first_by is 'three'"),
    case("factor true", f"{PREPARE} true", 3, "aggregate_first_by is True"),
    case("factor a fraction", f"{PREPARE} half", 3, "aggregate_first_by is 1.5"),
    case("left out without a reason", f"{PREPARE} silent", 3, "left_out is True", "reason"),
    case("not_guides a word", f"{PREPARE} lone", 3, "not_guides is 'nir'", "list of names"),
    case("left out alone", f"{PREPARE} cloudy", 3, "all 1 scenes are left out", "--whole"),
    case("left out of a protocol", f"{WALD} cloudy", 3, "all 1 scenes are left out", "--scene"),
    case("truth a link", f"{PREPARE} linked", 3, "warm.tif is made of reference_lst.tif"),
    case("truth named", f"{PREPARE} good/a -g linked/reference_lst.tif", 2, "cannot be a guide"),
    case(
        "truth named beside an lst",
        f"{PREPARE} good/a/lst.tif -g linked/reference_lst.tif",
        2,
        "cannot be a guide",
    ),
    case(
        "truth named to downscale",
        "downscale good/a/lst.tif out.tif -g linked/reference_lst.tif",
        2,
        "cannot be a guide",
    ),
    case("mask apart to downscale", "downscale masked -s 2", 3, "clear.tif", "does not overlap"),
    case(
        "folder of scenes to downscale into a file", "downscale good out.tif", 2,
        "good holds 2 scene folders", "--out-dir",
    ),
    case("folder of no scene to downscale", "downscale bare -O good", 3, "bare contains no scene"),
    case("no reference", f"{CROSS} good/a", 3, "has no reference_lst.tif", "wald_x8"),
    case("mask apart", f"{WALD} masked", 3, "clear.tif", "does not overlap"),
    case("all to test", f"{PREPARE} good/a --whole a=test", 2, "every scene into test", "--whole"),
    case(
        "all to val and test",
        f"{PREPARE} good/a good/b --whole a=test --whole b=val",
        2,
        "every scene into test and val",
    ),
    case(
        "whole beside a test scene",
        f"{PREPARE} good/a near/c good/b --whole a=train --whole c=test",
        3,
        "--whole a=train gives no patches",
        "too near held-out patches of c",
        "into one split",
    ),
    case(
        "nothing but gaps", f"{PREPARE} empty --whole empty=train", 3, "is missing in more than 0.2"
    ),
    case(
        "a set of gaps", f"{PREPARE} good/a ends --max-nodata 0.1 --whole a=train", 3,
        "no test patches are left", "--max-nodata",
    ),
    case("patches gone", f"{DATA} gone", 3, "does not exist", "prepare the folder again"),
    case("no patch in the split", f"{DATA} bare --split test", 3, "the split has no patches;"),
    case("scenes gone", f"{DATA} lost", 3, "a_lst.tif does not exist", "whole scenes"),
    case("scene of another shape", f"{DATA} misfit", 3, "is not inside its scene"),
    case("a patch of an endless name", f"{DATA} endless", 3, "does not exist"),
    case("a scene of an endless name", f"{PREPARE} {'a' * 5000}", 3, "neither a raster nor"),
    case("an LST of an endless name", f"downscale {'a' * 5000} out.tif", 3, "cannot be read"),
    case("scene outside", f"{DATA} outside", 3, "is outside the folder"),
    case("scenes a word", f"{DATA} worded", 3, "manifest.json cannot be used"),
]  # fmt: skip


def stated(name: str, text: str | bytes) -> None:
    """Write a scene whose scene.json holds a text."""
    write_scene(Path(name), (64, 16))
    path = Path(name) / "scene.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def changed(name: str, change) -> None:
    """Copy the prepared folder and change its manifest."""
    shutil.copytree("prepared", name)
    manifest = json.loads(Path("prepared/manifest.json").read_text())
    change(manifest)
    Path(name, "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that the table names; what is refused leaves it as it is, so once is enough."""
    here = tmp_path_factory.mktemp("folders")
    with pytest.MonkeyPatch.context() as moved:
        moved.chdir(here)
        for name, text in (
            ("torn", "{"), ("listed", "[]"), ("binary", b"\xff\xfe"), ("deep", "[" * 100_000),
            ("zero", '{"aggregate_first_by": 0}'), ("word", '{"aggregate_first_by": "three"}'),
            ("true", '{"aggregate_first_by": true}'), ("half", '{"aggregate_first_by": 1.5}'),
            ("silent", '{"left_out": true}'), ("lone", '{"not_guides": "nir"}'),
            ("cloudy", '{"left_out": "cloud"}'), ("linked", "{}"), ("masked", "{}"),
        ):  # fmt: skip
            stated(name, text)
        shutil.copy("linked/lst.tif", "linked/reference_lst.tif")
        Path("linked/warm.tif").symlink_to(Path("linked/reference_lst.tif").resolve())
        write_tif(Path("masked/clear.tif"), np.ones((8, 8)), east=90_000)
        write_scene(Path("good/a"), (16, 16), east=0)
        write_scene(Path("good/b"), (64, 16), east=90_000)
        write_scene(Path("near/c"), (64, 16), east=0)
        for name, rows in (("empty", slice(0, 64)), ("ends", slice(48, 64))):
            write_scene(Path(name), (64, 16), east=300_000)
            lst = np.random.default_rng(0).normal(300, 3, (64, 16))
            lst[rows, 4:] = np.nan
            write_tif(Path(name, "lst.tif"), lst, east=300_000)
        made = ["prepare", "-q", "good/b", "good/a", "--whole", "a=train", "--out", "prepared"]
        assert groklst(*made, "-s", "2", "--patch", "8") == 0
        changed("gone", lambda manifest: None)
        next(Path("gone/train").glob("*_truth.tif")).unlink()
        changed(
            "bare", lambda m: m.update(patches=[p for p in m["patches"] if p["split"] != "test"])
        )
        changed("lost", lambda manifest: None)
        Path("lost/scenes/a_lst.tif").unlink()
        changed("misfit", lambda manifest: manifest["scenes"][0].update(shape=[2, 2]))
        changed("outside", lambda manifest: manifest["scenes"][0]["files"].update(lst="../x.tif"))
        changed("endless", lambda manifest: manifest["patches"][-1]["files"].update(lst="é" * 300))
        changed("worded", lambda manifest: manifest.update(scenes="all of them"))
    return here


@pytest.mark.parametrize("wrong", ALONE)
def test_it_is_refused_in_one_line(folder, monkeypatch, capsys, wrong: Case):
    monkeypatch.chdir(folder)
    refuse(wrong, capsys)


def test_a_scene_that_fails_among_many_is_code_6_with_a_table(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c"):
        write_scene(Path("scenes", name), (16, 16))
    Path("scenes/b/lst.tif").write_bytes(b"no raster")
    words = [*WALD.split(), "scenes", "--csv", "scores.csv", "--fail-if", "rmse<0"]
    assert groklst(*words) == 6
    out, err = capsys.readouterr()
    assert "bicubic:raw" in out
    head, row, last = err.splitlines()
    assert head.split() == ["scene", "code", "why"]
    assert re.match(r"b +3 +scenes/b/lst\.tif cannot be read", row)
    assert last.startswith("groklst: 1 of 3 images failed (see the table); ")
    assert {line.split(",")[0] for line in Path("scores.csv").read_text().splitlines()[1:]} == {
        "a",
        "c",
    }


def test_scenes_that_all_fail_are_code_6_and_leave_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        write_scene(Path("scenes", name), (16, 16))
        Path("scenes", name, "lst.tif").write_bytes(b"no raster")
    before = state(Path())
    assert groklst(*WALD.split(), "scenes", "--csv", "scores.csv") == 6
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("groklst: 2 of 2 images failed")
    assert state(Path()) == before


def test_what_is_left_out_of_a_training_set_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_scene(Path("cloudy"), (64, 16))
    lst = np.random.default_rng(0).normal(300, 3, (64, 16))
    lst[:8, 4:] = np.nan
    write_tif(Path("cloudy/lst.tif"), lst)
    assert groklst("prepare", "cloudy", "-s", "2", "--patch", "8", "--out", "new") == 0
    assert "left out: 2 where LST or a guide is missing" in capsys.readouterr().err
    assert set(TOWN) < {path.stem for path in Path("cloudy").iterdir()}


def test_sets_that_no_scene_was_given_to_are_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_scene(Path("a"), (16, 16))
    words = ["prepare", "a", "-s", "2", "--patch", "8", "--out", "new", "--whole", "a=train"]
    assert groklst(*words) == 0
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "no val or test patches, because --whole puts every scene into another split"
