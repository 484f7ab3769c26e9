import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from affine import Affine

from groklst_cli.data.groklst_dataset import BANDS
from groklst_cli.data.scenes import SceneFolder, scene_folders
from groklst_cli.errors import InputError, OutputExistsError, UsageError
from groklst_cli.geo.conserve import block_means
from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.evaluate.cases import wald_case
from groklst_cli.pipeline.evaluate.contenders import Contender, Follow, Judgement, Shown
from groklst_cli.pipeline.evaluate.evaluation import EvaluationRequest, evaluate, evaluate_pair
from groklst_cli.pipeline.evaluate.protocol import (
    CrossSensorProtocol,
    WaldProtocol,
    find_protocol,
    packaged,
    parse_protocol,
)
from groklst_cli.pipeline.evaluate.scoreboard import FIGURE_NAMES
from groklst_cli.pipeline.evaluate.threshold import Threshold, ThresholdError, check_thresholds
from groklst_cli.pipeline.evaluate.trials import run_protocol
from tests.conftest import SHARED

PLACE = Affine(30, 0, 500_000, 0, -30, 4_400_000)
METHODS = [Contender.parse(text) for text in ("bicubic", "ridge")]
WALD = WaldProtocol(title="Wald ×4", scale=4)
CROSS = CrossSensorProtocol(title="cross", scale=4)


