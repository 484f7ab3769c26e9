"""FENet (frequency-based enhancement) as published."""

from groklst_models.published.table import Fills, Published


def published(**_: object) -> Published:
    """Tell which tensor fills which; weights are kept as lengths and directions."""
    return Published(
        "pbehjatii/FENet-PyTorch",
        {
            **_normalized("entry", "entry_1"),
            **_normalized("blocks.*.low.0", "body.*.path_1"),
            **_normalized("blocks.*.low.2", "body.*.k1"),
            **_normalized("blocks.*.high.0", "body.*.path_2"),
            **_normalized("blocks.*.high.2.gate", "body.*.HConv.k2"),
            **_normalized("blocks.*.high.2.value", "body.*.HConv.k3"),
            **_normalized("blocks.*.high.2.out", "body.*.HConv.k4"),
            **_normalized("blocks.*.join", "body.*.conv"),
            **_normalized("fusion.0", "reduction.conv"),
            **_normalized("upsampler.*", "upscample.up.body.*"),
            **_normalized("exit", "exit"),
        },
    )


def _normalized(ours: str, published: str) -> Fills:
    """Tell of a layer whose weights are normalized."""
    return {
        f"{ours}.parametrizations.weight.original0": f"{published}.weight_g",
        f"{ours}.parametrizations.weight.original1": f"{published}.weight_v",
        f"{ours}.bias": f"{published}.bias",
    }
