import numpy as np
import pytest

from groklst_cli.data.variety import (
    ELEVATION,
    SPOILS,
    Piece,
    coarser,
    fewer_bands,
    shifted,
    varied,
    with_clouds,
    with_elevation,
)

BANDS = ("blue", "green", "red", "nir")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def piece() -> Piece:
    guide = rng(3).random((4, 60, 48)).astype(np.float32)
    return Piece((300 + 10 * guide[2]).astype(np.float32), guide, BANDS)


@pytest.mark.parametrize("factor", [1.5, 2.0, 2.5, 3.0])
def test_aggregating_keeps_the_mean_and_the_place_of_a_plane(factor):
    rows = (np.arange(60, dtype=np.float32)[:, None] + 0.5) * np.ones(60, np.float32)
    made = coarser(Piece(rows, rows[None], ("red",)), factor)
    assert made.truth.shape == (round(60 / factor), round(60 / factor))
    assert made.truth.mean() == pytest.approx(rows.mean(), abs=1e-4)
    middle = (np.arange(len(made.truth)) + 0.5) * factor
    np.testing.assert_allclose(made.truth[:, 0], middle, atol=0.51)


def test_a_gap_in_the_truth_stays_one_where_it_is_made_coarser(piece):
    piece.truth[10, 10] = np.nan
    made = coarser(piece, 2)
    assert np.argwhere(np.isnan(made.truth)).tolist() == [[5, 5]]


@pytest.mark.parametrize("way", [*SPOILS.values(), varied, fewer_bands, with_elevation])
def test_what_is_drawn_repeats_and_leaves_the_piece_as_it_was(piece, way):
    before = piece.guide.copy()
    first, second, other = way(piece, rng(1)), way(piece, rng(1)), way(piece, rng(2))
    np.testing.assert_array_equal(first.guide, second.guide)
    np.testing.assert_array_equal(first.truth, second.truth)
    np.testing.assert_array_equal(piece.guide, before)
    assert first.bands == second.bands
    assert len(first.bands) == len(first.guide)
    assert other.bands != first.bands or not np.array_equal(first.guide, other.guide)


def test_guides_are_moved_together_and_by_what_was_drawn(piece):
    down, across = rng(5).uniform(-1.3, 1.3, 2)
    rows, columns = np.mgrid[0:60, 0:48].astype(np.float32)
    moved = shifted(Piece(piece.truth, np.stack([rows, columns]), ("a", "b")), rng(5)).guide
    inner = (slice(3, -3), slice(3, -3))
    np.testing.assert_allclose(moved[0][inner], rows[inner] - down, atol=1e-4)
    np.testing.assert_allclose(moved[1][inner], columns[inner] - across, atol=1e-4)


def test_clouds_hide_3_to_20_per_cent(piece):
    hidden = np.isnan(with_clouds(piece, rng()).truth).mean()
    assert 0.02 < hidden < 0.21


def test_made_relief_is_a_band_more(piece):
    made = with_elevation(piece, rng())
    assert made.bands == (*BANDS, ELEVATION)
    assert made.guide[-1].std() == pytest.approx(100, rel=0.01)
