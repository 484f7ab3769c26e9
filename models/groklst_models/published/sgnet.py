"""SGNet as published."""

import torch
from torch import Tensor

from groklst_models.published.layout import Widened
from groklst_models.published.parts import CHANNEL_ATTENTION, PROJECTION, residual_group
from groklst_models.published.table import Fills, Published, made_of, turned, within


def published(
    *, guide_channels: int, blocks: int, gradient_blocks: int, fine_blocks: int, **_: object
) -> Published:
    """Tell which tensor fills which; the guidance's gradients are those of three bands there."""
    gradients = _gradients(guide_channels, gradient_blocks)
    return Published(
        "GrokCV/GrokLST",
        {
            "guide_stem.0": "conv_rgb1",
            "guide_stem.2.convolutions.*": "rgb_rb2.body.*",
            "second_guide.convolutions.*": "rgb_rb3.body.*",
            "third_guide.convolutions.*": "rgb_rb4.body.*",
            "lst_stem.0": "conv_dp1",
            "widen": "conv_dp2",
            **residual_group("first_group", "dp_rg1", blocks),
            **residual_group("second_group", "dp_rg2", blocks),
            "third_group.0": "c_de",
            **residual_group("third_group.1", "dp_rg3", blocks),
            "first.up.0": "c_grad",
            "second.up.0": "c_grad2",
            "third.up.0": "c_grad3",
            **within("first", "bridge1", _BRIDGE),
            **within("second", "bridge2", _BRIDGE),
            **within("third", "bridge3", _BRIDGE),
            "reconstruction.0": "c_rd",
            **residual_group("reconstruction.1", "dp_rg4", blocks),
            **within("reconstruction.2", "upsampler", PROJECTION),
            **residual_group("reconstruction.*", "tail.<i-3>", fine_blocks),
            "reconstruction.*": "last_conv.<i-6>",
            **within("gradients", "gradNet", gradients),
        },
        idle=(
            *("bridge*.post", "bridge*.spa_att.*", "gradNet.c_sab", "gradNet.re_d"),
            *("gradNet.grad_d.**", "gradNet.grad_rgb.**"),
        ),
        note="where a Fourier coefficient is real and negative, its phase is π here, and π or "
        "−π by rounding in the published code",
    )


def _mixing(lower: Tensor, upper: Tensor, logs: Tensor, signs: Tensor, order: Tensor) -> Tensor:
    """Multiply out what an invertible 1×1 convolution is kept as.

    Args:
        lower: (N, N), of which what lies below the diagonal counts; the diagonal is one.
        upper: (N, N), of which what lies above the diagonal counts.
        logs: (N,), logarithms of the diagonal's magnitudes.
        signs: (N,), of the diagonal.
        order: (N, N), a permutation.

    Raises:
        ValueError: If they are not of one size.
    """
    side = lower.shape[:1]
    squares, vectors = {lower.shape, upper.shape, order.shape}, {logs.shape, signs.shape}
    if squares != {side * 2} or vectors != {side}:
        raise ValueError("factors of several sizes")
    first = torch.tril(lower.double(), -1) + torch.eye(len(logs), dtype=torch.float64)
    second = torch.triu(upper.double(), 1) + torch.diag(signs.double() * logs.double().exp())
    return (order.double() @ first @ second).to(lower.dtype)[..., None, None]


_FACTORS = [f"invconv.{name}" for name in ("l", "u", "log_s", "sign_s", "p")]

_UNIT: Fills = {
    "shortcut": "identity",
    "convolutions.0": "conv_1",
    "convolutions.2": "conv_2",
}

_DENSE: Fills = {
    **within("first", "conv1", _UNIT),
    **within("second", "conv2", _UNIT),
    "last": "conv3",
}

_INVERTIBLE: Fills = {
    "mix.weight": made_of(_mixing, *(f"0.{key}" for key in _FACTORS)),
    **within("first_shift", "0.F", _DENSE),
    **within("second_shift", "0.G", _DENSE),
    **within("second_scale", "0.H", _DENSE),
    "select": "1",
}

_DIFFERENCE: Fills = {
    "lst": "pre_dep",
    "guide": "pre_rgb",
    "alone.*": "fuse_c.*",
    "apart.*": "fuse_sub.*",
    "select": "post",
}

_FREQUENCY: Fills = {
    "lst": "pre1",
    "guide": "pre2",
    **within("amplitude", "amp_fuse", _DIFFERENCE),
    **within("phase", "pha_fuse", _DIFFERENCE),
    "select": "post",
}

_BRIDGE: Fills = {
    "guide": "rgbprocess",
    "select": "rgbpre",
    **within("up.1", "upBlock", PROJECTION),
    **within("spatial", "spa_process", _INVERTIBLE),
    **within("frequency", "fre_process", _FREQUENCY),
    **within("both", "fuse_process", _INVERTIBLE),
    "attention.squeeze": "cha_att.0",
    "attention.excite": "cha_att.2",
    **within("down", "downBlock", PROJECTION),
}


def _gradients(bands: int, blocks: int) -> Fills:
    return {
        **within("up", "upBlock", PROJECTION),
        "guide_gradients.0.weight": turned("c_rgb.weight", Widened(1, bands)),
        "guide_gradients.0.bias": "c_rgb.bias",
        "guide_gradients.1.convolutions.*": "rb_rgbd.body.*",
        "lst_gradients": "c_d",
        **residual_group("lst_group", "rg_d", blocks),
        "calibrate.0": "fuse_process.0",
        **within("calibrate.3", "CA", CHANNEL_ATTENTION),
        **residual_group("calibrate.*", "fuse_process.*", blocks),
        "calibrated.0": "c_fuse",
        "calibrated.1": "re_g",
        "gradient_features.*": "grad_conv.*",
        "lst_features.0": "d1.0",
        **residual_group("lst_features.1", "d1.1", 2 * blocks),
        **residual_group("merge.*", "grad_rg.*", blocks),
        **within("down", "downBlock", PROJECTION),
    }
