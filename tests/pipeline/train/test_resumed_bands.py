"""A run that goes on with its patches in another folder knows its bands by name, not by place."""

import signal
from dataclasses import replace

import pytest

from groklst_cli.data.truth import SceneFiles
from groklst_cli.errors import UsageError
from groklst_cli.pipeline.prepare.patches import Preparation, prepare
from groklst_cli.pipeline.train.fit import fit
from tests.data.folders import write_scene
from tests.pipeline.train.test_fit import same_weights, stop_at, tiny

pytestmark = pytest.mark.usefixtures("ctrl_c")


@pytest.fixture
def prepared(tmp_path):
    """Prepare the same patches with their bands in the order that is named."""
    scene = SceneFiles.find(write_scene(tmp_path / "town", (64, 20)))

    def with_bands(*bands):
        out = tmp_path / "-".join(bands)
        return str(prepare(Preparation((scene,), out, scale=2, patch=8, bands=bands)).out)

    return with_bands


def stopped(folder, out):
    options = tiny(folder, out, bands=(), steps=4)
    with pytest.raises(KeyboardInterrupt):
        fit(options, watch=stop_at(2, signal.SIGINT))
    return options


def test_a_run_goes_on_with_its_bands_in_another_order(prepared, tmp_path):
    first, other = prepared("red", "nir"), prepared("nir", "red")
    fit(tiny(first, tmp_path / "whole", bands=(), steps=4))
    options = stopped(first, tmp_path / "parts")
    fit(replace(options, data=other), resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "parts")


def test_a_run_does_not_go_on_with_patches_that_lack_its_bands(prepared, tmp_path):
    options = stopped(prepared("red", "nir"), tmp_path / "run")
    with pytest.raises(UsageError, match=r"began with bands red, nir.*lacks red.*--data"):
        fit(replace(options, data=prepared("nir", "green")), resume=True)
