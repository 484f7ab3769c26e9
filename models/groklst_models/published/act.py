"""ACT as published."""

from groklst_models.published.layout import Backwards, Part, arranged
from groklst_models.published.parts import residual_group
from groklst_models.published.table import ZERO, Fills, Published, turned, within


def published(*, width: int, stages: int, blocks: int, **_: object) -> Published:
    """Tell which tensor fills which; there the convolutional half of features comes first."""
    halves = Backwards(1, size=width)
    return Published(
        "jinsuyoo/act",
        {
            "head.0": "head.0",
            "head.*.convolutions.*": "head.*.body.*",
            "embedding": "linear_encoding",
            **within("stages.*.attention", "mhsa_block.*.0", _SELF_ATTENTION),
            **within("stages.*.feed_forward", "mhsa_block.*.1", _FEED_FORWARD),
            **within("stages.*.across", "csta_block.*", _ACROSS),
            **within("stages.*.feed_forward_across", "csta_block.*.4", _FEED_FORWARD),
            **residual_group("stages.*.group", "cnn_branch.*", blocks),
            "stages.*.fusion.*.convolutions.*.weight": turned(
                "fusion_block.*.*.body.*.weight", Backwards(0, size=width), halves
            ),
            "stages.*.fusion.*.convolutions.*.bias": ZERO,
            "partings.*.far.norm": "fusion_mlp.*.0",
            "partings.*.far.network.*": "fusion_mlp.*.<i+1>",
            "partings.*.near.convolutions.*": "fusion_cnn.*.*",
            "merge.weight": turned("conv_last.weight", halves),
            "merge.bias": "conv_last.bias",
            "tail.0.*": "tail.0.*",
            "tail.1": "tail.1",
        },
        idle=(f"cnn_branch.{stages}",),
        differs="the published code adds large tokens where they overlap and does not average them",
    )


_SELF_ATTENTION: Fills = {
    "norm": "norm",
    "query.weight": turned("fn.to_qkv.weight", Part(0, of=3)),
    "key.weight": turned("fn.to_qkv.weight", Part(1, of=3)),
    "value.weight": turned("fn.to_qkv.weight", Part(2, of=3)),
    "project": "fn.to_out.0",
}

_CROSS_ATTENTION: Fills = {
    "norm": "norm",
    "context_norm": "norm2",
    "query": "fn.to_q",
    "key.weight": turned("fn.to_kv.weight", Part(0, of=2)),
    "value.weight": turned("fn.to_kv.weight", Part(1, of=2)),
    "project": "fn.to_out.0",
}

_FEED_FORWARD: Fills = {"norm": "norm", "network.0": "fn.net.0", "network.2": "fn.net.3"}

# A large token is 6 × 6 pixels, in rows there; in ours four cells of 3 × 3, the cells last.
_CELLS_IN = arranged(
    "... (channel down i right j) -> ... (channel i j down right)", down=2, i=3, right=2, j=3
)
_CELLS_OUT = arranged(
    "(channel down i right j) ... -> (channel i j down right) ...", down=2, i=3, right=2, j=3
)

_ACROSS: Fills = {
    "gather.0": turned("0.0", _CELLS_IN),
    "gather.1.weight": turned("0.1.weight", _CELLS_IN),
    "gather.*": "0.*",
    **within("small_to_large", "1", _CROSS_ATTENTION),
    **within("large_to_small", "2", _CROSS_ATTENTION),
    "scatter.3": turned("3.3", _CELLS_OUT),
    "scatter.*": "3.*",
}
