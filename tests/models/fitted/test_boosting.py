"""Laws of the methods whose trees grow in a library of their own: XGBoost, LightGBM, CatBoost."""

import os
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from affine import Affine

from groklst_models.contract import FittedMethod, Tiles
from groklst_models.errors import ArgumentsError, MissingPackageError
from groklst_models.registry import REGISTRY, build
from groklst_models.threads import threads
from tests.conftest import SHARED, WriteRaster
from tests.models.toy_scene import ToyScene
from tests.trust.refusal import groklst

NAMES = [name for name, entry in REGISTRY.items() if entry.package is not None]
COARSE = Affine(240, 0, 500000, 0, -240, 4400000)
IN_ANOTHER_PROCESS = """
import pickle, sys
for name in sys.argv[1:]:
    with open(f"{name}.pickle", "rb") as file:
        method, tiles = pickle.load(file)
    with open(f"{name}.answer", "wb") as file:
        pickle.dump(method.predict(tiles), file)
"""


def fitted(name: str, scene: ToyScene, **arguments: Any) -> FittedMethod:
    method: FittedMethod = build(name, scale=scene.scale, **arguments)
    method.fit(scene)
    return method


def tiles_of(scene: ToyScene) -> Tiles:
    lst, guide = torch.from_numpy(scene.lst), torch.from_numpy(scene.guide)
    return Tiles(lst[None, None], guide[None], (0,), (0,))


@pytest.fixture(scope="module")
def scene() -> ToyScene:
    """A noisy scene, large enough for samples and features to be drawn."""
    made = ToyScene.make(("red", "nir", "swir1"), shape=(60, 50))
    noise = np.random.default_rng(1).normal(0, 0.5, made.lst.shape)
    return ToyScene(made.lst + noise.astype(np.float32), made.guide, made.bands, made.scale)


def test_there_are_three():
    assert NAMES == ["catboost", "lightgbm", "xgboost"]


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.method(n)) for n in NAMES])
class TestEachLibrary:
    def test_its_seed_decides_what_it_draws(self, name, scene):
        answers = [fitted(name, scene, seed=seed).predict(tiles_of(scene)) for seed in (3, 3, 4)]
        assert torch.equal(answers[0], answers[1])
        assert not torch.equal(answers[0], answers[2])

    def test_bits_do_not_depend_on_threads(self, name, scene):
        answers = []
        for count in (1, 3):
            with threads(count):
                answers.append(fitted(name, scene).predict(tiles_of(scene)))
        assert torch.equal(*answers)

    def test_it_says_nothing_and_leaves_no_file(self, name, scene, tmp_path, monkeypatch, capfd):
        monkeypatch.chdir(tmp_path)
        flat = ToyScene(np.full_like(scene.lst, 300), scene.guide, scene.bands, scene.scale)
        tiny = ToyScene.make(scene.bands, shape=(1, 2))
        for each in (scene, flat, tiny):
            method = pickle.loads(pickle.dumps(fitted(name, each)))
            method.predict(tiles_of(each))
        assert capfd.readouterr() == ("", "")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        "wrong", [{"trees": 0}, {"leaves": 1}, {"rate": 0}, {"rate": 1.5}, {"seed": -1}]
    )
    def test_a_number_out_of_range_is_refused(self, name, wrong):
        with pytest.raises(ArgumentsError, match=f"{next(iter(wrong))} is .* expected"):
            build(name, scale=4, **wrong)

    def test_more_trees_and_leaves_follow_the_samples_closer(self, name, scene):
        """Both numbers reach the library."""
        truth = torch.from_numpy(scene.lst)
        missed = {}
        for trees, leaves in ((3, 4), (40, 4), (40, 32)):
            method = fitted(name, scene, trees=trees, leaves=leaves)
            fine = method.predict(tiles_of(scene))
            means = torch.nn.functional.avg_pool2d(fine, scene.scale)[0, 0]
            missed[trees, leaves] = float((means - truth).square().mean())
        assert missed[3, 4] > missed[40, 4] > missed[40, 32]


@pytest.mark.method("catboost")
def test_trees_that_ask_level_by_level_have_a_power_of_two_of_leaves():
    for leaves in (12, 2**17):
        with pytest.raises(ArgumentsError, match=f"leaves is {leaves}, expected a power of two"):
            build("catboost", scale=4, leaves=leaves)


