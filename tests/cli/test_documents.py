"""Every command and every block of Python that README and docs show is run as it stands there.

A page is followed from top to bottom in a folder of its own that holds the samples. ``…`` in shown
output stands for anything. A command may fail only where ``$ echo $?`` shows with what.
"""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from groklst_cli import errors
from groklst_cli.app import app, run

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SLOW = {"docs/training.md"}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
DATA = {"text", "csv", "jsonl", "toml"}

# What cannot run here, line by line: installs, needs several devices, machines or data of others.
NOT_RUN = frozenset(
    r"""
make demo      # installs into .venv, downscales a sample, prints where result and picture are
make test      # the same environment, then the tests
source .venv/bin/activate
cd demo
pip install -c constraints.txt .
python3 -m venv ~/groklst
~/groklst/bin/pip install -c constraints.txt '.[dask]'
sbatch docs/slurm/array.sbatch scenes.jsonl results
sbatch docs/slurm/groklst.sbatch lst.tif fine.tif --guide bands.tif --model mocolsk_x8.safetensors
docker build --tag groklst .
docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/data" groklst downscale lst.tif
from odc.geo.cog import save_cog_with_dask
save_cog_with_dask(fine, "fine.tif", blocksize=512).compute()
from dask_jobqueue import SLURMCluster
cluster = SLURMCluster(cores=1, processes=1, memory="8GB", walltime="02:00:00")
cluster.scale(jobs=16)
print(cluster.scheduler_address)  # keep this process alive, and pass the address to --scheduler
groklst downscale lst.tif fine.tif -g bands.tif -m mocolsk_x8.safetensors -d cuda:0,cuda:1
groklst downscale lst.tif fine.tif -g bands.tif -m mocolsk_x8.safetensors --scheduler tcp://HOST:8786
dask scheduler --port 8786                                  # on one machine
dask worker tcp://HOST:8786 --nthreads 1 --nworkers 4       # on each of the others
groklst import toolkit.pth mocolsk_x8.safetensors --model mocolsk --scale 8
groklst train --data GrokLST --scale 8 --out run --set train_split=trainval --set val_split=test
torchrun --nproc-per-node 4 -m groklst_cli train --data set --scale 4 --out run
groklst prepare $S/talca_l7_20130215 $S/pennsylvania_l7_20021125 \
  $S/pennsylvania_l7_20020720 $S/hongkong_l8_20131129 $S/hongkong_l8_20141015 \
  $S/chiapas_l7_19991118 --out set --scale 4 --patch 144 --max-nodata 0.4 \
  --bands blue,green,red,nir,swir1,swir2 --native-resolution 60m \
  --native-resolution hongkong_l8_20131129=1 --native-resolution hongkong_l8_20141015=1 \
  --whole talca_l7_20130215=train --whole pennsylvania_l7_20021125=train \
  --whole pennsylvania_l7_20020720=train --whole chiapas_l7_19991118=test
groklst train --data set --scale 4 --recipe local --out run -d cpu --set workers=0 \
  --set steps=2250 --set validate_every=100 \
  --set arguments.width=16 --set arguments.stages=2 --set arguments.blocks=1 \
  --set bands=blue,green,red,nir,swir1,swir2,ndvi,mndwi,ndbi,ndwi,nbr
""".strip().splitlines()
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


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """The samples, made by their script as people start it."""
    folder = tmp_path_factory.mktemp("samples")
    script = ROOT / "sample_data" / "make.py"
    subprocess.run([sys.executable, str(script), str(folder)], check=True)
    return folder


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


def page_parameter(page: Path):
    marks = [pytest.mark.slow] if name_of(page) in SLOW else []
    return pytest.param(page, id=name_of(page), marks=marks)


@pytest.mark.parametrize("page", [page_parameter(page) for page in PAGES])
def test_a_page_does_what_it_says(page, samples, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "page"
    shutil.copytree(samples, folder)
    monkeypatch.chdir(folder)
    variables: dict[str, object] = {}
    for block in blocks_of(page):
        if block.kind == "console":
            follow(block, capsys)
        elif block.kind == "python":
            exec(compile(block.text, name_of(page), "exec"), variables)  # our own page's
        else:
            keep(block, folder)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_is_not_run_is_listed(page):
    loose = [block for block in blocks_of(page) if block.kind in ("", "sh")]
    lines = [line for block in loose for line in block.text.splitlines() if line]
    assert [line for line in lines if line not in NOT_RUN] == []
    assert {block.kind for block in blocks_of(page)} <= {"console", "python", "", "sh", *DATA}


def test_nothing_is_listed_in_vain():
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [line for line in NOT_RUN if line not in pages] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_the_readme_shows_commands():
    blocks = [block for block in blocks_of(ROOT / "README.md") if block.kind == "console"]
    assert sum(len(list(block.steps)) for block in blocks) >= 6


def test_the_index_names_every_page():
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {page.name for page in PAGES[1:]} - {"index.md"}
    assert pages <= set(LINK.findall(text))


def test_every_exit_code_is_explained():
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in classes if issubclass(kind, errors.GroklstError)}
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    explained = {int(code) for code in re.findall(r"^## (\d+)", text, re.MULTILINE)}
    assert codes | {0, 130, 143} <= explained


def test_what_a_line_says_stands_in_the_program():
    """A table of errors.md quotes messages; ``…`` stands for what differs."""
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    tables = re.findall(r"^\| the line says.*?\n\n", text, re.DOTALL | re.MULTILINE)
    rows = [row for table in tables for row in table.strip().splitlines()[2:]]
    quoted = [row.split("|")[1].strip() for row in rows]
    source = "".join(messages_of(ROOT / "groklst_cli")) + "".join(messages_of(ROOT / "models"))
    said = [part.strip() for line in quoted for part in line.split("…")]
    assert len(said) > 15
    assert [part for part in said if part not in source] == []


def messages_of(folder: Path) -> Iterator[str]:
    """Read programs with strings that go on over lines joined."""
    for path in folder.rglob("*.py"):
        yield re.sub(r'"\s*\n\s*f?"', "", path.read_text(encoding="utf-8"))
