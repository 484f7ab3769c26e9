"""What a picture shows: panels of a bounded size, each in its place, with the right numbers."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale import watched
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.downscale.watched import MeansOf
from tests.pipeline.downscale.small_scene import SCALE, write_small_scene


@pytest.fixture(autouse=True)
def files(write_raster, tmp_path, monkeypatch) -> None:
    write_small_scene(write_raster)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def drawn(monkeypatch) -> list[Figure]:
    """Figures as they are written."""
    found: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *arguments: object, **options: object) -> None:
        found.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return found


def request(lst: str = "lst.tif", **changes: object) -> Request:
    asked = {"scale": SCALE, "model": "ridge", "picture": Path("p.png"), **changes}
    return Request(BandSource(lst), Path("fine.tif"), (BandSource("red.tif"),), **asked)


def panels(figure: Figure) -> list[tuple[str, np.ndarray]]:
    shown = [axis for axis in figure.axes if axis.images and axis.get_title()]
    return [(axis.get_title(), axis.images[0].get_array().filled(np.nan)) for axis in shown]


def labels(figure: Figure) -> list[str]:
    return [axis.get_ylabel() for axis in figure.axes if axis.get_ylabel()]


@pytest.mark.parametrize(("lst", "unit", "low"), [("lst.tif", "K", 290), ("celsius.tif", "°C", 20)])
def test_panels_have_legends_and_the_lsts_unit(drawn, lst, unit, low):
    downscale(request(lst, uncertainty=Path("sigma.tif")))
    (figure,) = drawn
    (coarse, before), (fine, after), (left, residual), (sure, sigma) = panels(figure)
    assert (coarse, fine) == ("LST, 240 m a pixel", "result, 60 m a pixel")
    assert left.startswith("LST − coarse means of the method, RMS 0.")
    assert left.endswith("after conservation: 0.000 K")
    assert sure == "standard deviation of the result"
    assert labels(figure) == [f"LST ({unit})"] * 2 + ["residual (K)", "standard deviation (K)"]
    assert before.shape == residual.shape == (20, 22)
    assert after.shape == sigma.shape == (80, 88)
    assert low < np.nanmean(before) == pytest.approx(np.nanmean(after), abs=0.01)
    assert np.isnan(before[3, 4])
    assert np.isnan(residual[3, 4])
    assert figure.get_suptitle() == "ridge ×4 by red; EPSG:32647"


def test_without_conserving_the_residual_is_what_the_result_lacks(drawn):
    downscale(request(conserve="none"))
    (figure,) = drawn
    *_, (title, residual) = panels(figure)
    rms = np.sqrt(np.nanmean(residual**2))
    assert title == f"LST − coarse means of the result, RMS {rms:.3f} K"
    assert rms > 0.01


def test_another_grid_has_its_own_extent(drawn):
    downscale(request(scale=None, like="like.tif"))
    (figure,) = drawn
    (_, before), (title, after), _ = panels(figure)
    assert before.shape != after.shape == (15, 20)
    assert "m a pixel" in title
    assert figure.axes[1].get_xlim() == (0, 20)
    assert figure.axes[0].get_xlim() != (0, 20)


@pytest.mark.parametrize("side", [1, 7, 20])
def test_a_panel_is_bounded_and_a_block_is_the_mean_of_what_is_known(monkeypatch, side):
    monkeypatch.setattr(watched, "SIDE", side)
    values = np.random.default_rng(1).normal(0, 1, (20, 13))
    values[2:9, 3:8] = np.nan
    means = MeansOf(values.shape)
    for row in range(0, 20, 3):
        means.add(row, values[row : row + 3])
    block = -(-20 // side)
    assert max(means.values.shape) <= side
    for (row, column), mean in np.ndenumerate(means.values):
        part = values[row * block : (row + 1) * block, column * block : (column + 1) * block]
        known = part[np.isfinite(part)]
        assert np.isnan(mean) if not known.size else mean == pytest.approx(known.mean())


def test_a_scene_without_a_value_is_drawn(write_raster, drawn):
    """A part that holds nothing known has panels too."""
    downscale(request(bounds=(500960, 4389040, 501200, 4389280)))
    assert len(panels(drawn[0])) == 3
