"""SRFBN as published."""

from groklst_models.published.table import Published


def published(**_: object) -> Published:
    """Tell which tensor fills which; a group that is given several maps has a convolution more."""
    return Published(
        "Paper99/SRFBN_CVPR19",
        {
            "stem.2.*": "feat_in.*",
            "stem.*": "conv_in.*",
            "feedback.enter.*": "block.compress_in.*",
            "feedback.groups.0.up.0.*": "block.upBlocks.0.*",
            "feedback.groups.0.down.0.*": "block.downBlocks.0.*",
            "feedback.groups.*.up.0.*": "block.uptranBlocks.<i-1>.*",
            "feedback.groups.*.up.1.*": "block.upBlocks.*.*",
            "feedback.groups.*.down.0.*": "block.downtranBlocks.<i-1>.*",
            "feedback.groups.*.down.1.*": "block.downBlocks.*.*",
            "feedback.leave.*": "block.compress_out.*",
            "head.0.*": "out.*",
            "head.1": "conv_out.0",
        },
    )
