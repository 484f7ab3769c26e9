"""Every command that writes: what it must not write over, and what it needs to be told for it."""

import os
import shutil
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from groklst_cli.app import app
from tests.conftest import read
from tests.trust.refusal import Case, case, groklst, refuse, state

OVER = "--overwrite"
GUIDED = "downscale -q lst.tif -s 4 -m ridge"
PAIR = "evaluate -q --pred lst.tif --ref lst.tif"
WALD = "evaluate -q --data scenes --protocol rules.toml -m net.safetensors:raw"
PREPARE = "prepare -q scenes/a"
TRAIN = "train -q --data set -s 2 -m mocolsk"
IMPORT = "import toolkit.pth -m mocolsk -s 8"
RULES = 'kind = "wald"\ntitle = "rules"\nscale = 2\n'

GUIDES_TAKEN_FOR_OUTPUTS = [
    case(
        "a guide after the first, with overwrite",
        f"{GUIDED} -g nir.tif red.tif {OVER}",
        4,
        *("red.tif exists, and groklst did not write it", "-g red.tif", "-o red.tif --overwrite"),
    ),
    case("a guide after the first", f"{GUIDED} -g nir.tif red.tif", 4, "red.tif", "-g red.tif"),
    case("resumed", f"{GUIDED} -g nir.tif red.tif --resume", 4, "red.tif exists", "-g red.tif"),
    case("skipped", f"{GUIDED} -g nir.tif red.tif --skip-existing", 4, "did not write it"),
    case("planned", f"{GUIDED} -g nir.tif red.tif --dry-run {OVER}", 4, "did not write it"),
    case(
        "all that a star names",
        f"{GUIDED} -g nir.tif red.tif whole.tif {OVER}",
        2,
        *("3 files were given", "-g red.tif -g nir.tif", "-g DIR", "--out-dir"),
    ),
    case("a text", f"{GUIDED} -g nir.tif notes.tif {OVER}", 4, "notes.tif", "did not write it"),
    case("a link", f"{GUIDED} -g nir.tif soft.tif {OVER}", 4, "soft.tif", "did not write it"),
    case("nothing but a link", f"{GUIDED} -g nir.tif gone.tif {OVER}", 4, "did not write it"),
    case("the name that follows the lst", f"{GUIDED} -g nir.tif {OVER}", 4, "lst_x4.tif", "move"),
    case(
        "in a folder of guides none", f"{GUIDED} -g empty -o new.tif", 3, "empty contains no guide"
    ),
]
EVALUATIONS = [
    case("csv over an lst of the folder", f"{WALD} --csv scenes/a/lst.tif {OVER}", 2, "input"),
    case("csv over a guide", f"{WALD} --csv scenes/a/red.tif {OVER}", 2, "an input too"),
    case("csv over the protocol", f"{WALD} --csv rules.toml {OVER}", 2, "an input too"),
    case("csv over the checkpoint", f"{WALD} --csv net.safetensors {OVER}", 2, "an input too"),
    case("csv through a link", f"{WALD} --csv into.csv {OVER}", 2, "into.csv is an input too"),
    case("csv through a hard link", f"{WALD} --csv hard.csv {OVER}", 2, "hard.csv is an input"),
    case("csv over the lst of a pair", f"{PAIR} --csv lst.tif {OVER}", 2, "an input too"),
    case("csv and page in one", f"{PAIR} --csv page/index.html --report page", 2, "two outputs"),
    case("csv on a link to nowhere", f"{PAIR} --csv gone.csv", 4, "gone.csv exists"),
    case("csv on a folder", f"{PAIR} --csv empty {OVER}", 2, "empty is a folder"),
    case("a page on a link to nowhere", f"{PAIR} --report linked", 4, "index.html exists"),
    case(
        "pictures through a link", f"{PAIR} --report led {OVER}", 2, "pictures is a symbolic link"
    ),
    case("a picture that is there", f"{PAIR} --report drawn", 4, "maps.png exists"),
    case("a report on a link to nowhere", f"{PAIR} --report gone.csv", 2, "--report gone.csv"),
]
FOLDERS = [
    case(
        "a set over its scene",
        f"{PREPARE} --out scenes {OVER}",
        4,
        "was not written by this command",
    ),
    case(
        "a set over what holds its scene",
        f"{PREPARE} --out home {OVER}",
        4,
        "was not written by this command",
    ),
    case(
        "a set on its own input",
        f"prepare -q home/b --out home {OVER}",
        4,
        "was not written by this command",
    ),
    case(
        "a set through a link", f"{PREPARE} --out set_link {OVER}", 2, "set_link is a symbolic link"
    ),
    case("a run over weights", f"{TRAIN} --out kept", 4, "kept/best.safetensors exists"),
    case("a run over a log", f"{TRAIN} --out logged", 4, "logged/log.csv exists"),
    case(
        "a run over its options",
        f"train -q options/options.toml --out options {OVER}",
        2,
        "options.toml is an input too",
    ),
    case("an import over its file", f"{IMPORT} toolkit.pth {OVER}", 2, "an input too"),
    case("an import through a link", f"{IMPORT} soft.safetensors {OVER}", 2, "an input too"),
    case("an import that is there", f"{IMPORT} net.safetensors", 4, "net.safetensors exists"),
]


