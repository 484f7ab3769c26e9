"""Damaged and lying files: a few of every kind at random, and each that once was a finding."""

import io
import json
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torch
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from groklst_cli.data import mat5
from groklst_cli.data.groklst_dataset import GrokLST
from groklst_cli.data.mat import read_mat
from groklst_cli.data.mat5 import DamageError, read_mat5
from groklst_cli.data.patches import MANIFEST, Manifest, PreparedFolder
from groklst_cli.errors import InputError
from groklst_cli.geo.opening import open_raster
from groklst_cli.pipeline.catalogue.checkpoints import import_checkpoint
from groklst_cli.pipeline.evaluate.protocol import find_protocol
from groklst_cli.pipeline.train.recipes import parse_set, read_config
from groklst_cli.pipeline.train.run_folder import load_state, save_state
from groklst_models.checkpoint import Checkpoint, Header, load, save
from groklst_models.errors import CheckpointError
from groklst_models.normalization import BandStatistics, Normalization
from tests.data.folders import write_groklst, write_tif

FUZZ = Path(__file__).resolve().parents[2] / "benchmarks" / "fuzz.py"
DEEP = "[" * 5000
DIGITS = "1" * 5000


@pytest.mark.skipif(sys.platform != "linux", reason="its limits of memory are Linux's")
def test_damaged_files_of_every_kind_are_read_or_refused(tmp_path):
    told = subprocess.run(
        [sys.executable, FUZZ, "--inputs", "120", "--seconds", "60", "--keep", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    counts = [line.split() for line in told.stdout.splitlines()]
    assert len(counts) == 8
    for _, inputs, _, refused, _, accepted, _, findings, _ in counts:
        assert (inputs, findings) == ("120", "0")
        assert int(refused) > 20
        assert int(accepted) > 0


@pytest.mark.parametrize("text", [b'title = "\xff"', f"scale = {DIGITS}", f"scale = {DEEP}"])
def test_toml_that_no_reader_can_hold_is_refused(tmp_path, text):
    path = tmp_path / "odd.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    for read in (lambda: find_protocol(str(path)), lambda: read_config(path)):
        with pytest.raises(InputError, match=r"odd\.toml"):
            read()
    with pytest.raises(InputError, match="cannot be read"):
        read_config(tmp_path)
    assert parse_set(f"batch={DEEP}") == ("batch", DEEP)


@pytest.mark.parametrize("word", [DIGITS, "²", "1_0", "+1", "1e1"])
def test_split_files_hold_plain_positions(tmp_path, word):
    folder = write_groklst(tmp_path / "set")
    (folder / "split" / "val.txt").write_text(f"{word}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"val\.txt names position") as refused:
        GrokLST(folder, "val", 2)
    assert len(str(refused.value)) < 400


def prepared(folder: Path) -> dict[str, object]:
    """Write a prepared folder of one patch and return its manifest."""
    values = np.full((8, 8), 300.0)
    for name, plane in (("lst", values[:4, :4]), ("truth", values), ("guide", values)):
        write_tif(folder / f"{name}.tif", plane)
    entry = {
        "name": "a", "scene": "s", "split": "train", "bands": ["red"],
        "files": {kind: f"{kind}.tif" for kind in ("lst", "truth", "guide")},
        "sha256": {}, "place": {"rows": [0, 8], "columns": [8, 16]},
    }  # fmt: skip
    facts = {"format": 1, "scale": 2, "bands": ["red"], "patches": [entry]}
    return {**facts, "provenance": {}, "statistics": {}}


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("scale",), 1e999),
        (("scale",), 65),
        (("bands",), "red"),
        (("bands",), ["red", "red"]),
        (("patches", 0, "bands"), ["nir"]),
        (("patches", 0, "files"), "lst.tif"),
        (("patches", 0, "files"), {"lst": "lst.tif", "truth": "truth.tif"}),
        (("patches", 0, "files", "lst"), "a\0.tif"),
        (("patches", 0, "files", "lst"), "/etc/passwd"),
        (("patches", 0, "place"), {}),
        (("patches", 0, "place", "rows"), [0, 10**12]),
        (("patches", 0, "place", "rows"), [8, 0]),
        (("patches", 0, "place", "rows"), [0, 7]),
        (("patches", 0, "split"), ["train"]),
        (("patches",), 3),
    ],
)
def test_manifests_that_claim_what_cannot_be_are_refused(tmp_path, where, value):
    facts = prepared(tmp_path)
    (tmp_path / MANIFEST).write_text(json.dumps(facts))
    assert PreparedFolder(tmp_path, "train").read(0).guide.shape == (1, 8, 8)
    holder = facts
    for key in where[:-1]:
        holder = holder[key]
    holder[where[-1]] = value
    (tmp_path / MANIFEST).write_text(json.dumps(facts))
    with pytest.raises(InputError, match=r"manifest\.json cannot be used"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize("text", [DEEP, DIGITS, "{", "\ufeff{}"])
def test_a_manifest_that_is_no_json_is_refused(tmp_path, text):
    (tmp_path / MANIFEST).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"manifest\.json"):
        Manifest.read(tmp_path)


