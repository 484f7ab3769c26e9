import re
import shlex
import subprocess
import sys

import pytest
import rasterio

from groklst_cli.data.patches import MANIFEST
from groklst_cli.data.truth import SceneFiles
from groklst_cli.errors import InputError
from groklst_cli.pipeline.prepare.patches import Preparation, prepare
from tests.data.folders import TOWN, write_scene, write_tif


@pytest.fixture
def scenes(tmp_path):
    """Two scenes; the bands of the second are scaled integers whose tag is lost."""
    first = write_scene(tmp_path / "town", (32, 48))
    second = write_scene(tmp_path / "village", (32, 48), seed=1, east=50_000)
    for name in TOWN:
        with rasterio.open(second / f"{name}.tif") as raster:
            values = raster.read(1)
        write_tif(second / f"{name}.tif", 10_000 * values, east=50_000)
    return first, second


def asked(tmp_path, scenes) -> Preparation:
    files = [SceneFiles.find(scene) for scene in scenes]
    return Preparation(files, tmp_path / "set", scale=2, patch=8, whole={"town": "val"})


def test_scenes_of_which_one_lacks_its_scale_are_refused_and_the_command_mends_them(
    tmp_path, scenes
):
    for _ in range(len(TOWN) + 1):  # a band at a time
        try:
            prepare(asked(tmp_path, scenes))
        except InputError as error:
            told = str(error)
        else:
            break
        assert re.search(
            r"has a mean of 0\.\d+ in town and of \d+(\.\d+)?(e\+\d+)? in village", told
        )
        assert not (tmp_path / "set").exists()
        typed = shlex.split(told.partition("with a command such as: ")[2])
        subprocess.run([sys.executable, *typed[1:]], check=True)
    assert (tmp_path / "set" / MANIFEST).is_file()


def test_what_land_moves_may_differ_by_any_factor(tmp_path, scenes):
    first, second = scenes
    for folder, height, east in ((first, 2.0, 0), (second, 3000.0, 50_000)):
        for name in TOWN:
            (folder / f"{name}.tif").unlink()
        write_tif(folder / "dem.tif", height + rasterio.open(folder / "lst.tif").read(1), east=east)
    prepare(asked(tmp_path, scenes))
