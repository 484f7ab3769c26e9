"""Find the tensors that a pickle of torch describes, without executing the pickle.

A pickle is a program for a small stack machine, which may call any function. This reader calls
nothing: it keeps texts, numbers, tuples, mappings and the tensors of ``torch.save``, and puts a
placeholder in place of everything else (Python's ``pickletools`` describes each step).
"""

import pickletools
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import IO, Any, Final

from groklst_models.errors import CheckpointError

_MOST_STEPS: Final = 1_000_000
"""Largest number of steps of a pickle, each of up to some hundred bytes; a tensor takes about
thirty."""

_MAPPINGS: Final = ("collections OrderedDict", "builtins dict")
_WRAPPERS: Final = ("torch._utils _rebuild_parameter", "torch._utils _rebuild_parameter_with_state")
_STRIDED: Final = ("torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor")
_TYPED: Final = "torch._utils _rebuild_tensor_v3"


@dataclass(frozen=True, slots=True)
class Other:
    """A placeholder for objects that are not needed.

    Attributes:
        name: The module and the name that the pickle calls or mentions; empty for the rest.
    """

    name: str = ""


@dataclass(frozen=True, slots=True)
class PickledStorage:
    """Bytes beside the pickle.

    Attributes:
        key: The name of the member of the archive that holds them.
        dtype: Their type as torch calls it, such as ``Float`` or ``Untyped``.
    """

    key: str
    dtype: str


