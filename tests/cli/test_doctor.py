"""``groklst doctor`` on a good installation and on broken ones."""

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from groklst_cli.pipeline.doctor import checks as doctor
from groklst_cli.pipeline.doctor import libraries as doctor_libraries
from groklst_cli.pipeline.doctor.libraries import Finding

HEAVY = ["catboost", "dask", "h5py", "lightgbm", "lightning_fabric", "matplotlib", "rioxarray",
         "sklearn", "xarray", "xgboost"]  # fmt: skip


@pytest.fixture
def few_libraries(tmp_path) -> Path:
    """A folder of empty modules in the place of libraries that take seconds to import."""
    for name in HEAVY:
        (tmp_path / f"{name}.py").touch()
    return tmp_path


def groklst_doctor(*arguments: str, first: Path) -> subprocess.CompletedProcess[str]:
    """Run it with a folder that modules are looked for in before all others."""
    clean = {k: v for k, v in os.environ.items() if k not in doctor.DATA_FILES}
    path = os.pathsep.join([str(first), *filter(None, [clean.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-m", "groklst_cli", "doctor", *arguments],
        env=clean | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def found(check: object) -> dict[str, Finding]:
    return {finding.about: finding for finding in check()}


def test_a_good_installation_is_code_0_and_fits_one_screen(few_libraries):
    """The README's command imports the other libraries in earnest."""
    told = groklst_doctor(first=few_libraries)
    assert (told.returncode, told.stderr) == (0, "")
    assert len(told.stdout.splitlines()) < 30
    for word in (
        "torch",
        "rasterio",
        "COG",
        "PROJ",
        "threads",
        "GiB free",
        "was downscaled correctly",
    ):
        assert word in told.stdout


def test_broken_torch_is_told_with_what_mends_it(few_libraries):
    (few_libraries / "torch.py").write_text("raise ImportError('libomp.so: cannot open')")
    told = groklst_doctor("--json", first=few_libraries)
    findings = {row["about"]: row for row in json.loads(told.stdout)}
    assert told.returncode == 1
    assert findings["torch"]["state"] == "wrong"
    assert "libomp.so" in findings["torch"]["found"]
    assert findings["torch"]["mend"].startswith("pip install")
    assert findings["GDAL"]["state"] == "ok"
    assert findings["trial run"]["state"] == "wrong"
    line = told.stderr.splitlines()
    assert len(line) == 1
    assert line[0].startswith("groklst: ")


def test_rasterio_that_cannot_be_imported_leaves_the_rest_to_be_told(few_libraries):
    (few_libraries / "rasterio.py").write_text("raise ImportError('libexpat.so.1: cannot open')")
    told = groklst_doctor(first=few_libraries)
    assert told.returncode == 1
    assert "Traceback" not in told.stderr
    assert "the system package that contains libexpat.so.1" in told.stdout
    assert "threads" in told.stdout


def test_proj_data_that_leads_nowhere_is_found(tmp_path):
    code = "from groklst_cli.pipeline.doctor.checks import check_gdal, check_variables\n"
    code += "for f in (*check_gdal(), *check_variables()): print(f.about, f.state, f.found, f.mend)"
    nowhere = {"PROJ_DATA": str(tmp_path), "PROJ_LIB": str(tmp_path)}
    told = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | nowhere,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "PROJ wrong" in told
    assert f"PROJ_DATA warning {tmp_path} holds no proj.db" in told


class TestLibraries:
    @pytest.fixture
    def versions(self, monkeypatch):
        """Pretend that these versions, and none of others, are installed."""

        def pretend(lines: list[str], **versions: str) -> None:
            def version(name: str) -> str:
                try:
                    return versions[name]
                except KeyError:
                    raise metadata.PackageNotFoundError(name) from None

            monkeypatch.setattr(doctor_libraries.metadata, "requires", lambda name: lines)
            monkeypatch.setattr(doctor_libraries.metadata, "version", version)

        return pretend

    @pytest.mark.parametrize(
        ("there", "state"),
        [
            ("2.5.1", "wrong"),
            ("2.6", "ok"),
            ("2.6.0+cpu", "ok"),
            ("2.13.0", "ok"),
            ("1.99", "wrong"),
        ],
    )
    def test_versions_are_held_against_the_lowest(self, versions, there, state):
        versions(["numpy>=2.6"], numpy=there)
        findings = found(doctor_libraries.check_libraries)
        assert findings.get("numpy", findings["libraries"]).state == state
        assert ("numpy" in findings) == (state == "wrong")

    def test_a_missing_library_is_wrong_and_a_missing_optional_one_is_not(self, versions):
        versions(["numpy>=2", "dask[distributed]>=2024.8 ; extra == 'dask'"])
        findings = found(doctor_libraries.check_libraries)
        assert (findings["numpy"].state, findings["dask"].state) == ("wrong", "ok")
        assert "groklst[dask]" in findings["dask"].mend

    BOOSTING = (
        "lightgbm>=4.3; extra == 'boosting'",
        "xgboost-cpu>=2.1.1; (sys_platform != 'darwin') and extra == 'boosting'",
        "xgboost>=2.1.1; (sys_platform == 'darwin') and extra == 'boosting'",
        "lightgbm>=4.3; extra == 'test'",
    )

    def test_an_extra_of_several_libraries_is_told_library_by_library(self, versions):
        versions([*self.BOOSTING])
        findings = list(doctor_libraries.check_libraries())
        assert [f.about for f in findings] == ["lightgbm", "xgboost", "libraries"]
        assert {f.mend for f in findings[:2]} == {"pip install 'groklst[boosting]'"}

    @pytest.mark.parametrize("build", ["xgboost-cpu", "xgboost"])
    def test_one_of_two_builds_is_enough(self, versions, monkeypatch, build):
        monkeypatch.setitem(sys.modules, "xgboost", sys)  # whatever can be imported
        versions([*self.BOOSTING[1:3]], **{build: "3.2.0"})
        findings = found(doctor_libraries.check_libraries)
        assert set(findings) == {"libraries"}
        assert findings["libraries"].found == f"{build} 3.2.0"

    def test_an_optional_library_that_does_not_load_keeps_groklst_from_nothing(
        self, versions, monkeypatch, tmp_path
    ):
        (tmp_path / "lightgbm.py").write_text("raise OSError('libgomp.so.1: cannot open')")
        monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
        monkeypatch.syspath_prepend(tmp_path)
        versions([*self.BOOSTING[:1]], lightgbm="4.7.0")
        finding = found(doctor_libraries.check_libraries)["lightgbm"]
        assert finding.state == "warning"
        assert "the system package that contains libgomp.so.1" in finding.mend

    def test_tools_for_those_who_change_groklst_are_not_asked_for(self, versions):
        versions(["ruff>=0.8; extra == 'check'"])
        assert set(found(doctor_libraries.check_libraries)) == {"libraries"}


class TestSurroundings:
    @pytest.fixture(autouse=True)
    def _clean(self, monkeypatch):
        for name in (*doctor.DATA_FILES, "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"):
            monkeypatch.delenv(name, raising=False)

    def test_nothing_set_is_nothing_found(self):
        assert found(doctor.check_variables) == {}

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("GDAL_DATA", "/opt/other/share/gdal"),
            ("GDAL_DRIVER_PATH", "/opt/other/plugins"),
            ("OMP_NUM_THREADS", "1"),
            ("OMP_NUM_THREADS", "many"),
            ("CUDA_VISIBLE_DEVICES", ""),
            ("CUDA_VISIBLE_DEVICES", "-1"),
        ],
    )
    def test_variables_that_disturb_are_named(self, monkeypatch, name, value):
        monkeypatch.setattr(os, "cpu_count", lambda: 4)
        monkeypatch.setenv(name, value)
        finding = found(doctor.check_variables)[name]
        assert finding.state == "warning"
        assert name in finding.mend

    def test_another_groklst_on_the_path_is_seen(self, monkeypatch, tmp_path):
        other = tmp_path / ("groklst.exe" if sys.platform == "win32" else "groklst")
        other.write_text("")
        other.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        finding = found(doctor_libraries.check_program)["PATH"]
        assert finding.state == "warning"
        assert str(other) in finding.found

    def test_little_room_is_a_warning(self, monkeypatch):
        usage = type("Usage", (), {"free": 2**28})
        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: usage)
        assert {f.state for f in doctor.check_disk()} == {"warning"}
