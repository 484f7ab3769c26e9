"""Checkpoints and toolkit files made to harm: one line each, no memory taken, nothing called."""

import collections
import io
import json
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from groklst_cli.errors import InputError
from groklst_cli.pipeline.train.run_folder import load_state, save_state
from groklst_models.checkpoint import Checkpoint, Header, load, save
from groklst_models.errors import CheckpointError
from groklst_models.normalization import BandStatistics, Normalization, groklst_normalization
from groklst_models.toolkit import import_toolkit, published_form, read_tensors
from tests.trust.refusal import Case, refuse

LIMIT = 512 * 2**20  # bytes of memory beside what the process takes to import torch
FLOAT = b"ctorch\nFloatStorage\n"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
ZEROS = bytes(16)  # four float32


def number(value: int) -> bytes:
    """Write a whole number as torch does: one that it does not write, it does not read."""
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + len(raw).to_bytes(4, "little") + raw


def tensor(
    shape: list[int], strides: list[int], *, offset: int = 0, kind: bytes = FLOAT, key: str = "0"
) -> bytes:
    """Write the steps of a pickle that make a tensor."""
    storage = b"(" + text("storage") + kind + text(key) + text("cpu") + number(4) + b"tQ"
    sizes = b"".join(b"(" + b"".join(map(number, part)) + b"t" for part in (shape, strides))
    return REBUILD + b"(" + storage + number(offset) + sizes + b"\x89}tR"


def state(*entries: tuple[bytes, bytes]) -> bytes:
    """Write a pickle of one mapping."""
    return b"\x80\x02}(" + b"".join(key + value for key, value in entries) + b"u."


