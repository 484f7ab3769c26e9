"""Laws of what is told of an error: one line, and never nothing."""

import subprocess

import pytest
import torch

from groklst_cli.errors import InputError, words_of
from groklst_cli.geo.flaws import find_flaw
from groklst_cli.pipeline.doctor import checks, trial
from groklst_cli.pipeline.downscale.failure import in_one_line
from groklst_cli.pipeline.train.run_folder import load_state

SILENT = [OSError(), KeyError(), RuntimeError(" \n\t "), InputError("\n")]


@pytest.mark.parametrize("error", SILENT, ids=repr)
def test_an_error_without_words_is_called_by_its_kind(error):
    assert words_of(error) in (type(error).__name__, "' '")
    assert type(error).__name__ in in_one_line(error)
    assert not in_one_line(error).endswith(": ")


@pytest.mark.parametrize("text", ["a\nb", "\n\na  b\n", "a\r\n\tb", "a b"])
def test_words_stand_on_one_line(text):
    assert words_of(InputError(text)) == in_one_line(InputError(text)) == "a b"


def test_a_trial_that_fails_without_words_is_no_success(monkeypatch):
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError

    monkeypatch.setattr(subprocess, "run", refuse)
    (finding,) = checks.check_trial()
    assert (finding.state, finding.found) == ("wrong", "OSError")
    monkeypatch.setattr(trial, "transform", refuse)
    assert trial.misplaced() == "OSError"


def test_a_state_that_holds_a_program_is_not_recommended(tmp_path):
    """Torch would say how to load it all the same, which runs what is in it."""
    torch.save({"format": 1, "held": subprocess.Popen}, tmp_path / "state.pt")
    with pytest.raises(InputError, match="more than tensors and plain data; start a new run"):
        load_state(tmp_path / "state.pt")


def test_a_file_that_cannot_be_read_is_a_flaw_of_one_line(tmp_path):
    (tmp_path / "fine.tif").write_bytes(b"II*\0 and no more")
    flaw = find_flaw(tmp_path / "fine.tif")
    assert flaw is not None
    assert flaw.startswith("cannot be read: ")
    assert len(flaw.splitlines()) == 1