def test_a_patch_of_another_size_is_named_and_not_read(tmp_path):
    (tmp_path / MANIFEST).write_text(json.dumps(prepared(tmp_path)))
    write_tif(tmp_path / "truth.tif", np.zeros((900, 8)))
    with pytest.raises(InputError, match=r"truth\.tif is \(1, 900, 8\)"):
        PreparedFolder(tmp_path, "train").read(0)


@settings(max_examples=60)
@given(
    st.sampled_from(["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]),
    st.integers(1, 5), st.integers(1, 7), st.booleans(),
)  # fmt: skip
def test_version_5_is_read_as_scipy_reads_it(kind, rows, columns, packed):
    values = np.random.default_rng(rows).integers(0, 99, (rows, columns)).astype(kind)
    others = {"note": "text", "cells": np.array([1, "a"], object), "z": np.ones((2, 2), complex)}
    opened = io.BytesIO()
    scipy.io.savemat(opened, {**others, "data": values, "more": values.T}, do_compression=packed)
    found = read_mat5(opened.getvalue(), ["data", "more", "absent"])
    expected = scipy.io.loadmat(io.BytesIO(opened.getvalue()))
    assert found.keys() == {"data", "more"}
    for name, plane in found.items():
        np.testing.assert_array_equal(plane, expected[name])


@pytest.mark.parametrize("order", ["<", ">"])
def test_version_5_stores_small_numbers_in_few_bytes(order):
    sides, name = struct.pack(f"{order}2I2i", 5, 8, 2, 1), b"data\0\0\0\0"
    flags = struct.pack(f"{order}4I", 6, 8, 6, 0)  # a matrix of doubles
    named = struct.pack(f"{order}I", 4 << 16 | 1) + name[:4]
    numbers = struct.pack(f"{order}I", 2 << 16 | 2) + b"\7\x09\0\0"  # two bytes inside a tag
    body = flags + sides + named + numbers
    content = bytes(126) + (b"IM" if order == "<" else b"MI")
    content += struct.pack(f"{order}2I", 14, len(body)) + body
    np.testing.assert_array_equal(read_mat5(content, ["data"])["data"], [[7], [9]])


@pytest.mark.parametrize("packed", [True, False])
def test_version_5_cut_anywhere_or_with_any_length_is_refused_or_read(packed):
    opened = io.BytesIO()
    scipy.io.savemat(opened, {"data": np.arange(12.0).reshape(3, 4)}, do_compression=packed)
    content = opened.getvalue()
    refused = 0
    for place in range(len(content)):
        for damaged in (
            content[:place],
            content[:place] + b"\xff\xff\xff\x7f" + content[place + 4 :],
            content[:place] + bytes(4) + content[place + 4 :],
        ):
            try:
                read_mat5(damaged, ["data"])
            except DamageError:
                refused += 1
    assert refused > len(content) / 4


def test_packed_elements_and_files_of_any_size_stay_within_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(mat5, "LARGEST", 2**16)
    monkeypatch.setattr("groklst_cli.data.mat.LARGEST", 2**16)
    bomb = zlib.compress(bytes(2**20))
    content = bytes(126) + b"IM" + struct.pack("<2I", 15, len(bomb)) + bomb
    with pytest.raises(DamageError, match="more than 65536"):
        read_mat5(content, ["data"])
    (tmp_path / "large.mat").write_bytes(bytes(2**16 + 1))
    with pytest.raises(InputError, match=r"large\.mat .* larger than 65536"):
        read_mat(tmp_path / "large.mat", ["data"])


@pytest.mark.parametrize("chunks", [(1, 1), (2**15, 2**15)])
def test_version_73_that_claims_what_it_does_not_hold_is_refused(tmp_path, chunks):
    side = 10**6 if chunks == (1, 1) else 2**15
    with h5py.File(tmp_path / "sparse.mat", "w") as opened:
        opened.create_dataset("data", shape=(side, side), chunks=chunks, dtype="f4")
    assert (tmp_path / "sparse.mat").stat().st_size < 10_000
    with pytest.raises(InputError, match=r"sparse\.mat .*has the size"):
        read_mat(tmp_path / "sparse.mat", ["data"])


@pytest.mark.parametrize(
    ("where", "value", "says"),
    [
        (("arguments", "width"), 60_000, "of another shape"),
        (("arguments", "width"), 10**12, "more than 65536"),
        (("arguments", "width"), [[1e300]], "more than 65536"),
        (("arguments", "width"), -1, "cannot be built"),
        (("arguments", "width"), None, "cannot be built"),
        (("scale",), 1e999, "a whole number"),
        (("normalization", "lst"), [], "a table"),
        (("normalization", "lst", "mean"), 10**400, "a finite number"),
        (("normalization", "bands"), {"a": 1}, "a list of tables"),
        (("licence",), DEEP, None),
    ],
)
def test_headers_that_claim_what_the_weights_are_not_are_refused(tmp_path, where, value, says):
    path = tmp_path / "a.safetensors"
    header = Header("srcnn", 2, Normalization(300, 5), {"width": 4})
    save(Checkpoint(header, header.build_network().state_dict()), path)
    content = path.read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    told = json.loads(content[8 : 8 + length])
    ours = json.loads(told["__metadata__"]["groklst"])
    holder = ours
    for key in where[:-1]:
        holder = holder[key]
    holder[where[-1]] = value
    told["__metadata__"]["groklst"] = json.dumps(ours)
    made = json.dumps(told).encode()
    path.write_bytes(struct.pack("<Q", len(made)) + made + content[8 + length :])
    if says is None:
        load(path).load_network()
        return
    with pytest.raises(CheckpointError, match=says):
        load(path).load_network()


@pytest.mark.parametrize("many", ["stages", "blocks"])
def test_a_network_of_more_parts_than_weights_is_not_built(many):
    arguments = {"width": 4, "stages": 1, "blocks": 1, many: 65_536}
    bands = (BandStatistics("red", 0, 1),)
    header = Header("mocolsk", 2, Normalization(300, 5, bands), arguments)
    with pytest.raises(CheckpointError, match="far more than the file has weights"):
        Checkpoint(header, {"a": torch.zeros(1)}).load_network()


@pytest.mark.parametrize("told", ["X\1", "h\5.", "]a.", "ctorch._utils\n_rebuild_tensor_v2\n)R."])
def test_pickles_that_break_down_anywhere_are_refused(tmp_path, told):
    whole = tmp_path / "whole"
    save_state({"step": 1}, whole)
    broken = tmp_path / "broken.pt"
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(broken, "w") as new:
        for name in old.namelist():
            damaged = b"\x80\2" + told.encode("latin-1")
            new.writestr(name, damaged if name.endswith(".pkl") else old.read(name))
    with pytest.raises(InputError, match=r"broken\.pt cannot be read"):
        load_state(broken)
    with pytest.raises(InputError, match=r"broken\.pt cannot be read"):
        import_checkpoint(broken, tmp_path / "out.safetensors", network="srcnn", scale=2)
    assert not (tmp_path / "out.safetensors").exists()


def test_a_virtual_raster_that_is_no_text_is_one_line(tmp_path):
    path = tmp_path / "odd.vrt"
    path.write_bytes(b'<VRTDataset rasterXSize="4" rasterYSize="4"><SRS>\x9f\x80</SRS><\x9f>')
    told = subprocess.run(
        [sys.executable, "-m", "groklst_cli", "downscale", path, tmp_path / "out.tif"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 3
    assert told.stdout == ""
    assert told.stderr == f"groklst: {path} is a VRT that is not UTF-8 text; write it again\n"
    assert not (tmp_path / "out.tif").exists()


def test_a_raster_of_a_thousand_bands_is_refused_at_once(write_raster):
    values = np.full((1100, 2, 2), 300, np.uint16)
    path = write_raster("deep.tif", values, Affine(9, 0, 0, 0, -9, 0))
    with pytest.raises(InputError, match=r"deep\.tif has 1100 bands"):
        open_raster(path)
