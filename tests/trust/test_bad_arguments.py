"""Whatever is wrong with what was typed for ``downscale``: one line, exit code 2 or as stated."""

import pytest

from tests.conftest import read
from tests.trust.refusal import Case, case, groklst, refuse

LST = "downscale -q lst.tif"
NETWORK = f"{LST} -g nir.tif -s 4 -m net.safetensors"

COMMANDS = [
    case("no argument", "downscale", 2, "LST", "groklst downscale LST"),
    case("unknown command", "upscale lst.tif", 2, "upscale", "groklst --help"),
    case("misspelt command", "downscle lst.tif", 2, "downscle", "groklst --help"),
    case("unknown option", f"{LST} --sharper", 2, "--sharper", "groklst downscale --help"),
    case("misspelt option", f"{LST} --overwrit", 2, "--overwrit", "groklst downscale --help"),
    case("option without its value", f"{LST} --scale", 2, "--scale", "--help"),
    case("flag with a value", f"{LST} --overwrite=yes", 2, "--overwrite", "--help"),
    case("option before its command", "-s 4 downscale lst.tif", 2, "-s", "groklst --help"),
]
SCALES = [
    case("scale below", f"{LST} -s 1", 2, "--scale", "2"),
    case("scale above", f"{LST} -s 65", 2, "--scale", "64"),
    case("scale broken", f"{LST} -s 2.5", 2, "--scale"),
    case("scale no number", f"{LST} -s x", 2, "--scale"),
    case("scale empty", (*LST.split(), "-s", ""), 2, "--scale"),
    case("scale negative", f"{LST} -s -4", 2, "--scale"),
    case("scale too long for an integer", f"{LST} -s {'9' * 5000}", 2, "--scale"),
]
TILES = [
    case("tile 0", f"{LST} --tile 0", 2, "--tile"),
    case("tile negative", f"{LST} --tile -8", 2, "--tile"),
    case("tile off the scale", f"{LST} --tile 7", 2, "--tile 7", "multiple", "8"),
    case("tile of a network off the scale", f"{NETWORK} --tile 34", 2, "--tile 34", "multiple"),
    case("tile too large to hold", f"{LST} --tile 1000000000", 2, "--tile 1000000000", "65536"),
    case("overlap negative", f"{LST} --overlap -1", 2, "--overlap"),
    case("overlap over half", f"{LST} --tile 64 --overlap 40", 2, "--overlap 40", "32"),
    case("batch 0", f"{LST} --batch 0", 2, "--batch 0", "auto"),
    case("batch negative", f"{LST} --batch -1", 2, "--batch -1"),
    case("batch no number", f"{LST} --batch many", 2, "--batch many"),
    case("batch too large to hold", f"{LST} --batch 1000000000000", 2, "--batch", "65536"),
    case("batch in other digits", f"{LST} --batch ²", 2, "--batch ²"),
]
PROCESSES = [
    case("jobs 0", f"{LST} --jobs 0", 2, "--jobs"),
    case("jobs negative", f"{LST} -j -1", 2, "--jobs"),
    case("jobs beyond any machine", f"{LST} -j 1000000000", 2, "--jobs", "1024"),
    case("workers negative", f"{LST} --workers -1", 2, "--workers"),
    case("workers beyond any machine", f"{LST} --workers 1000000", 2, "--workers 1000000", "256"),
    case(
        "scheduler no address", f"{LST} --scheduler nonsense", 2, "--scheduler nonsense", "tcp://"
    ),
    case("scheduler empty", (*LST.split(), "--scheduler", ""), 2, "--scheduler", "tcp://"),
    case(
        "scheduler of another protocol", f"{LST} --scheduler http://h:1", 2, "--scheduler", "tcp://"
    ),
    case("scheduler that refuses", f"{LST} --scheduler tcp://127.0.0.1:1", 5, "tcp://127.0.0.1:1"),
    case("workers and scheduler", f"{LST} --workers 2 --scheduler tcp://h:1", 2, "name one"),
    case("device unknown", f"{LST} --device nonsense", 2, "--device nonsense", "cpu"),
    case("device beyond the last", f"{NETWORK} --device cuda:99", 5, "cuda:99", "--device cpu"),
    case("device negative", f"{LST} --device cuda:-1", 2, "--device cuda:-1"),
    case("device of torch but not ours", f"{LST} --device meta", 2, "--device meta"),
    case("device empty", (*LST.split(), "--device", ""), 2, "--device"),
    case("device with a comma too many", f"{LST} --device cpu,", 2, "--device cpu,"),
    case(
        "devices of two kinds", f"{LST} --device cpu,cuda:0", 2, "--device cpu,cuda:0", "one kind"
    ),
    case("precision unknown", f"{LST} --precision fp8", 2, "--precision fp8", "fp32"),
]
PLACES = [
    case("bounds reversed", f"{LST} --bounds 9 9 1 1", 2, "--bounds", "LEFT < RIGHT"),
    case("bounds not numbers", f"{LST} --bounds nan nan nan nan", 2, "--bounds"),
    case("bounds endless", f"{LST} --bounds -inf -inf inf inf", 2, "--bounds"),
    case("bounds outside", f"{LST} --bounds 0 0 1 1", 3, "--bounds", "outside"),
    case("bounds of one value", f"{LST} --bounds 1", 2, "--bounds"),
    case("bounds of words", f"{LST} --bounds a b c d", 2, "--bounds"),
    case("coregister one number", f"{LST} --coregister 1", 2, "--coregister 1", "DX,DY"),
    case("coregister three numbers", f"{LST} --coregister 1,2,3", 2, "--coregister 1,2,3"),
    case("coregister not a number", f"{LST} --coregister nan,0", 2, "--coregister", "finite"),
    case("coregister far away", f"{LST} -g red.tif --coregister 99,99", 2, "99,99", "1 coarse"),
    case("psf negative", f"{LST} --psf -1", 2, "--psf -1", "0 and 32"),
    case("psf not a number", f"{LST} --psf nan", 2, "--psf nan"),
    case("psf too wide", f"{LST} --psf 1e9", 2, "--psf 1e9", "32"),
    case("psf a word", f"{LST} --psf wide", 2, "--psf wide"),
    case("sensor psf negative", f"{LST} --sensor-psf -1", 2, "--sensor-psf -1"),
    case("sensor psf not a number", f"{LST} --sensor-psf nan", 2, "--sensor-psf nan"),
    case("sensor psf endless", f"{LST} --sensor-psf inf", 2, "--sensor-psf inf"),
    case("resampling unknown", f"{LST} -r best", 2, "--resampling best", "bilinear"),
]
VALUES = [
    case("nodata a word", f"{LST} --dst-nodata text", 2, "--dst-nodata"),
    case("nodata beyond float32", f"{LST} --dst-nodata 1e99", 2, "--dst-nodata 1e+99"),
    case("nodata empty", (*LST.split(), "--dst-nodata", ""), 2, "--dst-nodata"),
    case("creation option without a value", f"{LST} --co COMPRESS", 2, "KEY=VAL"),
    case("creation option unknown", f"{LST} --co TILED=YES", 2, "--co TILED", "COMPRESS"),
    case("creation option twice", f"{LST} --co LEVEL=1 --co level=2", 2, "--co", "twice"),
    case("compression unknown", f"{LST} --co COMPRESS=NOPE", 2, "--co COMPRESS=NOPE", "DEFLATE"),
    case("block of 0", f"{LST} --co BLOCKSIZE=0", 2, "--co BLOCKSIZE=0", "16"),
    case("block negative", f"{LST} --co BLOCKSIZE=-1", 2, "--co BLOCKSIZE=-1"),
    case("block of 7", f"{LST} --co BLOCKSIZE=7", 2, "--co BLOCKSIZE=7"),
    case("block too large", f"{LST} --co BLOCKSIZE=100000", 2, "--co BLOCKSIZE=100000"),
    case("threads a word", f"{LST} --co NUM_THREADS=x", 2, "--co NUM_THREADS=x"),
    case("level too high", f"{LST} --co LEVEL=99", 2, "--co LEVEL=99"),
    case("predictor unknown", f"{LST} --co PREDICTOR=9", 2, "--co PREDICTOR=9"),
    case("jpeg cannot hold temperatures", f"{LST} --co COMPRESS=JPEG", 2, "--co COMPRESS=JPEG"),
    case("conserve unknown", f"{LST} --conserve x", 2, "--conserve x", "kelvin"),
    case("conserve and not", f"{LST} --conserve kelvin --no-conserve", 2, "contradict"),
    case("units unknown", f"{LST} --lst-units F", 2, "--lst-units F", "K, C"),
    case("units empty", (*LST.split(), "--lst-units", ""), 2, "--lst-units"),
]
METHODS = [
    case("model empty", (*LST.split(), "-m", ""), 2, "--model"),
    case("model unknown", f"{LST} -m wizard", 2, "--model wizard", "bicubic"),
    case("model misspelt", f"{LST} -m bicubci", 2, "--model bicubci", "did you mean bicubic"),
    case("model without weights", f"{LST} -m mocolsk", 2, "mocolsk needs weights"),
    case("model without guidance", f"{LST} -m ridge", 2, "--guide"),
    case("model a folder", f"{LST} -m .", 2, "--model ."),
    case("model a text", f"{LST} -g nir.tif -s 4 -m notes.txt", 3, "notes.txt"),
    case("model a raster", f"{LST} -g nir.tif -s 4 -m lst.tif", 3, "lst.tif"),
    case("model of another scale", f"{LST} -g nir.tif -s 8 -m net.safetensors", 2, "--scale 4"),
    case("model lacking its bands", f"{LST} -g red.tif -s 4 -m net.safetensors", 3, "nir"),
    case("guide empty", (*LST.split(), "-g", ""), 2, "[NAME=]FILE"),
    case("guide without a name", f"{LST} -g =red.tif", 2, "=red.tif", "[NAME=]FILE"),
    case("guide without a file", f"{LST} -g red=", 2, "red=", "[NAME=]FILE"),
    case("guide absent", f"{LST} -g absent.tif", 3, "absent.tif"),
    case("guide band 0", f"{LST} -g red.tif,band=0", 2, "band=0", "from 1"),
    case("guide band a word", f"{LST} -g red.tif,band=x", 2, "band=x", "from 1"),
    case("guide band beyond", f"{LST} -g red.tif,band=2", 3, "red.tif", "1 band"),
    case("guide band too long", f"{LST} -g red.tif,band={'9' * 5000}", 2, "band"),
    case("guides of one name", f"{LST} -g a=red.tif -g a=nir.tif", 2, "a"),
]
INPUTS = [
    case("lst absent", "downscale absent.tif", 3, "absent.tif"),
    case("lst empty", ("downscale", ""), 2, "[NAME=]FILE"),
    case("lst a folder without one", "downscale nothing", 3, "folder", "raster"),
    case("lst a text", "downscale notes.txt -q", 3, "notes.txt"),
    case("zero byte in a path", "downscale ls\0t.tif", 2, r"\x00"),
    case("zero byte in an output", f"{LST} -o o\0ut.tif", 2, "byte"),
    case("zero byte in a guide", f"{LST} -g re\0d.tif", 2, r"\x00"),
    case("path of 5000 characters", f"downscale {'a' * 5000}.tif -o x.tif", 3, "cannot be read"),
    case("output of 5000 characters", f"{LST} -o {'a' * 5000}.tif", 2, "too long"),
    case("resume and overwrite", f"{LST} --resume --overwrite", 2, "--resume", "--overwrite"),
]
TABLE = [*COMMANDS, *SCALES, *TILES, *PROCESSES, *PLACES, *VALUES, *METHODS, *INPUTS]


