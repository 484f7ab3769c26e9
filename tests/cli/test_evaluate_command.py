"""``groklst evaluate`` as a person or a script meets it."""

import csv
import json

import numpy as np
import pytest
import typer
from affine import Affine

from groklst_cli.app import run
from groklst_cli.commands.evaluate import evaluate

FINE = Affine(30, 0, 500_000, 0, -30, 4_400_000)
PAIR = ("--pred", "pred.tif", "--ref", "ref.tif")
WALD = ("--data", "scenes", "--protocol", "wald_x4")


@pytest.fixture
def files(write_raster, tmp_path, monkeypatch):
    """A prediction 1 K too warm with its reference, and a folder of one scene."""
    random = np.random.default_rng(0)
    nir = random.uniform(0, 1, (64, 64)).astype(np.float32)
    truth = (300 + 8 * nir + np.indices(nir.shape)[0] / 20).astype(np.float32)
    write_raster("pred.tif", truth + 1, FINE)
    write_raster("ref.tif", truth, FINE)
    (tmp_path / "scenes" / "field").mkdir(parents=True)
    write_raster("scenes/field/lst.tif", truth, FINE)
    write_raster("scenes/field/nir.tif", nir, FINE)
    monkeypatch.chdir(tmp_path)


def groklst(*arguments: str) -> int:
    app = typer.Typer()
    app.command()(evaluate)
    return run(lambda: app(list(arguments)))


def test_a_pair_prints_a_table_on_stdout_and_nothing_on_stderr(files, capsys):
    assert groklst(*PAIR) == 0
    out, err = capsys.readouterr()
    title, head, row, *legend = out.splitlines()
    assert title.strip() == "pred.tif against ref.tif"
    assert head.split()[:3] == ["method", "images", "RMSE"]
    assert row.split()[:3] == ["pred.tif", "1", "1.000"]
    assert "ratio" not in head  # nothing to compare with
    assert "free: RMSE without the bias, K" in " ".join(legend)
    assert err == ""


def test_json_is_one_document(files, capsys):
    assert groklst(*PAIR, "--json", "--shift", "1") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"][0]["scores"]["bias"] == pytest.approx(1, abs=1e-4)
    assert found["images"][0]["shifted"]["rows"] == 0
    assert found["methods"][0]["summary"]["rmse_pooled"] == pytest.approx(1, abs=1e-4)


def test_the_bias_can_be_removed(files, capsys):
    assert groklst(*PAIR, "--remove-bias", "--json") == 0
    (image,) = json.loads(capsys.readouterr().out)["images"]
    assert image["bias_removed"] == pytest.approx(1, abs=1e-4)
    assert image["scores"]["rmse"] == pytest.approx(0, abs=1e-4)


def test_a_threshold_that_is_met_is_quiet_and_one_that_is_not_is_exit_code_7(files, capsys):
    assert groklst(*PAIR, "--fail-if", "rmse>1.5", "--fail-if", "cc<0.9") == 0
    assert capsys.readouterr().err == ""
    assert groklst(*PAIR, "--fail-if", "rmse>1.5", "--fail-if", "mae>=0.9") == 7
    out, err = capsys.readouterr()
    assert "1.000" in out  # the result comes all the same
    assert "mae of pred.tif is 1, which is >= 0.9" in err
    assert "rmse" not in err


def test_a_protocol_compares_methods_with_plain_bicubic(files, capsys):
    assert groklst(*WALD, "-m", "ridge", "-m", "bicubic", "-q") == 0
    out, err = capsys.readouterr()
    title, head, *rows = out.splitlines()[:5]
    assert title.strip() == "Wald ×4"
    assert "ratio" in head.split()
    assert rows[0].split()[0] == "ridge"
    assert {row.split()[0] for row in rows} == {"ridge", "bicubic", "bicubic:raw"}
    assert err == ""


def test_the_baseline_is_not_held_to_thresholds_unless_asked_for(files):
    assert groklst(*WALD, "-m", "ridge", "-q", "--fail-if", "ratio>=1") == 0
    asked = ("-m", "ridge", "-m", "bicubic:raw")
    assert groklst(*WALD, *asked, "-q", "--fail-if", "ratio>=1") == 7


def test_csv_and_report_are_written_beside(files, tmp_path, capsys):
    assert groklst(*WALD, "-m", "ridge", "--csv", "s.csv", "--report", "page", "-q") == 0
    with (tmp_path / "s.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == ["bicubic:raw", "ridge"]
    assert float(rows[1]["rmse"]) < float(rows[0]["rmse"])
    assert "<h1>Wald ×4</h1>" in (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    capsys.readouterr()
    assert groklst(*WALD, "-m", "ridge", "--csv", "s.csv", "-q") == 4
    assert groklst(*WALD, "-m", "ridge", "--report", "page", "-q") == 4
    assert "--overwrite" in capsys.readouterr().err
    assert groklst(*WALD, "-m", "ridge", "--report", "page", "--overwrite", "-q") == 0


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        ((), 2, "name exactly one of these"),
        (("--pred", "pred.tif"), 2, "name exactly one of these"),
        ((*PAIR, "-m", "ridge"), 2, "leave --model out"),
        ((*PAIR, "--fail-if", "size>1"), 2, "choose from rmse"),
        ((*PAIR, "--fail-if", "__import__('os')>1"), 2, "write it as 'rmse>1.5'"),
        (("--data", "scenes"), 2, "add -m NAME"),
        (("--data", "scenes", "-m", "ridge"), 3, "groklst prepare"),
        (("--data", "scenes", "--protocol", "mine", "-m", "ridge"), 2, "wald_x8"),
        ((*WALD, "-m", "rigde"), 2, "rigde: --model rigde is neither"),
        ((*WALD, "-m", "bicubic", "--scene", "sea"), 3, "it has field"),
    ],
)
def test_errors_are_one_line_with_their_exit_code(files, capsys, arguments, code, complaint):
    groklst_rc = groklst(*arguments)
    out, err = capsys.readouterr()
    assert groklst_rc == code
    assert complaint in err
    assert err.count("\n") == 1
    if code != 7:
        assert out == ""


def test_a_mask_says_where_a_pair_is_compared(files, write_raster, capsys):
    codes = np.full((128, 128), 21824, np.uint16)
    codes[:64] = 22280
    write_raster("qa.tif", codes, FINE * Affine.scale(1 / 2))
    assert groklst(*PAIR, "--json", "--mask", "qa.tif:landsat-qa") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"][0]["scores"]["pixels"] == 32 * 64
    assert groklst(*WALD, "-m", "ridge", "--mask", "qa.tif:landsat-qa") == 2
    assert "--mask has no effect here" in capsys.readouterr().err
