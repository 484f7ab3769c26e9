"""Laws of the method that fuses fitted answers with weights that come with it."""

from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from groklst_models.contract import Tiles
from groklst_models.errors import ArgumentsError, CheckpointError, FitError
from groklst_models.fitted.fusion import Fusion
from groklst_models.fitted.local import Local
from groklst_models.registry import build
from groklst_models.regression.fusion_network import FusionNetwork
from groklst_models.regression.fusion_planes import NUMBERS, PLANES
from groklst_models.regression.fusion_weights import SHIPPED, FusionWeights, save
from tests.models.toy_scene import ToyScene

BANDS = ("red", "nir", "swir1")


def fitted(scene: ToyScene, **arguments: str) -> Fusion:
    method = Fusion(scale=scene.scale, **arguments)
    method.fit(scene)
    return method


def predict(
    method: Fusion | Local,
    scene: ToyScene,
    rows: slice | None = None,
    columns: slice | None = None,
) -> np.ndarray:
    rows, columns = rows or slice(0, scene.shape[0]), columns or slice(0, scene.shape[1])
    part = scene.window(rows, columns)
    lst = torch.from_numpy(np.nan_to_num(part.lst, nan=300.0))[None, None]
    tiles = Tiles(lst, torch.from_numpy(part.guide)[None], (rows.start,), (columns.start,))
    return method.predict(tiles)[0, 0].numpy()


def network(seed: int) -> FusionNetwork:
    """One that was never trained, none of whose weights is zero."""
    torch.manual_seed(seed)
    made = FusionNetwork(planes=PLANES, numbers=NUMBERS, width=8, blocks=3)
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.05 * torch.randn(weight.shape))
    return made


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_tiles_with_their_halo_equal_the_whole(scale):
    shape = {2: (80, 66), 3: (60, 47)}.get(scale, (44, 38))
    scene = ToyScene.make(BANDS, shape=shape, scale=scale)
    method = fitted(scene)
    whole, halo = predict(method, scene), method.halo
    for top, left in ((0, 0), (21, 15), (shape[0] - 9, shape[1] - 9)):
        rows = slice(max(0, top - halo), min(shape[0], top + 9 + halo))
        columns = slice(max(0, left - halo), min(shape[1], left + 9 + halo))
        tile = predict(method, scene, rows, columns)
        down, across = (top - rows.start) * scale, (left - columns.start) * scale
        core = tile[down : down + 9 * scale, across : across + 9 * scale]
        expected = whole[top * scale : (top + 9) * scale, left * scale : (left + 9) * scale]
        np.testing.assert_allclose(core, expected, atol=1e-3, rtol=0)


def test_a_batch_equals_its_samples():
    scene = ToyScene.make(BANDS)
    method = fitted(scene)
    places, s = [(0, 0), (12, 9)], scene.scale
    parts = [scene.window(slice(r, r + 12), slice(c, c + 12)) for r, c in places]
    both = Tiles(
        torch.from_numpy(np.stack([part.lst for part in parts]))[:, None],
        torch.from_numpy(np.stack([part.guide for part in parts])),
        (0, 12),
        (0, 9),
    )
    for (r, c), fine in zip(places, method.predict(both), strict=True):
        alone = predict(method, scene, slice(r, r + 12), slice(c, c + 12))
        assert alone.shape == (12 * s, 12 * s)
        np.testing.assert_allclose(fine[0].numpy(), alone, atol=1e-3, rtol=0)


def test_what_is_corrected_is_the_local_regression(tmp_path):
    zero = network(0)
    with torch.no_grad():
        for weight in zero.tail.parameters():
            weight.zero_()
    save([zero], {}, tmp_path / "zero.safetensors")
    scene = ToyScene.make(BANDS)
    local = Local(scale=4)
    local.fit(scene)
    fused = predict(fitted(scene, weights=str(tmp_path / "zero.safetensors")), scene)
    np.testing.assert_allclose(fused, predict(local, scene), atol=1e-3, rtol=0)


def test_the_shipped_weights_correct_it_and_bands_have_no_names():
    scene = ToyScene.make(("one", "two", "three"))
    named = replace(scene, bands=("x", "y", "z"))
    local = Local(scale=4)
    local.fit(scene)
    first = predict(fitted(scene), scene)
    assert np.abs(first - predict(local, scene)).max() > 1e-3
    np.testing.assert_array_equal(first, predict(fitted(named), named))


