"""The recipes in the repository: every option is one, and they train at both scales."""

from pathlib import Path

import pytest

from groklst_cli.data.truth import SceneFiles
from groklst_cli.errors import UsageError
from groklst_cli.pipeline.prepare.patches import Preparation, prepare
from groklst_cli.pipeline.train.fit import fit
from groklst_cli.pipeline.train.recipes import collect
from groklst_models.checkpoint import load
from tests.data.folders import write_scene

RECIPES = Path(__file__).resolve().parents[3] / "recipes"
SMALL = ["steps=1", "batch=1", "crop=16", "workers=0", "warmup=0"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    return write_scene(tmp_path_factory.mktemp("scenes") / "town", (96, 24))


@pytest.mark.parametrize("name", ["mocolsk_landsat", "pgdm_small_landsat"])
def test_it_takes_scenes_that_lack_bands_and_states_them_all(name):
    chosen = collect(RECIPES / f"{name}.toml", {}, [])
    assert chosen.band_dropout > 0
    assert chosen.bands == ("blue", "green", "red", "nir", "swir1", "swir2", "ndvi", "dem")
    assert chosen.trend
    assert collect(RECIPES / f"{name}.toml", {"scale": 8}, []).scale == 8


@pytest.mark.parametrize(("name", "scale"), [("mocolsk_landsat", 4), ("pgdm_small_landsat", 8)])
def test_it_trains(name, scale, scene, tmp_path):
    files = (SceneFiles.find(scene),)
    made = prepare(Preparation(files, tmp_path / "set", scale=scale, patch=16, patches_only=True))
    flags = {"data": str(made.out), "out": str(tmp_path / "run"), "scale": scale, "device": "cpu"}
    small = [*SMALL, "arguments.width=8", "arguments.attention=[1]", "arguments.multipliers=[1,2]"]
    sets = small if name.startswith("pgdm") else [*SMALL, "arguments.width=4"]
    chosen = collect(RECIPES / f"{name}.toml", flags, [*sets, "bands=green,red,nir,ndvi"])
    header = load(fit(chosen).checkpoint).header
    assert header.normalization.optional_bands
    assert header.normalization.trend
    assert header.scale == scale


def test_a_key_that_is_no_option_is_refused_in_one_line(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text((RECIPES / "mocolsk_landsat.toml").read_text().replace("crop =", "crops ="))
    with pytest.raises(UsageError, match="there is no option 'crops'; options are recipe, data"):
        collect(path, {}, [])
