"""``groklst downscale --report``: a folder that is whole or absent, and pages a browser shows."""

import os
import re
import shutil
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from PIL import Image

from groklst_cli.app import app, run
from groklst_cli.pipeline.downscale import report_folder, scene_page
from tests.browser import Browser

COARSE = Affine(240, 0, 500000, 0, -240, 4390000)
FINE = COARSE * Affine.scale(1 / 4)
HARM = "c <script>alert(1)<b>"
COMMON = ("-g", "red.tif", "-s", "4", "-m", "ridge", "-j", "1", "-q")


@pytest.fixture
def scenes(write_raster, tmp_path, monkeypatch) -> Path:
    """Three LSTs, a guide for all, a file that is no raster, and a folder for what is made."""
    rng = np.random.default_rng(0)
    red = rng.uniform(0.05, 0.5, (48, 40))
    write_raster("red.tif", red.astype(np.float32), FINE)
    for name in ("a", "b", HARM):
        lst = 300 + 20 * red.reshape(12, 4, 10, 4).mean((1, 3)) + rng.normal(0, 0.1, (12, 10))
        write_raster(f"{name}.tif", lst.astype(np.float32), COARSE)
    (tmp_path / "broken & <i>.tif").write_bytes(b"II*\0nothing")
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def groklst(*arguments: str) -> int:
    return run(lambda: app(["downscale", *arguments]))


def left_behind() -> list[str]:
    return [str(path) for path in Path().rglob(".*unfinished*")]


def test_one_scene_has_one_page_that_says_how_to_repeat_it(scenes, capsys):
    name = "it's <b>.tif"
    assert groklst("a.tif", name, *COMMON[:-1], "--report", "page") == 0
    out, err = capsys.readouterr()
    assert out == f"{name}\n"
    assert f"report {os.path.join('page', 'index.html')}" in err
    assert os.listdir("page") == ["index.html"]
    text = Path("page/index.html").read_text(encoding="utf-8")
    (command,) = re.findall(r"<pre><code>(.*?)</code></pre>", text, re.DOTALL)
    quoted = "'it'\"'\"'s <b>.tif'"
    assert unescape(command).endswith(f"{quoted} {' '.join(COMMON[:-1])} --report page")
    assert "<b>" not in command
    assert not left_behind()


def test_a_folder_that_is_there_is_replaced_only_if_told_so(scenes, capsys):
    Path("page").mkdir()  # an empty one is free
    assert groklst("a.tif", "f.tif", *COMMON, "--report", "page") == 0
    before = Path("page/index.html").read_bytes()
    capsys.readouterr()
    assert groklst("b.tif", "g.tif", *COMMON, "--report", "page") == 4
    assert "page exists; add --overwrite" in capsys.readouterr().err
    assert not Path("g.tif").exists()
    assert Path("page/index.html").read_bytes() == before
    assert groklst("b.tif", "-o", "g.tif", *COMMON, "--report", "page", "--overwrite") == 0
    assert Path("page/index.html").read_bytes() != before


@pytest.mark.parametrize(
    ("name", "content"),
    [("index.html", "<html>of others"), ("notes.txt", "of others"), ("index.html/x", "")],
)
def test_what_is_not_a_report_stays(scenes, capsys, name, content):
    path = Path("page", name)
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert groklst("a.tif", "f.tif", *COMMON, "--report", "page", "--overwrite") == 4
    assert "was not written by this command" in capsys.readouterr().err
    assert path.read_text() == content
    assert not Path("f.tif").exists()


def test_a_file_beside_the_pages_is_not_lost_with_them(scenes, capsys):
    assert groklst("a.tif", "f.tif", *COMMON, "--report", "page") == 0
    Path("page/notes.txt").write_text("mine")
    assert groklst("a.tif", "-o", "f.tif", *COMMON, "--report", "page", "--overwrite") == 4
    assert "notes.txt was not written by this command" in capsys.readouterr().err
    assert Path("page/notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["page/f.tif"], "page/f.tif would be written into --report page"),
        (["f.tif", "--uncertainty", "page/sd.tif"], "page/sd.tif would be written into"),
        (["f.tif", "--log", "page/a.log"], "page/a.log would be written into"),
        (["f.tif", "--report", "absent/page"], "absent/page cannot be created"),
        (["f.tif", "--report", "/vsimem/page"], "/vsimem/page cannot be created"),
    ],
)
def test_a_folder_that_cannot_be_one_is_refused_before_anything_is_made(
    scenes, capsys, more, words
):
    Path("page").mkdir()
    assert groklst("a.tif", *COMMON, "--report", "page", *more) == 2
    err = capsys.readouterr().err.replace(os.sep, "/")
    assert words in err
    assert err.count("\n") == 1
    assert not [name for name in os.listdir("page") if not name.endswith(".log")]
    assert not Path("f.tif").exists()


