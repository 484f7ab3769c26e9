"""The GPU benchmark: rehearsed to its end, and what it keeps of steps that do not end."""

import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


@pytest.fixture
def record(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from gpu_record import Record

    return lambda conditions={"device": "none"}: Record.open(tmp_path / "gpu.json", conditions)


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


@pytest.mark.slow
def test_the_whole_benchmark_is_rehearsed_and_then_has_nothing_left_to_do(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), "--device", "cpu", "--tiny"]
    command += ["--out", str(tmp_path), "--minutes", "60"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    content = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert done.returncode == 0, (done.stderr, content)
    steps = content["steps"]
    assert {step["state"] for step in steps.values()} == {"done"}
    assert all(step["rows"] for step in steps.values())
    assert not [row for step in steps.values() for row in step["rows"] if "error" in row]
    text = (tmp_path / "gpu.md").read_text(encoding="utf-8")
    assert all(f"## {name}" in text for name in steps)
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stderr) == (0, "")
