"""Standard deviations are made a few rows at a time, and do not show it."""

from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from scipy.ndimage import gaussian_filter

from groklst_cli.geo.conserve import block_means
from groklst_cli.geo.error_model import DOUBTED
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.noise import Belief
from groklst_cli.pipeline.arrays.rasters import ArrayRaster, scene_of
from groklst_cli.pipeline.predict import deviation
from groklst_cli.pipeline.predict.default_scale import FoundScale
from groklst_cli.pipeline.predict.deviation import Evidence, Finished
from groklst_cli.pipeline.predict.planned import Planned
from groklst_cli.pipeline.predict.settings import Settings

SCALE, SHAPE = 4, (40, 22)
BELIEF = Belief(((1.0,),), noise=0.5, found=0.5, doubt=0.4, departure=0.3, spread=0.0)


@pytest.fixture
def make():
    """Return what makes a finished result, its coarse means kept or not."""
    rng = np.random.default_rng(4)
    fine = tuple(SCALE * side for side in SHAPE)
    guide, rest = (gaussian_filter(rng.normal(size=fine), 1.5) for _ in range(2))
    lst = block_means(300 + 30 * guide + 20 * rest, SCALE).astype(np.float32)
    lst[5:9, 7] = lst[30:, 20] = np.nan
    grid = Grid(CRS.from_epsg(32631), Affine(240, 0, 500_000, 0, -240, 4_400_000), *SHAPE)
    rasters = (
        ArrayRaster.of("lst", lst, grid),
        [ArrayRaster.of("guide", guide.astype(np.float32)[None], grid.refine(SCALE), ("guide",))],
    )
    with ExitStack() as held:

        def finished(conserve: str = "kelvin") -> Finished:
            settings = Settings(scale=SCALE, model="ridge", conserve=conserve)
            scene = held.enter_context(scene_of(settings, *rasters))
            ready = Planned.of(settings, scene, FoundScale(SCALE, "option")).ready(1)
            evidence, needed = Evidence(ready.plan.strip), ready.needed()
            tiles = ready.tile_rows(needed, ready.layout.groups_of(needed))
            rows = ready.finished(tiles, on_residual=evidence.add_residual)
            fine = np.concatenate([part for _, part in rows]).astype(np.float64)
            return Finished(
                lambda part: fine[part.start * SCALE : part.stop * SCALE],
                ready.plan,
                scene,
                evidence,
            )

        yield finished


def whole(finished: Finished) -> np.ndarray:
    return np.concatenate([part for _, part in finished.deviation_rows()])


@pytest.mark.parametrize("rows", [1, 7, 39])
@pytest.mark.parametrize("conserve", ["kelvin", "none"])
def test_rows_at_once_do_not_show_in_any_bit(make, monkeypatch, rows, conserve):
    finished = make(conserve)
    at_once = whole(finished)
    monkeypatch.setattr(deviation, "_FINE_ROWS", rows * SCALE)
    np.testing.assert_array_equal(whole(finished), at_once)


def test_it_is_positive_and_missing_exactly_where_the_lst_is(make):
    finished = make()
    made, lst = whole(finished), finished.scene.read_lst(slice(0, 40), slice(0, 22))
    gaps = np.isnan(lst).repeat(SCALE, 0).repeat(SCALE, 1)
    np.testing.assert_array_equal(np.isnan(made), gaps)
    assert (made[~gaps] > 0).all()


def test_noise_that_is_believed_adds_what_remains_in_doubt(make):
    exact = make()
    kept = replace(exact.plan.conservation, belief=BELIEF)
    noisy = replace(exact, plan=replace(exact.plan, conservation=kept))
    added = whole(noisy) ** 2 - whole(exact) ** 2
    np.testing.assert_allclose(added[np.isfinite(added)], (DOUBTED * BELIEF.doubt) ** 2, rtol=1e-3)


def test_means_that_were_not_kept_are_off_by_what_they_lack(make):
    kept, loose = make("kelvin"), make("none")
    assert np.nanmedian(whole(loose) - whole(kept)) > 0
    assert {part.means for _, part in kept.terms()} == {0.0}
