"""Back-projection units: change the scale, go back, and mend what did not come back the same.

After Haris et al., "Deep Back-Projection Networks for Super-Resolution", CVPR 2018.
"""

from collections.abc import Callable

from torch import Tensor, nn

# Reaching two pixels over each edge gives the papers' kernels: 6 at ×2, 8 at ×4, 12 at ×8.
PADDING = 2


def enlarge(
    inputs: int, outputs: int, scale: int, activation: Callable[[int], nn.Module]
) -> nn.Sequential:
    """Make a transposed convolution that multiplies height and width by the scale exactly."""
    conv = nn.ConvTranspose2d(inputs, outputs, scale + 2 * PADDING, stride=scale, padding=PADDING)
    return nn.Sequential(conv, activation(outputs))


def shrink(
    inputs: int, outputs: int, scale: int, activation: Callable[[int], nn.Module]
) -> nn.Sequential:
    """Make a strided convolution that divides height and width by the scale exactly."""
    conv = nn.Conv2d(inputs, outputs, scale + 2 * PADDING, stride=scale, padding=PADDING)
    return nn.Sequential(conv, activation(outputs))


class BackProjection(nn.Module):
    """Project features to another scale, and correct that by the error of projecting back.

    Args:
        project: from the input's scale to the output's.
        back: from the output's scale to the input's.
        correct: from the input's scale to the output's, for the error.
    """

    def __init__(self, project: nn.Module, back: nn.Module, correct: nn.Module) -> None:
        super().__init__()
        self.project = project
        self.back = back
        self.correct = correct

    def forward(self, features: Tensor) -> Tensor:
        """Return the features at the other scale."""
        projected: Tensor = self.project(features)
        error = self.back(projected) - features
        correction: Tensor = self.correct(error)
        return projected + correction


class UpProjection(BackProjection):
    """Bring (B, inputs, h, w) features to (B, outputs, sh, sw).

    Args:
        inputs: channels in.
        outputs: channels out.
        scale: how many times finer the output is.
        activation: makes an activation for a number of channels; by default one slope a channel.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        scale: int,
        activation: Callable[[int], nn.Module] = nn.PReLU,
    ) -> None:
        super().__init__(
            project=enlarge(inputs, outputs, scale, activation),
            back=shrink(outputs, inputs, scale, activation),
            correct=enlarge(inputs, outputs, scale, activation),
        )


class DownProjection(BackProjection):
    """Bring (B, inputs, sh, sw) features to (B, outputs, h, w).

    Args:
        inputs: channels in.
        outputs: channels out.
        scale: how many times coarser the output is.
        activation: makes an activation for a number of channels; by default one slope a channel.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        scale: int,
        activation: Callable[[int], nn.Module] = nn.PReLU,
    ) -> None:
        super().__init__(
            project=shrink(inputs, outputs, scale, activation),
            back=enlarge(outputs, inputs, scale, activation),
            correct=shrink(inputs, outputs, scale, activation),
        )
