"""Find the shapes of a network's state without allocating it."""

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from groklst_models.errors import CheckpointError

_REGISTRATIONS = 4
"""A parameter may be registered several times while a network is built."""


def shapes_of(build: Callable[[], nn.Module], tensors: int) -> dict[str, tuple[int, ...]]:
    """Build a network on torch's meta device, and return the shapes of its state.

    Args:
        build: Builds it.
        tensors: Number of tensors in the file; building stops if the network needs many more.

    Raises:
        CheckpointError: If it cannot be built, or needs far more tensors.
    """
    with _AtMost(_REGISTRATIONS * tensors + 64), torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tensors without elements; the weights tell of those
        try:
            state = build().state_dict()
        except (RuntimeError, OverflowError) as error:  # sizes that no tensor can have
            raise CheckpointError(f"its network cannot be built: {error}") from error
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


class _AtMost(AbstractContextManager["_AtMost"]):
    """Ends the building of a network that registers more parameters than it may."""

    def __init__(self, most: int) -> None:
        self._most = self._left = most

    def __enter__(self) -> "_AtMost":
        self._hook = register_module_parameter_registration_hook(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()

    def _count(self, module: nn.Module, name: str, parameter: Tensor | None) -> None:
        self._left -= 1
        if self._left < 0:
            raise CheckpointError(
                f"its network would have more than {self._most} parameters, far more than the "
                "file has weights"
            )
