"""What a run says to people: a plan to read, how far many scenes are, a bar with a word."""

import pytest
from rich.console import Console

from groklst_cli.commands import console
from tests.trust.refusal import groklst


def test_a_plan_is_for_people_unless_json_is_asked_for(scene, capsys):
    words = ("downscale", "lst.tif", "-g", "nir.tif", "-m", "ridge", "--dry-run", "-q")
    assert groklst(*words) == 0
    out = capsys.readouterr().out
    assert "{" not in out
    for line in ("method    ridge: asked for", "scale     4, from: guides", "nothing was written"):
        assert line in out


def test_many_scenes_are_counted(scene, capsys):
    assert groklst("downscale", "lst.tif", "absent.tif", "-O", ".", "-m", "bicubic", "-s", "2") == 6
    err = capsys.readouterr().err
    assert "lst.tif: scene 1 of 2" in err
    assert "absent.tif: scene 2 of 2" in err


def test_the_bar_counts_nothing_before_there_is_something(monkeypatch):
    terminal = Console(force_terminal=True, width=100, record=True)
    monkeypatch.setattr(console, "stderr", terminal)
    with console.progress_bar("tiles", quiet=False) as report:
        report(0, 0)
    shown = terminal.export_text()
    assert "getting ready" in shown
    assert "None" not in shown


@pytest.mark.parametrize("done", [0, 3])
def test_the_bar_counts_tiles(monkeypatch, done):
    terminal = Console(force_terminal=True, width=100, record=True)
    monkeypatch.setattr(console, "stderr", terminal)
    with console.progress_bar("tiles", quiet=False) as report:
        report(done, 7)
    assert f"{done}/7 tiles" in terminal.export_text()
