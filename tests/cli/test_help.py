"""Every command's ``--help`` teaches: it fits a terminal and ends with lines to copy."""

import shlex

import pytest

from groklst_cli.app import app, run
from groklst_cli.commands.examples import examples

COMMANDS = ["ingest", "downscale", "evaluate", "prepare", "train", "models", "info", "import"]


def help_of(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert run(lambda: app([command, "--help"])) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize("command", COMMANDS)
def test_it_ends_with_examples_as_they_are_typed(command, capsys):
    shown = [line.strip() for line in help_of(command, capsys).splitlines()]
    lines = [line.strip() for line in examples(command).splitlines()[2:]]
    assert lines
    assert shown[-len(lines) :] == lines
    assert all(len(line) < 78 for line in lines)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_example_uses_options_that_there_are(command, capsys):
    shown = help_of(command, capsys).partition("Examples:")[0].replace(",", " ").split()
    for line in examples(command).splitlines()[2:]:
        program, named, *words = shlex.split(line)
        assert (program, named) == ("groklst", command)
        assert all(word in shown for word in words if word.startswith("-"))