def test_a_plan_checks_the_folder_and_makes_none(scenes, capsys):
    assert groklst("a.tif", "f.tif", *COMMON, "--report", "page", "--dry-run") == 0
    assert groklst("a.tif", "-O", "out", *COMMON, "--report", "page", "--dry-run") == 0
    assert not Path("page").exists()
    Path("page").mkdir()
    Path("page/notes.txt").write_text("mine")
    capsys.readouterr()
    assert groklst("a.tif", "f.tif", *COMMON, "--report", "page", "--dry-run") == 4
    assert groklst("a.tif", "-O", "out", *COMMON, "--report", "page", "--dry-run") == 4
    assert os.listdir("page") == ["notes.txt"]


def test_a_run_that_fails_leaves_no_report(scenes):
    assert groklst("broken & <i>.tif", "f.tif", *COMMON, "--report", "page") == 3
    assert not Path("page").exists()
    assert not left_behind()


def test_an_interrupted_run_leaves_no_report_and_the_next_one_makes_it(scenes, monkeypatch):
    written = scene_page.scene_page

    def stop(*arguments: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(scene_page, "scene_page", stop)
    assert groklst("a.tif", "-o", "f.tif", *COMMON, "--report", "page") == 130
    assert not Path("page").exists()
    assert not left_behind()
    monkeypatch.setattr(scene_page, "scene_page", written)
    assert groklst("a.tif", "-o", "f.tif", *COMMON, "--report", "page", "--resume") == 0
    assert groklst("a.tif", "-o", "f.tif", *COMMON, "--report", "page", "--resume") == 0
    assert "made by an earlier run" in Path("page/index.html").read_text(encoding="utf-8")


def many(*more: str) -> int:
    names = ("a.tif", "broken & <i>.tif", f"{HARM}.tif")
    return groklst(*names, "--out-dir", "out", *COMMON[:-3], *(more or ("-j", "1")), "-q")


def test_many_scenes_have_a_page_that_leads_to_each_and_names_what_failed(scenes):
    assert many("--report", "pages", "-j", "1") == 6
    text = Path("pages/index.html").read_text(encoding="utf-8")
    assert "3 scenes: 2 done, 1 failed" in text
    links = re.findall(r'href="([^"]+)">([^<]+)<', text)
    assert [unescape(name) for _, name in links] == ["a_x4.tif", f"{HARM}_x4.tif"]
    assert sorted(os.listdir("pages")) == sorted([*(link for link, _ in links), "index.html"])
    assert re.search(r"broken &amp; &lt;i&gt;\.tif.*<b>failed</b>, exit code 3: ", text)
    assert "<i>" not in text
    assert text.count("<script") == 1
    for link, name in links:
        page = Path("pages", link).read_text(encoding="utf-8")
        assert f"<h1>{name}</h1>" in page
        assert 'href="index.html"' in page
    assert not left_behind()
    assert many("--report", "pages", "--skip-existing", "-j", "1") == 6
    assert "2 done by an earlier run, 1 failed" in Path("pages/index.html").read_text()


def test_a_disk_that_refuses_the_last_page_leaves_the_maps(scenes, capsys, monkeypatch):
    write = Path.write_text

    def refuse(path: Path, text: str, **options: str) -> int:
        if path.name == "index.html":
            raise OSError(28, "No space left on device")
        return write(path, text, **options)

    monkeypatch.setattr(Path, "write_text", refuse)
    assert groklst("a.tif", "-O", "out", *COMMON, "--report", "pages") == 1
    assert "the report could not be written: No space left" in capsys.readouterr().err
    assert os.listdir("out") == ["a_x4.tif"]
    assert not Path("pages").exists()
    assert not left_behind()


@pytest.mark.slow
def test_scenes_side_by_side_have_the_same_pages(scenes):
    assert many("--report", "one", "-j", "1") == 6
    shutil.rmtree("out")
    Path("out").mkdir()
    assert many("--report", "two", "-j", "2") == 6
    assert sorted(os.listdir("one")) == sorted(os.listdir("two"))
    for name in os.listdir("one"):
        pictures = [
            re.findall("data:[^\"']+", Path(folder, name).read_text(encoding="utf-8"))
            for folder in ("one", "two")
        ]
        assert pictures[0] == pictures[1]


def test_pages_of_scenes_with_one_name_do_not_collide(tmp_path):
    class Asked:
        def __init__(self, output: str) -> None:
            self.output = Path(output)

    outputs = ("a/fine.tif", "b/fine.tif", "ü.tif", f"{'x' * 300}.tif", "../../up.tif")
    names = [report_folder._page_name(n, Asked(o)) for n, o in enumerate(outputs, 1)]  # type: ignore[arg-type]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"\d{4,}-[A-Za-z0-9_-]{1,60}\.html", name) for name in names)


WIDTHS = {"desktop": 1280, "phone": 390}


def test_a_browser_shows_it(scenes, browser: Browser):
    name = f"{HARM * 6}.tif"
    assert groklst("a.tif", name, *COMMON, "--uncertainty", "sd.tif", "--report", "one") == 0
    page = scenes / "one" / "index.html"
    for width in WIDTHS.values():
        for dark in (False, True) if width == 1280 else (True,):
            browser.open(page, width=width, height=1400, dark=dark)
            assert not browser.problems
            assert browser.asked == [page.resolve().as_uri()]
            wide, seen = browser.run("[document.documentElement.scrollWidth, innerWidth]")
            assert wide <= seen == width
            assert browser.has_all_pictures()
            paper, ink = (
                _light(browser.run(f"getComputedStyle(document.body).{key}"))
                for key in ("backgroundColor", "color")
            )
            assert (paper < ink) == dark
            assert abs(paper - ink) > 150
            assert browser.run("document.body.innerText").count("alert(1)") > 6  # it is not run
            _check_slider(browser, scenes)
            assert not browser.problems


def _check_slider(browser: Browser, folder: Path) -> None:
    """Move the line by keys and by the mouse: the maps to its left and right are the right ones."""
    box = browser.run("JSON.stringify(document.querySelector('.views').getBoundingClientRect())")
    left, top, across, down = (
        float(re.search(rf'"{key}":([\d.]+)', box)[1]) for key in ("x", "y", "width", "height")
    )
    middle = _seen(browser, folder)
    browser.run("document.querySelector('input').focus({preventScroll: true})")
    browser.press("End", 35)
    assert browser.run("document.querySelector('input').value") == "100"
    coarse = _seen(browser, folder)
    browser.press("Home", 36)
    fine = _seen(browser, folder)
    browser.press("ArrowRight", 39)
    assert browser.run("document.querySelector('input').value") == "0.5"
    area = np.s_[int(top) + 8 : int(top + down) - 8, int(left) + 8 : int(left + across) - 8]
    assert _apart(coarse[area], fine[area]) > 0.1
    half = coarse[area].shape[1] // 2
    assert _apart(middle[area][:, : half - 12], coarse[area][:, : half - 12]) < 0.01
    assert _apart(middle[area][:, half + 12 :], fine[area][:, half + 12 :]) < 0.01
    browser.drag((left + across / 4, top + down / 2), (left + across * 3 / 4, top + down / 2))
    assert float(browser.run("document.querySelector('input').value")) == pytest.approx(75, abs=1)


def test_a_browser_follows_the_links(scenes, browser: Browser):
    assert many("--report", "pages", "-j", "1") == 6
    for width in WIDTHS.values():
        browser.open(scenes / "pages" / "index.html", width=width)
        assert not browser.problems
        wide, seen = browser.run("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= seen == width
        assert "failed, exit code 3" in browser.run("document.body.innerText")
    for link in browser.run("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))"):
        browser.open(scenes / "pages" / link, width=1280)
        assert browser.run("document.querySelector('a').innerText") == "All scenes"
        assert not browser.problems


def _light(colour: str) -> float:
    red, green, blue = map(float, re.findall(r"[\d.]+", colour)[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _seen(browser: Browser, folder: Path) -> np.ndarray:
    with Image.open(browser.picture(folder / "seen.png")) as picture:
        return np.asarray(picture.convert("RGB"), dtype=float) / 255


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    """Return the share of pixels in which two pictures differ."""
    return float((np.abs(one - other).max(axis=-1) > 0.05).mean())
