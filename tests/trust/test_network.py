"""The network: shut unless asked for, and a server that misbehaves ends in an error, soon."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from groklst_cli.app import app, run
from tests.conftest import read

COARSE = Affine(240, 0, 500000, 0, -240, 4390000)
SHORT = {
    "GDAL_HTTP_CONNECTTIMEOUT": "1",
    "GDAL_HTTP_TIMEOUT": "2",
    "GDAL_HTTP_MAX_RETRY": "0",
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
}
SERVER = """
import http.server, sys, time
body = open("lst.tif", "rb").read()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        open("asked", "a").write(self.path + "\\n")
        kind = self.path.split("/")[1]
        if kind == "stall":
            time.sleep(60)
        if kind == "missing":
            return self.send_error(404)
        if kind == "redirect":
            self.send_response(302)
            self.send_header("Location", "file:///" + sys.argv[1] + "/lst.tif")
            return self.end_headers()
        sent = b"\\xff garbage" * 200 if kind == "garbage" else body
        first, last = 0, len(sent) - 1
        if wanted := self.headers.get("Range"):
            low, _, high = wanted.removeprefix("bytes=").partition("-")
            first, last = int(low), min(last, int(high or last))
        self.send_response(206 if wanted else 200)
        self.send_header("Accept-Ranges", "bytes")
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(sent)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        if self.command == "GET":
            part = sent[first : last + 1]
            self.wfile.write(part[: len(part) // 2] if kind in ("drop", "short") else part)
        if kind == "short":
            time.sleep(60)
        self.close_connection = True

    do_HEAD = do_GET

    def log_message(self, *arguments):
        pass

with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()
"""


@pytest.fixture
def server(tmp_path, monkeypatch, write_raster):
    """A server of an LST; a process of its own, for GDAL may hold this one's lock."""
    rng = np.random.default_rng(0)
    write_raster("lst.tif", rng.uniform(290, 310, (64, 64)).astype(np.float32), COARSE)
    monkeypatch.chdir(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        yield f"http://127.0.0.1:{running.stdout.readline().strip()}"
        running.kill()


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Shorten the timeouts, as a person would."""
    for name, value in SHORT.items():
        monkeypatch.setenv(name, value)


def downscale(path: str, *more: str) -> int:
    """Run the command and return its exit code."""
    return run(lambda: app(["downscale", path, "-s", "2", "-q", *more]))


def test_what_is_fetched_equals_what_is_local(server):
    assert downscale(f"{server}/good/lst.tif", "-o", "fetched.tif", "--online") == 0
    assert downscale("lst.tif", "-o", "local.tif") == 0
    np.testing.assert_array_equal(read("fetched.tif"), read("local.tif"))


@pytest.mark.parametrize("kind", ["drop", "short", "stall", "garbage", "missing", "redirect"])
def test_a_server_that_misbehaves_is_one_line_and_code_3_soon(server, kind, capfd):
    began = time.monotonic()
    assert downscale(f"/vsicurl/{server}/{kind}/lst.tif", "-o", "out.tif", "--online") == 3
    said = capfd.readouterr().err
    assert said.startswith("groklst: ")
    assert said.count("\n") == 1
    assert time.monotonic() - began < 20
    assert not os.path.exists("out.tif")


@pytest.mark.parametrize("form", ["{}/good/lst.tif", "/vsicurl/{}/good/lst.tif"])
def test_offline_nothing_is_asked_for(server, form, capfd):
    assert downscale(form.format(server), "-o", "out.tif") == 2
    assert "add --online" in capfd.readouterr().err
    assert not os.path.exists("asked")


def test_offline_neither_overviews_nor_sources_are_fetched(server):
    text = (
        '<VRTDataset rasterXSize="64" rasterYSize="64"><VRTRasterBand dataType="Float32" band="1">'
        "<SimpleSource><SourceFilename>{}</SourceFilename></SimpleSource></VRTRasterBand>"
        "</VRTDataset>"
    )
    names = (f"/vsicurl/{server}/good/a.tif", f"NETCDF:&quot;{server}/good/a.nc&quot;:v")
    for side, name in zip((".ovr", ".msk"), names, strict=True):
        Path(f"lst.tif{side}").write_text(text.format(name))
        Path(f"{'b' if side == '.ovr' else 'a'}.tif{side}").write_text(text.format(name))
    for guide in ("a.tif", "b.tif"):
        Path(guide).write_bytes(Path("lst.tif").read_bytes())
    options = ["-s", "2", "-q", "-m", "ridge", "-r", "average", "-g", "a=a.tif", "-g", "b=b.tif"]
    subprocess.run(  # a process of its own, for drivers are left out before any file is opened
        [sys.executable, "-m", "groklst_cli", "downscale", "lst.tif", "out.tif", *options],
        timeout=60,
        check=False,
    )
    assert not os.path.exists("asked")