def test_the_unit_of_the_lst_does_not_matter():
    scene = ToyScene.make(BANDS)
    twice = replace(scene, lst=300 + 2 * (scene.lst - 300))
    once, doubled = (predict(fitted(each), each) - 300 for each in (scene, twice))
    np.testing.assert_allclose(doubled, 2 * once, atol=0.02, rtol=0)


def test_a_constant_lst_stays():
    scene = ToyScene.make(BANDS)
    scene = replace(scene, lst=np.full_like(scene.lst, 301.25))
    np.testing.assert_allclose(predict(fitted(scene), scene), 301.25, atol=1e-3, rtol=0)


@pytest.mark.parametrize("shape", [(3, 3), (1, 5), (1, 1)])
@pytest.mark.parametrize("scale", [2, 3, 16])
def test_few_coarse_pixels_are_enough(shape, scale):
    scene = ToyScene.make(("red",), shape=shape, scale=scale)
    fine = predict(fitted(scene), scene)
    assert fine.shape == (shape[0] * scale, shape[1] * scale)
    assert np.abs(fine - 300).max() < 50


def test_gaps_do_not_spread():
    scene = ToyScene.make(BANDS)
    scene.lst[5:14, 3:20] = np.nan
    scene.guide[0, :30, :17] = np.nan
    scene.guide[:, 50:53, 60:81] = np.nan
    assert np.abs(predict(fitted(scene), scene) - 300).max() < 50


def test_the_device_is_that_of_the_tiles():
    scene = ToyScene.make(BANDS, shape=(12, 12))
    method = fitted(scene)
    tiles = Tiles(
        torch.from_numpy(scene.lst)[None, None].to("meta"),
        torch.from_numpy(scene.guide)[None].to("meta"),
        (0,),
        (0,),
    )
    weights = method.weights.to(torch.device("meta"))
    assert next(weights.networks[0].parameters()).device.type == "meta"
    assert tiles.guide is not None


def test_no_guidance_and_other_scales_are_refused():
    scene = ToyScene.make(BANDS)
    bare = ToyScene(scene.lst, scene.guide[:0], (), scene.scale)
    with pytest.raises(FitError, match="--guide"):
        Fusion(scale=4).fit(bare)
    with pytest.raises(ArgumentsError, match=r"scale is 17.*2 … 16"):
        build("fusion", scale=17)


class TestWeights:
    def test_they_come_with_the_package_and_are_small(self):
        place = files("groklst_models").joinpath("weights", SHIPPED)
        assert len(place.read_bytes()) < 2**20
        facts = FusionWeights.shipped().facts
        assert facts["options"]["seeds"]
        assert all(
            len(digest) == 64 for scene in facts["scenes"].values() for digest in scene.values()
        )

    def test_they_are_read_as_they_were_written(self, tmp_path):
        networks = [network(0), network(1)]
        save(networks, {"licence": "Apache-2.0"}, tmp_path / "made.safetensors")
        read = FusionWeights.read(tmp_path / "made.safetensors")
        assert read.facts == {"licence": "Apache-2.0"}
        planes, numbers = torch.randn(1, PLANES, 16, 16), torch.randn(1, NUMBERS)
        expected = sum(each.half().float()(planes, numbers) for each in networks) / 2
        torch.testing.assert_close(read.answer(planes, numbers), expected)

    def test_numbers_beyond_the_training_count_as_its_limits(self):
        made = network(0)
        made.lowest, made.highest = torch.full((NUMBERS,), -1.0), torch.full((NUMBERS,), 1.0)
        planes = torch.randn(1, PLANES, 16, 16)
        far, edge = torch.full((1, NUMBERS), 9.0), torch.ones(1, NUMBERS)
        torch.testing.assert_close(made(planes, far), made(planes, edge), rtol=0, atol=0)

    @pytest.mark.parametrize("damage", ["text", "other", "shape", "nan"])
    def test_files_of_anything_else_are_refused(self, tmp_path, damage):
        path = tmp_path / "bad.safetensors"
        made = network(0)
        if damage == "text":
            path.write_bytes(b"\x80\x04no tensors")
        elif damage == "other":
            save_file({"weight": torch.zeros(2)}, path)
        else:
            save([made], {}, path)
            with torch.no_grad():
                made.tail.bias[0] = torch.nan
            if damage == "shape":
                made.tail.bias = torch.nn.Parameter(torch.zeros(3))
            save([made], {}, path)
        with pytest.raises(CheckpointError, match=r"bad\.safetensors"):
            Fusion(scale=4, weights=str(path))
