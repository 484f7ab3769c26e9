"""Files made to harm: every one is refused in one line, and nothing in it runs or is fetched."""

import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from affine import Affine
from safetensors.torch import save_file

from groklst_cli.app import app, run
from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.environment import gdal_environment, is_online, is_remote
from groklst_cli.geo.opening import BandSource, open_raster
from groklst_cli.geo.raster import LstSource
from groklst_models.checkpoint import load
from groklst_models.errors import CheckpointError
from groklst_models.toolkit import read_tensors

COARSE = Affine(240, 0, 500000, 0, -240, 4390000)
PLACE = "<SRS>EPSG:32647</SRS><GeoTransform>500000,240,0,4390000,0,-240</GeoTransform>"


def vrt(band: str) -> str:
    return f'<VRTDataset rasterXSize="8" rasterYSize="8">{PLACE}{band}</VRTDataset>'


def source(name: str) -> str:
    return vrt(
        '<VRTRasterBand dataType="Float32" band="1"><SimpleSource><SourceFilename '
        f'relativeToVRT="0">{name}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>'
        "</VRTRasterBand>"
    )


def bomb(root: str) -> str:
    steps = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))
    return f'<!DOCTYPE l [<!ENTITY a0 "aaaaaaaaaa">{steps}]>{root}'


RAW = vrt(
    '<VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand"><SourceFilename '
    'relativeToVRT="1">secret.txt</SourceFilename></VRTRasterBand>'
)
PYTHON = vrt(
    '<VRTRasterBand dataType="Float32" band="1" subClass="VRTDerivedRasterBand">'
    "<PixelFunctionType>f</PixelFunctionType><PixelFunctionLanguage>Python</PixelFunctionLanguage>"
    "<PixelFunctionCode><![CDATA[\nopen('ran', 'w')\ndef f(i, out, *a, **k):\n    out[:] = 300\n]]>"
    "</PixelFunctionCode></VRTRasterBand>"
)
WMS = (
    '<GDAL_WMS><Service name="WMS"><ServerUrl>http://127.0.0.1:9/?</ServerUrl></Service>'
    "<DataWindow><SizeX>8</SizeX><SizeY>8</SizeY></DataWindow></GDAL_WMS>"
)
HOSTILE = {
    "raw.vrt": RAW,
    "python.vrt": PYTHON,
    "wms.xml": WMS,
    "http.vrt": source("http://127.0.0.1:9/a.tif"),
    "curl.vrt": source("/vsicurl/http://127.0.0.1:9/a.tif"),
    "dap.vrt": source("NETCDF:&quot;http://127.0.0.1:9/a.nc&quot;:v"),
    "s3.vrt": source("/vsizip/vsis3/bucket/a.zip/a.tif"),
    "wms.vrt": source(WMS.replace("<", "&lt;").replace(">", "&gt;")),
    "nested.vrt": source("raw.vrt"),
    "itself.vrt": source("itself.vrt"),
    "bomb.vrt": bomb(vrt("<Metadata><MDI key='a'>&a11;</MDI></Metadata>")),
    "wrong.mbtiles": "SQLite format 3\0" + "x" * 100,
    "page.pdf": "%PDF-1.7\n" + "x" * 100,
    "points.geojson": '{"type": "FeatureCollection", "features": []}',
}


