"""Every command and every block of Python that README and docs show is run as it stands there.

All pages are followed in one folder tree, as in one checkout, each in the folder that it makes.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from groklst_cli import errors
from tests.cli.pages import (
    OPENING,
    PAGES,
    ROOT,
    blocks_of,
    follow_page,
    make_demo,
    name_of,
    opening_of,
    pretend_demo,
    runs_something,
)

SLOW = {"docs/training.md"}
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
DATA = {"text", "csv", "jsonl", "toml"}

# What cannot run here, line by line: installs, needs several devices, machines or data of others.
NOT_RUN = frozenset(
    r"""
make demo      # installs into .venv, downscales a sample, prints where result and picture are
make test      # the same environment, then the tests
make test
make check
make slow
make docs
source .venv/bin/activate
python -m pytest -x -q tests/geo/test_tiles.py
ruff format .
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
tar cf set4.tar set4
tar xf set4.tar
groklst train recipes/mocolsk_landsat.toml --data set4 --out run4
groklst train --out run4 --resume
groklst train --init fusion --data SCENES --out tuned
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
python benchmarks/gpu.py --device cpu --tiny --out rehearsal --minutes 30
python3 -c "import sys, torch; print(sys.version, torch.__version__, torch.cuda.is_available())"
python3 -m pip list
echo rasterio pyproj affine cligj click-plugins rioxarray lightning-fabric filelock > names
echo typer annotated-doc pydantic pydantic-core annotated-types typing-inspection rich >> names
echo dask distributed tblib locket partd zict tornado pytest pluggy hypothesis >> names
pip download --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
  --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 \
  --platform manylinux2014_x86_64 --platform manylinux1_x86_64 \
  -c constraints.txt -d wheels $(cat names)
pip wheel --no-deps -w wheels .
python3 -m pip install --no-index --no-deps --target site wheels/*.whl
export PYTHONPATH=$PWD:$PWD/models:$PWD/site
python3 benchmarks/gpu.py
groklst evaluate --data GrokLST --scale 8 -m random-forest -m xgboost -m lightgbm -m catboost
groklst train benchmark.toml --data GrokLST --scale 8 --model edsr --out runs/edsr_x8
groklst evaluate --data GrokLST --scale 8 -m runs/edsr_x8/best.safetensors --report edsr_page
for key in edsr rdn rcan dbpn fenet fen srfbn dlgsanet act dctlsa hit_sir hit_sng hit_srf; do
  groklst train benchmark.toml --data GrokLST --scale 8 --model $key --out runs/${key}_x8
done
for key in msg djfr p2p dsrn fdsr dkn fdkn ahmf codon dagf rsag mocolsk; do
groklst train benchmark.toml --data GrokLST --scale 4 --model ctn --out runs/ctn_x4
groklst train benchmark.toml --data GrokLST --scale 4 --model ngswin --out runs/ngswin_x4
groklst train --data GrokLST --scale 8 --model pgdm --out runs/pgdm_x8 --recipe paper
groklst train benchmark.toml --data GrokLST --scale 8 --model cfgn --out runs/cfgn_x8 \
  --set arguments.context=false --set arguments.width=48 --set arguments.blocks=6
groklst train benchmark.toml --data GrokLST --scale 8 --model swinir --out runs/swinir_x8 \
  --set arguments.drop_path=0.1
groklst train benchmark.toml --data GrokLST --scale 8 --model dat --out runs/dat_x8 \
groklst train benchmark.toml --data GrokLST --scale 8 --model srformer --out runs/srformer_x8 \
groklst train benchmark.toml --data GrokLST --scale 8 --model svlrm --out runs/svlrm_x8 \
  --set arguments.linear_in_lst=true
groklst train benchmark.toml --data GrokLST --scale 8 --model suft --out runs/suft_x8 \
  --set steps=20000 --set period=5000
""".strip().splitlines()
)


def page_parameter(page: Path):
    marks = [pytest.mark.slow] if name_of(page) in SLOW else []
    return pytest.param(page, id=name_of(page), marks=marks)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The root of a checkout in which all pages are followed, one after the other."""
    return tmp_path_factory.mktemp("tree")


def outside(tree: Path, page: Path) -> set[tuple[str, int, int]]:
    """Describe all files of a tree but those in a page's folder."""
    opened = opening_of(page)
    own = None if opened is None else tree / opened[1]
    files = [path for path in tree.rglob("*") if path.is_file() and own not in path.parents]
    return {(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("page", [page_parameter(page) for page in PAGES])
def test_a_page_does_what_it_says_and_only_in_its_folder(page, samples, tree, monkeypatch, capsys):
    before = outside(tree, page)
    follow_page(page, tree, samples, monkeypatch, capsys, pretend_demo)
    assert outside(tree, page) == before


@pytest.mark.slow
def test_pages_can_be_followed_in_any_order(samples, tmp_path, monkeypatch, capsys):
    for page in reversed(PAGES):
        follow_page(page, tmp_path, samples, monkeypatch, capsys, make_demo)


def test_pages_make_their_folders_before_they_run_anything():
    folders = []
    for page in PAGES:
        ran = [number for number, block in enumerate(blocks_of(page)) if runs_something(block)]
        opened = opening_of(page)
        assert bool(ran) == (opened is not None), page
        if opened is not None:
            assert opened[0] < ran[0], page
            folders.append(opened[1])
    assert len(folders) > 8
    assert len({Path(folder) for folder in folders}) == len(folders)
    assert not [a for a in folders for b in folders if Path(a) in Path(b).parents]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_is_not_run_is_listed(page):
    loose = [block for block in blocks_of(page) if block.kind in ("", "sh")]
    loose = [block for block in loose if not OPENING.fullmatch(block.text)]
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
