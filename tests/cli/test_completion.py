"""What a shell is offered when Tab is pressed, asked for as the shell does."""

import os
import subprocess
import sys

import pytest

from groklst_models.registry import REGISTRY


def ask(**variables: str) -> str:
    """Run ``groklst`` with what a completion script sets."""
    done = subprocess.run(
        [sys.executable, "-m", "groklst_cli"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def offered(line: str) -> list[str]:
    """Complete the last word of a line in bash."""
    at = str(len(line.split(" ")) - 1)
    return ask(_GROKLST_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=at).split()


def test_every_shell_gets_a_script():
    for shell, word in (("bash", "complete -o default"), ("zsh", "#compdef"), ("fish", "complete")):
        assert word in ask(_GROKLST_COMPLETE=f"source_{shell}")


def test_all_methods_are_offered():
    assert set(offered("groklst downscale lst.tif --model ")) == {"auto", *REGISTRY}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("groklst do", ["downscale", "doctor"]),
        ("groklst downscale lst.tif -m mo", ["mocolsk"]),
        ("groklst downscale lst.tif -m runs/be", []),  # so that the shell offers files
        ("groklst downscale --resampling c", ["cubic", "cubic_spline"]),
        ("groklst downscale --lst-units ", ["auto", "K", "C"]),
        ("groklst downscale --conserve r", ["radiance"]),
        ("groklst downscale --precision b", ["bf16"]),
        ("groklst evaluate --device c", ["cpu", "cuda"]),
        ("groklst train --model r", ["rsag", "rcan", "rdn"]),  # what needs no training is left out
        ("groklst models ed", ["edsr"]),
    ],
)
def test_what_fits_is_offered(line, expected):
    assert offered(line) == expected


def test_the_names_cost_no_torch():
    told = (
        "import sys, groklst_cli.commands.completion as c; c.methods(''); c.words(('cubic',))('');"
    )
    told += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", told], check=False).returncode == 0
