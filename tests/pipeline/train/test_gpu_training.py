"""Training in fp16: a gradient that overflows costs a step, not the run."""

import pytest
import torch
from lightning_fabric import Fabric

from groklst_cli.pipeline.train.fit import fit
from tests.data.folders import write_groklst
from tests.pipeline.train.test_fit import tiny


@pytest.mark.filterwarnings("ignore:.*fp16 is not supported on CPU")
@pytest.mark.parametrize(("precision", "stops"), [("fp32", True), ("bf16", True), ("fp16", False)])
def test_a_gradient_that_is_not_finite_stops_all_but_fp16(tmp_path, monkeypatch, precision, stops):
    asked: list[object] = []
    monkeypatch.setattr(Fabric, "clip_gradients", lambda *_, **options: asked.append(options))
    folder = write_groklst(tmp_path / "set")
    fit(tiny(folder, tmp_path / "run", precision=precision, steps=1, deterministic=False))
    assert asked == [{"max_norm": 1.0, "error_if_nonfinite": stops}]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_fp16_trains_on_a_gpu_with_clipped_gradients(tmp_path):
    folder = write_groklst(tmp_path / "set")
    options = tiny(
        folder, tmp_path / "run", precision="fp16", device="cuda", deterministic=False, steps=8
    )
    assert fit(options).steps == 8
