"""Laws of the one description of an option: flag, list, facts and Python all follow it."""

import inspect
from dataclasses import fields

import numpy as np
import pytest
import rioxarray
from affine import Affine

import groklst_cli
from groklst_cli.commands.downscale import downscale as command
from groklst_cli.errors import UsageError
from groklst_cli.pipeline.downscale.facts import BESIDE_PIXELS
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.downscale.running import Running
from groklst_cli.pipeline.downscale.scene_list import KEYS, LISTED
from groklst_cli.pipeline.predict.option import defaults_of, options_of
from groklst_cli.pipeline.predict.settings import Settings
from tests.conftest import read
from tests.trust.refusal import groklst

COARSE = Affine(240, 0, 500000, 0, -240, 4400000)
OPTIONS = options_of(Settings, Running)
PYTHON = [name for name, option in OPTIONS.items() if option.in_python]


def test_every_field_is_an_option_and_all_flags_differ():
    assert {f.name for owner in (Settings, Running) for f in fields(owner)} == OPTIONS.keys()
    flags = [flag for option in OPTIONS.values() for flag in option.flags]
    assert len(flags) == len(set(flags))


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_is_a_flag_and_a_field_with_one_default(name):
    assert name in inspect.signature(command).parameters
    made = Request("lst.tif", "out.tif")
    default = defaults_of(Settings, Running)[name]
    assert getattr(made, name) == pytest.approx(default, nan_ok=True)


def test_what_scenes_may_differ_in_are_keys_of_a_list():
    assert LISTED.keys() <= KEYS.keys()
    assert {"scale", "seed", "conserve", "bounds", "dst_nodata", "picture"} <= LISTED.keys()


@pytest.mark.parametrize("name", PYTHON)
def test_python_has_the_argument_with_its_default_and_its_help(name):
    signature = inspect.signature(groklst_cli.downscale)
    assert signature.parameters[name].default == defaults_of(Settings)[name]
    assert name == "scale" or f"{name}: {OPTIONS[name].help}" in groklst_cli.downscale.__doc__


def test_what_is_no_option_is_no_argument():
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'; options are"):
        groklst_cli.downscale(None, colour="red")


def test_pixels_depend_on_every_setting():
    assert not BESIDE_PIXELS.keys() & options_of(Settings).keys()


@pytest.mark.parametrize("text", ["1_0", "x", "1.5", "", "1", "65"])
def test_text_of_a_list_is_a_number_in_its_range(text):
    with pytest.raises(UsageError, match="scale"):
        OPTIONS["scale"].of_text("scale", text)


class TestSeed:
    """The newest option, by way of every road that the description makes."""

    @pytest.fixture(autouse=True)
    def files(self, write_raster, tmp_path, monkeypatch) -> None:
        rng = np.random.default_rng(0)
        guide = rng.uniform(0, 1, (80, 88)).astype(np.float32)
        noise = rng.normal(0, 1, (20, 22))
        lst = 295 + 10 * guide.reshape(20, 4, 22, 4).mean((1, 3)) + noise
        write_raster("lst.tif", lst.astype(np.float32), COARSE)
        write_raster("nir.tif", guide, COARSE * Affine.scale(1 / 4))
        monkeypatch.chdir(tmp_path)

    def made(self, output: str, *words: str) -> np.ndarray:
        typed = ("downscale", "lst.tif", output, "-g", "nir.tif", "-q", *words)
        assert groklst(*typed) == 0
        return read(output)

    def test_it_moves_pixels_by_flag_list_and_argument_alike(self, tmp_path):
        plain = self.made("0.tif", "-m", "random-forest")
        moved = self.made("7.tif", "-m", "random-forest", "--seed", "7")
        assert not np.array_equal(plain, moved)
        (tmp_path / "list.csv").write_text("lst,output,guide,seed\nlst.tif,l.tif,nir.tif,7\n")
        words = ("--batch-file", "list.csv", "-m", "random-forest", "-q")
        assert groklst("downscale", *words) == 0
        np.testing.assert_array_equal(read("l.tif"), moved)
        lst, nir = (
            rioxarray.open_rasterio(f"{name}.tif").squeeze("band", drop=True).rename(name)
            for name in ("lst", "nir")
        )
        fine = groklst_cli.downscale(lst, [nir], method="random-forest", seed=7)
        np.testing.assert_array_equal(fine.values, moved)

    def test_another_seed_is_another_run(self, capsys):
        self.made("a.tif", "-m", "random-forest")
        words = ("downscale", "lst.tif", "a.tif", "-g", "nir.tif", "-m", "random-forest")
        assert groklst(*words, "--skip-existing") == 0
        assert "was finished by an earlier run" in capsys.readouterr().err
        assert groklst(*words, "--skip-existing", "--seed", "1") == 4

    def test_where_nothing_is_drawn_it_says_so(self, capsys):
        words = ("downscale", "lst.tif", "b.tif", "-g", "nir.tif", "-m", "ridge", "--seed", "3")
        assert groklst(*words) == 0
        assert "seed 3 has no effect here: ridge uses no random numbers" in capsys.readouterr().err
