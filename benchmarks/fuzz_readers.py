"""What is fuzzed: small valid files, and the function by which a command reads each."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import fuzz_changes as changes
import h5py
import numpy as np
import rasterio
import rasterio.shutil
import scipy.io
import torch
from affine import Affine
from rasterio.crs import CRS

from groklst_cli.data.groklst_dataset import BANDS
from groklst_cli.data.patches import MANIFEST
from groklst_cli.data.samples import Sampling, TrainingSamples
from groklst_cli.data.sources import open_patches
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.catalogue.checkpoints import import_checkpoint
from groklst_cli.pipeline.catalogue.entries import explain
from groklst_cli.pipeline.downscale.scene_list import read_scene_list
from groklst_cli.pipeline.evaluate.protocol import find_protocol
from groklst_cli.pipeline.predict.choice import choose
from groklst_cli.pipeline.predict.method import fit_or_load
from groklst_cli.pipeline.predict.settings import Settings
from groklst_cli.pipeline.train.options import TrainOptions
from groklst_cli.pipeline.train.recipes import OPTIONS, collect
from groklst_cli.pipeline.train.run_folder import STATE, load_state, save_state
from groklst_models.checkpoint import Checkpoint, Header, save
from groklst_models.normalization import BandStatistics, Normalization
from groklst_models.toolkit import published_form

SCALE: Final = 2
SIDE: Final = 32  # fine pixels
_FINE: Final = Affine(30, 0, 500_000, 0, -30, 4_400_000)
_NARROW: Final = {"width": 4, "stages": 1, "blocks": 1}
_PROTOCOL: Final = """kind = "wald"
title = "Two scenes"
scale = 4
methods = ["bicubic:raw", "local"]
psf_sigma = 0.4
not_guides = ["qa.tif"]
[native]
default = 3
town = 1
[left_out]
coast = "it is all water"
"""


@dataclass(frozen=True)
class Target:
    """A file to damage.

    Attributes:
        path: Where it lies.
        change: How it is damaged.
        read: Reads it as a command does.
    """

    path: Path
    change: changes.Change
    read: Callable[[], object]


def _tif(path: Path, values: np.ndarray, pixel: int = 1, **profile: Any) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=values.shape[0], width=values.shape[1],
        dtype=values.dtype, crs=CRS.from_epsg(32647), transform=_FINE * Affine.scale(pixel),
        **profile,
    ) as raster:  # fmt: skip
        raster.write(values, 1)
        raster.update_tags(units="K", where="here")
    return path


def _fine() -> np.ndarray:
    return np.random.default_rng(0).normal(300, 5, (SIDE, SIDE)).astype(np.float32)


def _coarse() -> np.ndarray:
    return _fine().reshape(SIDE // SCALE, SCALE, -1, SCALE).mean((1, 3))


def _read_scene(lst: Path, guide: Path) -> None:
    """Open both and read what the first tiles of a run would."""
    with Scene(BandSource(str(lst)), [BandSource(str(guide))], SCALE) as scene:
        rows, columns = (slice(0, min(64, size)) for size in scene.coarse.shape)
        for part in scene.chunks(rows):
            scene.read_filled_lst(part, columns)
            scene.read_guide(part, columns)


def tiff(folder: Path) -> Iterator[Target]:
    """LST and guides: striped, tiled, compressed, BigTIFF, south-up, and a VRT."""
    guide, lst = _tif(folder / "g.tif", _fine()), _tif(folder / "lst.tif", _coarse(), SCALE)
    kinds: dict[str, dict[str, Any]] = {
        "plain": {},
        "deflate": {"compress": "deflate", "predictor": 3, "tiled": True, "blockxsize": 16,
                    "blockysize": 16},
        "lzw": {"compress": "lzw", "nodata": 0, "bigtiff": "YES"},
        "zstd": {"compress": "zstd", "interleave": "band"},
    }  # fmt: skip
    for name, profile in kinds.items():
        own = _tif(folder / f"lst-{name}.tif", _coarse(), SCALE, **profile)
        yield Target(own, changes.binary, lambda own=own: _read_scene(own, guide))
        other = _tif(folder / f"g-{name}.tif", _fine()[:29, :17], **profile)
        yield Target(other, changes.binary, lambda other=other: _read_scene(lst, other))
    for source, name in ((guide, "g.vrt"), (lst, "lst.vrt")):
        rasterio.shutil.copy(source, folder / name, driver="VRT")
    yield Target(folder / "g.vrt", changes.text, lambda: _read_scene(lst, folder / "g.vrt"))
    yield Target(folder / "lst.vrt", changes.text, lambda: _read_scene(folder / "lst.vrt", guide))
    yield Target(lst, changes.binary, lambda: explain(str(lst)))


def _mat(path: Path, fields: dict[str, np.ndarray], kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind != "hdf5":
        scipy.io.savemat(path, fields, do_compression=kind == "packed")
        return
    with h5py.File(path, "w", userblock_size=512) as opened:
        for name, values in fields.items():
            opened.create_dataset(name, data=values, compression="gzip", shuffle=True)
    with open(path, "r+b") as opened:
        opened.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8) + b"\0\2IM")


def mat(folder: Path) -> Iterator[Target]:
    """The dataset's files, of every version."""
    for kind in ("plain", "packed", "hdf5"):
        top = folder / kind
        _mat(top / "30m/lst/a.mat", {"data": _fine().astype(float)}, kind)
        _mat(top / "30m/guidance/a.mat", {band: _fine() for band in BANDS}, kind)
        _mat(top / "60m/lst/a.mat", {"data": _coarse()}, kind)
        (top / "split").mkdir()
        (top / "split/train.txt").write_text("0\n")
        for part in ("30m/lst", "30m/guidance", "60m/lst"):
            yield Target(
                top / part / "a.mat", changes.binary, lambda top=top: _read_samples(top, "train")
            )


