"""Whatever is wrong with what was typed for the other commands: one line, a documented code."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from rasterio.transform import from_origin

from tests.conftest import UTM
from tests.trust.refusal import Case, case, groklst, refuse, write_checkpoint

PAIR = "evaluate -q --pred fine.tif --ref fine.tif"
DATA = "evaluate -q --data prepared -s 2"
PROTOCOL = "evaluate -q --data scenes --protocol"
PREPARE = "prepare -q scenes/a --out new"
TRAIN = "train -q --data prepared -s 2 -m mocolsk --out new"
IMPORT = "import toolkit.pth new.safetensors -m mocolsk -s 8"

EVALUATE = [
    case("nothing to evaluate", "evaluate", 2, "--pred", "--data"),
    case("pred without ref", "evaluate --pred fine.tif", 2, "--pred FILE with --ref"),
    case("pred and data", f"{PAIR} --data prepared", 2, "exactly one"),
    case("pred absent", "evaluate -q --pred absent.tif --ref fine.tif", 3, "absent.tif"),
    case("ref a text", "evaluate -q --pred fine.tif --ref notes.txt", 3, "notes.txt"),
    case("pred and ref apart", "evaluate -q --pred fine.tif --ref far.tif", 3, "far.tif"),
    case("lst of another extent", f"{PAIR} --lst other.tif", 3, "other.tif", "--lst"),
    case("shift too far", f"{PAIR} --shift 9", 2, "--shift"),
    case("csv in no folder", f"{PAIR} --csv absent/a.csv", 2, "no folder absent"),
    case("csv there", f"{PAIR} --csv notes.txt", 4, "notes.txt exists"),
    case("csv over the pred", f"{PAIR} --csv fine.tif --overwrite", 2, "fine.tif is an input"),
    case("report a file", f"{PAIR} --report notes.txt", 2, "--report notes.txt"),
    case("report there", f"{PAIR} --report reported", 4, "reported/index.html exists"),
    case("data absent", "evaluate --data absent -m bicubic", 3, "no folder absent"),
    case("data a file", "evaluate --data notes.txt -m bicubic", 3, "notes.txt"),
    case("data no dataset", "evaluate --data empty -m bicubic", 3, "empty"),
    case("data without a method", "evaluate --data prepared", 2, "-m NAME"),
    case("split unknown", f"{DATA} -m bicubic --split all", 2, "'all'", "train, val, test"),
    case("scale of another folder", "evaluate --data prepared -s 4 -m bicubic", 2, "--scale 2"),
    case("scale impossible", "evaluate --data prepared -s 0 -m bicubic", 2, "scale"),
    case("manifest broken", "evaluate --data torn -s 2 -m bicubic", 3, "torn"),
    case("manifest out of the folder", "evaluate --data escape -s 2 -m bicubic", 3, "escape"),
    case(
        "patch files gone", "evaluate -q --data hollow -s 2 -m bicubic --split train", 3, "hollow"
    ),
    case("method unknown", f"{DATA} -m wizard --split train", 2, "wizard"),
    case("method of another scale", f"{DATA} -m net.safetensors --split train", 2, "--scale 4"),
    case("protocol unknown", f"{PROTOCOL} olympics", 2, "olympics", "wald"),
    case("protocol no toml", f"{PROTOCOL} broken.toml", 3, "broken.toml is not TOML"),
    case("protocol no text", f"{PROTOCOL} fine.tif", 3, "fine.tif cannot be read"),
    case("protocol of no kind", f"{PROTOCOL} kind.toml", 3, "kind is 'race'"),
    case("protocol with a stray key", f"{PROTOCOL} stray.toml", 3, "sigma is unknown"),
    case("protocol without a folder", "evaluate --data absent --protocol wald_x2", 3, "absent"),
    case("scene unknown", f"{PROTOCOL} wald_x2 --scene z", 3, "no scene z", "--scene"),
    case("scene escaping", f"{PROTOCOL} wald_x2 --scene ../prepared", 3, "no scene ../prepared"),
    case("device unknown", f"{DATA} -m bicubic --device nonsense", 2, "--device nonsense"),
]
FAIL_IF = [
    case("no comparison", f"{PAIR} --fail-if rmse", 2, "--fail-if 'rmse'", "rmse>1.5"),
    case("no figure", f"{PAIR} --fail-if beauty>1", 2, "'beauty'", "rmse"),
    case("no number", f"{PAIR} --fail-if rmse>small", 2, "--fail-if", "NUMBER"),
    case("not a number", f"{PAIR} --fail-if rmse>nan", 2, "--fail-if", "NUMBER"),
    case("equals", f"{PAIR} --fail-if rmse==0", 2, "--fail-if"),
    case("empty", (*PAIR.split(), "--fail-if", ""), 2, "--fail-if ''"),
    case("an import", f"{PAIR} --fail-if __import__('os').mkdir('x')>0", 2, "--fail-if"),
    case("a call", f"{PAIR} --fail-if rmse>__import__('os').getpid()", 2, "--fail-if"),
    case("a shell", (*PAIR.split(), "--fail-if", "rmse>$(touch x)"), 2, "--fail-if"),
    case("an arithmetic", f"{PAIR} --fail-if rmse>1+1", 2, "--fail-if"),
]
PREPARES = [
    case("no product", "ingest --out new", 2, "PRODUCT"),
    case("no folder for a product", "ingest scenes", 2, "--out"),
    case("product absent", "ingest absent --out new", 3, "absent"),
    case("product a text", "ingest notes.txt --out new", 3, "notes.txt", "supported products"),
    case("product a scene", "ingest scenes/a --out new", 3, "scenes/a", "supported products"),
    case("product on the network", "ingest https://h/x.tar --out new", 2, "not a local file"),
    case("product in use", "ingest scenes/a --out prepared", 4, "prepared exists"),
    case("product's folder in no folder", "ingest scenes/a --out absent/new", 2, "absent/new"),
    case("product's bounds", "ingest scenes/a --out new --bounds 1 2 0 3", 2, "--bounds"),
    case("product's pixel", "ingest scenes/a --out new --lst-pixel fine", 2, "lst-pixel"),
    case("no scene", "prepare --out new", 2, "SCENE"),
    case("no folder to write", "prepare scenes/a", 2, "--out"),
    case("scene absent", "prepare absent --out new", 3, "absent"),
    case("scene without an lst", "prepare empty --out new", 3, "lst.tif"),
    case("scene a text", "prepare -q notes.txt --out new", 3, "notes.txt"),
    case("two scenes of a name", "prepare scenes/a scenes/a --out new", 2, "two scenes"),
    case("out there", "prepare -q scenes/a --out prepared", 4, "prepared exists"),
    case("out in use", "prepare -q scenes/a --out scenes --overwrite", 4, "by this command"),
    case("out a file", "prepare -q scenes/a --out notes.txt --overwrite", 4, "notes.txt"),
    case("out in a file", "prepare -q scenes/a --out notes.txt/new", 2, "notes.txt"),
    case("out in no folder", "prepare -q scenes/a --out absent/new", 2, "absent/new"),
    case("out nowhere", ("prepare", "scenes/a", "--out", ""), 2, "--out"),
    case("scale 1", f"{PREPARE} -s 1", 2, "--scale"),
    case("patch off the scale", f"{PREPARE} -s 4 --patch 10", 2, "--patch 10", "multiple"),
    case("patch too large", f"{PREPARE} -s 2 --patch 2048", 3, "--patch"),
    case("band unknown", f"{PREPARE} -s 2 --patch 8 --bands violet", 3, "violet", "other bands"),
    case("psf too wide", f"{PREPARE} --psf 9", 2, "--psf 9"),
    case("psf not a number", f"{PREPARE} --psf nan", 2, "--psf nan"),
    case("nodata share above 1", f"{PREPARE} --max-nodata 2", 2, "--max-nodata 2"),
    case("whole of no set", f"{PREPARE} --whole a=all", 2, "--whole a=all"),
    case("whole of no scene", f"{PREPARE} --whole z=train", 2, "z"),
    case("resolution a word", f"{PREPARE} --native-resolution fine", 2, "--native-resolution fine"),
    case("resolution 0", f"{PREPARE} --native-resolution 0", 2, "1 … 64"),
    case("guide absent", "prepare -q fine.tif -g absent.tif --out new", 3, "absent.tif"),
]
TRAINS = [
    case("no data", "train --out new -m mocolsk", 2, "--data"),
    case("data absent", "train --data absent --out new", 3, "absent"),
    case("data without patches", "train -q --data hollow -s 2 --out new", 3, "hollow"),
    case("data of another scale", "train --data prepared -s 4 --out new", 2, "--scale 2"),
    case("config absent", "train absent.toml", 3, "absent.toml"),
    case("config broken", "train broken.toml", 3, "broken.toml cannot be read as TOML"),
    case("config of unknown keys", "train stray.toml", 2, "'kind'", "options are"),
    case(
        "model unknown", "train --data prepared -s 2 -m wizard --out new", 2, "--model", "mocolsk"
    ),
    case("model without weights", "train --data prepared -s 2 -m ridge --out new", 2, "--model"),
    case("recipe unknown", f"{TRAIN} --recipe cake", 2, "--recipe cake", "published"),
    case("set of no key", f"{TRAIN} --set 4", 2, "--set 4", "key=value"),
    case("set of an unknown key", f"{TRAIN} --set speed=9", 2, "'speed'"),
    case("set of another type", f"{TRAIN} --set steps=many", 2, "--set steps"),
    case("set of a fraction", f"{TRAIN} --set steps=1.5", 2, "--set steps"),
    case("set of a code", f"{TRAIN} --set steps=__import__('os').getpid()", 2, "--set steps"),
    case("set of an endless number", f"{TRAIN} --set learning_rate=inf", 2, "learning_rate"),
    case("set of no number", f"{TRAIN} --set clip=nan", 2, "clip"),
    case("set of a number", f"{TRAIN} --set arguments=3", 2, "arguments"),
    case("set of an unknown argument", f"{TRAIN} --set arguments.colour=1", 2, "colour"),
    case("steps 0", f"{TRAIN} --set steps=0", 2, "at least 1"),
    case("crop off the scale", f"{TRAIN} --set crop=9", 2, "multiple of the scale"),
    case("crop too large", f"{TRAIN} --set crop=4096", 2, "crop"),
    case("bands unknown", f"{TRAIN} --set bands=violet", 2, "violet"),
    case("split unknown", f"{TRAIN} --set train_split=all", 2, "'all'"),
    case("dropout of 1", f"{TRAIN} --band-dropout 1", 2, "--band-dropout"),
    case("device unknown", f"{TRAIN} --device nonsense", 2, "--device nonsense"),
    case("out a file", "train -q --data prepared -s 2 --out notes.txt", 2, "notes.txt"),
    case("resume nothing", f"{TRAIN} --resume", 3, "new/options.toml"),
    case("resume another's state", "train -q --data prepared -s 2 --out torn --resume", 3, "torn"),
]
OTHERS = [
    case("models unknown", "models wizard", 2, "wizard", "bicubic"),
    case("models a text", "models notes.txt", 3, "notes.txt"),
    case("models a folder", "models scenes", 2, "scenes"),
    case("models markdown of one", "models bicubic --format markdown", 2, "--format markdown"),
    case("models of another format", "models --format html", 2, "--format", "markdown"),
    case("info of nothing", "info", 2, "FILE"),
    case("info absent", "info absent.tif", 3, "absent.tif"),
    case("info of a torn checkpoint", "info torn.safetensors", 3, "torn.safetensors"),
    case("info of an empty name", ("info", ""), 2, "names no file"),
    case("import absent", "import absent.pth new.safetensors -m mocolsk -s 8", 3, "absent.pth"),
    case("import without a model", "import toolkit.pth new.safetensors -s 8", 2, "--model"),
    case(
        "import of an unknown model", "import toolkit.pth n.safetensors -m wizard -s 8", 2, "wizard"
    ),
    case("import of a fitted model", "import toolkit.pth n.safetensors -m ridge -s 8", 2, "ridge"),
    case("import a text", "import notes.txt new.safetensors -m mocolsk -s 8", 3, "notes.txt"),
    case("import a folder", "import scenes new.safetensors -m mocolsk -s 8", 3, "scenes"),
    case(
        "import at no scale",
        "import toolkit.pth new.safetensors -m mocolsk -s 3",
        2,
        "scale 3",
        "--scale",
    ),
    case("import at scale 0", "import toolkit.pth new.safetensors -m mocolsk -s 0", 2, "--scale"),
    case("import other tensors", IMPORT, 3, "toolkit.pth"),
    case("import unknown bands", f"{IMPORT} --bands violet", 2, "violet"),
    case("import with a width unnamed", f"{IMPORT} --set width=8", 2, "--set width", "arguments."),
    case("import with a scale set", f"{IMPORT} --set arguments.scale=4", 2, "arguments.scale"),
    case("import with nothing set", f"{IMPORT} --set arguments.width", 2, "not key=value"),
    case("import with a word", f"{IMPORT} --set arguments.width=wide", 2, "mocolsk", "--set"),
    case("import at no width", f"{IMPORT} --set arguments.width=-8", 2, "cannot be built"),
    case("import into a folder", "import toolkit.pth scenes -m mocolsk -s 8", 2, "folder"),
    case("import over a file", "import toolkit.pth net.safetensors -m mocolsk -s 8", 4, "exists"),
    case(
        "import over itself",
        "import toolkit.pth toolkit.pth -m mocolsk -s 8 --overwrite",
        2,
        "toolkit.pth",
    ),
    case(
        "import into another format",
        "import toolkit.pth new.pth -m mocolsk -s 8",
        2,
        ".safetensors",
    ),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that the tables name; what is refused leaves it as it is, so once is enough."""
    here = tmp_path_factory.mktemp("commands")
    rng = np.random.default_rng(0)
    fine = rng.normal(300, 5, (96, 48)).astype(np.float32)
    planes = {"fine.tif": fine, "scenes/a/lst.tif": fine, "scenes/a/red.tif": fine / 1000}
    planes["other.tif"] = fine[:10, :10]
    for name, plane in planes.items():
        write(here / name, plane, left=500000)
    write(here / "far.tif", fine, left=700000)
    write_checkpoint(here / "net.safetensors")
    with pytest.MonkeyPatch.context() as moved:
        moved.chdir(here)
        assert (
            groklst(*["prepare", "-q", "scenes/a", "--out", "prepared", "-s", "2", "--patch", "8"])
            == 0
        )
    for name in ("empty", "reported", "torn", "escape", "hollow"):
        (here / name).mkdir()
    (here / "reported/index.html").write_text("keep me")
    (here / "torn/manifest.json").write_text("{")
    (here / "torn/options.toml").write_text('network = "mocolsk"')
    (here / "torn/state.pt").write_bytes(b"no state")
    manifest = json.loads((here / "prepared/manifest.json").read_text())
    (here / "hollow/manifest.json").write_text(json.dumps(manifest))
    text = json.dumps(manifest).replace("test/a", "../prepared/test/a")
    (here / "escape/manifest.json").write_text(text)
    (here / "notes.txt").write_text("neither a raster nor weights")
    (here / "broken.toml").write_text("kind = [")
    (here / "kind.toml").write_text('kind = "race"')
    (here / "stray.toml").write_text('kind = "wald"\ntitle = "t"\nscale = 4\nsigma = 1\n')
    (here / "torn.safetensors").write_bytes((here / "net.safetensors").read_bytes()[:200])
    torch.save({"state_dict": {"weight": torch.zeros(3)}}, here / "toolkit.pth")
    return here


def write(path: Path, values: np.ndarray, left: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = values.shape
    shape = {"count": 1, "height": height, "width": width, "dtype": "float32"}
    place = {"crs": UTM, "transform": from_origin(left, 4390000, 60, 60)}
    with rasterio.open(path, "w", driver="GTiff", **shape, **place) as raster:
        raster.write(values, 1)


@pytest.mark.parametrize("wrong", [*EVALUATE, *FAIL_IF, *PREPARES, *TRAINS, *OTHERS])
def test_it_is_refused_in_one_line(folder, monkeypatch, capsys, wrong: Case):
    monkeypatch.chdir(folder)
    refuse(wrong, capsys)
