"""A band as it is typed: a file, one of its bands, and the scaling of its stored values."""

import math
import os
import re
import shlex
from dataclasses import dataclass, replace
from typing import Final, Literal, Self

from groklst_cli.errors import UsageError

Nodata = float | Literal["none"]
"""A stored value that means "no value"; ``none``: only those that the file declares."""

Scaling = Literal["tags", "none"] | tuple[float, float]
"""Apply the file's scale and offset, take values as stored, or apply this factor and offset."""

GRAMMAR: Final = "[NAME=]FILE[,band=N][,nodata=V|none][,scaling=tags|none|A[+B]]"

_NUMBER: Final = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_SUFFIX: Final = re.compile(r"(.*),(band|nodata|scaling)=([^,]*)", re.DOTALL)
_NAMED: Final = re.compile(r"([A-Za-z]\w*)=(.*)", re.DOTALL)


@dataclass(frozen=True)
class BandSource:
    """Where a band comes from, as a user writes it; ``GRAMMAR`` says how.

    Attributes:
        path: Anything that GDAL opens.
        name: The band's name, or None for the description in the file.
        band: The band's number from 1, or None for all.
        nodata: A stored value that means "no value", in addition to what the file declares.
        scaling: How stored values become physical ones; None for the tags of the file, which are
            refused if they seem to be applied already.
    """

    path: str
    name: str | None = None
    band: int | None = None
    nodata: Nodata | None = None
    scaling: Scaling | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a source with suffixes in any order; the name of an existing file has no suffixes.

        Raises:
            UsageError: If a suffix is not valid or is repeated, or the file name is missing.
        """
        if text and os.path.exists(text):
            return cls(text)
        path, suffixes = text, dict[str, str]()
        while found := _SUFFIX.fullmatch(path):
            path, key, value = found.groups()
            if key in suffixes:
                raise UsageError(f"{text!r} states {key} twice; state it once")
            suffixes[key] = value
        name = None
        if named := _NAMED.fullmatch(path):
            name, path = named.groups()
        if not path or path[0] == "=" or "\0" in path:
            raise UsageError(f"{text!r} names no file; write {GRAMMAR}")
        return cls(
            path,
            name,
            _band(text, suffixes["band"]) if "band" in suffixes else None,
            read_nodata("nodata", suffixes["nodata"]) if "nodata" in suffixes else None,
            read_scaling(suffixes["scaling"]) if "scaling" in suffixes else None,
        )

    def __str__(self) -> str:
        """Return the source as it would be typed."""
        parts = [self.path if self.name is None else f"{self.name}={self.path}"]
        if self.band is not None:
            parts.append(f"band={self.band}")
        if self.nodata is not None:
            parts.append(f"nodata={_digits(self.nodata)}")
        if self.scaling is not None:
            parts.append(f"scaling={_scaling_text(self.scaling)}")
        return ",".join(parts)

    def with_nodata(self, nodata: Nodata | None) -> Self:
        """Return the source with a nodata value that another option sets.

        Raises:
            UsageError: If the source has a different one.
        """
        if nodata is None or nodata == self.nodata:
            return self
        if self.nodata is not None:
            raise UsageError(
                f"{self.path} has both nodata={_digits(self.nodata)} and --src-nodata "
                f"{_digits(nodata)}; leave one out"
            )
        return replace(self, nodata=nodata)


def typed(source: BandSource) -> str:
    """Return a source quoted for a shell."""
    return shlex.quote(str(source))


def declaring_the_first(source: BandSource) -> str:
    """Say how two values can mean "no value": the file declares the one that is already named."""
    if not isinstance(source.nodata, float):
        return ""
    value = _digits(source.nodata)
    return (
        f"declare {value} with: rio edit-info --nodata {value} {shlex.quote(source.path)} ; then "
    )


def read_nodata(what: str, text: str) -> Nodata:
    """Read a number, ``nan`` or ``none``.

    Raises:
        UsageError: If it is something else.
    """
    if text.lower() == "none":
        return "none"
    if text.lower() != "nan" and not re.fullmatch(_NUMBER, text):
        raise UsageError(
            f"{what} {text!r} is neither a number nor none; write it as in {what} -9999"
        )
    return float(text)


def read_scaling(text: str) -> Scaling:
    """Read ``tags``, ``none``, a factor, or a factor and an offset as in ``0.00341802+149``.

    Raises:
        UsageError: If it is something else, or leaves no values.
    """
    if text == "tags":
        return "tags"
    if text == "none":
        return "none"
    if found := re.fullmatch(rf"({_NUMBER})([+-]{_NUMBER.removeprefix('[+-]?')})?", text):
        factor, offset = float(found[1]), float(found[2] or 0)
        if factor and math.isfinite(factor) and math.isfinite(offset):
            return factor, offset
    raise UsageError(
        f"scaling {text!r} is neither tags, none nor a factor; write it as in scaling=0.1 or "
        "scaling=0.00341802+149"
    )


def _digits(value: float | str) -> str:
    return value if isinstance(value, str) else repr(float(value)).removesuffix(".0")


def _scaling_text(scaling: Scaling) -> str:
    if isinstance(scaling, str):
        return scaling
    factor, offset = map(_digits, scaling)
    return factor if offset == "0" else f"{factor}{offset if offset[0] == '-' else '+' + offset}"


def _band(text: str, number: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", number) or int(number) == 0:
        raise UsageError(f"{text!r} names no band of a file; write {GRAMMAR} with N from 1")
    return int(number)
