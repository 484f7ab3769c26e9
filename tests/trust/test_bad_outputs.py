"""Where ``downscale`` must not write, and where it must: under any name that a file can have."""

import os
from pathlib import Path

import pytest

from tests.conftest import read
from tests.trust.refusal import Case, case, groklst, refuse, state

LST = "downscale -q lst.tif"
GUIDED = f"{LST} -g red.tif -s 4"
OVER = "--overwrite"

INPUTS = [
    case("the lst", f"{LST} -o lst.tif {OVER}", 2, "lst.tif is an input"),
    case("the lst without overwrite", f"{LST} -o lst.tif", 2, "lst.tif is an input"),
    case("the lst from here", f"{LST} -o ./lst.tif {OVER}", 2, "an input"),
    case("the lst roundabout", f"{LST} -o folder/../lst.tif {OVER}", 2, "an input"),
    case("the lst through a symlink", f"{LST} -o soft.tif {OVER}", 2, "soft.tif is an input"),
    case("the lst through a hard link", f"{LST} -o hard.tif {OVER}", 2, "hard.tif is an input"),
    case(
        "a symlink read, its target written", f"downscale -q soft.tif -o lst.tif {OVER}", 2, "input"
    ),
    case("the lst resumed", f"{LST} -o lst.tif --resume", 2, "an input"),
    case("a guide", f"{GUIDED} -o red.tif {OVER}", 2, "red.tif is an input"),
    case("a named guide", f"{LST} -g r=red.tif,band=1 -o red.tif {OVER}", 2, "red.tif is an input"),
    case(
        "the checkpoint",
        f"{LST} -g nir.tif -s 4 -m net.safetensors -o net.safetensors {OVER}",
        2,
        "input",
    ),
    case("uncertainty over the lst", f"{GUIDED} --uncertainty lst.tif {OVER}", 2, "an input"),
    case("picture over a guide", f"{GUIDED} --picture red.tif {OVER}", 2, "an input"),
    case(
        "a part of a mosaic",
        f"downscale -q whole.vrt -o part.tif {OVER}",
        2,
        "part.tif is an input",
    ),
]
EACH_OTHER = [
    case("uncertainty", f"{GUIDED} -o a.tif --uncertainty a.tif", 2, "a.tif", "two outputs"),
    case("uncertainty from here", f"{GUIDED} -o a.tif --uncertainty ./a.tif", 2, "two outputs"),
    case(
        "uncertainty through a link",
        f"{GUIDED} -o loop.tif --uncertainty nowhere.tif {OVER}",
        2,
        "two",
    ),
    case("picture", f"{GUIDED} -o a.tif --picture a.tif", 2, "two outputs"),
    case("two named", f"{LST} a.tif -o b.tif", 2, "two outputs", "a.tif", "b.tif"),
]
NO_FILES = [
    case("a folder", f"{LST} -o folder {OVER}", 2, "folder is a folder"),
    case("this folder", f"{LST} -o . {OVER}", 2, ". is a folder"),
    case("in no folder", f"{LST} -o absent/a.tif", 2, "no folder absent"),
    case("in a file", f"{LST} -o notes.txt/a.tif", 2, "no folder notes.txt"),
    case("empty", (*LST.split(), "-o", ""), 2, "folder"),
    case("a name too long", f"{LST} -o {'a' * 252}.tif", 2, "too long"),
    case("in a folder of a name too long", f"{LST} -o {'a' * 300}/a.tif", 2, "too long"),
    case("a url", f"{LST} -o https://example.org/a.tif", 2, "not a local file"),
    case("a bucket", f"{LST} -o s3://bucket/a.tif", 2, "not a local file"),
    case("in gdal's memory", f"{LST} -o /vsimem/a.tif", 2, "not a local file"),
    case("in a zip of gdal's", f"{LST} -o /vsizip/a.zip/a.tif", 2, "not a local file"),
    case("a png", f"{LST} -o a.png", 2, "GeoTIFF", "a.tif"),
    case("a netcdf", f"{LST} -o a.nc", 2, "GeoTIFF", "a.tif"),
    case("an uncertainty as csv", f"{GUIDED} --uncertainty a.csv", 2, "GeoTIFF", "a.tif"),
    case("a picture as tif", f"{GUIDED} --picture a.tiff", 2, ".png"),
    case("an option for a name", f"{LST} -x.tif", 2, "-x"),
]
TAKEN = [
    case("a file", f"{LST} -o notes.tif", 4, "notes.tif exists", "--overwrite"),
    case("a symlink to a file", f"{LST} -o alias.tif", 4, "alias.tif exists"),
    case("a symlink to nowhere", f"{LST} -o dangling.tif", 4, "dangling.tif exists"),
    case("a symlink to itself", f"{LST} -o loop2.tif", 4, "loop2.tif exists"),
    case("the uncertainty only", f"{GUIDED} --uncertainty notes.tif", 4, "notes.tif exists"),
    case("the picture only", f"{GUIDED} --picture old.png", 4, "old.png exists"),
]
ON_POSIX = [
    case("a pipe", f"{LST} -o pipe.tif {OVER}", 2, "pipe.tif is a pipe"),
    case("a device", f"{LST} -o /dev/null {OVER}", 2, "/dev/null is a pipe, socket or device"),
]
VRT = """<VRTDataset rasterXSize="22" rasterYSize="20"><SRS>EPSG:32647</SRS>
<GeoTransform>500000, 240, 0, 4390000, 0, -240</GeoTransform>
<VRTRasterBand dataType="Float32" band="1"><SimpleSource>
<SourceFilename relativeToVRT="1">part.tif</SourceFilename><SourceBand>1</SourceBand>
</SimpleSource></VRTRasterBand></VRTDataset>"""


