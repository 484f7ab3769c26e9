"""What a release is made of: versions agree, files parse, the conda recipe asks for the same."""

import re
import tomllib
from typing import Any

import pytest
import yaml

from groklst_cli import __version__
from tests.cli.pages import ROOT

CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def parsed(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def project() -> dict[str, Any]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found: dict[str, Any] = tomllib.loads(text)["project"]
    return found


def newest_change() -> tuple[str, str]:
    """Read version and state of the first heading of the changelog."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version, state = re.findall(r"^## (\S+) \((.*)\)$", text, re.MULTILINE)[0]
    return version, state


def test_versions_agree():
    assert project()["version"] == __version__
    assert parsed("CITATION.cff")["version"] == __version__
    assert parsed("conda/recipe/recipe.yaml")["context"]["version"] == __version__
    assert newest_change()[0] == __version__


def test_a_released_version_has_one_date():
    date = parsed("CITATION.cff").get("date-released")
    assert newest_change()[1] == ("unreleased" if date is None else str(date))


def test_the_citation_is_complete():
    cited = parsed("CITATION.cff")
    assert {"cff-version", "message", "title", "authors", "abstract", "keywords"} <= cited.keys()
    assert cited["license"] == project()["license"]
    assert cited["keywords"] == project()["keywords"]
    for reference in cited["references"]:
        assert {"type", "title", "authors", "journal", "year"} <= reference.keys()
        assert all("family-names" in author for author in reference["authors"])
        assert "doi" in reference or "identifiers" in reference


def test_conda_asks_for_what_pip_asks_for():
    wanted = set()
    for line in project()["dependencies"]:
        name, bound = re.fullmatch(r"([\w-]+)(\S+)", line).groups()
        wanted.add(f"{CONDA_NAMES.get(name, name)} {bound}")
    recipe = parsed("conda/recipe/recipe.yaml")
    python, *run = recipe["requirements"]["run"]
    assert python.startswith("python ")
    assert set(run) == wanted
    assert project()["requires-python"] == f">={recipe['context']['python_min']}"
    (entry,) = recipe["build"]["python"]["entry_points"]
    assert entry == f"groklst = {project()['scripts']['groklst']}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_do_little_and_ends(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 90
        assert all("@" in step["uses"] for step in job["steps"] if "uses" in step)


def test_a_release_is_tried_and_attested_before_anyone_gets_it():
    jobs = parsed(".github/workflows/release.yml")["jobs"]
    assert jobs["publish"]["needs"] == "try"
    assert jobs["try"]["needs"] == "build"
    uses = [step.get("uses", "").partition("@")[0] for step in jobs["publish"]["steps"]]
    attested = uses.index("actions/attest-build-provenance")
    assert attested < uses.index("pypa/gh-action-pypi-publish")
    assert jobs["publish"]["permissions"]["id-token"] == "write"


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_for_issues_has_what_it_needs(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.stem == "config":
        assert form.keys() == {"blank_issues_enabled"}
        return
    assert {"name", "description", "body"} <= form.keys()
    names = [part["id"] for part in form["body"]]
    assert len(set(names)) == len(names)
    assert all(part["attributes"]["label"] for part in form["body"])


def test_links_of_the_short_page_lead_somewhere():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)\)", text)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []
