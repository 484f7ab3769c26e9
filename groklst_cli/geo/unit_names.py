"""The units that an LST can be in."""

from typing import Literal

Units = Literal["K", "C"]
