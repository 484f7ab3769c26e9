"""``--log``: all that is said, when, and how it ended; in the way of nothing, without secrets."""

import os
import re
from pathlib import Path

import pytest

from groklst_cli.shown_text import masked
from tests.conftest import read
from tests.trust.refusal import groklst

RUN = ("downscale", "lst.tif", "fine.tif", "-g", "red.tif", "-s", "4", "-m", "ridge")
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d ")


def logged(path: str = "run.log") -> list[str]:
    first, *lines = Path(path).read_text(encoding="utf-8").splitlines()
    assert first == "groklst log"
    assert all(STAMP.match(line) for line in lines if line)
    return [STAMP.sub("", line) for line in lines]


def test_it_holds_what_stderr_says_and_command_options_and_end(scene, capsys):
    assert groklst(*RUN, "--log", "run.log") == 0
    said = capsys.readouterr().err.splitlines()
    lines = logged()
    assert lines[0].startswith("groklst 0.1.0: groklst downscale lst.tif fine.tif -g red.tif")
    assert {"scale = 4", 'model = "ridge"', 'log = "run.log"'} <= set(lines)
    assert [line for line in said if line not in lines] == []
    assert lines[-2].startswith("wrote fine.tif: ")
    assert re.fullmatch(r"end: exit code 0 after \d+\.\d s", lines[-1])


def test_it_hears_what_is_not_said(scene, capsys):
    assert groklst(*RUN, "--log", "run.log", "-q") == 0
    assert capsys.readouterr().err == ""
    assert "method ridge: asked for" in logged()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--bounds", "1", "2", "3", "4"), 3),
        (("--conserve", "kelvin", "--no-conserve"), 2),
        (("--workers", "2", "--scheduler", "tcp://h:1"), 2),
    ],
)
def test_a_failure_is_its_last_words(scene, capsys, words, code):
    assert groklst(*RUN, *words, "--log", "run.log") == code
    *_, said, end = logged()
    assert said == capsys.readouterr().err.rstrip()
    assert end.startswith(f"end: exit code {code} ")


def test_another_run_is_written_below_and_overwrite_begins_anew(scene):
    assert groklst(*RUN, "--log", "run.log") == 0
    assert groklst(*RUN, "--log", "run.log", "--skip-existing") == 0
    assert sum(line.startswith("end: ") for line in logged()) == 2
    assert groklst(*RUN, "--log", "run.log", "--overwrite") == 0
    assert sum(line.startswith("end: ") for line in logged()) == 1


def test_many_scenes_have_one(scene):
    Path("out").mkdir()
    words = ("downscale", "lst.tif", "none.tif", "-O", "out", "-s", "4", "-m", "bicubic")
    assert groklst(*words, "--log", "run.log") == 6
    lines = logged()
    assert [line for line in lines if line.startswith("none.tif failed with exit code 3: ")]
    assert lines[-1].startswith("end: exit code 6 ")


class TestItStandsInTheWayOfNothing:
    @pytest.fixture(autouse=True)
    def files(self, scene) -> None:
        Path("notes.txt").write_text("of others")
        Path("raster.log").write_bytes(Path("lst.tif").read_bytes())
        os.symlink("lst.tif", "soft.log")
        os.link("red.tif", "hard.log")

    @pytest.mark.parametrize(
        ("words", "code", "said"),
        [
            ("--log notes.txt", 4, "notes.txt exists, and is not a log of groklst"),
            ("--log raster.log --overwrite", 4, "raster.log exists, and is not a text file"),
            ("--log fine.tif", 2, "--log fine.tif must name a text file"),
            ("--log soft.log --overwrite", 2, "is an input or output of the run"),
            ("--log hard.log --overwrite", 2, "is an input or output of the run"),
            ("--log out.log -o out.log", 2, "is an input or output of the run"),
            ("--log none/run.log", 2, "there is no folder none"),
            (
                "--log run.toml.txt --config run.toml.txt --overwrite",
                2,
                "is an input or output of the run",
            ),
        ],
    )
    def test_it_is_refused_and_all_stays(self, capsys, words, code, said):
        Path("run.toml.txt").write_text("seed = 1\n")
        before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
        run = [word for word in RUN if word != "fine.tif"] if "-o" in words else RUN
        assert groklst(*run, *words.split()) == code
        assert said in capsys.readouterr().err
        assert {path: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before

    def test_a_text_is_replaced_where_that_is_said(self):
        assert groklst(*RUN, "--log", "notes.txt", "--overwrite") == 0
        assert logged("notes.txt")[-1].startswith("end: exit code 0")
        assert read("fine.tif").shape == (80, 88)

    def test_an_output_spares_the_file_of_options(self, capsys):
        Path("run.toml").write_text('model = "ridge"')
        words = ("downscale", "lst.tif", "-s", "4", "-g", "red.tif", "-o", "run.toml")
        assert groklst(*words, "--config", "run.toml", "--overwrite") == 2
        assert "run.toml is an input too" in capsys.readouterr().err
        assert Path("run.toml").read_text() == 'model = "ridge"'

    def test_an_early_failure_leaves_other_files(self):
        assert groklst(*RUN, "--log", "notes.txt", "--conserve", "x") == 2
        assert groklst(*RUN, "--log", "notes.txt", "--conserve", "kelvin", "--no-conserve") == 2
        assert Path("notes.txt").read_text() == "of others"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("https://me:pa%2Fss@host/a.tif", "https://***@host/a.tif"),
        ("/vsicurl/https://token@host/a.tif,band=2", "/vsicurl/https://***@host/a.tif,band=2"),
        ("https://h/a@b/c.tif", "https://h/a@b/c.tif"),
        ("https://h/a.tif?sv=1&sig=ab%2Fc&se=2", "https://h/a.tif?sv=1&sig=***&se=2"),
        ("'https://h/a?X-Amz-Signature=ab'", "'https://h/a?X-Amz-Signature=***'"),
        ("https://h/a?X-Amz-Credential=k/1&b", "https://h/a?X-Amz-Credential=***&b"),
        ("?token=t&url=https%3A%2F%2Fu%3Ap%40h%2Fa", "?token=***&url=https%3A%2F%2F***%40h%2Fa"),
        ("url=https%3A%2F%2Fh%3Fsig%3Dx%26b%3D1", "url=https%3A%2F%2Fh%3Fsig%3D***%26b%3D1"),
        ("PG:host=h password=abc dbname=d", "PG:host=h password=*** dbname=d"),
        ("--co COMPRESS=ZSTD key.tif", "--co COMPRESS=ZSTD key.tif"),
    ],
)
def test_credentials_are_masked(text, left):
    assert masked(text) == left


def test_a_log_and_the_tags_hold_none(scene):
    secret = "/vsicurl/https://me:pass@example.org/a.tif?sig=abc"
    assert groklst(*RUN, "-g", secret, "--log", "run.log") == 2
    text = Path("run.log").read_text()
    assert "https://***@example.org/a.tif?sig=***" in text
    assert "pass@" not in text
    assert "abc" not in text
