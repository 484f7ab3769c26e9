"""What groklst is shipped and tried with: constraints, workflow, container, batch jobs."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SCRIPTS = sorted((ROOT / "docs" / "slurm").glob("*.sbatch"))
needs_bash = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("bash") is None, reason="bash is not here"
)


def names(lines: list[str]) -> set[str]:
    found = [re.match(r"[\w.-]+", line) for line in lines]
    return {re.sub(r"[-_.]+", "-", match[0]).lower() for match in found if match}


def test_the_constraints_pin_all_that_is_asked_for():
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    extras = PROJECT["optional-dependencies"].values()
    asked = [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]
    assert names(asked) - {"groklst"} <= names(pins)
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins if not pin.startswith("#"))


def test_the_workflow_tries_three_pythons_three_systems_and_both_ends_of_the_versions():
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]["test"]["strategy"]["matrix"]["include"]
    assert {"3.11", "3.12", "3.13"} <= {job["python"] for job in jobs if "Linux" in job["name"]}
    assert {"macos-latest", "windows-latest"} <= {job["system"] for job in jobs}
    installs = {job.get("install") for job in jobs}
    assert {"--resolution lowest-direct", "--upgrade", None} <= installs
    assert sum(job.get("check", False) for job in jobs) == 1


def test_the_container_is_built_from_files_that_are_there_and_let_in():
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    let_in = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for name in " ".join(copied).split():
        assert (ROOT / name).exists()
        assert f"!{name}" in let_in


@needs_bash
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_batch_script_is_sound_bash(script):
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0


@pytest.fixture
def groklst(tmp_path) -> dict[str, str]:
    """An environment in which ``groklst`` writes its arguments, and its list, into ``told``."""
    tool = tmp_path / "bin" / "groklst"
    tool.parent.mkdir()
    tool.write_text(
        f"#!{sys.executable}\nimport json, pathlib, sys\n"
        "lists = [p for p in sys.argv if p.endswith('.jsonl')]\n"
        "lines = [l for p in lists for l in pathlib.Path(p).read_text().splitlines()]\n"
        f"with open({str(tmp_path / 'told')!r}, 'a') as told:\n"
        "    told.write(json.dumps([sys.argv[1:], lines]) + '\\n')\n"
    )
    tool.chmod(0o755)
    return {**os.environ, "PATH": f"{tool.parent}{os.pathsep}{os.environ['PATH']}"}


@needs_bash
def test_the_tasks_of_an_array_take_every_scene_once(groklst, tmp_path):
    scenes = [json.dumps({"lst": f"{i}.tif"}) for i in range(5)]
    (tmp_path / "scenes.jsonl").write_text("\n".join(scenes) + "\n")
    for task in range(7):
        subprocess.run(
            ["bash", ROOT / "docs/slurm/array.sbatch", "scenes.jsonl", "results"],
            cwd=tmp_path,
            env=groklst | {"SLURM_ARRAY_TASK_COUNT": "7", "SLURM_ARRAY_TASK_ID": str(task)},
            check=True,
        )
    told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert sorted(line for _, lines in told for line in lines) == scenes
    assert all({"--batch-file", "--out-dir", "--skip-existing"} <= set(told) for told, _ in told)
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == ["scenes.jsonl"]


@needs_bash
def test_one_large_scene_gets_a_process_a_core_and_goes_on(groklst, tmp_path):
    subprocess.run(
        ["bash", ROOT / "docs/slurm/groklst.sbatch", "a b.tif", "fine.tif"],
        env=groklst | {"SLURM_CPUS_PER_TASK": "3"},
        check=True,
    )
    arguments, _ = json.loads((tmp_path / "told").read_text())
    assert arguments[:3] == ["downscale", "a b.tif", "fine.tif"]
    assert arguments[arguments.index("--workers") + 1] == "3"
    assert "--resume" in arguments
