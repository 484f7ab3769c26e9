"""The GPU benchmark: rehearsed to its end, and what it keeps of steps that do not end."""

import json
import re
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


@pytest.fixture
def record(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from gpu_record import Record

    return lambda conditions={"device": "none"}: Record.open(tmp_path / "gpu.json", conditions)


@pytest.fixture
def benchmark(monkeypatch):
    """The benchmark's modules, whose names a run has in one place."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import gpu

    return gpu


def write(text: str, rows: Path) -> None:
    rows.write_text(text, encoding="utf-8")


def fail(rows: Path) -> None:
    write('{"x": 1}\n{"x": ', rows)
    print("no such card")
    raise SystemExit(1)


def dawdle(trace: Path, rows: Path) -> None:
    write('{"x": 1}\n', rows)
    child = "import sys, time, pathlib; time.sleep(5); pathlib.Path(sys.argv[1]).touch()"
    subprocess.run([sys.executable, "-c", child, str(trace)], check=True)


def kept(folder: Path, name: str = "a") -> dict[str, object]:
    return json.loads((folder / "gpu.json").read_text(encoding="utf-8"))["steps"][name]


def test_a_finished_step_keeps_its_rows_and_is_not_run_again(record, tmp_path):
    assert record().run("a", partial(write, '{"x": 1}\n'), 60) == "done"
    assert kept(tmp_path)["rows"] == [{"x": 1}]
    assert record().is_done("a")
    assert not record().is_done("b")


def test_a_step_that_fails_keeps_its_rows_and_its_last_words(record, tmp_path):
    assert record().run("a", fail, 60) == "failed"
    assert kept(tmp_path)["rows"] == [{"x": 1}]  # the second was not written to its end
    assert kept(tmp_path)["words"] == "no such card\n"
    assert not record().is_done("a")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no process groups")
def test_a_step_is_ended_at_its_limit_with_all_that_it_started(record, tmp_path):
    trace, began = tmp_path / "trace", time.monotonic()
    state = record().run("a", partial(dawdle, trace), 2)
    assert state == "stopped at its limit"
    assert kept(tmp_path)["rows"] == [{"x": 1}]
    time.sleep(max(0, 6 - (time.monotonic() - began)))
    assert not trace.exists()


def test_findings_of_another_card_are_not_mixed(record):
    record().run("a", partial(write, ""), 60)
    with pytest.raises(SystemExit, match="name another folder with --out"):
        record({"device": "another"})


def test_rows_that_were_found_before_stay_and_those_that_failed_do_not(record, tmp_path):
    record().run("a", partial(write, '{"x": 1}\n{"x": 2, "error": "none left"}\n'), 60)
    known = record().rows_of("a")
    assert known == ({"x": 1},)
    record().run("a", partial(write, '{"x": 2}\n'), 60, known)
    assert kept(tmp_path)["rows"] == [{"x": 1}, {"x": 2}]


def test_a_step_is_left_out_with_the_reason_and_taken_later(benchmark, monkeypatch, tmp_path):
    for where in ("gpu_fakes.py", "gpu_others.py"):
        (tmp_path / where).write_text("def rows(setting):\n    yield {'x': 1}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    steps = [
        benchmark.Step("short", "gpu_fakes:rows", 1, 60),
        benchmark.Step("bare", "gpu_fakes:rows", 1, 60, ("no_such_package",)),
        benchmark.Step("broken", "gpu_fakes:nothing", 1, 60),
        benchmark.Step("long", "gpu_others:rows", 1000, 60),
    ]
    setting = benchmark.Setting("cpu", False)
    found = benchmark.Record.open(tmp_path / "gpu.json", {})
    benchmark.run_steps(steps, time.monotonic() + 100, setting, found)
    states = {name: step["state"] for name, step in found.content["steps"].items()}
    assert states["short"] == "done"
    assert states["broken"] == "failed"
    assert "AttributeError" in kept(tmp_path, "broken")["words"]
    assert "no_such_package cannot be imported" in states["bare"]
    assert "docs/gpu.md" in states["bare"]
    assert re.fullmatch(r"skipped: it takes about 1000 s, and \d+ s were left", states["long"])
    written = benchmark.markdown(found.content)
    assert all(state in written for state in states.values())
    benchmark.run_steps(steps, time.monotonic() + 2000, setting, found)
    assert kept(tmp_path, "long")["state"] == "done"


def test_no_step_needs_a_library_of_rasters_to_be_named(tmp_path):
    """The machine that is borrowed may lack what the rest of groklst cannot do without."""
    lacking = ("rasterio", "pyproj", "affine", "lightning_fabric", "filelock", "typer", "h5py")
    code = (
        f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r})\n"
        f"sys.modules.update(dict.fromkeys({lacking!r}))\n"
        "from gpu_steps import STEPS\n"
        "print(*(name for name, step in STEPS.items() if not step.missing()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["forward", "fitted", "networks", "compiled", "profile"]


def test_a_step_is_rehearsed(tmp_path):
    content = rehearse(tmp_path, "--only", "profile")
    assert {name: step["state"] for name, step in content["steps"].items()} == {"profile": "done"}
    assert content["steps"]["profile"]["rows"]


@pytest.mark.slow
def test_the_whole_benchmark_is_rehearsed_and_then_has_nothing_left_to_do(tmp_path):
    steps = rehearse(tmp_path)["steps"]
    assert {step["state"] for step in steps.values()} == {"done"}
    assert all(step["rows"] for step in steps.values())
    assert not [row for step in steps.values() for row in step["rows"] if "error" in row]
    text = (tmp_path / "gpu.md").read_text(encoding="utf-8")
    assert all(f"## {name}" in text for name in steps)
    assert rehearse(tmp_path)["steps"] == steps


def rehearse(out: Path, *options: str) -> dict[str, Any]:
    """Run the benchmark at its smallest; return what it wrote."""
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), "--device", "cpu", "--tiny"]
    command += ["--out", str(out), "--minutes", "60", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    content = json.loads((out / "gpu.json").read_text(encoding="utf-8"))
    assert done.returncode == 0, (done.stderr, content)
    return content
