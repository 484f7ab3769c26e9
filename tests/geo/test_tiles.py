import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groklst_cli.geo.mosaic import Mosaic, TileRow
from groklst_cli.geo.tiles import Cover


@st.composite
def covers(draw: st.DrawFn) -> Cover:
    tile = draw(st.integers(1, 12))
    return Cover(
        draw(st.integers(1, 60)), tile, draw(st.integers(0, tile // 2)), draw(st.integers(0, 4))
    )


@given(covers(), st.sampled_from([1, 2, 4, 8]))
def test_tiles_cover_the_axis_and_weights_sum_to_one(cover, scale):
    total = np.zeros(cover.size * scale)
    for span, weight in zip(cover.spans, cover.weights(scale), strict=True):
        assert (weight >= 0).all()
        total[span.start * scale : span.stop * scale] += weight
    np.testing.assert_allclose(total, 1, atol=1e-12)


@given(covers())
def test_all_tiles_have_one_size_and_lie_inside(cover):
    assert {s.stop - s.start for s in cover.spans} == {min(cover.tile, cover.size)}
    assert cover.spans[0].start == 0
    assert cover.spans[-1].stop == cover.size
    for span in cover.spans:
        assert span.outer_start == max(0, span.start - cover.halo)
        assert span.outer_stop == min(cover.size, span.stop + cover.halo)


@given(covers(), st.data())
def test_touching_finds_exactly_the_tiles_that_touch(cover, data):
    start = data.draw(st.integers(0, cover.size - 1))
    part = slice(start, data.draw(st.integers(start + 1, cover.size)))
    found = set(cover.touching(part))
    expected = {
        i
        for i, s in enumerate(cover.spans)
        if set(range(s.start, s.stop)) & set(range(cover.size)[part])
    }
    assert found == expected


def covering(cover):
    """How many cores cover each pixel of the axis."""
    return sum(
        np.isin(np.arange(cover.size), np.arange(span.start, span.stop)).astype(int)
        for span in cover.spans
    )


@given(covers())
def test_pieces_are_the_core_cut_where_seams_begin_and_end(cover):
    shared = np.zeros(cover.size, bool)
    for seam in cover.seams:
        shared[seam] = True
    np.testing.assert_array_equal(shared, covering(cover) > 1)
    for index, span in enumerate(cover.spans):
        pieces = cover.pieces(index)
        found = [pixel for piece, _ in pieces for pixel in range(piece.start, piece.stop)]
        assert found == list(range(span.start, span.stop))
        for piece, seam in pieces:
            assert shared[piece].any() == shared[piece].all() == (seam is not None)
            assert seam is None or (seam in cover.seams and seam.start <= piece.start < seam.stop)


def test_a_tiles_outermost_pixels_weigh_next_to_nothing():
    cover = Cover(size=100, tile=40, overlap=10)
    first = cover.weights(4)[0]
    assert first[-1] < 0.002
    assert first[0] == 1  # the scene's edge has no neighbour to lean on


@pytest.mark.parametrize("bad", [(10, 0, 0, 0), (0, 4, 0, 0), (10, 4, 3, 0), (10, 4, -1, 0)])
def test_impossible_covers_are_refused(bad):
    with pytest.raises(ValueError, match="Cover"):
        Cover(*bad)


@given(covers(), covers(), st.sampled_from([2, 4]))
def test_a_mosaic_of_cut_up_values_is_the_values(rows, columns, scale):
    values = (
        np.random.default_rng(0)
        .normal(300, 20, (rows.size * scale, columns.size * scale))
        .astype(np.float32)
    )
    mosaic = Mosaic(rows, scale)
    made = []
    for i, down in enumerate(rows.spans):
        tile_row = TileRow(down, columns, scale, slice(0, columns.size))
        for j, across in enumerate(columns.spans):
            tile_row.add(
                j,
                values[
                    down.start * scale : down.stop * scale,
                    across.start * scale : across.stop * scale,
                ],
            )
        mosaic.add(i, tile_row.fine())
        last = i == len(rows.spans) - 1
        made.append(mosaic.take(down.stop if last else rows.spans[i + 1].start)[1])
    blended = np.concatenate(made)
    np.testing.assert_allclose(blended, values, atol=1e-4)
    alone = [covering(cover).repeat(scale) == 1 for cover in (rows, columns)]
    np.testing.assert_array_equal(blended[np.ix_(*alone)], values[np.ix_(*alone)])
