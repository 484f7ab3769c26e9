"""The published table, and when its figures stand beside ours."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from groklst_cli.app import app, run
from groklst_cli.data.groklst_dataset import BANDS, GrokLST
from groklst_cli.pipeline.evaluate import comparable
from groklst_cli.pipeline.evaluate.comparable import published_beside
from groklst_cli.pipeline.evaluate.contenders import Contender
from groklst_cli.pipeline.evaluate.published import Beside, Published, published_methods
from groklst_cli.pipeline.evaluate.scoreboard import FIGURES
from groklst_models.checkpoint import Checkpoint, Header, save
from groklst_models.normalization import (
    GROKLST_BAND_NAMES,
    BandStatistics,
    Normalization,
    groklst_normalization,
)
from groklst_models.registry import REGISTRY, arguments_of
from tests.conftest import SHARED
from tests.data.folders import SIDE, write_groklst

SINGLE = Normalization(290.0, 8.0)
GUIDED = replace(SINGLE, bands=tuple(BandStatistics(name, 0.2, 0.1) for name in BANDS))
LEARNED = {"data": {"kind": "GrokLST"}}
FENET = Header("fenet", 2, SINGLE, training=LEARNED)
SVLRM = Header("svlrm", 2, GUIDED, arguments={"linear_in_lst": True}, training=LEARNED)
ROWS = [
    pytest.param(figures, id=f"{key} x{scale}")
    for key, row in published_methods().items()
    for scale, figures in row.at.items()
]


def test_every_method_of_the_table_is_one_of_ours():
    assert published_methods().keys() <= REGISTRY.keys()
    assert len(published_methods()) == 38


@pytest.mark.parametrize("key", sorted(published_methods().keys() & REGISTRY.keys()))
def test_what_makes_a_network_the_one_that_was_scored_is_an_argument_of_it(key):
    assert set(published_methods()[key].arguments) <= set(arguments_of(key))


@pytest.mark.parametrize("row", ROWS)
def test_figures_are_such_as_one_set_of_errors_can_have(row: Published):
    found = row.figures
    assert {"rmse", "mae", "bias", "cc"} <= set(found) <= set(FIGURES)
    assert abs(found["bias"]) <= found["mae"] <= found["rmse"]
    assert 0 < found["cc"] < 1
    assert 0 <= found.get("rsd", 0) < 1


@pytest.mark.parametrize("row", ROWS)
def test_errors_of_another_shape_than_all_others_are_called_doubtful(row: Published):
    usual = 0.64 < row.figures["mae"] / row.figures["rmse"] < 0.73
    assert usual or row.doubt


def test_every_method_is_worse_at_a_larger_scale():
    for row in published_methods().values():
        errors = [row.at[scale].figures["rmse"] for scale in sorted(row.at)]
        assert errors == sorted(errors)


@pytest.mark.scenes("spec")
def test_the_table_is_the_benchmark_s():
    with (SHARED / "spec" / "groklst_table3.csv").open(newline="", encoding="utf-8") as opened:
        printed = {
            (row["method"], scale): {
                name: float(row[f"x{scale}_{name.upper()}"])
                for name in ("rmse", "mae", "bias", "cc", "rsd")
            }
            for row in csv.DictReader(opened)
            for scale in (2, 4, 8)
            if row[f"x{scale}_RMSE"]
        }
    ours = {
        (row.name, scale): dict(found.figures)
        for row in published_methods().values()
        for scale, found in row.at.items()
        if "Table 3" in found.source
    }
    assert ours == printed


@pytest.fixture
def dataset(tmp_path):
    return write_groklst(tmp_path / "GrokLST")


@pytest.fixture
def whole(dataset, monkeypatch):
    """A dataset that passes for the published one: six tiles of 16 pixels, one of them for test."""
    monkeypatch.setattr(comparable, "TILES", 6)
    monkeypatch.setattr(comparable, "TEST_TILES", range(1, 2))
    monkeypatch.setattr(comparable, "SIDE", SIDE)
    return dataset


def weights(folder: Path, header: Header) -> str:
    path = folder / "run.safetensors"
    save(Checkpoint(header, header.build_network().state_dict()), path)
    return str(path)


def beside(dataset: Path, *methods: str, scale: int = 2, split: str = "test") -> Beside:
    patches = GrokLST(dataset, split, scale)
    return published_beside(patches, [Contender.parse(text) for text in methods])


def test_a_method_has_its_figures_of_the_scale_beside_it(whole):
    for scale, rmse in ((4, 1.39), (8, 1.7367)):
        found = beside(whole, "random-forest", "bicubic", scale=scale)
        assert set(found.figures) == {"random-forest"}
        assert found.figures["random-forest"].figures["rmse"] == rmse
        assert "arXiv 2409.19835, Table 3" in found.remarks[0]
        assert "Random Forest" in found.remarks[1]


def test_a_scale_that_the_table_lacks_is_said(whole):
    assert beside(whole, "random-forest") == Beside(
        {}, ["random-forest: none are published for Random Forest ×2"]
    )


def test_another_split_is_said(whole):
    found = beside(whole, "random-forest", "bicubic", scale=8, split="val")
    assert found == Beside(
        missing=["no published figures: they are for split test, this is split val"]
    )


def test_a_part_of_the_dataset_is_said(dataset):
    (why,) = beside(dataset, "random-forest", scale=8).remarks
    assert why.endswith(
        "641 tiles of which three tenths are for the test; here 1 of 6 tiles are tested"
    )


def test_smaller_tiles_are_said(whole, monkeypatch):
    monkeypatch.setattr(comparable, "SIDE", 512)
    (why,) = beside(whole, "random-forest", scale=8).remarks
    assert why == "no published figures: they are for tiles of 512 × 512 pixels, these have 16 × 16"


def test_methods_that_nobody_scored_are_passed_over_in_silence(dataset):
    found = beside(dataset, "bicubic", "ridge", "auto", split="val")
    assert not found.figures
    assert not found.remarks


def test_a_checkpoint_of_the_scored_network_has_the_figures_beside_it(whole, tmp_path):
    path = weights(tmp_path, FENET)
    found = beside(whole, path, f"{path}:raw")
    assert [one.figures["rmse"] for one in found.figures.values()] == [0.3995, 0.3995]
    assert found.remarks == [
        f"published: {found.figures[path].source}; means over the tiles, as here"
    ]


def test_a_network_that_was_scored_in_another_form_needs_that_form(whole, tmp_path):
    path = weights(tmp_path, SVLRM)
    assert set(beside(whole, path).figures) == {path}
    path = weights(tmp_path, replace(SVLRM, arguments={}))
    found = beside(whole, path)
    assert not found.figures
    assert found.missing == [
        f"{path} is not SVLRM as published: linear_in_lst is False here and True there"
    ]


def test_arguments_that_say_what_the_defaults_do_change_nothing(whole, tmp_path):
    path = weights(tmp_path, replace(FENET, arguments={"width": 48, "blocks": 4}))
    assert set(beside(whole, path).figures) == {path}
    swin = Header("ngswin", 2, SINGLE, arguments={"depths": [6, 4, 4]}, training=LEARNED)
    found = beside(whole, weights(tmp_path, swin))
    assert [one.doubt[:3] for one in found.figures.values()] == ["MAE"]
    assert "NGSwin ×2 is doubtful: MAE is 0.59 of RMSE" in found.remarks[1]


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (replace(FENET, arguments={"width": 24}), "width is 24 here and 48 there"),
        (replace(FENET, conserve=True), "coarse means are conserved"),
        (replace(FENET, training={"data": {"kind": "prepared"}}), "it was trained on other data"),
        (
            replace(SVLRM, normalization=replace(GUIDED, bands=GUIDED.bands[:3])),
            "bands dem, deepblue, blue, not for all ten of the dataset",
        ),
        (
            replace(SVLRM, normalization=replace(GUIDED, optional_bands=True)),
            "not for all ten of the dataset",
        ),
        (
            replace(SVLRM, normalization=replace(GUIDED, trend=True)),
            "it refines a regression on the bands",
        ),
    ],
)
def test_a_network_that_is_not_the_scored_one_has_none_and_is_told_why(
    whole, tmp_path, header, why
):
    found = beside(whole, weights(tmp_path, header))
    assert not found.figures
    assert why in found.missing[0]


def test_means_that_are_restored_on_request_are_not_what_was_scored(whole, tmp_path):
    path = weights(tmp_path, FENET)
    found = beside(whole, f"{path}:conserved", f"{path}:raw")
    assert set(found.figures) == {f"{path}:raw"}
    kept = weights(tmp_path, replace(FENET, conserve=True))
    assert set(beside(whole, f"{kept}:raw").figures) == {f"{kept}:raw"}


def test_weights_from_elsewhere_that_do_not_say_what_they_learned_from_pass(whole, tmp_path):
    told = {"imported_from": "toolkit.pth", "data": "GrokLST (as stated by the importer)"}
    path = weights(tmp_path, replace(FENET, training=told))
    assert set(beside(whole, path).figures) == {path}


def test_a_mean_of_draws_is_not_what_was_scored(whole, monkeypatch):
    ten = groklst_normalization(8, GROKLST_BAND_NAMES)
    monkeypatch.setattr(comparable, "header_of", lambda model: Header("pgdm", 8, ten))
    patches = GrokLST(whole, "test", 8)
    one, five = (
        published_beside(patches, [Contender.parse("run.safetensors", samples)])
        for samples in (1, 5)
    )
    assert one.figures["run.safetensors"].figures["rmse"] == 0.749
    assert not five.figures
    assert "the mean of 5 samples here and of one there" in five.missing[0]


def groklst(capsys, *words: object) -> str:
    assert run(lambda: app([str(word) for word in words])) == 0
    return capsys.readouterr().out


def test_the_table_the_page_and_the_document_show_them(whole, tmp_path, capsys):
    path = weights(tmp_path, FENET)
    asked = ("evaluate", "--data", whole, "--scale", 2, "-m", path, "-d", "cpu", "-q")
    out = groklst(capsys, *asked, "--report", tmp_path / "page")
    head, *rows = [line.split() for line in out.splitlines()[1:]]
    at = [row[0] for row in rows].index(path)
    assert rows[at + 1] == ["FeNet,", "published", "0.400", "0.262", "0.002", "0.989", "0.012"]
    assert head[0] == "method"
    assert "published: GrokLST benchmark" in out
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert page.count('<tr class="published"') == 1
    assert "<td>FeNet, published</td><td>0.400</td>" in page
    assert "published: GrokLST benchmark" in page
    told = json.loads(groklst(capsys, *asked, "--json"))["published"]
    assert told["figures"][path]["rmse"] == 0.3995
    assert told["figures"][path]["scale"] == 2


def test_a_tile_that_fails_leaves_no_figures(whole, monkeypatch, capsys):
    (whole / "split" / "test.txt").write_text("5\n4\n")
    monkeypatch.setattr(comparable, "TEST_TILES", range(2, 3))
    words = ["evaluate", "--data", str(whole), "-s", "4", "-m", "random-forest", "-q", "--json"]
    (whole / "120m" / "lst" / "tile_005.mat").write_bytes(b"no tile")
    assert run(lambda: app(words)) == 6
    told = json.loads(capsys.readouterr().out)["published"]
    assert told["figures"] == {}
    assert told["remarks"] == [
        "no published figures: they are means over all tiles, but only 1 of 2 were scored here"
    ]


def test_a_prepared_folder_has_none(whole):
    class Prepared:
        scale = 8

    assert published_beside(Prepared(), [Contender.parse("random-forest")]) == Beside()


def test_figures_that_a_paper_does_not_print_stay_empty():
    (row,) = published_methods()["pgdm"].at.values()
    assert "rsd" not in row.figures
    assert np.isclose(row.figures["bias"], -0.009)
