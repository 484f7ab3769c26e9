"""The page on the benchmark's table names every row, and its figures are those that are counted."""

import re

import pytest

from groklst_cli.pipeline.evaluate.published import published_methods
from groklst_models.accounting import count_operations
from groklst_models.registry import REGISTRY
from tests.cli.pages import ROOT, blocks_of

PAGE = ROOT / "docs" / "benchmark.md"
NETWORKS = {key for key in published_methods() if REGISTRY[key].needs_weights}


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import expected_hours

    return expected_hours


def commands() -> str:
    """What is typed for the real dataset, one command a line."""
    typed = [block.text for block in blocks_of(PAGE) if block.kind == ""]
    return re.sub(r"\\\n\s*", "", "".join(typed))


def test_every_row_has_a_command():
    typed = commands()
    listed = {
        key for keys in re.findall(r"^for key in (.*); do$", typed, re.M) for key in keys.split()
    }
    named = set(re.findall(r"--model (\w+)", typed))
    assert listed | named == NETWORKS
    asked = set(re.findall(r"-m ([\w-]+)(?= |$)", typed, re.M)) - {"groklst_cli"}
    assert {"random-forest", "xgboost", "lightgbm", "catboost"} <= asked
    assert asked <= published_methods().keys()


@pytest.mark.parametrize("key", sorted(NETWORKS))
def test_a_command_asks_for_the_form_and_the_steps_that_were_scored(key):
    row = published_methods()[key]
    lines = [line for line in commands().splitlines() if f"--model {key} " in line]
    wished = {f"arguments.{name}": value for name, value in row.arguments.items()}
    wished |= row.training.get(8, {})
    for line in lines:
        sets = dict(re.findall(r"--set ([\w.]+)=(\S+)", line))
        assert sets == {name: str(value).lower() for name, value in wished.items()}
    assert lines or not wished


def test_every_doubtful_figure_stands_on_the_page():
    text = PAGE.read_text(encoding="utf-8").rpartition("## 7.")[2]
    for key, row in published_methods().items():
        doubted = [f"×{scale}" for scale, found in row.at.items() if found.doubt]
        told = re.findall(rf"^\| `{key}` \| (×[^|]*?) \|", text, re.M)
        assert told == ([", ".join(doubted)] if doubted else [])


def test_operations_are_those_of_the_catalogue(script):
    rows = PAGE.read_text(encoding="utf-8").partition("## 6.")[0].splitlines()
    for key in ("edsr", "fdsr"):
        (cells,) = [row.split(" | ") for row in rows if row.startswith(f"| `{key}` | ")]
        assert cells[3] == script.three_digits(count_operations(key, 8) / 1e9)


def test_memory_grows_with_the_tile_and_hours_with_the_steps(script):
    small, large = (script.cost("edsr", 8, {}, side).held for side in (128, 256))
    assert large == pytest.approx(4 * small, rel=0.01)
    row = published_methods()["suft"]
    options = [script.benchmark_options("suft", row, scale) for scale in (4, 8)]
    assert [each.steps for each in options] == [10_000, 20_000]
    own = script.benchmark_options("mocolsk", published_methods()["mocolsk"], 8)
    measured = own.steps / 0.51 / 3600
    assert measured < script.hours("mocolsk", own) < 1.1 * measured


@pytest.mark.slow
def test_the_tables_are_those_that_the_script_writes(script):
    page = PAGE.read_text(encoding="utf-8")
    assert script.with_tables(page) == page