def fine_fields(size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """A rough guide and the LST that it explains but for a smooth part, kelvin."""
    random = np.random.default_rng(0)
    guide = random.uniform(0, 1, (size // 2, size // 2)).repeat(2, 0).repeat(2, 1)
    rows, columns = np.indices((size, size))
    lst = 300 + 8 * guide + 3 * np.sin(rows / 20) + 2 * np.cos(columns / 15)
    return guide.astype(np.float32), lst.astype(np.float32)


@pytest.fixture
def scenes(write_raster, tmp_path):
    """A folder of two scenes, one of which has a mask and a band that is no guide."""
    guide, lst = fine_fields()
    clear = np.ones(lst.shape, np.uint8)
    clear[:5, :5] = 0
    for name in ("field", "town"):
        (tmp_path / "scenes" / name).mkdir(parents=True)
        write_raster(f"scenes/{name}/lst.tif", lst, PLACE)
        write_raster(f"scenes/{name}/nir.tif", guide, PLACE)
    write_raster("scenes/town/clear.tif", clear, PLACE)
    write_raster("scenes/town/bqa.tif", clear, PLACE)
    return tmp_path / "scenes"


@pytest.fixture
def pairs(write_raster, tmp_path):
    """Coarse LST with a finer sensor's beside it, which is warmer by 2 K; one pair disagrees."""
    guide, lst = fine_fields()
    coarse = block_means(lst, 4).astype(np.float32)
    noise = np.random.default_rng(1).normal(300, 3, lst.shape).astype(np.float32)
    for name, reference in (("good", lst + 2), ("odd", noise)):
        (tmp_path / "pairs" / name).mkdir(parents=True)
        write_raster(f"pairs/{name}/lst.tif", coarse, PLACE * Affine.scale(4))
        write_raster(f"pairs/{name}/ndvi.tif", guide, PLACE)
        write_raster(f"pairs/{name}/reference_lst.tif", reference, PLACE)
    return tmp_path / "pairs"


def test_every_packaged_protocol_reads():
    kinds = {name: find_protocol(name).kind for name in packaged()}
    assert kinds == {
        "cross_sensor_modis_aster": "cross-sensor",
        "wald_x2": "wald",
        "wald_x4": "wald",
        "wald_x8": "wald",
        "wald_x4_real": "wald",
        "wald_x8_real": "wald",
        "wald_x8_psf": "wald",
    }
    assert find_protocol("wald_x8").scale == 8
    assert find_protocol("wald_x8_psf").psf_sigma > 0
    exact = {name for name in kinds if name.startswith("wald") and find_protocol(name).is_exact}
    assert exact == {"wald_x2", "wald_x4", "wald_x8"}
    for scale in (4, 8):
        plain, real = find_protocol(f"wald_x{scale}"), find_protocol(f"wald_x{scale}_real")
        assert (real.psf_sigma, real.noise_of_detail) == (0.42, 1)
        made_exact = replace(real, psf_sigma=0.0, noise_of_detail=0.0, title=plain.title)
        assert made_exact == plain  # nothing but the sensor differs


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("kind = 'wald'\ntitle = 't'\nscale = 8\npsf = 1", "psf is unknown.*takes title"),
        ("kind = 'wald'\ntitle = 't'", "scale is missing"),
        ("kind = 'other'", "kind is 'other', not wald or cross-sensor"),
        ("kind = 'wald'\ntitle = 't'\nscale = '8'", "scale contains '8', expected a whole number"),
        ("kind = 'wald'\ntitle = 't'\nscale = 1", "scale is 1, expected a number from 2 to 64"),
        ("kind = 'wald'\ntitle = 't'\nscale = 8\nmethods = 'ridge'", "'ridge', expected a list"),
        ("kind = 'wald'\ntitle = 't'\nscale = 8\nnative = 2", "2, expected a table"),
        ("kind = 'wald'\ntitle = 't'\nscale = 8\n[native]\na = true", "True, expected a whole"),
        ("kind =", "is not TOML"),
        *(
            (f"kind = 'wald'\ntitle = 't'\nscale = 8\n{line}", complaint)
            for line, complaint in (
                ("noise_k = -1", "noise_k is -1, expected a number from 0 to 100"),
                ("noise_k = nan", "noise_k is nan, expected a number from 0 to 100"),
                ("noise_k = '1 K'", "noise_k contains '1 K', expected a number"),
                (
                    "noise_of_detail = inf",
                    "noise_of_detail is inf, expected a number from 0 to 10",
                ),
                ("noise_k = 1\nnoise_of_detail = 1", "both set the noise; one of them must be 0"),
                ("psf_sigma = true", "psf_sigma contains True, expected a number"),
                ("seed = 0.5", "seed contains 0.5, expected a whole number"),
                ("seed = -1", "seed is -1, expected a number from 0 to 999999"),
            )
        ),
        ("kind = 'cross-sensor'\ntitle = 't'\nscale = 4\nnoise_k = 1", "noise_k is unknown"),
        *(
            (
                f"kind = 'wald'\ntitle = 't'\nscale = 8\nscenes = {value}",
                "not landsat; facts of other",
            )
            for value in ("'modis'", "[]", "{}", "true")
        ),
    ],
)
def test_a_protocol_that_makes_no_sense_is_refused(text, complaint):
    with pytest.raises(InputError, match=f"(?s)mine.*{complaint}"):
        parse_protocol(text, "mine")


def test_a_table_of_scenes_stands_once_and_a_protocol_s_own_word_counts():
    tables = [
        find_protocol(f"wald_x{scale}").to_json() for scale in ("2", "4", "8", "8_psf", "8_real")
    ]
    assert len({(str(table["native"]), str(table["left_out"])) for table in tables}) == 1
    assert tables[0]["native"]["talca_l7_20130215"] == 2
    assert list(tables[0]["left_out"]) == ["gulfcoast_l8_cloudy"]
    own = "\n[native]\ntalca_l7_20130215 = 5\n[left_out]\nmine = 'why'"
    protocol = parse_protocol(packaged()["wald_x8"] + own, "mine").to_json()
    assert protocol["native"] == tables[0]["native"] | {"talca_l7_20130215": 5}
    assert protocol["left_out"] == tables[0]["left_out"] | {"mine": "why"}


def test_a_kind_that_joins_no_pixels_takes_only_what_it_knows_of_a_table():
    text = packaged()["cross_sensor_modis_aster"] + "scenes = 'landsat'\n"
    protocol = parse_protocol(text, "mine").to_json()
    assert "native" not in protocol
    assert list(protocol["left_out"]) == ["gulfcoast_l8_cloudy"]


def test_wald_s_truth_is_at_native_resolution_and_the_input_its_means(scenes):
    _, lst = fine_fields()
    protocol = WaldProtocol(title="t", scale=4, native={"default": 1, "field": 2})
    case = wald_case(SceneFolder.read(scenes / "field"), protocol)
    assert case.truth.shape == (32, 32)
    assert np.allclose(case.truth, block_means(lst, 2), atol=1e-4)
    assert np.allclose(case.coarse, block_means(lst, 8), atol=1e-3)
    assert [Path(guide.path).name for guide in case.guides] == ["nir.tif"]


def test_what_is_not_clear_is_neither_truth_nor_input(scenes):
    protocol = WaldProtocol(title="t", scale=4, not_guides=("bqa",))
    case = wald_case(SceneFolder.read(scenes / "town"), protocol)
    assert np.isnan(case.truth[:8, :8]).all()  # whole coarse pixels
    assert np.isnan(case.truth).sum() == 64
    assert np.isnan(case.coarse).sum() == 4
    assert [Path(guide.path).name for guide in case.guides] == ["nir.tif"]


def test_a_point_spread_smooths_the_input_and_not_the_truth(scenes):
    plain, seen = (
        wald_case(
            SceneFolder.read(scenes / "field"),
            WaldProtocol(title="t", scale=4, psf_sigma=s),
        )
        for s in (0.0, 0.5)
    )
    assert np.array_equal(plain.truth, seen.truth)
    assert seen.coarse.std() < 0.9 * plain.coarse.std()
    assert seen.coarse.mean() == pytest.approx(plain.coarse.mean(), abs=0.05)


def test_a_protocol_ranks_methods_and_always_runs_its_baseline(scenes):
    found = run_protocol(WALD, scenes, METHODS)
    standings = found.standings()
    means = [s.summary.mean["rmse"] for s in standings]
    assert means == sorted(means)
    best, kept, raw = (
        next(s for s in standings if s.method == name)
        for name in ("ridge", "bicubic", "bicubic:raw")
    )
    assert standings[0] is best
    assert raw.ratio == 1
    assert best.ratio < 0.7
    assert best.summary.images == 2
    assert kept.summary.mean["coarse_max"] < 0.01 < raw.summary.mean["coarse_max"]
    assert all(s.seconds > 0 for s in standings)
    assert all(s.peak_memory > 50 or math.isnan(s.peak_memory) for s in standings)
    ratios = {o.image: o.scores.rmse for o in found.outcomes if o.method == "bicubic:raw"}
    mine = [o.scores.rmse / ratios[o.image] for o in found.outcomes if o.method == "ridge"]
    assert best.ratio == pytest.approx(np.mean(mine))


def test_a_real_sensor_s_scores_stand_beside_those_on_exact_means(scenes):
    notes: list[str] = []
    real = replace(WALD, psf_sigma=0.42, noise_k=1.5)
    found = run_protocol(real, scenes, METHODS, follow=Follow(note=notes.append))
    plain = run_protocol(WALD, scenes, METHODS)
    asked = [(o.image, o.method, o.scores) for o in plain.outcomes]
    assert [(o.image, o.method, o.exact) for o in found.outcomes] == asked  # bit for bit
    alone = {s.method: s for s in plain.standings()}
    for standing in found.standings():
        exact = alone[standing.method]
        assert standing.rmse_exact == exact.summary.mean["rmse"]
        assert standing.ratio_exact == exact.ratio
        assert standing.summary.mean["rmse"] > standing.rmse_exact
        assert math.isnan(exact.rmse_exact)
        assert math.isnan(exact.ratio_exact)
    assert notes == [
        f"{name}: its coarse values have noise of 1.50 K" for name in ("field", "town")
    ]
    assert {(row["noise"], row["rmse_exact"]) for row in plain.rows()} == {(0.0, None)}
    rows = [(row["noise"], row["rmse_exact"]) for row in found.rows()]
    assert rows == [(1.5, o.scores.rmse) for o in plain.outcomes]
    check_thresholds([Threshold.parse("ratio_exact>=0.7")], found, ["ridge"])
    with pytest.raises(ThresholdError, match="ratio of ridge"):
        check_thresholds([Threshold.parse("ratio<99")], found, ["ridge"])


def test_scenes_are_left_out_by_name_and_said(scenes):
    notes: list[str] = []
    protocol = WaldProtocol(title="t", scale=4, left_out={"town": "too small"})
    found = run_protocol(protocol, scenes, METHODS[:1], follow=Follow(note=notes.append))
    assert found.left_out == {"town": "too small"}
    assert {o.image for o in found.outcomes} == {"field"}
    assert notes == ["town is left out: too small"]
    asked = run_protocol(protocol, scenes, METHODS[:1], scenes=["town"])
    assert {o.image for o in asked.outcomes} == {"town"}
    everything = WaldProtocol(title="t", scale=4, left_out={"town": "a", "field": "b"})
    with pytest.raises(InputError, match="all 2 scenes are left out"):
        run_protocol(everything, scenes)


def test_a_folder_without_the_scene_says_what_it_has(scenes, tmp_path):
    with pytest.raises(InputError, match="no scene sea; it has field, town"):
        scene_folders(scenes, ["sea"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="contains no scene"):
        scene_folders(tmp_path / "empty")
    assert scene_folders(scenes / "town") == [scenes / "town"]


def test_a_failing_method_names_itself_and_the_scene(scenes):
    (scenes / "town" / "nir.tif").unlink()
    (scenes / "town" / "bqa.tif").unlink()
    with pytest.raises(UsageError, match="ridge on town: ridge needs guides"):
        run_protocol(WALD, scenes, METHODS, scenes=["town"])


def test_another_sensor_s_bias_shows_and_pairs_that_disagree_are_left_out(pairs):
    found = run_protocol(CROSS, pairs, METHODS)
    assert list(found.left_out) == ["odd"]
    assert "correlation is" in found.left_out["odd"]
    (ridge,) = [o for o in found.outcomes if o.method == "ridge"]
    assert ridge.scores.bias == pytest.approx(-2, abs=0.05)
    assert ridge.scores.rmse_free < 1 < ridge.scores.rmse
    assert ridge.shifted is not None
    assert (ridge.shifted.rows, ridge.shifted.columns) == (0, 0)


def test_the_sensors_mean_difference_can_be_removed(pairs):
    protocol = CrossSensorProtocol(title="t", scale=4, remove_bias=True)
    plain, freed = (run_protocol(p, pairs, METHODS[:1]).outcomes[1] for p in (CROSS, protocol))
    assert freed.bias_removed == pytest.approx(plain.scores.bias, abs=1e-5)
    assert freed.scores.bias == pytest.approx(0, abs=1e-4)
    assert freed.scores.rmse == pytest.approx(plain.scores.rmse_free, abs=1e-4)
    assert freed.scores.coarse_max == plain.scores.coarse_max  # the prediction is not touched


def test_a_prediction_is_scored_on_its_own_grid(write_raster):
    _, lst = fine_fields()
    pred = write_raster(
        "pred.tif", (block_means(lst, 4) + 0.5).astype(np.float32), PLACE * Affine.scale(4)
    )
    ref = write_raster("ref.tif", lst, PLACE)
    (outcome,) = evaluate_pair(BandSource(pred), BandSource(ref)).outcomes
    assert outcome.scores.pixels == 256
    assert outcome.scores.bias == pytest.approx(0.5, abs=1e-3)
    assert outcome.scores.rmse_free == pytest.approx(0, abs=1e-3)
    assert outcome.seconds is None
    (freed,) = evaluate_pair(
        BandSource(pred), BandSource(ref), judgement=Judgement(remove_bias=True, shift=1)
    ).outcomes
    assert freed.scores.rmse == pytest.approx(0, abs=1e-3)
    assert freed.shifted is not None


def test_celsius_and_kelvin_are_one(write_raster):
    _, lst = fine_fields()
    pred = write_raster("pred.tif", lst - np.float32(273.15), PLACE, tags={"units": "celsius"})
    ref = write_raster("ref.tif", lst, PLACE, tags={"units": "kelvin"})
    (outcome,) = evaluate_pair(BandSource(pred), BandSource(ref)).outcomes
    assert outcome.scores.rmse < 1e-4


def test_coarse_means_are_judged_by_the_lst_that_was_downscaled(write_raster):
    _, lst = fine_fields()
    coarse = block_means(lst, 4).astype(np.float32)
    coarse[0, 0] += 1
    pred, ref = (BandSource(write_raster(name, lst, PLACE)) for name in ("pred.tif", "ref.tif"))
    given = BandSource(write_raster("lst.tif", coarse, PLACE * Affine.scale(4)))
    (outcome,) = evaluate_pair(pred, ref, lst=given).outcomes
    assert outcome.scores.coarse_max == pytest.approx(1, abs=1e-3)
    other = BandSource(write_raster("other.tif", coarse, PLACE * Affine.scale(5)))
    with pytest.raises(InputError, match="expected the LST that was downscaled"):
        evaluate_pair(pred, ref, lst=other)


def test_a_pair_that_never_meets_is_refused(write_raster):
    _, lst = fine_fields()
    left, right = lst.copy(), lst.copy()
    left[:, 32:], right[:, :32] = np.nan, np.nan
    pred, ref = (write_raster(n, v, PLACE) for n, v in (("a.tif", left), ("b.tif", right)))
    with pytest.raises(InputError, match="no common valid pixel"):
        evaluate_pair(BandSource(pred), BandSource(ref))


@pytest.fixture
def dataset(tmp_path):
    """Three tiles laid out like the GrokLST dataset, two of them in the test split."""
    guide, lst = fine_fields(32)
    folder = tmp_path / "groklst"
    for name in ("30m/lst", "30m/guidance", "120m/lst", "split"):
        (folder / name).mkdir(parents=True)
    for number in range(3):
        truth = lst + number
        scipy.io.savemat(folder / f"30m/lst/{number}.mat", {"data": truth})
        scipy.io.savemat(folder / f"120m/lst/{number}.mat", {"data": block_means(truth, 4)})
        bands = {name: guide + 0.01 * i for i, name in enumerate(BANDS)}
        scipy.io.savemat(folder / f"30m/guidance/{number}.mat", bands)
    (folder / "split" / "test.txt").write_text("0\n2\n")
    return folder


def test_a_split_of_the_dataset_is_scored_image_by_image(dataset):
    found = evaluate(EvaluationRequest(data=dataset, scale=4, contenders=METHODS[:1]))
    assert [o.image for o in found.outcomes] == ["0", "0", "2", "2"]
    assert {s.method for s in found.standings()} == {"bicubic", "bicubic:raw"}
    assert found.outcomes[0].scores.pixels == 32 * 32
    assert found.outcomes[1].scores.coarse_max < 0.01
    assert found.protocol["kind"] == "GrokLST"
    with pytest.raises(UsageError, match="has no split 'all'"):
        evaluate(EvaluationRequest(data=dataset, split="all", scale=4, contenders=METHODS[:1]))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"prediction": BandSource("a")},
        {"data": Path(), "reference": BandSource("a"), "prediction": BandSource("b")},
        {"data": Path()},
        {"data": Path(), "contenders": METHODS, "scenes": ["a"]},
        {"data": Path(), "contenders": METHODS, "judgement": Judgement(remove_bias=True)},
        {"prediction": BandSource("a"), "reference": BandSource("b"), "protocol": "wald_x8"},
    ],
)
def test_a_request_is_one_thing(given):
    with pytest.raises(UsageError):
        EvaluationRequest(**given)


