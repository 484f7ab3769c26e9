"""Training on a GPU; in fp16 a gradient that overflows costs a step, not the run."""

import signal

import pytest
from lightning_fabric import Fabric

from groklst_cli.pipeline.train.fit import fit
from tests.data.folders import write_groklst
from tests.pipeline.train.test_fit import same_weights, stop_at, tiny


@pytest.mark.filterwarnings("ignore:.*fp16 is not supported on CPU")
@pytest.mark.parametrize(("precision", "stops"), [("fp32", True), ("bf16", True), ("fp16", False)])
def test_a_gradient_that_is_not_finite_stops_all_but_fp16(tmp_path, monkeypatch, precision, stops):
    asked: list[object] = []
    monkeypatch.setattr(Fabric, "clip_gradients", lambda *_, **options: asked.append(options))
    folder = write_groklst(tmp_path / "set")
    fit(tiny(folder, tmp_path / "run", precision=precision, steps=1, deterministic=False))
    assert asked == [{"max_norm": 1.0, "error_if_nonfinite": stops}]


@pytest.mark.gpu
def test_fp16_trains_on_a_gpu_with_clipped_gradients(tmp_path):
    folder = write_groklst(tmp_path / "set")
    options = tiny(
        folder, tmp_path / "run", precision="fp16", device="cuda", deterministic=False, steps=8
    )
    assert fit(options).steps == 8


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_in_two_pieces_ends_in_the_weights_of_one_in_one_piece(tmp_path, precision):
    folder = write_groklst(tmp_path / "set")
    common = {"precision": precision, "device": "cuda", "deterministic": True}
    fit(tiny(folder, tmp_path / "whole", **common))
    options = tiny(folder, tmp_path / "parts", **common)
    with pytest.raises(KeyboardInterrupt):
        fit(options, watch=stop_at(3, signal.SIGINT))
    fit(options, resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "parts")
