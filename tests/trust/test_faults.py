"""Laws of faults: a right result or one clear line, never a wrong file under the final name."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from _pytest.mark import ParameterSet
from affine import Affine

from tests.conftest import UTM, read

if sys.platform == "win32":
    pytest.skip("these faults are struck with POSIX means", allow_module_level=True)

from tests.trust.children import Ended, Fault

NORTH = Affine(240, 0, 500000, 0, -240, 4400000)
RENAME = "groklst_cli.geo.targets:put_in_place"
COG = "rasterio.shutil:copy"
SAVE = "groklst_cli.pipeline.downscale.job:Parts.save"


@pytest.fixture(scope="module")
def expected(children, tmp_path_factory) -> list[np.ndarray]:
    """What a run that nothing strikes makes."""
    folder = tmp_path_factory.mktemp("expected")
    assert children.run(*make_scene(folder)).code == 0
    return pixels(folder)


@pytest.fixture
def scene(tmp_path) -> list[str]:
    return make_scene(tmp_path)


def make_scene(folder: Path) -> list[str]:
    """Return a command line for seven rows of tiles, with guidance and uncertainty."""
    rng = np.random.default_rng(0)
    lst = rng.normal(300, 5, (50, 12)).astype(np.float32)
    lst[30:33, 4:6] = np.nan
    write(folder / "lst.tif", lst, NORTH)
    guide = rng.normal(0.3, 0.1, (200, 48)).astype(np.float32)
    write(folder / "nir.tif", guide, NORTH * Affine.scale(1 / 4))
    (folder / "out").mkdir()
    options = ["-s", 4, "-m", "ridge", "--tile", 32, "-j", 1, "-q"]
    files = [folder / "lst.tif", out(folder), "-g", folder / "nir.tif"]
    files += ["--uncertainty", folder / "out" / "sd.tif"]
    return [str(word) for word in ("downscale", *files, *options)]


def write(path: Path, values: np.ndarray, transform: Affine) -> None:
    height, width = values.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=1,
        height=height,
        width=width,
        dtype="float32",
        crs=UTM,
        transform=transform,
    ) as raster:
        raster.write(values, 1)


def out(tmp_path: Path) -> Path:
    return tmp_path / "out" / "fine.tif"


def pixels(tmp_path: Path) -> list[np.ndarray]:
    return [read(tmp_path / "out" / name) for name in ("fine.tif", "sd.tif")]


def assert_one_line(ended: Ended, code: int, *words: str) -> None:
    assert ended.code == code, ended.err
    assert ended.err.startswith("groklst: ")
    assert ended.err.count("\n") == 1, ended.err
    for word in words:
        assert word in ended.err


@pytest.fixture
def assert_right(children, tmp_path, scene, expected) -> Callable[[str], None]:
    """Finish a run and compare it with one that nothing struck."""

    def check(option: str) -> None:
        ended = children.run(*scene, option)
        assert ended.code == 0, ended.err
        assert sorted(os.listdir(tmp_path / "out")) == ["fine.tif", "sd.tif"]
        for found, right in zip(pixels(tmp_path), expected, strict=True):
            np.testing.assert_array_equal(found, right)

    return check


KILLS = [
    *[(name, 1) for name in ("groklst_cli.pipeline.downscale.job:put_in_place", SAVE, COG, RENAME)],
    ("shutil:rmtree", 3),
]
MORE_KILLS = [
    (SAVE, 7),
    *[("groklst_cli.geo.writer:ResultFile.__enter__", call) for call in (1, 2)],
    ("groklst_cli.geo.writer:ResultFile.write", 1),
    *[(name, 2) for name in (COG, RENAME)],
]


def rarely(*values: object) -> list[ParameterSet]:
    """Try these too, where there is time."""
    return [
        pytest.param(*(v if isinstance(v, tuple) else (v,)), marks=pytest.mark.slow) for v in values
    ]


class TestKill:
    @pytest.mark.parametrize("when", ["before", *rarely("after")])
    @pytest.mark.parametrize(("function", "call"), [*KILLS, *rarely(*MORE_KILLS)])
    def test_a_killed_run_goes_on_to_the_same_pixels(
        self, children, scene, tmp_path, assert_right, function, call, when
    ):
        ended = children.run(*scene, fault=Fault(function, when, call))
        assert ended.code == 137
        if out(tmp_path).exists():
            assert np.isfinite(read(out(tmp_path))).any()
        assert_right("--resume")

    def test_it_is_begun_again_only_on_request(self, children, scene, tmp_path, assert_right):
        assert children.run(*scene, fault=Fault(SAVE, "after", 3)).code == 137
        again = children.run(*scene)
        assert_one_line(again, 4, "3 rows of tiles", "--resume", "--overwrite")
        assert_right("--overwrite")

    @pytest.mark.parametrize(
        ("function", "when"), [(COG, "before"), (COG, "after"), (SAVE, "after")]
    )
    def test_sigterm_ends_in_143(self, children, scene, tmp_path, assert_right, function, when):
        ended = children.run(*scene, fault=Fault(function, when, action="terminate"))
        assert_one_line(ended, 143, "terminated")
        assert not out(tmp_path).exists()
        assert_right("--resume")


class TestChangedInput:
    @pytest.mark.parametrize("name", ["lst.tif", *rarely("nir.tif")])
    @pytest.mark.parametrize(
        "action", ["rewrite", "remove", *rarely("append", "truncate", "replace")]
    )
    def test_a_change_is_noticed_and_nothing_kept(self, children, scene, tmp_path, action, name):
        fault = Fault(SAVE, "after", 2, action, str(tmp_path / name))
        assert_one_line(
            children.run(*scene, fault=fault), 1, name, "while it was being read", "again"
        )
        assert os.listdir(tmp_path / "out") == []

    @pytest.mark.parametrize(
        "function",
        [
            "groklst_cli.geo.writer:ResultFile.write",
            *rarely(
                "groklst_cli.pipeline.downscale.one_scene:open_scene",
                "groklst_cli.pipeline.predict.ready:fit_or_load",
            ),
        ],
    )
    def test_it_is_noticed_whenever_it_comes(self, children, scene, tmp_path, function):
        fault = Fault(function, "before", 1, "append", str(tmp_path / "lst.tif"))
        assert_one_line(children.run(*scene, fault=fault), 1, "lst.tif changed")
        assert os.listdir(tmp_path / "out") == []

    def test_so_is_a_source_of_a_vrt(self, children, scene, tmp_path):
        lst = tmp_path / "lst.tif"
        vrt = tmp_path / "lst.vrt"
        vrt.write_text(VRT.format(source=lst), "utf-8")
        words = [str(vrt) if word == str(lst) else word for word in scene]
        fault = Fault(SAVE, "after", 2, "append", str(lst))
        assert_one_line(children.run(*words, fault=fault), 1, "lst.tif changed")
        assert children.run(*words, fault=Fault(SAVE, "after", 2)).code == 137
        os.utime(lst, (0, 0))
        ended = children.run(*words, "--resume")
        assert_one_line(ended, 2, "file 1 beside the inputs was lst.tif of")


VRT = """<VRTDataset rasterXSize="12" rasterYSize="50"><SRS>EPSG:32647</SRS>
<GeoTransform>500000, 240, 0, 4400000, 0, -240</GeoTransform>
<VRTRasterBand dataType="Float32" band="1"><SimpleSource>
<SourceFilename relativeToVRT="0">{source}</SourceFilename><SourceBand>1</SourceBand>
</SimpleSource></VRTRasterBand></VRTDataset>"""


class TestFullDisk:
    """A limit on the size of files stands for a disk that fills; libtiff may say so too."""

    @pytest.mark.parametrize("room", [20000, 100000, *rarely(0, 2000, 60000)])
    def test_a_disk_that_fills_leaves_nothing_wrong(
        self, children, scene, tmp_path, assert_right, room
    ):
        scene += ["--co", "COMPRESS=NONE", "--co", "BLOCKSIZE=128"]
        ended = children.run(*scene, FSIZE=room)
        assert ended.code == 1, ended.err
        assert ended.err.splitlines()[-1].startswith("groklst: ")
        assert "Traceback" not in ended.err
        assert not out(tmp_path).exists()
        assert_right("--resume")

    def test_a_picture_that_does_not_fit_is_not_begun(self, children, scene, tmp_path):
        picture = tmp_path / "out" / "p.png"
        ended = children.run(
            *scene, "--picture", picture, fault=Fault("matplotlib.figure:Figure.savefig", "after")
        )
        assert ended.code == 137
        assert not picture.exists()
        assert children.run(*scene, "--picture", picture, "--resume").code == 0
        assert sorted(os.listdir(tmp_path / "out")) == ["fine.tif", "p.png", "sd.tif"]


class TestJobFolder:
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "out" / ".fine.tif.unfinished"

    @pytest.mark.parametrize("more", [["--overwrite"], *rarely([], ["--resume"])])
    @pytest.mark.parametrize("dangling", [False, *rarely(True)])
    def test_nothing_is_deleted_through_a_link(self, children, scene, tmp_path, more, dangling):
        (tmp_path / "precious").mkdir()
        (tmp_path / "precious" / "thesis.npy").write_text("years")
        target = tmp_path / ("absent" if dangling else "precious")
        self.folder(tmp_path).symlink_to(target)
        assert_one_line(children.run(*scene, *more), 2, "is a link", "remove it")
        assert (tmp_path / "precious" / "thesis.npy").read_text() == "years"

    @pytest.mark.parametrize(
        "name", ["lock", "inner", *rarely("job.json", "job.json.new", "lst.npy.new")]
    )
    def test_nor_through_one_inside(self, children, scene, tmp_path, name):
        precious = tmp_path / "precious"
        precious.mkdir()
        (precious / "thesis").write_text("years")
        self.folder(tmp_path).mkdir()
        to = precious if name == "inner" else precious / "thesis"
        (self.folder(tmp_path) / name).symlink_to(to)
        ended = children.run(*scene)
        assert ended.code == (2 if name == "lock" else 0), ended.err
        assert (precious / "thesis").read_text() == "years"

    def test_a_file_of_its_name_is_named(self, children, scene, tmp_path):
        self.folder(tmp_path).write_text("")
        assert_one_line(children.run(*scene), 2, ".fine.tif.unfinished is a file", "remove it")

    @pytest.mark.parametrize(
        "facts", ["{", '{"the LST": 3}', *rarely("", "[]", "1", "[" * 99999, "\0")]
    )
    def test_what_another_version_left_is_not_trusted(
        self, children, scene, tmp_path, assert_right, facts
    ):
        assert children.run(*scene, fault=Fault(SAVE, "after", 3)).code == 137
        (self.folder(tmp_path) / "job.json").write_text(facts)
        ended = children.run(*scene, "--resume")
        if ended.code:
            assert_one_line(ended, 2, "--resume cannot continue", "the version was none")
        assert_right("--overwrite")

    def test_an_old_uncertainty_is_not_taken_for_ours(self, children, scene, tmp_path):
        assert children.run(*scene).code == 0
        old = (tmp_path / "out" / "sd.tif").read_bytes()
        assert children.run(*scene, "--sensor-psf", 0.5, "--overwrite").code == 0
        (tmp_path / "out" / "sd.tif").write_bytes(old)
        ended = children.run(*scene, "--sensor-psf", 0.5, "--resume")
        assert_one_line(ended, 4, "sd.tif exists", "--overwrite")
        assert (tmp_path / "out" / "sd.tif").read_bytes() == old


@pytest.mark.parametrize("words", [["models"], ["downscale"]], ids=str)
def test_a_reader_that_goes_away_is_no_traceback(scene, tmp_path, words):
    argv = scene if words == ["downscale"] else words
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "groklst_cli", *argv]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert ended.returncode in (0, 1)
    assert ended.stderr == ""
    assert words == ["models"] or sorted(os.listdir(tmp_path / "out")) == ["fine.tif", "sd.tif"]
