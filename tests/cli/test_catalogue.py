"""The catalogue in the repository is the one that the command writes."""

from pathlib import Path

import pytest

from groklst_cli.app import app, run
from groklst_models.registry import REGISTRY

PAGE = Path(__file__).parents[2] / "models" / "README.md"


def groklst(*arguments: str) -> int:
    return run(lambda: app(list(arguments)))


@pytest.mark.slow
def test_the_catalogue_is_what_the_command_writes(capsys):
    assert groklst("models", "--format", "markdown") == 0
    assert capsys.readouterr().out == PAGE.read_text(encoding="utf-8")


def test_every_method_is_in_it():
    page = PAGE.read_text(encoding="utf-8")
    assert [key for key in REGISTRY if f"| `{key}` |" not in page] == []


def test_markdown_is_of_the_whole_list(capsys):
    assert groklst("models", "edsr", "--format", "markdown") == 2
    assert "whole catalogue" in capsys.readouterr().err