def _read_samples(folder: Path, split: str) -> None:
    source = open_patches(folder, split, SCALE)
    samples = TrainingSamples(source, Sampling(crop=4))
    assert min(source.sides()) > 0
    for number in range(min(3, len(source))):
        _ = samples[number]


def splits(folder: Path) -> Iterator[Target]:
    """Split files, and a prepared folder with its patches."""
    *_, last = mat(folder)
    official = last.path.parents[2]
    for number in range(1, 5):
        for part in ("30m/lst", "30m/guidance", "60m/lst"):
            shutil.copy(official / part / "a.mat", official / part / f"b{number}.mat")
    names = official / "split/val.txt"
    names.write_text("4\n1\n0\n2\n")
    yield Target(names, changes.text, lambda: _read_samples(official, "val"))
    prepared = folder / "prepared"
    prepared.mkdir()
    planes = {"lst": (_coarse(), SCALE), "truth": (_fine(), 1), "guide": (_fine(), 1)}
    paths = {kind: _tif(prepared / f"{kind}.tif", *plane) for kind, plane in planes.items()}
    entry = {
        "name": "a", "scene": "town", "split": "train", "bands": ["red"],
        "files": {kind: path.name for kind, path in paths.items()},
        "sha256": dict.fromkeys(paths, "0" * 64),
        "place": {"rows": [0, SIDE], "columns": [0, SIDE]},
    }  # fmt: skip
    facts = {"format": 1, "scale": SCALE, "bands": ["red"], "patches": [entry, entry]}
    listed = prepared / MANIFEST
    listed.write_text(json.dumps({**facts, "provenance": {}, "statistics": {}}, indent=1))
    for path in (listed, listed, listed, *paths.values()):
        change = changes.plain if path == listed else changes.binary
        yield Target(path, change, lambda: _read_samples(prepared, "train"))


def _networks(folder: Path) -> Iterator[Path]:
    bands = (BandStatistics("red", 0.3, 0.1), BandStatistics("nir", 0.3, 0.1))
    told = {"training": {"steps": 3, "data": {}}, "scores": {"rmse": 0.5}, "licence": "CC0-1.0"}
    for network, names, arguments in (("mocolsk", bands, _NARROW), ("srcnn", (), {"width": 4})):
        statistics = Normalization(300, 5, names)
        header = Header(network, SCALE, statistics, arguments, tile=64, **told)
        save(Checkpoint(header, header.build_network().state_dict()), folder / network)
        yield folder / network


