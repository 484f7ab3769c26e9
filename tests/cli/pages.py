"""README and docs as things that can be followed: what they show, and running it as it stands.

A page is followed from top to bottom in the folder that its first lines make, below the root of
the checkout. ``…`` in shown output stands for anything. A command may fail only where ``$ echo $?``
shows with what.
"""

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from groklst_cli.app import app, run

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
OPENING = re.compile(
    r"source \.venv/bin/activate\n"
    r"(?:python sample_data/make\.py (?P<made>\S+)\n)?"
    r"cd (?P<there>\S+)\n"
)


@dataclass(frozen=True)
class Block:
    """A fenced block: what kind it says it is, and its text."""

    kind: str
    text: str

    @property
    def steps(self) -> Iterator[tuple[str, list[str]]]:
        """Each command of a console block with the output that is shown under it."""
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, *shown = re.sub(r"\\\n\s*", "", part).splitlines()
            yield command, shown


def blocks_of(page: Path) -> list[Block]:
    return [Block(kind, text) for kind, text in FENCE.findall(page.read_text(encoding="utf-8"))]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def opening_of(page: Path) -> tuple[int, str] | None:
    """Find which block of a page makes its folder, and which folder that is."""
    for number, block in enumerate(blocks_of(page)):
        if opened := OPENING.fullmatch(block.text):
            assert opened["made"] in (None, opened["there"])
            return number, opened["there"]
    return None


def runs_something(block: Block) -> bool:
    return block.kind in ("console", "python")


def groklst(arguments: list[str]) -> int:
    return run(lambda: app(arguments))


def make_folder(arguments: list[str]) -> int:
    Path(arguments[-1]).mkdir(parents=True, exist_ok="-p" in arguments)
    return 0


def list_folder(arguments: list[str]) -> int:
    folder = Path(arguments[0] if arguments else ".")
    print("\n".join(sorted(path.name for path in folder.iterdir())))
    return 0


PROGRAMS: dict[str, Callable[[list[str]], int]] = {
    "groklst": groklst,
    "mkdir": make_folder,
    "ls": list_folder,
    "truncate": lambda arguments: subprocess.run(["truncate", *arguments]).returncode,
}


def matches(shown: list[str], said: list[str]) -> bool:
    """Tell whether the shown lines stand in what was said, in their order."""
    remaining = iter(said)
    patterns = [re.escape(line).replace("…", ".*") for line in shown]
    return all(any(re.fullmatch(p, line) for line in remaining) for p in patterns)


def follow(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    """Run a console block's commands and compare what they say with what is shown."""
    code = 0
    for command, shown in block.steps:
        if command == "echo $?":
            assert shown == [str(code)], f"the command before ended with {code}"
            code = 0
            continue
        assert code == 0, f"the command before {command!r} ended with {code}"
        program, *arguments = shlex.split(command, comments=True)
        assert program in PROGRAMS, f"{program} is no program that pages may run: {command}"
        code = PROGRAMS[program](arguments)
        out, err = capsys.readouterr()
        said = [line.rstrip() for line in (out + err).splitlines()]
        assert matches(shown, said), f"{command}\nshows {shown}\nbut says {said}"
    assert code == 0, f"the last command ended with {code}:\n{block.text}"


def keep(block: Block, folder: Path) -> None:
    """Write a TOML block that names its file; a list of scenes is one of the samples."""
    if block.kind == "toml":
        name = block.text.splitlines()[0].removeprefix("# ")
        (folder / name).write_text(block.text, encoding="utf-8")
    if block.kind in ("csv", "jsonl"):
        there = [path.read_text(encoding="utf-8") for path in folder.glob(f"*.{block.kind}")]
        assert block.text in there, f"no sample holds\n{block.text}"


def demo_command() -> list[str]:
    """Read what ``make demo`` runs once everything is installed and the samples are there."""
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", "")
    (command,) = re.findall(r"^\t\$\(BIN\)/groklst (.*)$", recipe, re.MULTILINE)
    return shlex.split(command)


def make_demo(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave what ``make demo`` leaves."""
    with monkeypatch.context() as context:
        context.chdir(tree)
        assert groklst(demo_command()) == 0


def pretend_demo(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave files under the names of those that ``make demo`` leaves."""
    command = demo_command()
    for name in (command[2], command[command.index("--picture") + 1]):
        (tree / name).touch(exist_ok=False)


def follow_page(
    page: Path,
    tree: Path,
    samples: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    demo: Callable[[Path, pytest.MonkeyPatch], None],
) -> None:
    """Follow a page in its folder below a tree in which others may have been followed."""
    opened = opening_of(page)
    if opened is None:
        assert not any(map(runs_something, blocks_of(page)))
        return
    folder = tree / opened[1]
    shutil.copytree(samples, folder)
    if page.name == "README.md":
        demo(tree, monkeypatch)
        capsys.readouterr()
    monkeypatch.chdir(folder)
    variables: dict[str, object] = {}
    for block in blocks_of(page):
        if block.kind == "console":
            follow(block, capsys)
        elif block.kind == "python":
            exec(compile(block.text, name_of(page), "exec"), variables)  # our own page's
        else:
            keep(block, folder)
