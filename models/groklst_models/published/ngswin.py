"""NGswin as published."""

from groklst_models.published.layout import arranged
from groklst_models.published.parts import SHIFTED_WINDOW_BUFFERS, pixelwise, window_attention
from groklst_models.published.table import Fills, Published, turned, within


def published(*, window: int, ngram: int, **_: object) -> Published:
    """Tell which tensor fills which; where four cells become one, the cells come first there."""
    block = _block(window, ngram)
    cells = arranged("(cell channel) -> (channel cell)", cell=4)
    merge = arranged("out (cell channel) -> out (channel cell) 1 1", cell=4)
    return Published(
        "rami0205/NGramSwin",
        {
            "stem": "shallow_extract.conv1",
            **within("encoder.stages.*.blocks.*", "encoder_layer<i+1>.blocks.*", block),
            "encoder.merges.*.1.norm": turned("encoder_layer<i+1>.downsample.norm", cells),
            "encoder.merges.*.2.weight": turned(
                "encoder_layer<i+1>.downsample.reduction.weight", merge
            ),
            **pixelwise("encoder.joins.*", "encoder_layer<i+2>.across_cascade_proj"),
            "bottleneck.steps.0": "bottleneck.depthwise",
            **pixelwise("bottleneck.steps.2", "bottleneck.pointwise"),
            "bottleneck.steps.3.norm": "bottleneck.norm",
            **within("decoder.blocks.*", "decoder_layer1.blocks.*", block),
            "decoder_norm.norm": "norm",
            "head.0.0": "to_target.before_shuffle",
            "head.1": "to_target.to_origin",
        },
        idle=SHIFTED_WINDOW_BUFFERS,
    )


def _block(window: int, ngram: int) -> Fills:
    context = "ngram_window_partition.ngram_context"
    return {
        "context.word": f"{context}.unigram_embed",
        "context.attention.log_scale": f"{context}.ngram_attn.logit_scale",
        **window_attention("context.attention", f"{context}.ngram_attn", ngram),
        "context.merge": f"{context}.merge",
        "attention.log_scale": "attn.logit_scale",
        **window_attention("attention", "attn", window),
        "attention_norm.norm": "norm1",
        "mlp.*": "ffn.fc<i//2+1>",
        "mlp_norm.norm": "norm2",
    }
