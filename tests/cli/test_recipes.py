"""The recipes of ``docs/contributing`` are followed to the letter in a copy of the checkout.

A block of Python whose first line is a path becomes that file; a diff that begins with one changes
it; commands are run at the copy's root and have to say what is shown.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.pages import ROOT, Block, blocks_of, matches

RECIPES = sorted((ROOT / "docs" / "contributing").glob("*.md"))
EACH = pytest.mark.parametrize("recipe", RECIPES, ids=lambda page: page.stem)
COPIED = ["groklst_cli", "models", "tests", "sample_data", "pyproject.toml"]
PROGRAMS = {
    "python": [sys.executable],
    "groklst": [sys.executable, "-m", "groklst_cli"],
}


def target_of(block: Block) -> Path:
    """Read which file of the checkout a block is about."""
    first = block.text.partition("\n")[0]
    assert first.startswith("# "), block.text
    path = Path(first.removeprefix("# "))
    assert not path.is_absolute()
    assert ".." not in path.parts
    return path


def changed(text: str, block: Block) -> str:
    """Apply a diff, whose lines have to stand in the text once."""
    lines = block.text.splitlines()[1:]
    assert {line[:1] for line in lines} <= {" ", "+", "-"}
    before = "".join(f"{line[1:]}\n" for line in lines if line[0] != "+")
    after = "".join(f"{line[1:]}\n" for line in lines if line[0] != "-")
    assert text.count(before) == 1, f"{target_of(block)} holds {text.count(before)} times\n{before}"
    return text.replace(before, after)


def commands_of(page: Path) -> Iterator[str]:
    for block in blocks_of(page):
        if block.kind == "console":
            yield from (command for command, _ in block.steps)


def run(command: str, shown: list[str], checkout: Path) -> None:
    """Run a command in the copy."""
    program, *arguments = shlex.split(command)
    roots = [str(checkout), str(checkout / "models")]
    done = subprocess.run(
        [*PROGRAMS[program], *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(roots), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    said = [line.rstrip() for line in (done.stdout + done.stderr).splitlines()]
    assert matches(shown, said), f"{command}\nshows {shown}\nbut says {said}"


def test_there_are_three():
    assert [page.stem for page in RECIPES] == ["fitted_method", "network", "sensor"]


@EACH
def test_its_files_are_new_and_its_changes_have_one_place(recipe):
    texts: dict[Path, str] = {}
    for block in blocks_of(recipe):
        if block.kind == "python":
            assert not (ROOT / target_of(block)).exists()
            compile(block.text, str(target_of(block)), "exec")
        elif block.kind == "diff":
            path = target_of(block)
            there = texts.get(path) or (ROOT / path).read_text(encoding="utf-8")
            texts[path] = changed(there, block)
        else:
            assert block.kind == "console"
    assert texts
    assert {shlex.split(command)[0] for command in commands_of(recipe)} <= {*PROGRAMS}


@pytest.mark.slow
@EACH
def test_a_recipe_works_as_it_stands(recipe, tmp_path):
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            skip = shutil.ignore_patterns("__pycache__", "*.tif")
            shutil.copytree(ROOT / name, checkout / name, ignore=skip)
        else:
            shutil.copy(ROOT / name, checkout)
    for block in blocks_of(recipe):
        if block.kind == "console":
            for command, shown in block.steps:
                run(command, shown, checkout)
            continue
        path = checkout / target_of(block)
        made = block.text if block.kind == "python" else changed(path.read_text("utf-8"), block)
        path.write_text(made, encoding="utf-8")
