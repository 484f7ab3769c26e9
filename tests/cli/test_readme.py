"""Every command that the README shows with a prompt is run as it stands there."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from groklst_cli.app import app, run

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
COMMANDS = [line[2:] for block in BLOCKS for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The sample scene, made by its script."""
    folder = tmp_path_factory.mktemp("sample")
    sys.path.insert(0, str(ROOT / "sample_data"))
    try:
        import make
    finally:
        sys.path.pop(0)
    make.main(folder)
    return folder


def test_the_readme_shows_commands():
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_works(sample, monkeypatch, command):
    monkeypatch.chdir(sample)
    program, *arguments = shlex.split(command)
    assert program == "groklst"
    assert run(lambda: app(arguments)) == 0