@pytest.fixture
def crowded(scene: Path) -> Path:
    """A folder with files, folders and links in the way."""
    (scene / "notes.txt").write_text("keep me")
    (scene / "notes.tif").write_text("keep me")
    (scene / "old.png").write_text("keep me")
    (scene / "folder").mkdir()
    (scene / "whole.vrt").write_text(VRT)
    (scene / "part.tif").write_bytes((scene / "lst.tif").read_bytes())
    os.link("lst.tif", "hard.tif")
    for link, target in (
        *(("soft.tif", "lst.tif"), ("alias.tif", "notes.tif"), ("dangling.tif", "nothing.tif")),
        *(("loop.tif", "nowhere.tif"), ("loop2.tif", "loop2.tif")),
    ):
        os.symlink(target, link)
    return scene


@pytest.mark.parametrize("wrong", [*INPUTS, *EACH_OTHER, *NO_FILES, *TAKEN])
def test_it_is_refused_before_anything_is_written(crowded, capsys, wrong: Case):
    refuse(wrong, capsys)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize("wrong", ON_POSIX)
def test_what_is_no_file_is_refused(scene, capsys, wrong: Case):
    os.mkfifo("pipe.tif")
    refuse(wrong, capsys)


@pytest.mark.skipif(
    os.name == "nt" or getattr(os, "geteuid", lambda: 0)() == 0,
    reason="this user may write everywhere",
)
def test_a_folder_that_may_not_be_written_is_left_alone(scene, capsys):
    (scene / "shut").mkdir(mode=0o500)
    refuse(Case("shut", f"{LST} -o shut/a.tif", 1, ("cannot write in shut",)), capsys)


NAMES = [
    *("a" * 251 + ".tif", "two words.tif", "Größe 温度 🌡.tif", 'it\'s "so".tif', "a\nb.tif"),
    *("-x.tif", "100%.tif", "%s%n.tif", "$(touch x).tif", "a;b&c|d.tif", "no_suffix", "v1.2"),
    *("UPPER.TIF", "🌡" * 62 + ".tif", ".hidden.tif", "a=b.tif", "a,band=1.tif", "[x].tif", "*.tif"),
]


@pytest.mark.skipif(os.name == "nt", reason="Windows forbids some of these characters")
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name_that_a_file_can_have_is_written(scene, capsys, name):
    before = [path for path, _ in state(Path())]
    assert groklst("downscale", "-q", "--", "lst.tif", name) == 0
    assert capsys.readouterr().err == ""
    assert sorted(set(os.listdir()) - set(before)) == [name]
    assert read(os.path.join(".", name)).shape == (160, 176)


@pytest.mark.parametrize("name", ["two words.tif", "-x.tif", "温度.tif", "a=b.tif"])
def test_any_name_that_a_file_can_have_is_read(scene, name):
    os.rename("lst.tif", name)
    assert groklst("downscale", "-q", "-o", "out.tif", "--", name) == 0
    assert read("out.tif").shape == (160, 176)


def test_a_symlink_that_may_be_replaced_gives_way_and_its_target_stays(crowded):
    assert groklst(*LST.split(), "-o", "alias.tif", "--overwrite") == 0
    assert not os.path.islink("alias.tif")
    assert Path("notes.tif").read_text() == "keep me"
    assert read("alias.tif").shape == (160, 176)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limit")
@pytest.mark.parametrize("room", [64, 20_000, 200_000])
def test_a_full_disk_ends_in_one_line_and_nothing_under_the_name(scene, children, room):
    """A limit on a file's size stands in for a disk that is full after so many bytes."""
    before = state(Path())
    typed = [*LST.split(), "-o", "out.tif", "--co", "COMPRESS=NONE"]
    whole = [str(scene / word) if word.endswith(".tif") else word for word in typed]
    done = children.run(*whole, FSIZE=room)
    assert (done.code, done.out) == (1, ""), done.err
    assert done.err.startswith("groklst: ")
    assert done.err.count("\n") == 1, done.err
    left = [entry for entry in state(Path()) if entry not in before]
    assert not os.path.exists("out.tif")
    if left:  # what is left can be gone on with, or begun again
        assert groklst(*typed, "--resume") == 0
        assert read("out.tif").shape == (160, 176)