def test_another_process_answers_with_the_same_bits(scene, tmp_path):
    there = []
    for name in NAMES:
        try:
            REGISTRY[name].check_package()
        except MissingPackageError:
            continue
        method, tiles = fitted(name, scene), tiles_of(scene)
        (tmp_path / f"{name}.pickle").write_bytes(pickle.dumps((method, tiles)))
        there.append((name, method.predict(tiles)))
    if not there:
        pytest.skip("none of the three libraries is there")
    told = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS, *(name for name, _ in there)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
    for name, expected in there:
        answer = pickle.loads((tmp_path / f"{name}.answer").read_bytes())
        assert torch.equal(answer, expected)
    files = {path.suffix for path in tmp_path.iterdir()}
    assert files == {".pickle", ".answer"}


class TestWithoutTheLibraries:
    @pytest.fixture(autouse=True)
    def _gone(self, monkeypatch):
        for name in NAMES:
            monkeypatch.setitem(sys.modules, name, None)  # what import then says is "not found"

    @pytest.fixture
    def files(self, write_raster: WriteRaster, tmp_path, monkeypatch) -> None:
        rng = np.random.default_rng(0)
        guide = rng.uniform(0, 1, (32, 36)).astype(np.float32)
        lst = 295 + 10 * guide.reshape(8, 4, 9, 4).mean((1, 3))
        write_raster("lst.tif", lst.astype(np.float32), COARSE)
        write_raster("nir.tif", guide, COARSE * Affine.scale(1 / 4))
        monkeypatch.chdir(tmp_path)

    @pytest.mark.parametrize("name", NAMES)
    def test_one_line_says_what_to_install_before_a_file_is_opened(self, name, tmp_path, capsys):
        output = tmp_path / "fine.tif"
        code = groklst("downscale", str(tmp_path / "none.tif"), str(output), "-m", name)
        told = capsys.readouterr()
        assert (code, told.out) == (2, "")
        assert told.err == (
            f"groklst: {name} needs the package {name}, which is not installed; "
            "type: pip install 'groklst[boosting]'\n"
        )
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", NAMES)
    def test_python_meets_one_error(self, name):
        with pytest.raises(MissingPackageError, match=r"groklst\[boosting\]"):
            build(name, scale=4)

    def test_evaluate_refuses_before_it_works(self, files, capsys):
        assert groklst("evaluate", "--protocol", "wald_x4", "--data", ".", "-m", "xgboost") == 2
        assert "pip install 'groklst[boosting]'" in capsys.readouterr().err

    def test_the_list_names_them_all_the_same(self, capsys):
        assert groklst("models") == 0
        listed = capsys.readouterr().out
        assert [name for name in NAMES if name not in listed] == []
        for name in NAMES:
            assert groklst("models", name) == 0
            assert "groklst[boosting]" in capsys.readouterr().out

    def test_what_chooses_by_itself_does_without(self, files, capsys):
        assert groklst("downscale", "lst.tif", "fine.tif", "-g", "nir.tif", "-m", "auto") == 0
        assert "method best" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error", ["OSError('libgomp.so.1: cannot open')", "ValueError('no\\n\\nOpenMP')"]
)
def test_a_library_that_does_not_load_is_told_in_one_line(error, tmp_path, monkeypatch, capsys):
    (tmp_path / "lightgbm.py").write_text(f"raise {error}")
    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert groklst("downscale", "lst.tif", "fine.tif", "-m", "lightgbm") == 2
    line = capsys.readouterr().err
    assert line.startswith("groklst: lightgbm needs the package lightgbm, which cannot be loaded (")
    assert line.endswith("); groklst doctor says how to repair it\n")
    assert line.count("\n") == 1


@pytest.mark.scenes
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.method(n)) for n in NAMES])
def test_a_real_scene_comes_out_far_better_than_interpolated(name, capsys):
    scene = SHARED / "data" / "scenes" / "chiapas_l7_19991118"
    words = ("evaluate", "--protocol", "wald_x4", "--data", str(scene), "-m", name)
    assert groklst(*words, "--fail-if", "rmse>0.34") == 0