@dataclass(frozen=True, slots=True)
class PickledTensor:
    """The description of a tensor in a pickle, not checked.

    Attributes:
        storage: Where its elements lie.
        offset: Of the first one, in elements.
        shape: Its sizes.
        strides: Steps along them, in elements.
        dtype: As ``PickledStorage.dtype``, or as torch writes it since 2.1, such as ``float32``.
    """

    storage: PickledStorage
    offset: Any
    shape: tuple[Any, ...]
    strides: tuple[Any, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Description:
    """What a pickle describes.

    Attributes:
        contents: Texts, numbers, tuples, dicts with texts or whole numbers as keys,
            ``PickledTensor`` and ``Other``.
        calls: Everything that it would call, as ``module name``.
        tensors: All tensors in it.
    """

    contents: Any
    calls: Set[str]
    tensors: Sequence[PickledTensor]


def read_pickle(file: IO[bytes]) -> Description:
    """Read what a pickle describes.

    Args:
        file: The pickle, as ``torch.save`` puts it into its archives.

    Raises:
        CheckpointError: If it is not a pickle, ends too early or takes too many steps.
    """
    machine = _Machine()
    try:
        for steps, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if steps > _MOST_STEPS:
                raise CheckpointError(f"its pickle takes more than {_MOST_STEPS} steps")
            machine.step(opcode, argument)
        return Description(machine.stack.pop(), machine.calls, machine.tensors)
    except (LookupError, ValueError, TypeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"its pickle is damaged: {error}") from error


_NOTHING: Final = Other()


class _Mark:
    """Stands on the stack below what is taken together."""


class _Machine:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.calls: set[str] = set()
        self.tensors: list[PickledTensor] = []
        self._memo: dict[int, Any] = {}
        self._special: Mapping[str, Callable[[Any], object]] = {
            "MARK": lambda _: self.stack.append(_Mark),
            "TUPLE": lambda _: self.stack.append(tuple(self._above_mark())),
            "EMPTY_TUPLE": lambda _: self.stack.append(()),
            "EMPTY_DICT": lambda _: self.stack.append({}),
            "DICT": lambda _: self._fill(self._above_mark(), {}),
            "GLOBAL": lambda name: self.stack.append(Other(name)),
            "STACK_GLOBAL": lambda _: self.stack.append(Other(" ".join(self._last(2)))),
            "INST": lambda name: self._call(Other(name), self._above_mark()),
            "OBJ": lambda _: self._call(self._above_mark()[0], None),
            "NEWOBJ": lambda _: self._call(*self._last(2)),
            "NEWOBJ_EX": lambda _: self._call(*self._last(3)[:2]),
            "SETITEM": lambda _: self._fill(self._last(2), *self._last(1)),
            "SETITEMS": lambda _: self._fill(self._above_mark(), *self._last(1)),
            "BUILD": lambda _: self._last(1),
            "REDUCE": lambda _: self._call(*self._last(2)),
            "BINPERSID": lambda _: self.stack.append(_storage(*self._last(1))),
            "MEMOIZE": lambda _: self._keep(len(self._memo)),
            **{f"TUPLE{n}": self._tuple_of(n) for n in (1, 2, 3)},
            **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), self._keep),
            **dict.fromkeys(
                ("GET", "BINGET", "LONG_BINGET"), lambda i: self.stack.append(self._memo[i])
            ),
        }

    def step(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        """Execute one step; steps that are not needed only change the stack."""
        if opcode.name in self._special:
            self._special[opcode.name](argument)
        elif opcode.name == "STOP":
            return
        elif argument is not None and not opcode.stack_before and opcode.stack_after:
            self.stack.append(argument)  # a text or a number, which stands in the pickle itself
        else:
            taken = opcode.stack_before
            if pickletools.markobject in taken:
                self._above_mark()
                taken = taken[: taken.index(pickletools.markobject)]
            self._last(len(taken))
            self.stack.extend(_NOTHING for _ in opcode.stack_after)

    def _last(self, count: int) -> list[Any]:
        """Take some objects off the stack."""
        if count > len(self.stack):
            raise ValueError("it reads beyond its end")
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def _above_mark(self) -> list[Any]:
        """Take off the stack what lies above the last mark, and the mark."""
        taken = []
        while (top := self.stack.pop()) is not _Mark:
            taken.append(top)
        return taken[::-1]

    def _tuple_of(self, count: int) -> Callable[[Any], None]:
        return lambda _: self.stack.append(tuple(self._last(count)))

    def _call(self, function: Any, arguments: Any) -> None:
        """Put what a call stands for in its place."""
        made = _called(function, arguments)
        self.calls.add(function.name if isinstance(function, Other) else "")
        if isinstance(made, PickledTensor):
            self.tensors.append(made)
        self.stack.append(made)

    def _keep(self, number: int) -> None:
        self._memo[number] = self.stack[-1]

    def _fill(self, items: list[Any], into: Any) -> None:
        """Put pairs into a mapping; keys that cannot name a tensor are left out."""
        if isinstance(into, dict):
            for key, value in zip(items[::2], items[1::2], strict=True):
                if isinstance(key, str | int):
                    into[key] = value
        self.stack.append(into)


def _called(function: Any, arguments: Any) -> Any:
    """Return the result of a call: a tensor, an empty mapping, or a placeholder."""
    name = function.name if isinstance(function, Other) else ""
    given = arguments if isinstance(arguments, tuple) else ()
    if name in _MAPPINGS and not given:
        return {}
    if name in _WRAPPERS and given and isinstance(given[0], PickledTensor | Other):
        return given[0]
    match given:
        case (PickledStorage() as held, offset, tuple() as shape, tuple() as strides, *_) if (
            name in _STRIDED
        ):
            return PickledTensor(held, offset, shape, strides, held.dtype)
        case (
            PickledStorage() as held,
            offset,
            tuple() as shape,
            tuple() as strides,
            _,
            _,
            kind,
        ) if name == _TYPED and isinstance(kind, Other):
            return PickledTensor(held, offset, shape, strides, kind.name.removeprefix("torch "))
    return Other(name)


def _storage(reference: Any) -> Any:
    """Return the storage that a persistent identifier names."""
    match reference:
        case ("storage", Other() as kind, str() as key, *_):
            return PickledStorage(key, kind.name.rpartition(" ")[2].removesuffix("Storage"))
    return _NOTHING