@pytest.fixture
def crowded(scene: Path) -> Path:
    """A folder with scenes, a protocol, a set, a run, and links to all of them."""
    for folder in ("scenes/a", "home/b", "empty", "kept", "logged", "options", "linked", "led"):
        Path(folder).mkdir(parents=True)
    for name in ("lst.tif", "red.tif"):
        for folder in ("scenes/a", "home/b"):
            shutil.copy(name, folder)
    texts = ("notes.tif", "home/notes.txt", "lst_x4.tif", "logged/log.csv", "kept/best.safetensors")
    for name in (*texts, "home/manifest.json", "toolkit.pth"):
        Path(name).write_text("of others")
    shutil.copy("nir.tif", "whole.tif")
    Path("rules.toml").write_text(RULES)
    Path("options/options.toml").write_text("steps = 3\n")
    Path("drawn/pictures").mkdir(parents=True)
    Path("drawn/pictures/001-maps.png").write_text("of others")
    links = {"soft.tif": "red.tif", "gone.tif": "nowhere", "into.csv": "scenes/a/lst.tif"}
    links |= {"gone.csv": "nowhere.csv", "linked/index.html": "nowhere", "set_link": "home"}
    links |= {"led/pictures": "../empty", "soft.safetensors": "toolkit.pth"}
    for name, target in links.items():
        os.symlink(target, name)
    os.link("scenes/a/lst.tif", "hard.csv")
    return scene


@pytest.mark.parametrize("wrong", [*GUIDES_TAKEN_FOR_OUTPUTS, *EVALUATIONS, *FOLDERS])
def test_it_is_refused_and_nothing_is_lost(crowded, capsys, wrong: Case):
    refuse(wrong, capsys)


def test_the_advice_works(scene):
    right = groklst(*f"{GUIDED} -g nir.tif -g red.tif -o two.tif".split())
    assert right == 0
    assert groklst(*f"{GUIDED} -g nir.tif -o red.tif {OVER}".split()) == 0
    assert read("red.tif").shape == (80, 88)


def test_what_groklst_wrote_is_replaced_under_any_name(scene):
    Path("out").mkdir()
    for words in ("fine.tif", "", "-O out"):
        typed = f"{GUIDED} -g red.tif {words}".split()
        assert groklst(*typed) == 0
        assert groklst(*typed, OVER) == 0


def test_many_scenes_replace_only_what_groklst_wrote(scene, capsys):
    Path("lst_x4.tif").write_text("of others")
    assert groklst(*f"{GUIDED} -O . {OVER}".split()) == 6
    assert "groklst did not write it" in " ".join(capsys.readouterr().err.split())
    assert Path("lst_x4.tif").read_text() == "of others"


def test_a_folder_of_guides_is_each_of_them_but_the_lst_and_the_truth(scene):
    assert groklst(*f"{GUIDED} -g nir.tif -g red.tif -o two.tif".split()) == 0
    Path("guides").mkdir()
    for name in ("lst.tif", "red.tif", "nir.tif"):
        shutil.copy(name, "guides")
    shutil.copy("guides/lst.tif", "guides/reference_lst.tif")
    shutil.copy("guides/lst.tif", "guides/clear.tif")
    os.link("lst.tif", "guides/the_same.tif")
    shutil.copy("two.tif", "guides/of_ours.tif")
    Path("guides/notes.txt").write_text("no raster")
    assert groklst(*f"{GUIDED} -g guides -o all.tif".split()) == 0
    assert (read("all.tif") == read("two.tif")).all()


@pytest.mark.parametrize("option", ["--csv gone.csv", "--report page"])
def test_a_link_gives_way_and_its_target_is_not_made(crowded, option):
    Path("page/pictures").mkdir(parents=True)
    for name in ("page/index.html", "page/pictures/001-maps.png"):
        os.symlink("../nowhere.csv", name)
    os.symlink(crowded / "nowhere.csv", "page/pictures/scores.png")
    assert groklst(*f"{PAIR} {option} {OVER}".split()) == 0
    assert not [path for path, _ in state(Path()) if "nowhere" in path]
    assert not Path(option.split()[1]).is_symlink()


def test_an_evaluation_that_fails_leaves_no_report(scene):
    before = state(Path())
    typed = f"{PAIR} --report page".replace("--ref lst.tif", "--ref absent.tif")
    assert groklst(*typed.split()) == 3
    assert state(Path()) == before


WRITES = {
    "downscale": {"output_option", "out_dir", "uncertainty", "picture", "log", "stack", "report"},
    "evaluate": {"csv", "report"},
    "ingest": {"out"},
    "import": {"output"},
    "prepare": {"out"},
    "train": {"out"},
}
READS = {
    "downscale": {"batch_file", "config"},
    "evaluate": {"data"},
    "ingest": {"products"},
    "import": {"toolkit"},
    "prepare": {"scenes"},
    "train": {"config", "data"},
}


def test_every_option_that_names_a_path_is_known_to_read_or_to_write():
    for command in app.registered_commands:
        function = command.callback
        name = command.name or function.__name__
        paths = {key for key, hint in get_type_hints(function).items() if Path in _parts(hint)}
        assert paths - READS.get(name, set()) == WRITES.get(name, set()), name


def _parts(hint: object) -> set[object]:
    inner = [part for argument in get_args(hint) for part in _parts(argument)]
    return {hint, *inner}
