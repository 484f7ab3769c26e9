import numpy as np
import pytest
from matplotlib.figure import Figure

from groklst_cli.pipeline.evaluate import figures
from groklst_cli.pipeline.evaluate.contenders import Judgement, Shown, judge
from groklst_cli.pipeline.evaluate.pixels import Samples

LONG = "runs/of_a_place_with_a_long_name/mocolsk_x8_that_was_trained_for_long.safetensors"


@pytest.fixture
def drawn(monkeypatch) -> list[Figure]:
    """Collect figures instead of their files."""
    found: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: found.append(figure))
    return found


@pytest.mark.parametrize("methods", [["ridge"], ["auto", LONG], ["a", "b", "c", LONG, "e", "f"]])
@pytest.mark.parametrize("kind", ["scatter", "maps"])
def test_titles_lie_in_the_picture_and_apart_from_each_other(drawn, tmp_path, methods, kind):
    random = np.random.default_rng(0)
    truth = random.normal(300, 5, (40, 40)).astype(np.float32)
    made = {method: truth + random.normal(0, 1, truth.shape).astype("f4") for method in methods}
    if kind == "scatter":
        samples = {method: Samples.of(fine, truth) for method, fine in made.items()}
        figures.draw_scatter(samples, tmp_path / "a.png")
    else:
        outcomes = {m: judge("a", m, fine, truth, None, Judgement()) for m, fine in made.items()}
        figures.draw_maps(Shown("a", None, truth, made, outcomes), tmp_path / "a.png")
    (figure,) = drawn
    figure.draw_without_rendering()
    titles = [axes.title for axes in figure.axes if axes.get_title()]
    assert "".join(titles[0].get_text().split("\n")).startswith(methods[0])
    boxes = [title.get_window_extent() for title in titles]
    for box in boxes:
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:number])
