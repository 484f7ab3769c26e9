"""The documentation site: its order, what is generated for it, and that it builds."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
import yaml

from groklst_cli.app import app
from tests.cli.pages import PAGES, ROOT
from website import commands, python_face
from website.places import BORROWED, links, moved, place_of

GENERATED = ["reference/commands.md", "reference/python.md"]
FETCHED = re.compile(
    r"<(?:script|img|link|iframe)\b[^>]*?(?:src|href)=[\"']?((?:https?:)?//[^\"'> ]+)"
)


def settings() -> dict[str, Any]:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def leaves(nav: Any) -> Iterator[str]:
    """List the pages of a navigation in order."""
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from leaves(part)


def chapters() -> dict[str, str]:
    """Split the reference of the command line by command."""
    _, *parts = re.split(r"^## groklst ?(.*)$", commands.page(), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_every_page_is_in_the_navigation_once():
    docs = ROOT / "docs"
    written = [page.relative_to(docs).as_posix() for page in docs.rglob("*.md")]
    notebooks = [f"notebooks/{path.stem}.md" for path in (docs / "notebooks").glob("*.ipynb")]
    expected = [*written, *notebooks, *BORROWED.values(), *GENERATED]
    assert sorted(leaves(settings()["nav"])) == sorted(expected)


def test_the_reference_has_every_command_and_every_option():
    group: Any = typer.main.get_command(app)
    found = chapters()
    assert list(found) == ["", *group.commands]
    for name, command in {"": group, **group.commands}.items():
        for parameter in command.params:
            typed = [*parameter.opts, *parameter.secondary_opts]
            if parameter.param_type_name == "option" and not parameter.hidden:
                listed = re.findall(r"^`` (.*) ``$", found[name], re.MULTILINE)
                words = {word.strip(",") for line in listed for word in line.split()}
                assert set(typed) <= words, (name, typed)


def test_the_reference_says_what_the_help_says():
    """Each argument too; the help of ``downscale`` begins with the scene."""
    assert "`` LST|SCENE [OUTPUT]" in chapters()["downscale"]
    assert "groklst downscale --config run.toml --log run.log" in chapters()["downscale"]


def test_the_python_reference_lists_the_settings():
    from groklst_cli.xarray_face import _OPTIONS

    listed = re.findall(r"^`(\w+)`$", python_face.page(), re.MULTILINE)
    assert listed == sorted(_OPTIONS)


@pytest.mark.parametrize(
    ("place", "link", "there"),
    [
        ("gpu.md", "../benchmarks/README.md", "repository/benchmarks.md"),
        ("runs.md", "scale.md#memory", "scale.md#memory"),
        ("repository/overview.md", "docs/choosing.md", "../choosing.md"),
        ("repository/methods.md", "../docs/gpu.md", "../gpu.md"),
        ("weights.md", "../recipes/fusion.toml", "repository/recipes/fusion.toml"),
        ("xarray.md", "notebooks/network.ipynb", "notebooks/network.md"),
    ],
)
def test_links_lead_to_places_on_the_site(place, link, there):
    origin = {there: path for path, there in BORROWED.items()}.get(place, f"docs/{place}")
    shown = f"```\n[same]({link})\n```\n"
    assert moved(f"[name]({link})\n{shown}", origin, place) == f"[name]({there})\n{shown}"
    assert moved("[name](https://example.org/a.md)", origin, place).endswith("org/a.md)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_out_of_docs_lead_to_pages_or_files(page):
    origin = page.relative_to(ROOT).as_posix()
    for path in links(page.read_text(encoding="utf-8"), origin):
        assert (ROOT / path).is_file() or place_of(path) in BORROWED.values(), path


def test_warnings_are_errors_and_fonts_are_the_readers_own():
    assert settings()["strict"] is True
    assert settings()["theme"]["font"] is False
    assert set(settings()["validation"].values()) == {"warn"}


@pytest.mark.slow
def test_the_site_builds_and_fetches_nothing(tmp_path):
    pytest.importorskip("mkdocstrings", reason="needs groklst[docs]")
    pytest.importorskip("material", reason="needs groklst[docs]")
    roots = os.pathsep.join([str(ROOT), str(ROOT / "models")])
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": roots}
    subprocess.run(build, cwd=ROOT, env=environment, check=True)
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > len(PAGES)
    for page in pages:
        assert FETCHED.findall(page.read_text(encoding="utf-8")) == [], page
