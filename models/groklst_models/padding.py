"""Run a network on any size: pad to the multiple that it takes, and crop afterwards."""

from torch import Tensor, nn
from torch.nn import functional


def run_padded(network: nn.Module, lst: Tensor, guide: Tensor | None, scale: int) -> Tensor:
    """Run a network on standardised tensors of any height and width.

    Rows and columns are added below and on the right by repeating the last one, up to the
    network's ``multiple_of`` coarse pixels (1 where it states none).

    Args:
        network: Takes ``lst`` and ``guide``, or ``lst`` alone where there is no guidance.
        lst: ``(B, 1, h, w)``.
        guide: ``(B, G, s·h, s·w)``, or None.
        scale: ``s``.

    Returns:
        ``(B, 1, s·h, s·w)``.
    """
    height, width = lst.shape[-2:]
    multiple = int(getattr(network, "multiple_of", 1))
    down, right = -height % multiple, -width % multiple
    fine: Tensor = network(
        *(
            _repeat_edge(tensor, down * step, right * step)
            for tensor, step in ((lst, 1), (guide, scale))
            if tensor is not None
        )
    )
    return fine[..., : height * scale, : width * scale]


def _repeat_edge(planes: Tensor, down: int, right: int) -> Tensor:
    if not down and not right:
        return planes
    return functional.pad(planes, (0, right, 0, down), mode="replicate")
