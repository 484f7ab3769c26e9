import re
from pathlib import Path

import numpy as np
import pytest

from groklst_cli.errors import OutputExistsError
from groklst_cli.geo.conserve import block_means
from groklst_cli.pipeline.evaluate.contenders import Judgement, Shown, judge
from groklst_cli.pipeline.evaluate.report import Report
from groklst_cli.pipeline.evaluate.scoreboard import Evaluation
from tests.browser import Browser

HARM = "<img src=x onerror=alert(1)>"


def shown(name: str, *, coarse: bool = True) -> Shown:
    """An image, a blurred and a noisy prediction of it; some of it is not known."""
    random = np.random.default_rng(0)
    rows, columns = np.indices((48, 64))
    truth = (300 + 6 * np.sin(rows / 5) * np.cos(columns / 7)).astype(np.float32)
    truth[:4, :9] = np.nan
    means = block_means(truth, 4).astype(np.float32)
    predictions = {
        "boxes": means.repeat(4, 0).repeat(4, 1),
        HARM: (truth + random.normal(0, 0.5, truth.shape)).astype(np.float32),
    }
    lst = means if coarse else None
    outcomes = {m: judge(name, m, p, truth, lst, Judgement()) for m, p in predictions.items()}
    return Shown(name, lst, truth, predictions, outcomes)


def write(folder: Path, *images: Shown) -> Path:
    page = Report(folder, overwrite=False)
    for image in images:
        page.watch(image)
    outcomes = [outcome for image in images for outcome in image.outcomes.values()]
    left_out = {HARM: "clouds & <more>"}
    return page.write(Evaluation("Wald & <b>co</b>", outcomes, "boxes", left_out))


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("report") / "page", shown("field"), shown(HARM))


def test_the_page_needs_nothing_but_itself(page):
    text = page.read_text(encoding="utf-8")
    sources = re.findall(r'src="([^"]+)"', text)
    assert len(sources) == 3 + 2 * 3
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"https?://|@import|url\(|<link", text)


def test_every_image_has_its_maps_scores_and_slider(page):
    text = page.read_text(encoding="utf-8")
    assert "<h3>field</h3>" in text
    assert text.count('class="slider"') == 2
    assert text.count("<table ") == 1 + 2
    assert text.count('<tr class="best">') == 1 + 2
    assert "To its left: coarse;" in text


def test_names_cannot_do_harm(page):
    text = page.read_text(encoding="utf-8")
    assert "<img src=x" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert "<h1>Wald &amp; &lt;b&gt;co&lt;/b&gt;</h1>" in text
    assert "clouds &amp; &lt;more&gt;" in text


def test_pictures_lie_beside_the_page_too(page):
    names = {path.name for path in (page.parent / "pictures").iterdir()}
    each = {f"{n}-{part}.png" for n in ("001", "002") for part in ("maps", "before", "after")}
    assert names == {"scores.png", "gradient.png", "scatter.png"} | each


def test_a_large_report_keeps_its_pictures_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr("groklst_cli.pipeline.evaluate.report._LARGE", 0)
    path = write(tmp_path / "page", shown("field"))
    sources = re.findall(r'src="([^"]+)"', path.read_text(encoding="utf-8"))
    assert sources
    assert all((path.parent / source).is_file() for source in sources)


def test_a_report_is_not_replaced_unless_told_so(page):
    with pytest.raises(OutputExistsError, match="--overwrite"):
        Report(page.parent, overwrite=False)
    Report(page.parent, overwrite=True)


def test_without_a_coarse_lst_the_slider_shows_the_truth(tmp_path):
    text = write(tmp_path / "page", shown("field", coarse=False)).read_text(encoding="utf-8")
    assert "To its left: truth;" in text
    assert "To its left: coarse;" not in text


def test_the_page_opens_in_a_browser(page, browser, tmp_path, monkeypatch):
    """Pictures that lie beside a page are let in by its policy."""
    monkeypatch.setattr("groklst_cli.pipeline.evaluate.report._LARGE", 0)
    beside = write(tmp_path / "page", shown("field"))
    for path, sliders in ((page, 2), (beside, 1)):
        _check_page(browser, path, sliders)


def _check_page(browser: Browser, path: Path, sliders: int) -> None:
    for width in (1240, 390):
        browser.open(path, width=width, height=2600, dark=width == 390)
        assert not browser.problems
        assert all(address.startswith(path.parent.as_uri()) for address in browser.asked)
        wide, seen = browser.run("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= seen == width
        assert browser.has_all_pictures()
    assert browser.run("document.querySelectorAll('.slider').length") == sliders
    browser.run("document.querySelector('.slider input').focus()")
    browser.press("End", 35)
    cut = "document.querySelector('.slider').style.getPropertyValue('--cut')"
    assert browser.run(cut) == "100%"