def archive(path: Path, steps: bytes, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a/data.pkl", steps)
        made.writestr("a/version", "3\n")  # without it torch itself reads no further
        made.writestr("a/data/0", ZEROS)
        for name, content in members.items():
            made.writestr(f"a/{name}", content)
    return path


GOOD = tensor([4], [1])
CALLS = {
    "bytearray": b"cbuiltins\nbytearray\n(" + number(2**31 - 1) + b"tR",
    "storage": b"ctorch\nFloatStorage\n(" + number(2**33) + b"tR",
    "tensor": b"ctorch\nTensor\n(" + number(2**33) + b"tR",
    "empty": b"ctorch\nempty\n(" + number(2**33) + b"tR",
    "range": b"c__builtin__\nlist\n(c__builtin__\nrange\n(" + number(2**31) + b"tRtR",
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_what_is_no_tensor_is_passed_over_and_not_called(tmp_path, call):
    path = archive(tmp_path / "a.pth", state((text("x"), call), (text("w"), GOOD)))
    assert_takes_no_memory(path, says=None)
    assert read_tensors(path).keys() == {"w"}


TENSORS = {
    "beyond": (tensor([5], [1]), "beyond its storage of 4"),
    "offset": (tensor([4], [1], offset=1), "beyond its storage"),
    "negative-offset": (tensor([2], [1], offset=-1), "beyond its storage"),
    "negative-size": (tensor([-4], [1]), "beyond its storage"),
    "negative-stride": (tensor([2], [-1]), "beyond its storage"),
    "one-element-many-times": (tensor([2**40], [0]), "beyond its storage"),
    "overlapping": (tensor([4, 4], [0, 1]), "beyond its storage"),
    "overflowing": (tensor([2**62, 2**62], [4, 4]), "beyond its storage"),
    "huge-number": (tensor([10**600], [0]), "beyond its storage"),
    "many-axes": (tensor([1] * 99, [1] * 99), "beyond its storage"),
    "shape-and-strides": (tensor([2, 2], [1]), "beyond its storage"),
    "empty-far-away": (tensor([0], [1], offset=99), "beyond its storage"),
    "no-storage": (tensor([4], [1], key="7"), "storage '7' is damaged"),
    "storage-elsewhere": (tensor([4], [1], key="../data.pkl/"), "is damaged"),
    "complex": (tensor([2], [1], kind=b"ctorch\nComplexFloatStorage\n"), "type ComplexFloat"),
    "quantized": (tensor([4], [1], kind=b"ctorch\nQInt8Storage\n"), "type QInt8"),
}


@pytest.mark.parametrize(("steps", "says"), TENSORS.values(), ids=TENSORS.keys())
def test_a_tensor_that_its_storage_does_not_hold_is_refused(tmp_path, steps, says):
    path = archive(tmp_path / "a.pth", state((text("w"), steps)))
    assert_takes_no_memory(path, says=says)


PICKLES = {
    "not-a-mapping": (b"\x80\x02K\x01.", "not contain a mapping of names"),
    "whole-numbers": (state((number(3), GOOD)), "its keys are numbers"),
    "twins": (state((text("module.w"), GOOD), (text("w"), GOOD)), "two tensors for 'w'"),
    "only-a-call": (state((text("w"), CALLS["bytearray"])), "no tensors"),
    "stops-early": (b"\x80\x02}(", "pickle is damaged"),
    "takes-from-nothing": (b"\x80\x020.", "pickle is damaged"),
    "memory-of-nothing": (b"\x80\x02h\x07.", "pickle is damaged"),
    "text-without-end": (b"\x80\x02X\xff\xff\xff\x7fa.", "pickle is damaged"),
    "deep": (b"\x80\x02" + b"(" * 10**5 + b"t" * 10**5 + b".", "not contain a mapping of names"),
}


@pytest.mark.parametrize(("steps", "says"), PICKLES.values(), ids=PICKLES.keys())
def test_a_pickle_that_holds_no_state_is_refused(tmp_path, steps, says):
    assert_takes_no_memory(archive(tmp_path / "a.pth", steps), says=says)


def test_a_pickle_of_too_many_steps_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr("groklst_models.pickled_tensors._MOST_STEPS", 1000)
    path = archive(tmp_path / "a.pth", b"\x80\x02" + b"N0" * 501 + b"}.")
    with pytest.raises(CheckpointError, match="more than 1000 steps"):
        read_tensors(path)


def assert_takes_no_memory(path: Path, says: str | None) -> None:
    """Read a file where hardly any memory may be taken."""
    with AddressSpace():
        if says is None:
            read_tensors(path)
        else:
            with pytest.raises(CheckpointError, match=says):
                read_tensors(path)


class AddressSpace:
    """Bounds what this process may take beyond what it has."""

    def __enter__(self) -> None:
        if sys.platform != "linux":
            return
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        self._before = resource.getrlimit(resource.RLIMIT_AS)
        bound = pages * resource.getpagesize() + LIMIT
        resource.setrlimit(resource.RLIMIT_AS, (bound, self._before[1]))

    def __exit__(self, *_: object) -> None:
        if sys.platform == "linux":
            import resource

            resource.setrlimit(resource.RLIMIT_AS, self._before)


SPECIAL: dict[str, Callable[[], torch.Tensor]] = {
    "float8": lambda: torch.zeros(4).to(torch.float8_e4m3fn),
    "complex": lambda: torch.zeros(4, dtype=torch.complex64),
    "meta": lambda: torch.zeros(4, device="meta"),
    "sparse": lambda: torch.eye(3).to_sparse(),
    "quantized": lambda: torch.quantize_per_tensor(torch.zeros(4), 0.1, 0, torch.qint8),
}


@pytest.mark.filterwarnings("ignore")  # of torch, which is about to drop some kinds
@pytest.mark.parametrize("kind", SPECIAL)
def test_a_special_tensor_of_a_real_file_is_refused_by_name(tmp_path, kind):
    torch.save({"state_dict": {"generator.w": SPECIAL[kind]()}}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"tensor '.*w' is .*expected"):
        read_tensors(tmp_path / "a.pth")


REAL = {
    "float32": torch.arange(6.0).reshape(2, 3),
    "float16": torch.arange(6.0).half(),
    "bfloat16": torch.arange(6.0).bfloat16(),
    "float64": torch.arange(6.0).double(),
    "whole": torch.arange(6),
    "bool": torch.tensor([True, False]),
    "scalar": torch.tensor(3),
    "empty": torch.zeros(0, 3),
    "turned": torch.arange(6.0).reshape(2, 3).T,
    "part": torch.arange(9.0)[2:5],
    "uint8": torch.arange(6, dtype=torch.uint8),
    "parameter": torch.nn.Parameter(torch.arange(6.0)),
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_plain_tensor_is_read_as_torch_reads_it(tmp_path, protocol):
    held = {**REAL, "tied": REAL["float32"]}
    wrapped = {"state_dict": collections.OrderedDict(held), "meta": {"seed": 1, "a": [1, (2,)]}}
    torch.save(wrapped, tmp_path / "a.pth", pickle_protocol=protocol)
    found = read_tensors(tmp_path / "a.pth")
    assert found.keys() == held.keys()
    for name, expected in held.items():
        assert found[name].dtype == expected.dtype
        assert torch.equal(found[name], expected)


def test_a_file_of_the_other_byte_order_is_read_right(tmp_path):
    steps = state((text("w"), GOOD))
    path = tmp_path / "a.pth"
    other = "big" if sys.byteorder == "little" else "little"
    values = np.array([1, 2, 3, 4], ">f4" if other == "big" else "<f4")
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a/data.pkl", steps)
        made.writestr("a/byteorder", other)
        made.writestr("a/data/0", values.tobytes())
    assert read_tensors(path)["w"].tolist() == [1, 2, 3, 4]


def toolkit_file(path: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    ours = Header("srcnn", 2, _lst_only(), {}).build_network().state_dict()
    sources = published_form("srcnn").sources(ours)
    weights = {source.keys[0]: ours[name] for name, source in sources.items()}
    change(weights)
    torch.save({"state_dict": weights}, path)


def _lst_only() -> Normalization:
    known = groklst_normalization(2, ())
    return Normalization(known.lst_mean, known.lst_std)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_not_imported(tmp_path, value):
    def spoil(weights: dict[str, torch.Tensor]) -> None:
        next(iter(weights.values())).view(-1)[-1] = value

    toolkit_file(tmp_path / "a.pth", spoil)
    with pytest.raises(CheckpointError, match="contain NaN or infinity"):
        import_toolkit(tmp_path / "a.pth", network="srcnn", scale=2)


def test_factors_that_do_not_belong_together_take_no_memory(tmp_path):
    ours = published_form("sgnet", scale=2, guide_channels=10)
    source = next(iter(ours.sources(["first.both.mix.weight"]).values()))
    sizes = ((2, 2), (2, 2), (10**7,), (10**7,), (2, 2))
    factors = {
        key: torch.zeros(()).expand(size) for key, size in zip(source.keys, sizes, strict=True)
    }
    with pytest.raises(CheckpointError, match="cannot become"):
        source.made(factors, (2, 2, 1, 1))


def test_tensors_that_share_a_storage_become_a_checkpoint(tmp_path):
    header = Header("srcnn", 2, _lst_only(), {})
    weights = dict(header.build_network().state_dict())
    together = torch.cat([weight.reshape(-1) for weight in weights.values()])
    start = 0
    for name, weight in weights.items():
        weights[name] = together[start : start + weight.numel()].view(weight.shape)
        start += weight.numel()
    save(Checkpoint(header, weights), tmp_path / "a.safetensors")
    again = load(tmp_path / "a.safetensors").weights
    assert all(torch.equal(again[name], weight) for name, weight in weights.items())


HEADER = {
    "format": 1,
    "network": "srcnn",
    "arguments": {},
    "scale": 2,
    "normalization": {"lst": {"mean": 290, "std": 7}, "bands": []},
    "tile": 128,
}
BAND = {"name": "nir", "mean": 0.3, "std": 0.1}


def normalized(lst: object = None, bands: object = ()) -> dict[str, object]:
    return {"normalization": {"lst": lst or {"mean": 290, "std": 7}, "bands": list(bands)}}


def damaged(name: str, change: dict[str, Any], *says: str) -> object:
    """Put down a row: a header with a change, and words of the line about it."""
    case = Case(name, ("info", "a.safetensors"), 3, ("a.safetensors", *says))
    return pytest.param(change, case, id=name.replace(" ", "-"))


HEADERS = [
    damaged("scale no whole number", {"scale": 8.9}, "scale is 8.9", "a whole number in 2 … 64"),
    damaged("scale as a float", {"scale": 2.0}, "scale is 2.0", "a whole number"),
    damaged("scale true", {"scale": True}, "scale is true"),
    damaged("scale as text", {"scale": "2"}, 'scale is "2"'),
    damaged("scale too large", {"scale": 65}, "2 … 64"),
    damaged("scale missing", {"scale": None}, "scale is missing"),
    damaged("tile no whole number", {"tile": 128.5}, "tile is 128.5"),
    damaged("tile huge", {"tile": 2**40}, "tile is"),
    damaged("conserve a word", {"conserve": "no"}, "conserve is", "true or false"),
    damaged("network a number", {"network": 3}, "network is 3", "a text"),
    damaged("network unknown", {"network": "none"}, "none"),
    damaged("network fitted", {"network": "ridge"}, "takes no weights"),
    damaged("arguments a list", {"arguments": [1]}, "arguments is", "a table"),
    damaged("training a list", {"training": [1]}, "training is", "a table"),
    damaged("scores a number", {"scores": 3}, "scores is 3", "a table"),
    damaged("licence a list", {"licence": ["MIT"]}, "licence is", "a text"),
    damaged("mean NaN", normalized({"mean": np.nan, "std": 7}), "mean is NaN", "a finite number"),
    damaged("mean infinite", normalized({"mean": np.inf, "std": 7}), "mean is Infinity"),
    damaged("mean as text", normalized({"mean": "290", "std": 7}), 'mean is "290"'),
    damaged("std NaN", normalized({"mean": 290, "std": np.nan}), "std is NaN"),
    damaged("std 0", normalized({"mean": 290, "std": 0}), "not positive"),
    damaged("band mean NaN", normalized(bands=[BAND | {"mean": np.nan}]), "mean is NaN"),
    damaged("band std negative", normalized(bands=[BAND | {"std": -1}]), "not positive"),
    damaged("bands no tables", normalized(bands=["nir"]), "a list of tables"),
    damaged("band twice", normalized(bands=[BAND, BAND]), "different printable names"),
    damaged(
        "band without a name", normalized(bands=[BAND | {"name": ""}]), "different printable names"
    ),
    damaged("band that rings", normalized(bands=[BAND | {"name": "\x07"}]), "printable names"),
    damaged("other network", {"network": "edsr"}, "do not fit edsr"),
    damaged("no header", {"format": "one"}, "not a groklst header"),
]


@pytest.mark.parametrize(("change", "case"), HEADERS)
def test_info_says_what_is_wrong_with_a_header(tmp_path, monkeypatch, capfd, change, case):
    monkeypatch.chdir(tmp_path)
    weights = dict(Header("srcnn", 2, Normalization(290, 7)).build_network().state_dict())
    metadata = {"groklst": json.dumps(HEADER | change)}
    save_file(weights, "a.safetensors", metadata=metadata)
    refuse(case, capfd)


WEIGHTS: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], str]] = {
    "NaN": (lambda t: torch.full_like(t, torch.nan), "NaN or infinity"),
    "infinite": (lambda t: torch.full_like(t, -torch.inf), "NaN or infinity"),
    "float8": (lambda t: t.to(torch.float8_e4m3fn), "stored as float8_e4m3fn"),
    "complex": (lambda t: t.to(torch.complex64), "stored as complex64"),
    "another shape": (lambda t: t[:1].contiguous(), "of another shape"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_info_says_what_is_wrong_with_weights(tmp_path, monkeypatch, capfd, name):
    monkeypatch.chdir(tmp_path)
    change, says = WEIGHTS[name]
    weights = dict(Header("srcnn", 2, Normalization(290, 7)).build_network().state_dict())
    first = next(iter(weights))
    weights[first] = change(weights[first])
    save_file(weights, "a.safetensors", metadata={"groklst": json.dumps(HEADER)})
    refuse(Case(name, ("info", "a.safetensors"), 3, ("a.safetensors", says)), capfd)


def test_a_header_is_the_same_after_a_file(tmp_path):
    bands = (BandStatistics("Band 1 (near infrared)", 0, 1), BandStatistics("dem", -3.5, 2))
    header = Header("mocolsk", 4, Normalization(290, 7, bands, "tile", trend=True), tile=32)
    assert Header.from_json(json.loads(json.dumps(header.to_json()))) == header


def test_a_training_state_calls_nothing_but_what_makes_tensors(tmp_path):
    path = tmp_path / "state.pt"
    save_state({"step": 3, "network": REAL, "list": [1.5, None, True, "a", torch.ones(2)]}, path)
    assert load_state(path)["step"] == 3
    for call in CALLS.values():
        archive(path, state((text("format"), number(1)), (text("x"), call)))
        with pytest.raises(InputError, match=r"does not need|beyond its storage"):
            load_state(path)
    archive(path, state((text("format"), number(1)), (text("w"), tensor([2**40], [0]))))
    with pytest.raises(InputError, match="beyond its storage"):
        load_state(path)


def test_the_smallest_attack_takes_no_memory_in_a_process_of_its_own(tmp_path):
    if sys.platform != "linux":
        pytest.skip("the largest memory of a process is counted as Linux counts it")
    calls = [(text(f"x{number}"), CALLS["bytearray"]) for number in range(3)]
    archive(tmp_path / "a.pth", state(*calls, (text("w"), GOOD)))
    code = (
        "import resource, sys; from groklst_cli.app import app, run\n"
        "import torch, groklst_models.toolkit, groklst_cli.pipeline.catalogue.checkpoints\n"
        "most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = most()\n"
        "code = run(lambda: app(['import', 'a.pth', 'b.safetensors', '-m', 'srcnn', '-s', '2']))\n"
        "print(code, most() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    ended, kibibytes = map(int, done.stdout.split())
    assert ended == 3
    assert kibibytes < 256 * 1024
    assert done.stderr.count("\n") == 1


def test_pickles_of_python_itself_are_read_too():
    from groklst_models.pickled_tensors import read_pickle

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        data = {"a": 1, "b": {"c": ("d", 2.5)}}
        assert read_pickle(io.BytesIO(pickle.dumps(data, protocol))).contents == data
