"""CFGN as published."""

from groklst_models.errors import CheckpointError
from groklst_models.published.parts import CHANNEL_ATTENTION
from groklst_models.published.table import Published, within


def published(*, context: bool, **_: object) -> Published:
    """Tell which tensor fills which.

    Raises:
        CheckpointError: For the benchmark's form, whose keys are not known here.
    """
    if not context:
        raise CheckpointError(
            "the keys of CFGN without context are not known; do not change context"
        )
    unit = "body.*.blocks.*.conv_acts"
    return Published(
        "yamengxi/CFGN-PyTorch",
        {
            "stem": "head_conv",
            "blocks.*.distillations.*.0": "body.*.conv1x1s.*.0",
            "blocks.*.units.*.pairs.*.near.*": f"{unit}.<i*2>.*",
            "blocks.*.units.*.pairs.*.far.*": f"{unit}.<i*2+1>.*",
            "blocks.*.last.0": "body.*.conv3x3.0",
            "blocks.*.join.0": "body.*.conv1x1_act.0",
            **within("blocks.*.attention", "body.*.cca", CHANNEL_ATTENTION),
            "fusion.*": "features_fusion_module.*",
            "head.0": "upsampler.0",
        },
    )