@pytest.mark.parametrize("wrong", TABLE)
def test_it_is_refused_in_one_line(scene, capsys, wrong: Case):
    (scene / "notes.txt").write_text("no raster, no weights")
    (scene / "nothing").mkdir()
    refuse(wrong, capsys)


@pytest.mark.parametrize("tile", ["64", "4096"])
def test_a_tile_larger_than_the_scene_is_fine(scene, tile):
    assert groklst(*LST.split(), "-o", f"{tile}.tif", "--tile", tile) == 0
    assert read(f"{tile}.tif").shape == (160, 176)


def test_a_sliver_inside_one_coarse_pixel_asks_for_that_pixel(scene):
    sliver = ["--bounds", "500250.1", "4389700.1", "500250.2", "4389700.2"]
    assert groklst(*LST.split(), "-o", "part.tif", *sliver) == 0
    assert read("part.tif").shape == (8, 8)


def test_resume_with_nothing_to_resume_begins(scene):
    assert groklst(*LST.split(), "-o", "out.tif", "--resume") == 0
    assert read("out.tif").shape == (160, 176)


def test_the_last_of_an_option_that_is_repeated_counts(scene):
    assert groklst(*LST.split(), "-o", "out.tif", "-s", "8", "-s", "2") == 0
    assert read("out.tif").shape == (40, 44)


def test_an_endless_nodata_value_can_be_stored(scene):
    assert groklst(*LST.split(), "-o", "out.tif", "--dst-nodata", "inf") == 0
    assert read("out.tif").shape == (160, 176)


def test_nothing_typed_shows_what_can_be(scene, capsys):
    assert groklst() == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "downscale" in err
    assert "Traceback" not in err
