"""A device that is not there: tensors say that they lie on it, and are computed on the CPU.

It refuses what a GPU refuses, tensors of two devices in one operation, and keeps count of what is
computed elsewhere meanwhile. Unlike torch's fake tensors these hold numbers, so that code that
looks at them runs, and its answers can be compared.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

FAR = torch.device("lazy:0")
"""A kind of device that torch knows, that needs no hardware, and whose gradients run on the CPU."""

_HANDS_ON = ("aten.lift_fresh", "aten.detach", "aten.view", "aten.unsqueeze", "aten.select")
_TILE_ROWS = "groklst_cli.pipeline.predict.tile_rows"
_BRINGS = ("aten._to_copy", "aten.copy_")
_INDEXES = ("aten.index.", "aten.index_put", "aten._unsafe_index")


class FarTensor(Tensor):
    """A tensor on the device; ``near`` holds its numbers."""

    near: Tensor

    @staticmethod
    def __new__(cls, near):
        far = Tensor._make_wrapper_subclass(
            cls, near.shape, strides=near.stride(), storage_offset=near.storage_offset(),
            dtype=near.dtype, device=FAR,
        )  # fmt: skip
        far.near = near
        return far

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, operation, types, arguments=(), keywords=None):
        return compute(operation, arguments, keywords or {})

    def tolist(self):
        return self.near.tolist()

    def numpy(self):
        raise TypeError("a tensor on another device is no array; bring it to the CPU first")

    def __repr__(self):
        return f"far {self.near!r}"


class FarDevice(TorchDispatchMode):
    """While it is on, tensors can be made on the device and brought to it.

    Attributes:
        elsewhere: Operations that were computed on the CPU of what was watched.
        computed: How many were computed on the device.
    """

    def __init__(self):
        super().__init__()
        self.elsewhere, self.computed = set(), 0
        self._watched, self._kept = set(), []

    def watch(self, array):
        """Note what becomes of an array, unless it is brought to the device."""
        self._watched.add(array.ctypes.data)
        self._kept.append(array)  # so that nothing else comes to lie there

    def __torch_dispatch__(self, operation, types, arguments=(), keywords=None):
        found = compute(operation, arguments, keywords or {})
        self.computed += any(isinstance(part, FarTensor) for part in pytree.tree_leaves(found))
        if any(self._is_watched(part) for part in pytree.tree_leaves((arguments, keywords))):
            made = [part for part in pytree.tree_leaves(found) if type(part) is Tensor]
            self._watched |= {part.untyped_storage().data_ptr() for part in made}
            self._kept += made
            if made and not str(operation).startswith(_HANDS_ON):
                self.elsewhere.add(str(operation))
        return found

    def _is_watched(self, value):
        return type(value) is Tensor and value.untyped_storage().data_ptr() in self._watched


def compute(operation, arguments, keywords):
    """Compute on the CPU what is asked for of tensors that all lie on one device."""
    name, keywords = str(operation), dict(keywords)
    tensors = [t for t in pytree.tree_leaves((arguments, keywords)) if isinstance(t, Tensor)]
    far = any(isinstance(tensor, FarTensor) for tensor in tensors)
    wanted = keywords.get("device")
    if wanted is not None:
        far = torch.device(wanted).type == FAR.type
        keywords["device"] = torch.device("cpu")
    elif not name.startswith(_BRINGS):
        _refuse_two_devices(name, arguments, tensors)
    if name.startswith("aten.copy_"):
        far = isinstance(arguments[0], FarTensor)
    near = [
        pytree.tree_map_only(FarTensor, lambda t: t.near, part) for part in (arguments, keywords)
    ]
    found = operation(*near[0], **near[1])
    if operation._schema.is_mutable and not name.startswith("aten._foreach"):
        return _same(arguments, found, far)
    return pytree.tree_map_only(Tensor, FarTensor, found) if far else found


def _refuse_two_devices(name, arguments, tensors):
    counted = tensors
    if name.startswith(_INDEXES) and isinstance(arguments[0], FarTensor):
        # then the places that are looked up may be on the CPU
        counted = [arguments[0], *(a for a in arguments[2:] if isinstance(a, Tensor))]
    kinds = {isinstance(tensor, FarTensor) for tensor in counted if tensor.dim()}
    if len(kinds) > 1:
        shapes = [(type(tensor).__name__, tuple(tensor.shape)) for tensor in counted]
        raise RuntimeError(f"{name} was given tensors on two devices: {shapes}")


def _same(arguments, found, far):
    """Return what was changed in place as itself, and all else as it was made."""
    first = arguments[0] if arguments else None
    if isinstance(first, FarTensor) and found is first.near:
        return first
    return pytree.tree_map_only(Tensor, FarTensor, found) if far else found


@contextmanager
def far_device() -> Iterator[FarDevice]:
    """Have the device for a while, in this thread alone."""
    with FarDevice() as device, pytest.MonkeyPatch.context() as patched:
        for module in ("groklst_models.sampling.side_by_side", _TILE_ROWS):
            patched.setattr(f"{module}.ThreadPoolExecutor", _Inline)
        torch._C._set_only_lift_cpu_tensors(True)  # so that lists become tensors before they move
        try:
            yield device
        finally:
            torch._C._set_only_lift_cpu_tensors(False)


class _Inline:
    """Does at once what is submitted: torch's modes are one thread's."""

    def __init__(self, lanes):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def submit(self, work, *items):
        return _Done(work(*items))

    def shutdown(self, *, cancel_futures):
        pass


class _Done:
    def __init__(self, found):
        self._found = found

    def result(self):
        return self._found
