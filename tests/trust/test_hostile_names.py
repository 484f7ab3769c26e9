"""Names that are no text, in every place where a command takes one, and folders that two make."""

import json
import sys
from pathlib import Path

import pytest

from groklst_cli.data.patches import Manifest
from groklst_cli.data.truth import SceneFiles
from groklst_cli.errors import InputError, OutputExistsError
from groklst_cli.geo.names import is_text
from groklst_cli.geo.workplace import Workplace
from groklst_cli.pipeline.prepare.patches import Preparation, prepare
from tests.data.folders import write_scene
from tests.trust.refusal import Case, case, groklst, refuse

BYTES = "a\udcff"


@pytest.fixture
def files(scene: Path) -> Path:
    """A scene whose files have a second name, which is no text."""
    if sys.platform != "linux":
        pytest.skip("file systems elsewhere hold no names that are no text")
    for name in ("lst.tif", "nir.tif", "net.safetensors"):
        Path(f"{BYTES}_{name}").write_bytes(Path(name).read_bytes())
    return scene


NAMES = [
    case("LST", f"downscale {BYTES}_lst.tif o.tif -s 4", 3, "not valid UTF-8", "rename"),
    case(
        "guide", f"downscale lst.tif o.tif -s 4 -g {BYTES}_nir.tif", 3, "not valid UTF-8", "rename"
    ),
    case("output", f"downscale lst.tif {BYTES}.tif -s 4", 2, "not valid UTF-8", "name another"),
    case("output option", f"downscale lst.tif -o {BYTES}.tif -s 4", 2, "not valid UTF-8"),
    case(
        "uncertainty",
        f"downscale lst.tif o.tif -s 4 --uncertainty {BYTES}.tif",
        2,
        "not valid UTF-8",
    ),
    case("info", f"info {BYTES}_lst.tif", 3, "not valid UTF-8", "rename"),
    case("prediction", f"evaluate --pred {BYTES}_lst.tif --ref lst.tif", 3, "not valid UTF-8"),
    case("reference", f"evaluate --pred lst.tif --ref {BYTES}_lst.tif", 3, "not valid UTF-8"),
    case(
        "checkpoint",
        f"downscale lst.tif o.tif -s 4 -g nir.tif -m {BYTES}_net.safetensors",
        3,
        "not valid UTF-8",
        "rename",
    ),
    case("model", f"downscale lst.tif o.tif -s 4 -m {BYTES}.safetensors", 2, "nor a checkpoint"),
]


@pytest.mark.parametrize("case", NAMES)
def test_a_name_that_is_no_text_is_one_line(files, capfd, case: Case):
    refuse(case, capfd)


def test_tables_and_pages_may_be_called_so(files, capfd):
    words = ["evaluate", "--pred", "lst.tif", "--ref", "lst.tif", "-q"]
    assert groklst(*words, "--csv", f"{BYTES}.csv", "--report", f"{BYTES}_page") == 0
    assert Path(f"{BYTES}.csv").is_file()
    assert not [c for c in capfd.readouterr().out if not c.isprintable() and c != "\n"]


@pytest.mark.parametrize("name", ["a", "été", "日本", " "])
def test_text_is_text(name):
    assert is_text(name)


def scenes(folder: Path) -> Preparation:
    town = SceneFiles.find(write_scene(folder / "town", (64, 20)))
    return Preparation([town], folder / "set", scale=2, patch=8)


def test_a_second_preparation_of_one_folder_is_one_line(tmp_path):
    request = scenes(tmp_path)
    other = Workplace(request.out)
    other.enter()
    (other.folder / "made").mkdir()
    with pytest.raises(OutputExistsError, match=r"another process is writing .*set; wait for it"):
        prepare(request)
    assert (other.folder / "made").is_dir()
    other.leave(keep=True)
    prepare(request)  # what a process that is gone has left is in nobody's way
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "town"]
    with pytest.raises(OutputExistsError, match="add --overwrite"):
        prepare(request)


@pytest.mark.parametrize("name", ["a\udcff.tif", "b\ud800.tif", "c\0.tif"])
def test_a_manifest_that_names_no_text_is_refused(tmp_path, name):
    request = scenes(tmp_path)
    prepare(request)
    path = request.out / "manifest.json"
    told = json.loads(path.read_text())
    told["patches"][0]["files"]["lst"] = name
    path.write_text(json.dumps(told))
    with pytest.raises(InputError, match="not valid text"):
        Manifest.read(request.out)
