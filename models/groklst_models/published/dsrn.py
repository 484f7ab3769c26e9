"""DSRN as published."""

from groklst_models.published.parts import BATCH_STATISTICS
from groklst_models.published.table import Fills, Published


def published(*, levels: int, **_: object) -> Published:
    """Tell which tensor fills which; a level of the decoder is spread over two of theirs."""
    top = f"decoder.{levels - 1}"
    return Published(
        "GrokCV/GrokLST",
        {
            **_layer("guide_encoder.levels.*", "rgb_<i+1>"),
            **_layers("lst_encoder.levels.*", "encoder_<i+1>"),
            **_layer("lst_encoder.reminders.*", "input_<i+1>"),
            **_layers("bottom", "decoder_1"),
            "decoder.*.enlarge": "decoder_<i+1>.2.conv",
            "decoder.*.activation.0.norm": "decoder_<i+1>.2.bn",
            **_layers(f"{top}.join", "tail"),
            **_layers("decoder.*.join", "decoder_<i+2>"),
            "head": "tail.2.conv",
        },
        idle=("tail.2.bn", *BATCH_STATISTICS),
        differs="the published code normalizes batches, not each pixel's channels, and "
        "normalizes and rectifies its last layer",
    )


def _layer(ours: str, published: str, place: int = 0) -> Fills:
    return {f"{ours}.{place}": f"{published}.conv", f"{ours}.{place + 1}.norm": f"{published}.bn"}


def _layers(ours: str, published: str) -> Fills:
    return {**_layer(ours, f"{published}.0"), **_layer(ours, f"{published}.1", 3)}
