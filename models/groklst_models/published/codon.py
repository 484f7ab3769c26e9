"""CODON as published."""

from groklst_models.published.layout import Backwards
from groklst_models.published.parts import LINEAR, pixelwise
from groklst_models.published.table import Published, turned


def published(*, width: int, steps: int, **_: object) -> Published:
    """Tell which tensor fills which; where two maps are joined, they often come the other way."""
    other_way = Backwards(1, size=width)
    return Published(
        "GrokCV/GrokLST",
        {
            "lst_stem.0.0": "input",
            "lst_stem.1.0": "conv_input",
            "lst_refinement.small.0": "conv1",
            "lst_refinement.large.0": "conv2",
            "lst_refinement.merge.0.0": "conv3",
            "lst_refinement.merge.1": "confuse",
            "guide_stem.0.0": "input_c",
            "guide_stem.1.0": "conv_input_c",
            "guide_refinement.large.0": "conv4",
            "guide_refinement.small.0": "conv5",
            "guide_refinement.merge.0.0": turned("conv6", other_way),
            "guide_refinement.merge.1": "confuse_c",
            "fusion.0": "conv7",
            "fusion_refinement.large.0": "conv8",
            "fusion_refinement.small.0": "conv9",
            "fusion_refinement.merge.0.0": turned("conv10", other_way),
            "fusion_refinement.merge.1": "confuse_fuse",
            "head.0.0": "conv11",
            "head.1": "output",
            "attentions.*.channels.0.weight": turned(
                "attention_c*.mlp.1.weight", other_way, LINEAR
            ),
            **pixelwise("attentions.*.channels.*", "attention_c*.mlp.<i+1>"),
            "attentions.*.pixels.conv": turned("attention_s*.spatial.conv", Backwards(1)),
        },
        idle=(f"attention_c{steps}.mlp.*", f"attention_s{steps}.spatial.conv"),
    )