def test_contenders_say_whether_means_are_kept():
    assert Contender.parse("ridge") == Contender("ridge", "ridge", "auto")
    assert Contender.parse("bicubic:raw") == Contender("bicubic:raw", "bicubic", "none")
    parsed = Contender.parse(r"C:\net.safetensors:conserved")
    assert (parsed.model, parsed.conserve) == (r"C:\net.safetensors", "kelvin")


def test_thresholds_hold_asked_methods_to_their_word(scenes):
    found = run_protocol(WALD, scenes, METHODS, scenes=["field"])
    ridge = found.standings()[0].summary.mean["rmse"]
    check_thresholds([Threshold.parse(f"rmse > {ridge + 1e-6}")], found, ["ridge"])
    with pytest.raises(ThresholdError, match="rmse of bicubic is"):
        check_thresholds([Threshold.parse(f"rmse>{ridge + 1e-6}")], found)
    with pytest.raises(ThresholdError, match="rmse of ridge is"):
        check_thresholds([Threshold.parse(f"rmse>={ridge!r}")], found, ["ridge"])
    with pytest.raises(ThresholdError, match="rmse_shifted of ridge is not defined"):
        check_thresholds([Threshold.parse("rmse_shifted>9")], found, ["ridge"])


@pytest.mark.parametrize("text", ["rmse", "rmse=1", "rmse>", "rmse>one", "rmse>nan", "len(x)>1"])
def test_a_threshold_is_a_name_a_sign_and_a_number(text):
    with pytest.raises(UsageError, match=r"write it as 'rmse>1\.5'"):
        Threshold.parse(text)


