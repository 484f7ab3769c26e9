"""The notebooks of ``docs/notebooks``: they hold no output, and their cells run in order."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.pages import ROOT
from website.notebooks import cells, page

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
EACH = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Be in the notebooks' folder of a checkout that holds no more than they need."""
    samples = tmp_path / "sample_data"
    samples.mkdir()
    for script in (ROOT / "sample_data").glob("*.py"):
        shutil.copy(script, samples)
    there = tmp_path / "docs" / "notebooks"
    there.mkdir(parents=True)
    monkeypatch.chdir(there)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "models")]))
    return tmp_path


def variables_of(notebook: Path) -> dict[str, Any]:
    """Run a notebook's code as Jupyter would, and return what it leaves."""
    import matplotlib
    import matplotlib.pyplot as plt

    matplotlib.use("Agg")
    variables: dict[str, Any] = {}
    try:
        for number, (kind, text) in enumerate(cells(notebook), 1):
            if kind == "code":
                exec(compile(text, f"{notebook.name}, cell {number}", "exec"), variables)
        variables["figures"] = len(plt.get_fignums())
    finally:
        plt.close("all")
    return variables


def test_there_are_two():
    assert [notebook.stem for notebook in NOTEBOOKS] == ["network", "one_scene"]


@EACH
def test_it_holds_no_output(notebook):
    stored = json.loads(notebook.read_text(encoding="utf-8"))
    for cell in stored["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert cell["metadata"] == {}


@EACH
def test_its_page_has_every_cell_in_order(notebook):
    text, place = page(notebook), 0
    assert text.startswith("# ")
    assert f"]({notebook.name})" in text
    for kind, source in cells(notebook):
        assert kind in ("markdown", "code")
        place = text.index(source.splitlines()[-1], place)


@pytest.mark.slow
def test_one_scene_comes_to_a_map_and_honest_error_bars(checkout):
    left = variables_of(ROOT / "docs" / "notebooks" / "one_scene.ipynb")
    scores = left["scores"]
    assert scores["RMSE, fine (K)"] < scores["RMSE, bicubic (K)"]
    assert 0.5 < scores["share within 1 standard deviation"] < 0.9
    assert 0.85 < scores["share within 1.96"] < 1
    assert left["figures"] == 2
    written = {path.name for path in (checkout / "try" / "one_scene").glob("lst_30m*")}
    assert written == {"lst_30m.tif", "lst_30m_sigma.tif"}


@pytest.mark.slow
def test_a_network_is_trained_and_judged(checkout):
    left = variables_of(ROOT / "docs" / "notebooks" / "network.ipynb")
    scores = left["scores"]
    assert scores["ridge"] < scores["run/best.safetensors"] < scores["bicubic"]  # as it says
    assert left["fine"].shape == (256, 256)
    assert left["figures"] == 2


@pytest.mark.slow
@EACH
def test_jupyter_runs_it(notebook, checkout):
    nbformat = pytest.importorskip("nbformat", reason="Jupyter is not installed")
    client = pytest.importorskip("nbclient", reason="Jupyter is not installed")
    pytest.importorskip("ipykernel", reason="Jupyter is not installed")
    loaded = nbformat.read(notebook, as_version=4)
    nbformat.validate(loaded)
    client.NotebookClient(loaded, timeout=600, resources={"metadata": {"path": "."}}).execute()
