"""Laws of devices: one that is not there ends any run; one that is not used is said."""

import numpy as np
import pytest
import rioxarray
import torch

import groklst_cli
from groklst_cli.errors import DeviceError
from groklst_cli.pipeline.predict import devices as methods
from tests.conftest import read
from tests.trust.refusal import Case, case, groklst, refuse

LST = "downscale -q lst.tif -g nir.tif"
GONE = ("is not available here", "--device cpu or auto")
TABLE = [
    case(f"{device} for {model}", f"{LST} -m {model} --device {device}", 5, device, *GONE)
    for device in ("cuda", "cuda:99", "mps")
    for model in ("bicubic", "ridge", "auto", "net.safetensors")
] + [
    case("a device for a plan", f"{LST} -m ridge --device cuda --dry-run", 5, "cuda", *GONE),
    case("the second of two", f"{LST} -m ridge --device cuda:0,cuda:1", 5, "cuda:0", *GONE),
    case("a device for workers", f"{LST} -m ridge --device cuda --workers 2", 5, "cuda", *GONE),
    case("method before output", "downscale lst.tif red.tif -m wizard", 2, "wizard", "bicubic"),
    case("weights before output", "downscale lst.tif red.tif -m mocolsk", 2, "needs weights"),
    case("output after that", "downscale lst.tif red.tif -m bicubic", 4, "red.tif exists"),
]


@pytest.fixture(autouse=True)
def only_a_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def as_if_cuda(monkeypatch):
    """Let every device be there."""
    monkeypatch.setattr(methods, "_is_there", lambda device: True)


@pytest.mark.parametrize("wrong", TABLE)
def test_it_is_refused_in_one_line(scene, capsys, wrong: Case):
    refuse(wrong, capsys)


def test_one_of_many_scenes_without_its_device_is_code_6(scene, capsys):
    words = ("lst.tif", "-O", ".", "-m", "bicubic", "--device", "cuda", "-q", "--json")
    assert groklst("downscale", *words) == 6
    assert '"code": 5' in capsys.readouterr().out


def test_python_is_told_too(scene):
    with rioxarray.open_rasterio("lst.tif") as lst, pytest.raises(DeviceError, match="cuda is not"):
        groklst_cli.downscale(lst.sel(band=1), scale=2, method="bicubic", device="cuda")


@pytest.mark.usefixtures("as_if_cuda")
class TestADeviceThatIsNotUsed:
    SAYS = "random-forest computes on the CPU, where its trees are grown; cuda:0 is not used"

    def test_is_said_once_and_changes_nothing(self, scene, capsys):
        words = ("lst.tif", "-g", "nir.tif", "-m", "random-forest", "-s", "2")
        assert groklst("downscale", *words, "-o", "a.tif", "--device", "cuda:0") == 0
        assert capsys.readouterr().err.count(self.SAYS) == 1
        assert groklst("downscale", *words, "-o", "b.tif", "--device", "cpu") == 0
        assert "computes on the CPU" not in capsys.readouterr().err
        assert groklst("downscale", *words, "-o", "c.tif") == 0
        assert "computes on the CPU" not in capsys.readouterr().err
        np.testing.assert_array_equal(read("a.tif"), read("b.tif"))

    def test_is_said_to_python(self, scene):
        said: list[str] = []
        with rioxarray.open_rasterio("lst.tif") as lst:
            array = lst.sel(band=1)
            groklst_cli.downscale(array, scale=2, method="bicubic", device="mps", note=said.append)
        assert "bicubic computes on the CPU: mps has no double precision" in said