def checkpoints(folder: Path) -> Iterator[Target]:
    """Checkpoints of a guided and of a single-image network."""
    lst, red = _tif(folder / "lst.tif", _coarse(), SCALE), _tif(folder / "red.tif", _fine())
    nir = _tif(folder / "nir.tif", _fine())
    guides = [BandSource(str(path)) for path in (red, nir)]
    scene = Scene(BandSource(str(lst)), guides, SCALE)

    def read(path: Path) -> None:
        settings = Settings(model=str(path), device="cpu", precision="fp32")
        fit_or_load(choose(str(path), scene.bands, SCALE), scene, settings)

    for path in _networks(folder):
        yield Target(path, changes.safetensors, lambda path=path: read(path))
    shown = folder / "shown.safetensors"
    shutil.copy(path, shown)
    yield Target(shown, changes.safetensors, lambda: explain(str(shown)))


def toolkit(folder: Path) -> Iterator[Target]:
    """A toolkit's files, and the state of a training run."""
    out = folder / "out.safetensors"
    ours = Header("srcnn", 4, Normalization(300, 5)).build_network().state_dict()
    sources = published_form("srcnn").sources(ours)
    weights = {f"generator.{source.keys[0]}": ours[name] for name, source in sources.items()}
    whole = {"state_dict": weights, "meta": {"epoch": 3, "day": date(2024, 5, 6)}}  # a class
    for path, held in ((folder / "whole.pth", whole), (folder / "bare.pth", weights)):
        torch.save(held, path)
        yield Target(
            path,
            changes.pickle_in_zip,
            lambda path=path: import_checkpoint(
                path, out, network="srcnn", scale=4, overwrite=True
            ),
        )
    save_state({"step": 3, "log": [1.0, "a"], "weights": {"a": torch.ones(3)}}, folder / STATE)
    yield Target(folder / STATE, changes.pickle_in_zip, lambda: load_state(folder / STATE))


def toml(folder: Path) -> Iterator[Target]:
    """Protocols, options of a training run, and those that a run's folder holds."""
    protocol, config = folder / "protocol.toml", folder / "train.toml"
    protocol.write_text(_PROTOCOL)
    yield Target(protocol, changes.text, lambda: find_protocol(str(protocol)))
    other = folder / "cross.toml"
    cross = 'kind = "cross-sensor"\nscale = 4\ntitle = "x"\nleast_covered = 0.9\nshift = 2\n'
    other.write_text(cross + "remove_bias = true\nleast_correlation = 0.8\n")
    yield Target(other, changes.text, lambda: find_protocol(str(other)))
    lines = []
    for name, value in TrainOptions(bands=("red",), crop=64).to_json().items():
        lines += [] if name == "arguments" else [f"{name} = {json.dumps(value)}\n"]
    for path in (config, folder / OPTIONS):
        path.write_text("".join(lines) + "[arguments]\nwidth = 8\n")
    yield Target(config, changes.text, lambda: collect(config, {}, []))
    resumed = {"out": str(folder)}
    yield Target(folder / OPTIONS, changes.text, lambda: collect(None, resumed, [], resume=True))


def csv(folder: Path) -> Iterator[Target]:
    """A list of scenes with a header."""
    path = folder / "scenes.csv"
    path.write_text(
        "lst,output,guide,guide,scale,bounds,dst_nodata\n"
        'a.tif,a_out.tif,red=r.tif,"nir=n.tif,band=2",4,1 2 3 4,-9999\n'
        '"b ""2"".tif",,r.tif,,8,,nan\n'
    )
    yield Target(path, changes.text, lambda: list(read_scene_list(path)))


def jsonl(folder: Path) -> Iterator[Target]:
    """A list of scenes, an object a line."""
    path = folder / "scenes.jsonl"
    scene = {"lst": "a.tif", "guide": ["red=r.tif", "n.tif"], "scale": 4, "bounds": [1, 2, 3, 4.5]}
    path.write_text(json.dumps(scene) + "\n\n" + json.dumps({**scene, "psf": "auto"}) + "\n")
    yield Target(path, changes.text, lambda: list(read_scene_list(path)))


READERS: Final[dict[str, Callable[[Path], Iterator[Target]]]] = {
    "tiff": tiff,
    "mat": mat,
    "splits": splits,
    "safetensors": checkpoints,
    "pth": toolkit,
    "toml": toml,
    "csv": csv,
    "jsonl": jsonl,
}
"""Readers by name; each makes its files in a folder."""
