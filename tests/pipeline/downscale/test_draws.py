"""A network with chance in its answers, from files to files: who computes what must not show."""

import json

import numpy as np
import pytest
import rasterio
import rioxarray
import torch
from affine import Affine

import groklst_cli
from groklst_models.answer_spread import DRAWS
from groklst_models.checkpoint import Checkpoint, Header, save
from groklst_models.normalization import BandStatistics, Normalization
from tests.conftest import read
from tests.data.folders import write_groklst
from tests.trust.refusal import groklst

COARSE = Affine(240, 0, 500000, 0, -240, 4400000)
SCALE, FACTOR = 4, 3.0
WORDS = ("downscale", "lst.tif", "-g", "nir.tif", "-m", "pgdm.safetensors", "-q")


@pytest.fixture(autouse=True)
def files(write_raster, tmp_path, monkeypatch) -> None:
    rng = np.random.default_rng(0)
    guide = rng.uniform(0, 1, (80, 64)).astype(np.float32)
    lst = 295 + 10 * guide.reshape(20, 4, 16, 4).mean((1, 3))
    write_raster("lst.tif", lst.astype(np.float32), COARSE)
    write_raster("nir.tif", guide, COARSE * Affine.scale(1 / SCALE))
    statistics = Normalization(300, 5, (BandStatistics("nir", 0.5, 0.3),))
    arguments = {"width": 8, "multipliers": [1, 1], "attention": [1], "kappa": 0.2}
    header = Header("pgdm", SCALE, statistics, arguments, tile=32, scores={DRAWS.score: FACTOR})
    torch.manual_seed(0)
    network = header.build_network()
    save(Checkpoint(header, network.state_dict()), tmp_path / "pgdm.safetensors")
    monkeypatch.chdir(tmp_path)


def made(output: str, *words: str) -> np.ndarray:
    assert groklst(*WORDS, "-o", output, *words) == 0
    return read(output)


def test_neither_processes_nor_batches_nor_parts_show():
    whole = made("whole.tif")
    np.testing.assert_array_equal(made("shared.tif", "--workers", "2"), whole)
    np.testing.assert_allclose(made("batches.tif", "--batch", "3"), whole, atol=1e-3)
    left, top = COARSE * (6, 4)
    right, bottom = COARSE * (14, 18)
    bounds = ("--bounds", *(str(part) for part in (left, bottom, right, top)))
    np.testing.assert_array_equal(made("part.tif", *bounds), whole[16:72, 24:56])


def test_seeds_and_samples_move_pixels_and_python_says_the_same():
    first, other = made("0.tif"), made("1.tif", "--seed", "1")
    mean = made("mean.tif", "--samples", "6")
    assert np.abs(other - first).max() > 0.01
    assert np.abs(mean - first).std() < np.abs(other - first).std()  # means of draws lie closer
    lst, nir = (
        rioxarray.open_rasterio(f"{name}.tif").squeeze("band", drop=True).rename(name)
        for name in ("lst", "nir")
    )
    fine = groklst_cli.downscale(lst, [nir], method="pgdm.safetensors", samples=6)
    np.testing.assert_array_equal(fine.values, mean)


def test_another_number_of_samples_is_another_run(capsys):
    made("a.tif")
    assert groklst(*WORDS, "-o", "a.tif", "--skip-existing", "--samples", "2") == 4
    assert groklst(*WORDS, "-o", "a.tif", "--skip-existing") == 0


@pytest.mark.slow
def test_its_uncertainty_is_the_spread_of_draws_times_the_measured_factor():
    made("fine.tif", "--uncertainty", "sigma.tif")
    sigma = read("sigma.tif")
    with rasterio.open("sigma.tif") as raster:
        assert raster.tags()["GROKLST_FROM"] == "draws"
    np.testing.assert_array_equal(
        made_sigma("shared.tif", "--workers", "2"), sigma, err_msg="processes show"
    )
    more = made_sigma("more.tif", "--samples", "12")
    assert more.mean() == pytest.approx(sigma.mean(), rel=0.2)
    assert more.std() < sigma.std()  # of more draws, a steadier estimate


def made_sigma(output: str, *words: str) -> np.ndarray:
    made(output, "--uncertainty", f"sigma_{output}", *words)
    return read(f"sigma_{output}")


def test_methods_that_give_one_answer_say_that_samples_have_no_effect(capsys):
    words = ("downscale", "lst.tif", "r.tif", "-g", "nir.tif", "-m", "ridge", "--samples", "5")
    assert groklst(*words) == 0
    assert "samples 5 has no effect here: ridge gives one answer" in capsys.readouterr().err


def test_no_samples_are_refused(capsys):
    assert groklst(*WORDS, "-o", "a.tif", "--samples", "0") == 2
    assert "samples" in capsys.readouterr().err


def test_evaluate_scores_the_mean_of_as_many_draws_as_asked_for(tmp_path, capsys):
    write_groklst(tmp_path / "set")
    found = []
    for samples in ("1", "1", "9"):
        words = ("--data", "set", "--scale", "4", "-m", "pgdm.safetensors", "--json", "-q")
        assert groklst("evaluate", *words, "--samples", samples) == 0
        methods = json.loads(capsys.readouterr().out)["methods"]
        found += [m["summary"]["mean"]["rmse"] for m in methods if m["method"] != "bicubic:raw"]
    assert found[0] == found[1] != found[2]
