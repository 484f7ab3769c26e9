"""Old files beside an output's place: what belonged to the old file goes with it, or is refused."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil

from groklst_cli.geo.companions import companions
from groklst_cli.geo.durable import put_in_place
from tests.conftest import UTM, read
from tests.trust.refusal import FINE, Case, case, groklst, refuse

SHAPE = (80, 88)
RUN = ["downscale", "-q", "lst.tif", "-g", "red.tif", "-s", "4", "-m", "bicubic"]
PAM = """<PAMDataset><SRS>EPSG:4326</SRS><GeoTransform>10,0.001,0,50,0,-0.001</GeoTransform>
<PAMRasterBand band="1"><NoDataValue>300</NoDataValue><UnitType>degC</UnitType><Scale>0.1</Scale>
</PAMRasterBand></PAMDataset>"""
STATISTICS = """<PAMDataset><PAMRasterBand band="1"><Metadata>
<MDI key="STATISTICS_MINIMUM">{}</MDI><MDI key="STATISTICS_MAXIMUM">{}</MDI>
</Metadata></PAMRasterBand></PAMDataset>"""


def raster(path: str, shape: tuple[int, int], dtype: str, value: float, **tags: str) -> None:
    height, width = shape
    size = {"height": height, "width": width, "count": 1, "dtype": dtype}
    with rasterio.open(path, "w", driver="GTiff", crs=UTM, transform=FINE, **size) as made:
        made.write(np.full((1, *shape), value, dtype))
        made.update_tags(**tags)


def metadata(name: str) -> None:
    Path(f"{name}.aux.xml").write_text(PAM)


def mask(name: str) -> None:
    raster(f"{name}.msk", SHAPE, "uint8", 0, INTERNAL_MASK_FLAGS_1="2")


def overviews(name: str) -> None:
    raster(f"{name}.ovr", (40, 44), "float32", 7)


def imagine(name: str) -> None:
    rasterio.shutil.copy("red.tif", "old.img", driver="HFA", DEPENDENT_FILE=name, AUX="YES")
    os.rename("old.img", f"{Path(name).stem}.aux")


KINDS = [metadata, mask, overviews, imagine]


def capitals(name: str) -> None:
    metadata(name)
    os.rename(f"{name}.aux.xml", f"{name}.AUX.XML")


def facts(name: str) -> object:
    with rasterio.open(name) as made:
        place = made.crs, made.transform, repr(made.nodata), made.units, made.scales
        return *place, made.mask_flag_enums, made.overviews(1), made.files, made.tags(1)


@pytest.fixture
def right(scene: Path) -> object:
    """What is read of a result that nothing stands beside."""
    assert groklst(*RUN, "fine.tif") == 0
    found = facts("fine.tif")
    os.remove("fine.tif")
    return found


@pytest.mark.parametrize("leave", [*KINDS, capitals])
@pytest.mark.parametrize("place", [[], ["-o"]], ids=["argument", "option"])
def test_what_belongs_to_the_old_file_goes_with_it(scene, right, leave, place):
    assert groklst(*RUN, "fine.tif") == 0
    leave("fine.tif")
    assert facts("fine.tif") != right
    assert groklst(*RUN, *place, "fine.tif", "--overwrite") == 0
    assert facts("fine.tif") == right
    assert not companions(Path("fine.tif"))


@pytest.mark.parametrize("leave", [*KINDS, capitals])
def test_what_was_left_without_its_file_goes_when_the_output_is_named(scene, right, leave):
    leave("fine.tif")
    assert groklst(*RUN, "-o", "fine.tif", "--overwrite") == 0
    assert facts("fine.tif") == right


def test_the_same_holds_for_the_uncertainty(scene):
    typed = [*RUN, "-o", "fine.tif", "--uncertainty", "sd.tif"]
    assert groklst(*typed) == 0
    before = facts("sd.tif")
    for leave in KINDS:
        leave("sd.tif")
    assert groklst(*typed, "--overwrite") == 0
    assert facts("sd.tif") == before


def test_a_picture_loses_the_place_that_another_was_given(scene):
    typed = [*RUN, "-o", "fine.tif", "--picture", "p.png", "--overwrite"]
    assert groklst(*typed) == 0
    metadata("p.png")
    assert groklst(*typed) == 0
    assert not os.path.exists("p.png.aux.xml")


@pytest.mark.parametrize(
    "name",
    ["fine.tfw", "fine.aux", "fine_MTL.txt", "fine.tif.txt", "fine.tif.msk.txt", "xfine.tif.ovr"],
)
def test_what_belongs_to_others_stays(scene, name):
    Path(name).write_text("of others")
    for _ in range(2):
        assert groklst(*RUN, "-o", "fine.tif", "--overwrite") == 0
    assert Path(name).read_text() == "of others"


def test_every_companion_that_gdal_reads_is_known(scene):
    """GDAL tells itself which files it has read; what carries the raster's name must be known."""
    assert groklst(*RUN, "fine.tif") == 0
    for leave in KINDS:
        leave("fine.tif")
    for name in ("fine.tif.msk.ovr", "fine.tif.ovr.msk", "fine.tif.ovr.ovr"):
        raster(name, (20, 22), "uint8", 255)
    for name in ("fine.tif.msk.aux.xml", "fine.tif.ovr.aux.xml"):
        Path(name).write_text(STATISTICS.format(1, 2))
    with rasterio.open("fine.tif") as made:
        believed = {Path(name) for name in made.files} - {Path("fine.tif")}
    assert len(believed) > 5
    assert believed <= set(companions(Path("fine.tif")))


