import json
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from groklst_models.checkpoint import Checkpoint, Header, load, read_header, save
from groklst_models.errors import CheckpointError, MissingBandsError
from groklst_models.network_method import NetworkMethod
from groklst_models.normalization import BandStatistics, Normalization, groklst_normalization
from groklst_models.toolkit import import_toolkit, published_form, read_tensors

TINY = {"width": 8, "stages": 2, "blocks": 1}
STATISTICS = Normalization(
    290.5, 7.25, (BandStatistics("red", 0.2, 0.1), BandStatistics("ndvi", 0.3, 0.2))
)
HEADER = Header("mocolsk", 4, STATISTICS, TINY, tile=128, training={"steps": 3}, licence="CC0-1.0")


def made(header: Header = HEADER) -> Checkpoint:
    torch.manual_seed(0)
    return Checkpoint(header, header.build_network().state_dict())


def test_what_is_saved_is_what_is_loaded(tmp_path):
    first = made()
    save(first, tmp_path / "a.safetensors")
    second = load(tmp_path / "a.safetensors")
    assert second.header == HEADER
    assert read_header(tmp_path / "a.safetensors") == HEADER
    assert list(second.weights) == sorted(first.weights)
    for name, tensor in first.weights.items():
        torch.testing.assert_close(second.weights[name], tensor, rtol=0, atol=0)
    second.load_network()
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_failed_save_keeps_the_old_file(tmp_path):
    save(made(), tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="plain data"):
        save(
            Checkpoint(Header("mocolsk", 4, STATISTICS, TINY, scores={"x": object()}), {}),
            tmp_path / "a.safetensors",
        )
    assert load(tmp_path / "a.safetensors").header == HEADER


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 99}, "upgrade groklst"),
        ({"scale": 1}, "2 … 64"),
        ({"scale": "many"}, "a whole number in 2 … 64"),
        ({"tile": 130}, "multiple of scale"),
        ({"network": "nothing"}, "no method"),
        ({"network": "bicubic"}, "takes no weights"),
        ({"arguments": {"depth": 3}}, "has no argument depth"),
        ({"arguments": {"width": 16}}, "another shape"),
        ({"normalization": {"lst": {"mean": 0, "std": 0}, "bands": []}}, "not positive"),
        ({"normalization": {}}, "bands is missing"),
    ],
)
def test_headers_that_cannot_be_are_refused(tmp_path, change, says):
    path = tmp_path / "a.safetensors"
    header = HEADER.to_json() | change
    save_file(dict(made().weights), path, metadata={"groklst": json.dumps(header)})
    with pytest.raises(CheckpointError, match=says):
        load(path).load_network()


@pytest.mark.parametrize(
    "content", [b"", b"no safetensors", b"\xff" * 64, (2**62).to_bytes(8, "little") + b"{}"]
)
def test_files_that_are_no_checkpoints_are_refused(tmp_path, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        load(path)


def test_a_foreign_safetensors_file_and_broken_weights_are_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="groklst import"):
        load(path)
    weights = dict(made().weights)
    name = next(iter(weights))
    weights[name] = torch.full_like(weights[name], torch.nan)
    save(Checkpoint(HEADER, weights), path)
    with pytest.raises(CheckpointError, match="NaN"):
        load(path)


def test_a_network_derives_its_bands_or_says_what_is_missing():
    network, cpu = HEADER.build_network(), torch.device("cpu")
    NetworkMethod(network, STATISTICS, scale=4, bands=("nir", "red"), device=cpu)
    with pytest.raises(MissingBandsError, match="missing ndvi: add --guide ndvi=FILE"):
        NetworkMethod(network, STATISTICS, scale=4, bands=("red",), device=cpu)


class Recorder:
    """Must never be built: it stands for code inside a pickle."""

    built: list[int] = []  # noqa: RUF012

    def __init__(self) -> None:
        Recorder.built.append(1)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return Recorder, ()


def toolkit_weights(prefix: str) -> OrderedDict[str, torch.Tensor]:
    """Name a tiny network's weights as the toolkit does."""
    from tests.models.toolkit_keys import toolkit_keys

    ours = made(imported_header()).weights
    sources = published_form("mocolsk", scale=2, **TINY).sources(ours)
    theirs = {source.keys[0]: ours[name] for name, source in sources.items()}
    return OrderedDict((prefix + key, theirs[key]) for key in toolkit_keys())


def imported_header() -> Header:
    return Header("mocolsk", 2, groklst_normalization(2, ("dem", "red")), TINY)


@pytest.mark.parametrize("prefix", ["", "generator.", "module.", "generator.module."])
@pytest.mark.parametrize("wrapped", [True, False])
def test_toolkit_files_are_imported_by_key_and_nothing_in_them_runs(tmp_path, prefix, wrapped):
    path, weights = tmp_path / "toolkit.pth", toolkit_weights(prefix)
    Recorder.built.clear()
    extra = {"state_dict": weights, "message_hub": Recorder(), "meta": {"epoch": 3}}
    Recorder.built.clear()
    torch.save(extra if wrapped else weights, path)
    checkpoint = import_toolkit(
        path, network="mocolsk", scale=2, bands=("dem", "red"), arguments=TINY
    )
    assert Recorder.built == []
    ours = made(imported_header()).weights
    assert checkpoint.weights.keys() == ours.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(checkpoint.weights[name], tensor, rtol=0, atol=0)
    assert checkpoint.header.normalization.band_names == ("dem", "red")
    assert checkpoint.header.tile == 512


def test_toolkit_files_that_are_not_what_is_said_are_refused(tmp_path):
    path = tmp_path / "toolkit.pth"
    torch.save(toolkit_weights(""), path)
    with pytest.raises(CheckpointError, match=r"does not contain mocolsk .* lacks"):
        import_toolkit(path, network="mocolsk", scale=2, bands=("dem", "red"))
    with pytest.raises(CheckpointError, match="takes no weights"):
        import_toolkit(path, network="bicubic", scale=2)
    with pytest.raises(CheckpointError, match="no published statistics for swir9"):
        import_toolkit(path, network="mocolsk", scale=2, bands=("swir9",))
    with pytest.raises(CheckpointError, match="scale 3"):
        import_toolkit(path, network="mocolsk", scale=3)
    torch.save({"state_dict": {}}, path)
    with pytest.raises(CheckpointError, match="no tensors"):
        read_tensors(path)
    Path(path).write_bytes(b"no pickle at all")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_tensors(path)