def test_thresholds_know_every_figure(scenes):
    found = run_protocol(WALD, scenes, METHODS[:1], scenes=["field"])
    assert set(found.standings()[0].figures()) == set(FIGURE_NAMES)
    with pytest.raises(UsageError, match="'size', which is not a score; choose from rmse"):
        Threshold.parse("size>1")


def test_results_are_plain_json_and_csv(scenes, tmp_path):
    found = run_protocol(WALD, scenes, METHODS[:1], scenes=["field"])
    text = json.dumps(found.to_json(), allow_nan=False)
    assert json.loads(text)["methods"][0]["summary"]["images"] == 1
    table = tmp_path / "scores.csv"
    found.write_csv(table, overwrite=False)
    head, *rows = table.read_text().splitlines()
    assert head.startswith("image,method,pixels,rmse,mae,bias,cc,rsd")
    assert len(rows) == 2
    with pytest.raises(OutputExistsError):
        found.write_csv(table, overwrite=False)


@pytest.mark.slow
@pytest.mark.scenes
def test_ridge_beats_bicubic_on_a_real_scene():
    found = run_protocol(
        find_protocol("wald_x8"),
        SHARED / "data" / "scenes",
        METHODS,
        scenes=["talca_l7_20130215"],
    )
    ratios = {s.method: s.ratio for s in found.standings()}
    assert ratios["ridge"] < 0.5
    assert 0.9 < ratios["bicubic"] < 1


@pytest.mark.slow
@pytest.mark.scenes("data/modis_aster")
def test_a_real_pair_of_sensors_agrees_as_its_makers_say():
    folder = SHARED / "data" / "modis_aster"
    shown: list[Shown] = []
    run_protocol(
        find_protocol("cross_sensor_modis_aster"),
        folder,
        METHODS[:1],
        scenes=["0"],
        follow=Follow(watch=shown.append),
    )
    stated = json.loads((folder / "0" / "scene.json").read_text())["modis_vs_aster_1km"]["bias_K"]
    assert shown[0].coarse is not None
    scale = shown[0].truth.shape[0] // shown[0].coarse.shape[0]
    bias = np.nanmean(shown[0].coarse - block_means(shown[0].truth, scale))
    assert bias == pytest.approx(stated, abs=0.05)