LEFT = [
    case(f"{kind} left {how}", (*RUN, *words), 4, name, "fine.tif", "-o fine.tif --overwrite")
    for kind, name in (("metadata", "fine.tif.aux.xml"), ("a mask", "fine.tif.msk"))
    for how, words in (
        ("beside a new argument", ["fine.tif"]),
        ("beside a new option", ["-o", "fine.tif"]),
        ("and only an argument with overwrite", ["fine.tif", "--overwrite"]),
        ("and skipping", ["-o", "fine.tif", "--skip-existing"]),
        ("and resuming", ["-o", "fine.tif", "--resume"]),
    )
]


@pytest.mark.parametrize("wrong", LEFT)
def test_what_was_left_without_its_file_is_refused(scene, capsys, wrong: Case):
    (metadata if "aux" in wrong.says[0] else mask)("fine.tif")
    refuse(wrong, capsys)


@pytest.mark.parametrize("leave", KINDS)
@pytest.mark.parametrize("option", ["--skip-existing", "--resume"])
def test_a_finished_run_is_not_believed_beside_old_files(scene, capsys, leave, option):
    assert groklst(*RUN, "-o", "fine.tif") == 0
    leave("fine.tif")
    capsys.readouterr()
    typed = (*RUN, "-o", "fine.tif", option)
    refuse(Case("", typed, 4, ("fine.tif exists, but", "next to it", "--overwrite")), capsys)
    assert groklst(*RUN, "-o", "fine.tif", "--overwrite") == 0
    assert not companions(Path("fine.tif"))


@pytest.mark.parametrize(("low", "high", "code"), [(200, 210, 4), (290, 310, 4), (None, None, 0)])
def test_statistics_are_believed_where_they_are_of_these_pixels(scene, low, high, code):
    assert groklst(*RUN, "fine.tif") == 0
    pixels = read("fine.tif")
    ends = (pixels.min(), pixels.max()) if low is None else (low, high)
    Path("fine.tif.aux.xml").write_text(STATISTICS.format(*ends))
    assert groklst(*RUN, "fine.tif", "--skip-existing") == code


@pytest.mark.parametrize(
    ("leave", "what"), [(metadata, "CRS and transform and nodata value"), (mask, "mask")]
)
@pytest.mark.parametrize("command", ["evaluate -q --pred fine.tif --ref lst.tif", "downscale -q"])
def test_a_result_is_not_read_with_what_another_left(scene, capsys, command, leave, what):
    assert groklst(*RUN, "fine.tif") == 0
    leave("fine.tif")
    capsys.readouterr()
    typed = command if "--pred" in command else f"{command} fine.tif -o finer.tif"
    refuse(Case("", typed, 3, ("fine.tif was written by groklst without", what, "move")), capsys)


PLACED = """
import os, sys
from pathlib import Path
from groklst_cli.geo import durable
from groklst_cli.geo.companions import companions

left = int(sys.argv[1])

def counted(function):
    def call(*arguments):
        global left
        if not left:
            os._exit(9)
        left -= 1
        return function(*arguments)
    return call

os.replace, os.fsync, os.unlink = map(counted, (os.replace, os.fsync, os.unlink))
target = Path("fine.tif")
durable.put_in_place(Path("work/made"), target, leaving=companions(target))
"""


def test_a_kill_at_any_moment_leaves_no_old_companion_beside_a_new_file(tmp_path, monkeypatch):
    before = set()
    for calls in range(20):
        (tmp_path / str(calls)).mkdir()
        monkeypatch.chdir(tmp_path / str(calls))
        _, target = old_and_new(Path())
        before |= {path.name for path in companions(target)}
        ended = subprocess.run([sys.executable, "-c", PLACED, str(calls)], check=False, cwd=".")
        assert target.read_text() in ("old", "new")
        assert target.read_text() == "old" or not companions(target)
        if ended.returncode == 0:
            break
    assert (ended.returncode, target.read_text(), calls > 4) == (0, "new", True)
    assert len(before) == 2


def test_a_name_that_cannot_be_given_leaves_the_old_file_with_what_belongs_to_it(
    tmp_path, monkeypatch
):
    made, target = old_and_new(tmp_path)
    before = {path.name: path.read_bytes() for path in [target, *companions(target)]}
    replace = os.replace

    def refused(old: Path, new: Path) -> None:
        if new == target:
            raise OSError("refused")
        replace(old, new)

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(OSError, match="refused"):
        put_in_place(made, target, leaving=companions(target))
    assert {path.name: path.read_bytes() for path in [target, *companions(target)]} == before


def old_and_new(folder: Path) -> tuple[Path, Path]:
    target, work = folder / "fine.tif", folder / "work"
    target.write_text("old")
    metadata(str(target))
    overviews(str(target))
    work.mkdir()
    (work / "made").write_text("new")
    return work / "made", target
