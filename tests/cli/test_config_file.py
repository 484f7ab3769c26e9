"""Laws of ``--config`` and ``--print-config``: what is printed and read again is the same run."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from groklst_cli.errors import GroklstError
from groklst_cli.pipeline.downscale import many_scenes, one_scene
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.downscale.running import Running
from groklst_cli.pipeline.predict.option import Option, options_of
from groklst_cli.pipeline.predict.settings import Settings
from tests.trust.refusal import groklst

OPTIONS = options_of(Settings, Running)
RUN = ("downscale", "lst.tif", "out.tif")
SPECIAL = {
    "model": "ridge",
    "coregister": "0.5,-0.25",
    "psf": "1.5",
    "noise": "0.25",
    "batch": "3",
    "device": "cpu",
    "like": "lst.tif",
    "scheduler": "tcp://host:8786",
    "creation": "COMPRESS=ZSTD",
    "bounds": "500000 4370000.5 510000 4390000",
    "picture": 'a "picture" of \\ ünicode \t tab.png',
}
"""What is typed for options whose kind does not say it."""

OTHERS = {
    "guide": ["-g", "a=one.tif,band=2", "-g", "two.tif"],
    "mask": ["--mask", "qa.tif:bits=3,4"],
    "guide_mask": ["--guide-mask", "a=qa.tif"],
    "src_nodata": ["--src-nodata", "-9999"],
    "output": ["-o", "out.tif"],
    "log": ["--log", "run.log"],
    "no_conserve": ["--no-conserve"],
    "json": ["--json"],
    "quiet": ["-q"],
}


def words_for(name: str, option: Option) -> list[str]:
    """Type another value than the default."""
    if option.kind is bool:
        return [option.flag.partition("/")[0]]
    if option.words and option.words[-1] not in ("methods", "cuda", "mps"):
        return [option.flag, option.words[-1]]
    typed = {int: str(int(option.low or 0) + 3), float: "0.25", Path: "beside.tif"}
    text = SPECIAL.get(name) or typed[option.kind]
    return [option.flag, *(text.split() if name == "bounds" else [text])]


WORDS = {**{name: words_for(name, option) for name, option in OPTIONS.items()}, **OTHERS}


@pytest.fixture
def asked(monkeypatch, tmp_path) -> list[Request]:
    """Requests that came through, none of which is carried out."""
    monkeypatch.chdir(tmp_path)
    found: list[Request] = []

    def keep(request: Request, **listeners: Any) -> None:
        found.append(request)
        raise GroklstError("kept")

    monkeypatch.setattr("groklst_cli.geo.absent.refuse_absent", lambda *files: None)
    monkeypatch.setattr(one_scene, "downscale", keep)
    monkeypatch.setattr(many_scenes, "downscale", keep)
    return found


def printed(capsys, *words: str) -> str:
    assert groklst(*words, "--print-config") == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def facts(request: Request) -> str:
    return repr(request).partition(", provenance=")[0]


@pytest.mark.parametrize("name", WORDS)
def test_what_is_printed_is_the_same_run_and_prints_the_same(name, asked, capsys):
    run = RUN[:2] if name == "output" else RUN
    text = printed(capsys, *run, *WORDS[name])
    assert list(Path().iterdir()) == []
    Path("run.toml").write_text(text, encoding="utf-8")
    assert printed(capsys, "downscale", "--config", "run.toml") == text
    assert groklst(*run, *WORDS[name]) == groklst("downscale", "--config", "run.toml") == 1
    typed, read = asked
    assert facts(typed).replace("'argument'", "'option'") == facts(read)


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_is_a_key_and_a_flag_goes_before_it(name, asked, capsys):
    key = OPTIONS[name].flag.partition("/")[0].removeprefix("--").replace("-", "_")
    assert f"\n{key} = " in printed(capsys, *RUN, *WORDS[name])
    plain = printed(capsys, *RUN, *WORDS[name])
    Path("run.toml").write_text(plain, encoding="utf-8")
    others = {"scale": ["-s", "7"], "seed": ["--seed", "9"], "picture": ["--picture", "p.png"]}
    if name in others:
        words = ("downscale", "--config", "run.toml", *others[name])
        said = tomllib.loads(printed(capsys, *words))
        assert str(said[key]) == others[name][1]


def test_what_is_typed_goes_before_the_file(asked):
    Path("run.toml").write_text(
        'lst = "a.tif"\noutput = "b.tif"\nguide = ["g.tif"]\nscale = 4\nmodel = "ridge"\n'
    )
    assert groklst("downscale", "--config", "run.toml") == 1
    words = ("downscale", "c.tif", "d.tif", "-g", "h.tif", "-g", "i.tif", "-s", "2")
    assert groklst(*words, "--config", "run.toml") == 1
    assert groklst("downscale", "c.tif", "--config", "run.toml") == 1
    first, second, third = asked
    assert (first.lst.path, str(first.output), first.scale) == ("a.tif", "b.tif", 4)
    assert [g.path for g in first.guides] == ["g.tif"]
    assert (second.lst.path, str(second.output), second.scale) == ("c.tif", "d.tif", 2)
    assert [g.path for g in second.guides] == ["h.tif", "i.tif"]
    assert second.model == first.model == "ridge"
    assert (third.lst.path, str(third.output)) == ("c.tif", "b.tif")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("scal = 8", "there is no option 'scal'; the nearest is scale"),
        ("no-conserve = true", "the nearest is conserve"),
        ("print_config = true", "there is no option 'print_config'"),
        ("scale = 4\nlst-units = 1\nlst_units = 2", "lst_units is set twice"),
        ('scale = "8"', 'scale is "8", expected a whole number, as in scale = 8'),
        ("scale = 8.5", "scale is 8.5, expected a whole number"),
        ("scale = true", "scale is true, expected a whole number"),
        ("scale = 100", "--scale"),
        ("sensor_psf = 'x'", 'sensor_psf is "x", expected a number'),
        ("overwrite = 1", "overwrite is 1, expected true or false"),
        ("bounds = [1, 2, 3]", "bounds is [1, 2, 3], expected a list of 4 numbers"),
        ("bounds = []", "bounds is [], expected a list of 4 numbers"),
        ("guide = [1]", "guide is [1], expected a text or a list of texts"),
        ("model = ['a']", 'model is ["a"], expected a text'),
        ("conserve = 'all'", "--conserve all is not one of auto, kelvin"),
        ("[co]\nCOMPRESS = 'ZSTD'", "co is a table, expected a text or a list"),
        ("uncertainty = 1979-05-27", "uncertainty is 1979-05-27, expected the name"),
        ("lst = ['a', 'b']", "lst names 2 files; set out_dir to the folder for their results"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_2(asked, capsys, text, said):
    Path("run.toml").write_text(text)
    assert groklst("downscale", "--config", "run.toml") == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("text", [b"scale = ", b"\xff\xfe", b"a = " + b"[" * 5000])
def test_what_is_no_toml_is_an_unusable_input(asked, capsys, text):
    Path("run.toml").write_bytes(text)
    assert groklst("downscale", "--config", "run.toml") == 3
    assert "run.toml cannot be read as TOML" in capsys.readouterr().err
    assert groklst("downscale", "--config", "none.toml") == 3


def test_a_file_may_name_a_list_or_a_folder(asked, capsys):
    Path("results").mkdir()
    Path("run.toml").write_text('lst = ["a.tif", "b.tif"]\nout_dir = "results"\nscale = 2\n')
    assert 'lst = ["a.tif", "b.tif"]' in printed(capsys, "downscale", "--config", "run.toml")
    assert groklst("downscale", "--config", "run.toml") == 6
    assert [request.lst.path for request in asked] == ["a.tif", "b.tif"]
