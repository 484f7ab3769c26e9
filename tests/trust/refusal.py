"""What every refusal has in common, and the files that the tables of cases are typed against."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from affine import Affine

from groklst_cli.app import app, run
from groklst_models.checkpoint import Checkpoint, Header, save
from groklst_models.normalization import BandStatistics, Normalization

COARSE = Affine(240, 0, 500000, 0, -240, 4390000)
FINE = COARSE * Affine.scale(1 / 4)


@dataclass(frozen=True)
class Case:
    """Something typed that must be refused.

    Attributes:
        name: What is wrong with it.
        typed: What follows ``groklst``, words between single spaces; or the words themselves.
        code: The exit code.
        says: Words of the line, in this order; whatever stands between them.
    """

    name: str
    typed: str | tuple[str, ...]
    code: int
    says: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """What follows ``groklst``."""
        return self.typed.split(" ") if isinstance(self.typed, str) else list(self.typed)


def case(name: str, typed: str | tuple[str, ...], code: int, *says: str) -> object:
    """Put a row of a table down as a parameter of a test."""
    return pytest.param(Case(name, typed, code, says), id=name.replace(" ", "-"))


def groklst(*words: str) -> int:
    """Run the command line in this process."""
    return run(lambda: app(list(words)))


def state(folder: Path) -> list[tuple[str, bytes]]:
    """Name everything below a folder, with what it holds."""
    return sorted(_entries(folder))


def refuse(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    """Run a case, and hold it to what every refusal has to be."""
    before = state(Path())
    code = groklst(*case.words)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    assert err.startswith("groklst: ")
    assert "Traceback" not in err
    assert re.search(".*".join(map(re.escape, case.says)), err), err
    assert code == case.code, err
    assert state(Path()) == before


def write_checkpoint(path: Path, *, scale: int = 4, bands: tuple[str, ...] = ("nir",)) -> None:
    """Write a small network with random weights."""
    known = tuple(BandStatistics(name, 0.3, 0.15) for name in bands)
    arguments = {"width": 8, "stages": 2, "blocks": 1}
    header = Header("mocolsk", scale, Normalization(295, 5, known), arguments, tile=32)
    torch.manual_seed(0)
    save(Checkpoint(header, header.build_network().state_dict()), path)


def toy_scene() -> dict[str, tuple[np.ndarray, Affine]]:
    """Make an LST and two guides that explain it."""
    rng = np.random.default_rng(0)
    red, nir = rng.uniform(0.05, 0.5, (2, 80, 88)).astype(np.float32)
    truth = 300 - 30 * nir + 20 * red
    lst = truth.reshape(20, 4, 22, 4).mean((1, 3)).astype(np.float32)
    return {"lst.tif": (lst, COARSE), "red.tif": (red, FINE), "nir.tif": (nir, FINE)}


def _entries(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.is_symlink():
            yield str(path), os.readlink(path).encode()
        else:
            yield str(path), path.read_bytes() if path.is_file() else b""