@pytest.fixture
def folder(tmp_path, monkeypatch, write_raster):
    """A folder with an LST and every hostile raster, as the current one."""
    values = np.linspace(290, 310, 64, dtype=np.float32).reshape(8, 8)
    write_raster("lst.tif", values, COARSE)
    for name, text in HOSTILE.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "secret.txt").write_text("s" * 64)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(*arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "groklst_cli", *arguments],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def test_only_drivers_that_serve_are_there_in_the_commands_process():
    code = (
        "from groklst_cli.geo.drivers import DRIVERS, leave_out_drivers; leave_out_drivers()\n"
        "import rasterio\n"
        "with rasterio.Env() as env: print(*sorted(set(env.drivers()) - {'Memory', *DRIVERS}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
    assert done.stderr == ""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_raster_is_refused_where_it_is_opened_or_read(folder, name):
    with gdal_environment(), pytest.raises(InputError):
        LstSource(BandSource(name))
    assert not Path("ran").exists()


@pytest.mark.parametrize("name", ["raw.vrt", "python.vrt", "dap.vrt", "wms.vrt", "wms.xml"])
def test_the_command_refuses_it_in_one_line(folder, name, capfd):
    before = sorted(os.listdir())
    assert run(lambda: app(["downscale", name, "out.tif", "-q"])) == 3
    said = capfd.readouterr().err
    assert said.startswith("groklst: ")
    assert said.count("\n") == 1
    assert sorted(os.listdir()) == before


def test_side_files_that_name_other_things_leave_the_result_alone(folder):
    for side in ("lst.tif.ovr", "lst.tif.msk"):
        Path(side).write_text(HOSTILE["http.vrt"])
    Path("lst.tif.aux.xml").write_text(bomb("<PAMDataset/>"))
    assert command("downscale", "lst.tif", "out.tif", "-q", "-s", "2").returncode == 0


def test_a_plain_vrt_of_local_files_serves(folder):
    Path("good.vrt").write_text(source("lst.tif").replace('relativeToVRT="0"', 'relativeToVRT="1"'))
    with gdal_environment(), open_raster("good.vrt") as dataset:
        assert dataset.read(1)[0, 0] == 290


@pytest.mark.parametrize(
    "path",
    [
        "http://h/a.tif",
        "/vsicurl/http://h/a.tif",
        "/vsicurl?url=http%3A%2F%2Fh/a.tif",
        "/vsis3/b/a.tif",
        "/vsigs_streaming/b/a.tif",
        "/vsizip/vsicurl/http://h/a.zip/a.tif",
        "/vsizip/{/vsiaz/c/a.zip}/a.tif",
        "zip+https://h/a.zip!a.tif",
        "s3://b/a.tif",
        'NETCDF:"http://h/a.nc":v',
        "/VSICURL/HTTP://h/a.tif",
    ],
)
def test_a_network_path_is_a_usage_error_unless_online(path):
    assert is_remote(path)
    with gdal_environment(), pytest.raises(UsageError, match="add --online"):
        open_raster(path)


@pytest.mark.parametrize("path", ["a.tif", "/d/vsi/a.tif", "zip://a.zip!a.tif", "/vsizip/a.zip/b"])
def test_a_local_path_is_no_network_path(path):
    assert not is_remote(path)


def test_being_online_is_inherited_and_ends_with_its_environment():
    with gdal_environment(online=True), gdal_environment():
        assert is_online()
    assert not is_online()
    with gdal_environment():
        assert not is_online()


class Runs:
    """A pickle that executes when it is opened without care."""

    def __init__(self, call: object, *arguments: object) -> None:
        self.made = (call, arguments)

    def __reduce__(self) -> object:
        return self.made


@pytest.mark.parametrize("call", [os.system, eval, exec, __import__])
@pytest.mark.parametrize("archive", [True, False])
def test_code_in_a_pickle_never_runs(tmp_path, monkeypatch, call, archive):
    monkeypatch.chdir(tmp_path)
    text = {os.system: "touch ran", __import__: "this"}.get(call, "open('ran', 'w')")
    torch.save(
        {"state_dict": {"w": Runs(call, text)}}, "bad.pth", _use_new_zipfile_serialization=archive
    )
    with pytest.raises(CheckpointError):
        read_tensors(Path("bad.pth"))
    assert os.listdir() == ["bad.pth"]


def test_archives_that_claim_more_than_they_hold_are_refused(tmp_path):
    path = tmp_path / "bad.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", pickle.dumps({}))
        archive.writestr("a/data/0", bytes(2**26))
    with pytest.raises(CheckpointError, match="compressed"):
        read_tensors(path)


def test_a_tensor_that_claims_more_than_its_file_is_refused(tmp_path):
    good, bad = tmp_path / "good.pth", tmp_path / "bad.pth"
    torch.save({"w": torch.zeros(258)}, good)
    with zipfile.ZipFile(good) as archive, zipfile.ZipFile(bad, "w") as made:
        for member in archive.infolist():
            held = archive.read(member)
            if member.filename.endswith("data.pkl"):
                assert held.count(b"M\x02\x01") == 2
                held = held.replace(b"M\x02\x01", b"J\x00\x00\x00\x40")  # a thousand million
            made.writestr(member.filename, held)
    with pytest.raises(CheckpointError):
        read_tensors(bad)


HEADER = {
    "format": 1,
    "network": "mocolsk",
    "arguments": {"width": 8, "stages": 2, "blocks": 1},
    "scale": 4,
    "normalization": {"lst": {"mean": 290, "std": 7}, "bands": []},
    "tile": 128,
}


@pytest.mark.parametrize(
    "change",
    [
        {"arguments": {"width": 10**9}},
        {"arguments": {"width": 60000}},
        {"arguments": {"blocks": 10**9}},
        {"arguments": {"blocks": 60000}},
        {"arguments": {"stages": 10**400}},
        {"arguments": {"width": "eight"}},
        {"arguments": {"width": None}},
        {"arguments": {"width": -1}},
        {"arguments": [1, 2]},
        {"arguments": {"__class__": 1}},
        {"network": "../../etc/passwd"},
        {"network": "os:system"},
        {"scale": 10**9},
        {"tile": 10**9},
        {"tile": float("nan")},
        {"normalization": {"lst": {"mean": 290, "std": -1}, "bands": []}},
        {"normalization": {"lst": {"mean": 290, "std": float("nan")}, "bands": []}},
        {"normalization": {"lst": {"mean": float("nan"), "std": 1}, "bands": []}},
        {"normalization": {"lst": {"mean": 290, "std": 1}, "bands": [{"name": "\x1b[2J"}]}},
    ],
    ids=lambda change: json.dumps(change)[:60],
)
def test_a_checkpoint_that_asks_for_too_much_is_refused_before_it_takes_memory(tmp_path, change):
    path = tmp_path / "a.safetensors"
    save_file({"w": torch.zeros(2)}, path, metadata={"groklst": json.dumps(HEADER | change)})
    with pytest.raises(CheckpointError):
        load(path).load_network()


def test_control_characters_do_not_reach_the_terminal(folder, write_raster, capfd):
    evil = "a\x1b]0;owned\x07\x9b2J\x7f"
    write_raster("evil.tif", np.full((8, 8), 300, np.float32), COARSE, names=(evil,))
    for arguments in (["info", "evil.tif"], ["info", "evil.tif", "--json"], ["info", evil]):
        run(lambda words=arguments: app(words))
        said = capfd.readouterr()
        assert not [c for c in said.out + said.err if c != "\n" and not c.isprintable()]
        if "--json" in arguments:  # GDAL itself keeps only some of them
            assert json.loads(said.out)[0]["bands"][0]["name"] == "a]0;owned\x9b2J\x7f"
